"""The prompt's parts, what knowledge and references change in them, and how knowledge is made to fit."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model import tiny
from tests.model.conftest import AnyEngine
from workbench.model import backbone, latent, prompt
from workbench.model.backbone import HubBackbone
from workbench.model.method import Method
from workbench.model.prompt import FittedKnowledge, Part, Slot
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose


def _rendered(*parts: Part) -> str:
    return "".join(f"<{piece.value}>" if isinstance(piece, Slot) else piece for part in parts for piece in part)


SYSTEM = "<|im_start|>system\nYou inspect industrial products for defects.<|im_end|>\n<|im_start|>user\n"


def test_the_whole_prompt_reads_as_documented() -> None:
    question = prompt.question_part("What is wrong?", (("A", "Scratch."), ("B", "Dent.")))
    parts = (prompt.product_part(True), prompt.image_part(("First.", "Second. ")), question, prompt.answer_cue())
    assert _rendered(*parts) == (
        f"{SYSTEM}Normal sample:<reference>\n"
        "Test sample:<query>\nKnowledge:\n- First.\n- Second.\n"
        "Question: What is wrong?\nA. Scratch.\nB. Dent.\nAnswer with the option's letter.<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>Answer:"
    )


def test_a_region_is_shown_behind_all_that_questions_share() -> None:
    options = (("A", "Scratch."), ("B", "Dent."))
    alone = prompt.question_part("What is wrong?", options)
    shown = prompt.question_part("What is wrong?", options, with_region=True)
    assert _rendered(shown) == f"Region of the test sample, enlarged:<region>\n{_rendered(alone)}"


def test_zero_shot_leaves_out_the_normal_sample_and_nothing_else() -> None:
    assert _rendered(prompt.product_part(False)) == SYSTEM
    assert _rendered(prompt.product_part(True)) == f"{SYSTEM}Normal sample:<reference>\n"


def test_without_knowledge_there_is_no_knowledge_block() -> None:
    assert _rendered(prompt.image_part(())) == "Test sample:<query>\n"


def test_an_open_question_asks_for_a_sentence() -> None:
    assert "Answer in one sentence." in _rendered(prompt.question_part("What happened?", ()))
    assert "option" not in _rendered(prompt.question_part("What happened?", ()))


def test_knowledge_and_reference_reach_the_tokens_and_only_their_own_part(body: HubBackbone) -> None:
    query, reference = tiny.picture(3), tiny.picture(1)
    full, bare = compose(body, [tiny.case(query, reference)]), compose(body, [tiny.case(query, knowledge=())])
    assert body.text(full.images[0].ids.tolist()).count("Scratches are thin bright lines.") == 1
    assert "Knowledge" not in body.text(bare.images[0].ids.tolist())
    assert full.products[0].image is not None
    assert bare.products[0].image is None
    assert full.questions[0].ids.tolist() == bare.questions[0].ids.tolist()


def test_other_knowledge_gives_other_probabilities(engine: AnyEngine) -> None:
    texts = ((), tiny.KNOWLEDGE, tiny.KNOWLEDGE[::-1], ("A dent is shallow.",))
    cases = [tiny.case(tiny.picture(3), knowledge=knowledge) for knowledge in texts]
    reasoned = latent.reason(engine, cases, Method(iterations=0))
    assert len({round(each.option_probabilities["A"], 4) for each in reasoned}) == len(texts)


def test_parts_are_shared_by_what_they_contain(body: HubBackbone) -> None:
    script = compose(body, tiny.block())
    assert (len(script.products), len(script.images), len(script.questions)) == (3, 5, 11)
    assert len(script.knowledge) == len(script.pictures) == 5
    same_bytes = dataclasses.replace(tiny.block()[0], question="Other?")
    assert len(compose(body, [tiny.block()[0], same_bytes]).images) == 1


SENTENCES = st.lists(
    st.lists(st.sampled_from(["one", "two words", "a 12-mm bore", "x" * 9]), min_size=1, max_size=4).map(
        lambda words: " ".join(words) + "."
    ),
    min_size=1,
    max_size=5,
).map(" ".join)


@given(st.lists(SENTENCES, max_size=5), st.integers(-5, 60))
def test_fitted_knowledge_is_the_best_ranked_that_fits(texts: list[str], budget: int) -> None:
    def count(text: str) -> int:
        return len(text.encode()) // 3 + 2

    fitted = prompt.fit_knowledge(texts, count, budget)
    kept = list(fitted.texts)
    assert sum(map(count, kept)) <= max(budget, 0)
    assert fitted.dropped == len(texts) - len(kept)
    if fitted.cut:
        assert len(kept) == 1
        assert texts[0].startswith(kept[0])
        assert kept[0].endswith(".")
        assert count(texts[0]) > budget
    else:
        assert kept == texts[: len(kept)]
        if fitted.dropped and kept:  # one more would have been too many
            assert sum(map(count, texts[: len(kept) + 1])) > budget


def test_the_lowest_ranked_texts_are_dropped_before_the_best_is_cut_at_a_sentence() -> None:
    texts, count = ("One two. Three four. Five six.", "Second.", "Third."), len
    assert prompt.fit_knowledge(texts, count, 43) == FittedKnowledge(texts, 0, False)
    assert prompt.fit_knowledge(texts, count, 42) == FittedKnowledge(texts[:2], 1, False)
    assert prompt.fit_knowledge(texts, count, 30) == FittedKnowledge(texts[:1], 2, False)
    assert prompt.fit_knowledge(texts, count, 29) == FittedKnowledge(("One two. Three four.",), 2, True)
    assert prompt.fit_knowledge(texts, count, 8) == FittedKnowledge(("One two.",), 2, True)
    assert prompt.fit_knowledge(texts, count, 7) == FittedKnowledge((), 3, False)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_small_context_drops_and_cuts_knowledge_and_says_so(
    family: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = backbone.load(tiny.save(tmp_path_factory.mktemp("small"), family, context=640))
    long = "A dent is 0.25 mm deep and 3.75 mm wide. " + "Its rim is bright, and oil may leak from it. " * 24
    cases = [
        tiny.case(tiny.picture(3), knowledge=knowledge, seed_key=str(i))
        for i, knowledge in enumerate([("Short.", long, "Third."), (long, "Second."), ("Short.",)])
    ]
    dropped, cut, kept = latent.reason(SegmentedEngine(body), cases, Method(iterations=1))
    assert (dropped.knowledge_dropped, dropped.knowledge_cut) == (2, False)
    assert (cut.knowledge_dropped, cut.knowledge_cut) == (1, True)
    assert (kept.knowledge_dropped, kept.knowledge_cut) == (0, False)
    script = compose(body, cases)
    for image in script.images:
        assert len(script.products[0].ids) + len(image.ids) <= 640 - 640 // 8


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_is_beyond_the_context_fails_alone_and_says_what_to_do(
    family: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = backbone.load(tiny.save(tmp_path_factory.mktemp("small"), family, context=150))
    good = tiny.case(tiny.picture(3, 56, 56), knowledge=())
    shown = dataclasses.replace(good, query=tiny.picture(4, 900, 180), reference=tiny.picture(1, 900, 180))
    long = dataclasses.replace(good, question="Is there a defect? " * 40, seed_key="long")
    answered, too_long, too_large = latent.reason(SegmentedEngine(body), [good, long, shown], Method(iterations=1))
    assert answered.status == "answered"
    assert (too_long.status, too_large.status) == ("failed", "failed")
    assert re.search(
        r"the question, don't fit a context of 150; ask a shorter question",
        too_long.error.text if too_long.error else "",
    )
    assert re.search(
        r"don't fit a context of 150; .*set a lower max_image_tokens", too_large.error.text if too_large.error else ""
    )
    assert answered == latent.reason(SegmentedEngine(body), [good], Method(iterations=1))[0]


@pytest.mark.parametrize("token", ["<|im_end|>", "<|image_pad|>", "</think>", "<IMG_CONTEXT>", "<|latent|>"])
def test_control_tokens_in_questions_options_and_knowledge_are_words(token: str) -> None:
    asked = prompt.question_part(f"Defect?{token}", [("A", f"Yes{token}")])
    told = prompt.image_part([f"A crack.{token}"])

    for part in (asked, told):
        written = "".join(piece for piece in part if isinstance(piece, str))
        assert written.count(token) == (1 if part is asked and token == "<|im_end|>" else 0)
        assert token.replace("<", "< ", 1) in written
