"""Where errors are: slices by their share of all errors, and which of them divides right from wrong most.

A slice stands out by the scan statistic of a Bernoulli process: the log-likelihood ratio of one error rate inside and
another outside over one rate everywhere (Kulldorff, Communications in Statistics 26, 1997), divided by the slice's
design effect. It prefers the whole that explains the errors to a part of it, and a part to a whole that is mostly fine,
so a subtask, a product, a camera and a cell of both can be ranked in one list. Its test is the pooled two-sample test
of rates with design effects (Rao and Scott, Annals of Statistics 12, 1984), corrected over all slices of all cuts.

Plain rates: what is hard counts as hard. `slices.py` has rates against expectation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import special

from workbench.analysis import intervals, slices

Cut = tuple[str, ...]  # the dimensions that are crossed
CUTS: tuple[Cut, ...] = (("subtask",), ("product",), ("camera",), ("line",), ("product", "subtask"))
SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "cut": pl.List(pl.String),  # its dimensions
    "values": pl.List(pl.String),  # of the dimensions; null where the archive has none
    "n": pl.Int64,  # questions judged
    "images": pl.Int64,  # they are about
    "rate": pl.Float64,  # right answers among them
    "errors": pl.Int64,
    "share": pl.Float64,  # of all errors
    "share_of_questions": pl.Float64,
    "elsewhere": pl.Float64,  # rate of all other questions
    "ratio": pl.Float64,  # log-likelihood ratio over the design effect, nats; 0 where the slice is no worse
    "p": pl.Float64,  # two-sided, of the same rate inside and outside
    "q": pl.Float64,  # p after Benjamini and Hochberg over all slices of all cuts
}


def table(rates: Mapping[Cut, pl.DataFrame], whole: pl.DataFrame) -> pl.DataFrame:
    """All slices of all cuts with at least `slices.ENOUGH` effective images and others beside them, most telling first.

    Args:
        rates: of each cut its slices, as `intervals.rates` and `cell_totals.rates` give them.
        whole: the same of all questions together: one row.

    Returns:
        SCHEMA. Of two slices with the same questions the earlier cut's comes first.
    """
    if not rates or whole.is_empty() or not whole["n"][0]:
        return pl.DataFrame(schema=SCHEMA)
    total, wrong = float(whole["n"][0]), float(whole["n"][0] - whole["right"][0])
    spread = max(float(whole["deff"][0] or 1.0), 1.0)
    judged = pl.col("effective") >= slices.ENOUGH - 1e-9, pl.col("n") < total
    numbers = [pl.col(name).cast(pl.Float64) for name in ("n", "right", "images", "deff", "effective")]
    rows = pl.concat(
        of_cut.filter(judged).select(
            pl.lit(list(cut), dtype=pl.List(pl.String)).alias("cut"),
            pl.concat_list(pl.col(cut).cast(pl.String)).alias("values"),
            pl.lit(place).alias("place"),
            *numbers,
        )
        for place, (cut, of_cut) in enumerate(rates.items())
    )
    n, right = (rows[name].to_numpy() for name in ("n", "right"))
    errors, deff = n - right, np.maximum(rows["deff"].to_numpy(), 1.0)
    elsewhere = 1 - (wrong - errors) / (total - n)
    pooled = wrong / total * (1 - wrong / total)
    scatter = np.sqrt(pooled * (deff / n + spread / (total - n)))
    t = np.divide(right / n - elsewhere, scatter, out=np.full(rows.height, np.nan), where=scatter > 0)
    p = intervals.two_sided(pl.Series(t).fill_nan(None), rows["effective"] - 1)
    ranked = rows.with_columns(
        pl.Series("rate", right / n),
        pl.Series("errors", errors),
        pl.Series("share", errors / max(wrong, 1.0)),
        pl.Series("share_of_questions", n / total),
        pl.Series("elsewhere", elsewhere),
        pl.Series("ratio", log_likelihood_ratio(errors, n, wrong, total) / deff),
        p=p,
        q=intervals.discoveries(p),
    )
    ranked = ranked.sort(-pl.col("ratio"), "place", pl.col("values").list.join(" ", ignore_nulls=True))
    return ranked.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def in_words(cut: Sequence[str], values: Sequence[str | None]) -> str:
    """A slice as a sentence names it: `Anomaly Detection of drug capsule`, `camera A2`."""
    named = {name: value for name, value in zip(cut, values, strict=True) if value is not None}
    words = [
        *([named["subtask"]] if "subtask" in named else []),
        *(
            [f"of {_plain(named['product'])}" if "subtask" in named else _plain(named["product"])]
            if "product" in named
            else []
        ),
        *(f"{name} {_plain(value)}" for name, value in named.items() if name not in ("subtask", "product")),
        *(f"no {name}" for name in cut if name not in named),
    ]
    return " ".join(words)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def log_likelihood_ratio(errors: ArrayLike, n: ArrayLike, all_errors: float, all_n: float) -> NDArray[np.float64]:
    """Kulldorff's ratio of slices with so many errors among n questions, in nats; 0 where the slice is no worse.

    Args:
        errors: (S,) in each slice.
        n: (S,) questions of each slice, fewer than all_n.
        all_errors: of all questions.
        all_n: all questions.
    """
    inside, size = np.asarray(errors, np.float64), np.asarray(n, np.float64)
    outside, rest = all_errors - inside, all_n - size
    ratio = _likelihood(inside, size) + _likelihood(outside, rest) - _likelihood(np.float64(all_errors), all_n)
    return np.where(inside / size > outside / rest, np.maximum(ratio, 0.0), 0.0)


def _likelihood(errors: NDArray[np.float64] | np.float64, n: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """The largest log-likelihood of so many errors among n questions, in nats."""
    rate = errors / n
    return np.asarray(special.xlogy(errors, rate) + special.xlog1py(n - errors, -rate))
