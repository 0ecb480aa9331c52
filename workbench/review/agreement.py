"""From verdicts to what is held to be true, and how far reviewers agree. Nothing here asks a server.

A dispute is settled by one verdict where one was asked, by two that agree where two were asked blind, else by a
majority of at least two once a third has looked. One person's second verdict on a case is no second opinion: of each
person only the newest counts. What is settled follows its verdicts, edits and deletions included, until a person
settles by hand, which stands until they take it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse import claims, kill_points, schema
from warehouse.queries.reviews import Reviews
from warehouse.records.audit import PROGRAM, Actor, Channel
from warehouse.records.judgements import Judgement, absolute, settlement_id
from warehouse.records.reviews import Basis, Decision, Dispute, Label, Settlement, Verdict
from workbench import wording
from workbench.analysis import metrics
from workbench.errors import ReviewError


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a verdict comes to."""

    decision: Decision
    right_answer: str | None


@dataclass(frozen=True, slots=True)
class Consensus:
    """What reviewers hold together."""

    opinion: Opinion
    basis: Basis
    author: str


def consensus(dispute: Dispute, verdicts: Sequence[Verdict]) -> Consensus | None:
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
        return Consensus(opinion, "agreed" if votes > 1 else "single", author)
    if votes >= 2 and 2 * votes > len(heard):
        return Consensus(opinion, "majority", author)
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
    due: list[Judgement] = []
    # Of several disputes about one case the latest has the last word.
    for dispute in sorted(schema.records(Dispute, reviews.queue()), key=lambda each: each.number):
        held = standing.get(dispute.dispute_id)
        if held and held.basis == "person" and not held.withdrawn:
            continue
        found = consensus(dispute, verdicts.get(dispute.dispute_id, []))
        if found is None:
            if held and not held.withdrawn:
                again = _again(held, withdrawn=True, reason="its verdicts were taken back or differ now", now=now)
                due.append(_judgement(dispute, again, "program"))
            continue
        new = _settlement(dispute, found, "", now)
        if held is None or held.withdrawn or _says(held) != _says(new):
            due.append(_judgement(dispute, new, "program"))
    kill_points.at("before-settle")
    if due:
        reviews.judge(due, actor=PROGRAM)
    kill_points.at("after-settle")
    return len(due)


def settle_by(
    reviews: Reviews, dispute_id: str, decision: Decision, right_answer: str | None, reason: str, *, actor: Actor
) -> Settlement:
    """Settle a dispute by a person's word, whatever its verdicts say.

    Raises:
        ReviewError: there is no such dispute, or the answer isn't one of its options or contradicts the decision.
    """
    dispute = _dispute(reviews, dispute_id)
    letters = [option.letter for option in dispute.options]
    if right_answer is not None and decision != "wrong" and (decision, right_answer) != ("correct", dispute.answer):
        raise ReviewError(f"{decision!r} leaves no other answer to be right: settle it as wrong, or name none")
    if decision == "correct":
        right_answer = dispute.answer
    elif decision == "unsure":
        right_answer = None
    elif right_answer is not None and (right_answer not in letters or right_answer == dispute.answer):
        raise ReviewError(f"{right_answer!r} can't be right: choose among {', '.join(letters)}, but {dispute.answer}")
    elif right_answer is None and len(letters) == 2:
        right_answer = next(letter for letter in letters if letter != dispute.answer)
    found = Consensus(Opinion(decision, right_answer), "person", actor.name)
    settlement = _settlement(dispute, found, reason, datetime.now(UTC))
    reviews.judge([_judgement(dispute, settlement, actor.channel)], actor=actor)
    return settlement


def reopen(reviews: Reviews, dispute_id: str, reason: str, *, actor: Actor) -> int:
    """Take a settlement back; what the verdicts settle by themselves comes again. How many settlements that added.

    Raises:
        ReviewError: the dispute isn't settled.
    """
    dispute = _dispute(reviews, dispute_id)
    held = [one for one in schema.records(Settlement, reviews.settlements()) if one.dispute_id == dispute.dispute_id]
    if not held or held[-1].withdrawn:
        raise ReviewError(f"dispute {dispute.dispute_id} isn't settled; `workbench disputes list` shows the states")
    said = f"{actor.name}: {reason}"
    again = _again(held[-1], withdrawn=True, reason=said, now=datetime.now(UTC))
    channel = actor.channel if again.basis == "person" else "program"
    reviews.judge([_judgement(dispute, again, channel)], actor=actor)
    return 1 + settle_due(reviews)


def _dispute(reviews: Reviews, dispute_id: str) -> Dispute:
    found = [one for one in schema.records(Dispute, reviews.queue()) if one.dispute_id.startswith(dispute_id)]
    if len(found) != 1:
        raise ReviewError(
            f"named {dispute_id}…: {wording.counted(len(found), 'dispute')}; `workbench disputes list` shows the names"
        )
    return found[0]


def _judgement(dispute: Dispute, settlement: Settlement, channel: Channel) -> Judgement:
    """A settlement as the judgement that is stored: what it says is right, whatever was answered."""
    shown, decision = dispute.answer, settlement.decision
    kind, answer = absolute(decision, settlement.right_answer, shown, bool(dispute.options))
    return Judgement(
        judgement_id=settlement_id(settlement.image_id, settlement.question_id),
        revision=1,
        dispute_id=settlement.dispute_id,
        image_id=settlement.image_id,
        question_id=settlement.question_id,
        answer_kind=kind,
        answer=answer,
        label=settlement.label,
        boxes=(),
        explanation=None,
        better_description=None,
        comment=None,
        seconds=None,
        actor=settlement.author,
        channel=channel,
        basis=settlement.basis,
        reason=settlement.reason,
        run_id=dispute.run_id,
        shown_answer=shown,
        evidence_id=None,
        slot=None,
        blinded=True,
        stratum="volunteered",
        probability=None,
        judged_at=settlement.settled_at,
        stored_at=settlement.settled_at,
        withdrawn=settlement.withdrawn,
    )


def _settlement(dispute: Dispute, found: Consensus, reason: str, now: datetime) -> Settlement:
    right = found.opinion.right_answer
    return Settlement(
        image_id=dispute.image_id,
        question_id=dispute.question_id,
        revision=1,
        dispute_id=dispute.dispute_id,
        decision=found.opinion.decision,
        right_answer=right,
        label=label_of(dispute, right),
        basis=found.basis,
        author=found.author,
        reason=reason,
        withdrawn=False,
        settled_at=now,
    )


def label_of(dispute: Dispute, right: str | None) -> Label | None:
    """What the right answer says of the whole image, where the question was whether it has a defect."""
    claim = claims.of_letter(dispute.claims, [option.letter for option in dispute.options], right)
    return "defective" if claim == "defective" else "good" if claim == "good" else None


def _again(held: Settlement, *, withdrawn: bool, reason: str, now: datetime) -> Settlement:
    return Settlement(
        held.image_id, held.question_id, 1, held.dispute_id, held.decision, held.right_answer, held.label,
        held.basis, held.author, reason, withdrawn, now,
    )  # fmt: skip


def _says(settlement: Settlement) -> tuple[object, ...]:
    return settlement.decision, settlement.right_answer, settlement.basis, settlement.author


# -- how far they agree ------------------------------------------------------------------------------------------------


LEAST_PAIRS = 20  # cases that two people judged; with fewer, no coefficient is told
_RESAMPLES = 500  # of cases, for alpha's interval


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Agreement beyond chance, 1 at most; 0 is what chance would bring."""

    value: float
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far blind reviewers agree on whether an answer is correct, wrong, or can't be told."""

    pairs: int  # cases that two people judged, each in a slot of their own
    same: int  # of those with the same verdict
    low: float  # 95 % interval of same / pairs
    high: float
    people: tuple[str, str] | None  # the two who judged all of them; None where more did
    kappa: Coefficient | None  # Cohen's, of these two; None where more judged, pairs are few, or all say one thing
    alpha: Coefficient | None  # Krippendorff's, over all reviewers; None where pairs are few, or all say one thing
    third_looks: int  # verdicts of third and later looks: their cases are those that two disagreed on
    unblinded: int  # verdicts left out: the mask, drawn on the task, told their reviewer the answer


def agreement(verdicts: pl.DataFrame) -> Agreement:
    """Agreement over the cases that two people judged in the first two slots, blind to each other.

    Third looks stand apart: they go to cases that two disagreed on. Intervals: Wilson's of the share, the large-sample
    one of kappa (Fleiss, Cohen and Everitt 1969), the bootstrap of cases for alpha.

    Args:
        verdicts: those that stand: dispute_id, slot, reviewer, decision, judged_at, unblinded.
    """
    blind = verdicts.filter(~pl.col("unblinded"))
    first_two = blind.filter(pl.col("slot") <= 2)
    said = first_two.sort("slot", "judged_at").unique(["dispute_id", "reviewer"], keep="last", maintain_order=True)
    several = said.filter(pl.len().over("dispute_id") > 1)
    pairs = several.group_by("dispute_id", maintain_order=True).agg(pl.col("decision", "reviewer").head(2))
    same = int((pairs["decision"].list.n_unique() == 1).sum())
    share = metrics.wilson(same, pairs.height)
    names = sorted(set(several["reviewer"]))
    people = (names[0], names[1]) if len(names) == 2 else None
    enough = pairs.height >= LEAST_PAIRS and several["decision"].n_unique() > 1
    return Agreement(
        pairs=pairs.height,
        same=same,
        low=share.low,
        high=share.high,
        people=people,
        kappa=_kappa(several, people) if enough and people else None,
        alpha=_alpha(several) if enough else None,
        third_looks=blind.filter(pl.col("slot") > 2).height,
        unblinded=verdicts.height - blind.height,
    )


def _kappa(several: pl.DataFrame, people: tuple[str, str]) -> Coefficient:
    from statsmodels.stats.inter_rater import cohens_kappa  # a second to import

    wide = several.pivot("reviewer", index="dispute_id", values="decision")
    codes = {decision: code for code, decision in enumerate(sorted(set(several["decision"])))}
    counts = np.zeros((len(codes), len(codes)))
    for first, second in wide.select(people).iter_rows():
        counts[codes[first], codes[second]] += 1
    found = cohens_kappa(counts)
    return Coefficient(float(found.kappa), float(found.kappa_low), min(float(found.kappa_upp), 1.0))


def _alpha(several: pl.DataFrame) -> Coefficient:
    import krippendorff

    wide = several.group_by("dispute_id", "decision").len().pivot("decision", index="dispute_id", values="len")
    counts = (
        wide.sort("dispute_id").select(sorted(set(several["decision"]))).fill_null(0).to_numpy().astype(np.int64)
    )  # (cases, decisions)

    def of(rows: NDArray[np.int64]) -> float:
        if np.count_nonzero(rows.sum(0)) < 2:  # everybody says the same one thing: chance would too
            return 1.0
        return float(krippendorff.alpha(value_counts=rows, level_of_measurement="nominal"))

    rng = np.random.default_rng(0)
    resampled = [of(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(_RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Coefficient(of(counts), float(low), float(high))


def in_words(measured: Agreement) -> str:
    """How far reviewers agree, as sentences."""
    if not measured.pairs:
        return "No case was judged by two people yet."
    cases = wording.counted(measured.pairs, "case")
    who = " and ".join(measured.people) if measured.people else "Two people"
    share = wording.percent_interval(measured.low, measured.high)
    text = f"{who} say the same of {measured.same:,} of {cases} (95 % interval {share}): correct, wrong or unsure."
    for name, each in (("Cohen's kappa", measured.kappa), ("Krippendorff's alpha", measured.alpha)):
        text += f" {name} {each.value:.2f} (95 % interval {each.low:.2f} to {each.high:.2f})." if each else ""
    if measured.pairs < LEAST_PAIRS:
        text += f" Agreement beyond chance takes {LEAST_PAIRS} cases."
    elif not measured.alpha:
        text += " All say one thing, so chance would agree as well."
    if measured.third_looks:
        which = "at cases that two disagreed on, or one person judged twice,"
        looks = wording.counted(measured.third_looks, f"third look {which} is", f"third looks {which} are")
        text += f" {looks} not in it."
    return text


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
