"""Loading a model: what is refused, in words that say what to do, and what identifies it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.model import tiny
from workbench.errors import BackboneError
from workbench.model import backbone
from workbench.model.backbone import HubBackbone, loading


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint folder of one's own, to break."""
    return Path(shutil.copytree(folders["qwen2_5_vl"], tmp_path / "model"))


def _configure(folder: Path, text: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] = {key: value for key, value in config["text_config"].items() if key != "layer_types"} | text
    (folder / "config.json").write_text(json.dumps(config))


def _without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _another_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}')


def _sliding(folder: Path) -> None:
    _configure(folder, {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1})


def _pickled(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def _cut_short(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _incomplete(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "q_proj.weight" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _of_another_shape(folder: Path) -> None:
    _configure(folder, {"intermediate_size": 100})


def _without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def _without_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (_without_config, r"model is not a model folder: it has no config\.json; give a folder made by save_pretrained"),
    (_broken_config, r"can't load .*model: .*config\.json.* is not a valid JSON file"),
    (_another_family, r"is a llama model; supported families are internvl, qwen2_5_vl, qwen3_vl"),
    (_sliding, r"uses sliding-window attention, which the engines don't support"),
    (_pickled, r"can't load .*model: it has no \*\.safetensors; .* write it anew with save_pretrained"),
    (_cut_short, r"can't load .*model: .*"),
    (_empty, r"can't load .*model: .*header too small"),
    (
        _incomplete,
        r"the weights of .* don't fit its configuration: 3 are missing or of another shape, the first .*q_proj",
    ),
    (
        _of_another_shape,
        r"the weights of .* don't fit its configuration: 9 are missing or of another shape, the first ",
    ),
    (_without_tokenizer, r"the tokenizer files of .* are missing or belong to another model"),
    (_without_processor, r"can't load .*model: .*image processor"),
]


@pytest.mark.parametrize(("breaking", "words"), BROKEN, ids=[breaking.__name__ for breaking, _ in BROKEN])
def test_a_folder_that_is_no_model_is_refused(folder: Path, breaking: Callable[[Path], None], words: str) -> None:
    breaking(folder)
    with pytest.raises(BackboneError, match=words):
        backbone.load(folder)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "not a name"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(BackboneError, match=f"^can't load {name}: .*neither a folder nor|can't be reached"):
        backbone.load(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_refused_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(BackboneError, match="no CUDA device is available to this PyTorch; use --device cpu"):
        backbone.load(folder, device="cuda")


def test_the_revision_follows_weights_configuration_and_tokenizer_and_nothing_else(folder: Path) -> None:
    first = backbone.weights_revision(folder)
    (folder / "README.md").write_text("about this model")
    assert backbone.weights_revision(folder) == first
    for name in ("model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json", "merges.txt"):
        path = folder / name
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(before + b" ")
        assert backbone.weights_revision(folder) != first, name
        path.write_bytes(before) if before else path.unlink()
    assert backbone.weights_revision(folder) == first


def test_large_weight_files_are_identified_by_samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(bytes(3 * 2**20))
    monkeypatch.setattr(loading, "HASHED_WHOLE", 2**20)
    first = backbone.weights_revision(folder)
    weights.write_bytes(bytes(2**21) + b"\1" + bytes(2**20 - 1))
    assert backbone.weights_revision(folder) != first


def test_a_checkpoint_may_name_the_layers_whose_attention_scores_patches(folder: Path) -> None:
    assert backbone.load(folder).attention_layers == (0, 1, 2)
    (folder / "workbench.json").write_text('{"attention_layers": [1]}')
    assert backbone.load(folder).attention_layers == (1,)
    (folder / "workbench.json").write_text('{"attention_layers": [1, 3]}')
    with pytest.raises(BackboneError, match=r"attention_layers names layer 3; .*model has 0 to 2"):
        backbone.load(folder)
    for broken in ("{", "7"):
        (folder / "workbench.json").write_text(broken)
        with pytest.raises(BackboneError, match=r"workbench\.json isn't a JSON object: "):
            backbone.load(folder)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_larger_pictures_are_scaled_down_to_the_most_image_tokens(family: str, folders: dict[str, Path]) -> None:
    large = tiny.picture(1, 400, 300).image
    counts = {}
    for most in (None, 12, 4, 1000):
        made = backbone.load(folders[family], max_image_tokens=most).prepare("", large)
        counts[most] = made.tokens
        assert made.size == (400, 300)
    assert counts[None] == counts[1000] > 12  # the checkpoint's own limit is never raised
    assert counts[12] <= 12
    assert counts[4] <= 4


def test_weights_are_frozen_and_the_scale_is_the_rms_of_the_embeddings(body: HubBackbone) -> None:
    weight = tiny.model(body).model.language_model.get_input_embeddings().weight
    assert not any(parameter.requires_grad for parameter in tiny.model(body).parameters())
    assert body.embedding_scale == pytest.approx(float(weight.double().square().mean().sqrt()), rel=1e-9)


def test_think_tokens_start_as_the_reserved_token(body: HubBackbone) -> None:
    weight = tiny.model(body).model.language_model.get_input_embeddings().weight
    reserved = body.token_id("<|fim_pad|>")
    start = body.latent_start(3)
    assert start.dtype == torch.float32
    assert torch.equal(start, weight[reserved].expand(3, -1))


def test_pictures_encoded_together_are_encoded_as_alone(body: HubBackbone) -> None:
    inputs = [
        body.prepare(str(i), tiny.picture(i, *size).image) for i, size in enumerate([(90, 90), (70, 150), (168, 110)])
    ]
    together = body.encode(inputs)
    for made, features in zip(inputs, together, strict=True):
        (alone,) = body.encode([made])
        torch.testing.assert_close(features.tokens, alone.tokens, atol=2e-5, rtol=0)
        assert len(features.tokens) == made.tokens
        for a, b in zip(features.deep, alone.deep, strict=True):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=0)


def test_two_words_are_no_token(body: HubBackbone) -> None:
    assert body.token_id("A") is not None
    assert body.token_id("<|latent|>") is None
    assert body.end_ids() == {body.token_id("<|im_end|>"), body.token_id("<|endoftext|>")}
