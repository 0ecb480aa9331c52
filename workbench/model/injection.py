"""Which patches the think tokens ask to see again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Proposal:
    """A patch of the query picture some think token looks at."""

    token: int  # index among the picture's visual tokens
    score: float  # the looking token's attention


def propose(attention: Tensor, held: Collection[int], per_latent: int, room: int) -> list[Proposal]:
    """The patches each think token attends to most among those not held, best first.

    Args:
        attention: (m, n), from think tokens to the query picture's visual tokens.
        held: visual tokens injected already.
        per_latent: patches each think token may name, p.
        room: most proposals to return.

    Returns:
        Distinct patches by falling score (the highest of the tokens that named it), at most `room`.
    """
    free = attention.clone()
    free[:, list(held)] = -1.0
    top = torch.topk(free, min(per_latent, free.shape[1]), dim=-1)
    best: dict[int, float] = {}
    for token, score in zip(top.indices.flatten().tolist(), top.values.flatten().tolist(), strict=True):
        if score >= 0:
            best[token] = max(score, best.get(token, 0.0))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [Proposal(token, score) for token, score in ranked[: max(room, 0)]]
