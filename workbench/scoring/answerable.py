"""Which questions a comparison with normal pictures can answer, so that a run asks no others.

    what is to be asked, the run's normals and settled cases -> what is asked, and in words what isn't and why

Detection and regions need a picture alone. What the object is needs normal pictures of which an option names the
product; which kind a defect is of needs cases whose kind people settled. As these grow, runs ask more: the plan differs
then, and so does the digest, which holds both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from warehouse.records.questions import Subtask
from workbench import wording
from workbench.archive.questions import Question, QuestionList
from workbench.errors import QuestionsError
from workbench.scoring.compare_evaluator import names
from workbench.scoring.run_resources import RunResources


def by_comparing(
    questions: QuestionList, subtasks: Sequence[Subtask], resources: RunResources
) -> tuple[QuestionList, tuple[str, ...]]:
    """The questions that comparing may answer, and a sentence of those that it can't.

    Args:
        questions: all there is to ask.
        subtasks: as the question set declares them.
        resources: the run's normal pictures and settled cases.

    Raises:
        QuestionsError: it can answer none of them.
    """
    declared = {each.name: each for each in subtasks}
    products = {each.normal.product for each in resources.normals}
    reasons: dict[Question, str | None] = {}
    left_out: dict[str, dict[str, int]] = {}  # why -> subtask -> questions
    kept = []
    for item in questions.items:
        question = item.question
        if question not in reasons:
            reasons[question] = _why_not(question, declared, products, bool(resources.settled))
        why = None if item.claims is not None else reasons[question]
        if why is None:
            kept.append(item)
        else:
            counts = left_out.setdefault(why, {})
            counts[question.subtask] = counts.get(question.subtask, 0) + 1
    said = tuple(f"not asked, as {why}: {_counted(counts)}" for why, counts in left_out.items())
    if questions.items and not kept:
        raise QuestionsError(f"comparing can answer none of the questions; {'; '.join(said)}; give another --model")
    return replace(questions, items=kept), said


def _why_not(
    question: Question, declared: Mapping[str, Subtask], products: Collection[str], has_settled: bool
) -> str | None:
    """Why comparing can answer the question of no picture; None where it may."""
    subtask = declared.get(question.subtask)
    if subtask is not None and (subtask.detects or subtask.kind == "region"):
        return None
    if subtask is None or subtask.kind != "choice" or subtask.about == "defect":
        return "comparing with normal pictures doesn't answer it"
    if not products:
        return "no normal picture is known"
    if subtask.about == "object":
        named = any(names(option.text, product) for option in question.options for product in products)
        return None if named else "no option names a product of the normal pictures"
    return None if has_settled else "nobody settled the kind of a defect yet in a run of a model that is asked for it"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{subtask} ({wording.counted(count, 'question')})" for subtask, count in counts.items())
