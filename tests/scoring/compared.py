"""A tower with random weights and an archive of drawn plates, for tests of runs that compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

SIDE = 126  # pixels: 9 x 9 patches
SHADES = {"bolt": 60, "nut": 150}


def tower(folder: Path) -> Path:
    """A DINOv2 of two layers with random weights, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=14, mlp_ratio=2
    )
    Dinov2Model(config).save_pretrained(folder)
    return folder


def plate(
    file: Path,
    product: str,
    number: int,
    scratch: tuple[int, int] | None = None,
    tint: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """A grained plate, of a tint; with a white square in the third (row, column) of it as its scratch."""
    seed = [number, SHADES.get(product, 100), 1 if scratch else 0]
    pixels = np.random.default_rng(seed).normal(SHADES.get(product, 100), 3, (SIDE, SIDE, 3)) + np.array(tint)
    pixels = pixels.clip(0, 255)
    if scratch:
        top, left = 7 + scratch[0] * 42, 7 + scratch[1] * 42
        pixels[top : top + 28, left : left + 28] = 255
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file)


def archive(root: Path, normals: int = 6) -> Path:
    """Two products with normals, three good and three scratched pictures each, along the diagonal."""
    for product in SHADES:
        for number in range(normals):
            plate(root / product / "train" / "good" / f"{number:03d}.png", product, number)
        for number in range(3):
            plate(root / product / "test" / "good" / f"{number:03d}.png", product, 100 + number)
            plate(root / product / "test" / "scratch" / f"{number:03d}.png", product, 200 + number, (number, number))
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[7 + number * 42 : 35 + number * 42, 7 + number * 42 : 35 + number * 42] = 255
            file = root / product / "ground_truth" / "scratch" / f"{number:03d}_mask.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(file)
    return root
