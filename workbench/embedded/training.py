"""From nothing to the checkpoint: draw, see, read, retrieve.

Every stage keeps its state in the work folder, so the same call after a kill goes on where the last state was saved.
The seed fixes images, batches and weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from workbench.embedded import body, dual_encoder, loop, train_language, train_retrieval, train_vision
from workbench.embedded.data import image_set


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each stage is; the defaults are the released checkpoint's."""

    images: int = 14_000  # for the tower
    fresh_images: int = 10_000  # for decoder and retrieval, unseen by the tower
    cell_steps: int = 1000
    image_steps: int = 3700
    language_steps: int = 7000
    retrieval_steps: int = 2500
    half: bool = True  # the decoder's matrix products in bfloat16: a third faster on CPUs with AVX-512 BF16


MINIATURE = Plan(images=200, fresh_images=100, cell_steps=20, image_steps=20, language_steps=20, retrieval_steps=20)


def train(
    checkpoint: Path,
    home: Path,
    seed: int,
    plan: Plan,
    report: loop.Report,
    drawn: Callable[[int], None] | None = None,
    workers: int = 1,
) -> None:
    """Train, and write the checkpoint folder; also whenever a state of the decoder is saved."""
    from safetensors.torch import save_file

    home.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    # 1. draw; the decoder learns from images that the tower wasn't trained on, or it would trust it too much
    data = image_set(home, seed, plan.images, workers=workers, progress=drawn)
    fresh = image_set(home, seed + 1, plan.fresh_images, workers=workers, progress=drawn)
    # 2. see
    tokens = body.tokenizer()
    torch.manual_seed(seed)
    network = body.model(body.SHAPE, tokens)
    tower = network.model.visual
    train_vision.train(tower, data, home, seed, report, plan.cell_steps, plan.image_steps)
    train_language.rescale(tower, train_language.look(tower, data.part(500)).images)
    seen = train_language.look(tower, fresh)

    def save(_step: int) -> None:
        body.save(checkpoint, copy.deepcopy(network), tokens, body.SHAPE, list(train_language.LATENT_LAYERS))

    def encode(text: str) -> list[int]:
        ids: list[int] = tokens(text, add_special_tokens=False)["input_ids"]
        return ids

    # 3. read
    train_language.train(
        network, encode, fresh, seen, home, seed, report, plan.language_steps, half=plan.half, checkpoint=save
    )
    save(plan.language_steps)
    # 4. retrieve: on the weights as they are stored, which is how they will be used
    rounded: nn.Module = network
    rounded.to(torch.bfloat16).to(torch.float32)
    head = train_retrieval.train(network, tokens, fresh.facets, seen.images, home, seed, report, plan.retrieval_steps)
    weights = {name: weight.to(torch.bfloat16).contiguous() for name, weight in head.state_dict().items()}
    save_file(weights, checkpoint / dual_encoder.HEAD_FILE)
