"""The latent loop's input and output, as plain values.

A `Case` is one question about one picture; a `Reasoned` is its answer with the whole trace. Neither knows where
pictures come from or where answers are stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import Failure

if TYPE_CHECKING:
    from workbench.model.backbone import ImageInput


@dataclass(frozen=True, slots=True)
class Picture:
    """An image and what identifies it: equal keys mean equal pixels."""

    content: str  # what tells pixels apart: the SHA-256 of the file's bytes, or of them and of the part that is seen
    image: Image.Image  # RGB, the right way up; reduced (`picture_reduction.py`) where it was huge and is made ready
    # The same made ready for the model, where that was done beforehand: it takes longer than decoding.
    ready: ImageInput | None = field(default=None, compare=False, repr=False)
    oddity: str | None = None  # what a person should know of it, such as that it is of one colour
    white: float | None = None  # the sample that is shown as white, where samples are deep
    origin: tuple[float, float] = (0.0, 0.0)  # of its first pixel in the whole picture that it is a part of

    @property
    def key(self) -> str:
        """What tells pictures apart: the content, with the number shown as white where samples are deep."""
        return self.content if self.white is None else f"{self.content}@{self.white:g}"

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of `image` across and down for one of the file's: 1, but of a picture too large to be kept whole."""
        width, height = self.ready.size if self.ready else self.image.size
        return self.image.width / width, self.image.height / height


@dataclass(frozen=True, slots=True)
class Case:
    """One question about one picture, with its evidence."""

    seed_key: str  # what the noise is seeded by, with the picture: the question and its reference
    query: Picture
    reference: Picture | None  # a normal sample; None is zero-shot
    knowledge: tuple[str, ...]  # retrieved texts, best first
    question: str
    options: tuple[tuple[str, str], ...]  # (letter, text); empty for an open question
    subtask: str | None = None  # as its question set calls it, for what answers without reading
    claims: tuple[str, ...] | None = None  # of a detection question's options: defective, good, cannot say, unknown
    # (rows, cols) how far each part of the query is from normal pictures; None where nobody compared, or cannot say.
    difference: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    region: Picture | None = None  # a part of the query that is shown once more, by itself

    @property
    def letters(self) -> tuple[str, ...]:
        """The options' letters, in order."""
        return tuple(letter for letter, _ in self.options)


@dataclass(frozen=True, slots=True)
class Iteration:
    """The winner of one iteration; iteration 0 is the start state without patches."""

    entropy: float  # nats, mean over the think tokens
    token_entropy: tuple[float, ...]  # nats, one per think token
    reward: float  # nats, 1 - entropy


@dataclass(frozen=True, slots=True)
class PatchChoice:
    """A patch of the query image proposed at an iteration, and whether it stayed."""

    iteration: int
    row: int  # in the grid of visual tokens
    col: int
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in the picture's pixels
    score: float  # attention of the latent that proposed it, or its share of the difference from normal pictures
    accepted: bool


@dataclass(frozen=True, slots=True)
class PatchFeature:
    """The vision tower's row for an accepted patch; what was injected, unless the patch was zoomed."""

    row: int
    col: int
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reasoned:
    """The answer to one case."""

    status: Literal["answered", "invalid", "failed"]
    answer: str | None  # a letter; the text itself for an open question; None unless answered
    initial_option_probabilities: dict[str, float]  # from the start state, before the loop
    option_probabilities: dict[str, float]  # from the best state
    iterations: tuple[Iteration, ...]  # empty without think tokens
    best_iteration: int | None
    patches: tuple[PatchChoice, ...]
    accepted_features: tuple[PatchFeature, ...]
    raw_text: str | None
    rationale: str | None
    knowledge_dropped: int
    knowledge_cut: bool
    error: Failure | None = None  # why it failed

    @staticmethod
    def failure(error: Failure) -> Reasoned:
        """A case without an answer."""
        return Reasoned("failed", None, {}, {}, (), None, (), (), None, None, 0, False, error)


@dataclass(slots=True)
class Timings:
    """Seconds spent by an engine since they were last reset."""

    vision: float = 0.0
    prefill: float = 0.0
    loop: float = 0.0
    answer: float = 0.0


@dataclass(slots=True)
class Work:
    """What an engine fed to the model, counted where it is fed."""

    decoder_tokens: int = 0
    vision_calls: int = 0
    images: int = 0
    timings: Timings = field(default_factory=Timings)
