"""What the scoring room asks of whatever answers cases: a local model today, an endpoint or a comparison likewise.

    declare -> what it is and what its answers may carry, stored with the run; pages go by that
    answer  -> one `Reasoned` for each case

An evaluator is written by subclassing `Evaluator` with these two; the rest is for those that keep something on a
device. Answers that exist already declare themselves the same way and are stored without anybody being asked
(`answer_file.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from warehouse.records.scoring import Capabilities
from workbench.model.case import Case, Reasoned, Timings
from workbench.model.method import Method

if TYPE_CHECKING:  # pages that show imported answers need no PyTorch
    from workbench.model.backbone import Pictures


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an evaluator says of itself before it answers; it travels between processes and ends in the run's record."""

    name: str  # "segments", "naive", "answer file"
    version: str  # hash of what answers: the weights, the answer file
    capabilities: Capabilities  # what its answers may carry under the run's method
    demo: bool = False  # the embedded demo model: said wherever its numbers are shown
    embedding_scale: float | None = None  # s, the unit of noise and steps; None without latents


class Evaluator(Protocol):
    """See the module's opening lines."""

    pictures: Pictures | None = None  # makes pictures ready while others are answered; None: they are taken as decoded
    patch_encoder: str | None = None  # what the vectors of accepted patches are named after; None: it has none

    @property
    def memory(self) -> int:
        """Bytes it may keep on its device; fewer once the device turned out to have less."""
        return 0

    def declare(self, method: Method) -> Declaration:
        """What it is, and what its answers carry under this method."""

    def answer(self, cases: Sequence[Case], method: Method) -> list[Reasoned]:
        """An answer to each case, in order; what concerns one case alone is that case's failure.

        Raises:
            OutOfMemory: fewer cases at once may do.
            Exception: anything else; the cases are then asked picture by picture.
        """

    def use_scale(self, stored: float | None) -> None:  # noqa: ARG002
        """Reason with the s that a run began with, whatever device it goes on with; None: with its own."""
        return

    def timings(self) -> Timings:
        """Seconds spent since it was made."""
        return Timings()
