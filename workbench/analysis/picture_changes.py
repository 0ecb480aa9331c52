"""How a group's pictures changed: measures of tonight's and earlier nights' pictures go in, kinds of change come out.

Every picture is set against the earlier pictures of its stratum - product, line and camera - so another mixture is no
change, and is counted in *steps*: the smallest difference of a property that is worth a person's walk to the line.
The night is the unit: a group's mean tonight is compared with its means of the nights before, of which the spread is
worked out with a prior worth four nights, so that two calm nights do not make everything after them an alarm.

| property    | is                                  | a step |
| ----------- | ----------------------------------- | ------ |
| brightness  | mean grey                           | 10 of 255 |
| sharpness   | as `archive/measures.py` has it     | a factor of 1.25 |
| red, blue   | the channel's share of the light    | 2 points |
| aspect      | width / height                      | a factor of 1.05 |
| pixels      | width x height                      | a factor of 1.1 |
| fill        | the object's share of the picture   | a factor of 1.2 |
| centre      | where the object's middle lies      | 5 % of the side |

Knows nothing of answers, storage, schedules or pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench import wording

Dimension = Literal["all", "camera", "line", "product", "lot"]
Kind = Literal[
    "darker", "brighter", "blurred", "sharper", "recoloured", "turned", "reframed",
    "new product", "new line", "new camera", "changed lot", "unknown",
]  # fmt: skip
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
STRATA = ("product", "line", "camera")
LEAST = 5  # pictures tonight, with fewer no group is named
LEAST_BEFORE = 3  # pictures of a stratum on earlier nights
_CLIPPED = 3.0  # steps that count when groups are ranked: a product that darkens more is no group of its own
_MOST = 8.0  # steps that count when a group is tested
_PRIOR_NIGHTS, _PRIOR_SPREAD = 4, 0.3  # nights, and steps that ordinary nights lie apart
_STILL = 0.5  # steps within which a part of a group did not change
_ALIKE = 0.9  # share of two groups' pictures that are the same, from which on they are one
_TAKEN_BY_CAMERA = ("darker", "brighter", "blurred", "sharper", "turned", "reframed")

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]


def _log(name: str) -> pl.Expr:
    return pl.when(pl.col(name) > 0).then(pl.col(name).log())


_LIGHT = pl.col("red") + pl.col("green") + pl.col("blue")
_PROPERTIES: dict[str, tuple[pl.Expr, float]] = {
    "brightness": (pl.col("brightness"), 10 / 255),
    "sharpness": (_log("sharpness"), np.log(1.25)),
    "red": (pl.when(_LIGHT > 0).then(pl.col("red") / _LIGHT), 0.02),
    "blue": (pl.when(_LIGHT > 0).then(pl.col("blue") / _LIGHT), 0.02),
    "aspect": (_log("width") - _log("height"), np.log(1.05)),
    "pixels": (_log("width") + _log("height"), np.log(1.1)),
    "fill": (_log("fill"), np.log(1.2)),
    "centre_x": (pl.col("centre_x"), 0.05),
    "centre_y": (pl.col("centre_y"), 0.05),
}
NAMES = tuple(_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that have something in common, tonight's and those before that they are compared with."""

    dimension: Dimension
    value: str
    now: Rows
    before: Rows
    is_new: bool  # no earlier picture has the value
    within: tuple[Dimension, str] | None = None  # of those the pictures of one product, or camera, alone

    def is_same(self, group: Group) -> bool:
        """Whether it is of the same pictures tonight."""
        both = len(np.intersect1d(self.now, group.now, assume_unique=True))
        return both >= _ALIKE * max(len(self.now), len(group.now))


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a group's pictures."""

    group: Group
    kind: Kind
    measure: str  # what `before` and `after` are
    before: str  # the median of earlier nights at tonight's mixture
    after: str  # the median since it began
    start: int  # place in `group.now`, which is in the order of time
    same: tuple[Group, ...]  # other groups of the same pictures


@dataclass(frozen=True, slots=True)
class Measured:
    """Pictures in the order they were taken, with what is known of each, as arrays of N rows."""

    images: pl.DataFrame
    tonight: NDArray[np.bool_]
    nights: NDArray[np.int64]  # number of the night; 0 tonight
    timed: bool  # the order is that of time
    values: Numbers  # (N, properties)
    usual: Numbers  # (N, properties): the median of the earlier pictures of the stratum
    sizes: Numbers  # (N, 4): width and height, the usual width and height

    @property
    def steps(self) -> Numbers:
        """(N, properties): how far each picture lies from its stratum's earlier ones; nan where unknown."""
        away: Numbers = (self.values - self.usual) / np.array([step for _, step in _PROPERTIES.values()])
        return away


def arrange(images: pl.DataFrame) -> Measured:
    """What is worked with.

    Args:
        images: image_id, `tonight` (bool), `night` (anything that differs between nights), product, line, camera, lot
            (text or null), `at` (when it was taken, or null) and what `Measures` holds.
    """
    ordered = images.sort("at", "image_id", nulls_last=True)
    strata = [pl.col(name).fill_null("") for name in STRATA]
    earlier = ~pl.col("tonight")

    def usual(value: pl.Expr) -> pl.Expr:
        there = pl.when(earlier & value.is_not_null()).then(value)
        return pl.when(there.count().over(strata) >= LEAST_BEFORE).then(there.median().over(strata))

    def table(*columns: pl.Expr) -> Numbers:
        numbered = (column.cast(pl.Float64).alias(str(place)) for place, column in enumerate(columns))
        return ordered.select(*numbered).fill_null(np.nan).to_numpy()

    values = [value.cast(pl.Float64) for value, _ in _PROPERTIES.values()]
    width, height = (pl.col(name).cast(pl.Float64) for name in ("width", "height"))
    night = pl.when(earlier).then(pl.col("night"))
    timed = ordered.filter("tonight")["at"]
    return Measured(
        ordered,
        ordered["tonight"].to_numpy(),
        ordered.select(night.rank("dense").fill_null(0).cast(pl.Int64))[:, 0].to_numpy(),
        not timed.has_nulls(),
        table(*values),
        table(*(usual(value) for value in values)),
        table(width, height, usual(width), usual(height)),
    )


def groups(pictures: Measured) -> list[Group]:
    """All pictures, and those of each camera, line, product and lot with enough of them tonight.

    A dimension with one value says nothing more than all, but of a camera: it is a thing that one can walk to.
    """
    found = []
    every = np.arange(pictures.images.height)
    for dimension in DIMENSIONS:
        if dimension == "all":
            found.append(_group(pictures, dimension, "", every))
            continue
        counted = pictures.images.drop_nulls(dimension).group_by(dimension).agg(pl.col("tonight").sum())
        names = sorted(counted.filter(pl.col("tonight") >= LEAST)[dimension])
        if counted.height > 1 or dimension == "camera":
            column = pictures.images[dimension].fill_null("").to_numpy()
            found += [_group(pictures, dimension, name, every[column == name]) for name in names if name]
    return [group for group in found if len(group.now) >= LEAST]


def _group(pictures: Measured, dimension: Dimension, value: str, rows: Rows) -> Group:
    now, before = rows[pictures.tonight[rows]], rows[~pictures.tonight[rows]]
    is_new = not len(before)
    if is_new and dimension == "lot":  # of a delivery that nobody saw before: the product's other ones
        product = pictures.images["product"].to_numpy()
        before = np.flatnonzero(~pictures.tonight & np.isin(product, product[now]))
    return Group(dimension, value, now, before, is_new)


def strongest(pictures: Measured, false_alarm: float) -> Change | None:
    """The group that explains most of what changed in the pictures, and how they changed; None: nothing did.

    Args:
        pictures: what is left to be explained.
        false_alarm: of nights without any change, the share on which one may be named.
    """
    steps, known = pictures.steps, groups(pictures)
    tried = [(_gain(steps[:, at], group), group, at) for group in known for at in range(len(NAMES))]
    tested = [(gain, group, at) for gain, group, at in tried if not np.isnan(gain)]
    for gain, group, at in sorted(tested, key=lambda each: -each[0]):
        if _p_value(pictures, steps[:, at], group) * len(tested) > false_alarm:
            continue
        start = _start(steps[group.now, at]) if pictures.timed else 0
        if abs(_moved(steps[:, at], group, start)) < 1:
            continue
        if narrowed := _narrowed(pictures, steps[:, at], group):
            start = _start(steps[narrowed.now, at]) if pictures.timed else 0
            return Change(narrowed, *_told(pictures, steps, narrowed, start), start, ())
        told = _told(pictures, steps, group, start)
        alike = [each for each in known if each.is_same(group) and _gain(steps[:, at], each) >= _ALIKE * gain]
        named = min(alike, key=lambda each: rank(each, told[0]))
        others = ("camera",) if named.dimension == "lot" else ("camera", "product")  # a lot is told with its product
        same = tuple(each for each in alike if each is not named and each.dimension in others)
        lot_is_cause = named.dimension == "lot" and named.is_new
        return Change(named, "changed lot" if lot_is_cause else told[0], *told[1:], start, same)
    return None


def _narrowed(pictures: Measured, steps: Numbers, group: Group) -> Group | None:
    """The one product before a camera, or camera on a product, that alone changed; None where others changed too."""
    by: Dimension = "camera" if group.dimension in ("product", "lot") else "product"
    column = pictures.images[by].fill_null("").to_numpy()
    parts = []
    for value in np.unique(column[group.now]):
        now, before = (rows[column[rows] == value] for rows in (group.now, group.before))
        parts.append(Group(group.dimension, group.value, now, before, group.is_new, (by, str(value))))
    moved = [(abs(_moved(steps, part, 0)), part) for part in parts if len(part.now) >= LEAST]
    changed = [part for far, part in moved if far >= 1]
    if len(changed) != 1 or len(moved) < 2 or any(_STILL <= far < 1 for far, _ in moved):
        return None
    return changed[0]


def rank(group: Group, kind: Kind) -> int:
    """The lower, the likelier a group is the cause, of several that are of the same pictures.

    What a camera does is the camera's; what the thing itself may do is a new delivery's.
    """
    new_lot = group.dimension == "lot" and group.is_new
    order = ("camera", "line", "new lot", "product", "lot", "all")
    if kind not in _TAKEN_BY_CAMERA:
        order = ("new lot", "camera", "line", "product", "lot", "all")
    return order.index("new lot" if new_lot else group.dimension)


def _gain(steps: Numbers, group: Group) -> float:
    """How much of the squared change one shift of the group explains; nan with too few measured pictures."""
    now, before = _known(steps[group.now]), _known(steps[group.before])
    if len(now) < LEAST or len(before) < LEAST_BEFORE:
        return float("nan")
    return float(len(now) * (_mean(now, _CLIPPED) - _mean(before, _CLIPPED)) ** 2)


def _p_value(pictures: Measured, steps: Numbers, group: Group) -> float:
    """Of "tonight is a night as those before": a t of the group's mean, with the spread of its means by night."""
    rows = group.before[~np.isnan(steps[group.before])]
    before, now = steps[rows].clip(-_MOST, _MOST), _known(steps[group.now]).clip(-_MOST, _MOST)
    _, night, counts = np.unique(pictures.nights[rows], return_inverse=True, return_counts=True)
    means = np.bincount(night, before) / counts
    within = float(((before - means[night]) ** 2).sum() / max(1, len(rows) - len(means)))
    between = float(means.var(ddof=1)) if len(means) > 1 else 0.0
    small = float(np.mean(1 / counts))
    freedom = _PRIOR_NIGHTS + len(means) - 1
    usual = (_PRIOR_NIGHTS * (_PRIOR_SPREAD**2 + within * small) + (len(means) - 1) * between) / freedom
    variance = usual * (1 + 1 / len(means)) + within * max(0.0, 1 / len(now) - small)
    return float(2 * special.stdtr(freedom, -abs(now.mean() - means.mean()) / np.sqrt(variance)))


def _start(steps: Numbers) -> int:
    """The place of the first changed picture, of pictures in the order of time; 0 where they changed before."""
    values = np.nan_to_num(steps).clip(-_MOST, _MOST)
    counts = len(values) - np.arange(len(values))
    gains = np.cumsum(values[::-1])[::-1] ** 2 / counts
    gains[counts < LEAST] = 0
    at = int(gains.argmax())
    if at < 2 or gains[at] < 1.2 * gains[0] or abs(values[:at].mean()) > abs(values[at:].mean()) / 3:
        return 0
    return at


def _moved(steps: Numbers, group: Group, start: int) -> float:
    """By how many steps the group's pictures moved since the start."""
    now, before = _known(steps[group.now[start:]]), _known(steps[group.before])
    return _mean(now, _MOST) - _mean(before, _MOST) if len(now) and len(before) else 0.0


def _told(pictures: Measured, steps: Numbers, group: Group, start: int) -> tuple[Kind, str, str, str]:
    """The kind of change of a group's pictures, what it is measured by, and its medians before and after."""
    of = {name: _moved(steps[:, at], group, start) for at, name in enumerate(NAMES)}
    rows = group.now[start:]
    before = dict(zip(NAMES, _medians(pictures.usual[rows]), strict=True))
    after = dict(zip(NAMES, _medians(pictures.values[rows]), strict=True))
    width, height, usual_width, usual_height = _medians(pictures.sizes[rows])
    sizes = (f"{usual_width:.0f} x {usual_height:.0f}", f"{width:.0f} x {height:.0f}")
    if abs(of["aspect"]) >= 1 and abs(after["aspect"] + before["aspect"]) < np.log(1.05):
        return "turned", "size", *sizes
    if max(abs(of["aspect"]), abs(of["pixels"])) >= 1:
        return "reframed", "size", *sizes
    name = max(of, key=lambda each: abs(of[each]))
    was, now = before[name], after[name]
    if name == "brightness":
        return "darker" if of[name] < 0 else "brighter", "median", f"{255 * was:.0f}", f"{255 * now:.0f}"
    if name == "sharpness":
        return "blurred" if of[name] < 0 else "sharper", name, f"{np.exp(was):.2f}", f"{np.exp(now):.2f}"
    if name in ("red", "blue"):
        return "recoloured", f"{name} light", wording.percent(was), wording.percent(now)
    if name == "fill":
        return "reframed", "the object's share", wording.percent(np.exp(was)), wording.percent(np.exp(now))
    middle, there = ((each["centre_x"], each["centre_y"]) for each in (before, after))
    is_turned = abs(of["fill"]) < 1 and _is_turn(middle, there, is_square=width == height)
    kind: Kind = "turned" if is_turned else "reframed"
    return kind, "the object's middle", _place(middle), _place(there)


def _place(middle: tuple[float, float]) -> str:
    return f"{wording.percent(middle[0])} across and {wording.percent(middle[1])} down"


def _is_turn(before: tuple[float, float], after: tuple[float, float], is_square: bool) -> bool:
    """Whether the middle lies where a half turn takes it, of square pictures a quarter; both numbers have to say so."""
    x, y = before
    if min(abs(x - 0.5), abs(y - 0.5)) < 0.03:
        return False
    quarters = ((1 - y, x), (y, 1 - x)) if is_square else ()
    return min(math.dist(turned, after) for turned in ((1 - x, 1 - y), *quarters)) < 0.03


def _known(values: Numbers) -> Numbers:
    known: Numbers = values[~np.isnan(values)]
    return known


def _mean(values: Numbers, most: float) -> float:
    return float(values.clip(-most, most).mean())


def _medians(values: Numbers) -> Iterator[float]:
    """Of each column; nan of one that nothing is known of."""
    for column in values.T:
        known = _known(column)
        yield float(np.median(known)) if len(known) else float("nan")
