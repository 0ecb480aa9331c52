"""What stands on one page about a run's operating point: frames and an aim go in, numbers and their words come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

from workbench import wording
from workbench.analysis import calibration, detection_curves, intervals, operating_point, planning
from workbench.analysis.detection_curves import NotEnough, Ranking
from workbench.analysis.intervals import Estimate
from workbench.analysis.operating_point import Aim, OperatingPoint
from workbench.analysis.planning import PartsNeeded

Basis = Literal["stated", "audited", "set", "assumed"]
LOSS = 0.02  # of the escape rate, that the planner counts parts for
LABELS_COME_FROM = (
    "Labels come from the archive's folders or its images.csv, or from people: workbench disputes open, then the "
    "reviewed truth."
)
_NOT_ENOUGH: dict[NotEnough, str] = {
    "scored pictures": "no picture has both a label and a score",
    "defective pieces": f"fewer than {calibration.FEWEST} defective pieces have a score",
    "good pieces": f"fewer than {calibration.FEWEST} good pieces have a score",
}


@dataclass(frozen=True, slots=True)
class Prevalence:
    """The share of defective parts, and who says so."""

    value: float
    basis: Basis
    low: float | None = None  # of an audited rate's 95 % interval
    high: float | None = None

    @property
    def sentence(self) -> str:
        """Such as `prevalence 0.1 %, as stated`."""
        said = f"prevalence {100 * self.value:.3g} %"
        if self.basis == "stated":
            return f"{said}, as stated"
        if self.basis == "audited" and self.low is not None and self.high is not None:
            ends = f"{100 * self.low:.2g} to {100 * self.high:.2g} %"
            return f"{said}, audited: from drawn cases that people judged ({ends})"
        if self.basis == "assumed":
            return f"{said}, assumed: no picture has a label and no drawn cases were judged; state your line's"
        return f"{said}, this set's own share: no drawn cases were judged; a line's is far lower, state it"


@dataclass(frozen=True, slots=True)
class OperatingReport:
    """A run's operating point with all that is said about it."""

    signal: str
    prevalence: Prevalence
    aim: Aim
    ranking: Ranking
    point: OperatingPoint
    unlabelled: int  # pictures without a label that have a score
    unlabelled_called: int  # of these, those that the threshold calls defective
    parts: PartsNeeded | None  # for a loss of LOSS; None where the escape rate isn't known
    groups: pl.DataFrame  # see `by_group`
    causes: pl.DataFrame  # see `operating_point.pareto`
    by_size: pl.DataFrame  # see `operating_point.recall_by`, of the share of the picture that is defective
    by_defect_contrast: pl.DataFrame  # the same of how far the defect stands out from what is around it
    by_contrast: pl.DataFrame  # the same of the picture's contrast
    nights: pl.DataFrame  # see `on_nights`

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = {name: getattr(self, name) for name in ("signal", "unlabelled", "unlabelled_called")}
        records = {name: asdict(getattr(self, name)) for name in ("prevalence", "aim", "ranking", "point")}
        names = ("groups", "causes", "by_size", "by_defect_contrast", "by_contrast", "nights")
        tables = {name: getattr(self, name).to_dicts() for name in names}
        return {**plain, **records, "parts": asdict(self.parts) if self.parts else None, **tables}


def prevalence(scores: pl.DataFrame, stated: float | None, audited: Estimate | None) -> Prevalence:
    """The one stated, else the audited one, else the set's own share; one half is assumed of an empty set."""
    if stated is not None:
        return Prevalence(stated, "stated")
    if audited is not None:
        return Prevalence(audited.value, "audited", audited.low, audited.high)
    own = detection_curves.share(detection_curves.labelled(scores))
    return Prevalence(0.5, "assumed") if own is None else Prevalence(own, "set")


def build(
    scores: pl.DataFrame,
    signal: str,
    at: Prevalence,
    aim: Aim,
    nights: pl.DataFrame | None = None,
    tables: bool = True,
) -> OperatingReport:
    """All numbers of a run's scores.

    Args:
        scores: as `warehouse.queries.scores` gives them; `defect_area`, the share of the picture, and
            `defect_contrast`, as `defect_contrast.contrast` has it, where they are known.
        signal: its name.
        at: the prevalence; the aim's own is set to it.
        aim: what the threshold is for.
        nights: the same of the runs of the last nights.
        tables: False leaves the report's tables empty, which take longest.
    """
    point = operating_point.find(scores, aim)
    rows = detection_curves.labelled(scores)
    lacking = [name for name in ("defect_area", "defect_contrast") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in lacking)
    without = scores.filter(pl.col("defective").is_null(), pl.col("score").is_finite())
    parts = None
    if point.elsewhere is not None and point.elsewhere.escape.value + LOSS <= 1:
        own = operating_point.called(rows.filter("defective"), point.threshold)
        spread = float(intervals.rates(own, value="called")["deff"].fill_null(1.0)[0])
        parts = planning.parts_needed(
            point.elsewhere.escape.value, LOSS, prevalence=at.value, design_effect=max(spread, 1.0)
        )
    tabled = [pl.DataFrame()] * 6
    # Where too few have a score there is no threshold, and every table would say that all escape.
    if tables and (point.lacking is None or point.threshold is not None):
        tabled = [
            by_group(rows, point.threshold, at.value), operating_point.pareto(rows, point.threshold, aim),
            *(
                operating_point.recall_by(rows, point.threshold, measure)
                for measure in ("defect_area", "defect_contrast", "contrast")
            ),
            on_nights(scores.clear() if nights is None else nights, point.threshold),
        ]  # fmt: skip
    return OperatingReport(
        signal, at, aim, detection_curves.ranking(scores, at.value), point, without.height,
        int(operating_point.called(without, point.threshold)["called"].sum()), parts, *tabled,
    )  # fmt: skip


def by_group(
    rows: pl.DataFrame, threshold: float | None, at: float, by: Sequence[str] = ("product", "camera")
) -> pl.DataFrame:
    """What one threshold does to each product and camera.

    Args:
        rows: as `detection_curves.labelled` gives them.
        threshold: None: nothing is called defective.
        at: the prevalence of average precision.
        by: columns.

    Returns:
        `by`, images, defective, auroc, average_precision, escape, overkill, each with `_low` and `_high`, and lacking,
        what there is too little of for the two areas.
    """
    wrong = operating_point.called(rows, threshold).with_columns(wrong=pl.col("called") != pl.col("defective"))
    rates = {
        row[:-3]: Estimate(*row[-3:])
        for row in intervals.rates(wrong, (*by, "defective"), "wrong")
        .select(*by, "defective", "rate", "low", "high")
        .iter_rows()
    }
    found = []
    for key, group in rows.group_by(by, maintain_order=True):
        own = detection_curves.ranking(group, at)
        line: dict[str, Any] = {
            **dict(zip(by, key, strict=True)), "images": own.images, "defective": own.defective,
        }  # fmt: skip
        escape, overkill = rates.get((*key, True)), rates.get((*key, False))
        estimates = {
            "auroc": own.auroc, "average_precision": own.average_precision, "escape": escape, "overkill": overkill,
        }  # fmt: skip
        for name, each in estimates.items():
            line |= {name: each and each.value, f"{name}_low": each and each.low, f"{name}_high": each and each.high}
        found.append({**line, "lacking": own.lacking})
    return pl.DataFrame(found, infer_schema_length=None).sort(by) if found else pl.DataFrame()


def on_nights(scores: pl.DataFrame, threshold: float | None) -> pl.DataFrame:
    """What a threshold would have meant on nights.

    Args:
        scores: of the nights' runs, as `warehouse.queries.scores` gives them.
        threshold: None: nothing is called defective.

    Returns:
        night, images (with a score), called_by_answers, called_by_threshold, both (how many both call defective).
    """
    answered = pl.col("claim") == "defective"
    return (
        operating_point.called(scores.filter(pl.col("score").is_finite()), threshold)
        .group_by("night")
        .agg(
            images=pl.len().cast(pl.Int64),
            called_by_answers=answered.sum().cast(pl.Int64),
            called_by_threshold=pl.col("called").sum().cast(pl.Int64),
            both=(answered & pl.col("called")).sum().cast(pl.Int64),
        )
        .sort("night", descending=True)
    )


def threshold_words(value: float | None) -> str:
    """Such as `at or above 0.431`, or that nothing is called defective."""
    return "nothing is called defective" if value is None else f"defective at or above {value:.6g}"


def aim_words(aim: Aim) -> str:
    """What a threshold was chosen for."""
    if aim.method == "given":
        return "as given"
    if aim.method == "cost":
        return f"lowest cost, where an escape costs {aim.cost_escape:g} and an overkill {aim.cost_overkill:g}"
    other = "overkill" if aim.method == "escape" else "escape"
    return f"{aim.method} at most {wording.percent(aim.limit or 0.0, 1)}, as little {other} as that leaves"


def not_enough(lacking: NotEnough) -> str:
    """Such as `not enough: fewer than 10 defective pieces have a score`."""
    return f"not enough: {_NOT_ENOUGH[lacking]}"


def share_words(estimate: Estimate) -> str:
    """Such as `3.1 % (1.2–7.9 %)`."""
    return f"{wording.percent(estimate.value, 1)} ({wording.percent_interval(estimate.low, estimate.high, 1)})"


def number_words(estimate: Estimate) -> str:
    """Such as `0.934 (0.871–0.972)`."""
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def sentences(report: OperatingReport) -> list[str]:
    """The report in words, the most important first."""
    ranking, point = report.ranking, report.point
    pictures = wording.counted(ranking.defective, "defective picture")
    pieces = f"{wording.counted(ranking.defective_pieces, 'piece')} and {ranking.good_pieces:,}"
    none = f"; {ranking.unscored:,} with a label have none" if ranking.unscored else ""
    said = [
        f"No picture with a label has a score{none}; {report.prevalence.sentence}."
        if not ranking.images
        else f"{pictures} and {ranking.images - ranking.defective:,} good ones, of {pieces}, have a score{none}; "
        f"{report.prevalence.sentence}."
    ]
    unlabelled = (
        f"Of {wording.counted(report.unlabelled, 'picture')} without a label {report.unlabelled_called:,} would be "
        "called defective."
    )
    if point.lacking:
        lines = [*said, f"{not_enough(point.lacking)[:1].upper()}{not_enough(point.lacking)[1:]}."]
        if point.lacking == "scored pictures":
            lines.append(LABELS_COME_FROM)
        return [*lines, unlabelled] if report.unlabelled and point.threshold is not None else lines
    if ranking.auroc and ranking.average_precision:
        said.append(
            f"AUROC {number_words(ranking.auroc)}, average precision at that prevalence "
            f"{number_words(ranking.average_precision)}."
        )
    said.append(f"Threshold: {threshold_words(point.threshold)} ({aim_words(report.aim)}){_spread(point)}.")
    for judged, where in ((point.elsewhere, "On other pieces than it was chosen on"), (point.on_its_own, "On its own")):
        if judged:
            said.append(
                f"{where}: escape {share_words(judged.escape)}, overkill {share_words(judged.overkill)}, cost of a "
                f"thousand parts {1000 * judged.cost:.4g}."
            )
    if point.precision:
        said.append(f"Of the parts called defective {share_words(point.precision)} would be so.")
    if report.unlabelled:
        said.append(unlabelled)
    if report.parts:
        parts = report.parts
        line = f" ({parts.from_the_line:,} parts of such a line)" if parts.from_the_line else ""
        both = f"{parts.paired_alike:,} to {parts.paired:,} defective parts answered by both runs"
        said.append(
            f"A {100 * LOSS:g}-point loss of escape shows on {both}, as they miss the same ones or not{line}, or on "
            f"{parts.apart:,} of each of two sets (80 % power at 5 %)."
        )
    return said


def _spread(point: OperatingPoint) -> str:
    """Where the thresholds chosen on parts of the pieces lie, if they differ."""
    found = sorted({each for each in point.fold_thresholds if each is not None})
    return f"; on parts of the pieces {found[0]:.4g} to {found[-1]:.4g}" if len(found) > 1 else ""
