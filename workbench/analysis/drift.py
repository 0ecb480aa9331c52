"""Drift between a night and the nights before it: images of both go in, tested signals and rates come out.

One row is one image, whatever it was asked, so questions about the same picture are never taken for independent ones;
and of a cluster - copies of a picture, pictures of a piece - one image counts, of each camera where cameras are tested.
Tonight is compared with the baseline within *strata* - product, line and camera - so a night with another mixture of
products is not a change, and one camera's change is not hidden by another's.

- A rate (overkill, escape, alarm, invalid) is tested by the exact conditional test of independence given the strata:
  the sum of hypergeometric counts, two-sided, mid-p. With one stratum it is Fisher's.
- A measure (score, entropy, appearance) is ranked within its strata, tonight and baseline together; the ranks of the
  two are compared by Kolmogorov-Smirnov. The Wasserstein distance says how far apart, in units of the ranks' range.
- All signals of a night are one family under Benjamini-Hochberg: of nights on which nothing changed, at most so many in
  a hundred raise any alarm.

Knows nothing of storage, schedules or pages.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.analysis import cluster_robust, image_groups

Group = Literal["all", "product", "line", "camera"]
GROUPS: tuple[Group, ...] = ("all", "product", "line", "camera")
RATES = ("overkill", "escape", "alarm", "invalid")
SHARES = (*RATES, "unreadable")  # rates that are told; what could not be read is tested as `invalid`
MEASURES = ("score", "entropy", "comparison score")
LOOKS = ("look_1", "look_2", "look_far")  # see `looks`; together they are the signal `appearance`
STRATA = ["product", "line", "camera"]
LEAST_TONIGHT, LEAST_BASELINE = 10, 30  # images; with fewer, a group is not tested


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that was compared, in one group of images."""

    name: str  # of RATES or MEASURES, or `appearance`
    group: Group
    value: str  # the product, line or camera; "" for all
    tonight: float  # the rate, or the mean; of appearance the mean rank
    baseline: float  # the same over the baseline at tonight's mixture
    distance: float | None  # Wasserstein, of measures
    images: int  # tonight
    baseline_images: int
    p_value: float
    alarm: bool  # past the false-alarm rate


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate or a mean at the baseline's mixture of strata, with its 95 % interval."""

    name: str
    tonight: float
    low: float
    high: float
    baseline: float
    images: int  # tonight
    baseline_images: int
    covered: float  # share of the baseline that lies in strata with images tonight


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of tonight's answers that became bad, see `worsened.py`."""

    conditions: tuple[tuple[str, str], ...]  # dimension and value, "none" where there is none; all hold
    n: int  # questions judged tonight
    images: int  # they are about
    rate: float  # of them right
    expected: float  # the rate of tonight's other questions, brought to the slice's mix of subtasks
    baseline: float  # the rate before, at tonight's mixture
    detectable: float  # the loss that would be noticed at 5 % with a power of 80 %, in rate points
    q: float  # false-discovery rate at which it is named


def signals(images: pl.DataFrame, false_alarm: float = 0.05) -> list[Signal]:
    """Every signal of a night, the surest first; those with `alarm` are what changed.

    Args:
        images: cluster_id, `tonight` (bool), the STRATA (text or null), any of RATES (bool or null: doesn't apply) and
            of MEASURES and LOOKS (float or null).
        false_alarm: of nights without any change, the share that may raise an alarm.
    """
    from scipy.stats import false_discovery_control

    strata = images.with_columns(pl.col(name).fill_null("") for name in STRATA)
    found: list[Signal] = []
    for within, groups in (((), GROUPS[:-1]), (("camera",), GROUPS[-1:])):
        for name in RATES:
            if name in images.columns:
                found += _rate_signals(_one_of_each(strata.drop_nulls(name), within), name, groups)
        for name, columns in (*((name, (name,)) for name in MEASURES), ("appearance", LOOKS)):
            if set(columns) <= set(images.columns):
                found += _measure_signals(_one_of_each(strata.drop_nulls(columns), within), name, columns, groups)
    if not found:
        return []
    adjusted = false_discovery_control([signal.p_value for signal in found])
    marked = [_with_alarm(signal, bool(p <= false_alarm)) for signal, p in zip(found, adjusted, strict=True)]
    return sorted(marked, key=lambda signal: (signal.p_value, GROUPS.index(signal.group), signal.name, signal.value))


def _one_of_each(images: pl.DataFrame, within: Sequence[str]) -> pl.DataFrame:
    """One image of each cluster, of tonight and of the baseline."""
    return images.unique(["cluster_id", "tonight", *within], keep="first", maintain_order=True)


def standardised(images: pl.DataFrame, name: str) -> Rate | None:
    """Tonight's rate or mean as it would be with the baseline's mixture of strata; None with nothing to compare.

    A rate's interval is that of `cluster_robust.py`, a mean's is t on as many degrees of freedom.
    """
    known = images.drop_nulls(name).with_columns(pl.col(column).fill_null("") for column in STRATA)
    values = known.with_columns(pl.col(name).cast(pl.Float64))
    baseline, tonight = values.filter(~pl.col("tonight")), values.filter(pl.col("tonight"))
    if tonight.is_empty() or baseline.is_empty():
        return None
    sizes = tonight.group_by(STRATA).agg(here=pl.len())
    shared = baseline.join(sizes, on=STRATA, how="semi")
    if shared.is_empty():
        return None
    shares = shared.group_by(STRATA).agg(share=pl.len() / shared.height)
    weighted = tonight.join(shares, on=STRATA).join(sizes, on=STRATA).with_columns(w=pl.col("share") / pl.col("here"))
    y, w = weighted[name].to_numpy(), weighted["w"].to_numpy()
    cluster = image_groups.numbered(weighted, ("cluster_id",))
    size, sums = np.bincount(cluster, w), np.bincount(cluster, w * y)
    mean = float(sums.sum() / size.sum())
    found = cluster_robust.weighted(
        np.array(mean),
        ((sums - mean * size) ** 2).sum(),
        cluster_robust.effective(size.sum(), (size**2).sum()),
        cluster_robust.rarer(size.sum(), sums.sum(), (size**2).sum(), (size * sums).sum(), (sums**2).sum()),
    )
    low, high = float(found.low), float(found.high)
    if name not in SHARES:
        half = special.stdtrit(max(float(found.effective) - 1, 1), 0.975) * np.sqrt(np.nan_to_num(found.variance))
        low, high = mean - float(half), mean + float(half)
    return Rate(
        name=name,
        tonight=mean,
        low=low,
        high=high,
        baseline=float(shared[name].to_numpy().mean()),
        images=tonight.height,
        baseline_images=shared.height,
        covered=shared.height / baseline.height,
    )


def exact(strata: Sequence[tuple[int, int, int, int]]) -> float:
    """The two-sided mid-p value of "tonight's rate is the baseline's", given each stratum's margins.

    Args:
        strata: (events tonight, images tonight, events in the baseline, images in the baseline), one per stratum.
    """
    chances: NDArray[np.float64] = np.ones(1)
    first = seen = 0
    for events, n, baseline_events, baseline_n in strata:
        total = events + baseline_events
        least, most = max(0, total - baseline_n), min(total, n)
        chances = np.asarray(np.convolve(chances, _hypergeometric(least, most, n + baseline_n, total, n)), np.float64)
        first, seen = first + least, seen + events
    counts = np.arange(first, first + len(chances))
    at = float(chances[counts == seen].sum())
    below, above = float(chances[counts < seen].sum()), float(chances[counts > seen].sum())
    return min(1.0, 2 * (min(below, above) + at / 2))


@functools.lru_cache(4096)
def _hypergeometric(least: int, most: int, images: int, total: int, n: int) -> NDArray[np.float64]:
    """The chances of so many events tonight, from `least` to `most`; a stratum is part of several groups."""
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.pmf(np.arange(least, most + 1), images, total, n), np.float64)


def looks(
    vectors: NDArray[np.float32], products: Sequence[str], tonight: NDArray[np.bool_], fitting: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Where images lie along the baseline's two main directions, and how far off both: (N, 3), nan where unknown.

    Args:
        vectors: (N, d) image vectors.
        products: of each image; its mean over the fitting images is taken off first.
        tonight: (N,) whether it is tonight's.
        fitting: (N,) baseline images that directions and means are worked out from. They are compared with nothing
            themselves: fitted images lie nearer to their own mean than new ones, which would look like a change.
    """
    known = np.asarray(products)
    centred = np.full(vectors.shape, np.nan)
    for product in np.unique(known):
        own = known == product
        if (own & fitting).sum() >= LEAST_TONIGHT:
            centred[own] = vectors[own] - vectors[own & fitting].mean(axis=0, dtype=np.float64)
    usable = ~np.isnan(centred[:, 0])
    found = np.full((len(vectors), 3), np.nan)
    if (usable & fitting).sum() < LEAST_BASELINE:
        return found
    _, _, axes = np.linalg.svd(centred[usable & fitting], full_matrices=False)
    shown = usable & (tonight | ~fitting)
    along = centred[shown] @ axes[:2].T  # (n, 2)
    off = np.linalg.norm(centred[shown] - along @ axes[:2], axis=1)
    found[shown] = np.column_stack([along if along.shape[1] == 2 else np.pad(along, ((0, 0), (0, 1))), off])
    return found


def _rate_signals(images: pl.DataFrame, name: str, groups: Sequence[Group]) -> Iterator[Signal]:
    counted = (
        images.group_by(STRATA)
        .agg(
            events=(pl.col(name) & pl.col("tonight")).sum(),
            n=pl.col("tonight").sum(),
            baseline_events=(pl.col(name) & ~pl.col("tonight")).sum(),
            baseline_n=(~pl.col("tonight")).sum(),
        )
        .filter(pl.col("n") > 0, pl.col("baseline_n") > 0)
        .sort(STRATA)
    )
    for group, value, some in _groups(counted, groups):
        n, baseline_n = int(some["n"].sum()), int(some["baseline_n"].sum())
        if n < LEAST_TONIGHT or baseline_n < LEAST_BASELINE:
            continue
        rows = list(some.select("events", "n", "baseline_events", "baseline_n").iter_rows())
        expected = sum(row[1] * row[2] / row[3] for row in rows) / n
        seen = int(some["events"].sum()) / n
        yield Signal(name, group, value, seen, expected, None, n, baseline_n, exact(rows), alarm=False)


def _measure_signals(
    images: pl.DataFrame, name: str, columns: Sequence[str], groups: Sequence[Group]
) -> Iterator[Signal]:
    from scipy.stats import kstwo

    numbered = images.with_columns(stratum=pl.struct(STRATA).rank("dense"))
    here = pl.col("tonight").any().over("stratum") & (~pl.col("tonight")).any().over("stratum")
    ranked = numbered.filter(here).with_columns(
        (pl.col(column).rank().over("stratum") / (pl.len().over("stratum") + 1)).alias(f"rank_{column}")
        for column in columns
    )
    tonight = ranked["tonight"].to_numpy()
    ranks = ranked.select(f"rank_{column}" for column in columns).to_numpy()  # (N, columns)
    values, stratum = ranked[columns[0]].to_numpy(), ranked["stratum"].to_numpy()
    for group, value, rows in _rows_of_groups(ranked, groups):
        now, before = rows[tonight[rows]], rows[~tonight[rows]]
        n, m = len(now), len(before)
        if n < LEAST_TONIGHT or m < LEAST_BASELINE:
            continue
        found = [apart(ranks[now, at], ranks[before, at]) for at in range(len(columns))]
        shown = int(np.argmax([gap for gap, _ in found]))
        single = len(columns) == 1
        yield Signal(
            name=name,
            group=group,
            value=value,
            tonight=float(np.mean(values[now] if single else ranks[now, shown])),
            baseline=_at_the_mixture_of(stratum[now], stratum[before], values[before])
            if single
            else float(np.mean(ranks[before, shown])),
            distance=found[shown][1],
            images=n,
            baseline_images=m,
            p_value=min(1.0, len(columns) * float(kstwo.sf(found[shown][0], round(n * m / (n + m))))),
            alarm=False,
        )


def apart(now: NDArray[np.float64], before: NDArray[np.float64]) -> tuple[float, float]:
    """The Kolmogorov-Smirnov statistic of two samples and their Wasserstein distance, from one sort."""
    both = np.concatenate([now, before])
    order = np.argsort(both, kind="stable")
    values = both[order]
    gaps = np.cumsum(np.where(order < len(now), 1 / len(now), -1 / len(before)))
    last = np.append(values[1:] != values[:-1], True)  # of images with the same value only the last has seen all
    gaps, values = np.abs(gaps[last]), values[last]
    return float(gaps.max()), float(np.sum(gaps[:-1] * np.diff(values)))


def _at_the_mixture_of(now: NDArray[np.int64], before: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """The baseline's mean with tonight's shares of the strata.

    Args:
        now: (n,) the stratum of each of tonight's images; the baseline has images in each of them.
        before: (m,) the stratum of each of the baseline's.
        values: (m,) the baseline's.
    """
    sums, counts = np.bincount(before, values), np.bincount(before)
    return float(np.mean(sums[now] / counts[now]))


def _groups(images: pl.DataFrame, groups: Sequence[Group]) -> Iterator[tuple[Group, str, pl.DataFrame]]:
    """The rows of each group of `_rows_of_groups`."""
    for group, value, rows in _rows_of_groups(images, groups):
        yield group, value, images[rows]


def _rows_of_groups(images: pl.DataFrame, groups: Sequence[Group]) -> Iterator[tuple[Group, str, NDArray[np.int64]]]:
    """All images, each product's, line's and camera's; a facet with one value says nothing more: left out."""
    if images.is_empty():
        return
    if "all" in groups:
        yield "all", "", np.arange(images.height)
    for group in groups:
        if group == "all":
            continue
        values = images[group]
        known = sorted(value for value in values.unique() if value)
        if len(known) < 2:
            continue
        places = values.rank("dense").to_numpy()
        order = np.argsort(places, kind="stable")
        # An empty name is the lowest and no group.
        starts = np.searchsorted(places[order], np.arange(places.max() - len(known), places.max()) + 1)
        for value, rows in zip(known, np.split(order, starts)[1:], strict=True):
            yield group, value, rows


def _with_alarm(signal: Signal, alarm: bool) -> Signal:
    return replace(signal, alarm=alarm)
