"""What training episodes are made of: the texts in the prompt, the questions asked, what is said in words.

In: the facts of one image and a random generator. Out: pairs of (product, entry), choices, sentences. Knows no tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.embedded import drawn_world, questions
from workbench.embedded.questions import SUBTASKS, Choice, Facets, Subtask

Mode = Literal["retrieved", "product", "none", "wrong"]

ADJECTIVES = (*drawn_world.TONES, *(look.adjective for look in drawn_world.LOOKS.values() if not look.toned))
PROTOCOL = ("Is there any defect in the object?", "What is the type of the defect?", "Where is the defect?")
OPEN_QUESTION = "What does the defect look like?"
NO_DEFECT, OTHER_DEFECT = "No defect", "Another defect"


@dataclass(frozen=True, slots=True)
class Mix:
    """What episodes are made of; the defaults are the training mixture."""

    mode: Mode | None = None  # None draws one
    reference: bool = True
    latents: int = 4
    subtasks: tuple[Subtask, ...] | None = None  # None draws four
    injected_share: float = 0.35  # of questions that have injected patches
    bottleneck: float = 0.0  # share of questions whose answer may read the think block only
    protocol: bool = False  # questions as the inspection protocol asks them
    words: bool = False  # an open question and a reason in words
    released: bool = False  # the released facts and wording instead of drawn ones
    held_out_wordings: bool = False


_MODES: tuple[Mode, ...] = ("retrieved", "product", "none", "wrong")
_MODE_SHARES = (0.52, 0.16, 0.23, 0.09)


def draw_mode(rng: np.random.Generator) -> Mode:
    """Which knowledge an episode has; more often none than ever in use, or answers without it suffer."""
    return _MODES[rng.choice(len(_MODES), p=_MODE_SHARES)]


def entries(rng: np.random.Generator, facets: Facets, mode: Mode, count: int = 3) -> list[tuple[str, str]]:
    """The (product, entry) pairs whose texts stand in the prompt, in random order so that rank gives nothing away.

    `retrieved` imitates the dual encoder: mostly the product's own entries with the true one among them, now and
    then another product's, preferably for the same defect. A good image gets the same treatment around a defect it
    doesn't have.
    """
    own = facets.product
    if mode == "none":
        return []
    if mode in ("product", "wrong"):
        others = [name for name in drawn_world.PRODUCTS if name != own]
        product = own if mode == "product" else others[rng.integers(len(others))]
        names: list[str] = ["good", *drawn_world.PRODUCTS[product].defects]
        keep = count if mode == "wrong" and rng.random() < 0.5 else len(names)
        return [(product, names[i]) for i in rng.permutation(len(names))[:keep]]
    defects = drawn_world.PRODUCTS[own].defects
    centre = facets.defect or defects[rng.integers(len(defects))]
    chosen = [(own, centre)] if rng.random() < 0.88 else []
    siblings = [(own, name) for name in ("good", *defects) if name != centre]
    alike = [entry for entry in drawn_world.ENTRIES if entry[1] == centre and entry[0] != own]
    while len(chosen) < count:
        draw = rng.random()
        pool = siblings if draw < 0.75 else alike if draw < 0.87 and alike else drawn_world.ENTRIES
        entry = pool[rng.integers(len(pool))]
        if entry not in chosen and (entry != (own, centre)):
            chosen.append(entry)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def sentence(facets: Facets, about_defect: bool) -> str:
    """What the model should say of an image in words."""
    if not about_defect:
        return f" the sample is a {facets.color} {facets.product}."
    if facets.defect is None:
        return " no defect is visible."
    return f" a {questions.describe(facets)}, the {facets.defect}, at the {facets.region}."


def wording(rng: np.random.Generator, entry: str, mix: Mix) -> str | None:
    """A wording of a knowledge text: mostly the released one, which None stands for."""
    if entry == "good":
        return None if mix.released else drawn_world.GOOD_WORDINGS[rng.integers(len(drawn_world.GOOD_WORDINGS))]
    if mix.held_out_wordings:
        return drawn_world.HELD_OUT_WORDINGS[rng.integers(len(drawn_world.HELD_OUT_WORDINGS))]
    return None if mix.released or rng.random() < 0.5 else drawn_world.WORDINGS[rng.integers(len(drawn_world.WORDINGS))]


_WEIGHTS: dict[Subtask, float] = {
    "Anomaly Detection": 0.6,
    "Defect Classification": 0.9,
    "Defect Localization": 1.1,
    "Defect Description": 1.2,
    "Defect Analysis": 1.2,
    "Object Classification": 0.2,
    "Object Analysis": 0.4,
}


def draw_subtasks(rng: np.random.Generator, facets: Facets, count: int = 4) -> list[Subtask]:
    """Four subtasks; of a good image only what can be asked about it, so that no block stays empty."""
    if facets.defect is None:
        last: Subtask = "Object Classification" if rng.random() < 0.4 else "Object Analysis"
        return ["Anomaly Detection", "Anomaly Detection", "Object Analysis", last]
    weights = np.array([_WEIGHTS[subtask] for subtask in SUBTASKS])
    chosen = rng.choice(len(SUBTASKS), size=count, replace=False, p=weights / weights.sum())
    return [SUBTASKS[i] for i in chosen]


def protocol(rng: np.random.Generator, facets: Facets) -> list[Choice]:
    """The inspection protocol's three questions with options; a good image has no place to ask for."""
    names = sorted(drawn_world.PRODUCTS[facets.product].defects)
    if rng.random() < 0.5:  # the product's knowledge may not list the defect
        names = [name for name in names if name != facets.defect or rng.random() < 0.8]
    which = [*(name.capitalize() for name in names), NO_DEFECT, OTHER_DEFECT]
    if facets.defect is None:
        right = which.index(NO_DEFECT)
    else:
        right = names.index(facets.defect) if facets.defect in names else which.index(OTHER_DEFECT)
    asked = [
        Choice("Anomaly Detection", PROTOCOL[0], ("Yes", "No"), int(facets.defect is None)),
        Choice("Defect Classification", PROTOCOL[1], tuple(which), right),
    ]
    if facets.region is not None:
        places = tuple(region.capitalize() for region in drawn_world.REGIONS)
        asked.append(Choice("Defect Localization", PROTOCOL[2], places, drawn_world.REGIONS.index(facets.region)))
    return asked


def named(option: str) -> tuple[int, int, int]:
    """The region, or size and adjective, that an option names; -1 where it names none."""
    lowered = option.lower()
    if lowered in drawn_world.REGIONS:
        return drawn_world.REGIONS.index(lowered), -1, -1
    words = lowered.split()
    if len(words) == 3 and words[0] in drawn_world.SIZES:
        return -1, drawn_world.SIZES.index(words[0]), ADJECTIVES.index(words[1])
    return -1, -1, -1


def classes_of(facets: Facets) -> tuple[int, int, int]:
    """The image's region, size and adjective; -1 where there is no defect."""
    if facets.region is None or facets.size is None or facets.adjective is None:
        return -1, -1, -1
    return (
        drawn_world.REGIONS.index(facets.region),
        drawn_world.SIZES.index(facets.size),
        ADJECTIVES.index(facets.adjective),
    )
