"""A training loop that can be killed: every stage goes on where its last saved state stood.

Randomness of a step follows from (seed, stage, step) alone, so a state is weights, optimizer and step number, and a
run that was cut and resumed equals an uncut one.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Losses = dict[str, float]  # name -> value of one step, for the curves
StepLoss = Callable[[np.random.Generator, int], tuple[Tensor, Losses]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training."""

    name: str
    steps: int
    rate: float  # highest learning rate
    last_rate: float = 0.02  # share of it that is left at the end
    warm_up: int = 60
    weight_decay: float = 0.03

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a half cosine."""
        down = self.last_rate + (1 - self.last_rate) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warm_up) * down


@dataclass(frozen=True, slots=True)
class Report:
    """Where a stage tells how it is getting on."""

    progress: Callable[[str, int, int, Losses], None]  # stage, step, steps, smoothed losses
    every: int = 50


def train(
    stage: Stage,
    modules: nn.ModuleDict,
    loss: StepLoss,
    home: Path,
    seed: int,
    report: Report,
    checkpoint: Callable[[int], None] | None = None,
    save_seconds: float = 120.0,
    stop_after: int | None = None,
) -> bool:
    """Train the modules' parameters that require gradients; True when the stage is complete.

    Args:
        loss: the loss of one step, from that step's generator and number.
        home: states and curves are kept here.
        checkpoint: called after each saved state.
        stop_after: leave after so many steps of this call, state saved.
    """
    state_file = home / f"{stage.name}.pt"
    parameters = [p for p in modules.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=stage.rate, weight_decay=stage.weight_decay, betas=(0.9, 0.98))
    step = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        modules.load_state_dict(state["modules"])
        if state["step"] >= stage.steps:
            return True
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    first, saved = step, time.monotonic()
    smooth: Losses = {}
    while step < stage.steps:
        if stop_after is not None and step - first >= stop_after:
            break
        for group in optimizer.param_groups:
            group["lr"] = stage.rate_at(step)
        rng = np.random.default_rng([seed, zlib.crc32(stage.name.encode()), step])
        torch.manual_seed(int(rng.integers(2**31)))
        total, parts = loss(rng, step)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        for name, value in parts.items():
            smooth[name] = value if name not in smooth else 0.97 * smooth[name] + 0.03 * value
        if step % report.every == 0:
            report.progress(stage.name, step, stage.steps, smooth)
            with (home / "curves.jsonl").open("a") as curves:
                curves.write(
                    json.dumps({"stage": stage.name, "step": step, "at": round(time.time(), 1), **smooth}) + "\n"
                )
        if time.monotonic() - saved > save_seconds:
            _save(state_file, modules, optimizer, step)
            if checkpoint is not None:
                checkpoint(step)
            saved = time.monotonic()
    _save(state_file, modules, optimizer, step)
    return step >= stage.steps


def _save(file: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Whole or not at all: written beside, then renamed."""
    fresh = file.with_suffix(".tmp")
    torch.save({"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, fresh)
    fresh.replace(file)
