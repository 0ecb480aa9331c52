"""What calls pictures defective, in one line: which thresholds, which versions, which pictures keep their answers.

    what holds for a run's pictures, by product and camera -> a sentence

It stands wherever alarms follow from saved thresholds instead of from answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.queries.alarm_rules import AlarmRule
from warehouse.records.scoring import Run
from warehouse.records.thresholds import ThresholdInForce
from workbench import wording

NAMED = 3  # thresholds, and products without one
NAMES: dict[AlarmRule, str] = {
    "answers": "as answered",
    "defect probability": "by defect probability",
    "comparison": "by comparison",
    "claim": "by claim",
}
"""The rules for people: what a list to choose from holds."""


@dataclass(frozen=True, slots=True)
class _Saved:
    """A threshold with the pictures that it holds for."""

    where: str
    value: float
    version: int
    pictures: int


def sentence(rule: AlarmRule, in_force: Sequence[ThresholdInForce], run: Run, normals: str | None) -> str:
    """Such as `Called defective by comparison, not by the answers: bottle at or above 0.31 (version 2). 4 of 90 ...`.

    Args:
        rule: what calls pictures defective.
        in_force: what holds for the run's pictures.
        run: whose pictures they are.
        normals: hash of the normals that the run was compared with, as thresholds keep it.

    Returns:
        Empty under the rule `answers`.
    """
    if rule == "answers":
        return ""
    saved = _saved(in_force)
    if not saved:
        return f"No threshold on {rule} holds for this run: pictures are called what their answers say."
    named = [f"{each.where} at or above {each.value:.6g} (version {each.version})" for each in saved[:NAMED]]
    more = f" and {wording.counted(len(saved) - NAMED, 'more threshold')}" if len(saved) > NAMED else ""
    said = f"Called defective {NAMES[rule]}, not by the answers: {'; '.join(named)}{more}."
    return " ".join(filter(None, (said, _kept(in_force), _foreign(rule, in_force, run, normals))))


def _saved(in_force: Sequence[ThresholdInForce]) -> list[_Saved]:
    """The thresholds, those that hold for most pictures first."""
    found: dict[tuple[str, str], _Saved] = {}
    for each in in_force:
        if each.value is None or each.version is None or not each.scored:
            continue
        key = (each.saved_product or "", each.saved_camera or "")
        before = found[key].pictures if key in found else 0
        found[key] = _Saved(_where(*key), each.value, each.version, before + each.scored)
    return sorted(found.values(), key=lambda each: (-each.pictures, each.where))


def _where(product: str, camera: str) -> str:
    named = product.replace("_", " ") or ("all products" if not camera else "")
    return ", ".join(filter(None, (named, f"camera {camera}" if camera else "")))


def _kept(in_force: Sequence[ThresholdInForce]) -> str:
    """How many pictures keep their answers, and why; empty where none does."""
    without = [each for each in in_force if each.version is None]
    back = sum(each.pictures for each in in_force if each.version is not None and each.value is None)
    unscored = sum(each.pictures - each.scored for each in in_force if each.value is not None)
    kept = sum(each.pictures for each in without)
    products = sorted({each.product.replace("_", " ") for each in without})
    few = ", ".join(products[:NAMED]) + (f" and {len(products) - NAMED} more" if len(products) > NAMED else "")
    why = [f"{kept:,} without a threshold ({few})"] if kept else []
    why += [f"{back:,} whose threshold was rolled back"] if back else []
    why += [f"{unscored:,} without a score"] if unscored else []
    total, all_pictures = kept + back + unscored, sum(each.pictures for each in in_force)
    return (
        f"{total:,} of {wording.counted(all_pictures, 'picture')} keep their answers: {', '.join(why)}." if why else ""
    )


def _foreign(rule: AlarmRule, in_force: Sequence[ThresholdInForce], run: Run, normals: str | None) -> str:
    """Whether a threshold was chosen on scores of another kind than the run's; empty where none was."""
    holds = [each for each in in_force if each.value is not None]
    if rule == "comparison":
        other = any(each.saved_normals != normals for each in holds)
        return "It was chosen with other normal pictures than this run was compared with." if other else ""
    own = (run.model, run.evaluator_version)
    other = any(each.saved_model and (each.saved_model, each.saved_evaluator) != own for each in holds)
    return "It was chosen on the answers of another model or version." if other else ""
