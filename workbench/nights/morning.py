"""The morning report: what a night scored, what changed against the nights before it, and what waits for people.

With labels, errors are overkill and escape rates. Without, alarm, invalid and entropy are told instead, at the
baseline's mixture of product, line and camera, and errors only where somebody knows the truth: golden samples with
labels, and audited cases that people judged; else they are not measurable, and said to be so. What is an alarm is
decided in `workbench/analysis/drift.py`, for all signals of a night together; which parts of the answers became bad,
where labels can judge them, in `workbench/analysis/worsened.py`, and they are a family of their own. Which group of
pictures changed first, and how, is found in `workbench/analysis/causes.py`.

Beside what answers call defective stands what saved thresholds would, with their versions; rates and signals go by the
answers.

The report is stored with the night; the Tonight page, the HTML and what is sent are made from the same object.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from warehouse.queries.nights import Nights
from warehouse.queries.pieces import Pieces
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.nights import MorningReport, NightRun
from warehouse.records.scoring import Run
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.analysis import drift, intervals, metrics, pieces, worsened
from workbench.analysis.drift import Rate, Slice
from workbench.nights import night_alarms, night_causes, night_charts, weekly_review
from workbench.nights.reports import Done, ErrorKind, FailedImages, Morning, Truth, as_json
from workbench.nights.step_runner import Context
from workbench.review import disputes

_VECTORS_AT_MOST = 6000  # of the baseline; chosen by the hash of their content, so the same ones every night
_SHOWN = 20  # failures by reason, changes
_ANSWERS_AT_MOST = 500_000  # of tonight and of the baseline, that slices are looked for in
_SLICES = 5  # shown


def report(context: Context) -> Morning:
    """The report of a night that has been scored; stores nothing but the values that its charts are made of."""
    settings, night = context.settings, context.night
    ledger, store = Nights(settings.work.data), Store(settings.work.data)
    wanted = settings.operation.baseline_nights
    compared = night_charts.baseline(settings.work.data, night, wanted, context.clock())
    before = compared.runs
    images = _with_looks(ledger, store, context, before)
    nights, night_runs = ledger.nights(night.schedule), ledger.night_runs(night.schedule)
    images = night_charts.dated(images, night, nights, night_runs, compared)
    tonight = images.filter(pl.col("tonight"))
    scored = _compared(images)
    share = settings.operation.false_alarm_percent / 100
    signals = drift.signals(scored, share)
    labelled = int(scored.filter(pl.col("tonight"))["label"].is_not_null().sum())
    runs = [run for run_id in context.run_ids if (run := store.run(run_id))]
    seconds = (context.clock() - night.started_at).total_seconds()
    failures, scored_tonight = _failures(tonight), tonight["image_id"].to_list()
    waiting, drawn = _waiting(Reviews(settings.work.data))
    return Morning(
        schedule=night.schedule,
        archive=context.schedule.archive,
        due_at=night.due_at,
        state=night.state,
        message=night.message,
        caught_up=night.covered - 1,
        model=runs[-1].model if runs else settings.machine.model,
        demo=any(run.demo for run in runs),
        knowledge_version=runs[-1].knowledge_version if runs else None,
        run_ids=context.run_ids,
        images=tonight.height,
        questions=int(tonight["questions"].sum()),
        invalid=int(tonight["questions_invalid"].sum()),
        failed=int(tonight["questions_failed"].sum()),
        failed_images=int(tonight["failed"].sum()),
        quarantined=sum(each.images for each in failures if each.kind == "poison"),
        left=_left(ledger, runs) if night.state == "cut" else None,
        seconds=seconds,
        images_per_second=tonight.height / seconds if tonight.height and seconds > 0 else None,
        baseline_nights=compared.nights,
        baseline_images=images.height - tonight.height,
        labelled=labelled,
        rates=tuple(_rates(scored, bool(labelled))),
        truth=() if labelled else tuple(_truth(context)),
        signals=len(signals),
        changes=tuple(signal for signal in signals if signal.alarm)[:_SHOWN],
        false_alarm_percent=settings.operation.false_alarm_percent,
        failures=tuple(failures[:_SHOWN]),
        disputes_waiting=waiting,
        disputes_drawn=drawn,
        review_budget=context.schedule.review_budget,
        steps=tuple(Done(each.step, each.state, each.message) for each in ledger.steps(night.schedule, night.due_at)),
        alarms=night_alarms.of_images(settings.work.data, runs, scored_tonight),
        by_thresholds=night_alarms.by_thresholds(settings.work.data, runs, scored_tonight),
        pieces=pieces.of(Pieces(settings.work.data).of_night(context.run_ids)),
        slices=_slices(ledger, context, before, share),
        week=weekly_review.of_night(settings.work.data, night.schedule, night.due_at),
        passed_over=context.passed_over,
        charts=night_charts.of_tonight(context, compared, scored, _charted(bool(labelled)), wanted),
        called_defective=night_alarms.called_defective(
            settings.work.data, runs, scored["image_id"].filter(scored["tonight"]).to_list()
        ),
        causes=night_causes.of_images(context, scored, before, share),
        timezone=context.schedule.timezone,
        waiting_files=context.waiting_files,
    )


def keep(context: Context, morning: Morning) -> None:
    """Store the report."""
    stored = MorningReport(morning.schedule, morning.due_at, context.clock(), as_json(morning))
    Nights(context.settings.work.data).keep_report(stored)


def _charted(labelled: bool) -> tuple[str, ...]:
    """The signals that a chart is kept of."""
    return ("overkill", "escape") if labelled else ("alarm", "invalid", "entropy")


def _with_looks(ledger: Nights, store: Store, context: Context, before: Sequence[NightRun]) -> pl.DataFrame:
    """Tonight's and the baseline's images, with where each lies in the encoder's space if there is one."""
    earlier = sorted({run.run_id for run in before})
    images = ledger.images(context.run_ids, earlier, context.night.started_at)
    encoder = _encoder(store.run(context.run_ids[-1])) if context.run_ids else None
    if encoder is None or images.is_empty():
        return images
    half = [zlib.crc32(content.encode()) for content in images["content"].fill_null("").to_list()]
    marked = images.with_columns(mark=pl.Series(half, dtype=pl.UInt32))
    baseline = marked.filter(~pl.col("tonight")).sort("mark").head(_VECTORS_AT_MOST)
    wanted = pl.concat([marked.filter(pl.col("tonight")), baseline]).filter(pl.col("content").is_not_null())
    vectors = Vectors(context.settings.work.data).image_vectors(wanted["content"].unique().to_list(), encoder)
    wanted = wanted.filter(pl.col("content").is_in(list(vectors)))
    if wanted.is_empty():
        return images
    looks = drift.looks(
        np.stack([vectors[content] for content in wanted["content"]]),
        wanted["product"].to_list(),
        wanted["tonight"].to_numpy(),
        (~wanted["tonight"] & (wanted["mark"] % 2 == 0)).to_numpy(),
    )
    places = wanted.select("image_id", "tonight").with_columns(
        pl.Series(name, looks[:, at]).fill_nan(None) for at, name in enumerate(drift.LOOKS)
    )
    return images.join(places, on=["image_id", "tonight"], how="left")


def _encoder(run: Run | None) -> str | None:
    found = json.loads(run.settings).get("facts", {}).get("encoder") if run else None
    return None if found is None else str(found)


def _compared(images: pl.DataFrame) -> pl.DataFrame:
    """The columns that `drift` compares: failed images say nothing about the product."""
    # An answer that could not be read, or claims nothing known, is one of those a rate is over.
    good, defective = (pl.col("counts") & (pl.col("label") == label) for label in ("good", "defective"))
    return images.filter(~pl.col("failed")).with_columns(
        overkill=pl.when(good).then(pl.col("alarm").fill_null(False)),
        escape=pl.when(defective).then(pl.col("cleared").fill_null(False)),
    )


def _rates(images: pl.DataFrame, labelled: bool) -> list[Rate]:
    names = ("overkill", "escape") if labelled else ("alarm",)
    if labelled:  # over the same images as the two that it stands beside
        images = images.with_columns(unreadable=pl.when(pl.col("label").is_not_null()).then("unreadable"))
    unread = ("unreadable",) if images["unreadable"].any() else ()
    found = [drift.standardised(images, name) for name in (*names, *unread, "invalid", "entropy")]
    return [rate for rate in found if rate]


def _slices(ledger: Nights, context: Context, before: Sequence[NightRun], share: float) -> tuple[Slice, ...] | None:
    """What became bad of the answers that labels can judge; None without labels or nights before, or of few images."""
    if not context.run_ids or not before:
        return None
    earlier = sorted({run.run_id for run in before})
    answers = ledger.judged_answers(context.run_ids, earlier, context.night.started_at, _ANSWERS_AT_MOST)
    found = worsened.find(answers, share)
    return None if found is None else tuple(found[:_SLICES])


def _truth(context: Context) -> list[Truth]:
    """Errors of golden samples that have labels, overkill and escape apart, and of audited cases.

    All golden samples are asked, so copies and pictures of one piece count as one in the interval. Audited cases are
    drawn at random among all cases, so the draw alone decides what their interval has to cover.
    """
    data = context.settings.work.data
    found: list[Truth] = []
    for run in Nights(data).night_runs(context.night.schedule):
        if run.purpose == "golden" and run.due_at == context.night.due_at:
            answers = Rollups(data).facts(Selection(run.run_id), ("cluster_id", "detection", "right", "label", "claim"))
            found += _of_golden(answers.filter("detection"))
    for run_id in context.run_ids:
        audited = disputes.audit_estimate(Reviews(data), run_id)
        if audited and audited.judged:
            found.append(_audited(audited.judged, audited.wrong))
    return found


def _of_golden(detections: pl.DataFrame) -> list[Truth]:
    """Overkill of the good samples, escape of the defective ones, and what could not be read where there is any."""
    of_kind: tuple[tuple[ErrorKind, pl.DataFrame, str], ...] = (
        ("overkill", detections.filter(label="good"), "defective"),
        ("escape", detections.filter(label="defective"), "good"),
        ("unreadable", detections.filter(pl.col("label").is_not_null()), "unreadable"),
    )
    found: list[Truth] = []
    for error, samples, claim in of_kind:
        counted = samples.filter(pl.col("right").is_not_null()).with_columns(
            wrong=(pl.col("claim") == claim).fill_null(False)
        )
        row = intervals.rates(counted, value="wrong").row(0, named=True)
        if row["n"] and (row["right"] or error != "unreadable"):
            found.append(Truth("golden samples", int(row["right"]), int(row["n"]), row["low"], row["high"], error))
    return found


def _audited(judged: int, wrong: int) -> Truth:
    interval = metrics.wilson(wrong, judged)
    return Truth("audited cases", wrong, judged, interval.low, interval.high)


def _failures(tonight: pl.DataFrame) -> list[FailedImages]:
    counted = (
        tonight.filter(pl.col("failed"))
        .group_by("failure")
        .agg(
            reason=pl.col("error").sort_by("image_path").first(),
            images=pl.len(),
            example=pl.col("image_path").min(),
            questions=pl.col("questions_failed").sum(),
        )
        .sort(["images", "failure"], descending=[True, False])
    )
    return [
        FailedImages(row["reason"] or "", row["images"], row["example"], row["failure"], row["questions"])
        for row in counted.iter_rows(named=True)
    ]


def _left(ledger: Nights, runs: Sequence[Run]) -> int:
    """Images of the unfinished run that nobody has scored."""
    unfinished = [run for run in runs if run.state not in ("finished", "cancelled")]
    if not unfinished:
        return 0
    run_id = unfinished[-1].run_id
    return len(ledger.planned_images(run_id)) - len(ledger.run_images(run_id))


def _waiting(reviews: Reviews) -> tuple[int, int]:
    """How many disputes wait for people, and how many of them were drawn at random."""
    queue = reviews.queue()
    waiting = queue.filter(pl.col("state").is_in(["open", "pushed", "judged"])) if queue.height else queue
    return waiting.height, sum("audit" in (reasons or []) for reasons in waiting["reasons"].to_list())
