"""The contract of a model family, on tiny random checkpoints of each: what docs/backbones.md lists for a new one.

Parity and gradient are held against the library's own forward over whole sequences; every control spoils one thing that
a family silently needs and must be seen.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.model import plain, probes, tiny
from tests.model.agreement import agreement
from workbench.model import attention, backbone, kernels, latent, prompt, reward
from workbench.model.backbone import HubBackbone, ImageFeatures, ImageInput, Tile
from workbench.model.backbone.qwen25 import Qwen25VL
from workbench.model.case import Case
from workbench.model.engine import Rows
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine

FAMILIES = (*tiny.FAMILIES, *tiny.INTERNVL)
SIZES = [(96, 64), (130, 87), (70, 150), (64, 64)]
BLOCK = 8  # pixels
m = 3


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint folder per family."""
    return {family: tiny.save(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


@pytest.fixture(scope="module")
def loaded(checkpoints: dict[str, Path]) -> dict[str, HubBackbone]:
    """A loaded model per family, in float32."""
    return {family: backbone.load(folder) for family, folder in checkpoints.items()}


@pytest.fixture(params=FAMILIES)
def body(request: pytest.FixtureRequest, loaded: dict[str, HubBackbone]) -> HubBackbone:
    """Each family in turn."""
    return loaded[request.param]


REFERENCE = tiny.picture(1, 90, 60)
FIRST, SECOND = tiny.picture(2, 64, 96), tiny.picture(3, 100, 60)


def _cases() -> list[Case]:
    """Two pictures with one reference, two questions of different length about each."""
    asked = ("Is there any defect?", "Where is the defect, and what may it lead to?")
    return [
        tiny.case(query, REFERENCE, options=options, question=question, seed_key=question)
        for query in (FIRST, SECOND)
        for question, options in zip(asked, (tiny.YES_NO, tiny.FOUR), strict=True)
    ]


def _suffixes(body: HubBackbone) -> list[Tensor]:
    """Think tokens as the plain model can read them, and text of different length behind them."""
    reserved = body.token_id("<|fim_pad|>")
    assert reserved is not None
    cue = body.tokenize((*prompt.answer_cue(), " A round dent."), {})
    return [torch.cat([torch.full((m,), reserved), cue[: len(cue) - i]]) for i in range(4)]


def _ours(body: HubBackbone, cases: Sequence[Case], suffixes: Sequence[Tensor]) -> list[Tensor]:
    """Logits (suffix, V) of each case through shared segments."""
    engine = SegmentedEngine(body)
    prefix = probes.read(engine, cases)
    shortest = min(len(suffix) for suffix in suffixes)
    rows = tuple(torch.cat([body.latent_start(m), body.embed(suffix[m:], []).float()]) for suffix in suffixes)
    at = torch.stack([torch.arange(len(row) - shortest, len(row)) for row in rows])
    with torch.no_grad():
        return list(engine.evaluate(prefix, Rows(torch.arange(len(cases)), rows, at), probes.identity).values)


def _family(body: HubBackbone) -> str:
    return type(body).__name__ + " " + str(tiny.model(body).config.text_config.model_type)


def _apart(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    return max(float((one - other[-len(one) :]).abs().max()) for one, other in zip(ours, theirs, strict=True))


def _plain(body: HubBackbone) -> list[Tensor]:
    return [plain.logits(body, case, suffix) for case, suffix in zip(_cases(), _suffixes(body), strict=True)]


def test_logits_through_shared_segments_equal_the_plain_forward(body: HubBackbone) -> None:
    expected = _plain(body)
    apart = _apart(_ours(body, _cases(), _suffixes(body)), expected)
    print(f"{_family(body)}: logits (std {float(torch.cat(expected).std()):.1f}) differ by {apart:.1e}")
    assert apart < 2e-5


def test_controls_every_family_must_fail(body: HubBackbone) -> None:
    cases, suffixes, expected = _cases(), _suffixes(body), _plain(body)

    def one_too_far(ids: Tensor, images: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return type(body).positions(body, ids, images, start + (not images))

    with probes.instead(body, "positions", one_too_far):
        assert _apart(_ours(body, cases, suffixes), expected) > 0.1
    dropped = [replace(case, reference=None) for case in cases]
    assert _apart(_ours(body, dropped, suffixes), expected) > 0.1
    swapped = [replace(case, query=SECOND if case.query is FIRST else FIRST) for case in cases]
    assert _apart(_ours(body, swapped, suffixes), expected) > 0.1


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_control_flat_positions_are_seen(loaded: dict[str, HubBackbone], family: str) -> None:
    body = loaded[family]
    expected = _plain(body)

    def flat(ids: Tensor, _: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return type(body).positions(body, ids, [], start)

    with probes.instead(body, "positions", flat):
        assert _apart(_ours(body, _cases(), _suffixes(body)), expected) > 0.1


def test_control_dropped_deepstack_features_are_seen(loaded: dict[str, HubBackbone]) -> None:
    body = loaded["qwen3_vl"]
    expected = _plain(body)

    def shallow(inputs: list[ImageInput]) -> list[ImageFeatures]:
        return [ImageFeatures(each.tokens) for each in type(body).encode(body, inputs)]

    with probes.instead(body, "encode", shallow):
        assert _apart(_ours(body, _cases(), _suffixes(body)), expected) > 0.1


@pytest.mark.parametrize("family", tiny.INTERNVL)
def test_control_tiles_in_another_order_are_seen(loaded: dict[str, HubBackbone], family: str) -> None:
    body = loaded[family]
    expected = _plain(body)

    def reversed_tiles(inputs: list[ImageInput]) -> list[ImageFeatures]:
        return type(body).encode(body, [replace(each, pixels=each.pixels.flip(0)) for each in inputs])

    with probes.instead(body, "encode", reversed_tiles):
        assert _apart(_ours(body, _cases(), _suffixes(body)), expected) > 0.1


def _slope(engine: SegmentedEngine | NaiveEngine, z: Tensor, injected: Sequence[int]) -> tuple[Tensor, Tensor]:
    """dR/dZ (m, d) behind injected patches, and the attention (m, n) to the picture."""
    prefix = probes.read(engine, [tiny.case(SECOND, REFERENCE)])
    leaf = z.clone().requires_grad_(True)
    row = torch.cat([prefix.visual_tokens(0)[list(injected)].float(), leaf])
    at = torch.arange(len(injected), len(row))[None]
    made = engine.evaluate(prefix, Rows(torch.tensor([0]), (row,), at), reward.entropy, attention=True)
    assert made.attention is not None
    (slope,) = torch.autograd.grad(reward.reward(made.values[0]).sum(), leaf)
    return slope, made.attention[0]


def test_gradient_and_attention_to_the_picture_equal_those_of_the_librarys_own_attention(body: HubBackbone) -> None:
    z = body.latent_start(m) + 0.05 * torch.randn(m, tiny.HIDDEN, generator=torch.Generator().manual_seed(0))
    (ours, seen), (theirs, looked) = (
        _slope(engine, z, (3, 1)) for engine in (SegmentedEngine(body), NaiveEngine(body))
    )
    apart = float((ours - theirs).norm() / theirs.norm())
    print(f"{_family(body)}: gradients differ by {apart:.1e}, attention by {float((seen - looked).abs().max()):.1e}")
    assert apart < 1e-5
    torch.testing.assert_close(seen, looked, atol=1e-6, rtol=0)


@pytest.mark.parametrize("injection", ["features", "zoom"])
@pytest.mark.parametrize("family", tiny.INTERNVL)
def test_the_whole_method_agrees_with_the_oracle(loaded: dict[str, HubBackbone], family: str, injection: str) -> None:
    method = Method(iterations=2, injection=injection)  # type: ignore[arg-type]
    ours, theirs = (latent.reason(kind(loaded[family]), _cases(), method) for kind in (SegmentedEngine, NaiveEngine))
    found = agreement(ours, theirs)
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4
    assert any(each.patches for each in ours)


def test_pictures_encoded_together_are_encoded_as_alone(body: HubBackbone) -> None:
    inputs = [body.prepare(str(i), tiny.picture(i, *size).image) for i, size in enumerate(SIZES)]
    for made, features in zip(inputs, body.encode(inputs), strict=True):
        (alone,) = body.encode([made])
        torch.testing.assert_close(features.tokens, alone.tokens, atol=2e-5, rtol=0)
        for one, other in zip(features.deep, alone.deep, strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_vision_tower_sees_the_same_with_all_windows_in_one_call(
    family: str, checkpoints: dict[str, Path], loaded: dict[str, HubBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    body, calls = backbone.load(checkpoints[family]), []
    assert isinstance(body, Qwen25VL)
    kernel = kernels.kernel_for(body.device, body.dtype, 16)

    def counted(*given: Any) -> Any:
        calls.append(given[3])
        return kernel.forward(*given)

    monkeypatch.setattr(attention, "kernel_for", lambda *_: replace(kernel, forward=counted))
    body.see_in_windows()
    inputs = [body.prepare(str(i), tiny.picture(i, *size).image) for i, size in enumerate(SIZES)]
    for ours, theirs in zip(body.encode(inputs), loaded[family].encode(inputs), strict=True):
        torch.testing.assert_close(ours.tokens, theirs.tokens, atol=1e-5, rtol=0)
        for one, other in zip(ours.deep, theirs.deep, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    layers = int(body._model.config.vision_config.depth)
    assert len(calls) == layers  # not one per window
    assert max(len(spans.keys) for spans in calls) > len(inputs) or family != "qwen2_5_vl"


def test_pictures_are_prepared_alike_in_another_process(body: HubBackbone) -> None:
    elsewhere = pickle.loads(pickle.dumps(body.pictures))
    assert len(pickle.dumps(body.pictures)) < 20_000  # no weights with it
    here, there = body.prepare("a", FIRST.image), elsewhere.prepare("a", FIRST.image)
    assert torch.equal(here.pixels, there.pixels)
    assert replace(here, pixels=there.pixels) == there


@pytest.mark.parametrize("size", [*SIZES, (400, 20), (1, 1)])
def test_every_visual_token_has_one_place_and_the_places_cover_the_picture(
    body: HubBackbone, size: tuple[int, int]
) -> None:
    made = body.prepare("", tiny.picture(1, *size).image)
    ids = body.tokenize((prompt.Slot.QUERY,), {prompt.Slot.QUERY: made})
    (features,) = body.encode([made])
    assert made.tokens == len(features.tokens) == int(body.is_image(ids).sum())
    places = [made.place(token) for token in range(made.tokens)]
    assert [made.token(row, col) for row, col, _ in places] == list(range(made.tokens))
    fine = [tile for tile in made.tiles if not tile.coarse]
    assert sum(_area(tile) for tile in fine) == pytest.approx(size[0] * size[1])
    assert max(row for row, _, _ in places) == made.rows - 1
    assert max(col for _, col, _ in places) == made.cols - 1
    for beyond in (lambda: made.place(made.tokens), lambda: made.token(made.rows, 0)):
        with pytest.raises(IndexError):
            beyond()


def _area(tile: Tile) -> float:
    return (tile.box[2] - tile.box[0]) * (tile.box[3] - tile.box[1])


def _strays(body: HubBackbone, size: tuple[int, int]) -> tuple[int, int]:
    """Features that move when a block of the picture is inverted: in a box that touches it, and elsewhere."""
    picture = tiny.picture(5, *size).image
    made = body.prepare("", picture)
    before = body.encode([made])[0].tokens
    generator = np.random.default_rng(0)
    hits = strays = 0
    for _ in range(10):
        x, y = (int(generator.integers(0, side - BLOCK)) for side in size)
        pixels = np.array(picture)
        pixels[y : y + BLOCK, x : x + BLOCK] = 255 - pixels[y : y + BLOCK, x : x + BLOCK]
        moved = (body.encode([body.prepare("", Image.fromarray(pixels))])[0].tokens - before).abs().amax(-1)
        for token in (moved > 0.2 * moved.max()).nonzero()[:, 0].tolist():
            x0, y0, x1, y1 = made.place(token)[2]
            touches = x0 - 2 < x + BLOCK and x1 + 2 > x and y0 - 2 < y + BLOCK and y1 + 2 > y
            hits, strays = hits + touches, strays + (not touches)
    return hits, strays


@pytest.fixture
def blinkered(body: HubBackbone, checkpoints: dict[str, Path]) -> HubBackbone:
    """A model whose visual tokens see nothing but their own pixels: no attention in the vision tower."""
    own = backbone.load(body.name)
    with torch.no_grad():
        for name, parameter in tiny.model(own).model.named_parameters():
            if ".attn.proj." in name or ".projection_layer." in name:
                parameter.zero_()
    return own


@pytest.mark.parametrize("size", SIZES)
def test_the_features_that_move_have_boxes_touching_the_pixels_that_changed(
    blinkered: HubBackbone, size: tuple[int, int]
) -> None:
    hits, strays = _strays(blinkered, size)
    print(f"{size}: {hits} moved features in place, {strays} elsewhere")
    assert hits >= 10
    assert strays == 0


def test_control_boxes_of_another_order_are_seen(blinkered: HubBackbone) -> None:
    prepare = blinkered.pictures.prepare

    def mirrored(key: str, image: Image.Image) -> ImageInput:
        made = prepare(key, image)
        W, H = made.size
        turned = [
            replace(tile, box=(W - tile.box[2], H - tile.box[3], W - tile.box[0], H - tile.box[1]))
            for tile in made.tiles
        ]
        if len(turned) == 1:  # one tile over everything: its rows for its columns
            turned = [replace(turned[0], rows=turned[0].cols, cols=turned[0].rows)]
        return replace(made, tiles=tuple(turned))

    with probes.instead(blinkered, "prepare", mirrored):
        _, strays = _strays(blinkered, (130, 87))
    assert strays >= 3
