"""Two runs on the questions both were asked: the difference, what speaks for it, and one word for it.

A pair is one question about one image, judged in both runs. Pages show the cluster-robust difference; one question per
image is McNemar's case, and where few images differ an exact test takes over; `bootstrap` is the published number. Two
intervals side by side are never compared. A difference is better, worse or *not enough evidence*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.analysis import clusters, intervals
from workbench.analysis.intervals import Estimate

Word = Literal["better", "worse", "not enough evidence"]
PAIRED_BY = ("image_id", "asked")
EXACT_BELOW = 25  # images that differ; under this many the exact test is used
ALPHA = 0.05

COLUMNS = {
    "n": "pairs",
    "images": "images they are about",
    "rate_old": "accuracy of the baseline on the pairs",
    "rate_new": "accuracy of the run on the pairs",
    "difference": "rate_new - rate_old",
    "se": "cluster-robust by image",
    "low": "95 % interval of the difference",
    "high": "95 % interval of the difference",
    "gained": "pairs wrong before, right now",
    "lost": "pairs right before, wrong now",
    "differing": "images whose sum of right answers changed",
    "p": "two-sided, of no difference: sign test of images if fewer than EXACT_BELOW differ, else cluster-robust t",
    "q": "p after Benjamini and Hochberg over the groups",
    "detectable": "the difference that would be noticed at 5 % with a power of 80 %, in rate points; null if unknown",
    "word": "better, worse or not enough evidence: q (over one group: p) below 5 %",
}


@dataclass(frozen=True, slots=True)
class Pairs:
    """What two runs share, and what only one of them has."""

    frame: pl.DataFrame  # PAIRED_BY, the dimensions of the new run, old and new (right or not), both answers
    only_old: int  # judged questions
    only_new: int


def pair(old: pl.DataFrame, new: pl.DataFrame, on: Sequence[str] = PAIRED_BY) -> Pairs:
    """The questions judged in both runs.

    Args:
        old: facts of the baseline.
        new: facts of the run.
        on: what makes two rows the same question. `asked` leaves out the reference, so that one-shot and zero-shot
            runs pair.

    Returns:
        A frame of the new run's facts with old_right, old_answer, old_answer_text, old_question_id, old_entropy.
    """
    before = old.filter(pl.col("right").is_not_null()).unique(on, keep="first", maintain_order=True)
    after = new.filter(pl.col("right").is_not_null()).unique(on, keep="first", maintain_order=True)
    kept = ("right", "answer", "answer_text", "question_id", "entropy")
    frame = after.join(
        before.select(*on, **{f"old_{name}": pl.col(name) for name in kept}), on=on, how="inner", maintain_order="left"
    )
    return Pairs(frame, before.height - frame.height, after.height - frame.height)


def table(pairs: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """The difference per group: the slope of `statsmodels ols("right ~ run").fit(cov_type="cluster", groups=image)`.

    Args:
        pairs: as `pair` gives them: image_id, right, old_right and `by`.
        by: any of `facts.DIMENSIONS`; none gives one row over all pairs.

    Returns:
        `by` and COLUMNS, by `by`.
    """
    found = clusters.by_image(pairs, by)
    new, old = (pairs[name].cast(pl.Float64).to_numpy() for name in ("right", "old_right"))
    m, d = found.per_pair(), found.per_pair(new - old)
    groups = found.table(
        n=m, new=found.per_pair(new), old=found.per_pair(old), dd=d * d, nd=m * d, nn=m * m,
        gained=found.per_pair(np.maximum(new - old, 0)), lost=found.per_pair(np.maximum(old - new, 0)),
        ups=(d > 0).astype(float), downs=(d < 0).astype(float),
    )  # fmt: skip
    groups = groups.with_columns(
        pl.col("gained", "lost", "ups", "downs").cast(pl.Int64), images=pl.Series(found.per_group(), dtype=pl.Int64)
    )
    n = pl.col("n")
    difference = (pl.col("new") - pl.col("old")) / n
    scatter = (pl.col("dd") - 2 * difference * pl.col("nd") + difference**2 * pl.col("nn")).clip(0)
    groups = groups.with_columns(
        rate_old=pl.col("old") / n,
        rate_new=pl.col("new") / n,
        difference=difference,
        differing=pl.col("ups") + pl.col("downs"),
        se=pl.when(pl.col("images") > 1).then((scatter * pl.col("images") / (pl.col("images") - 1)).sqrt() / n),
    )
    t = groups.select(pl.when(pl.col("se") > 0).then(pl.col("difference") / pl.col("se"))).to_series()
    few = pl.col("differing") < EXACT_BELOW
    groups = groups.with_columns(
        robust=intervals.two_sided(t, groups["images"] - 1),
        exact=pl.Series(_sign_test(groups["ups"].to_numpy(), groups["downs"].to_numpy())),
        reach=pl.Series(special.stdtrit(np.maximum(groups["images"].to_numpy() - 1, 1), 0.975)),
    ).with_columns(p=pl.when(few).then("exact").otherwise("robust"))
    power = special.ndtri(1 - ALPHA / 2) + special.ndtri(0.8)
    groups = groups.with_columns(
        q=intervals.discoveries(groups["p"]),
        low=(pl.col("difference") - pl.col("reach") * pl.col("se")).clip(-1, 1),
        high=(pl.col("difference") + pl.col("reach") * pl.col("se")).clip(-1, 1),
        detectable=pl.when(pl.col("se") > 0).then(power * pl.col("se")),
    ).with_columns(
        n=n.cast(pl.Int64),
        word=pl.when(pl.col("q") >= ALPHA)
        .then(pl.lit("not enough evidence"))
        .when(pl.col("difference") > 0)
        .then(pl.lit("better"))
        .when(pl.col("difference") < 0)
        .then(pl.lit("worse"))
        .otherwise(pl.lit("not enough evidence")),
    )
    return groups.select(*by, *COLUMNS).sort(by) if by else groups.select(*COLUMNS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison says, and why."""

    word: Word
    sentence: str
    test: str  # "exact sign test of images" or "cluster-robust t"
    difference: Estimate  # in rate points
    p: float | None
    n: int
    images: int


def verdict(pairs: Pairs, old: str = "the baseline", new: str = "this run") -> Verdict:
    """One word over all shared pairs, and one sentence.

    Args:
        old: what the baseline is called in the sentence.
        new: what the run is called.
    """
    row = table(pairs.frame).row(0, named=True) if pairs.frame.height else None
    if row is None:
        return Verdict(
            "not enough evidence", f"{new} and {old} share no judged question.", "none",
            Estimate(0.0, -1.0, 1.0), None, 0, 0,
        )  # fmt: skip
    few = row["differing"] < EXACT_BELOW
    low, high = (-1.0 if row["low"] is None else row["low"], 1.0 if row["high"] is None else row["high"])
    points = f"{100 * row['difference']:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
    counts = f"{row['n']:,} questions about {row['images']:,} images asked of both"
    said = {
        "better": f"{new} is better than {old}: {points} over {counts}.",
        "worse": f"{new} is worse than {old}: {points} over {counts}.",
        "not enough evidence": f"Not enough evidence that {new} and {old} differ: {points} over {counts}.",
    }[row["word"]]
    return Verdict(
        row["word"], said[0].upper() + said[1:], "exact sign test of images" if few else "cluster-robust t",
        Estimate(row["difference"], low, high), row["p"], row["n"], row["images"],
    )  # fmt: skip


def flips(pairs: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`by`, was and now (right or wrong), n, images: the flips matrix, at most four rows per group."""
    found = clusters.by_image(pairs, (*by, "old_right", "right"))
    named = {True: "right", False: "wrong"}
    return (
        found.table(n=found.per_pair())
        .select(
            *by, was="old_right", now="right", n=pl.col("n").cast(pl.Int64),
            images=pl.Series(found.per_group(), dtype=pl.Int64),
        )
        .with_columns(pl.col("was", "now").replace_strict(named, return_dtype=pl.String))
        .sort(*by, "was", "now")
    )  # fmt: skip


def mcnemar(pairs: pl.DataFrame) -> float:
    """McNemar's p, exact under 25 discordant pairs: for one question per image.

    Raises:
        ValueError: an image has several pairs, which this test takes for independent.

    Source: `statsmodels.stats.contingency_tables.mcnemar`.
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    if pairs["image_id"].n_unique() < pairs.height:
        raise ValueError("McNemar's test takes one question per image; choose one subtask, or use `table`")
    old, new = pairs["old_right"].to_numpy(), pairs["right"].to_numpy()
    counts = [[int((old & new).sum()), int((old & ~new).sum())], [int((~old & new).sum()), int((~old & ~new).sum())]]
    return float(test(counts, exact=counts[0][1] + counts[1][0] < EXACT_BELOW, correction=True).pvalue)


def bootstrap(pairs: pl.DataFrame, seed: int = 0, resamples: int = 2000) -> Estimate:
    """The difference with its percentile bootstrap interval by image: the published number."""
    sums = pairs.group_by("image_id", maintain_order=True).agg(
        n=pl.len().cast(pl.Float64),
        right=(pl.col("right").cast(pl.Float64) - pl.col("old_right").cast(pl.Float64)).sum(),
    )
    return intervals.bootstrap(sums, seed, resamples)


def _sign_test(ups: NDArray[np.int64], downs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Two-sided exact p of so many ups and downs under a fair coin; 1 where there are none."""
    fewer, total = np.minimum(ups, downs), ups + downs
    return np.where(total == 0, 1.0, np.minimum(1.0, 2 * special.bdtr(fewer, total, 0.5)))
