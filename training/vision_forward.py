"""The vision tower's forward for batches of equal squares, restated for training: same weights, same numbers.

The library packs images of any size into one row of patches; a training batch of equal squares is a plain (N,
patches, width) tensor, which is several times faster on a CPU. A test holds both forwards together.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH, MERGE = 14, 2
_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def patches(images: Tensor) -> Tensor:
    """(N, P, 588) normalised patches of (N, side, side, 3) uint8 images, in the image processor's order."""
    count, side = images.shape[:2]
    cells = side // (PATCH * MERGE)
    pixels = (images.float() / 255 - _MEAN) / _STD
    split = pixels.view(count, cells, MERGE, PATCH, cells, MERGE, PATCH, 3)
    return split.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(count, cells * cells * MERGE * MERGE, 3 * PATCH * PATCH)


def rotations(tower: Any, cells: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding of a square of cells x cells tokens."""
    at = torch.arange(cells * MERGE)
    rows, columns = torch.meshgrid(at, at, indexing="ij")
    grid = torch.stack([rows, columns], -1).view(cells, MERGE, cells, MERGE, 2).transpose(1, 2).reshape(-1, 2)
    cos, sin = tower.rotary_pos_emb(torch.zeros(1), grid)
    return cos, sin


def forward(tower: Any, split: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """(N, tokens, hidden) of (N, P, 588) patches of equal squares."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

    count, size = split.shape[:2]
    # The patch embedding spans two frames; a still image is the same frame twice.
    hidden = F.linear(split, tower.patch_embed.proj.weight.sum(2).flatten(1))
    cos, sin = rotation
    for block in tower.blocks:
        mixed = block.attn.qkv(block.norm1(hidden)).view(count, size, 3, block.attn.num_heads, -1)
        query, key, value = mixed.unbind(2)
        query, key = apply_rotary_pos_emb_vision(query, key, cos, sin)
        seen = F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        hidden = hidden + block.attn.proj(seen.transpose(1, 2).reshape(count, size, -1))
        hidden = hidden + block.mlp(block.norm2(hidden))
    merged: Tensor = tower.merger.mlp(tower.merger.ln_q(hidden).view(count, size // MERGE**2, -1))
    return merged


@torch.no_grad()
def tokens(tower: Any, images: Any, batch: int = 128) -> Tensor:
    """(N, tokens, hidden) bfloat16 visual tokens of (N, side, side, 3) uint8 images, in batches."""
    rotation = rotations(tower, images.shape[1] // (PATCH * MERGE))
    parts = []
    for start in range(0, len(images), batch):
        split = patches(torch.from_numpy(images[start : start + batch].copy()))
        parts.append(forward(tower, split, rotation).to(torch.bfloat16))
    return torch.cat(parts)
