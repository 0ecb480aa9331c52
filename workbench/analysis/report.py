"""A run as one HTML file to hand on: verdict sentences, interactive figures, tables. It needs nothing but a browser.

Frames go in, text comes out. Every section says below how its numbers were made, so that the file stands by itself; the
figures are those of the pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import plotly.graph_objects as go
import polars as pl

from warehouse.records import SUBTASKS, Run
from workbench.analysis import (
    bias,
    calibration,
    charts,
    charts_compare,
    charts_errors,
    charts_trust,
    compare,
    confusion,
    discovery,
    intervals,
    look,
    metrics,
    mmad,
    published,
    slices,
    traces,
)
from workbench.analysis.mmad import Scores
from workbench.analysis.report_page import Section, page

WORST = 12  # rows of a table at most
PALETTE = look.LIGHT


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report needs of a run."""

    run: Run
    facts: pl.DataFrame  # see `facts.COLUMNS`
    answers: pl.DataFrame  # see `mmad.ANSWERS`
    profiles: pl.DataFrame  # as `traces.profiles` gives them

    @property
    def name(self) -> str:
        """How the run is called in sentences."""
        return f"{self.run.model} of {self.run.started_at:%Y-%m-%d %H:%M}"


def build(run: Reported, against: Reported | None = None) -> str:
    """The report as HTML."""
    sections = [_verdict(run, against)]
    if run.facts["right"].drop_nulls().is_empty():
        sections.append(Section("Accuracy", ("No answer of this run has a label to be held against.",)))
    else:
        if against:
            sections.append(_compared(run, against))
        sections += [_benchmark(run), _accuracy(run), _worst(run), _mistaken(run), _trust(run)]
    if run.profiles.height:
        sections.append(_traces(run))
    return page(run.run, against.run if against else None, sections)


def sentences(run: Reported, against: Reported | None = None) -> list[str]:
    """What the report says in words, the most important first."""
    said = []
    if against:
        pairs = compare.pair(against.facts, run.facts)
        said.append(compare.verdict(pairs, against.name, run.name).sentence)
        said += [left] if (left := compare.unpaired(pairs, against.name, run.name)) else []
    detection = run.facts.filter(pl.col("subtask") == mmad.DETECTION, pl.col("right").is_not_null())
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
    unclaimed = run.facts.filter(
        pl.col("subtask") == mmad.DETECTION,
        pl.col("status") == "answered",
        pl.col("claim").is_null(),
    )
    if unclaimed.height:
        said.append(
            f"Of {unclaimed.height:,} detection answers nothing tells whether they claim a defect, neither key and "
            "label nor words: they are neither escape nor overkill."
        )
    overall = intervals.rates(run.facts).row(0, named=True)
    if overall["n"]:
        said.append(f"Micro accuracy: {_interval(overall)} of {overall['n']:,.0f} questions.")
    positions = bias.by_position(run.facts)
    if positions.height:
        said.append(bias.verdict(positions).sentence)
    if run.run.invalid or run.run.failed:
        said.append(f"{run.run.invalid:,} answers could not be read and {run.run.failed:,} questions failed.")
    return said


def _interval(row: Mapping[str, float]) -> str:
    rate, low, high = (f"{100 * row[name]:.1f} %" for name in ("rate", "low", "high"))
    return f"{rate} (95 % interval {low} to {high})"


def _verdict(run: Reported, against: Reported | None) -> Section:
    return Section(
        "Verdict",
        sentences(run, against),
        how="Intervals are clustered by image: a ratio estimate over images with Wilson's form. Two runs are "
        "compared on the questions both were asked by sign flips of the images' net gains, from which word, p and "
        "interval come; “not enough evidence” means that the interval has 0 in it.",
    )


def _compared(run: Reported, against: Reported) -> Section:
    pairs = compare.pair(against.facts, run.facts).frame
    if pairs.is_empty():
        return Section("Comparison", ("The runs share no judged question.",))
    rows = _in_order(compare.table(pairs, ("subtask",)))
    flips = compare.flips(pairs)
    counts = {(row["was"], row["now"]): row["n"] for row in flips.iter_rows(named=True)}
    published_number = compare.bootstrap(pairs)
    return Section(
        f"Compared with {against.name}",
        (
            f"To be quoted, by a bootstrap of images: {100 * published_number.value:+.2f} points, 95 % interval "
            f"{100 * published_number.low:+.2f} to {100 * published_number.high:+.2f}. "
            "The verdict goes by its own interval.",
        ),
        (
            (
                "Difference by subtask (A the baseline, B this run); grey is what so many pairs cannot show",
                charts_compare.forest(PALETTE, rows),
            ),
            ("Accuracy before and after", charts_compare.slopes(PALETTE, rows, "A, the baseline", "B, this run")),
            ("Answers that changed sides", charts_compare.flips(PALETTE, counts, None)),
        ),
        (("Paired differences; differences, their ends and what is detectable in points", _differences(rows)),),
        how="Pairs are the same question about the same image, judged in both runs. p is that of sign flips of the "
        "images' net gains, q is p after Benjamini and Hochberg over the subtasks. The interval is the same test's, at "
        f"{compare.percent(rows['coverage'][0])}: it excludes 0 exactly when q is below 5 %. Detectable is what these "
        "pairs would show at 5 % with a power of 80 %. "
        "The bootstrap resamples images 2,000 times.",
        rates=("A", "B"),
        points=("difference", "low", "high"),
        sizes=("detectable",),
    )


def _differences(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "subtask", "images", pl.col("n").alias("pairs"), pl.col("rate_old").alias("A"), pl.col("rate_new").alias("B"),
        "difference", "low", "high", "detectable", pl.col("gained").alias("won"), "lost", "p", "q",
        pl.col("word").alias("verdict"),
    )  # fmt: skip


def _benchmark(run: Reported) -> Section:
    strict, official = (mmad.score(run.answers, scorer) for scorer in ("strict", "official"))
    rows = [charts_compare.Row(f"{row.method}, {row.setting}", row.average, own=0) for row in published.ROWS]
    ours = official.average.average
    figures: list[tuple[str, go.Figure]] = []
    if ours is not None and set(strict.subtasks) == set(SUBTASKS):
        chart = charts_compare.published(PALETTE, [*rows, charts_compare.Row(run.run.model, ours, own=2)])
        figures.append(("MMAD's average among published ones, %", chart))
    return Section(
        "MMAD",
        (_counted(strict), _counted(official)),
        figures,
        (
            ("Strict scorer, %", mmad.as_frame(strict).rename(metrics.SHORT, strict=False)),
            ("Official scorer, %", mmad.as_frame(official).rename(metrics.SHORT, strict=False)),
            ("Published, %", _published()),
        ),
        how="Detection is the mean of the accuracies on good and defective images; the average is unweighted over"
        " subtasks, then data sets. The official scorer reproduces the published script: an unreadable answer"
        " and the one after it are not counted, and a subtask without questions is 0. The strict one counts "
        "an unreadable answer as wrong and leaves out what was not asked. Published rows differ in setting; "
        "see theirs.",
        rates=(),
    )


def _published() -> pl.DataFrame:
    rows = published.frame().rename(metrics.SHORT)
    return rows.select(
        "method", pl.format("{}; {}", "setting", "source").alias("how"), pl.exclude("method", "setting", "source")
    )


def _counted(scores: Scores) -> str:
    average = "no average" if scores.average.average is None else f"average {scores.average.average:.2f} %"
    skipped = f", {scores.skipped:,} skipped behind them" if scores.scorer == "official" else ""
    return (
        f"{scores.scorer.capitalize()}: {average}; {scores.invalid:,} of {scores.questions:,} answers invalid{skipped}."
    )


def _accuracy(run: Reported) -> Section:
    rows = _in_order(intervals.rates(run.facts, ("subtask",)))
    chance = run.facts.filter(pl.col("right").is_not_null()).group_by("subtask")
    rows = rows.join(chance.agg(chance=metrics.GUESSED), on="subtask", maintain_order="left")
    return Section(
        "Accuracy by subtask",
        (),
        (("Share of right answers, 95 % interval; the tick is guessing", charts.accuracy(PALETTE, rows, None)),),
        how="95 % intervals clustered by image. An answer that could not be read is wrong; a question that failed"
        " with its image is not judged.",
    )


def _worst(run: Reported) -> Section:
    cells = slices.heat(run.facts)
    cells = cells.join(run.facts.select("product", "dataset").unique("product"), on="product", how="left")
    found = discovery.find(run.facts)
    confirmed = int(found["confirmed"].sum())
    said = (
        f"{confirmed} slices are worse than the rest beyond doubt."
        if confirmed
        else "No slice is worse than the rest beyond doubt."
    )
    shown = found.head(WORST).select(
        "slice", "n", "images", "difference", "low", "high", "p", "q", "detectable", "confirmed"
    )
    return Section(
        "Where it goes wrong",
        (said,),
        (("Accuracy by product and subtask less what both lead one to expect", _heat(cells)),),
        (("Slices found on one half of the images and tested on the other", shown),),
        how="A decision tree of at most three conditions looks on half of the images for worse answers than the "
        "subtask explains; the other half tests what it found, one-sided and cluster-robust, after Benjamini "
        "and Hochberg. Detectable is the loss that the tested half would show at 5 % with a power of 80 %.",
        points=("difference", "low", "high"),
        sizes=("detectable",),
    )


def _heat(cells: pl.DataFrame) -> go.Figure:
    return charts_errors.heat(PALETTE, cells, set(), (None, None))


def _mistaken(run: Reported) -> Section:
    defects = confusion.by_defect(run.facts.filter(pl.col("defect").is_not_null()))
    options = confusion.by_option(run.facts.filter(pl.col("subtask") == SUBTASKS[1]), ())
    figures = [("What a defect is taken for, % of its questions", charts_errors.confusion(PALETTE, options))]
    return Section(
        "What is taken for what",
        (),
        figures if options.height else (),
        (("Defect types, the worst first", defects.filter(pl.col("images") >= 5).head(WORST)),),
        how="Defect types with at least five images; taken for is the most frequent wrong answer.",
    )


def _trust(run: Reported) -> Section:
    scores, warned = calibration.scores(run.facts), calibration.warning(run.facts)
    if not scores.n:
        return Section("Trust", ("The run has no option probabilities.",))
    said = [
        f"Brier score {scores.brier:.3f}, calibration error {scores.ece:.3f}; on average the stated confidence is "
        f"{100 * abs(scores.over or 0):.1f} points {'above' if (scores.over or 0) > 0 else 'below'} the accuracy."
    ]
    if warned.auroc:
        said.append(
            f"Entropy tells wrong answers from right ones with an AUROC of {warned.auroc.value:.3f} "
            f"(95 % interval {warned.auroc.low:.3f} to {warned.auroc.high:.3f}); 0.5 tells nothing."
        )
    figures = [
        ("Stated confidence against accuracy", charts_trust.reliability(PALETTE, calibration.reliability(run.facts)))
    ]
    curve = calibration.risk_coverage(run.facts)
    if curve.height > 1:
        figures.append(
            ("Wrong answers left over the share nobody reviews", charts_trust.risk_coverage(PALETTE, curve, None))
        )
    return Section(
        "Trust",
        said,
        figures,
        how=f"{scores.n:,} judged answers with a confidence. Ten bins of equally many answers. The AUROC's "
        "interval is clustered by image (Obuchowski 1997).",
    )


def _traces(run: Reported) -> Section:
    counts = {
        row["shape"]: row["n"]
        for row in run.facts.drop_nulls("shape").group_by("shape").agg(n=pl.len()).iter_rows(named=True)
    }
    figure = charts_trust.multiples(PALETTE, run.profiles, traces.by_shape(run.facts), counts, None)
    return Section(
        "Traces",
        (),
        (("Entropy over the iterations by shape: median and quartiles, in nats", figure),),
        how="Shapes by fixed rules over each question's entropy trace; see docs/analysis.md.",
    )


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    place = {name: at for at, name in enumerate(SUBTASKS)}
    return rows.sort(pl.col("subtask").replace_strict(place, default=len(place), return_dtype=pl.Int64), "subtask")
