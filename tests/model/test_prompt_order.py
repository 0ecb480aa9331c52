"""MMAD's order of the prompt: what it reads like, what is shared in it, and that both engines agree on it."""

from __future__ import annotations

from dataclasses import replace

from tests.model import tiny
from tests.model.agreement import agreement
from tests.model.conftest import AnyEngine
from workbench.model import latent, prompt
from workbench.model.backbone import HubBackbone
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.prompt import Part, Slot
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose

MMAD = Method(iterations=2, prompt="mmad")


def _rendered(*parts: Part) -> str:
    return "".join(f"<{piece.value}>" if isinstance(piece, Slot) else piece for part in parts for piece in part)


def test_instruction_and_knowledge_come_first_in_one_user_message_and_the_question_last() -> None:
    parts = (
        prompt.product_part(True, "mmad", ("First.", "Second. ")),
        prompt.image_part(("First.", "Second. "), "mmad"),
        prompt.question_part("What is wrong?", (("A", "Scratch."), ("B", "Dent.")), "mmad"),
        prompt.answer_cue(),
    )
    assert _rendered(*parts) == (
        "<|im_start|>user\nYou inspect industrial products for defects. "
        "Judge whether the product in the query picture has a defect, and answer the question about it.\n"
        "Answer with the option's letter.\n"
        "Knowledge:\n- First.\n- Second.\n"
        "This picture shows a normal sample, to compare with:<reference>\n"
        "This is the query picture:<query>\n"
        "Question: What is wrong?\nA. Scratch.\nB. Dent.\n<|im_end|>\n<|im_start|>assistant\n<think></think>Answer:"
    )


def test_zero_shot_leaves_out_the_reference_and_no_texts_the_knowledge() -> None:
    bare = _rendered(prompt.product_part(False, "mmad"), prompt.image_part((), "mmad"))
    assert "Knowledge" not in bare
    assert "normal sample" not in bare


def test_images_share_what_stands_before_them_if_reference_and_knowledge_are_the_same(body: HubBackbone) -> None:
    reference, other = tiny.picture(1), ("A dent is shallow.",)
    cases = [
        tiny.case(tiny.picture(3), reference),
        tiny.case(tiny.picture(4), reference, other),
        tiny.case(tiny.picture(5), reference),
    ]
    script = compose(body, cases, order="mmad")
    assert script.product_of_image.tolist() == [0, 0, 1]  # images of one product are neighbours
    assert script.image_of_question.tolist() == [0, 2, 1]
    assert "A dent is shallow." in body.text(script.products[1].ids.tolist())
    assert len(compose(body, cases).products) == 1


def test_both_engines_agree_in_mmad_s_order(body: HubBackbone) -> None:
    cases = tiny.block()
    found = agreement(latent.reason(SegmentedEngine(body), cases, MMAD), latent.reason(NaiveEngine(body), cases, MMAD))
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4


def test_what_is_kept_of_a_reference_is_never_taken_for_one_with_other_knowledge(engine: AnyEngine) -> None:
    case = tiny.case(tiny.picture(3), tiny.picture(1))
    others = [replace(case, knowledge=knowledge) for knowledge in ((), ("A dent is shallow.",))]
    seen = [latent.reason(engine, [each], MMAD)[0].option_probabilities["A"] for each in (case, *others, case)]
    assert len({round(each, 5) for each in seen[:3]}) == 3
    assert abs(seen[3] - seen[0]) < 1e-5


def test_the_order_changes_answers(engine: AnyEngine) -> None:
    (ours,), (theirs,) = (
        latent.reason(engine, [tiny.case(tiny.picture(3), tiny.picture(1))], replace(MMAD, prompt=order))
        for order in ("segments", "mmad")
    )
    assert ours.option_probabilities != theirs.option_probabilities
