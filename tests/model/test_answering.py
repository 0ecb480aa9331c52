"""The answer comes from the very state whose reward was best, and "before" from the state it started in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.model import plain, probes, tiny
from tests.model.conftest import AnyEngine
from workbench.model import answer, latent, option_reader, prompt, reward
from workbench.model.backbone import HubBackbone
from workbench.model.case import Case
from workbench.model.engine import Rows
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose

CASE = tiny.case(tiny.picture(4, 168, 110), tiny.picture(1, 90, 90))
METHOD = Method(iterations=3)


@pytest.fixture
def holding(body: HubBackbone) -> Case:
    """A case whose best state holds patches."""
    cases = [tiny.case(tiny.picture(seed, 168, 110), tiny.picture(1, 90, 90)) for seed in range(4, 16)]
    reasoned = latent.reason(SegmentedEngine(body), cases, METHOD)
    return next(case for case, each in zip(cases, reasoned, strict=True) if each.accepted_features)


def _stub(body: HubBackbone) -> Tensor:
    return body.tokenize(prompt.answer_cue(), {})


def _letters(body: HubBackbone, logits: Tensor, case: Case) -> dict[str, float]:
    """Shares of the options' letters, alone and after a blank, in a next-token distribution (V,)."""
    log_p = torch.log_softmax(logits, -1)
    tokens = answer.letter_tokens(body, case.letters)
    return answer.probabilities(case.letters, torch.stack([log_p[ids].logsumexp(0) for ids in tokens]))


@pytest.mark.parametrize("options", [tiny.YES_NO, tiny.FOUR])
def test_without_think_tokens_the_answer_is_the_plain_models(
    body: HubBackbone, engine: AnyEngine, options: tuple[tuple[str, str], ...]
) -> None:
    case = dataclasses.replace(CASE, options=options)
    (reasoned,) = latent.reason(engine, [case], Method(think_tokens=0))
    expected = _letters(body, plain.logits(body, case, _stub(body))[-1], case)
    assert reasoned.option_probabilities == pytest.approx(expected, abs=1e-5)
    assert reasoned.initial_option_probabilities == pytest.approx(expected, abs=1e-5)
    assert reasoned.answer == max(expected, key=lambda letter: expected[letter])
    assert (reasoned.iterations, reasoned.best_iteration, reasoned.patches) == ((), None, ())


def test_before_is_the_start_state_without_patches(body: HubBackbone, engine: AnyEngine) -> None:
    (reasoned,) = latent.reason(engine, [CASE], METHOD)
    reserved = torch.full((4,), body.token_id("<|fim_pad|>") or 0)
    # The start state is a token the plain model knows, repeated.
    expected = _letters(body, plain.logits(body, CASE, torch.cat([reserved, _stub(body)]))[-1], CASE)
    assert reasoned.initial_option_probabilities == pytest.approx(expected, abs=1e-5)
    (unmoved,) = latent.reason(engine, [CASE], dataclasses.replace(METHOD, iterations=0))
    assert unmoved.option_probabilities == pytest.approx(reasoned.initial_option_probabilities, abs=1e-5)
    assert unmoved.best_iteration == 0
    assert len(unmoved.iterations) == 1


def test_the_decoded_state_is_the_one_whose_reward_was_best(
    body: HubBackbone, engine: AnyEngine, holding: Case
) -> None:
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [holding], METHOD)
    rewards = [each.reward for each in reasoned.iterations]
    assert reasoned.best_iteration == rewards.index(max(rewards))
    decoded = noting.asked[-1].rows.embeddings[1]
    state = decoded[: -len(_stub(body))]
    injected = len(state) - 4
    assert injected == len(reasoned.accepted_features)
    prefix = probes.read(engine, [holding])
    rows = Rows(torch.tensor([0]), (state,), torch.arange(injected, injected + 4)[None])
    with torch.no_grad():
        again = engine.evaluate(prefix, rows, reward.entropy).values[0]
    assert float(reward.reward(again)) == pytest.approx(max(rewards), abs=1e-5)
    assert again.tolist() == pytest.approx(reasoned.iterations[reasoned.best_iteration].token_entropy, abs=1e-5)
    for vector, feature in zip(state[:injected], reasoned.accepted_features, strict=True):
        assert vector.tolist() == pytest.approx(feature.vector)


def test_the_held_patches_are_read_by_the_answer(body: HubBackbone, engine: AnyEngine, holding: Case) -> None:
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [holding], METHOD)
    decoded = noting.asked[-1].rows.embeddings[1]
    injected = len(reasoned.accepted_features)
    assert injected > 0
    blank = decoded.clone()
    blank[:injected] = 0
    prefix = probes.read(engine, [holding])
    at = torch.tensor([[len(decoded) - 1]])
    with torch.no_grad():
        seen, unseen = (
            engine.evaluate(prefix, Rows(torch.tensor([0]), (row,), at), probes.identity).values
            for row in (decoded, blank)
        )
    assert float((seen - unseen).abs().max()) > 1e-2
    assert reasoned.option_probabilities == pytest.approx(_letters(body, seen[0, 0], holding), abs=1e-5)


def test_every_iteration_is_recorded_with_the_entropy_of_each_think_token(engine: AnyEngine) -> None:
    (reasoned,) = latent.reason(engine, [CASE], Method(iterations=4, think_tokens=3))
    assert len(reasoned.iterations) == 5
    for each in reasoned.iterations:
        assert len(each.token_entropy) == 3
        assert each.entropy == pytest.approx(sum(each.token_entropy) / 3, abs=1e-5)
        assert each.reward == pytest.approx(1 - each.entropy)
    assert sum(reasoned.option_probabilities.values()) == pytest.approx(1)


def _greedy(body: HubBackbone, case: Case, start: Tensor, count: int) -> list[int]:
    """The likeliest continuation by the plain model, reading the whole sequence for every token."""
    ids = start
    for _ in range(count):
        ids = torch.cat([ids, plain.logits(body, case, ids)[-1].argmax()[None]])
    return [int(token) for token in ids[len(start) :]]


def test_generated_text_is_the_plain_models_greedy_text(body: HubBackbone, engine: AnyEngine) -> None:
    (reasoned,) = latent.reason(engine, [CASE], Method(think_tokens=0, answer="generate", max_new_tokens=5))
    written = _greedy(body, CASE, _stub(body), 5)
    assert reasoned.raw_text == body.text(written).strip()
    assert reasoned.answer == option_reader.read(reasoned.raw_text, CASE.options)
    assert reasoned.option_probabilities  # compared all the same


def test_writing_stops_at_an_end_token_and_goes_on_for_the_others(body: HubBackbone, engine: AnyEngine) -> None:
    other = tiny.case(tiny.picture(5, 60, 140), seed_key="other")
    ending, going_on = (_greedy(body, case, _stub(body), 4) for case in (CASE, other))
    end = next(token for token in ending[1:] if token not in (ending[0], *going_on))
    method = Method(think_tokens=0, answer="generate", max_new_tokens=4)
    with probes.instead(body, "end_ids", lambda: frozenset([end])):
        first, second = latent.reason(engine, [CASE, other], method)
    assert first.raw_text == body.text(ending[: ending.index(end)]).strip()
    assert second.raw_text == body.text(going_on).strip()


def test_a_rationale_is_written_behind_the_best_state_and_its_answer(body: HubBackbone, engine: AnyEngine) -> None:
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [CASE], dataclasses.replace(METHOD, rationale=True, max_new_tokens=2))
    answered, first, _ = noting.asked[-3:]
    said = body.embed(body.tokenize((f" {reasoned.answer}", *prompt.rationale_part()), {}), [])
    best = answered.rows.embeddings[1]
    assert torch.equal(first.rows.embeddings[0], torch.cat([best, said]))
    written = [int(asked.values[0, 0]) for asked in noting.asked[-2:]]
    assert reasoned.rationale == body.text(written).strip()
    assert reasoned.raw_text is None


def test_an_open_question_is_answered_in_words(engine: AnyEngine) -> None:
    case = dataclasses.replace(CASE, options=())
    (reasoned,) = latent.reason(engine, [case], Method(iterations=1, max_new_tokens=4))
    assert reasoned.raw_text
    assert (reasoned.status, reasoned.answer) == ("answered", reasoned.raw_text)
    assert reasoned.option_probabilities == {}
    assert reasoned.initial_option_probabilities == {}


def test_what_is_declared_of_a_case_and_its_difference_from_normal_pictures_change_no_token(body: HubBackbone) -> None:
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    declared = dataclasses.replace(CASE, subtask="Anomaly Detection", claims=("defective", "good"), difference=field)
    scripts = [compose(body, [case]) for case in (CASE, declared)]
    told, expected = (
        [part.ids.tolist() for part in (*script.products, *script.images, *script.questions)] for script in scripts
    )
    assert told == expected


def test_the_model_is_told_neither_label_nor_mask_nor_folder() -> None:
    assert {field.name for field in dataclasses.fields(Case)} == {
        "seed_key",  # seeds the noise; part of no prompt
        "query",
        "reference",
        "knowledge",
        "question",
        "options",
        "subtask",  # as is the next, for what answers without reading; part of no prompt, see above
        "claims",
        "difference",  # proposes patches of the query; part of no prompt, see above
        "region",  # a part of the query's own pixels
    }
