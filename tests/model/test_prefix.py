"""What the decoder is fed: the plain model's own sequence, with patches, think tokens and cue behind it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.model import plain, probes, tiny
from tests.model.conftest import ENGINES, AnyEngine
from workbench.model import latent, prompt
from workbench.model.backbone import HubBackbone, ImageFeatures, ImageInput
from workbench.model.case import Case, Picture
from workbench.model.engine import Rows
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.token_parts import compose

REFERENCE, QUERY = tiny.picture(1, 90, 90), tiny.picture(4, 168, 110)
CASES = {
    "one-shot with knowledge": tiny.case(QUERY, REFERENCE),
    "one-shot": tiny.case(QUERY, REFERENCE, knowledge=()),
    "zero-shot with knowledge": tiny.case(QUERY),
    "zero-shot": tiny.case(QUERY, knowledge=()),
    "with a region": dataclasses.replace(tiny.case(QUERY, REFERENCE), region=tiny.picture(7, 70, 56)),
}
m = 4


def _suffix(body: HubBackbone) -> Tensor:
    """Think tokens as the plain model can read them - the reserved token m times - and the cue."""
    reserved = body.token_id("<|fim_pad|>")
    assert reserved is not None
    return torch.cat([torch.full((m,), reserved), body.tokenize(prompt.answer_cue(), {})])


def _ours(engine: AnyEngine, case: Case, suffix: Tensor) -> Tensor:
    """Logits (suffix, V) through the engine, the think tokens as vectors."""
    body = engine.backbone
    prefix = probes.read(engine, [case])
    row = torch.cat([body.latent_start(m), body.embed(suffix[m:], [])])
    rows = Rows(torch.tensor([0]), (row,), torch.arange(len(suffix))[None])
    with torch.no_grad():
        return engine.evaluate(prefix, rows, probes.identity).values[0]


def _difference(body: HubBackbone, engine: AnyEngine, case: Case) -> float:
    suffix = _suffix(body)
    return float((_ours(engine, case, suffix) - plain.logits(body, case, suffix)).abs().max())


@pytest.mark.parametrize("kind", CASES)
def test_logits_equal_the_plain_forward_over_token_ids(body: HubBackbone, engine: AnyEngine, kind: str) -> None:
    difference = _difference(body, engine, CASES[kind])
    print(f"{kind}: logits differ by {difference:.1e}")
    assert difference < 1e-5


def _shifted(body: HubBackbone) -> Any:
    """The question one position too far."""

    def positions(ids: Tensor, images: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return type(body).positions(body, ids, images, start + (not images))

    return positions


def _flat(body: HubBackbone) -> Any:
    """One-dimensional positions, as when `mm_token_type_ids` is forgotten."""

    def positions(ids: Tensor, images: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return type(body).positions(body, ids, [], start)

    return positions


@pytest.mark.parametrize("wrong", [_shifted, _flat])
def test_control_wrong_positions_are_seen(body: HubBackbone, engine: AnyEngine, wrong: Any) -> None:
    case, suffix = CASES["one-shot with knowledge"], _suffix(body)
    expected = plain.logits(body, case, suffix)
    with probes.instead(body, "positions", wrong(body)):
        found = _ours(engine, case, suffix)
    assert float((found - expected).abs().max()) > 0.1


def test_control_a_dropped_reference_and_swapped_pictures_are_seen(body: HubBackbone, engine: AnyEngine) -> None:
    case, suffix = CASES["one-shot with knowledge"], _suffix(body)
    expected = plain.logits(body, case, suffix)
    dropped = dataclasses.replace(case, reference=None)
    swapped = dataclasses.replace(case, reference=QUERY, query=REFERENCE)
    for wrong in (dropped, swapped):
        assert float((_ours(engine, wrong, suffix) - expected).abs().max()) > 0.1


@pytest.mark.parametrize("kind", ["segments", "naive"])
def test_control_missing_deepstack_features_are_seen(kind: str, bodies: dict[str, HubBackbone]) -> None:
    body = bodies["qwen3_vl"]
    engine, case, suffix = ENGINES[kind](body), CASES["one-shot with knowledge"], _suffix(body)
    expected = plain.logits(body, case, suffix)

    def shallow(inputs: list[ImageInput]) -> list[ImageFeatures]:
        return [ImageFeatures(each.tokens) for each in type(body).encode(body, inputs)]

    with probes.instead(body, "encode", shallow):
        found = _ours(engine, case, suffix)
    assert float((found - expected).abs().max()) > 0.1


def test_patches_and_think_tokens_stand_behind_the_untouched_prefix(body: HubBackbone, engine: AnyEngine) -> None:
    case = tiny.case(QUERY, REFERENCE)
    noting = probes.NotingEngine(engine)
    with probes.watching(body) as seen:
        (reasoned,) = latent.reason(noting, [case], Method(iterations=1))
    script = compose(body, [case])
    ids, shown = plain.parts(script)
    after = script.questions[0].after
    before = body.embed(ids, body.encode(shown)) if isinstance(engine, NaiveEngine) else body.embed(ids[:0], [])
    # what the loop asked for
    cue = len(body.tokenize(prompt.answer_cue(), {}))
    patches, injected = len(reasoned.patches), len(reasoned.accepted_features)
    assert patches > 0
    lengths = [[len(row) for row in asked.rows.embeddings] for asked in noting.asked]
    assert lengths == [[m], [m] * 4, [patches + m], [m + cue, injected + m + cue]]
    start, samples, test, answer = (asked.rows for asked in noting.asked)
    for asked_for, places in ((start, range(m)), (samples, range(m)), (test, range(patches, patches + m))):
        assert asked_for.at.tolist() == [list(places)] * len(asked_for.embeddings)
    # the think tokens, those of one of the samples, stand last: behind the patches, so that they see them
    assert any(torch.equal(test.embeddings[0][patches:], sample) for sample in samples.embeddings)
    assert answer.at.tolist() == [[m + cue - 1], [injected + m + cue - 1]]
    # is what the decoder was fed, at consecutive positions of text: behind the whole prefix, row by row; or packed in
    # one call, without the prefix and without the accepted patches, which were read when they were tested
    evaluations = [[row.detach() for row in asked.rows.embeddings] for asked in noting.asked]
    shared = not isinstance(engine, NaiveEngine)
    known = [[0] * len(rows) for rows in evaluations]
    known[-1][1] = injected if shared else 0
    expected = [
        (torch.cat([before, row[skipped:]]), torch.arange(after + skipped, after + len(row)))
        for rows, skip in zip(evaluations, known, strict=True)
        for row, skipped in zip(rows, skip, strict=True)
    ]
    calls = seen.decoder[-(len(evaluations) if shared else len(expected)) :]
    embeddings = torch.cat([call.embeddings[0] for call in calls])
    assert torch.equal(embeddings, torch.cat([row for row, _ in expected]))
    first = 0
    positions = torch.cat([call.positions[:, 0] for call in calls], 1)
    for row, line in expected:
        last = first + len(row)
        assert torch.equal(positions[:, last - len(line) : last], line.expand(3, -1))
        first = last


def test_pictures_of_any_size_keep_their_own_positions_in_one_block(body: HubBackbone, engine: AnyEngine) -> None:
    cases = tiny.block()
    suffix = _suffix(body)
    row = torch.cat([body.latent_start(m), body.embed(suffix[m:], [])])
    prefix = probes.read(engine, cases)
    rows = Rows(torch.arange(len(cases)), (row,) * len(cases), torch.arange(len(row)).expand(len(cases), -1))
    with torch.no_grad():
        logits = engine.evaluate(prefix, rows, probes.identity).values
    worst = max(float((logits[i] - plain.logits(body, case, suffix)).abs().max()) for i, case in enumerate(cases))
    print(f"block of {len(cases)}: logits differ by {worst:.1e}")
    assert worst < 1e-5


def test_a_picture_may_be_its_own_reference(body: HubBackbone, engine: AnyEngine) -> None:
    same = Picture(QUERY.key, QUERY.image)
    assert _difference(body, engine, tiny.case(QUERY, same)) < 1e-5
