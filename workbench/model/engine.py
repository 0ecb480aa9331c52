"""The engine protocol of the latent loop: read the constant parts once, then evaluate rows behind them.

Two engines do this: `SegmentedEngine`, which shares, and `NaiveEngine`, which reads the full prefix for every row
and is the oracle the other is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.model.backbone import Backbone, ImageFeatures, ImageInput
from workbench.model.case import Picture, Work
from workbench.model.token_parts import Script


@dataclass(frozen=True, slots=True)
class Prefix:
    """Some cases, read: their parts, their pictures' features, and whatever the engine keeps for itself."""

    script: Script
    features: dict[str, ImageFeatures]
    state: Any

    def image(self, question: int) -> ImageInput:
        """The query picture of a question, as it was made ready."""
        image = self.script.images[int(self.script.image_of_question[question])].image
        assert image is not None
        return image

    def visual_tokens(self, question: int) -> Tensor:
        """(n, d): the vision tower's own rows for the *query* picture of a question."""
        return self.features[self.image(question).key].tokens

    def picture(self, question: int) -> Picture:
        """The query picture of a question."""
        return self.script.pictures[int(self.script.image_of_question[question])]

    def place(self, question: int, token: int) -> tuple[int, int, tuple[float, float, float, float]]:
        """Row and column of a visual token, and its box (x0, y0, x1, y1) in the query picture's pixels."""
        return self.image(question).place(token)


Names = tuple[tuple[int, int], ...]  # of patches' vectors: visual token, and which of its vectors


@dataclass(frozen=True, slots=True)
class Rows:
    """Sequences to evaluate, each behind its question."""

    question: Tensor  # (B,) which case each row belongs to
    embeddings: tuple[Tensor, ...]  # one (L, d) per row: [injected patches][Z][cue ...]
    at: Tensor  # (B, places) where to read logits, counted within the row
    # Names of each row's leading vectors that stay as they are, its injected patches: equal names behind one question
    # mean equal vectors, so an engine may read them once. () when none are known to stay.
    constants: tuple[Names, ...] = ()

    def take(self, indices: Sequence[int]) -> Rows:
        """These rows, in this order."""
        places = list(indices)
        embeddings = tuple(self.embeddings[i] for i in places)
        constants = tuple(self.constants[i] for i in places) if self.constants else ()
        return Rows(self.question[places], embeddings, self.at[places], constants)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was read at the rows' places."""

    values: Tensor  # (B, places, ...) as `read` returns them
    # (rows, places, n) attention of these rows to the query's visual tokens, a mean over heads and chosen layers; below
    # 0 beyond a picture's own. None if it wasn't asked for. Worked out when called: of the best candidate, say, alone.
    attention_of: Callable[[Sequence[int]], Tensor] | None = None

    @property
    def attention(self) -> Tensor | None:
        """(B, places, n): of all rows."""
        return None if self.attention_of is None else self.attention_of(range(len(self.values)))


def padded(pieces: Sequence[Tensor]) -> Tensor:
    """(rows, places, n) pieces of attention as one, with -1 up to the largest picture."""
    width = max(each.shape[-1] for each in pieces)
    return torch.cat([torch.nn.functional.pad(each, (0, width - each.shape[-1]), value=-1.0) for each in pieces])


class Engine(Protocol):
    """See the module's opening lines."""

    work: Work
    memory: int  # bytes it may keep of what it has read; given to `halve` when the device has less

    @property
    def backbone(self) -> Backbone:
        """The model it drives."""

    def batches(self, script: Script) -> list[Script]:
        """The script in pieces that fit the memory, in the order they should be read: by reference."""

    def read(self, script: Script) -> Prefix:
        """Read all constant parts of a script."""

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        """What `read` makes of the logits at each row's places.

        Args:
            prefix: as `read` returned it.
            rows: at least one.
            read: from logits (rows, places, V) float32 to (rows, places, ...). It is given some rows at a time, so that
                a vocabulary's logits of all rows never exist together.
            attention: be ready to tell each place's attention to the visual tokens of the query picture.
        """

    def halve(self) -> bool:
        """Give back what is kept and go on with half the memory; False when there is nothing left to halve."""
