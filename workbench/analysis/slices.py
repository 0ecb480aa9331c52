"""Where a run is worse than elsewhere: accuracy over any combination of dimensions, against what was to be expected.

`table` compares each slice with all questions outside it, both measured against their subtask's accuracy, so that a
slice isn't called bad for asking hard questions; the test knows that an image's questions go together and that an
image can lie on both sides. `heat` is for two dimensions crossed. Everything is a few group-bys: a million predictions
take less than half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from workbench.analysis import intervals

ENOUGH = 20  # images; a slice of fewer is shown grey and makes no claim
ADJUSTED = ("subtask",)

COLUMNS = {
    "n": "questions judged",
    "right": "of these answered rightly",
    "images": "images they are about",
    "rate": "right / n",
    "low": "95 % interval, clustered by image",
    "high": "95 % interval, clustered by image",
    "deff": "design effect: how many questions are worth one independent one",
    "expected": "the rate of all other questions, brought to this slice's mix of subtasks",
    "difference": "rate - expected; below 0 is worse",
    "p": "two-sided, of no difference; cluster-robust t with images - 1 degrees of freedom",
    "q": "p after Benjamini and Hochberg over the slices with at least ENOUGH images",
    "detectable": "the loss that would be noticed at 5 % with a power of 80 %, in rate points",
    "enough": "at least ENOUGH images",
}


def table(facts: pl.DataFrame, by: Sequence[str], adjust: Sequence[str] = ADJUSTED) -> pl.DataFrame:
    """Accuracy of every slice beside what was to be expected, worst first.

    The difference is the slope of `statsmodels ols("residual ~ slice").fit(cov_type="cluster", groups=image)`, where
    the residual is `right` less its subtask's rate; without the factor (N - 1) / (N - 2), which is 1 here.

    Args:
        facts: see `facts.COLUMNS`; rows that aren't judged are left out.
        by: any of `facts.DIMENSIONS`; a null value is a slice of its own.
        adjust: what is allowed to differ in difficulty; not used where `by` names nothing else.

    Returns:
        `by` and COLUMNS.
    """
    rows = _residuals(facts, [] if set(by) <= set(adjust) else adjust)
    inside = rows.group_by(*by, "image_id").agg(
        pl.len().cast(pl.Float64).alias("n"), pl.col("right").sum().cast(pl.Float64), pl.col("e").sum()
    )
    whole = inside.group_by("image_id").agg(pl.col("n").sum().alias("N"), pl.col("e").sum().alias("E"))
    n, e, all_n, all_e = pl.col("n"), pl.col("e"), pl.col("N"), pl.col("E")
    # Images that also lie outside the slice (x, y), and the squares that a variance is made of.
    x, y = all_n - n, all_e - e
    groups = (
        inside.join(whole, on="image_id")
        .group_by(by)
        .agg(
            *(column.sum() for column in (n, pl.col("right"), e)),
            images=pl.len().cast(pl.Int64),
            nn=(n * n).sum(), nr=(n * pl.col("right")).sum(), rr=(pl.col("right") ** 2).sum(),
            ee=(e * e).sum(), ne=(n * e).sum(),
            ey=(e * y).sum(), ex=(e * x).sum(), ny=(n * y).sum(), nx=(n * x).sum(),
            yy=(y * y).sum(), xy=(x * y).sum(), xx=(x * x).sum(),
            oo=(all_e * all_e).sum(), on=(all_e * all_n).sum(), nn_all=(all_n * all_n).sum(),
        )
    )  # fmt: skip
    totals = whole.select(
        N=all_n.sum(), E=all_e.sum(), OO=(all_e**2).sum(), ON=(all_e * all_n).sum(), NN=(all_n**2).sum(), G=pl.len()
    ).row(0, named=True)
    groups = intervals.with_intervals(groups).with_columns(
        others=totals["N"] - n,
        here=e / n,
        rest=(totals["E"] - e) / (totals["N"] - n),
    )
    here, rest, others = pl.col("here"), pl.col("rest"), pl.col("others")
    within = (pl.col("ee") - 2 * here * pl.col("ne") + here**2 * pl.col("nn")) / n**2
    beside = (pl.col("yy") - 2 * rest * pl.col("xy") + rest**2 * pl.col("xx")) / others**2
    across = (pl.col("ey") - rest * pl.col("ex") - here * pl.col("ny") + here * rest * pl.col("nx")) / (n * others)
    alone = (
        (totals["OO"] - pl.col("oo"))
        - 2 * rest * (totals["ON"] - pl.col("on"))
        + rest**2 * (totals["NN"] - pl.col("nn_all"))
    ) / others**2
    variance = (within + beside - 2 * across + alone) * totals["G"] / (totals["G"] - 1)
    groups = groups.with_columns(
        difference=pl.when(others > 0).then(here - rest),
        error=pl.when(others > 0, pl.col("images") > 1).then(variance.clip(0).sqrt()),
    ).with_columns(expected=pl.col("rate") - pl.col("difference"), enough=pl.col("images") >= ENOUGH)
    t = groups.select(pl.when(pl.col("error") > 0).then(pl.col("difference") / pl.col("error"))).to_series()
    groups = groups.with_columns(p=intervals.two_sided(t, groups["images"] - 1))
    return (
        groups.with_columns(
            q=intervals.discoveries(groups.select(pl.when("enough").then("p")).to_series()),
            detectable=intervals.detectable(pl.col("expected"), n / pl.col("deff"), (others / pl.col("deff")).clip(1)),
        )
        .select(*by, *(name if name not in ("n", "right") else pl.col(name).cast(pl.Int64) for name in COLUMNS))
        .sort("difference", *by, nulls_last=True)
    )


def heat(facts: pl.DataFrame, rows: str = "product", columns: str = "subtask") -> pl.DataFrame:
    """Two dimensions crossed: each cell's rate beside what its row and its column alone would lead one to expect.

    Returns:
        rows, columns, n, right, images, rate, low, high, expected (row's rate + column's rate - overall, within 0..1),
        difference (rate - expected), enough (at least ENOUGH images).
    """
    return against_margins(intervals.rates(facts, (rows, columns)), rows, columns)


def against_margins(cells: pl.DataFrame, rows: str, columns: str, *more: str) -> pl.DataFrame:
    """`heat` of cells that are counted already: `rows`, `columns`, `more` and n, right, images, rate, low, high."""
    overall = pl.col("right").sum() / pl.col("n").sum()
    row, column = (pl.col("right").sum().over(name) / pl.col("n").sum().over(name) for name in (rows, columns))
    return (
        cells.with_columns(expected=(row + column - overall).clip(0, 1))
        .with_columns(difference=pl.col("rate") - pl.col("expected"), enough=pl.col("images") >= ENOUGH)
        .select(
            *more, rows, columns, pl.col("n", "right").cast(pl.Int64), "images", "rate", "low", "high", "expected",
            "difference", "enough",
        )
        .sort(rows, columns)
    )  # fmt: skip


def _residuals(facts: pl.DataFrame, adjust: Sequence[str]) -> pl.DataFrame:
    """The judged rows with e, `right` less the rate of its kind."""
    right = pl.col("right").cast(pl.Float64)
    mean = right.mean().over(*adjust) if adjust else right.mean()
    return facts.filter(pl.col("right").is_not_null()).with_columns(right=right, e=right - mean)
