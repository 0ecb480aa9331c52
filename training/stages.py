"""From nothing to the checkpoint: draw, see, read, retrieve.

Every stage keeps its state in the work folder, so the same call after a kill goes on where the last state was saved.
The seed fixes images, batches and weights. How it went (seed, machine, time of each stage) is kept beside the weights
in `training.json`, for the card.
"""

from __future__ import annotations

import copy
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training import language, loop, retrieval, vision_tower
from training.data import image_set
from workbench.embedded import dual_encoder, tiny_model

HISTORY_FILE = "training.json"


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


# In float32: a CPU without bfloat16 emulates it many times slower.
MINIATURE = Plan(
    images=100, fresh_images=60, cell_steps=10, image_steps=10, language_steps=10, retrieval_steps=10, half=False
)


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long one stage took."""

    name: str
    steps: int
    minutes: float  # on the clock, from its last start to its end, pauses included


@dataclass(frozen=True, slots=True)
class History:
    """How a checkpoint came about."""

    seed: int
    machine: str
    stages: tuple[StageTime, ...]
    note: str = ""  # where it wasn't one run of this command


def history(checkpoint: Path) -> History | None:
    """What `train` left beside the weights, if it did."""
    file = checkpoint / HISTORY_FILE
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    return History(kept["seed"], kept["machine"], tuple(StageTime(**each) for each in kept["stages"]), kept["note"])


def record(checkpoint: Path, home: Path, seed: int, note: str = "") -> None:
    """Keep beside the weights how long each stage took, from the curves in `home`."""
    rows = [json.loads(line) for line in (home / "curves.jsonl").read_text().splitlines()]
    stages = []
    for name in dict.fromkeys(row["stage"] for row in rows):
        steps, times = zip(*((row["step"], row["at"]) for row in rows if row["stage"] == name), strict=True)
        first = max((i for i in range(1, len(steps)) if steps[i] <= steps[i - 1]), default=0)
        stages.append(StageTime(name, steps[-1], round((times[-1] - times[first]) / 60, 1)))
    machine = f"{torch.get_num_threads()} of {os.cpu_count()} {platform.machine()} cores"
    kept = asdict(History(seed, machine, tuple(stages), note))
    (checkpoint / HISTORY_FILE).write_text(json.dumps(kept, indent=1) + "\n")


def train(
    checkpoint: Path,
    home: Path,
    seed: int,
    plan: Plan,
    report: loop.Report,
    on_image: Callable[[int], None] | None = None,
    workers: int = 1,
) -> None:
    """Train, and write the checkpoint folder; also whenever a state of the decoder is saved."""
    home.mkdir(parents=True, exist_ok=True)
    with _without_denormals():
        _train(checkpoint, home, seed, plan, report, on_image, workers)
    record(checkpoint, home, seed)


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Numbers next to nothing count as nothing: Adam's moments are full of them, and they are slow."""
    np.finfo(np.float32), np.finfo(np.float64)  # asked for now: in there numpy would warn of what is meant to be so
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _train(
    checkpoint: Path,
    home: Path,
    seed: int,
    plan: Plan,
    report: loop.Report,
    drawn: Callable[[int], None] | None,
    workers: int,
) -> None:
    from safetensors.torch import save_file

    # 1. draw; the decoder learns from images that the tower wasn't trained on, or it would trust it too much
    data = image_set(home, seed, plan.images, workers=workers, progress=drawn)
    fresh = image_set(home, seed + 1, plan.fresh_images, workers=workers, progress=drawn)
    # 2. see
    tokens = tiny_model.tokenizer()
    torch.manual_seed(seed)
    network = tiny_model.model(tiny_model.SHAPE, tokens)
    tower = network.model.visual
    vision_tower.train(tower, data, home, seed, report, plan.cell_steps, plan.image_steps)
    language.rescale(tower, language.look(tower, data.part(500)).images)
    seen = language.look(tower, fresh)

    def save(_step: int) -> None:
        tiny_model.save(checkpoint, copy.deepcopy(network), tokens, tiny_model.SHAPE, list(language.LATENT_LAYERS))

    def encode(text: str) -> list[int]:
        ids: list[int] = tokens(text, add_special_tokens=False)["input_ids"]
        return ids

    # 3. read
    language.train(
        network, encode, fresh, seen, home, seed, report, plan.language_steps, half=plan.half, checkpoint=save
    )
    save(plan.language_steps)
    # 4. retrieve: on the weights as they are stored, which is how they will be used
    rounded: nn.Module = network
    rounded.to(torch.bfloat16).to(torch.float32)
    head = retrieval.train(network, tokens, fresh.facets, seen.images, home, seed, report, plan.retrieval_steps)
    weights = {name: weight.to(torch.bfloat16).contiguous() for name, weight in head.state_dict().items()}
    save_file(weights, checkpoint / dual_encoder.HEAD_FILE)
