"""From verdicts to what is held to be true, and how far reviewers agree. Nothing here asks a server.

A dispute is settled by one verdict where one was asked, by two that agree where two were asked blind, else by a
majority of at least two once a third has looked. One person's second verdict on a case is no second opinion: of each
person only the newest counts. What is settled follows its verdicts, edits and deletions included, until a person
settles by hand, which stands until they take it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from warehouse import claims, phases, schema
from warehouse.review_records import Basis, Decision, Dispute, Settlement, Verdict
from warehouse.reviews import Reviews
from workbench.review.errors import ReviewError


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a verdict comes to."""

    decision: Decision
    right_answer: str | None


@dataclass(frozen=True, slots=True)
class Concord:
    """What reviewers hold together."""

    opinion: Opinion
    basis: Basis
    author: str


def concord(dispute: Dispute, verdicts: Sequence[Verdict]) -> Concord | None:
    """What the verdicts on a dispute settle; None while that is open.

    Args:
        dispute: says how many reviewers were asked.
        verdicts: those that stand.
    """
    newest: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda one: (one.judged_at, one.verdict_id)):
        newest[verdict.reviewer] = verdict
    heard = list(newest.values())
    if not heard or len(heard) < dispute.slots:
        return None
    counted = Counter(Opinion(one.decision, one.right_answer) for one in heard)
    opinion, votes = counted.most_common(1)[0]
    author = ", ".join(sorted(newest))
    if votes == len(heard) and (votes > 1 or opinion.decision != "unsure"):
        return Concord(opinion, "agreed" if votes > 1 else "single", author)
    if votes >= 2 and 2 * votes > len(heard):
        return Concord(opinion, "majority", author)
    return None


def settle_due(reviews: Reviews, now: datetime | None = None) -> int:
    """How many settlements were added so that they say what the verdicts say. Doing it again adds none."""
    now = now or datetime.now(UTC)
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in schema.records(Verdict, reviews.verdicts()):
        verdicts.setdefault(verdict.dispute_id, []).append(verdict)
    standing: dict[str, Settlement] = {}
    for settlement in schema.records(Settlement, reviews.settlements()):
        standing[settlement.dispute_id] = settlement
    due: list[Settlement] = []
    for dispute in schema.records(Dispute, reviews.queue()):
        held = standing.get(dispute.dispute_id)
        if held and held.basis == "person" and not held.withdrawn:
            continue
        found = concord(dispute, verdicts.get(dispute.dispute_id, []))
        if found is None:
            if held and not held.withdrawn:
                due.append(_again(held, withdrawn=True, reason="its verdicts were taken back or differ now", now=now))
            continue
        new = _settlement(dispute, found, "", now)
        if held is None or held.withdrawn or _says(held) != _says(new):
            due.append(new)
    phases.at("before-settle")
    if due:
        reviews.settle(due)
    phases.at("after-settle")
    return len(due)


def settle_by(
    reviews: Reviews, dispute_id: str, decision: Decision, right_answer: str | None, person: str, reason: str
) -> Settlement:
    """Settle a dispute by a person's word, whatever its verdicts say.

    Raises:
        ReviewError: there is no such dispute, or the answer isn't one of its options or contradicts the decision.
    """
    dispute = _dispute(reviews, dispute_id)
    letters = [option.letter for option in dispute.options]
    if decision == "correct":
        right_answer = dispute.answer
    elif decision == "unsure":
        right_answer = None
    elif right_answer is not None and (right_answer not in letters or right_answer == dispute.answer):
        raise ReviewError(f"{right_answer!r} can't be right: choose among {', '.join(letters)}, but {dispute.answer}")
    elif right_answer is None and len(letters) == 2:
        right_answer = next(letter for letter in letters if letter != dispute.answer)
    found = Concord(Opinion(decision, right_answer), "person", person)
    settlement = _settlement(dispute, found, reason, datetime.now(UTC))
    reviews.settle([settlement])
    return settlement


def reopen(reviews: Reviews, dispute_id: str, person: str, reason: str) -> int:
    """Take a settlement back; what the verdicts settle by themselves comes again. How many settlements that added.

    Raises:
        ReviewError: the dispute isn't settled.
    """
    dispute_id = _dispute(reviews, dispute_id).dispute_id
    held = [one for one in schema.records(Settlement, reviews.settlements()) if one.dispute_id == dispute_id]
    if not held or held[-1].withdrawn:
        raise ReviewError(f"dispute {dispute_id} isn't settled; `workbench disputes list` shows the states")
    reviews.settle([_again(held[-1], withdrawn=True, reason=f"{person}: {reason}", now=datetime.now(UTC))])
    return 1 + settle_due(reviews)


def _dispute(reviews: Reviews, dispute_id: str) -> Dispute:
    found = [one for one in schema.records(Dispute, reviews.queue()) if one.dispute_id.startswith(dispute_id)]
    if len(found) != 1:
        raise ReviewError(f"{len(found)} disputes are named {dispute_id}…; `workbench disputes list` shows the names")
    return found[0]


def _settlement(dispute: Dispute, found: Concord, reason: str, now: datetime) -> Settlement:
    right = found.opinion.right_answer
    return Settlement(
        image_id=dispute.image_id,
        question_id=dispute.question_id,
        revision=1,
        dispute_id=dispute.dispute_id,
        decision=found.opinion.decision,
        right_answer=right,
        label=_label(dispute, right),
        basis=found.basis,
        author=found.author,
        reason=reason,
        withdrawn=False,
        settled_at=now,
    )


def _label(dispute: Dispute, right: str | None) -> str | None:
    """What the right answer says of the whole image, where the question was whether it has a defect."""
    claim = claims.of_letter(dispute.claims, [option.letter for option in dispute.options], right)
    return claim if claim in ("defective", "good") else None


def _again(held: Settlement, *, withdrawn: bool, reason: str, now: datetime) -> Settlement:
    return Settlement(
        held.image_id, held.question_id, 1, held.dispute_id, held.decision, held.right_answer, held.label,
        held.basis, held.author, reason, withdrawn, now,
    )  # fmt: skip


def _says(settlement: Settlement) -> tuple[object, ...]:
    return settlement.decision, settlement.right_answer, settlement.basis, settlement.author


# -- how far they agree ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far blind reviewers agree beyond chance."""

    pairs: int  # disputes that two people judged, each in a slot of their own
    same: int  # of those with the same verdict and the same right option
    cohen: float | None  # kappa between the first and the second slot; None where it isn't defined
    krippendorff: float | None  # alpha over all reviewers; None where it isn't defined
    unblinded: int = 0  # verdicts left out: the mask, drawn on the task, told their reviewer the answer


def agreement(verdicts: pl.DataFrame) -> Agreement:
    """Agreement over the disputes that at least two people judged.

    Args:
        verdicts: those that stand: dispute_id, slot, reviewer, decision, right_answer, unblinded.
    """
    blind = verdicts.filter(~pl.col("unblinded"))
    found = _agreement(blind)
    return replace(found, unblinded=verdicts.height - blind.height)


def _agreement(verdicts: pl.DataFrame) -> Agreement:
    said = (
        verdicts.with_columns(
            opinion=pl.when(pl.col("decision") == "unsure")
            .then(pl.lit("unsure"))
            .otherwise(pl.col("decision") + " " + pl.col("right_answer").fill_null("-"))
        )
        .sort("slot", "judged_at")
        .unique(["dispute_id", "reviewer"], keep="last", maintain_order=True)
    )
    several = said.filter(pl.len().over("dispute_id") > 1)
    if several.is_empty():
        return Agreement(0, 0, None, None)
    pairs = several.group_by("dispute_id", maintain_order=True).agg(pl.col("opinion").head(2))
    first = [pair[0] for pair in pairs["opinion"].to_list()]
    second = [pair[1] for pair in pairs["opinion"].to_list()]
    same = sum(one == other for one, other in zip(first, second, strict=True))
    if len(set(first + second)) < 2:  # everybody says the same one thing: chance would too
        return Agreement(len(first), same, None, None)
    import krippendorff
    from sklearn.metrics import cohen_kappa_score

    codes = {opinion: code for code, opinion in enumerate(sorted(set(several["opinion"])))}
    table = several.with_columns(code=pl.col("opinion").replace_strict(codes)).pivot(
        "dispute_id", index="reviewer", values="code"
    )
    ratings = table.drop("reviewer").cast(pl.Float64).to_numpy()
    alpha = krippendorff.alpha(np.asarray(ratings, dtype=float), level_of_measurement="nominal")
    return Agreement(len(first), same, float(cohen_kappa_score(first, second)), float(alpha))


def load(verdicts: pl.DataFrame) -> pl.DataFrame:
    """One row per reviewer: reviewer, verdicts, unsure (counts), seconds (median), newest (when); busiest first."""
    return (
        verdicts.group_by("reviewer")
        .agg(
            verdicts=pl.len(),
            unsure=(pl.col("decision") == "unsure").sum(),
            seconds=pl.col("seconds").median(),
            newest=pl.col("judged_at").max(),
        )
        .sort(["verdicts", "reviewer"], descending=[True, False])
    )
