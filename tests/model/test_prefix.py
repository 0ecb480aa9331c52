"""What the decoder is fed: the plain model's own sequence, with patches, think tokens and stub behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.model import probes, tiny
from tests.model.conftest import AnyEngine
from workbench.model import latent, prompt
from workbench.model.backbone import ImageFeatures, ImageInput, QwenBackbone
from workbench.model.case import Case, Picture
from workbench.model.compose import Script, compose
from workbench.model.engine import Rows
from workbench.model.method import Method
from workbench.model.naive import NaiveEngine

REFERENCE, QUERY = tiny.picture(1, 90, 90), tiny.picture(4, 168, 110)
CASES = {
    "one-shot with knowledge": tiny.case(QUERY, REFERENCE),
    "one-shot": tiny.case(QUERY, REFERENCE, knowledge=()),
    "zero-shot with knowledge": tiny.case(QUERY),
    "zero-shot": tiny.case(QUERY, knowledge=()),
}
m = 4


def _parts(script: Script, question: int = 0) -> tuple[Tensor, list[ImageInput]]:
    """The prompt's tokens and pictures, in order."""
    image = int(script.image_of_question[question])
    parts = (script.products[int(script.product_of_image[image])], script.images[image], script.questions[question])
    return torch.cat([part.ids for part in parts]), [part.image for part in parts if part.image]


def _plain(body: QwenBackbone, case: Case, suffix: Tensor) -> Tensor:
    """Logits (suffix, V) of the library's own forward over the whole sequence of token ids."""
    ids, shown = _parts(compose(body, [case]))
    whole = torch.cat([ids, suffix])[None]
    model = tiny.model(body)
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        out = model(
            input_ids=whole,
            attention_mask=torch.ones_like(whole),
            pixel_values=torch.cat([each.pixels for each in shown]),
            image_grid_thw=torch.tensor([each.grid for each in shown]),
            mm_token_type_ids=body.is_image(whole).int(),
        )
    logits: Tensor = out.logits[0, -len(suffix) :]
    return logits


def _suffix(body: QwenBackbone) -> Tensor:
    """Think tokens as the plain model can read them - the reserved token m times - and the stub."""
    reserved = body.token_id("<|fim_pad|>")
    assert reserved is not None
    return torch.cat([torch.full((m,), reserved), body.tokenize(prompt.stub_part(), {})])


def _ours(engine: AnyEngine, case: Case, suffix: Tensor) -> Tensor:
    """Logits (suffix, V) through the engine, the think tokens as vectors."""
    body = engine.backbone
    prefix = engine.prepare([case])
    row = torch.cat([body.latent_start(m), body.embed(suffix[m:], [])])
    rows = Rows(torch.tensor([0]), (row,), torch.arange(len(suffix))[None])
    with torch.no_grad():
        return engine.evaluate(prefix, rows, probes.identity).values[0]


def _difference(body: QwenBackbone, engine: AnyEngine, case: Case) -> float:
    suffix = _suffix(body)
    return float((_ours(engine, case, suffix) - _plain(body, case, suffix)).abs().max())


@pytest.mark.parametrize("kind", CASES)
def test_logits_equal_the_plain_forward_over_token_ids(body: QwenBackbone, engine: AnyEngine, kind: str) -> None:
    difference = _difference(body, engine, CASES[kind])
    print(f"{kind}: logits differ by {difference:.1e}")
    assert difference < 1e-5


@contextmanager
def _instead(thing: object, name: str, value: object) -> Iterator[None]:
    """An attribute of the instance replaced for a while."""
    setattr(thing, name, value)
    try:
        yield
    finally:
        delattr(thing, name)


def _shifted(body: QwenBackbone) -> Any:
    """The question one position too far."""

    def positions(ids: Tensor, images: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return QwenBackbone.positions(body, ids, images, start + (not images))

    return positions


def _flat(body: QwenBackbone) -> Any:
    """One-dimensional positions, as when `mm_token_type_ids` is forgotten."""

    def positions(ids: Tensor, images: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return QwenBackbone.positions(body, ids, [], start)

    return positions


@pytest.mark.parametrize("wrong", [_shifted, _flat])
def test_control_wrong_positions_are_seen(body: QwenBackbone, engine: AnyEngine, wrong: Any) -> None:
    case, suffix = CASES["one-shot with knowledge"], _suffix(body)
    expected = _plain(body, case, suffix)
    with _instead(body, "positions", wrong(body)):
        found = _ours(engine, case, suffix)
    assert float((found - expected).abs().max()) > 0.1


def test_control_a_dropped_reference_and_swapped_pictures_are_seen(body: QwenBackbone, engine: AnyEngine) -> None:
    case, suffix = CASES["one-shot with knowledge"], _suffix(body)
    expected = _plain(body, case, suffix)
    dropped = dataclasses.replace(case, reference=None)
    swapped = dataclasses.replace(case, reference=QUERY, query=REFERENCE)
    for wrong in (dropped, swapped):
        assert float((_ours(engine, wrong, suffix) - expected).abs().max()) > 0.1


@pytest.mark.parametrize("kind", ["segments", "naive"])
def test_control_missing_deepstack_features_are_seen(kind: str, bodies: dict[str, QwenBackbone]) -> None:
    from tests.model.conftest import ENGINES

    body = bodies["qwen3_vl"]
    engine, case, suffix = ENGINES[kind](body), CASES["one-shot with knowledge"], _suffix(body)
    expected = _plain(body, case, suffix)

    def shallow(inputs: list[ImageInput]) -> list[ImageFeatures]:
        return [ImageFeatures(each.tokens) for each in QwenBackbone.encode(body, inputs)]

    with _instead(body, "encode", shallow):
        found = _ours(engine, case, suffix)
    assert float((found - expected).abs().max()) > 0.1


def test_patches_and_think_tokens_stand_behind_the_untouched_prefix(body: QwenBackbone, engine: AnyEngine) -> None:
    case = tiny.case(QUERY, REFERENCE)
    with probes.watching(body) as seen:
        noting = probes.NotingEngine(engine)
        (reasoned,) = latent.reason(noting, [case], Method(iterations=1))
    ids, shown = _parts(compose(body, [case]))
    prefix = body.embed(ids, body.encode(shown))
    stub = body.embed(body.tokenize(prompt.stub_part(), {}), [])
    patches = len(reasoned.patches)
    assert patches > 0
    fed = [call for call in seen.decoder if call.embeddings.shape[0] == 1]
    expected = {0: m, patches: patches + m}  # the start without patches; the test with them
    whole = isinstance(engine, NaiveEngine)
    after = int(compose(body, [case]).questions[0].after)
    for asked in noting.asked:
        for row in asked.rows.embeddings:
            length = len(row) + (len(ids) if whole else 0)
            calls = [call for call in fed if call.embeddings.shape[1] == length] if whole else seen.decoder
            inside = [
                (call, b)
                for call in calls
                for b in range(call.embeddings.shape[0])
                if call.embeddings.shape[1] >= length
                and torch.equal(call.embeddings[b, length - len(row) : length], row.detach())
            ]
            assert inside, "what the loop asked for is what the decoder was fed"
            call, b = inside[0]
            steps = call.positions[:, b, length - len(row) : length]
            assert torch.equal(steps, torch.arange(after, after + len(row)).expand(3, -1))
            if whole:
                assert torch.equal(call.embeddings[b, : len(ids)], prefix)
    start, samples, test, answer = noting.asked
    assert [len(row) for row in start.rows.embeddings] == [expected[0]]
    assert [len(row) for row in samples.rows.embeddings] == [m] * 4
    assert [len(row) for row in test.rows.embeddings] == [expected[patches]]
    assert test.rows.at.tolist() == [[patches, patches + 1, patches + 2, patches + 3]]
    before, best = answer.rows.embeddings
    assert len(before) == m + len(stub)
    assert len(best) == len(reasoned.accepted_features) + m + len(stub)
    assert torch.equal(best[-len(stub) :], stub)
    assert answer.rows.at.tolist() == [[len(before) - 1], [len(best) - 1]]


def test_pictures_of_any_size_keep_their_own_positions_in_one_block(body: QwenBackbone, engine: AnyEngine) -> None:
    cases = tiny.block()
    suffix = _suffix(body)
    row = torch.cat([body.latent_start(m), body.embed(suffix[m:], [])])
    prefix = engine.prepare(cases)
    rows = Rows(torch.arange(len(cases)), (row,) * len(cases), torch.arange(len(row)).expand(len(cases), -1))
    with torch.no_grad():
        logits = engine.evaluate(prefix, rows, probes.identity).values
    worst = max(float((logits[i] - _plain(body, case, suffix)).abs().max()) for i, case in enumerate(cases))
    print(f"block of {len(cases)}: logits differ by {worst:.1e}")
    assert worst < 1e-5


def test_a_picture_may_be_its_own_reference(body: QwenBackbone, engine: AnyEngine) -> None:
    same = Picture(QUERY.key, QUERY.image)
    assert _difference(body, engine, tiny.case(QUERY, same)) < 1e-5
