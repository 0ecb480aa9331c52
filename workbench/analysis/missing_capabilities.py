"""What the answers of a run can't show, and what would show it: a sentence and a command, by what the run declared.

Pages and the report go by this where they would draw an empty chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from warehouse.records.scoring import Run
from workbench.settings import Engine

Capability = Literal["probabilities", "attention", "latents", "text"]  # fields of `Capabilities`
_CARRY: dict[Capability, str] = {
    "probabilities": "probability of each option",
    "attention": "patch that the model looked at",
    "latents": "course of entropy over iterations",
    "text": "text by the model",
}
# What brings it back where a local engine could have told and the run's settings kept it from that.
_FLAGS: dict[Capability, tuple[str, ...]] = {
    "probabilities": (),
    "attention": ("--think-tokens 4", "--iterations 10", "--injection features"),
    "latents": ("--think-tokens 4",),
    "text": ("--rationale",),
}


@dataclass(frozen=True, slots=True)
class Lack:
    """What a run can't show."""

    sentence: str  # what is missing and why
    instead: str  # what to do, as a sentence
    command: str


def of(run: Run, *needs: Capability) -> Lack | None:
    """What of `needs` the run's answers don't carry; None where they carry all of it."""
    return _lack(run.evaluator, [need for need in needs if not getattr(run.capabilities, need)])


def of_all(runs: Sequence[Run], *needs: Capability) -> Lack | None:
    """What of `needs` no answer of any of these runs carries; None where some run carries each."""
    missing = [need for need in needs if not any(getattr(run.capabilities, need) for run in runs)]
    return _lack(runs[0].evaluator if runs else "", missing)


def _lack(evaluator: str, missing: Sequence[Capability]) -> Lack | None:
    if not missing:
        return None
    what = " and no ".join(_CARRY[need] for need in missing)
    if evaluator in get_args(Engine):
        flags = dict.fromkeys(flag for need in missing for flag in _FLAGS[need])
        return Lack(
            f"There is no {what}: the run's settings left that out.",
            "Score the archive again with it.",
            " ".join(["workbench score ARCHIVE", *flags]),
        )
    return Lack(
        f"There is no {what}: what answered this run ({evaluator or 'nothing'}) gives none.",
        "Score the same archive with a local model.",
        "workbench score ARCHIVE --model MODEL",
    )
