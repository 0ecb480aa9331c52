"""The questions: right by the world's own facts, with options that differ, and knowledge that is needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import mmad
from workbench.embedded import drawn_world, questions
from workbench.embedded.questions import SUBTASKS, Choice, Facets


@st.composite
def facets(draw: st.DrawFn, defective: bool | None = None) -> Facets:
    product = drawn_world.PRODUCTS[draw(st.sampled_from(sorted(drawn_world.PRODUCTS)))]
    color = draw(st.sampled_from(sorted(product.colors)))
    parts = draw(st.integers(2, 4)) if product.name == "circuit board" else 0
    if not (draw(st.booleans()) if defective is None else defective):
        return Facets(product.name, color, parts)
    defect = draw(st.sampled_from(product.defects))
    look = drawn_world.LOOKS[defect]
    adjective = draw(st.sampled_from(drawn_world.TONES)) if look.toned else look.adjective
    size, region = draw(st.sampled_from(drawn_world.SIZES)), draw(st.sampled_from(drawn_world.REGIONS))
    return Facets(product.name, color, parts, defect, size, adjective, region)


def _ask(seed: int, subtask: questions.Subtask, image: Facets) -> Choice | None:
    rng = np.random.default_rng(seed)
    return questions.ask(rng, subtask, image, drawn_world.draw_facts(np.random.default_rng(seed + 1)))


@given(st.integers(0, 10**6), facets(), st.sampled_from(SUBTASKS))
def test_the_right_option_is_right_and_all_options_differ(seed: int, image: Facets, subtask: questions.Subtask) -> None:
    choice = _ask(seed, subtask, image)
    if choice is None:
        assert image.defect is None
        assert subtask.startswith("Defect")
        return
    assert len(set(choice.options)) == len(choice.options) >= 2
    facts = drawn_world.draw_facts(np.random.default_rng(seed + 1))
    truths = {
        "Anomaly Detection": "Yes" if image.defect else "No",
        "Defect Classification": image.defect,
        "Defect Localization": image.region,
        "Defect Description": f"{image.size} {image.adjective} {drawn_world.LOOKS[image.defect].shape}"
        if image.defect
        else "",
        "Defect Analysis": facts.get((image.product, image.defect or "")),
        "Object Classification": image.product,
        "Object Analysis": str(image.parts) if choice.options[0].isdigit() else image.color,
    }
    assert choice.options[choice.right] == truths[subtask]


@given(st.integers(0, 10**6), facets(defective=True))
def test_what_a_defect_leads_to_differs_from_episode_to_episode(seed: int, image: Facets) -> None:
    assert image.defect is not None
    drawn = {drawn_world.draw_facts(np.random.default_rng(seed + i))[image.product, image.defect] for i in range(40)}
    assert len(drawn) > 5


@given(st.integers(0, 10**6), facets(defective=True))
def test_distractors_of_analysis_are_consequences_of_the_same_products_other_defects(seed: int, image: Facets) -> None:
    choice = _ask(seed, "Defect Analysis", image)
    assert choice is not None
    facts = drawn_world.draw_facts(np.random.default_rng(seed + 1))
    siblings = {facts[image.product, d] for d in drawn_world.PRODUCTS[image.product].defects if d != image.defect}
    assert len(siblings & set(choice.options)) == 2


@pytest.mark.parametrize("wording", [*drawn_world.WORDINGS, *drawn_world.HELD_OUT_WORDINGS])
def test_a_knowledge_text_names_product_defect_look_and_consequence(wording: str) -> None:
    for product, defect in drawn_world.ENTRIES:
        text = drawn_world.knowledge_text(product, defect, wording=wording)
        look = drawn_world.LOOKS[defect]
        consequence = drawn_world.RELEASED_FACTS[product, defect]
        assert all(word in text for word in (product, defect, look.shape, look.adjective, consequence)), text


def test_the_last_wording_of_a_question_is_kept_out_of_training() -> None:
    image = Facets("hex nut", "brass", 0)
    rng = np.random.default_rng(0)
    facts = drawn_world.RELEASED_FACTS
    trained = [questions.ask(rng, "Anomaly Detection", image, facts) for _ in range(60)]
    held_out = questions.ask(rng, "Anomaly Detection", image, facts, held_out_wording=True)
    assert held_out is not None
    assert held_out.question not in {choice.question for choice in trained if choice}


def test_names_end_in_a_word_of_their_own() -> None:
    for names in (
        drawn_world.PRODUCTS,
        drawn_world.DEFECTS,
        drawn_world.CONSEQUENCES,
        [look.shape for look in drawn_world.LOOKS.values()],
    ):
        ends = [name.split()[-1] for name in names]
        assert len(set(ends)) == len(ends)


def test_the_subtasks_are_those_that_are_stored_in_their_order() -> None:
    assert SUBTASKS == mmad.SUBTASKS  # named twice, because a type checker can't make one of the other
