"""How many pictures without a label a run called defective: by product, line and camera, and how sure it was.

Being called defective is no error: without a label nobody knows whether it is right. What counts is said in
`warehouse.queries.facts`, whose cells are added up here; the interval is Wilson's over pictures, clustered
where they share a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from workbench import wording
from workbench.analysis import intervals
from workbench.analysis.intervals import Estimate

SUMMED = ("unlabelled_images", "alarm_images", "alarm_probabilities", "alarm_probability")
DIMENSIONS = ("product", "line", "camera")
NONE = "none"
"""What stands where an image has no line or camera, as in a filter."""
PICTURES = (
    "run_id", "image_id", "question_id", "image_path", "product", "line", "camera", "answer_text",
    "defect_probability",
)  # fmt: skip
"""The columns of facts that a picture called defective is shown by."""
SHOWN = 12  # pictures that a summary names
GROUPS = 8  # and values of a dimension


@dataclass(frozen=True, slots=True)
class Called:
    """Pictures without a label, and those among them that an answer calls defective."""

    images: int  # that an answer calls defective or good
    defective: int
    share: Estimate | None  # of the images; None without any
    probability: float | None  # of a defect, the mean over the alarms; None where no answer states one

    @property
    def sentence(self) -> str:
        """Such as `9 of 12 pictures without a label were called defective (75.0 %, ...)`."""
        if self.share is None:
            return ""
        pictures = wording.counted(self.images, "picture")
        were = "was" if self.defective == 1 else "were"
        likely = self.probability
        sure = "" if likely is None else f", mean stated probability of a defect {probability(likely)}"
        return (
            f"{self.defective:,} of {pictures} without a label {were} called defective "
            f"({wording.percent(self.share.value, 1)}, 95 % interval "
            f"{wording.percent_interval(self.share.low, self.share.high, 1)}{sure})."
        )

    @property
    def short(self) -> str:
        """Such as `9 of 12 (75 %), probability 0.83`; a dash where every picture has a label."""
        if self.share is None:
            return "-"
        sure = "" if self.probability is None else f", probability {probability(self.probability)}"
        return f"{self.defective:,} of {self.images:,} ({wording.percent(self.share.value)}){sure}"


@dataclass(frozen=True, slots=True)
class Group:
    """The pictures without a label of one product, line or camera."""

    dimension: str  # of DIMENSIONS
    value: str
    images: int  # that an answer calls defective or good
    defective: int
    rate: float
    low: float  # of Wilson's 95 % interval over pictures, clustered where they share a cluster
    high: float
    probability: float | None  # of a defect, the mean over the alarms

    @property
    def name(self) -> str:
        """Such as `camera A1`, `line-a`."""
        return _name(self.dimension, self.value)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture called defective."""

    run_id: str
    image_id: str
    question_id: str
    image_path: str
    product: str
    line: str | None
    camera: str | None
    answer_text: str | None
    defect_probability: float | None
    region: str | None = None  # where the run says that the defect is; None where it doesn't

    @property
    def caption(self) -> str:
        """Such as `pcb, camera A1, 0.93`."""
        camera = f"camera {self.camera}" if self.camera else ""
        sure = "" if self.defect_probability is None else probability(self.defect_probability).replace(" ", "\u00a0")
        return ", ".join(filter(None, (self.product.replace("_", " "), camera, sure)))


@dataclass(frozen=True, slots=True)
class Alarms:
    """How many pictures were called defective, where, and which."""

    called: Called
    groups: tuple[Group, ...]  # as `table` orders them
    pictures: tuple[Picture, ...]  # at most SHOWN, the likeliest defects first where the evaluator tells probabilities

    @property
    def pictures_title(self) -> str:
        """What `pictures` are: without probabilities nothing says which of them are likelier."""
        told = any(picture.defect_probability is not None for picture in self.pictures)
        first = "The likeliest defects" if told else "Called defective"
        return f"{first}, {len(self.pictures):,} of {self.called.defective:,}"

    def most(self) -> list[Group]:
        """At most GROUPS values of each dimension, those with most alarms."""
        return _most(self.groups)


def _name(dimension: str, value: str) -> str:
    value = value.replace("_", " ")
    return value if value.startswith(dimension) else f"{dimension} {value}"


def probability(value: float | None) -> str:
    """With two digits, and `> 0.99` or `< 0.01` where they would say that something is certain; a dash without one."""
    if value is None:
        return "-"
    return "> 0.99" if 0.995 <= value < 1 else "< 0.01" if 0 < value < 0.005 else f"{value:.2f}"


NOTHING = Alarms(Called(0, 0, None, None), (), ())


def of(cells: pl.DataFrame, facts: pl.DataFrame | None = None) -> Alarms:
    """What stands in summaries and reports.

    Args:
        cells: as `total` and `table` take them.
        facts: PICTURES and region, as `Rollups.alarms` gives them; None where no picture is named.
    """
    groups = tuple(Group(**row) for row in table(cells).iter_rows(named=True))
    named = [] if facts is None else facts.select(*PICTURES, "region").iter_rows(named=True)
    return Alarms(total(cells), groups, tuple(Picture(**row) for row in named))


def total(cells: pl.DataFrame) -> Called:
    """Of all pictures that the cells count.

    Args:
        cells: SUMMED and cluster_id, of all subtasks together: see `warehouse.queries.truth.clustered_cells` and
            `Store.called_defective`.
    """
    images, defective = int(cells["unlabelled_images"].sum()), int(cells["alarm_images"].sum())
    stated = int(cells["alarm_probabilities"].sum())
    probability = float(cells["alarm_probability"].sum()) / stated if stated else None
    share = None
    if images:
        row = intervals.over_pictures(cells, "alarm_images", "unlabelled_images").row(0, named=True)
        share = Estimate(row["rate"], row["low"], row["high"])
    return Called(images, defective, share, probability)


def table(cells: pl.DataFrame) -> pl.DataFrame:
    """One row per product, line and camera, most alarms first within each dimension.

    Args:
        cells: as `total` takes them, with DIMENSIONS.

    Returns:
        dimension, value, images, defective, rate, low, high, probability. A dimension that no picture has is left out.
    """
    parts = []
    for dimension in DIMENSIONS:
        rows = cells.filter(pl.col("unlabelled_images") > 0)
        if rows[dimension].null_count() < rows.height:
            valued = rows.with_columns(value=pl.col(dimension).cast(pl.String).fill_null(NONE))
            rates = intervals.over_pictures(valued, "alarm_images", "unlabelled_images", ("value",))
            sums = valued.group_by("value").agg(pl.col(SUMMED).sum()).join(rates, on="value", maintain_order="left")
            parts.append(sums.select(pl.lit(dimension).alias("dimension"), pl.all()))
    if not parts:
        return pl.DataFrame(schema=_TABLE)
    stated = pl.col("alarm_probabilities")
    return (
        pl.concat(parts)
        .with_columns(
            probability=pl.when(stated > 0).then(pl.col("alarm_probability") / stated),
            place=pl.col("dimension").replace_strict({name: place for place, name in enumerate(DIMENSIONS)}),
        )
        .sort("place", "alarm_images", "value", descending=[False, True, False])
        .select(
            "dimension", "value", pl.col("unlabelled_images").alias("images"),
            pl.col("alarm_images").alias("defective"), "rate", "low", "high", "probability",
        )
        .cast(_TABLE)  # type: ignore[arg-type]
    )  # fmt: skip


_TABLE = {
    "dimension": pl.String, "value": pl.String, "images": pl.Int64, "defective": pl.Int64, "rate": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "probability": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupDisagreement:
    """The same of the pictures of one product, line or camera."""

    dimension: str  # of DIMENSIONS
    value: str
    images: int  # that both runs call defective or good
    only_old: int
    only_new: int
    both: int
    rate: float  # of pictures that the runs call differently
    low: float  # of Wilson's 95 % interval over pictures, clustered where they share a cluster
    high: float

    @property
    def name(self) -> str:
        """Such as `camera A1`, `line-a`."""
        return _name(self.dimension, self.value)


_Counted = TypeVar("_Counted", Group, GroupDisagreement)


def _most(groups: Sequence[_Counted]) -> list[_Counted]:
    of_each = ([one for one in groups if one.dimension == name][:GROUPS] for name in DIMENSIONS)
    return [one for few in of_each for one in few]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What two runs call the pictures without a label that both call defective or good."""

    images: int
    only_old: tuple[str, ...]  # image ids that the older run alone calls defective
    only_new: tuple[str, ...]
    both: int  # called defective by both runs
    share: Estimate | None  # of pictures that the runs call differently; None without a picture
    groups: tuple[GroupDisagreement, ...] = ()  # within each dimension those that differ most often first

    def sentence(self, old: str, new: str) -> str:
        """How often they differ, which way, with the interval; empty without a picture."""
        if self.share is None:
            return ""
        differ = len(self.only_old) + len(self.only_new)
        pictures = wording.counted(self.images, "picture")
        return (
            f"{old} and {new} call {differ:,} of {pictures} without a label differently "
            f"({wording.percent(self.share.value, 1)}, 95 % interval "
            f"{wording.percent_interval(self.share.low, self.share.high, 1)}): only {old} calls "
            f"{len(self.only_old):,} defective, only {new} {len(self.only_new):,}, both {self.both:,}. "
            "Nobody knows which of them is right."
        )

    def most(self) -> list[GroupDisagreement]:
        """At most GROUPS values of each dimension, those with the largest share of pictures called differently."""
        return _most(self.groups)


def disagreement(old: pl.DataFrame, new: pl.DataFrame) -> Disagreement:
    """Two runs over pictures without a label, by picture.

    Args:
        old: image_id (the same in both), cluster_id and outcome of the baseline.
        new: the same of the run, and those of DIMENSIONS that its groups are made of.
    """
    dimensions = [name for name in DIMENSIONS if name in new.columns]
    before_calls = _calls(old).select("image_id", before="defective")
    pairs = _calls(new, dimensions).join(before_calls, on="image_id").sort("image_id")
    before, now = pl.col("before"), pl.col("defective")
    only_old = tuple(pairs.filter(before & ~now)["image_id"])
    only_new = tuple(pairs.filter(now & ~before)["image_id"])
    shared = pl.when(pl.col("cluster_id").is_duplicated()).then("cluster_id")
    pairs = pairs.with_columns(shared.alias("cluster_id"), pictures=1, differ=(before != now).cast(pl.Int64))
    share = None
    if pairs.height:
        row = intervals.over_pictures(pairs, "differ", "pictures").row(0, named=True)
        share = Estimate(row["rate"], row["low"], row["high"])
    groups = [group for name in dimensions for group in _disagreeing(pairs, name)]
    return Disagreement(pairs.height, only_old, only_new, pairs.filter(before & now).height, share, tuple(groups))


def _calls(facts: pl.DataFrame, dimensions: Sequence[str] = ()) -> pl.DataFrame:
    """image_id, cluster_id, whether an answer calls it defective, and dimensions, of pictures without a label."""
    outcome = pl.col("outcome").cast(pl.String)
    claims = facts.filter(outcome.is_in(["alarm", "pass"]))
    of_image = (pl.col(name).cast(pl.String).first() for name in dimensions)
    return claims.group_by("image_id").agg(
        pl.col("cluster_id").first(), *of_image, defective=(outcome == "alarm").any()
    )


def _disagreeing(pairs: pl.DataFrame, dimension: str) -> list[GroupDisagreement]:
    """The values of a dimension, those that differ most often first; none where no picture has one."""
    if pairs[dimension].null_count() == pairs.height:
        return []
    before, now = pl.col("before"), pl.col("defective")
    valued = pairs.with_columns(value=pl.col(dimension).fill_null(NONE))
    counts = valued.group_by("value").agg(
        images=pl.len(), only_old=(before & ~now).sum(), only_new=(now & ~before).sum(), both=(before & now).sum()
    )
    rates = intervals.over_pictures(valued, "differ", "pictures", ("value",)).select("value", "rate", "low", "high")
    groups = [GroupDisagreement(dimension, **row) for row in counts.join(rates, on="value").iter_rows(named=True)]
    return sorted(groups, key=lambda group: (-group.rate, group.value))


def by_group(facts: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The share of detection answers without a label that call their picture defective, clustered by image.

    Args:
        facts: cluster_id, outcome and `by`.
        by: columns such as `shape`.

    Returns:
        `by`, n, images, rate, low, high; groups without such an answer are left out.
    """
    rows = facts.filter(pl.col("outcome").cast(pl.String).is_in(["alarm", "pass"])).drop_nulls(by)
    return intervals.rates(rows.with_columns(alarm=pl.col("outcome") == "alarm"), by, "alarm").select(
        *by, "n", "images", "rate", "low", "high"
    )
