"""Training of the vision tower: to see defects before any word is learned.

Three steps. The patch embedding is set to the whitened principal components of patches: learned from scratch it
spends most of the time on brightness. Then single cells of 28 pixels, half of them defective: rare, small things are
learned where nothing else distracts. Then whole images under dense heads (which cells, which defect, and per image
product, colour, size, tone, place), whose pooling is told to look at the defect, with zoom crops among them. The
heads are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import loop, vision_forward
from training.data import CELLS, HIT, ImageSet
from workbench.embedded.drawn_world import COLORS, DEFECTS, PRODUCTS, REGIONS, SIZES, TONES
from workbench.embedded.questions import Facets

# Per image: what is asked of the pooled tokens. The first five look at the defect.
TARGETS: dict[str, tuple[tuple[str, ...], Callable[[Facets], str | None]]] = {
    "detect": (("good", "defective"), lambda f: "defective" if f.defect else "good"),
    "defect": (DEFECTS, lambda f: f.defect),
    "tone": (TONES, lambda f: f.adjective),
    "size": (SIZES, lambda f: f.size),
    "region": (REGIONS, lambda f: f.region),
    "product": (tuple(PRODUCTS), lambda f: f.product),
    "color": (COLORS, lambda f: f.color),
    "parts": (("2", "3", "4"), lambda f: str(f.parts)),
}
_LOOKING = 5
_TOLD = ("tone", "size", "region")
_NONE = -100  # ignored by cross entropy


class Heads(nn.Module):
    """Dense read-outs of the visual tokens; only for training."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hit = nn.Linear(hidden, 1)
        self.kind = nn.Linear(hidden, len(DEFECTS))
        self.place = nn.Linear(hidden, 2 * CELLS)
        self.query = nn.Linear(hidden, len(TARGETS))
        self.at = nn.Parameter(torch.zeros(CELLS**2, hidden))
        self.read = nn.ModuleList([nn.Linear(hidden, len(names)) for names, _ in TARGETS.values()])
        # Each defective token is also asked for what is true of the whole defect: pooling hardly teaches size.
        self.told = nn.ModuleDict({name: nn.Linear(hidden, len(TARGETS[name][0])) for name in _TOLD})


def labels(facets: list[Facets]) -> Tensor:
    """(N, targets) class numbers, -100 where a target doesn't apply."""
    rows = []
    for one in facets:
        values = [(names, of(one)) for names, of in TARGETS.values()]
        rows.append([names.index(value) if value in names else _NONE for names, value in values])
    return torch.tensor(rows)


def whiten(tower: Any, images: npt.NDArray[np.uint8]) -> None:
    """Set the patch embedding to whitened principal components of these images' patches."""
    flat = vision_forward.patches(torch.from_numpy(images.copy())).reshape(-1, 3 * vision_forward.PATCH**2)
    values, directions = torch.linalg.eigh(flat.T @ flat / len(flat))
    width = tower.patch_embed.proj.weight.shape[0]
    values, directions = values.flip(0)[:width], directions.flip(1)[:, :width]
    filters = (directions / (values + 2e-3).sqrt()).T * 0.5
    spread = filters.view(width, 3, 1, vision_forward.PATCH, vision_forward.PATCH).expand(-1, -1, 2, -1, -1) / 2
    with torch.no_grad():
        tower.patch_embed.proj.weight.copy_(spread)


def initialise(tower: Any) -> None:
    """Weights large enough that a short training moves them; the library's 0.02 suits large models."""
    for name, weight in tower.named_parameters():
        if weight.ndim == 2:
            into_residual = "proj.weight" in name or "down" in name
            nn.init.normal_(weight, 0, 0.7 * weight.shape[1] ** -0.5 * (0.5 if into_residual else 1))


def train(
    tower: Any,
    data: ImageSet,
    home: Path,
    seed: int,
    report: loop.Report,
    cell_steps: int = 1200,
    image_steps: int = 3000,
    batch: int = 32,
    check: Callable[[Any, Heads], None] | None = None,
) -> None:
    """Train the tower in place."""
    torch.manual_seed(seed)
    initialise(tower)
    whiten(tower, data.images[:600])
    hidden = tower.config.out_hidden_size
    modules = nn.ModuleDict({"tower": tower, "heads": Heads(hidden)})
    heads = modules["heads"]
    assert isinstance(heads, Heads)
    stage = loop.Stage("vision-cells", cell_steps, 2e-3, last_rate=0.3)
    loop.train(stage, modules, _cell_loss(tower, heads, data, seed), home, seed, report)
    stage = loop.Stage("vision-images", image_steps, 1.3e-3)
    after = None if check is None else lambda _step: check(tower, heads)
    loop.train(stage, modules, _image_loss(tower, heads, data, batch), home, seed, report, after)
    if check is not None:
        check(tower, heads)


def _brightness(rng: np.random.Generator, images: npt.NDArray[np.uint8]) -> Tensor:
    """The images, half of the time each with its own brightness and balance."""
    if rng.random() < 0.5:
        return torch.from_numpy(images)
    gain = rng.uniform(0.85, 1.15, (len(images), 1, 1, 3)).astype(np.float32)
    return torch.from_numpy(np.clip(images * gain, 0, 255).astype(np.uint8))


def _cell_loss(tower: Any, heads: Heads, data: ImageSet, seed: int, half: int = 128) -> loop.StepLoss:
    """Single cells, half of them defective: is it, and which defect."""
    rng = np.random.default_rng([seed, 1])
    kinds = labels(data.facets)[:, 1]
    bad = np.argwhere(data.cells > 2 * HIT)
    fine = np.argwhere(np.asarray(data.cells) == 0)
    bad, fine = bad[rng.permutation(len(bad))[:16000]], fine[rng.permutation(len(fine))[:16000]]
    bad_pixels, fine_pixels = _cut(data, bad), _cut(data, fine)
    bad_kinds = kinds[torch.from_numpy(bad[:, 0].copy())]
    rotation = vision_forward.rotations(tower, 1)
    truth = torch.cat([torch.ones(half), torch.zeros(half)])

    def loss(rng: np.random.Generator, step: int) -> tuple[Tensor, loop.Losses]:
        i, j = rng.integers(len(bad_pixels), size=half), rng.integers(len(fine_pixels), size=half)
        pixels = np.concatenate([bad_pixels[i], fine_pixels[j]])
        if step % 2:
            pixels = pixels[:, ::-1]
        split = vision_forward.patches(_brightness(rng, np.ascontiguousarray(pixels)))
        token = F.rms_norm(vision_forward.forward(tower, split, rotation)[:, 0], (heads.hit.in_features,))
        hit, kind = heads.hit(token)[:, 0], heads.kind(token[:half])
        seen, named = F.binary_cross_entropy_with_logits(hit, truth), F.cross_entropy(kind, bad_kinds[i])
        accuracy = ((hit > 0) == (truth > 0)).float().mean()
        return seen + named, {
            "hit": float(seen.detach()),
            "kind": float(named.detach()),
            "hit_accuracy": float(accuracy),
            "kind_accuracy": float((kind.argmax(-1) == bad_kinds[i]).float().mean()),
        }

    return loss


def _cut(data: ImageSet, where: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    side = data.images.shape[1] // CELLS
    rows, columns = (where[:, 1] // CELLS) * side, (where[:, 1] % CELLS) * side
    cut = [data.images[i, r : r + side, c : c + side] for i, r, c in zip(where[:, 0], rows, columns, strict=True)]
    return np.stack(cut)


def _image_loss(tower: Any, heads: Heads, data: ImageSet, batch: int) -> loop.StepLoss:
    """Whole images under all heads; every fourth step also zoom crops."""
    truth = labels(data.facets)
    cells = torch.from_numpy(np.array(data.cells))
    whole, zoomed = vision_forward.rotations(tower, CELLS), vision_forward.rotations(tower, 2)
    at = torch.arange(CELLS**2)

    def loss(rng: np.random.Generator, step: int) -> tuple[Tensor, loop.Losses]:
        chosen = rng.integers(len(data), size=batch)
        tokens = vision_forward.forward(tower, vision_forward.patches(_brightness(rng, data.images[chosen])), whole)
        parts = _head_losses(heads, tokens, cells[chosen], truth[chosen])
        where = heads.place(F.rms_norm(tokens, tokens.shape[-1:])).view(-1, 2, CELLS)
        rows, columns = (at // CELLS).repeat(batch), (at % CELLS).repeat(batch)
        parts["place"] = 0.1 * (F.cross_entropy(where[:, 0], rows) + F.cross_entropy(where[:, 1], columns))
        if step % 4 == 0:
            crops = data.crops[chosen].reshape(-1, *data.crops.shape[2:])
            close = vision_forward.forward(tower, vision_forward.patches(torch.from_numpy(crops)), zoomed)
            shares = torch.from_numpy(data.crop_shares[chosen]).reshape(-1, 4)
            parts["zoom"] = _token_losses(heads, close, shares, truth[chosen, 1].repeat_interleave(data.crops.shape[1]))
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(part.detach()) for name, part in parts.items()}

    return loss


def _token_losses(heads: Heads, tokens: Tensor, shares: Tensor, kinds: Tensor) -> Tensor:
    """Which tokens show a defect, and which defect it is."""
    normed = F.rms_norm(tokens, tokens.shape[-1:])
    hit = shares > HIT
    total = F.binary_cross_entropy_with_logits(heads.hit(normed)[..., 0], hit.float(), pos_weight=torch.tensor(3.0))
    if hit.any():
        named = kinds[:, None].expand(-1, tokens.shape[1])[hit]
        total = total + 0.5 * F.cross_entropy(heads.kind(normed)[hit], named)
    return total


def _head_losses(heads: Heads, tokens: Tensor, shares: Tensor, truth: Tensor) -> dict[str, Tensor]:
    parts = {"cells": _token_losses(heads, tokens, shares, truth[:, 1])}
    normed = F.rms_norm(tokens, tokens.shape[-1:])
    weights = heads.query(normed).log_softmax(1)  # (N, tokens, targets)
    pooled = torch.einsum("nct,nch->tnh", weights.exp(), normed + heads.at)
    for index, (name, read) in enumerate(zip(TARGETS, heads.read, strict=True)):
        if (truth[:, index] >= 0).any():
            weight = 1.0 if name in ("detect", "defect") else 0.5
            parts[name] = weight * F.cross_entropy(read(pooled[index]), truth[:, index], ignore_index=_NONE)
    hit = shares > HIT
    has = hit.any(1)
    for name in _TOLD:
        of_token = truth[:, list(TARGETS).index(name), None].expand_as(shares)[hit]
        if (of_token >= 0).any():
            parts[f"told {name}"] = 0.4 * F.cross_entropy(heads.told[name](normed[hit]), of_token, ignore_index=_NONE)
    if has.any():
        on_defect = weights[..., :_LOOKING][has].masked_fill(~hit[has][..., None], -1e9)
        parts["look"] = -0.2 * on_defect.logsumexp(1).mean()
    return parts
