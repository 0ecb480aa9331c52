"""What disturbance does to accuracy, to overkill and escape, to calibration, reward and explanation: from stored runs.

The arms of a stress test go in (`ablation.Study`), frames come out. A disturbed run is compared with the same method's
undisturbed one over the same questions, paired by the image's path: its pixels, and so its identity, differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from warehouse.experiment_records import Arm
from warehouse.records import SUBTASKS
from workbench.analysis import calibration, compare, intervals, metrics
from workbench.analysis.ablation import Study

PAIRED_BY = ("image_path", "asked")
UNDISTURBED = "undisturbed"  # the condition of the runs the others are compared with


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
    return pl.DataFrame(rows, infer_schema_length=None)


def falls(study: Study) -> pl.DataFrame:
    """One row per disturbed arm: its run against the same method's undisturbed one.

    Returns:
        condition, strength, method, and `compare.COLUMNS`; empty when no question was asked in both.
    """
    by_name = {arm.arm: arm for arm in study.arms}
    frames = []
    for arm in study.arms:
        baseline = by_name.get(arm.baseline or "")
        pairs = None if baseline is None else _pairs(study.facts[baseline.run_id], study.facts[arm.run_id])
        if pairs is not None and pairs.height:
            told = {"condition": [arm.family], "strength": [arm.level], "method": [method_of(arm)]}
            told_frame = pl.DataFrame(told, schema_overrides={"strength": pl.Float64})
            frames.append(pl.concat([told_frame, compare.table(pairs)], how="horizontal"))
    return pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame()


def method_of(arm: Arm) -> str:
    """Which of the two methods an arm is: its name ends with it."""
    return arm.arm.rpartition(", ")[2]


def by(facts: pl.DataFrame, column: str) -> pl.DataFrame:
    """Figures per line, or camera: `column` and what `figures` returns."""
    rows = [
        {column: value, **figures(part)} for (value,), part in facts.group_by([column], maintain_order=True) if value
    ]
    return pl.DataFrame(rows, infer_schema_length=None).sort(column) if rows else pl.DataFrame()


def figures(facts: pl.DataFrame) -> dict[str, float | int | None]:
    """Of some questions: n, accuracy, low, high (95 % Wilson), overkill (share of good images called defective),
    escape (share of defective ones called good), unreadable (share of both that no claim could be read of), ece,
    entropy (nats, mean of the best states).
    """  # fmt: skip
    judged = facts.filter(pl.col("right").is_not_null())
    right = int(judged["right"].sum())
    interval = metrics.wilson(right, judged.height)
    asked = judged.filter(pl.col("subtask") == SUBTASKS[0])
    good, defective = (asked.filter(pl.col("label") == label) for label in ("good", "defective"))
    return {
        "n": judged.height,
        "accuracy": right / judged.height if judged.height else None,
        "low": interval.low,
        "high": interval.high,
        "overkill": good.select((pl.col("outcome") == "overkill").mean()).item(),
        "escape": defective.select((pl.col("outcome") == "escape").mean()).item(),
        "unreadable": asked.select((pl.col("status") == "invalid").mean()).item(),
        "ece": calibration.scores(facts).ece,
        "entropy": facts["entropy"].mean(),
    }


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


def markdown(found: pl.DataFrame) -> str:
    """The rows of `table` as Markdown."""
    lines = [
        "| condition | strength | method | accuracy, 95 % | fall in points, 95 % by image | overkill | escape "
        "| unreadable | ECE | entropy | moved | patches on the defect (chance) |",
        "| - | - | - | - | - | - | - | - | - | - | - | - |",
    ]
    for row in found.iter_rows(named=True):
        fall = "-" if row["fall"] is None else _points(row["fall"], row["fall_low"], row["fall_high"])
        patches = "-" if row["hit"] is None or row["hit"] != row["hit"] else f"{row['hit']:.2f} ({row['chance']:.2f})"
        lines.append(
            f"| {row['condition']} | {row['strength']:g} | {row['method']} | {_rate(row)} | {fall} "
            f"| {_number(row['overkill'])} | {_number(row['escape'])} "
            f"| {_number(row['unreadable'])} | {_number(row['ece'])} "
            f"| {_number(row['entropy'])} | {_number(row['moved'])} | {patches} |"
        )
    return "\n".join(lines) + "\n"


def markdown_by(found: pl.DataFrame, column: str) -> str:
    """The rows of `by` as Markdown."""
    lines = [
        f"| {column} | questions | accuracy, 95 % | overkill | escape | unreadable | ECE | entropy |",
        f"| {'- | ' * 8}".rstrip(),
    ]
    for row in found.iter_rows(named=True):
        cells = (_number(row[name]) for name in ("overkill", "escape", "unreadable", "ece", "entropy"))
        lines.append(f"| {row[column]} | {row['n']} | {_rate(row)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rate(row: Mapping[str, float]) -> str:
    return f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row["n"] else "none asked"


def _points(value: float, low: float | None, high: float | None) -> str:
    said, *ends = (intervals.in_points(each, "") for each in (value, low, high) if each is not None)
    return f"{said} [{', '.join(ends)}]" if len(ends) == 2 else said


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
