"""Opening disputes: a run's cases and what is known of judged ones go in, rows in the warehouse come out.

Everything here may be done again: what is open already is not opened twice, and a run's audit lane is drawn once.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from warehouse.records import Option
from warehouse.review_records import AuditCase, AuditDraw, BudgetCurve, BudgetPoint, Dispute, DisputeReason, Reason
from warehouse.reviews import Reviews, dispute_id
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import blinding, budget, rules
from workbench.review.budget import AuditEstimate, Judged
from workbench.review.errors import ReviewError
from workbench.review.rules import Rules, Size, Suspicion

_MOST_JUDGED = 20_000  # cases a calibration reads: more don't make it better, only slower


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of opening a run's disputes."""

    run_id: str
    reasons: Mapping[Reason, int]  # suspicions per rule
    added: int  # reasons that weren't open already
    point: BudgetPoint | None  # what the budget will bring; None where nothing could be calibrated
    calibrated_on: str  # in words
    audited: int  # cases drawn at random
    population: int  # from so many


def open_for(store: Store, run_id: str, size: Size, chosen: Rules | None = None, now: datetime | None = None) -> Opened:
    """Dispute a run's suspicious answers, and some at random. Doing it again adds nothing.

    Args:
        size: width and height of an image of the run's archive, for the rule that looks at places.
        chosen: which rules; None takes all at their defaults.
        now: when; None is now.

    Raises:
        ReviewError: there is no such run, or it has no answers that rules could dispute.
    """
    chosen, now, reviews = chosen or Rules(), now or datetime.now(UTC), Reviews(store.data)
    cases = rules.disputable(reviews.cases(run_id, _earlier(store, run_id)))
    if cases.is_empty():
        raise ReviewError(f"run {run_id} has no answered questions with options; `workbench runs` lists what there is")
    far = rules.distances(cases, size)
    told = rules.features(cases, far)
    judged, calibrated_on = _judged(store, run_id, cases, told)
    forecast = budget.forecast(told, cases["image_id"].to_numpy(), judged) if judged else None
    point = None
    if forecast:
        points = budget.curve(forecast)
        point = budget.spend(points, chosen.budget)
        reviews.store_curve(BudgetCurve(run_id, cases.height, calibrated_on, points, now))
    elif judged:
        calibrated_on = f"nothing yet: {budget.TOO_FEW}; there are {calibrated_on}"

    rows = {Key(row["image_id"], row["question_id"]): row for row in cases.iter_rows(named=True)}
    chances = dict(zip(rows, forecast.chances().tolist(), strict=True)) if forecast else {}

    def dispute(key: Key) -> Dispute:
        return _dispute(rows[key], run_id, chances.get(key), chosen.blind_share, now)

    raised = list(rules.suspicions(cases, far, forecast, chosen))
    suspected = sorted({one.key for one in raised})
    added = reviews.open([dispute(key) for key in suspected], [_reason(one, "rules", now) for one in raised])

    known = {Key(*row) for row in reviews.queue().select("image_id", "question_id").iter_rows()}
    draw = _draw(run_id, sorted(rows.keys() - known), math.ceil(chosen.audit_share * chosen.budget), now)
    drawn = [Key(case.image_id, case.question_id) for case in draw.cases]
    lane = [Suspicion(key, "audit", 0.0, f"drawn at random from {draw.population:,}") for key in drawn]
    if reviews.draw_audit(draw, [dispute(key) for key in drawn], [_reason(one, "rules", now) for one in lane]):
        added += len(lane)
    stored = reviews.audit_draw(run_id) or draw
    counts: dict[Reason, int] = {
        reason: count for reason in rules.WEIGHTS if (count := sum(one.reason == reason for one in raised))
    }
    return Opened(run_id, counts, added, point, calibrated_on, len(stored.cases), stored.population)


def open_by(
    store: Store, run_id: str, key: Key, person: str, note: str = "", slots: int = 1, now: datetime | None = None
) -> int:
    """Dispute one case because somebody says so, even a settled one; 0 when it already is, for that reason.

    Raises:
        ReviewError: the run has no such case.
    """
    now, reviews = now or datetime.now(UTC), Reviews(store.data)
    cases = reviews.cases(run_id).filter(image_id=key.image_id, question_id=key.question_id)
    if cases.is_empty():
        raise ReviewError(f"run {run_id} asked no question {key.question_id} about image {key.image_id}")
    (row,) = cases.iter_rows(named=True)
    dispute = _dispute(row, run_id, None, 1.0 if slots > 1 else 0.0, now)
    said = Suspicion(key, "person", 1.0, note or f"{person} asked for it")
    return reviews.open([dispute], [_reason(said, person, now)], reopen=True)


def audit_estimate(reviews: Reviews, run_id: str) -> AuditEstimate | None:
    """How many errors are among a run's cases that no rule disputed, by its audit lane; None without one.

    The run's own answer is held against what people settled, though they may have judged another run's. A case that
    people couldn't tell counts as not judged, as does one whose reviewer was shown the archive's mask.
    """
    draw = reviews.audit_draw(run_id)
    if draw is None:
        return None
    audited = reviews.audited(run_id).filter(~_seen(reviews))
    return budget.audit(draw.population, audited.height, int(audited["wrong"].sum()))


def audit_left_out(reviews: Reviews, run_id: str) -> int:
    """How many judged cases of a run's audit lane don't count, as their reviewer was shown the archive's mask."""
    return reviews.audited(run_id).filter(_seen(reviews)).height


def _seen(reviews: Reviews) -> pl.Expr:
    """Whether a settlement rests on a verdict whose reviewer was shown the mask; a person's own rests on none."""
    disputes = sorted(blinding.unblinded(reviews.verdicts()))
    return pl.col("dispute_id").is_in(disputes) & (pl.col("basis") != "person")


def _earlier(store: Store, run_id: str) -> str | None:
    """The newest finished run of the same archive before this one."""
    run = store.run(run_id)
    if run is None:
        return None
    before = store.runs().filter(
        pl.col("archive_id") == run.archive_id, pl.col("state") == "finished", pl.col("started_at") < run.started_at
    )
    return str(before["run_id"][0]) if before.height else None


def _judged(store: Store, run_id: str, cases: pl.DataFrame, told: budget.Floats) -> tuple[Judged | None, str]:
    """What errors are calibrated on: people's verdicts once there are enough, else labels; and which, in words."""
    reviews = Reviews(store.data)
    by_people = _judged_by_people(reviews)
    if by_people and len(by_people.wrong) >= budget.FEWEST_CASES and by_people.wrong.sum() >= budget.FEWEST_ERRORS:
        return by_people, f"{len(by_people.wrong):,} cases that people judged"
    if cases["correct_answer"].null_count() < cases.height:
        own = _labelled(cases, told)
        return own, f"{len(own.wrong):,} labelled answers of this run, each half of the images by the other"
    run = store.run(run_id)
    others = store.runs().filter(pl.col("state") == "finished", pl.col("run_id") != run_id)
    if run:
        others = others.filter(pl.col("model") == run.model)
    for other in others["run_id"].to_list()[:5]:
        found = rules.disputable(reviews.cases(other))
        if found["correct_answer"].null_count() < found.height:
            judged = _labelled(found, rules.features(found, [None] * found.height))
            return judged, f"{len(judged.wrong):,} labelled answers of run {other}"
    return None, "nothing yet: no case was judged and no run has labels"


def _labelled(cases: pl.DataFrame, told: budget.Floats) -> Judged:
    known = (cases["correct_answer"].is_not_null()).to_numpy().nonzero()[0][:_MOST_JUDGED]
    wrong = (cases["answer"] != cases["correct_answer"]).fill_null(False).to_numpy()
    return Judged(told[known], wrong[known], cases["image_id"].to_numpy()[known])


def _judged_by_people(reviews: Reviews) -> Judged | None:
    """Settled cases that came into the queue by a rule that reads no label, or by chance."""
    fair = ["uncertain", "contradiction", "flip", "elsewhere", "audit"]
    settled = (
        reviews.queue()
        .filter(
            pl.col("state") == "settled",
            pl.col("decision").is_in(["correct", "wrong"]),
            pl.col("reasons").list.set_intersection(fair).list.len() > 0,
        )
        .select("run_id", "image_id", "question_id", "decision")
    )
    parts: list[Judged] = []
    for (run_id,), group in settled.group_by("run_id", maintain_order=True):
        found = rules.disputable(reviews.cases(str(run_id))).join(group, on=["image_id", "question_id"])
        if found.height:
            told = rules.features(found, [None] * found.height)
            parts.append(Judged(told, (found["decision"] == "wrong").to_numpy(), found["image_id"].to_numpy()))
    if not parts:
        return None
    return Judged(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.wrong for part in parts]),
        np.concatenate([part.images for part in parts]),
    )


def _draw(run_id: str, pool: Sequence[Key], size: int, now: datetime) -> AuditDraw:
    seed = zlib.crc32(run_id.encode())
    chosen = random.Random(seed).sample(pool, min(size, len(pool)))
    return AuditDraw(run_id, len(pool), seed, tuple(AuditCase(*key) for key in chosen), now)


def _dispute(
    row: Mapping[str, object], run_id: str, chance: float | None, blind_share: float, now: datetime
) -> Dispute:
    name = dispute_id(str(row["image_id"]), str(row["question_id"]), 1)
    ranked = row["ranked"] if isinstance(row["ranked"], list) else []
    return Dispute(
        dispute_id=name,
        image_id=str(row["image_id"]),
        question_id=str(row["question_id"]),
        number=1,
        run_id=run_id,
        image_path=str(row["image_path"]),
        product=str(row["product"]),
        subtask=str(row["subtask"]),
        question=str(row["question"]),
        options=tuple(Option(*one) for one in zip(_texts(row["letters"]), _texts(row["texts"]), strict=True)),
        answer=_text(row["answer"]),
        correct_answer=_text(row["correct_answer"]),
        entropy=row["entropy"] if isinstance(row["entropy"], float) else None,
        margin=ranked[0] - ranked[1] if len(ranked) > 1 else None,
        error_probability=chance,
        slots=2 if int(name[:8], 16) / 16**8 < blind_share else 1,  # by its name, so that asking again changes nothing
        opened_at=now,
        claims=tuple(row["claims"]) if isinstance(row["claims"], list) else None,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _reason(one: Suspicion, by: str, now: datetime) -> DisputeReason:
    name = dispute_id(one.key.image_id, one.key.question_id, 1)
    return DisputeReason(name, one.reason, one.score, rules.WEIGHTS[one.reason] * one.score, one.note, by, now)
