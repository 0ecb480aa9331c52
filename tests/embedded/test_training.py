"""Training: the same numbers as the library's forward, and a cut run that equals an uncut one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import episodes, language, loop, packed, vision_forward
from training.data import ImageSet, image_set
from training.episodes import Builder
from training.mixture import Mix
from workbench.embedded import tiny_model

QUIET = loop.Report(lambda *_: None, every=1000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return image_set(tmp_path_factory.mktemp("images"), seed=5, count=48)


@pytest.fixture(scope="module")
def tokens() -> Any:
    return tiny_model.tokenizer()


def _network(tokens: Any) -> Any:
    torch.manual_seed(0)
    network = tiny_model.model(tiny_model.SHAPE, tokens)
    network.train(False)
    language.initialise(network.model.language_model)
    return network


def _encode(tokens: Any) -> episodes.Encode:
    return lambda text: tokens(text, add_special_tokens=False)["input_ids"]


def _seen(count: int) -> language.VisualTokens:
    generator = torch.Generator().manual_seed(0)
    images, crops = (torch.randn(count, size, 128, generator=generator) * 0.5 for size in (36, 8))
    return language.VisualTokens(images.bfloat16(), crops.bfloat16())


@pytest.mark.slow
def test_the_towers_batched_forward_equals_the_librarys(tokens: Any, data: ImageSet) -> None:
    tower = _network(tokens).model.visual
    split = vision_forward.patches(torch.from_numpy(data.images[:2].copy()))
    frames = split.view(2, 144, 3, 1, 196).expand(2, 144, 3, 2, 196).reshape(2 * 144, -1)
    with torch.no_grad():
        mine = vision_forward.forward(tower, split, vision_forward.rotations(tower, 6))
        theirs = tower(frames, grid_thw=torch.tensor([[1, 12, 12]] * 2)).pooler_output.view(2, 36, -1)
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mix",
    [
        Mix(injected_share=1.0),
        Mix(reference=False, latents=8, mode="product"),
        Mix(protocol=True, latents=0, mode="none"),
    ],
    ids=["held patches", "zero-shot", "inspection protocol"],
)
def test_the_packed_forward_equals_the_librarys_on_each_question_alone(tokens: Any, data: ImageSet, mix: Mix) -> None:
    network = _network(tokens)
    decoder = network.model.language_model
    builder = Builder(data, _encode(tokens))
    laid_out = [builder.episode(np.random.default_rng(i), i, mix) for i in range(3)]
    batch = packed.pack(laid_out)
    pairs = [(b, answer.row) for b, episode in enumerate(laid_out) for answer in episode.answers]
    last, slots = language.gather(batch, pairs)
    with torch.no_grad():
        inputs = packed.embed(decoder, batch, _seen(len(data)).table(batch))
        hidden, _, _ = packed.forward(decoder, batch, inputs, last)
        coarse, _, _ = packed.forward(decoder, batch, inputs, last, half=True)
        assert (coarse - hidden).abs().max() < 0.05 * hidden.abs().max()
        for (b, row), slot in zip(batch.rows(pairs).tolist(), slots.tolist(), strict=True):
            of = batch.blocks[b]
            mine = ((of == 0) | (of == of[row])) & (torch.arange(len(of)) <= row)
            picture = (batch.sources[b, mine] >= 0) & (of[mine] == 0)
            grids = torch.tensor([[1, 12, 12]] * (int(picture.sum()) // 36))
            ids = batch.ids[b, mine][None]
            positions, _ = network.model.get_rope_index(
                ids, image_grid_thw=grids, mm_token_type_ids=picture[None].int()
            )
            assert torch.equal(positions[:, 0], batch.positions[:, b, mine])
            alone = decoder(inputs_embeds=inputs[b, mine][None], position_ids=positions, use_cache=False)
            torch.testing.assert_close(hidden[tuple(slot)], alone.last_hidden_state[0, -1], atol=5e-5, rtol=0)


@pytest.mark.slow
def test_training_that_was_cut_and_resumed_equals_training_in_one_go(
    tokens: Any, data: ImageSet, tmp_path: Path
) -> None:
    weights = []
    for name, cuts in (("whole", (None,)), ("cut", (2, None))):
        network = _network(tokens)
        home = tmp_path / name
        home.mkdir()
        for stop in cuts:
            done = language.train(
                network, _encode(tokens), data, _seen(len(data)), home, 1, QUIET, steps=4, batch=2, stop_after=stop
            )
            assert done == (stop is None)
        weights.append(network.model.language_model.layers[3].mlp.down_proj.weight.detach().clone())
    assert torch.equal(*weights)


def test_only_the_true_text_is_told_to_look_at_the_defect(tokens: Any, data: ImageSet) -> None:
    builder = Builder(data, _encode(tokens))
    image = next(i for i, facets in enumerate(data.facets) if facets.defect)
    episode = builder.episode(np.random.default_rng(0), image, Mix(mode="product"))
    true = {row for row, fits in episode.texts if fits}
    assert len(true) == 1
    fit = episodes.HOP_NAMES.index("fit")
    looking = {hop.row for hop in episode.hops if hop.kind == fit and set(hop.targets) == set(episode.hits)}
    assert looking & {row for row, _ in episode.texts} == true


def test_without_the_defects_text_nothing_in_the_prompt_tells_its_consequence(tokens: Any, data: ImageSet) -> None:
    builder = Builder(data, _encode(tokens))
    image = next(i for i, facets in enumerate(data.facets) if facets.defect)
    match = episodes.HOP_NAMES.index("match")
    for mode, told in (("product", True), ("none", False)):
        mix = Mix(mode=mode, subtasks=("Defect Analysis",))  # type: ignore[arg-type]
        episode = builder.episode(np.random.default_rng(0), image, mix)
        assert any(hop.kind == match for hop in episode.hops) == told
