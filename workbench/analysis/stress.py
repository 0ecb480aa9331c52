"""Effects of disturbance on accuracy, to overkill and escape, to calibration, reward and explanation: from stored runs.

The arms of a stress test go in (`ablation.Study`), frames come out. A disturbed run is compared with the same method's
undisturbed one over the same questions, paired by the image's path: its pixels, and so its identity, differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from warehouse.records.experiments import Arm
from workbench import wording
from workbench.analysis import calibration, compare, intervals
from workbench.analysis.ablation import Study

PAIRED_BY = ("image_path", "question_id")
UNDISTURBED = "undisturbed"  # the condition of the runs the others are compared with
METHODS = ("full", "plain")  # the full method, and the model asked plainly without knowledge


def table(study: Study, pointing: Mapping[str, Mapping[str, float]] | None = None) -> pl.DataFrame:
    """One row per arm.

    Args:
        pointing: by run: shares `hit` and `chance` of accepted patches, as `explanations.summary` gives them.

    Returns:
        condition, strength, method, and what `figures` returns; fall, fall_low, fall_high (accuracy lost against the
        undisturbed run, 95 % by image), moved (mean absolute change of a question's settled entropy, nats), hit and
        chance.
    """
    by_name = {arm.arm: arm for arm in study.arms}
    rows = []
    for arm in study.arms:
        facts = study.facts[arm.run_id]
        baseline = by_name.get(arm.baseline or "")
        points = (pointing or {}).get(arm.run_id, {})
        row = {"condition": arm.family, "strength": arm.level, "method": method_of(arm), **figures(facts)}
        row |= _against(study.facts[baseline.run_id], facts) if baseline else dict.fromkeys(_AGAINST)
        rows.append(row | {"hit": points.get("hit"), "chance": points.get("chance")})
    kinds = {"condition": pl.String, "strength": pl.Float64, "method": pl.String, **FIGURES}
    return pl.DataFrame(rows, schema={**kinds, **dict.fromkeys((*_AGAINST, "hit", "chance"), pl.Float64)})


def falls(study: Study) -> pl.DataFrame:
    """One row per disturbed arm: its run against the same method's undisturbed one.

    Returns:
        condition, strength, method, and `compare.COLUMNS`, all arms corrected together (Holm); empty when no question
        was asked in both.
    """
    by_name = {arm.arm: arm for arm in study.arms}
    found, compared = [], []
    for arm in study.arms:
        baseline = by_name.get(arm.baseline or "")
        pairs = None if baseline is None else _pairs(study.facts[baseline.run_id], study.facts[arm.run_id])
        if pairs is not None and pairs.height:
            found.append(pairs)
            compared.append((arm.family, arm.level, method_of(arm)))
    kinds = {"condition": pl.String, "strength": pl.Float64, "method": pl.String}
    return compare.together(pl.DataFrame(compared, schema=kinds, orient="row"), found)


def arm_name(condition: str, strength: float, method: str) -> str:
    """The name of the arm of a condition, a strength and one of `METHODS`."""
    return f"{condition} {strength:g}, {method}"


def method_of(arm: Arm) -> str:
    """Which of `METHODS` an arm is; the arm's own name for an arm of another experiment."""
    return next((each for each in METHODS if arm.arm == arm_name(arm.family, arm.level or 0.0, each)), arm.arm)


def by(facts: pl.DataFrame, column: str) -> pl.DataFrame:
    """Figures per line, or camera: `column` and what `figures` returns."""
    rows = [
        {column: value, **figures(part)} for (value,), part in facts.group_by([column], maintain_order=True) if value
    ]
    return pl.DataFrame(rows, schema={column: pl.String, **FIGURES}).sort(column)


def figures(facts: pl.DataFrame) -> dict[str, float | int | None]:
    """Of some questions: n, accuracy, low, high (95 %, clustered), overkill (share of good images called defective),
    escape (share of defective ones called good), unreadable (share of both that no claim could be read of),
    calibration (error, see `calibration.scores`), entropy (nats, mean of the best states).
    """  # fmt: skip
    judged = facts.filter(pl.col("right").is_not_null())
    rate = intervals.rates(judged).row(0, named=True)
    detection, error = judged.filter("detection"), calibration.scores(facts).error
    good, defective = (detection.filter(pl.col("label") == label) for label in ("good", "defective"))
    return {
        "n": judged.height,
        "accuracy": rate["rate"],
        "low": rate["low"],
        "high": rate["high"],
        "overkill": good.select((pl.col("outcome") == "overkill").mean()).item(),
        "escape": defective.select((pl.col("outcome") == "escape").mean()).item(),
        "unreadable": detection.select((pl.col("status") == "invalid").mean()).item(),
        "calibration": error.estimate.value if error else None,
        "entropy": facts["entropy"].mean(),
    }


FIGURES = {"n": pl.Int64} | dict.fromkeys(
    ("accuracy", "low", "high", "overkill", "escape", "unreadable", "calibration", "entropy"), pl.Float64
)
_AGAINST = ("fall", "fall_low", "fall_high", "moved")


def _against(undisturbed: pl.DataFrame, disturbed: pl.DataFrame) -> dict[str, float | None]:
    pairs = _pairs(undisturbed, disturbed)
    if not pairs.height:
        return dict.fromkeys(_AGAINST)
    row = compare.table(pairs).row(0, named=True)
    moved = pairs.select((pl.col("entropy") - pl.col("old_entropy")).abs().mean()).item()
    return {
        "fall": -row["difference"],
        "fall_low": _minus(row["high"]),
        "fall_high": _minus(row["low"]),
        "moved": moved,
    }


def _pairs(undisturbed: pl.DataFrame, disturbed: pl.DataFrame) -> pl.DataFrame:
    return compare.pair(undisturbed, disturbed, PAIRED_BY).frame


def _minus(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def markdown(rows: pl.DataFrame) -> str:
    """The rows of `table` as Markdown."""
    lines = [
        "| condition | strength | method | accuracy, 95 % | fall in points, 95 % by image | overkill | escape "
        "| unreadable | calibration error | entropy | moved | patches on the defect (chance) |",
        "| - | - | - | - | - | - | - | - | - | - | - | - |",
    ]
    for row in rows.iter_rows(named=True):
        fall = "-" if row["fall"] is None else _points(row["fall"], row["fall_low"], row["fall_high"])
        patches = "-" if row["hit"] is None or row["hit"] != row["hit"] else f"{row['hit']:.2f} ({row['chance']:.2f})"
        lines.append(
            f"| {row['condition']} | {row['strength']:g} | {row['method']} | {_rate(row)} | {fall} "
            f"| {_number(row['overkill'])} | {_number(row['escape'])} "
            f"| {_number(row['unreadable'])} | {_number(row['calibration'])} "
            f"| {_number(row['entropy'])} | {_number(row['moved'])} | {patches} |"
        )
    return "\n".join(lines) + "\n"


def markdown_by(rows: pl.DataFrame, column: str) -> str:
    """The rows of `by` as Markdown."""
    lines = [
        f"| {column} | questions | accuracy, 95 % | overkill | escape | unreadable | calibration error | entropy |",
        f"| {'- | ' * 8}".rstrip(),
    ]
    for row in rows.iter_rows(named=True):
        cells = (_number(row[name]) for name in ("overkill", "escape", "unreadable", "calibration", "entropy"))
        lines.append(f"| {row[column]} | {row['n']} | {_rate(row)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rate(row: Mapping[str, float]) -> str:
    return f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row["n"] else "none asked"


def _points(value: float, low: float | None, high: float | None) -> str:
    said, *ends = (wording.points(each, "") for each in (value, low, high) if each is not None)
    return f"{said} [{', '.join(ends)}]" if len(ends) == 2 else said


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
