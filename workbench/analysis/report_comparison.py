"""A report's sections about two runs: what differs, where the new one loses, and what they call differently."""

from __future__ import annotations

import polars as pl

from workbench import wording
from workbench.analysis import alarms, compare, error_concentration, loss_by_slice, run_differences, subtasks
from workbench.analysis.charts import compare as charts_compare
from workbench.analysis.charts import theme
from workbench.analysis.report_contents import Reported
from workbench.analysis.report_page import Section

PALETTE = theme.LIGHT
LOSING = 8  # slices that are drawn


def made_with(run: Reported, against: Reported) -> Section:
    """What the runs were made with differently."""
    differences = run_differences.between(against.run, run.run, {**against.archives, **run.archives})
    rows = pl.DataFrame(
        [(each.name, each.old, each.new) for each in differences],
        schema={"setting": pl.String, "A, the baseline": pl.String, "B, this run": pl.String},
        orient="row",
    )
    return Section(
        "What differs",
        (run_differences.sentence(differences, against.run.digest == run.run.digest),),
        tables=(("Of what can change answers", rows),),
        how="Model, archive, question set and knowledge, the settings that belong to a run's digest, and what their "
        "names stood for when the run began. A device or a batch size changes no answer.",
        verbatim=tuple(rows.columns),
    )


def slices(run: Reported, against: Reported) -> pl.DataFrame:
    """Every slice that was looked at for losses, see `loss_by_slice.table`."""
    pairs = compare.pair(against.facts, run.facts).frame
    return loss_by_slice.table(
        pairs, loss_by_slice.judged_counts(against.facts), loss_by_slice.judged_counts(run.facts)
    )


def disagreement(run: Reported, against: Reported) -> Section | None:
    """What the runs call the pictures without a label; None where they share none."""
    calls = alarms.disagreement(against.facts, run.facts)
    if calls.share is None:
        return None
    rows = pl.DataFrame(
        [
            (one.dimension, one.value, one.images, one.only_old, one.only_new, one.both, one.rate, one.low, one.high)
            for one in calls.most()
        ],
        schema={
            "dimension": pl.String, "value": pl.String, "pictures": pl.Int64, "only A": pl.Int64, "only B": pl.Int64,
            "both": pl.Int64, "differently": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        },
        orient="row",
    )  # fmt: skip
    return Section(
        "Called differently",
        (calls.sentence("A, the baseline,", "B, this run,"),),
        tables=(("Called defective by A, by B, by both; share called differently", rows),),
        how="Pictures without a label that both runs call defective or good. Wilson's 95 % intervals over pictures, "
        "clustered where pictures are copies or of one piece.",
        rates=("differently", "low", "high"),
    )


def compared(run: Reported, against: Reported) -> list[Section]:
    """The paired differences by subtask, and where the new run loses."""
    pairs = compare.pair(against.facts, run.facts).frame
    if pairs.is_empty():
        return [Section("Comparison", ("The runs share no judged question.",))]
    return [_by_subtask(run, against, pairs), _where_it_loses(slices(run, against))]


def _by_subtask(run: Reported, against: Reported, pairs: pl.DataFrame) -> Section:
    rows = subtasks.in_order(compare.table(pairs, ("subtask",)), run.run.subtasks)
    flips, short = compare.flips(pairs), subtasks.short(run.run.subtasks)
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
            (
                "Accuracy before and after",
                charts_compare.slopes(PALETTE, rows, "A, the baseline", "B, this run", short),
            ),
            ("Answers that changed sides", charts_compare.flips(PALETTE, counts, None)),
        ),
        (("Paired differences; differences, their ends and what is detectable in points", _differences(rows)),),
        how="Pairs are the same question about the same image, judged in both runs. p is that of sign flips of the "
        "images' net gains, q is p after Benjamini and Hochberg over the subtasks. The interval is the same test's, at "
        f"{wording.level(rows['coverage'][0])}: it excludes 0 exactly when q is below 5 %. Detectable is what these "
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


def _where_it_loses(slices: pl.DataFrame) -> Section:
    sure = loss_by_slice.losing(slices)
    looked = wording.counted(slices.height, "slice")
    none = f"Of {looked} with at least {loss_by_slice.LEAST} changed images none loses after false-discovery control."
    rows = sure.head(LOSING)
    names = [error_concentration.in_words(cut, values) for cut, values in rows.select("cut", "values").iter_rows()]
    shown = rows.select(
        pl.Series("slice", names, dtype=pl.String), pl.col("n").alias("pairs"), "images", pl.col("rate_old").alias("A"),
        pl.col("rate_new").alias("B"), "difference", "lost", pl.col("gained").alias("won"), "only_old", "only_new", "q",
    ).rename({"only_old": "only A", "only_new": "only B"})  # fmt: skip
    return Section(
        "Where B loses",
        (loss_by_slice.sentence(slices) or none,),
        figures=[("Loss in points", charts_compare.losses(PALETTE, rows, names))] if rows.height else (),
        tables=((f"Slices that lose, the most telling first, {rows.height} of {sure.height}", shown),),
        how="Looked at: subtask, product, camera, defect, retrieval, product by subtask, where at least "
        f"{loss_by_slice.LEAST} images changed. Sign flips of each slice's net gains by image; q is p after Benjamini "
        f"and Hochberg over all {looked}. Only A and only B are judged questions that the other run lacks.",
        rates=("A", "B"),
        points=("difference",),
        verbatim=("slice",),
    )
