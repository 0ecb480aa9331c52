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
from pathlib import Path
from typing import Literal, cast

import numpy as np
import polars as pl

from warehouse.queries.reviews import Reviews, dispute_id
from warehouse.records.audit import Actor
from warehouse.records.questions import Kind
from warehouse.records.reviews import AuditCase, AuditDraw, BudgetCurve, BudgetPoint, Dispute, DisputeReason, Reason
from warehouse.records.scoring import Option
from warehouse.store import Store
from workbench import wording
from workbench.analysis.metrics import Key
from workbench.archive import run_views
from workbench.archive.view import Window
from workbench.errors import ReviewError, UnknownRun
from workbench.review import budget, pictures, rules, sending
from workbench.review.budget import AuditEstimate, Batch, Forecast, Judged
from workbench.review.rules import Inspected, Rules, Suspicion

_MOST_JUDGED = 20_000  # cases a calibration reads: more don't make it better, only slower


Uncalibrated = Literal["nothing judged", "too few"]
WHY_NOT: Mapping[Uncalibrated, str] = {
    "nothing judged": "no case was judged and no run has labels",
    "too few": budget.TOO_FEW,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of opening a run's disputes."""

    run_id: str
    reasons: Mapping[Reason, int]  # suspicions per rule
    added: int  # reasons that weren't open already
    point: BudgetPoint | None  # what the budget will bring of the cases that would be sent; None: see `uncalibrated`
    uncalibrated: Uncalibrated | None  # why nothing could be calibrated; None where it was
    learnt_from: str  # in words: what was judged, whether or not it was enough
    audited: int  # cases drawn at random
    population: int  # from so many
    left_out: Mapping[Reason, int]  # suspicions that the budget had no room for; `uncertain` has no such end


def kinds(counts: Mapping[Reason, int]) -> str:
    """`12 by label, 3 by flip`."""
    return ", ".join(f"{count:,} by {reason}" for reason, count in counts.items())


def open_run(store: Store, run_id: str, chosen: Rules, *, actor: Actor) -> Opened:
    """Open a run's disputes, with its archive's pictures at hand for the rule that looks at places.

    Raises:
        UnknownRun: there is no such run, or its archive isn't known.
        ReviewError: it has no answers that rules could dispute.
    """
    run = store.run(run_id)
    archive = store.archive(run.archive_id) if run else None
    if archive is None:
        raise UnknownRun(f"there is no run {run_id} of a known archive; `workbench runs` lists what there is")
    return open_for(store, run_id, inspected_by(store, run_id), chosen, actor=actor)


def inspected_by(store: Store, run_id: str) -> Inspected:
    """What a run's model saw of each of its archive's images."""
    run = store.run(run_id)
    archive = store.archive(run.archive_id) if run else None
    views = run_views.of_run(run)

    def inspected(image_id: str) -> Window | None:
        entry = store.entry(image_id)
        if archive is None or entry is None:
            return None
        return pictures.window_of(Path(archive.root) / entry.path, views.of(entry))

    return inspected


def open_for(
    store: Store,
    run_id: str,
    inspected: Inspected,
    chosen: Rules | None = None,
    now: datetime | None = None,
    *,
    actor: Actor,
) -> Opened:
    """Dispute a run's suspicious answers, and some at random. Doing it again adds nothing.

    Args:
        inspected: what the model saw of an image, for the rule that looks at places.
        chosen: which rules; None takes all at their defaults.
        now: when; None is now.

    Raises:
        ReviewError: there is no such run, or it has no answers that rules could dispute.
    """
    chosen, now, reviews = chosen or Rules(), now or datetime.now(UTC), Reviews(store.data)
    cases = rules.disputable(reviews.cases(run_id, _earlier(store, run_id)))
    if cases.is_empty():
        raise ReviewError(f"run {run_id} has no answered questions with options; `workbench runs` lists what there is")
    far = rules.distances(cases, inspected)
    names = sorted(set(cases["subtask"]))
    told = rules.features(cases, far, names)
    learnt = _learnt(store, run_id, cases, told, names)
    forecast = budget.forecast(told, cases["cluster_id"].to_numpy(), learnt.judged) if learnt.judged else None
    uncalibrated: Uncalibrated | None = None if forecast else "too few" if learnt.judged else "nothing judged"

    rows = {Key(row["image_id"], row["question_id"]): row for row in cases.iter_rows(named=True)}
    chances = dict(zip(rows, forecast.chances().tolist(), strict=True)) if forecast else {}

    def dispute(key: Key) -> Dispute:
        return _dispute(rows[key], run_id, chances.get(key), chosen.blind_share, now)

    every = rules.raised(cases, far, forecast, chosen)
    raised = [one for reason, found in every.items() for one in found[: rules.most(reason, chosen)]]
    suspected = sorted({one.key for one in raised})
    reasons = [_reason(one, "rules", now) for one in raised]
    added = reviews.open([dispute(key) for key in suspected], reasons, actor=actor)

    known = {Key(*row) for row in reviews.queue().select("image_id", "question_id").iter_rows()}
    draw = _draw(run_id, sorted(rows.keys() - known), math.ceil(chosen.audit_share * chosen.budget), now)
    drawn = [Key(case.image_id, case.question_id) for case in draw.cases]
    lane = [Suspicion(key, "audit", 0.0, f"drawn at random from {draw.population:,}") for key in drawn]
    reasons = [_reason(one, "rules", now) for one in lane]
    if reviews.draw_audit(draw, [dispute(key) for key in drawn], reasons, actor=actor):
        added += len(lane)
    stored = reviews.audit_draw(run_id) or draw
    point = None
    if forecast:
        by_labels = chosen.labels and learnt.source == "own labels"
        points = _curve(reviews, forecast, cases, chosen.budget, by_labels)
        point = budget.spend(points, chosen.budget)
        words = learnt.words + (", whose errors are counted, as labels open disputes" if by_labels else "")
        reviews.store_curve(BudgetCurve(run_id, cases.height, words, points, now))
    counts: dict[Reason, int] = {
        reason: count for reason in rules.WEIGHTS if (count := sum(one.reason == reason for one in raised))
    }
    left_out: dict[Reason, int] = {
        reason: over
        for reason, found in every.items()
        if reason != "uncertain" and (over := len(found) - rules.most(reason, chosen)) > 0
    }
    return Opened(
        run_id, counts, added, point, uncalibrated, learnt.words, len(stored.cases), stored.population, left_out
    )


def open_by(
    store: Store, run_id: str, key: Key, note: str = "", slots: int = 1, now: datetime | None = None, *, actor: Actor
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
    said = Suspicion(key, "person", 1.0, note or f"{actor.name} asked for it")
    return reviews.open([dispute], [_reason(said, actor.name, now)], reopen=True, actor=actor)


def audit_estimate(reviews: Reviews, run_id: str) -> AuditEstimate | None:
    """How many errors are among a run's cases that no rule disputed, by its audit lane; None without one.

    The run's own answer is held against what people settled, though they may have judged another run's. A case that
    people couldn't tell counts as not judged, as does one whose reviewer was shown the archive's mask.
    """
    draw = reviews.audit_draw(run_id)
    if draw is None:
        return None
    audited = reviews.audited(run_id).filter("blinded")
    return budget.audit(draw.population, audited.height, int(audited["wrong"].sum()))


def audit_left_out(reviews: Reviews, run_id: str) -> int:
    """How many judged cases of a run's audit lane don't count, as their reviewer was shown the archive's mask."""
    return reviews.audited(run_id).filter(~pl.col("blinded")).height


def _curve(
    reviews: Reviews, forecast: Forecast, cases: pl.DataFrame, at: int, by_labels: bool
) -> tuple[BudgetPoint, ...]:
    """What so many reviews bring of what would be sent next, whichever run disputed it.

    Another run's cases have the chance that was stored with their dispute, none where there was none. Where labels
    opened disputes and errors are those against labels, they are counted: a case picked for its label is no chance.
    """
    own = np.full(cases.height, np.nan)
    if by_labels:
        labelled = cases["correct_answer"].is_not_null().to_numpy()
        own[labelled] = (cases["answer"] != cases["correct_answer"]).fill_null(False).to_numpy()[labelled]
    waiting = sending.waiting(reviews.queue(), {task.task_key for task in reviews.tasks()})
    places = {Key(*key): place for place, key in enumerate(cases.select("image_id", "question_id").iter_rows())}
    others: list[float] = []
    for one in (*waiting.at_random, *waiting.heavy):
        key = Key(one.dispute.image_id, one.dispute.question_id)
        if key not in places:
            places[key] = cases.height + len(others)
            others.append(one.dispute.error_probability or 0.0)

    drawn = {one.key for one in waiting.at_random}
    looked_at = {one.key for one in waiting.looks}  # a further reviewer of a case finds no further error
    batches = []
    for count in budget.budgets(len(waiting), at):
        sent = [one for one in waiting.first(count, rules.AUDIT_SHARE) if one.slot == 1 and one.key not in looked_at]
        lanes: tuple[list[int], list[int]] = ([], [])
        for one in sent:
            lanes[one.key in drawn].append(places[Key(one.dispute.image_id, one.dispute.question_id)])
        batches.append(Batch(count, *(np.array(lane, np.intp) for lane in lanes)))
    return budget.curve(forecast.fixing(own, np.array(others)), batches)


def _earlier(store: Store, run_id: str) -> str | None:
    """The newest finished run of the same archive before this one."""
    run = store.run(run_id)
    if run is None:
        return None
    before = store.runs().filter(
        pl.col("archive_id") == run.archive_id, pl.col("state") == "finished", pl.col("started_at") < run.started_at
    )
    return str(before["run_id"][0]) if before.height else None


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What errors are calibrated on."""

    judged: Judged | None
    source: Literal["people", "own labels", "another run's labels", "nothing"]
    words: str  # how many cases


def _learnt(store: Store, run_id: str, cases: pl.DataFrame, told: budget.Floats, subtasks: Sequence[str]) -> _Learnt:
    """People's verdicts once there are enough, else labels."""
    reviews = Reviews(store.data)
    by_people = _judged_by_people(reviews, subtasks)
    if by_people and len(by_people.wrong) >= budget.FEWEST_CASES and by_people.wrong.sum() >= budget.FEWEST_ERRORS:
        return _Learnt(by_people, "people", f"{wording.counted(len(by_people.wrong), 'case')} that people judged")
    if cases["correct_answer"].null_count() < cases.height:
        own = _labelled(cases, told)
        return _Learnt(own, "own labels", f"{wording.counted(len(own.wrong), 'labelled answer')} of this run")
    run = store.run(run_id)
    others = store.runs().filter(pl.col("state") == "finished", pl.col("run_id") != run_id)
    if run:
        others = others.filter(pl.col("model") == run.model)
    for other in others["run_id"].to_list()[:5]:
        found = rules.disputable(reviews.cases(other))
        if found["correct_answer"].null_count() < found.height:
            judged = _labelled(found, rules.features(found, [None] * found.height, subtasks))
            return _Learnt(
                judged,
                "another run's labels",
                f"{wording.counted(len(judged.wrong), 'labelled answer')} of run {other}",
            )
    return _Learnt(None, "nothing", "no labelled or judged case")


def _labelled(cases: pl.DataFrame, told: budget.Floats) -> Judged:
    known = (cases["correct_answer"].is_not_null()).to_numpy().nonzero()[0][:_MOST_JUDGED]
    wrong = (cases["answer"] != cases["correct_answer"]).fill_null(False).to_numpy()
    return Judged(told[known], wrong[known], cases["cluster_id"].to_numpy()[known])


def _judged_by_people(reviews: Reviews, subtasks: Sequence[str]) -> Judged | None:
    """Settled cases that were drawn for an audit lane, judged without the mask.

    Only drawn cases enter estimates: what a rule, a label or a person picked says where they look.
    """
    settled = (
        reviews.queue()
        .filter(
            pl.col("state") == "settled",
            pl.col("decision").is_in(["correct", "wrong"]),
            pl.col("stratum") == "audit",
            pl.col("blinded"),
        )
        .select("run_id", "image_id", "question_id", "decision")
    )
    parts: list[Judged] = []
    for (run_id,), group in settled.group_by("run_id", maintain_order=True):
        found = rules.disputable(reviews.cases(str(run_id))).join(group, on=["image_id", "question_id"])
        if found.height:
            told = rules.features(found, [None] * found.height, subtasks)
            parts.append(Judged(told, (found["decision"] == "wrong").to_numpy(), found["cluster_id"].to_numpy()))
    if not parts:
        return None
    return Judged(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.wrong for part in parts]),
        np.concatenate([part.clusters for part in parts]),
    )


def _draw(run_id: str, pool: Sequence[Key], size: int, now: datetime) -> AuditDraw:
    """Cases drawn with equal chances, copies and pictures of one piece like all others.

    The estimate is of how many of the pool's answers are wrong, and a copy's answer is one of them. Its interval covers
    whatever the answers are, as only the draw is random; that answers of one piece are alike takes nothing from it.
    """
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
        kind=cast(Kind | None, row["kind"]),
        no_defect=tuple(row["no_defect"]) if isinstance(row["no_defect"], list) else None,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _reason(one: Suspicion, by: str, now: datetime) -> DisputeReason:
    name = dispute_id(one.key.image_id, one.key.question_id, 1)
    return DisputeReason(name, one.reason, one.score, rules.WEIGHTS[one.reason] * one.score, one.note, by, now)
