"""A run as one HTML file to hand on: verdict sentences, interactive figures, tables. It needs nothing but a browser.

Frames go in, text comes out. Every section says below how its numbers were made, so that the file stands by itself; the
figures are those of the pages.
"""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import (
    alarms,
    bias,
    calibration,
    calibration_words,
    compare,
    confusion,
    intervals,
    loss_by_slice,
    metrics,
    missing_capabilities,
    mmad,
    published_results,
    report_comparison,
    review_coverage,
    right_reason,
    run_differences,
    slice_discovery,
    slices,
    subtasks,
    traces,
)
from workbench.analysis.alarms import Alarms
from workbench.analysis.charts import common, errors, theme, trust
from workbench.analysis.charts import compare as charts_compare
from workbench.analysis.missing_capabilities import Lack
from workbench.analysis.mmad import Scores
from workbench.analysis.report_contents import Reported
from workbench.analysis.report_page import Section, page

WORST = 12  # rows of a table at most
PALETTE = theme.LIGHT


def build(run: Reported, against: Reported | None = None) -> str:
    """The report as HTML."""
    sections = [_verdict(run, against)]
    if against:
        sections.append(report_comparison.made_with(run, against))
    if run.alarms.called.images:
        sections.append(_called(run))
    if against and (disagreement := report_comparison.disagreement(run, against)):
        sections.append(disagreement)
    if run.facts["right"].drop_nulls().is_empty():
        sections.append(Section("Accuracy", ("No answer of this run has a label to be compared with.",)))
    else:
        if against:
            sections += report_comparison.compared(run, against)
        if mmad.asks_the_benchmark(run.run.subtasks):
            sections.append(_benchmark(run))
        sections += [_accuracy(run), _right_reason(run), _worst(run), _mistaken(run)]
        # Confidence is that of the answers: beside what thresholds say it would be judged by another's errors.
        sections += [] if run.thresholds else [_trust(run)]
    if lack := missing_capabilities.of(run.run, "latents"):
        sections.append(_lacking("Traces", lack))
    elif run.profiles.height:
        sections.append(_traces(run))
    return page(run.run, against.run if against else None, sections)


def sentences(run: Reported, against: Reported | None = None) -> list[str]:
    """What the report says in words, the most important first."""
    said = [f"{run.thresholds} MMAD's average goes by the answers."] if run.thresholds else []
    said += [review_coverage.sentence(review_coverage.of_facts(run.facts))] if run.truth == "reviewed" else []
    if against:
        pairs = compare.pair(against.facts, run.facts)
        differing = alarms.disagreement(against.facts, run.facts).sentence(against.name, run.name)
        if pairs.frame.height or not differing:
            said.append(compare.verdict(pairs, against.name, run.name).sentence)
        told = (
            loss_by_slice.sentence(report_comparison.slices(run, against), run.name),
            compare.unpaired(pairs, against.name, run.name),
            compare.other_evidence(pairs.frame),
        )
        said += [sentence for sentence in told if sentence]
        if reasons := right_reason.comparison(against.groundings, run.groundings, against.name, run.name):
            said.append(reasons)
        if differing:
            said.append(differing)
        made_with = run_differences.between(against.run, run.run, {**against.archives, **run.archives})
        said.append(run_differences.sentence(made_with, against.run.digest == run.run.digest, "The runs"))
    asks = run.facts.filter("detection")
    detection = asks.filter(pl.col("right").is_not_null())
    for label, outcome, what in (
        ("defective", "escape", "Escapes: {} of defective images"),
        ("good", "overkill", "Overkill: {} of good images"),
    ):
        rows = detection.filter(pl.col("label") == label).with_columns(wrong=pl.col("outcome") == outcome)
        if rows.height:
            row = intervals.rates(rows, value="wrong").row(0, named=True)
            said.append(f"{what.format(_interval(row))} ({row['n']:.0f} judged).")
    labelled = detection.filter(pl.col("label").is_not_null()).with_columns(unread=pl.col("status") == "invalid")
    if labelled.height:
        row = intervals.rates(labelled, value="unread").row(0, named=True)
        said.append(f"Unreadable: {_interval(row)} of these answers, which are neither escape nor overkill.")
    if run.alarms.called.images:
        said.append(run.alarms.called.sentence)
    unclaimed = asks.filter(pl.col("status") == "answered", pl.col("claim").is_null())
    if unclaimed.height:
        said.append(
            f"Of {wording.counted(unclaimed.height, 'detection answer')} nothing tells whether a defect is claimed, "
            "neither key and label nor words: that is neither escape nor overkill."
        )
    overall = intervals.rates(run.facts).row(0, named=True)
    if overall["n"]:
        said.append(f"Micro accuracy: {_interval(overall)} of {wording.counted(int(overall['n']), 'question')}.")
    if (reason := right_reason.of(run.groundings)) is not None:
        said.append(right_reason.sentence(reason))
        if reason.painting is not None:
            said.append(right_reason.painted_sentence(reason, run.run.run_id))
    positions = bias.by_position(run.facts)
    if positions.height:
        said.append(bias.verdict(positions).sentence)
    if run.run.invalid or run.run.failed:
        unread, failed = wording.counted(run.run.invalid, "answer"), wording.counted(run.run.failed, "question")
        said.append(f"{unread} could not be read and {failed} failed.")
    return said


def _interval(row: Mapping[str, float]) -> str:
    ends = wording.percent_interval(row["low"], row["high"], 1)
    return f"{wording.percent(row['rate'], 1)} (95 % interval {ends})"


def _verdict(run: Reported, against: Reported | None) -> Section:
    return Section(
        "Verdict",
        sentences(run, against),
        how="Intervals are clustered by image: a ratio estimate over images with Wilson's form. Two runs are "
        "compared on the questions both were asked by sign flips of the images' net gains, from which word, p and "
        "interval come; “not enough evidence” means that the interval has 0 in it.",
    )


def _called(run: Reported) -> Section:
    pictures = pl.DataFrame(run.alarms.pictures)
    tables = [("By product, line and camera", _groups(run.alarms))]
    if pictures.height:
        shown = pictures.select(
            pl.col("image_path").alias("picture"), "product", "line", "camera", pl.col("answer_text").alias("answer"),
            _stated("defect_probability"), "region",
        )  # fmt: skip
        tables.append((run.alarms.pictures_title, shown))
    return Section(
        "Called defective",
        (run.alarms.called.sentence,),
        tables=tables,
        pictures=[
            (run.thumbnails[each.image_id], each.caption)
            for each in run.alarms.pictures
            if each.image_id in run.thumbnails
        ],
        how="Pictures without a label: nobody knows whether a call is right, so being called defective is no error. "
        "Wilson's 95 % intervals over pictures, clustered where pictures are copies or of one piece; probability is "
        "the mean of the stated probabilities of a defect over those called defective.",
        rates=("share", "low", "high"),
        verbatim=("picture",),
    )


def _benchmark(run: Reported) -> Section:
    strict, official = (mmad.score(run.answers, scorer) for scorer in ("strict", "official"))
    ours = official.average.average
    figures: list[tuple[str, go.Figure]] = []
    tables = [
        ("Strict scorer, %", mmad.as_frame(strict).rename(mmad.SHORT, strict=False)),
        ("Official scorer, %", mmad.as_frame(official).rename(mmad.SHORT, strict=False)),
    ]
    why = published_results.why_apart(run.run, run.answers["dataset"], run.answers.height)
    if why is None:
        tables.append((f"Published by {published_results.table().dated}, %", _published()))
    if why is None and ours is not None and set(strict.subtasks) == set(mmad.SHORT):
        rows = [charts_compare.Row(row.method, row.average, 0, row.setting) for row in published_results.table().rows]
        chart = charts_compare.published(PALETTE, [*rows, charts_compare.Row(run.run.model, ours, own=2)])
        figures.append(("MMAD's average by the official scorer, as published ones are, %", chart))
    apart = f"Published results are left out: {why}." if why else ""
    return Section(
        "MMAD",
        (_counted(strict), _counted(official), *filter(None, [apart])),
        figures,
        tables,
        how="Detection is the mean of the accuracies on good and defective images; the average is unweighted over"
        " subtasks, then data sets. The official scorer reproduces the published script: an unreadable answer"
        " and the one after it are not counted, and a subtask without questions is 0. The strict one counts "
        "an unreadable answer as wrong and leaves out what was not asked."
        + ("" if why else " Published rows differ in setting; see theirs."),
        rates=(),
    )


def _published() -> pl.DataFrame:
    rows = published_results.frame().rename(mmad.SHORT)
    return rows.select(
        "method", pl.format("{}; {}", "setting", "source").alias("how"), pl.exclude("method", "setting", "source")
    )


def _counted(scores: Scores) -> str:
    average = scores.average.average
    mean = "no average" if average is None else f"average {wording.percent(average / 100, 2)}"
    answers = wording.counted(scores.questions, "answer")
    skipped = f", {scores.skipped:,} skipped behind them" if scores.scorer == "official" else ""
    return f"{scores.scorer.capitalize()}: {mean}; {scores.invalid:,} of {answers} invalid{skipped}."


def _groups(found: Alarms) -> pl.DataFrame:
    return pl.DataFrame(found.most()).rename({"rate": "share"}).with_columns(_stated("probability"))


def _stated(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).map_elements(alarms.probability, pl.String)


def _accuracy(run: Reported) -> Section:
    rows = subtasks.in_order(intervals.rates(run.facts, ("subtask",)), run.run.subtasks)
    chance = run.facts.filter(pl.col("right").is_not_null()).group_by("subtask")
    rows = rows.join(chance.agg(chance=metrics.GUESSED), on="subtask", maintain_order="left")
    return Section(
        "Accuracy by subtask",
        (),
        (("Share of right answers, 95 % interval; the tick is guessing", common.accuracy(PALETTE, rows, None)),),
        how="95 % intervals clustered by image. An answer that could not be read is wrong; a question that failed"
        " with its image is not judged.",
    )


def _right_reason(run: Reported) -> Section:
    rows = right_reason.by_subtask(run.groundings, run.run.subtasks)
    if rows.is_empty():
        return _lacking("Right for the right reason", right_reason.lack(run.run))
    caption = "Share of answers that are right and point at the defect; the tick is chance"
    return Section(
        "Right for the right reason",
        (),
        ((caption, common.accuracy(PALETTE, rows, None)),),
        (("By subtask", rows),),
        how=right_reason.HOW,
        rates=("right", "rate", "low", "high", "chance"),
    )


def _worst(run: Reported) -> Section:
    cells = slices.heat(run.facts)
    cells = cells.join(run.facts.select("product", "dataset").unique("product"), on="product", how="left")
    found = slice_discovery.find(run.facts)
    confirmed = int(found["confirmed"].sum())
    said = (
        f"{wording.counted(confirmed, 'slice is', 'slices are')} worse than the rest."
        if confirmed
        else "Not enough evidence that any slice is worse than the rest."
    )
    shown = found.head(WORST).select(
        "slice", "n", "images", "difference", "low", "high", "p", "q", "detectable", "confirmed"
    )
    return Section(
        "Where it goes wrong",
        (said,),
        (("Accuracy by product and subtask less what both lead one to expect", _heat(run.run, cells)),),
        (("Slices found on one half of the images and tested on the other", shown),),
        how="A decision tree of at most three conditions looks on half of the images for worse answers than the "
        "subtask explains; the other half tests what it found, one-sided and cluster-robust, after Benjamini "
        "and Hochberg. Detectable is the loss that the tested half would show at 5 % with a power of 80 %.",
        points=("difference", "low", "high"),
        sizes=("detectable",),
    )


def _heat(run: Run, cells: pl.DataFrame) -> go.Figure:
    return errors.heat(PALETTE, cells, set(), (None, None), run.subtasks, expectation=True)


def _mistaken(run: Reported) -> Section:
    defects = confusion.by_defect(run.facts.filter(pl.col("defect").is_not_null()))
    about_the_type = subtasks.about_the_type(run.run.subtasks)
    options = confusion.by_option(run.facts.filter(pl.col("subtask").is_in(about_the_type)), ())
    figures = [("What a defect is taken for, % of its questions", errors.confusion(PALETTE, options))]
    return Section(
        "What is taken for what",
        (),
        figures if options.height else (),
        (("Defect types, the worst first", defects.filter(pl.col("images") >= 5).head(WORST)),),
        how="Defect types with at least five images; taken for is the most frequent wrong answer.",
    )


def _trust(run: Reported) -> Section:
    if lack := missing_capabilities.of(run.run, "probabilities"):
        return _lacking("Trust", lack)
    facts = calibration.carried(run.facts, run.run.capabilities)
    scores, warned = calibration.scores(facts), calibration.warning(facts)
    if not scores.n:
        return Section("Trust", ("No judged answer has options to be sure of.",))
    said = [f"Brier score {scores.brier:.3f}. {calibration_words.error(scores)} {calibration_words.over(scores)}"]
    if lack := missing_capabilities.of(run.run, "latents"):
        said.append(f"Entropy can't warn here. {lack.sentence}")
    else:
        said.append(" ".join(calibration_words.warning(warned)))
    figures = [("Stated confidence against accuracy", trust.reliability(PALETTE, scores.bars))]
    curve = calibration.risk_coverage(facts)
    if curve.height > 1:
        figures.append(("Wrong answers left over the share nobody reviews", trust.risk_coverage(PALETTE, curve, None)))
    return Section(
        "Trust", said, figures, how=f"{scores.n:,} judged answers with a confidence. {calibration_words.HOW}"
    )


def _lacking(title: str, lack: Lack) -> Section:
    return Section(title, (f"{lack.sentence} {lack.instead}",))


def _traces(run: Reported) -> Section:
    counts = {
        row["shape"]: row["n"]
        for row in run.facts.drop_nulls("shape").group_by("shape").agg(n=pl.len()).iter_rows(named=True)
    }
    figure = trust.multiples(PALETTE, run.profiles, traces.by_shape(run.facts), counts, None)
    return Section(
        "Traces",
        (),
        (("Entropy over the iterations by shape: median and quartiles, in nats", figure),),
        how="Shapes by fixed rules over each question's entropy trace; see docs/analysis.md.",
    )
