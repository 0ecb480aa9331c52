"""What changed first: a night's pictures, their measures and its signals go in, causes with their groups come out.

1. What is new: a product, line or camera that no night before had. Nothing can be compared with it.
2. The group of pictures that explains most of what changed in the measures (`picture_changes.py`) is a cause. It is
   left out, tonight and before, and the rest is tested again: signals that vanish belonged to it. What is left may
   hold a second cause.
3. Of signals that are left then, the group that explains most of the surest one is named too, with a cause that is
   unknown; or a new lot, where that is the group.

A night whose mixture alone changed has no cause: everything is compared within product, line and camera. The tests of
step 2 are a family of their own beside the signals', at the same share of false alarms.

Knows nothing of storage, schedules or pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from workbench.analysis import drift, picture_changes
from workbench.analysis.drift import Signal
from workbench.analysis.picture_changes import Dimension, Group, Kind, Measured, Numbers

MOST = 4  # causes
EXAMPLES = 6  # pictures before and after
_DIFFERS = 0.1  # by so much a rate differs to be told
_NEW: tuple[tuple[Dimension, Kind], ...] = (
    ("product", "new product"), ("camera", "new camera"), ("line", "new line"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of a group."""

    run_id: str
    image_id: str
    question_id: str | None  # the one about a defect
    image_path: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of a group's answers."""

    name: str  # of drift.RATES, drift.MEASURES, or `appearance`
    before: float | None  # a rate or mean; None of appearance, and of a group without pictures before
    now: float | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Which group changed, how, since when, and what it explains."""

    kind: Kind
    group: Dimension
    value: str  # of the product, line, camera or lot; "" for all
    images: int  # tonight's of the group, since it began
    measure: str = ""  # such as `median`; empty where no measure changed
    before: str = ""
    after: str = ""
    began: datetime | None = None  # when the first changed picture was taken; None where nobody knows
    effect: Effect | None = None  # None: the answers stayed as they were
    vanished: tuple[Signal, ...] = ()  # signals that are no alarm without the group
    same: tuple[tuple[Dimension, str], ...] = ()  # groups of the same pictures: which of them it is, nobody can tell
    within: tuple[Dimension, str] | None = None  # of the group the pictures of one product, or camera, alone
    product: str = ""  # of a lot
    is_measured: bool = True  # whether its pictures were
    examples_before: tuple[Example, ...] = ()
    examples_now: tuple[Example, ...] = ()


def find(
    images: pl.DataFrame, compare: Callable[[pl.DataFrame], Sequence[Signal]], false_alarm: float = 0.05
) -> list[Cause]:
    """The causes, those with a change of the pictures first; nothing where nothing changed, or nothing was before.

    Args:
        images: the columns that `compare` and `picture_changes.arrange` take, run_id, question_id and image_path.
        compare: the signals of such images.
        false_alarm: of nights without any change, the share on which a change of pictures may be named.
    """
    if images["tonight"].all() or not images["tonight"].any():
        return []
    pictures = picture_changes.arrange(images)
    new, pictures = _new(pictures)
    left = _alarms(compare(pictures.images))
    found: list[Cause] = []
    while len(found) < MOST and (change := picture_changes.strongest(pictures, false_alarm)):
        rest = _without(pictures, change.group)
        after = _alarms(compare(rest.images))
        found.append(_changed(pictures, change, _vanished(left, after)))
        pictures, left = rest, after
    while left and len(found) < MOST and (group := _group_of(pictures, left[0])):
        rest = _without(pictures, group)
        after = _alarms(compare(rest.images))
        vanished = _vanished(left, after)
        found.append(_unexplained(pictures, group, left[0], vanished or (left[0],)))
        pictures = rest
        left = after if vanished else left[1:]
    return [*found, *new]


def _alarms(signals: Sequence[Signal]) -> list[Signal]:
    return [signal for signal in signals if signal.alarm]


def _vanished(before: Sequence[Signal], after: Sequence[Signal]) -> tuple[Signal, ...]:
    left = {(signal.name, signal.group, signal.value) for signal in after}
    return tuple(signal for signal in before if (signal.name, signal.group, signal.value) not in left)


def _new(pictures: Measured) -> tuple[list[Cause], Measured]:
    """Products, cameras and lines that no night before had, and the pictures without theirs."""
    found: list[Cause] = []
    for dimension, kind in _NEW:
        named = [group for group in picture_changes.groups(pictures) if group.dimension == dimension and group.is_new]
        for group in named:
            found.append(_cause(pictures, group, kind, effect=_effect(pictures.images[group.now], None)))
        if named:
            gone = [group.value for group in named]
            pictures = picture_changes.arrange(pictures.images.filter(~pl.col(dimension).fill_null("").is_in(gone)))
    return found, pictures


def _without(pictures: Measured, group: Group) -> Measured:
    """The pictures that are not the group's, tonight or before."""
    gone = group.now if group.is_new else np.concatenate([group.now, group.before])
    return picture_changes.arrange(pictures.images[np.setdiff1d(np.arange(pictures.images.height), gone)])


def _changed(pictures: Measured, change: picture_changes.Change, vanished: tuple[Signal, ...]) -> Cause:
    group = change.group
    now, before = pictures.images[group.now[change.start :]], pictures.images[group.before]
    return _cause(
        pictures,
        group,
        change.kind,
        start=change.start,
        measure=change.measure,
        before=change.before,
        after=change.after,
        effect=_effect(now, before),
        vanished=vanished,
        same=tuple((other.dimension, other.value) for other in change.same),
    )


def _unexplained(pictures: Measured, group: Group, signal: Signal, vanished: tuple[Signal, ...]) -> Cause:
    """A cause that only signals show."""
    now, before = pictures.images[group.now], pictures.images[group.before]
    effect = _effect(now, before) or Effect(signal.name, None, None)
    if effect.now is None and signal.name in pictures.images.columns:
        effect = Effect(signal.name, _usual(now, before, signal.name), _average(now, signal.name))
    kind: Kind = "changed lot" if group.dimension == "lot" and group.is_new else "unknown"
    return _cause(pictures, group, kind, effect=effect, vanished=vanished)


def _cause(
    pictures: Measured,
    group: Group,
    kind: Kind,
    start: int = 0,
    measure: str = "",
    before: str = "",
    after: str = "",
    effect: Effect | None = None,
    vanished: tuple[Signal, ...] = (),
    same: tuple[tuple[Dimension, str], ...] = (),
) -> Cause:
    now = pictures.images[group.now[start:]]
    alike = pictures.images[group.before].join(now, on=["product", "camera"], how="semi", nulls_equal=True)
    return Cause(
        kind=kind,
        group=group.dimension,
        value=group.value,
        images=now.height,
        measure=measure,
        before=before,
        after=after,
        began=now["at"].min() if kind != "unknown" else None,  # type: ignore[arg-type]
        effect=effect,
        vanished=vanished,
        same=same,
        within=group.within,
        product=", ".join(now["product"].drop_nulls().unique().sort()) if group.dimension == "lot" else "",
        is_measured=now["brightness"].is_not_null().any(),
        examples_before=_examples(alike),
        examples_now=_examples(now),
    )


def _examples(images: pl.DataFrame) -> tuple[Example, ...]:
    """A few of them, spread over time."""
    few = images.drop_nulls("run_id")
    few = few[np.unique(np.linspace(0, few.height - 1, EXAMPLES).round().astype(int))] if few.height else few
    return tuple(Example(*row) for row in few.select("run_id", "image_id", "question_id", "image_path").iter_rows())


def _average(images: pl.DataFrame, name: str) -> float | None:
    values = images[name].drop_nulls().cast(pl.Float64)
    return float(values.to_numpy().mean()) if len(values) else None


def _usual(now: pl.DataFrame, before: pl.DataFrame, name: str) -> float | None:
    """The mean of the pictures before, with tonight's shares of the strata that were there."""
    strata = [pl.col(each).fill_null("") for each in picture_changes.STRATA]
    earlier = before.drop_nulls(name).group_by(strata).agg(usual=pl.col(name).cast(pl.Float64).mean())
    here = now.drop_nulls(name).with_columns(strata).join(earlier, on=picture_changes.STRATA)
    return _average(here, "usual")


def _effect(now: pl.DataFrame, before: pl.DataFrame | None) -> Effect | None:
    """The rate of answers that moved most, of those that chance does not move so; of something new its own rate."""
    from scipy.stats import fisher_exact

    best: Effect | None = None
    for name in drift.RATES:
        if name not in now.columns or (name == "alarm" and best):  # with labels errors say more
            continue
        values = now[name].drop_nulls()
        if not len(values):
            continue
        if before is None:
            if name == "alarm":
                best = Effect(name, None, float(values.mean() or 0))  # type: ignore[arg-type]
            continue
        earlier = before[name].drop_nulls()
        table = [[int(each.sum()), len(each) - int(each.sum())] for each in (values, earlier)]
        usual, rate = _usual(now, before, name), _average(now, name)
        if usual is None or rate is None or fisher_exact(table).pvalue > 0.01:
            continue
        largest = _DIFFERS if best is None else abs((best.now or 0) - (best.before or 0))
        if abs(rate - usual) >= largest:
            best = Effect(name, usual, rate)
    return best


def _group_of(pictures: Measured, signal: Signal) -> Group | None:
    """The group that explains most of a signal; the smallest, where several are of the same pictures."""
    columns = [name for name in _columns(signal.name) if name in pictures.images.columns]
    best: tuple[float, Group] | None = None
    known = picture_changes.groups(pictures)
    for name in columns:
        values = _deviations(pictures, name)
        for group in known:
            now, before = values[group.now], values[group.before]
            now, before = now[~np.isnan(now)], before[~np.isnan(before)]
            if len(now) < picture_changes.LEAST or not len(before):
                continue
            gain = len(now) * float(now.mean() - before.mean()) ** 2
            if best is None or gain > best[0]:
                best = gain, group
    if best is None:
        return None
    alike = [group for group in known if group.is_same(best[1])]
    return min(alike, key=lambda group: picture_changes.rank(group, "unknown"))


def _columns(name: str) -> Sequence[str]:
    return drift.LOOKS if name == "appearance" else (name,)


def _deviations(pictures: Measured, name: str) -> Numbers:
    """(N,): how far each picture's value is from the mean of its stratum's earlier ones, in their spread."""
    strata = [pl.col(each).fill_null("") for each in picture_changes.STRATA]
    value = pl.col(name).cast(pl.Float64)
    earlier = pl.when(~pl.col("tonight") & value.is_not_null()).then(value)
    away = pictures.images.select(pl.when(earlier.count().over(strata) > 0).then(value - earlier.mean().over(strata)))
    found = away[:, 0].fill_null(np.nan).to_numpy()
    spread = float(np.nanstd(found[~pictures.tonight])) if np.isfinite(found[~pictures.tonight]).any() else 0.0
    return found / max(spread, 1e-9)
