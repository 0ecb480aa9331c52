"""Drift between a night and the nights before it: images of both go in, tested signals and rates come out.

One row is one image, whatever it was asked, so questions about the same picture are never taken for independent ones;
and of a cluster - copies of a picture, pictures of a piece - one image counts, of each camera where cameras are tested.
Tonight is compared with the baseline within *strata* - product, line and camera - so a night with another mixture of
products is not a change, and one camera's change is not hidden by another's.

- Nights differ from each other where nothing is wrong, so the night is the unit: of each group, the reference nights
  say by how much more their values scatter than the sampling of images explains. A test's deviate is divided by the
  root of that dispersion and read off a t distribution with a degree of freedom less than there are nights. With fewer
  than LEAST_NIGHTS a group is not tested.
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
LEAST_NIGHTS = 3  # of the baseline; with fewer, nobody knows how much nights differ
_MOST_DEVIATE = 37.0  # of a p-value that is zero in floating point


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
    nights: int | None = None  # of the baseline; None in older reports


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
        images: cluster_id, `tonight` (bool), `night` (an integer), the STRATA (text or null), any of RATES (bool, or
            null: doesn't apply) and of MEASURES and LOOKS (float or null).
        false_alarm: of nights without any change, the share that may raise an alarm.
    """
    from scipy.stats import false_discovery_control

    strata = _with_strata(images)
    found: list[Signal] = []
    for within, groups in (((), GROUPS[:-1]), (("camera",), GROUPS[-1:])):
        for name in RATES:
            if name in images.columns:
                found += _rate_signals(_one_of_each(strata, (name,), within), name, groups)
        for name, columns in (*((name, (name,)) for name in MEASURES), ("appearance", LOOKS)):
            if set(columns) <= set(images.columns):
                found += _measure_signals(_one_of_each(strata, columns, within), name, columns, groups)
    if not found:
        return []
    adjusted = false_discovery_control([signal.p_value for signal in found])
    marked = [_with_alarm(signal, bool(p <= false_alarm)) for signal, p in zip(found, adjusted, strict=True)]
    return sorted(marked, key=lambda signal: (signal.p_value, GROUPS.index(signal.group), signal.name, signal.value))


def _with_strata(images: pl.DataFrame) -> pl.DataFrame:
    """The images with their stratum, and whether others are of their cluster; names are numbers from here on."""
    named = images.with_columns(pl.col(name).cast(pl.String).fill_null("") for name in STRATA)
    kinds = {name: pl.Enum(named[name].unique().sort()) for name in STRATA}
    return named.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items()).with_columns(
        stratum=pl.struct(STRATA).rank("dense"), shared=pl.struct("cluster_id", "tonight").is_duplicated()
    )


def _one_of_each(images: pl.DataFrame, known: Sequence[str], within: Sequence[str]) -> pl.DataFrame:
    """One image of each cluster, of tonight and of the baseline, of those with a value."""
    valued = images.drop_nulls(known)
    if not valued["shared"].any():
        return valued
    return valued.unique(["cluster_id", "tonight", *within], keep="first", maintain_order=True)


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
    compared = _with_both(images)
    tonight, nights, stratum = _numbered(compared)
    event = compared[name].cast(pl.Float64).to_numpy()
    now = tonight.astype(np.float64)
    columns = (event * now, now, event * (1 - now), 1 - now)
    counted = np.column_stack([np.bincount(stratum, column) for column in columns]).astype(np.int64)  # (strata, 4)
    above = event - (counted[:, 2] / counted[:, 3])[stratum]
    for group, value, rows in _rows_of_groups(compared, groups):
        before = rows[~tonight[rows]]
        n, baseline_n = len(rows) - len(before), len(before)
        spread = between_nights(above[before], nights[before], n)
        if n < LEAST_TONIGHT or baseline_n < LEAST_BASELINE or spread.nights < LEAST_NIGHTS:
            continue
        own = np.flatnonzero(np.bincount(stratum[rows], minlength=len(counted)))  # a group is made of whole strata
        strata: list[tuple[int, int, int, int]] = [tuple(row) for row in counted[own].tolist()]
        expected = sum(row[1] * row[2] / row[3] for row in strata) / n
        seen = sum(row[0] for row in strata) / n
        p_value = spread.of_nights(exact(strata))
        yield Signal(
            name, group, value, seen, expected, None, n, baseline_n, p_value, alarm=False, nights=spread.nights
        )


def _numbered(images: pl.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Of each image whether it is tonight's, its night and its stratum, both numbered from 0."""
    _, nights = np.unique(images["night"].to_numpy(), return_inverse=True)
    _, strata = np.unique(images["stratum"].to_numpy(), return_inverse=True)
    return images["tonight"].to_numpy(), nights, strata


def _with_both(images: pl.DataFrame) -> pl.DataFrame:
    """The images of strata that have some tonight and some in the baseline."""
    return images.filter(pl.col("tonight").any().over("stratum") & (~pl.col("tonight")).any().over("stratum"))


def _measure_signals(
    images: pl.DataFrame, name: str, columns: Sequence[str], groups: Sequence[Group]
) -> Iterator[Signal]:
    from scipy.stats import kstwo

    ranked = _with_both(images).with_columns(
        (pl.col(column).rank().over("stratum") / (pl.len().over("stratum") + 1)).alias(f"rank_{column}")
        for column in columns
    )
    above = ranked.select(
        pl.col(f"rank_{column}") - pl.col(f"rank_{column}").filter(~pl.col("tonight")).mean().over("stratum")
        for column in columns
    ).to_numpy()
    tonight, nights, stratum = _numbered(ranked)
    ranks = ranked.select(f"rank_{column}" for column in columns).to_numpy()  # (N, columns)
    values = ranked[columns[0]].to_numpy()
    for group, value, rows in _rows_of_groups(ranked, groups):
        now, before = rows[tonight[rows]], rows[~tonight[rows]]
        n, m = len(now), len(before)
        known = np.count_nonzero(np.bincount(nights[before]))
        if n < LEAST_TONIGHT or m < LEAST_BASELINE or known < LEAST_NIGHTS:
            continue
        found = [apart(ranks[now, at], ranks[before, at]) for at in range(len(columns))]
        p_values = [
            between_nights(above[before, at], nights[before], n).of_nights(float(kstwo.sf(gap, round(n * m / (n + m)))))
            for at, (gap, _) in enumerate(found)
        ]
        shown = int(np.argmin(p_values))
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
            p_value=min(1.0, len(columns) * p_values[shown]),
            alarm=False,
            nights=known,
        )


@dataclass(frozen=True, slots=True)
class BetweenNights:
    """How much the nights of a baseline differ."""

    dispersion: float  # variance of a night's difference over what the sampling of images explains; at least 1
    nights: int

    def of_nights(self, p_value: float) -> float:
        """The p-value with the night as the unit, of one that takes images of all nights for alike."""
        deviate = min(-float(special.ndtri(p_value / 2)), _MOST_DEVIATE)
        return min(1.0, 2 * float(special.stdtr(self.nights - 1, -deviate / np.sqrt(self.dispersion))))


def between_nights(above: NDArray[np.float64], nights: NDArray[np.int64], images: int) -> BetweenNights:
    """By one-way analysis of variance, for a night of so many images.

    Args:
        above: (N,) what each image of the baseline lies above its stratum's mean.
        nights: (N,) its night, a small number.
        images: tonight's.
    """
    sizes = np.bincount(nights)
    total, count = len(above), np.count_nonzero(sizes)
    if count < 2 or total <= count:
        return BetweenNights(1.0, count)
    means = np.bincount(nights, above) / np.maximum(sizes, 1)
    within = float(((above - means[nights]) ** 2).sum()) / (total - count)
    between = float((sizes * (means - above.mean()) ** 2).sum()) / (count - 1)
    usual_size = (total - float((sizes**2).sum()) / total) / (count - 1)
    ratio = max(0.0, between / within - 1) / usual_size if within > 0 else 0.0
    shared = 1 + float((sizes**2).sum()) / total**2  # tonight's own, and what the baseline's mean has of its nights'
    return BetweenNights(1 + ratio * shared / (1 / images + 1 / total), count)


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
