"""Bad slices that are new: worse than the rest of tonight, and further below it than on the nights before.

Searched on one half of the images, of tonight and of before, tested on the other, as in `slice_discovery.py`. But every
combination of up to three conditions is looked at, because a tree that splits step by step comes by few of those that
only together are bad; the few that lost most are tested.

A slice has to pass two tests: that tonight it is worse than all other answers, subtask for subtask, and that against
the nights before it lost more than they did. The second compares tonight with before within *strata* - subtask,
product, defect, line and camera - so a night with another mixture of products has no new slice; it is the last slope of
`statsmodels ols("right ~ stratum * slice + tonight + tonight:slice")`, clustered by image. A slice's p is the larger of
the two, for it must pass both; all that are tested are one family under Benjamini-Hochberg. So of nights on which
nothing changed, at most so many in a hundred name any slice, however bad the old ones are.

Knows nothing of storage, schedules or pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from workbench.analysis import image_groups, intervals, slice_discovery
from workbench.analysis.drift import Slice
from workbench.analysis.slice_discovery import DEPTH, SMALLEST, Condition, against_the_rest, holds

STRATA = ("subtask", "product", "defect", "line", "camera")
OVER = (*STRATA, "retrieval")
LEAST = 4 * SMALLEST  # images tonight
TESTED = 6  # slices at most
_RANKED = 100  # slices that are looked at for that


def find(answers: pl.DataFrame, false_alarm: float = 0.05, seed: int = 0) -> list[Slice] | None:
    """The slices that became bad, the surest first; none that only echoes a surer one.

    None where nothing can be said: too few images tonight, none like them before, or nothing to tell slices by.

    Args:
        answers: `tonight` (bool), cluster_id, OVER (text or null) and `right` (bool); judged ones.
        false_alarm: of nights without any change, the share that may have any.
        seed: which images go into which half.
    """
    tonight, before = answers.filter("tonight"), answers.filter(~pl.col("tonight"))
    used = [name for name in OVER if tonight[name].n_unique() > 1]
    images = tonight["cluster_id"].n_unique()
    if not used or before.is_empty() or images < LEAST:
        return None
    tonight = tonight.with_columns(e=slice_discovery.residual("subtask"), w=pl.lit(1.0))
    both = pl.concat([tonight, before], how="diagonal")
    first = slice_discovery.half(
        both["cluster_id"], seed
    )  # of the nights before too: their luck would be searched for as well
    to_search, to_test = both.filter(first), both.filter(~first)
    changed = changes(to_search)
    if not changed["w"].sum() > 0:  # no product, camera or subtask of tonight was there before
        return None
    candidates = _candidates(to_search.filter("tonight"), changed, used)
    judged = [_judged(to_test, conditions) for conditions in candidates]
    table = pl.DataFrame(judged, schema={"p": pl.Float64, "detectable": pl.Float64}, orient="row")
    table = table.with_columns(q=intervals.discoveries(table["p"]), at=pl.int_range(pl.len()))
    found: list[Slice] = []
    for at, detectable, q in table.filter(pl.col("q") <= false_alarm).sort("p").select("at", "detectable", "q").rows():
        conditions = candidates[at]
        if not _echo(to_test, conditions, found, false_alarm):
            found.append(_told(tonight, before, conditions, detectable, q))
    return found


def _echo(to_test: pl.DataFrame, conditions: Sequence[Condition], found: Sequence[Slice], alpha: float) -> bool:
    """Whether a slice is bad only for what it shares with surer ones."""
    elsewhere = [~holds(one.conditions) for one in found]
    if not elsewhere:
        return False
    p, _ = _judged(to_test.filter(elsewhere), conditions)
    return p is None or p > alpha


def _candidates(searched: pl.DataFrame, changed: pl.DataFrame, used: Sequence[str]) -> list[tuple[Condition, ...]]:
    """The slices that seem to have lost most and are worse than the rest, none within another.

    Args:
        searched: tonight's half to search on.
        changed: the same and that of the nights before, as `changes` gives them.
        used: what slices are made of.
    """
    found: list[tuple[Condition, ...]] = []
    for conditions in _likeliest(changed, used):
        if any(set(one) <= set(conditions) or set(conditions) <= set(one) for one in found):
            continue
        worse = against_the_rest(searched, conditions)
        if worse.difference < 0 and worse.images >= SMALLEST:
            found.append(conditions)
        if len(found) == TESTED:
            break
    return found


def _likeliest(changed: pl.DataFrame, used: Sequence[str]) -> list[tuple[Condition, ...]]:
    """Slices of up to DEPTH conditions, the least likely loss first, measured by how many slices its dimensions make.

    Only a ranking: rows count as independent here.
    """
    sums = pl.col("n", "w", "e", "ee").sum()
    cells = changed.select(*used, "w", "e", n=pl.col("tonight").cast(pl.Int64), ee=pl.col("e") ** 2)
    cells = cells.group_by(used).agg(sums)
    cells = cells.with_columns(pl.col("e") - pl.col("w") * (pl.col("e").sum() / pl.col("w").sum()))
    ranked = []
    for dimensions in (some for size in range(1, DEPTH + 1) for some in itertools.combinations(used, size)):
        slices = cells.group_by(dimensions).agg(sums).filter(pl.col("n") >= SMALLEST, pl.col("ee") > 0, pl.col("e") < 0)
        chances = special.log_ndtr((slices["e"] / slices["ee"].sqrt()).to_numpy()) + np.log(max(slices.height, 1))
        values = slices.select(pl.col(dimensions).cast(pl.String).fill_null("null")).rows()
        ranked += [
            (chance, tuple(zip(dimensions, value, strict=True)))
            for chance, value in zip(chances.round(9), values, strict=True)
        ]
    return [conditions for _, conditions in sorted(ranked)[:_RANKED]]


def _judged(to_test: pl.DataFrame, conditions: Sequence[Condition]) -> tuple[float | None, float]:
    """The larger p of the two tests, null where one can't be made, and what they would notice."""
    tests = (
        against_the_rest(to_test.filter("tonight"), conditions),
        against_the_rest(changes(to_test, conditions), conditions),
    )
    degrees = max(min(test.effective for test in tests) - 1, 1)
    known = all(test.error > 0 for test in tests)
    p = max(float(special.stdtr(degrees, test.score)) for test in tests) if known else None
    return p, max(test.detectable for test in tests)


def changes(both: pl.DataFrame, conditions: Sequence[Condition] = ()) -> pl.DataFrame:
    """The rows with w and e, so that `against_the_rest` compares how tonight differs from before within strata.

    Strata are taken off both sides of the regression (Frisch-Waugh-Lovell): x is `tonight` less its mean in the
    stratum, the residual is `right` less its mean there; w = x * x and e = x * residual give the slope. A stratum of
    few rows scatters too little about its own mean, which the factor makes good.
    """
    inside = holds(conditions).cast(pl.UInt8) if conditions else pl.lit(1, pl.UInt8)
    kind = image_groups.numbered(both.with_columns(inside=inside), ["inside", *STRATA])
    n = np.bincount(kind)
    tonight, right = (both[name].cast(pl.Float64).to_numpy() for name in ("tonight", "right"))
    x = tonight - (np.bincount(kind, tonight) / n)[kind]
    residual = right - (np.bincount(kind, right) / n)[kind]
    e = x * residual * np.sqrt(n / np.maximum(n - 1, 1))[kind]
    return both.with_columns(w=pl.Series(x * x), e=pl.Series(e))


def _told(
    tonight: pl.DataFrame, before: pl.DataFrame, conditions: tuple[Condition, ...], detectable: float, q: float
) -> Slice:
    """The slice with its rates over all of tonight, as Errors shows them."""
    here, then = tonight.filter(holds(conditions)), before.filter(holds(conditions))
    rate = float(here["right"].to_numpy().mean())
    was = then.group_by(STRATA).agg(was=pl.col("right").mean())
    known = here.join(was, on=STRATA, nulls_equal=True)["was"]
    return Slice(
        conditions=conditions,
        n=here.height,
        images=here["cluster_id"].n_unique(),
        rate=rate,
        expected=rate - against_the_rest(tonight, conditions).difference,
        baseline=float(known.to_numpy().mean()),
        detectable=detectable,
        q=q,
    )
