"""What is fed to the model, counted by hooks on its modules, is what the engine says and what the tree says."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model import probes, tiny
from tests.model.agreement import agreement
from tests.model.conftest import AnyEngine
from workbench.model import latent, prompt
from workbench.model.backbone import Backbone, HubBackbone
from workbench.model.case import Case, Reasoned
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import PATCH_SETS, SegmentedEngine
from workbench.model.token_parts import Script, compose

METHOD = Method(iterations=3)


def _rows(reasoned: Reasoned, method: Method, cue: int, shared: bool) -> list[int]:
    """Lengths of all rows one question needs, from what was recorded about it.

    Shared, patches are read once: when they are tested, unless the set begins with one of the last few.
    """
    m = method.think_tokens
    rows = [m]  # the start state
    injected: tuple[tuple[int, int], ...] = ()
    known: list[tuple[tuple[int, int], ...]] = []  # the last used at the end

    def unread(patches: tuple[tuple[int, int], ...]) -> int:
        found = max((each for each in known if each == patches[: len(each)]), key=len, default=())
        if not shared or not found:
            return len(patches)
        known.append(known.pop(known.index(found)))
        return len(patches) - len(found)

    for n in range(1, len(reasoned.iterations)):
        rows += [m + unread(injected) for _ in range(method.samples)]
        proposed = [patch for patch in reasoned.patches if patch.iteration == n]
        if proposed:
            tested = (*injected, *((patch.row, patch.col) for patch in proposed))
            rows.append(m + unread(tested))
            known = [*known, tested][-PATCH_SETS:]
            injected = tested if proposed[0].accepted else injected
    return [*rows, m + cue, m + cue + unread(injected)]  # letters, before and after


def _parts(script: Script) -> int:
    return sum(len(part.ids) for part in (*script.products, *script.images, *script.questions))


def _expected(body: Backbone, cases: list[Case], reasoned: list[Reasoned], method: Method) -> int:
    """Tokens a fast engine that has read nothing yet must feed: every part once, then the rows alone."""
    cue = len(body.tokenize(prompt.answer_cue(), {}))
    return _parts(compose(body, cases)) + sum(sum(_rows(each, method, cue, shared=True)) for each in reasoned)


def test_tokens_fed_to_the_decoder_are_those_the_arithmetic_says(body: HubBackbone, engine: AnyEngine) -> None:
    cases = tiny.block()
    with probes.watching(body) as seen:
        reasoned = latent.reason(engine, cases, METHOD)
    script = compose(body, cases)
    if isinstance(engine, NaiveEngine):  # the whole prefix with every row
        cue, expected = len(body.tokenize(prompt.answer_cue(), {})), 0
        for i, each in enumerate(reasoned):
            image = int(script.image_of_question[i])
            mine = (script.products[int(script.product_of_image[image])], script.images[image], script.questions[i])
            prefix = sum(len(part.ids) for part in mine)
            expected += sum(length + prefix for length in _rows(each, METHOD, cue, shared=False))
    else:
        expected = _expected(body, cases, reasoned, METHOD)
        assert [len(script.products), len(script.images), len(script.questions)] == [3, 5, 11]
        assert any(patch.accepted for each in reasoned for patch in each.patches)
    assert engine.work.decoder_tokens == expected
    assert sum(call.tokens for call in seen.decoder) == expected
    assert sum(call.embeddings.shape[0] * call.embeddings.shape[1] for call in seen.decoder) == expected  # no padding


@pytest.mark.parametrize("questions", range(1, 13))
def test_one_to_twelve_questions_share_their_picture_and_the_next_picture_its_reference(
    bodies: dict[str, HubBackbone], questions: int
) -> None:
    body = bodies["qwen2_5_vl"]
    method, reference = Method(iterations=1, samples=2), tiny.picture(1, 90, 90)

    def asked(seed: int) -> list[Case]:
        query = tiny.picture(seed, 112, 84)
        texts = [f"{'Is there any defect? ' * (1 + n % 3)}{n}" for n in range(questions)]
        return [tiny.case(query, reference, question=text, seed_key=str(n)) for n, text in enumerate(texts)]

    engine = SegmentedEngine(body)
    with probes.watching(body) as first:
        reasoned = latent.reason(engine, asked(3), method)
    assert sum(call.tokens for call in first.decoder) == _expected(body, asked(3), reasoned, method)
    assert first.vision == [1, 1]  # the reference by itself, and the query
    with probes.watching(body) as second:
        reasoned = latent.reason(engine, asked(4), method)
    expected = _expected(body, asked(4), reasoned, method)
    paid_before = len(compose(body, asked(4)).products[0].ids)
    assert sum(call.tokens for call in second.decoder) == expected - paid_before
    assert second.vision == [1]
    assert engine.work.decoder_tokens == sum(call.tokens for call in (*first.decoder, *second.decoder))


def test_the_vision_tower_sees_each_picture_once(body: HubBackbone, engine: AnyEngine) -> None:
    with probes.watching(body) as seen:
        latent.reason(engine, tiny.block(), Method(iterations=2))
    shared = isinstance(engine, SegmentedEngine)
    # Four query pictures in one call and two references; the fast engine reads each new reference by itself.
    assert seen.vision == ([1, 1, 4] if shared else [6])
    assert (engine.work.vision_calls, engine.work.images) == (len(seen.vision), 6)


def test_features_of_a_picture_seen_before_are_remembered(body: HubBackbone) -> None:
    engine, case = SegmentedEngine(body), tiny.case(tiny.picture(3))
    first = latent.reason(engine, [case], METHOD)
    other = tiny.case(tiny.picture(4), seed_key="other")
    with probes.watching(body) as seen:
        again, _ = latent.reason(engine, [case, other], METHOD)
    assert seen.vision == [1]
    agreement([again], first)


def test_zoomed_patches_are_encoded_once_and_a_pictures_together(body: HubBackbone, engine: AnyEngine) -> None:
    picture, method = tiny.picture(3), Method(iterations=2, injection="zoom")
    cases = [tiny.case(picture, seed_key=str(n)) for n in range(3)]
    with probes.watching(body) as seen:
        reasoned = latent.reason(engine, cases, method)
    zoomed = {(patch.row, patch.col) for each in reasoned for patch in each.patches}
    assert sum(seen.vision) == 1 + len(zoomed)
    assert len(seen.vision) <= 1 + method.iterations  # one call for all three questions' patches of an iteration
    assert (engine.work.vision_calls, engine.work.images) == (len(seen.vision), sum(seen.vision))


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kib=st.integers(1, 900))
def test_any_memory_gives_the_same_answers_in_waves_that_fit(bodies: dict[str, HubBackbone], kib: int) -> None:
    body, cases, method = bodies["qwen2_5_vl"], tiny.block(), Method(iterations=1)
    whole, tight = SegmentedEngine(body), SegmentedEngine(body, memory=kib * 1024)
    script = compose(body, cases, behind=30)
    batches = tight.batches(script)
    asked = [case for batch in batches for case in batch.cases]
    assert sorted(asked) == list(range(len(cases)))
    token = 2 * 3 * 2 * 16 * 4  # keys and values, layers, key heads, head size, bytes
    for batch in batches:
        assert len(batch.cases) == 1 or token * (_parts(batch) + 30 * len(batch.cases)) <= kib * 1024
    found = agreement(latent.reason(tight, cases, method), latent.reason(whole, cases, method))
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4


def test_work_goes_by_reference_so_that_a_small_memory_reads_each_once(bodies: dict[str, HubBackbone]) -> None:
    body = bodies["qwen2_5_vl"]
    references = [tiny.picture(1, 90, 90), tiny.picture(2, 70, 120)]
    cases = [tiny.case(tiny.picture(10 + n), references[n % 2], seed_key=str(n)) for n in range(6)]
    engine = SegmentedEngine(body, memory=200 * 1024)
    assert len(engine.batches(compose(body, cases))) > 2
    with probes.watching(body) as seen:
        reasoned = latent.reason(engine, cases, METHOD)
    assert sum(seen.vision) == 6 + 2
    assert sum(call.tokens for call in seen.decoder) == _expected(body, cases, reasoned, METHOD)


def test_halving_ends_and_forgets(bodies: dict[str, HubBackbone]) -> None:
    engine = SegmentedEngine(bodies["qwen2_5_vl"], memory=5 * 2**20)
    case = tiny.case(tiny.picture(3), tiny.picture(1))
    latent.reason(engine, [case], Method(iterations=0))
    assert engine.halve()
    assert engine.memory == 5 * 2**19
    with probes.watching(bodies["qwen2_5_vl"]) as seen:
        latent.reason(engine, [case], Method(iterations=0))
    assert seen.vision == [1, 1]
    assert engine.halve()
    assert not engine.halve()


@pytest.mark.slow
def test_a_question_whose_reward_has_stopped_rising_costs_nothing_more(body: HubBackbone, engine: AnyEngine) -> None:
    published, cases = Method(iterations=8), tiny.block()
    patient = dataclasses.replace(published, patience=2, plateau=0.02)
    with probes.watching(body) as all_the_way:
        full = latent.reason(engine, cases, published)
    fresh = type(engine)(body)
    with probes.watching(body) as stopping:
        early = latent.reason(fresh, cases, patient)
    lengths = [len(each.iterations) - 1 for each in early]
    assert 2 <= min(lengths) < max(lengths)
    assert sum(call.tokens for call in stopping.decoder) < sum(call.tokens for call in all_the_way.decoder)
    if isinstance(engine, SegmentedEngine):
        assert sum(call.tokens for call in stopping.decoder) == _expected(body, cases, early, patient)
    for whole, part, length in zip(full, early, lengths, strict=True):
        # up to where it stopped it walked as the others did, whoever else had stopped before
        for a, b in zip(whole.iterations, part.iterations, strict=False):
            assert b.reward == pytest.approx(a.reward, abs=1e-4)
        best, last_improvement = part.iterations[0].reward, 0
        for n, each in enumerate(part.iterations[1:], 1):
            if max(best, each.reward) > best + 0.02:
                best, last_improvement = each.reward, n
        assert length in (8, last_improvement + 2)


@pytest.mark.parametrize("think_tokens", [0, 4])
def test_seconds_are_booked_where_they_were_spent(engine: AnyEngine, think_tokens: int) -> None:
    latent.reason(engine, [tiny.case(tiny.picture(3))], Method(iterations=1, think_tokens=think_tokens))
    timings = engine.work.timings
    assert timings.vision > 0
    assert timings.answer > 0
    assert (timings.prefill > 0) == (not isinstance(engine, NaiveEngine))
    assert timings.loop >= 0
