"""How much of a reviewed number people verified, and which rules brought them the cases: what stands beside it.

Rules dispute answers that look wrong, so settled cases gather where model and label disagree. Under the truth
`reviewed` a rate therefore differs from the archive's by construction; how far is read from these counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from workbench import wording


@dataclass(frozen=True, slots=True)
class Verified:
    """Of the answers that count, those whose truth people settled."""

    answers: int
    counted: int  # of so many
    rules: dict[str, int]  # by the reason that brought the case to people, most first
    basis: dict[str, int]  # by how people settled it: single, agreed, majority, person


def verified(counts: pl.DataFrame, counted: int) -> Verified:
    """The counts, summed up.

    Args:
        counts: verified (the reason), basis, answers; as `Store.verified` gives them of one run.
        counted: how many answers count.
    """
    return Verified(
        answers=int(counts["answers"].sum()),
        counted=counted,
        rules=_by(counts, "verified"),
        basis=_by(counts, "basis"),
    )


def of_facts(facts: pl.DataFrame) -> Verified:
    """The same of facts: right, verified and basis."""
    counting = facts.filter(pl.col("right").is_not_null())
    settled = counting.filter(pl.col("verified").is_not_null())
    counts = settled.group_by(pl.col("verified", "basis").cast(pl.String)).agg(answers=pl.len())
    return verified(counts, counting.height)


def sentence(counts: Verified) -> str:
    """What stands beside reviewed numbers."""
    if not counts.answers:
        return f"Truth as reviewed: people verified none of the {wording.counted(counts.counted, 'answer')} that count."
    rules, basis = (", ".join(f"{name} {n:,}" for name, n in part.items()) for part in (counts.rules, counts.basis))
    return (
        f"Truth as reviewed: people verified {counts.answers:,} of the "
        f"{wording.counted(counts.counted, 'answer')} that count (disputed "
        f"by rule: {rules}; settled: {basis}). Rules dispute answers that look wrong, so reviewed rates differ from "
        "the archive's by construction."
    )


def short(counts: Verified) -> str:
    """The same for a table's cell: 9 (label 7, audit 2)."""
    rules = ", ".join(f"{name} {n:,}" for name, n in counts.rules.items())
    return f"{counts.answers:,} ({rules})" if rules else "0"


def _by(counts: pl.DataFrame, name: str) -> dict[str, int]:
    sums = counts.group_by(name).agg(pl.col("answers").sum()).sort("answers", name, descending=[True, False])
    return {str(value): int(n) for value, n in sums.iter_rows()}
