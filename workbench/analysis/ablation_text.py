"""An ablation as Markdown: the tables that `workbench ablate` prints and `docs/ablation.md` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from workbench import wording
from workbench.analysis import ablation, compare, right_reason
from workbench.analysis.ablation import Study

DEMO = "Answered by the embedded demo model about drawn images: says nothing about real ones or about MMAD."


def markdown(study: Study) -> str:
    """All tables of an experiment."""
    parts = [f"*{DEMO}*"] if study.demo else []
    arms = ablation.arms(study)
    parts += [
        "Accuracy, all questions:",
        _arms(arms),
        _by(study),
        _evidence(arms),
        _against(ablation.differences(study)),
        "\n\n".join(controls(study)),
    ]
    hard = ablation.hard(study)
    for first in range(2 if hard else 0):
        against = {arm.arm: study.arms[first].arm for arm in study.arms[first + 1 :]}
        table = _against(ablation.differences(study, hard, against))
        if table:
            images = wording.counted(len(hard), "image")
            about = f"the {images} with a tiny or faint defect, questions about the defect"
            parts += [f"Only {about}; each arm against *{study.arms[first].arm}*:", table]
    for family in ("seed", "seed, zoom"):
        rows = _course(study, family)
        if rows:
            parts += [f"Reward over the iterations, {family}:", rows]
    return "\n\n".join(part for part in parts if part) + "\n"


def _arms(table: pl.DataFrame) -> str:
    lines = [
        "| arm | questions | accuracy, 95 % | right reason (chance), % | mean entropy, nats "
        "| lean to one letter | forwards of the loop |",
        "| - | - | - | - | - | - | - |",
    ]
    lines += [
        f"| {row['arm']} | {row['n']} | {_rate(row)} | {right_reason.cell(row) or '-'} "
        f"| {_number(row['entropy'], 3)} | {_number(row['collapse'], 3)} | {row['evaluations']:.1f} |"
        for row in table.iter_rows(named=True)
    ]
    return "\n".join(lines)


def controls(study: Study) -> list[str]:
    """What each arm gains that is shown a picture's own comparison, how much of it another picture's gains too, and
    whether what is left is more than chance.

    What is left is tested by itself, own against control, by sign flips of the images' net gains on the questions asked
    of both. Where all three arms were asked the same the differences add up.
    """
    moved = {row["arm"]: row for row in ablation.differences(study).iter_rows(named=True)}
    tested = ablation.differences(study, against=ablation.controls(study))
    together = f", {tested.height} such pairs of arms corrected together" if tested.height > 1 else ""
    return [
        f"Shown its own comparison: {_moved(study, moved[row['arm']])}. "
        f"Shown another picture's, the control: {_moved(study, moved[row['baseline']])}. "
        f"Its own against another's: {_difference(row)} at {wording.level(row['coverage'])} by image, "
        f"{wording.p_value(row['q'])} by {compare.TEST}{together}. {_OWN[row['word']]}"
        for row in tested.iter_rows(named=True)
        if row["arm"] in moved and row["baseline"] in moved
    ]


_OWN = {
    "better": "So what comparing says of the picture itself brings more than being told anything at all.",
    "not enough evidence": "Not enough evidence that what comparing says of the picture itself brings more than being "
    "told anything at all: no gain of its own is claimed.",
    "worse": "So what comparing says of the picture itself brings less than what it says of another.",
}


def _moved(study: Study, row: Mapping[str, Any]) -> str:
    """What an arm moves against its baseline: points with their interval, and how many answers changed, to what."""
    count = ablation.changed(study, row["arm"], row["baseline"])
    return (
        f"{_difference(row)} against “{row['baseline']}”, {count:,} of {wording.counted(row['n'], 'answer')} changed "
        f"({row['gained']:,} to right, {row['lost']:,} to wrong)"
    )


def _difference(row: Mapping[str, Any]) -> str:
    value, low, high = (wording.points(row[name]) for name in ("difference", "low", "high"))
    return f"{value} points [{low}, {high}]"


def _by(study: Study) -> str:
    """What the arms are right for."""
    by, reasons = right_reason.over_shared_questions(study.shared, study.run_ids)
    return f"Right reason: {right_reason.shared_sentence(by, reasons)}." if by and reasons.height else ""


def _evidence(table: pl.DataFrame) -> str:
    """Which arms were shown what."""
    groups = table.group_by("evidence", maintain_order=True).agg("arm").iter_rows()
    return "\n".join(["Evidence shown:", "", *(f"- {sources}: {', '.join(arms)}" for sources, arms in groups)])


def _against(table: pl.DataFrame) -> str:
    if not table.height:
        return ""
    level = wording.level(table["coverage"][0])
    lines = [
        f"| arm | against | questions | images | points, {level} by image | wrong to right | right to wrong "
        "| p after Holm |",
        "| - | - | - | - | - | - | - | - |",
    ]
    lines += [
        f"| {row['arm']} | {row['baseline']} | {row['n']} | {row['images']} | {_points(row)} | {row['gained']} "
        f"| {row['lost']} | {_number(row['q'], 3)} |"
        for row in table.iter_rows(named=True)
    ]
    return "\n".join(lines)


def _course(study: Study, family: str) -> str:
    """Rise of the reward at some iterations: mean over the arms, and between which values they lie."""
    course = ablation.convergence(study, family).filter(pl.col("level").is_not_null())
    if not course.height:
        return ""
    by = course.group_by("iteration").agg(
        mean=pl.col("rise").mean(), low=pl.col("rise").min(), high=pl.col("rise").max(), arms=pl.len()
    )
    shown = [row for row in by.sort("iteration").iter_rows(named=True) if row["iteration"] in (1, 2, 3, 5, 8, 10)]
    lines = ["| iteration | rise of the mean reward, nats | lowest and highest arm |", "| - | - | - |"]
    lines += [f"| {row['iteration']} | {row['mean']:+.4f} | {row['low']:+.4f} to {row['high']:+.4f} |" for row in shown]
    arms = [arm.arm for arm in study.arms if arm.family == family and arm.level is not None]
    return "\n".join(lines) + _agreement(study, family, arms)


def _agreement(study: Study, family: str, arms: Sequence[str]) -> str:
    spread, alike = ablation.spread(study, family), ablation.unanimous(study, arms)
    if spread is None or alike is None:
        return ""
    low, mean, high = spread
    return (
        f"\n\nOver {len(arms)} seeds accuracy lies between {low:.3f} and {high:.3f}, mean {mean:.3f}; "
        f"{alike:.3f} of the questions are answered alike by all."
    )


def _rate(row: dict[str, object]) -> str:
    return f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row["n"] else "none asked"


def _points(row: dict[str, float]) -> str:
    if not row["differing"]:
        return "none differs"
    if row["low"] is None:
        return wording.points(row["difference"])
    difference, low, high = (wording.points(row[name]) for name in ("difference", "low", "high"))
    return f"{difference} [{low}, {high}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
