"""What breaks one question fails that question, in words that can be stored: no wrong answer, no broken neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.model import probes, tiny
from tests.model.agreement import agreement
from tests.model.conftest import ENGINES, AnyEngine
from workbench.model import backbone, latent
from workbench.model.backbone import HubBackbone, ImageInput
from workbench.model.case import Case, Picture
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine

METHOD = Method(iterations=2)
GOOD = [tiny.case(tiny.picture(3), tiny.picture(1), seed_key=str(n)) for n in range(2)]


def _all_but(engine: AnyEngine, cases: list[Case], bad: int, method: Method = METHOD) -> str:
    """What the bad one's failure says; asserts that the others are answered as they are without it."""
    outcomes = latent.reason(engine, cases, method)
    failed = outcomes.pop(bad)
    assert (failed.status, failed.answer, failed.option_probabilities) == ("failed", None, {})
    assert all(each.status == "answered" for each in outcomes)
    others = [case for place, case in enumerate(cases) if place != bad]
    alone = latent.reason(type(engine)(engine.backbone), others, method)
    found = agreement(outcomes, alone)
    assert max(found.reward, found.log_probability) < 1e-4
    assert failed.error
    return failed.error.text


@contextmanager
def _spoiled(body: HubBackbone, key: str, value: float) -> Iterator[None]:
    """The vision tower's rows for one picture hold this value."""

    def encode(inputs: list[ImageInput]) -> list[backbone.ImageFeatures]:
        made = type(body).encode(body, inputs)
        for each, features in zip(inputs, made, strict=True):
            if each.key == key:
                features.tokens[0, 0] = value
        return made

    with probes.instead(body, "encode", encode):
        yield


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_picture_that_makes_numbers_run_away_fails_alone(body: HubBackbone, engine: AnyEngine, value: float) -> None:
    bad = tiny.case(tiny.picture(9), tiny.picture(1), seed_key="bad")
    with _spoiled(body, bad.query.key, value):
        assert "not finite; try --dtype float32" in _all_but(engine, [GOOD[0], bad, GOOD[1]], 1)


@pytest.mark.parametrize(
    "method", [Method(think_tokens=0), Method(iterations=1, answer="generate", max_new_tokens=3), Method(iterations=0)]
)
def test_logits_that_are_not_numbers_are_no_answer(body: HubBackbone, engine: AnyEngine, method: Method) -> None:
    """Every reading of logits notices: entropies, letters and written text."""
    head = type(body).head

    def broken(hidden: Tensor) -> Tensor:
        logits = head(body, hidden)
        logits[..., 7] = float("nan")
        return logits

    with probes.instead(body, "head", broken):
        outcomes = latent.reason(engine, GOOD, method)
    assert [(each.status, each.answer) for each in outcomes] == [("failed", None)] * 2


def test_an_open_question_that_can_not_be_written_fails(body: HubBackbone, engine: AnyEngine) -> None:
    case = tiny.case(tiny.picture(3), options=())

    def broken(hidden: Tensor) -> Tensor:
        return torch.full((*hidden.shape[:-1], tiny.VOCABULARY), float("nan"))

    with probes.instead(body, "head", broken):
        (outcome,) = latent.reason(engine, [case], Method(think_tokens=0, max_new_tokens=3))
    assert (outcome.status, outcome.answer, outcome.raw_text) == ("failed", None, None)


@pytest.mark.parametrize("kind", ENGINES)
def test_an_overflow_in_bfloat16_is_a_failure(kind: str, folders: dict[str, Path]) -> None:
    body = backbone.load(folders["qwen2_5_vl"], dtype="bfloat16")
    with torch.no_grad():
        tiny.model(body).lm_head.weight.fill_(3e38)
    outcomes = latent.reason(ENGINES[kind](body), GOOD, METHOD)
    assert [(each.status, each.answer) for each in outcomes] == [("failed", None)] * 2
    assert outcomes[0].error == latent.NOT_FINITE


SHAPES: list[tuple[tuple[int, int], str | None]] = [
    ((1, 1), None),
    ((28, 28), None),
    ((3000, 20), None),
    ((20, 3000), None),
    ((3000, 3), "aspect ratio"),
]


@pytest.mark.parametrize(("size", "why"), SHAPES, ids=[f"{w}x{h}" for (w, h), _ in SHAPES])
def test_a_picture_of_any_shape_is_answered_or_fails_alone(
    body: HubBackbone, engine: AnyEngine, size: tuple[int, int], why: str | None
) -> None:
    picture = Picture(f"{size}", Image.new("RGB", size, (200, 30, 30)))
    odd = tiny.case(picture, tiny.picture(1), seed_key="odd")
    if why is None:
        outcomes = latent.reason(engine, [GOOD[0], odd, GOOD[1]], METHOD)
        assert [each.status for each in outcomes] == ["answered"] * 3
        width, height = size
        for patch in outcomes[1].patches:
            x0, y0, x1, y1 = patch.box
            assert 0 <= x0 < x1 <= width + 1e-6
            assert 0 <= y0 < y1 <= height + 1e-6
    else:
        assert why in _all_but(engine, [GOOD[0], odd, GOOD[1]], 1)


def test_a_picture_of_one_visual_token_is_answered(folders: dict[str, Path], tmp_path: Path) -> None:
    """With a processor that doesn't enlarge it: one patch to propose, and then none."""
    body = backbone.load(folders["qwen2_5_vl"])
    body.pictures.processor.size["shortest_edge"] = 28 * 28  # type: ignore[attr-defined]
    picture = Picture("one", Image.new("RGB", (20, 20), (9, 99, 200)))
    assert body.prepare("one", picture.image).tokens == 1
    for injection in ("features", "zoom"):
        method = Method(iterations=4, injection=injection)
        (outcome,) = latent.reason(SegmentedEngine(body), [tiny.case(picture, options=tiny.YES_NO)], method)
        assert outcome.status == "answered"
        assert {(patch.row, patch.col) for patch in outcome.patches} == {(0, 0)}


def test_a_reference_that_can_not_be_shown_fails_its_questions(body: HubBackbone, engine: AnyEngine) -> None:
    thin = Picture("thin", Image.new("RGB", (3000, 3)))
    bad = tiny.case(tiny.picture(3), thin, seed_key="bad")
    assert "aspect ratio" in _all_but(engine, [GOOD[0], bad, GOOD[1]], 1)
