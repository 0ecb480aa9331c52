"""The evaluator of this computer: a model's weights, the engine that drives them, and the latent loop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from warehouse.records.scoring import Capabilities
from workbench.errors import OutOfMemory
from workbench.model import latent
from workbench.model.backbone import Backbone
from workbench.model.case import Case, Reasoned, Timings
from workbench.model.engine import Engine
from workbench.model.method import Method
from workbench.scoring.evaluator import Declaration, Evaluator

logger = logging.getLogger(__name__)

# How a GPU says that it has no memory, where it isn't PyTorch that asked for it.
NO_MEMORY = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class LocalEvaluator(Evaluator):
    """See the module's opening lines."""

    def __init__(self, name: str, model: str, engine: Engine, demo: bool) -> None:
        """A model, ready.

        Args:
            name: of the engine, as settings name it.
            model: as the user named it.
            engine: with its model's weights.
            demo: whether it is the embedded demo model.
        """
        self.engine, self._name, self._demo = engine, name, demo
        self.weights = engine.backbone.revision
        self.pictures = engine.backbone.pictures
        self.patch_encoder = patch_encoder(model, self.weights)
        self._embedding_scale = engine.backbone.embedding_scale  # s as these weights have it on this device

    @property
    def backbone(self) -> Backbone:
        """The model's weights."""
        return self.engine.backbone

    @property
    def memory(self) -> int:
        """Bytes the engine may keep of what it has read."""
        return self.engine.memory

    def declare(self, method: Method) -> Declaration:
        """An engine tells probabilities and can write; think tokens have a course, and look at patches to inject."""
        latents = method.think_tokens > 0
        capabilities = Capabilities(
            probabilities=True,
            attention=latents and method.iterations > 0 and method.injection != "none",
            latents=latents,
            text=True,
        )
        return Declaration(self._name, self.weights, capabilities, self._demo, self._embedding_scale)

    def answer(self, cases: Sequence[Case], method: Method) -> list[Reasoned]:
        """An answer to each case, in order; out of memory, with less and less kept.

        Raises:
            OutOfMemory: nothing is kept any more, and there is still too little.
            Exception: whatever a picture does to a model, or a device that is lost.
        """
        while True:
            try:
                return latent.reason(self.engine, cases, method)
            except torch.OutOfMemoryError:
                pass  # the error is let go of first: it holds on to what filled the memory
            except Exception as error:
                if not any(words in str(error) for words in NO_MEMORY):
                    raise
            if not self.engine.halve():
                raise OutOfMemory
            logger.warning("out of memory; going on with %d MiB for what is kept", self.engine.memory // 2**20)

    def use_scale(self, stored: float | None) -> None:
        """Reason with the s that a run began with; None: with these weights' own on this device."""
        self.backbone.embedding_scale = self._embedding_scale if stored is None else stored

    def timings(self) -> Timings:
        """Seconds the engine spent since it was made."""
        return replace(self.engine.work.timings)


def patch_encoder(model: str, weights: str) -> str:
    """What the vectors of a model's patches are named after."""
    return f"{model}@{weights}"
