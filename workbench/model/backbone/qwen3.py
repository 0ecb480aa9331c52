"""Qwen3-VL: as Qwen2.5-VL, and features of the vision tower's earlier layers go into the text model's first layers.

Those deepstack features are part of every segment with a picture. The text model takes them beside the embeddings and,
left out, answers worse without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from workbench.model.backbone.protocol import ImageFeatures, ImageInput
from workbench.model.backbone.qwen25 import Qwen25VL


class Qwen3VL(Qwen25VL):
    """Qwen3-VL; see the module's opening lines."""

    CLASS = "Qwen3VLForConditionalGeneration"

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, deepstack features included, in one call of the vision tower."""
        out = self._see(inputs)
        tokens = list(out.pooler_output)
        counts = [len(each) for each in tokens]
        levels = [torch.split(each, counts) if torch.is_tensor(each) else each for each in out.deepstack_features]
        return [ImageFeatures(each, tuple(level[i] for level in levels)) for i, each in enumerate(tokens)]
