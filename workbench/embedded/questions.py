"""Multiple-choice questions about a drawn image, in MMAD's seven subtasks, with distractors that are hard on purpose.

In: the facts of one drawing (`Facets`) and of the world. Out: question, options, index of the right one. Knows no
pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from workbench.embedded.drawn_world import COLORS, CONSEQUENCES, DEFECTS, LOOKS, PRODUCTS, REGIONS, SIZES, TONES, Facts
from workbench.question_sets import MMAD, built_in

Subtask = str  # of MMAD's set, in its order
SUBTASKS: tuple[Subtask, ...] = built_in(MMAD).names
DETECTION, CLASSIFICATION, LOCALIZATION, DESCRIPTION, ANALYSIS, OBJECT_CLASS, OBJECT_ANALYSIS = SUBTASKS
LETTERS = "ABCDEFGHI"

# The last wording of each is held out: never trained on.
WORDINGS: dict[str, tuple[str, ...]] = {
    DETECTION: (
        "Is there any defect in the object?",
        "Does the test sample show an anomaly?",
        "Is the product damaged?",
        "Is anything wrong with this sample?",
    ),
    CLASSIFICATION: (
        "What is the type of the defect?",
        "Which defect does the object have?",
        "What kind of defect is this?",
        "How is this damage called?",
    ),
    LOCALIZATION: (
        "Where is the defect?",
        "In which area of the image is the defect?",
        "What is the location of the defect?",
        "At which place does the damage lie?",
    ),
    DESCRIPTION: (
        "What does the defect look like?",
        "What is the appearance of the defect?",
        "Which description fits the defect?",
        "How does the damage appear?",
    ),
    ANALYSIS: (
        "What does the defect lead to?",
        "What is the effect of the defect?",
        "What can the defect cause?",
        "What may follow from this damage?",
    ),
    OBJECT_CLASS: (
        "Which product is in the image?",
        "What kind of object is shown?",
        "What is the object in the test sample?",
        "Which item do you see?",
    ),
    OBJECT_ANALYSIS: (
        "What is the color of the object?",
        "Which color does the product have?",
        "What color is the test sample?",
        "How is the item colored?",
    ),
    "parts": (
        "How many places for parts does the board have?",
        "What number of parts belongs on the board?",
        "How many parts should the board carry?",
        "What is the count of seats for parts?",
    ),
}


@dataclass(frozen=True, slots=True)
class Facets:
    """What is true of one drawing."""

    product: str
    color: str
    parts: int  # seats for parts on a circuit board, 0 elsewhere
    defect: str | None = None
    size: str | None = None
    adjective: str | None = None  # dark or bright where the defect comes in both, else the defect's own
    region: str | None = None  # where the mask's centre lies


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with its options; `right` indexes the true one."""

    subtask: Subtask
    question: str
    options: tuple[str, ...]
    right: int


def describe(facets: Facets) -> str:
    """Size, adjective and shape of the defect: three words."""
    if facets.defect is None:
        raise ValueError("a sample without a defect has no defect to describe")
    return f"{facets.size} {facets.adjective} {LOOKS[facets.defect].shape}"


def ask(
    rng: np.random.Generator, subtask: Subtask, facets: Facets, facts: Facts, held_out_wording: bool = False
) -> Choice | None:
    """A question of the subtask about the drawing; None when it asks about a defect and there is none."""
    topic: str = subtask
    if subtask == DETECTION:
        options = ["Yes", "No"] if facets.defect else ["No", "Yes"]
    elif subtask == OBJECT_CLASS:
        options = [facets.product, *_others(rng, PRODUCTS, facets.product, 3)]
    elif subtask == OBJECT_ANALYSIS:
        if facets.parts and rng.random() < 0.5:
            topic = "parts"
            options = [str(facets.parts), *_others(rng, "2345", str(facets.parts), 3)]
        else:
            same = _others(rng, PRODUCTS[facets.product].colors, facets.color, 3)
            options = [facets.color, *same, *_others(rng, [c for c in COLORS if c not in same], facets.color, 3)][:4]
    elif facets.defect is None:
        return None
    else:
        options = _defect_options(rng, subtask, facets, facets.defect, facts)
    order = rng.permutation(len(options))
    wordings = WORDINGS[topic]
    question = wordings[-1] if held_out_wording else wordings[rng.integers(len(wordings) - 1)]
    return Choice(subtask, question, tuple(options[i] for i in order), int(np.argmin(order)))


def _defect_options(rng: np.random.Generator, subtask: Subtask, facets: Facets, defect: str, facts: Facts) -> list[str]:
    """The right option first, then its distractors."""
    siblings = _others(rng, PRODUCTS[facets.product].defects, defect, 3)
    if subtask == CLASSIFICATION:
        foreign = _others(rng, [d for d in DEFECTS if d not in PRODUCTS[facets.product].defects], defect, 1)
        return [defect, *siblings[:2], *foreign]
    if subtask == LOCALIZATION:
        assert facets.region is not None
        return [facets.region, *_others(rng, REGIONS, facets.region, 3)]
    if subtask == DESCRIPTION:
        shape = LOOKS[defect].shape
        wrong = [f"{_other(SIZES, facets.size)} {facets.adjective} {shape}"]
        if LOOKS[defect].toned:
            wrong.append(f"{facets.size} {_other(TONES, facets.adjective)} {shape}")
        for sibling in siblings:
            look = LOOKS[sibling]
            wrong.append(f"{facets.size} {TONES[rng.integers(2)] if look.toned else look.adjective} {look.shape}")
        return [describe(facets), *wrong[:3]]
    right = facts[facets.product, defect]
    near = [facts[facets.product, sibling] for sibling in siblings]
    return [right, *near[:2], *_others(rng, [c for c in CONSEQUENCES if c not in near], right, 1)]


def _others(rng: np.random.Generator, pool: Iterable[str], right: str, count: int) -> list[str]:
    names = [name for name in pool if name != right]
    return [names[i] for i in rng.permutation(len(names))[:count]]


def _other(pair: tuple[str, ...], value: str | None) -> str:
    return pair[1] if value == pair[0] else pair[0]
