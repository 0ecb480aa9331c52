"""The fast engine against the oracle, and either against itself in other company."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.model import tiny
from tests.model.agreement import NEAR_TIE, agreement, lead
from tests.model.conftest import ENGINES, AnyEngine
from workbench.model import backbone, latent
from workbench.model.backbone import HubBackbone
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine

pytestmark = pytest.mark.slow

METHODS = {
    "defaults": Method(),
    "published": Method(iterations=3, estimator="published"),
    "loo": Method(iterations=3, estimator="loo"),
    "antithetic": Method(iterations=3, estimator="antithetic"),
    "autograd": Method(iterations=3, estimator="autograd"),
    "zoom": Method(iterations=3, injection="zoom"),
    "no injection": Method(iterations=3, injection="none"),
    "written": Method(iterations=2, answer="generate", rationale=True, max_new_tokens=5),
    "plain": Method(think_tokens=0),
}


def _method(kind: str) -> object:
    return pytest.param(kind, marks=pytest.mark.slow) if kind == "defaults" else kind


@pytest.mark.parametrize("kind", [_method(kind) for kind in METHODS])
def test_segments_equal_the_full_prefix(body: HubBackbone, kind: str) -> None:
    cases, method = tiny.block(), METHODS[kind]
    expected = latent.reason(NaiveEngine(body), cases, method)
    for memory in (1, None):
        found = agreement(latent.reason(SegmentedEngine(body, memory), cases, method), expected)
        assert found.reward < 1e-4
        assert found.log_probability < 1e-4
        assert found.score < 1e-5
    chances = {round(each.option_probabilities["A"], 2) for each in expected}
    assert len(chances) > 4  # the cases don't all say the same
    if method.think_tokens and method.injection != "none":
        decided = [patch.accepted for each in expected for patch in each.patches]
        assert True in decided
        assert False in decided


def test_a_region_moves_answers_and_is_no_part_of_the_picture_that_think_tokens_look_at(body: HubBackbone) -> None:
    region, method = tiny.picture(9, 56, 70), Method(iterations=3)
    plain = tiny.block()
    cases = [replace(case, region=region if number % 2 else None) for number, case in enumerate(plain)]
    expected = latent.reason(NaiveEngine(body), cases, method)
    found = latent.reason(SegmentedEngine(body), cases, method)
    near = agreement(found, expected)
    assert max(near.reward, near.log_probability) < 1e-4
    assert near.score < 1e-5
    without = latent.reason(SegmentedEngine(body), plain, method)
    for number, (shown, bare, case) in enumerate(zip(found, without, cases, strict=True)):
        moved = abs(shown.option_probabilities["A"] - bare.option_probabilities["A"])
        assert (moved > 1e-4) == bool(number % 2), moved
        for patch in shown.patches:
            assert patch.box[2] <= case.query.image.width
            assert patch.box[3] <= case.query.image.height


def test_the_same_block_gives_the_same_numbers_to_the_last_bit(body: HubBackbone, engine: AnyEngine) -> None:
    method = Method(iterations=3, rationale=True, max_new_tokens=3)
    first = latent.reason(engine, tiny.block(), method)
    again = latent.reason(type(engine)(body), tiny.block(), method)
    assert first == again


def test_a_case_alone_is_answered_as_in_a_block(body: HubBackbone, engine: AnyEngine) -> None:
    method, cases = Method(iterations=3), tiny.block()
    together = latent.reason(engine, cases, method)
    alone = [latent.reason(engine, [case], method)[0] for case in cases]
    found = agreement(alone, together)
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4


def test_the_order_of_the_cases_changes_nothing(body: HubBackbone) -> None:
    method, cases = Method(iterations=3), tiny.block()
    forwards = latent.reason(SegmentedEngine(body), cases, method)
    backwards = latent.reason(SegmentedEngine(body), cases[::-1], method)
    found = agreement(backwards[::-1], forwards)
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4


def test_no_cases_give_no_answers(engine: AnyEngine) -> None:
    assert latent.reason(engine, [], Method()) == []


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_bfloat16_runs_and_agrees_in_most_answers(
    family: str, bodies: dict[str, HubBackbone], folders: dict[str, Path]
) -> None:
    """Answers are compared over the block, near-ties of the float32 model (a lead below 0.001) left out."""
    half = backbone.load(folders[family], dtype="bfloat16")
    method, cases = Method(iterations=3), tiny.block()
    exact = latent.reason(SegmentedEngine(bodies[family]), cases, method)
    clear = [i for i, each in enumerate(exact) if lead(each) >= NEAR_TIE]
    answers = {
        kind: [each.answer for each in latent.reason(ENGINES[kind](half), cases, method)]
        for kind in ("segments", "naive")
    }
    for name, ours, theirs in (
        ("segments against naive", answers["segments"], answers["naive"]),
        ("segments against float32", answers["segments"], [each.answer for each in exact]),
        ("naive against float32", answers["naive"], [each.answer for each in exact]),
    ):
        same = sum(ours[i] == theirs[i] for i in clear)
        print(f"{family} bfloat16, {name}: {same} of {len(clear)} answers alike")
        assert same >= 0.7 * len(clear)
    assert len(clear) >= 9
