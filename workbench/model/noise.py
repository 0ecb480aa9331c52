"""The candidates' noise for all questions of a block, an iteration ahead of its use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.model import estimators
from workbench.model.device_transfer import sent
from workbench.model.method import Method


class Noise:
    """What candidates differ by from Z: drawn on the CPU, so that it is the same wherever the model runs.

    Args:
        method: gives K, sigma, its decay and the seed.
        size: d.
        scale: s.
        device: where it is wanted.
    """

    def __init__(self, method: Method, size: int, scale: float, device: torch.device):
        self._method, self._scale, self._device = method, scale, device
        self._shape = (method.think_tokens, size)
        self._drawn: tuple[int, dict[str, int], Tensor] | None = None  # iteration, key -> place, (Q, K, m, d)

    def draw(self, keys: Sequence[str], n: int) -> None:
        """That of iteration n, if there is one, for these questions: while a GPU is busy this costs nothing."""
        if n > self._method.iterations:
            return
        drawn = torch.empty(len(keys), estimators.sample_count(self._method), *self._shape)
        for place, key in enumerate(keys):
            drawn[place] = estimators.perturbations(self._method, key, n, self._shape, self._scale)
        places = {key: place for place, key in enumerate(keys)}
        self._drawn = n, places, sent(drawn, self._device)

    def of(self, keys: Sequence[str], n: int) -> Tensor:
        """(Q, K, m, d) of iteration n; of fewer questions than it was drawn for, if some have come to rest."""
        if self._drawn is None or self._drawn[0] != n:
            self.draw(keys, n)
        assert self._drawn is not None
        _, places, drawn = self._drawn
        return drawn if len(keys) == len(drawn) else drawn[[places[key] for key in keys]]
