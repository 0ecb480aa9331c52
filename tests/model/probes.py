"""Ways to look at what happens inside a run of the loop: hooks on the real modules, engines that note or dictate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tests.model import tiny
from tests.model.conftest import AnyEngine
from workbench.model.backbone import HubBackbone
from workbench.model.case import Case, Work
from workbench.model.engine import Evaluation, Prefix, Rows
from workbench.model.token_parts import Script, compose


@dataclass(frozen=True, slots=True)
class Fed:
    """One call of the decoder."""

    embeddings: Tensor  # (B, L, d)
    positions: Tensor  # (3, B, L)

    @property
    def tokens(self) -> int:
        """Tokens that aren't padding, which is all zeros."""
        return int(self.embeddings.abs().sum(-1).count_nonzero())


@dataclass(slots=True)
class Seen:
    """What went through the model while it was watched."""

    decoder: list[Fed] = field(default_factory=list)
    vision: list[int] = field(default_factory=list)  # pictures in each call of the vision tower


@contextmanager
def watching(body: HubBackbone) -> Iterator[Seen]:
    """Everything fed to the decoder and to the vision tower, noted by hooks on the library's modules."""
    seen = Seen()
    core = tiny.model(body).model

    def decoder(_: object, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        assert not args
        seen.decoder.append(Fed(named["inputs_embeds"].detach().clone(), named["position_ids"].clone()))

    def vision(_: object, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        grids = named["grid_thw"] if "grid_thw" in named else args[1]
        seen.vision.append(len(grids))

    hooks = [
        core.language_model.register_forward_pre_hook(decoder, with_kwargs=True),
        core.visual.register_forward_pre_hook(vision, with_kwargs=True),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def rewriting(module: torch.nn.Module, change: Callable[[Any], Any]) -> Iterator[None]:
    """The module's output passed through `change`."""
    hook = module.register_forward_hook(lambda _module, _args, out: change(out))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def instead(thing: object, name: str, value: object) -> Iterator[None]:
    """A method of this one object replaced for a while."""
    setattr(thing, name, value)
    try:
        yield
    finally:
        delattr(thing, name)


@dataclass(slots=True)
class Asked:
    """One evaluation an engine was asked for, and its result."""

    rows: Rows
    values: Tensor
    attention: Tensor | None


class NotingEngine:
    """An engine that does its work and notes what it was asked."""

    def __init__(self, engine: AnyEngine):
        self.inner = engine
        self.backbone = engine.backbone
        self.memory = engine.memory
        self.work = engine.work
        self.asked: list[Asked] = []

    def batches(self, script: Script) -> list[Script]:
        return self.inner.batches(script)

    def read(self, script: Script) -> Prefix:
        return self.inner.read(script)

    def halve(self) -> bool:
        return self.inner.halve()

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        made = self.inner.evaluate(prefix, rows, read, attention=attention)
        looked = made.attention
        seen = None if looked is None else looked.detach()
        self.asked.append(Asked(rows, made.values.detach(), seen))
        return made


class ScriptedEngine:
    """An engine whose model is as sure as it is told to be: real prefixes, dictated logits and attention.

    Args:
        engine: prepares.
        sureness: the logit of the first word of the vocabulary, all others 0, at the n-th evaluation. Surer is less
            entropy is more reward.
        looked_at: visual tokens from the most to the least attended, at the n-th evaluation; by all think tokens.
    """

    def __init__(self, engine: AnyEngine, sureness: Callable[[int], float], looked_at: Callable[[int], Sequence[int]]):
        self.inner = engine
        self.backbone = engine.backbone
        self.memory = engine.memory
        self.work = Work()
        self.sureness = sureness
        self.looked_at = looked_at
        self.asked: list[Rows] = []

    def batches(self, script: Script) -> list[Script]:
        return self.inner.batches(script)

    def read(self, script: Script) -> Prefix:
        return self.inner.read(script)

    def halve(self) -> bool:
        return self.inner.halve()

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        n = len(self.asked)
        self.asked.append(rows)
        B, places = rows.at.shape
        logits = torch.zeros(B, places, tiny.VOCABULARY)
        logits[..., 0] = self.sureness(n)
        count = max(len(prefix.visual_tokens(int(question))) for question in rows.question)
        scores = torch.zeros(B, places, count)
        for rank, token in enumerate(self.looked_at(n)):
            scores[..., token] = 1 / (2 + rank)
        return Evaluation(read(logits), (lambda rows: scores[list(rows)]) if attention else None)


def read(engine: AnyEngine, cases: Sequence[Case]) -> Prefix:
    """All constant parts of these cases, whatever memory that takes."""
    return engine.read(compose(engine.backbone, cases))


def identity(logits: Tensor) -> Tensor:
    """Reads the logits themselves."""
    return logits
