"""Patches of the query picture: proposed by attention, tested once, kept only when the reward rises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.model import probes, tiny
from tests.model.conftest import AnyEngine
from workbench.model import injection, latent
from workbench.model.backbone import HubBackbone, ImageInput, Tile
from workbench.model.case import Case, PatchChoice, Reasoned
from workbench.model.injection import Proposal
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine

QUERY = tiny.picture(4, 168, 110)


def _scripted(
    body: HubBackbone,
    sureness: Callable[[int], float],
    looked_at: Callable[[int], Sequence[int]],
    method: Method,
) -> tuple[Reasoned, list[int]]:
    """The outcome, and how many patches stood before the think tokens in each evaluation but the answer's."""
    engine = probes.ScriptedEngine(SegmentedEngine(body), sureness, looked_at)
    (reasoned,) = latent.reason(engine, [tiny.case(QUERY, tiny.picture(1))], method)
    return reasoned, [len(rows.embeddings[0]) - method.think_tokens for rows in engine.asked[:-1]]


def _fresh(n: int) -> Sequence[int]:
    """Other patches at every evaluation."""
    return [(2 * n + i) % 14 for i in range(14)]


def test_nothing_is_accepted_while_the_reward_falls(body: HubBackbone) -> None:
    reasoned, patches = _scripted(body, lambda n: 12 - 0.5 * n, _fresh, Method(iterations=8))
    assert len(reasoned.patches) > 8
    assert not any(each.accepted for each in reasoned.patches)
    assert reasoned.best_iteration == 0
    assert reasoned.accepted_features == ()
    assert max(patches) == 2  # a tested pair never stays


def test_the_held_set_grows_to_the_cap_while_the_reward_rises(body: HubBackbone) -> None:
    reasoned, patches = _scripted(body, lambda n: 0.5 * n, _fresh, Method(iterations=12, patch_cap=7))
    injected = [(each.row, each.col) for each in reasoned.patches if each.accepted]
    assert len(injected) == len(set(injected)) == 7
    assert max(patches) == 7
    assert patches == sorted(patches)
    assert [(each.row, each.col) for each in reasoned.accepted_features] == injected
    assert reasoned.best_iteration == 12


def test_an_equal_reward_is_rejected(body: HubBackbone) -> None:
    reasoned, patches = _scripted(body, lambda _: 3.0, _fresh, Method(iterations=5))
    assert not any(each.accepted for each in reasoned.patches)
    assert reasoned.best_iteration == 0
    assert max(patches) == 2


def test_a_proposed_set_is_tested_only_once(body: HubBackbone) -> None:
    reasoned, patches = _scripted(body, lambda n: 12 - 0.5 * n, lambda _: [5, 9, 2], Method(iterations=6))
    cols = body.prepare("", QUERY.image).cols
    assert [(each.iteration, each.row * cols + each.col) for each in reasoned.patches] == [(1, 5), (1, 9)]
    assert patches == [0, 0, 2, 0, 0, 0, 0, 0]  # the start, six iterations, and one test in the first of them


def test_a_rejected_set_is_tested_again_beside_other_held_patches(body: HubBackbone) -> None:
    # evaluations: 0 start, 1 samples, 2 test of {5, 9} falls, 3 samples, 4 test of {0, 1} rises, 5 samples, 6 test
    looked = {1: [5, 9], 3: [0, 1], 5: [5, 9]}
    sureness = [3.0, 3.0, 1.0, 3.0, 4.0, 4.0, 5.0]
    reasoned, patches = _scripted(
        body, lambda n: sureness[min(n, 6)], lambda n: looked.get(n, [5, 9]), Method(iterations=3)
    )
    assert [each.accepted for each in reasoned.patches] == [False, False, True, True, True, True]
    assert patches == [0, 0, 2, 0, 2, 2, 4]


def test_without_injection_no_patch_is_proposed(body: HubBackbone, engine: AnyEngine) -> None:
    (reasoned,) = latent.reason(engine, [tiny.case(QUERY)], Method(iterations=3, injection="none"))
    assert reasoned.patches == ()
    assert reasoned.accepted_features == ()


def test_proposals_are_each_tokens_most_attended_free_patches_best_first() -> None:
    attention = torch.tensor([[0.1, 0.5, 0.2, 0.0, 0.15, -1], [0.3, 0.6, 0.05, 0.01, 0.02, -1]])  # five tokens
    (looked,) = injection.most_looked_at(attention[None], 6)
    assert looked[1][0] == [1, 0, 2, 4, 3, 5]
    assert looked[1][1] == pytest.approx([0.6, 0.3, 0.05, 0.02, 0.01, -1])
    proposed = injection.propose(looked, injected=[1], per_latent=2, room=16)
    # the first looks at 2 and 4 beside the injected patch, the second at 0 and 2; a patch counts with its higher score
    assert [each.token for each in proposed] == [0, 2, 4]
    assert [each.score for each in proposed] == pytest.approx([0.3, 0.2, 0.15])
    assert [each.token for each in injection.propose(looked, [1], 2, room=2)] == [0, 2]
    assert injection.propose(looked, [1], 2, room=0) == []
    assert injection.propose(looked, [0, 1, 2, 3, 4], 2, room=16) == []
    (alone,) = injection.most_looked_at(torch.tensor([[[0.75]]]), 18)
    assert injection.propose(alone, [], 2, 16) == [Proposal(0, 0.75)]
    (lost,) = injection.most_looked_at(torch.full((1, 2, 3), torch.nan), 18)
    assert injection.propose(lost, [], 2, 16) == []


@pytest.mark.parametrize(
    "reference", [None, tiny.picture(1, 168, 110), tiny.picture(1, 60, 140)], ids=["zero-shot", "same size", "other"]
)
def test_the_injected_vectors_are_the_vision_towers_rows_of_the_query_picture(
    body: HubBackbone, engine: AnyEngine, reference: latent.Picture | None
) -> None:
    method = Method(iterations=1)
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [tiny.case(QUERY, reference)], method)
    tested = noting.asked[2].rows.embeddings[0]  # after the start and the samples
    assert len(tested) == len(reasoned.patches) + method.think_tokens > method.think_tokens
    made = body.prepare("", QUERY.image)  # alone: the same as beside a reference
    with torch.no_grad():
        out = tiny.model(body).model.get_image_features(made.pixels, torch.tensor([made.grid]))
    for vector, patch in zip(tested, reasoned.patches, strict=False):
        expected = out.pooler_output[0][patch.row * made.cols + patch.col]
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=0)


def test_zoom_injects_the_patchs_region_encoded_anew_at_full_resolution(body: HubBackbone, engine: AnyEngine) -> None:
    large = tiny.picture(8, 840, 550)
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [tiny.case(large)], Method(iterations=1, injection="zoom"))
    tested = noting.asked[2].rows.embeddings[0]
    assert len(tested) == 4 * len(reasoned.patches) + 4 > 4
    x0, y0, x1, y1 = reasoned.patches[0].box
    made = body.prepare("", large.image)
    side = tiny.model(body).config.vision_config.patch_size * 4
    crop = large.image.crop((int(x0), int(y0), round(x1), round(y1))).resize((side, side), 3)
    features = body.encode([body.prepare("", crop)])[0].tokens
    assert (made.cols, made.rows) == (round(840 / (x1 - x0)), round(550 / (y1 - y0)))
    torch.testing.assert_close(tested[:4], features, atol=1e-5, rtol=0)


def test_other_pixels_give_another_reward_and_other_attention(body: HubBackbone, engine: AnyEngine) -> None:
    noting = probes.NotingEngine(engine)
    for query in (QUERY, tiny.picture(14, 168, 110)):
        latent.reason(noting, [tiny.case(query, tiny.picture(1))], Method(iterations=1, patch_cap=0))
    # The first evaluation of each picture is of the same think tokens.
    start, other = (each.values[0] for each in noting.asked if each.attention is None and len(each.values) == 1)
    assert abs(float(start.mean() - other.mean())) > 1e-4
    assert float((start - other).abs().max()) > 1e-3
    first, second = (each.attention for each in noting.asked if each.attention is not None)
    assert first is not None
    assert second is not None
    assert float((first[0] - second[0]).abs().max()) > 1e-3


def test_the_attention_is_a_mean_over_heads_and_the_chosen_layers(body: HubBackbone, engine: AnyEngine) -> None:
    case = tiny.case(QUERY, tiny.picture(1))
    chosen: dict[tuple[int, ...], torch.Tensor] = {}
    every = body.attention_layers
    try:
        for layers in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
            body.attention_layers = layers
            noting = probes.NotingEngine(engine)
            latent.reason(noting, [case], Method(iterations=1))
            seen = noting.asked[1].attention
            assert seen is not None
            chosen[layers] = seen
    finally:
        body.attention_layers = every
    torch.testing.assert_close(chosen[0, 2], (chosen[0,] + chosen[2,]) / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(chosen[0, 1, 2], (chosen[0,] + chosen[1,] + chosen[2,]) / 3, atol=1e-6, rtol=0)
    assert float(chosen[0,].sum(-1).max()) < 1


def _grid(rows: int, cols: int) -> ImageInput:
    """A picture of 80 x 60 pixels in so many visual tokens."""
    tile = Tile(rows, cols, 0, 0, (0.0, 0.0, 80.0, 60.0))
    return ImageInput("picture", torch.empty(0), (1, rows, cols), (80, 60), (tile,))


def test_a_map_proposes_the_tokens_that_lie_over_its_largest_values() -> None:
    difference = np.random.default_rng(0).random((6, 4), np.float32)

    tokens, shares = injection.most_different(difference, _grid(6, 4), 24)
    assert tokens == np.argsort(-difference.ravel(), kind="stable").tolist()
    assert shares == pytest.approx(np.sort(difference.ravel() / difference.sum())[::-1])

    tokens, shares = injection.most_different(difference, _grid(3, 2), 6)
    largest = difference.reshape(3, 2, 2, 2).max((1, 3)).ravel()
    assert tokens == np.argsort(-largest, kind="stable").tolist()
    assert shares == pytest.approx(np.sort(largest / largest.sum())[::-1])

    (finer,), _ = injection.most_different(difference, _grid(18, 12), 1)
    row, col = np.unravel_index(difference.argmax(), difference.shape)
    assert (finer // 12 // 3, finer % 12 // 3) == (int(row), int(col))
    assert injection.most_different(np.zeros((2, 2), np.float32), _grid(2, 2), 3) == ([0, 1, 2], [0, 0, 0])


def test_a_comparison_proposes_each_patch_once_alone_or_beside_attention(body: HubBackbone, engine: AnyEngine) -> None:
    difference = np.linspace(0.1, 0, 36, dtype=np.float32).reshape(6, 6)
    difference[4:, :2] = 1  # bottom left
    plain, case = tiny.case(QUERY), replace(tiny.case(QUERY), difference=difference)
    loop = Method(iterations=3, samples=2)

    def proposed(method: Method, each: Case) -> list[PatchChoice]:
        return list(latent.reason(engine, [each], method)[0].patches)

    by_map = proposed(replace(loop, proposals="comparison"), case)
    places = [(each.row, each.col) for each in by_map]
    assert len(places) == len(set(places)) == 3 * loop.patches_per_latent
    x0, y0, x1, y1 = by_map[0].box
    assert x0 + x1 < QUERY.image.width
    assert y0 + y1 > QUERY.image.height

    by_attention = proposed(loop, plain)
    assert proposed(replace(loop, proposals="attention"), case) == by_attention
    assert proposed(replace(loop, proposals="comparison"), plain) == by_attention  # where it cannot say
    first = {(each.row, each.col) for each in proposed(replace(loop, proposals="both"), case) if each.iteration == 1}
    assert first == set(places[: loop.patches_per_latent]) | {
        (each.row, each.col) for each in by_attention if each.iteration == 1
    }
