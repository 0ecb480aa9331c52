"""Two runs on the questions both were asked: the difference, what speaks for it, and one word for it.

A pair is one question about one image, judged in both runs. What counts is each image's net gain, its pairs won less
its pairs lost: word, p and interval come from one sign-flip test of these gains (`sign_flips.py`), so the word has the
sign of the difference, and it is better or worse exactly when the interval beside it excludes 0. Over several groups
the discoveries are controlled (Benjamini and Hochberg), and the intervals with them: at the level at which, of the
intervals of the groups that are called, 5 % miss (Benjamini and Yekutieli, JASA 100, 2005). `bootstrap` is the
published number. Two intervals side by side are never compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy import special

from workbench import wording
from workbench.analysis import image_groups, intervals, sign_flips
from workbench.analysis.intervals import Estimate

Word = Literal["better", "worse", "not enough evidence"]
Control = Literal["false discoveries", "any false claim"]
PAIRED_BY = ("image_id", "question_id")
EXACT_BELOW = 25  # discordant pairs; under this many McNemar's test is the exact one
ALPHA = 0.05

TEST = "sign flips of the images' net gains"

COLUMNS = {
    "n": "pairs",
    "images": "images they are about",
    "effective": "images with one number of pairs that would say as much; of fewer than 5 nothing is said",
    "rate_old": "accuracy of the baseline on the pairs",
    "rate_new": "accuracy of the run on the pairs",
    "difference": "rate_new - rate_old",
    "se": "cluster-robust by image",
    "low": "interval of the difference, from the test that gives p, at `coverage`",
    "high": "its other end",
    "coverage": "95 %, or more over several groups, so that the interval excludes 0 when q is below 5 % and only then",
    "gained": "pairs wrong before, right now",
    "lost": "pairs right before, wrong now",
    "differing": "images whose sum of right answers changed",
    "p": "two-sided, of no difference: sign flips of the images' net gains",
    "q": "p corrected over the groups: after Benjamini and Hochberg, of an experiment's arms after Holm",
    "detectable": "the difference that would be noticed at 5 % with a power of 80 %, in rate points; null if unknown",
    "word": "better, worse or not enough evidence: whether the interval is above 0, below it, or has 0 in it",
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
        on: what makes two rows the same question. What was shown with it may differ, as between one-shot and zero-shot.

    Returns:
        A frame of the new run's facts, with the baseline's clusters, as what was done to a picture may tell it from its
        copies, and with old_right, old_answer, old_answer_text, old_evidence, old_entropy.
    """
    before = old.filter(pl.col("right").is_not_null()).unique(on, keep="first", maintain_order=True)
    after = new.filter(pl.col("right").is_not_null()).unique(on, keep="first", maintain_order=True)
    kept = ("right", "answer", "answer_text", "evidence", "entropy")
    old_columns = before.select(*on, "cluster_id", **{f"old_{name}": pl.col(name) for name in kept})
    frame = after.drop("cluster_id").join(old_columns, on=on, how="inner", maintain_order="left")
    return Pairs(frame, before.height - frame.height, after.height - frame.height)


def table(pairs: pl.DataFrame, by: Sequence[str] = (), control: Control = "false discoveries") -> pl.DataFrame:
    """The difference per group, with the word, the p and the interval of one sign-flip test of its images' net gains.

    Args:
        pairs: as `pair` gives them: cluster_id, right, old_right and `by`.
        by: any of `rollups.FACETS`; none gives one row over all pairs.
        control: what stays within 5 % over the groups: the share of false ones among the claims (Benjamini and
            Hochberg), or the chance of any false claim (Holm).

    Returns:
        `by` and COLUMNS, by `by`.
    """
    found = image_groups.by_cluster(pairs, by)
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
        effective=n**2 / pl.col("nn"),
        se=pl.when(pl.col("images") > 1).then((scatter * pl.col("images") / (pl.col("images") - 1)).sqrt() / n),
    )
    order, ends_at = np.argsort(found.group, kind="stable"), np.cumsum(found.per_group().astype(np.int64))
    parts = [order[start:stop] for start, stop in zip([0, *ends_at[:-1]], ends_at, strict=True)] if len(ends_at) else []
    tests = [sign_flips.flip(d[part], m[part]) for part in parts]
    p = pl.Series("p", [test.p for test in tests], dtype=pl.Float64)
    # With R of k groups called, each p called is below this share of 5 % and no other is.
    if control == "false discoveries":
        q = intervals.discoveries(p)
        called = int((q < ALPHA).sum())
        share = max(called, 1) / max(len(tests), 1)
    else:
        q = intervals.holm(p)
        called = int((q < ALPHA).sum())
        share = 1 / max(len(tests) - max(called - 1, 0), 1)
    level = 1 - ALPHA * share
    ends = np.array([test.interval(level) for test in tests]).reshape(-1, 2)
    power = special.ndtri(1 - ALPHA / 2) + special.ndtri(0.8)
    groups = groups.with_columns(
        p, q, low=pl.Series(ends[:, 0]), high=pl.Series(ends[:, 1]), coverage=pl.lit(level),
        detectable=pl.when(pl.col("se") > 0).then(power * pl.col("se")), n=n.cast(pl.Int64),
    ).with_columns(
        word=pl.when(pl.col("low") > 0)
        .then(pl.lit("better"))
        .when(pl.col("high") < 0)
        .then(pl.lit("worse"))
        .otherwise(pl.lit("not enough evidence"))
    )  # fmt: skip
    return groups.select(*by, *COLUMNS).sort(by) if by else groups.select(*COLUMNS)


def together(compared: pl.DataFrame, pairs: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Several comparisons of one experiment, corrected together: any false claim among them has at most 5 %.

    Args:
        compared: what is compared, one row per comparison.
        pairs: of each comparison, as `pair` gives them.

    Returns:
        The columns of `compared` and COLUMNS.
    """
    kinds = {"place": pl.Int64, "cluster_id": pl.String, "right": pl.Boolean, "old_right": pl.Boolean}
    parts = [
        frame.select(pl.lit(place).alias("place"), *list(kinds)[1:]).cast(pl.Schema(kinds))
        for place, frame in enumerate(pairs)
    ]
    rows = table(pl.concat([pl.DataFrame(schema=kinds), *parts]), ("place",), "any false claim")
    return pl.concat([compared, rows.drop("place")], how="horizontal")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison says, and why."""

    word: Word
    sentence: str
    test: str
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
    value, low, high = (wording.points(row[name]) for name in ("difference", "low", "high"))
    points = f"{value} points (95 % interval {low} to {high})"
    counts = f"{wording.counted(row['n'], 'question')} about {wording.counted(row['images'], 'image')} asked of both"
    name = "This run" if new == "this run" else new  # a model's name stays as it is
    said = {
        "better": f"{name} is better than {old}: {points} over {counts}.",
        "worse": f"{name} is worse than {old}: {points} over {counts}.",
        "not enough evidence": f"Not enough evidence that {new} and {old} differ: {points} over {counts}.",
    }[row["word"]]
    return Verdict(
        row["word"], said, TEST,
        Estimate(row["difference"], row["low"], row["high"]), row["p"], row["n"], row["images"],
    )  # fmt: skip


def unpaired(pairs: Pairs, old: str = "the baseline", new: str = "this run") -> str:
    """How many judged questions only one run has, as a sentence; empty where there are none."""
    left = [f"{n:,} only in {of}" for n, of in ((pairs.only_new, new), (pairs.only_old, old)) if n]
    return f"Judged questions that could not be paired: {', '.join(left)}." if left else ""


def other_evidence(pairs: pl.DataFrame) -> str:
    """How many pairs were shown another reference or other texts, as a sentence; empty where there are none.

    Args:
        pairs: with evidence and old_evidence.
    """
    count = int((pairs["evidence"] != pairs["old_evidence"]).sum())
    if not count:
        return ""
    share = "All" if count == pairs.height > 1 else f"{count:,} of"
    of_all = wording.counted(pairs.height, "pair was", "pairs were")
    return f"{share} {of_all} shown different evidence: another reference or other texts."


def flips(pairs: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`by`, was and now (right or wrong), n, images: the flips matrix, at most four rows per group."""
    found = image_groups.by_cluster(pairs, (*by, "old_right", "right"))
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

    if pairs["cluster_id"].n_unique() < pairs.height:
        raise ValueError("McNemar's test takes one question per image; choose one subtask, or use `table`")
    old, new = pairs["old_right"].to_numpy(), pairs["right"].to_numpy()
    counts = [[int((old & new).sum()), int((old & ~new).sum())], [int((~old & new).sum()), int((~old & ~new).sum())]]
    return float(test(counts, exact=counts[0][1] + counts[1][0] < EXACT_BELOW, correction=True).pvalue)


def bootstrap(pairs: pl.DataFrame, seed: int = 0, resamples: int = 2000) -> Estimate:
    """The difference with its percentile bootstrap interval by image: the published number."""
    sums = pairs.group_by("cluster_id", maintain_order=True).agg(
        n=pl.len().cast(pl.Float64),
        right=(pl.col("right").cast(pl.Float64) - pl.col("old_right").cast(pl.Float64)).sum(),
    )
    return intervals.bootstrap(sums, seed, resamples)


def scale(together: pl.DataFrame) -> str:
    """What the intervals of comparisons that are corrected together are of: `points, 99.3 % by image, over 7 arms`.

    Args:
        together: all of them, as `together` gives them.
    """
    if together.is_empty():
        return "points, by image"
    over = f", corrected over {wording.counted(together.height, 'arm')}" if together.height > 1 else ""
    return f"points, {wording.level(together['coverage'][0])} by image{over}"
