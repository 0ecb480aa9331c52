"""The arms of an ablation compared, from stored runs: each arm's accuracy, its difference to its baseline, its course.

Arms and the facts of their runs go in, frames come out. Two arms are compared on the questions both were asked, with
intervals clustered by image (`compare.table`); two intervals side by side are never compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from warehouse.queries.shared import SharedAnswers
from warehouse.records.experiments import Arm, Step
from warehouse.records.questions import Subtask
from workbench.analysis import compare, intervals, right_reason, subtasks

COMPARISON = "normal pictures"  # the family whose arms are the comparison and, after it, its control


@dataclass(frozen=True, slots=True)
class Study:
    """An experiment as it is stored."""

    arms: tuple[Arm, ...]
    facts: Mapping[str, pl.DataFrame]  # by run, see `rollups.ANALYSED`
    evidence: Mapping[str, tuple[str, ...]]  # by run: sources that showed any of its questions something
    evaluations: Mapping[str, float]  # by run: forwards of the loop per question
    steps: tuple[Step, ...]
    hard: Mapping[str, str]  # image_id -> "tiny", "faint" or "tiny faint", where the archive says so
    demo: bool  # answered by the embedded demo model
    subtasks: tuple[Subtask, ...]  # as the runs' question set declares them
    shared: SharedAnswers  # of the arms' runs, in their order

    @property
    def run_ids(self) -> list[str]:
        """The arms' runs, each once."""
        return list(dict.fromkeys(arm.run_id for arm in self.arms))

    def of(self, arm: str) -> pl.DataFrame:
        """The facts of an arm's run."""
        return self.facts[next(each.run_id for each in self.arms if each.arm == arm)]


def arms(study: Study, images: Collection[str] | None = None) -> pl.DataFrame:
    """One row per arm.

    Args:
        images: only questions about a defect on these images; None takes all questions.

    Returns:
        arm, family, level, baseline, evidence (its sources by name), run_id, n, right, accuracy, low and high (95 %,
        clustered), entropy (nats, mean over the best states; null without think tokens), collapse (how much more often
        the most frequent letter was answered than is right, as a share), evaluations (forwards of the loop per
        question), and over the questions measured in all arms the columns of `right_reason.COLUMNS`.
    """
    rows = []
    for arm in study.arms:
        facts = _some(study, arm.run_id, images)
        judged = facts.filter(pl.col("right").is_not_null())
        rate = intervals.rates(judged).row(0, named=True)
        rows.append(
            {
                "arm": arm.arm, "family": arm.family, "level": arm.level, "baseline": arm.baseline,
                "evidence": ", ".join(study.evidence.get(arm.run_id, ())) or "none",
                "run_id": arm.run_id, "n": int(rate["n"]), "right": int(rate["right"]), "accuracy": rate["rate"],
                "low": rate["low"], "high": rate["high"], "entropy": facts["entropy"].mean(),
                "collapse": _collapse(judged), "evaluations": study.evaluations.get(arm.run_id, 0.0),
            }
        )  # fmt: skip
    _, reasons = right_reason.over_shared_questions(study.shared, study.run_ids)
    found = pl.DataFrame(rows, schema=_ARMS)
    return found.join(right_reason.columns(reasons), on="run_id", how="left", maintain_order="left")


_ARMS = {
    "arm": pl.String, "family": pl.String, "level": pl.Float64, "baseline": pl.String, "evidence": pl.String,
    "run_id": pl.String,
    "n": pl.Int64, "right": pl.Int64, "accuracy": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "entropy": pl.Float64, "collapse": pl.Float64, "evaluations": pl.Float64,
}  # fmt: skip


def answers(study: Study) -> pl.DataFrame:
    """Every answer of every arm: arm, and the columns of its facts."""
    return pl.concat(
        [study.of(arm.arm).select(pl.lit(arm.arm).alias("arm"), pl.all()) for arm in study.arms], how="diagonal_relaxed"
    )


def differences(
    study: Study, images: Collection[str] | None = None, against: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """One row per arm that has a baseline: what the arm adds to it.

    Args:
        images: only questions about a defect on these images.
        against: arm -> baseline, instead of those the arms name.

    Returns:
        arm, family, level, baseline and `compare.COLUMNS`; all arms are corrected together (Holm).
    """
    found, compared = [], []
    by_name = {arm.arm: arm for arm in study.arms}
    for arm in study.arms:
        baseline = by_name.get((against or {}).get(arm.arm, "") if against is not None else arm.baseline or "")
        if baseline is None:
            continue
        pairs = compare.pair(_some(study, baseline.run_id, images), _some(study, arm.run_id, images))
        if pairs.frame.height:
            found.append(pairs.frame)
            compared.append((arm.arm, arm.family, arm.level, baseline.arm))
    kinds = {"arm": pl.String, "family": pl.String, "level": pl.Float64, "baseline": pl.String}
    return compare.together(pl.DataFrame(compared, schema=kinds, orient="row"), found)


def controls(study: Study) -> dict[str, str]:
    """Of each arm that is shown a picture's own comparison the arm that is shown another picture's, its control."""
    pairs: dict[str | None, list[str]] = {}
    for arm in study.arms:
        if arm.family == COMPARISON and arm.baseline:
            pairs.setdefault(arm.baseline, []).append(arm.arm)
    return {names[0]: names[1] for names in pairs.values() if len(names) == 2}


def changed(study: Study, arm: str, baseline: str) -> int:
    """How many answers to questions judged in both arms are not the same."""
    pairs = compare.pair(study.of(baseline), study.of(arm)).frame
    return int(pairs.select(pl.col("answer").ne_missing(pl.col("old_answer")).sum()).item())


def convergence(study: Study, family: str) -> pl.DataFrame:
    """The course of the reward over the iterations, per arm of a family, as the change from the start.

    Returns:
        arm, level, iteration, questions, reward and entropy (nats), rise (reward - reward at 0).
    """
    names = {arm.run_id: arm for arm in study.arms if arm.family == family}
    rows = [
        (names[step.run_id].arm, names[step.run_id].level, step.iteration, step.questions, step.reward, step.entropy)
        for step in study.steps
        if step.run_id in names
    ]
    frame = pl.DataFrame(
        rows, schema=("arm", "level", "iteration", "questions", "reward", "entropy"), orient="row",
        infer_schema_length=None,
    )  # fmt: skip
    return frame.with_columns(rise=pl.col("reward") - pl.col("reward").first().over("arm"))


def spread(study: Study, family: str) -> tuple[float, float, float] | None:
    """Lowest, mean and highest accuracy over the numbered arms of a family; None with fewer than two."""
    table = arms(study).filter(pl.col("family") == family, pl.col("level").is_not_null())
    values = table["accuracy"].drop_nulls().to_list()
    return (min(values), sum(values) / len(values), max(values)) if len(values) > 1 else None


def hard(study: Study) -> frozenset[str]:
    """Images whose defect the archive calls tiny or faint."""
    return frozenset(study.hard)


def unanimous(study: Study, arms: Sequence[str]) -> float | None:
    """Share of questions that all these arms answered alike."""
    frames = [
        study.of(arm).select("image_id", "question_id", **{f"answer_{i}": "answer"}) for i, arm in enumerate(arms)
    ]
    if len(frames) < 2:
        return None
    joined = frames[0]
    for frame in frames[1:]:
        joined = joined.join(frame, on=["image_id", "question_id"], how="inner")
    alike = pl.all_horizontal(pl.col("answer_0").eq_missing(pl.col(f"answer_{i}")) for i in range(1, len(frames)))
    return float(joined.select(alike.mean()).item()) if joined.height else None


def _some(study: Study, run_id: str, images: Collection[str] | None) -> pl.DataFrame:
    """All facts of a run, or those of questions about a defect on some images."""
    facts = study.facts[run_id]
    if images is None:
        return facts
    about_the_object = subtasks.about_the_object(study.subtasks)
    return facts.filter(pl.col("image_id").is_in(list(images)), ~pl.col("subtask").is_in(about_the_object))


def _collapse(judged: pl.DataFrame) -> float | None:
    """How far the answers lean to one letter: its share among the answers less its share among the right ones."""
    four = judged.filter(pl.col("choices") > 2, pl.col("answer").is_not_null())
    if not four.height:
        return None
    said = four["answer"].value_counts(normalize=True, sort=True, name="share").row(0, named=True)
    return float(said["share"]) - float((four["correct_answer"] == said["answer"]).mean())
