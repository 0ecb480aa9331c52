"""Dual encoders for retrieval: pictures and texts as unit vectors in one space.

A description's vector is its encoded text and a query's is its encoded picture, so changing a text moves its vector and
nothing else does. Here are the families from the hub or a folder - SigLIP, SigLIP 2 and CLIP, and Qwen3-VL-Embedding
(`embedder_qwen3.py`); the embedded model brings its own (`workbench/embedded`). Knows nothing of storage or ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from workbench.model import text_windows
from workbench.model.backbone import DType
from workbench.model.backbone.hub import Parts
from workbench.model.backbone.loading import model_type, read_parts
from workbench.model.backbone.qwen3 import Qwen3VL
from workbench.model.embedder_qwen3 import Qwen3Encoder

DUAL = ("clip", "siglip", "siglip2")
SIGLIP_TOKENS = 64  # SigLIP's text tower was trained on texts padded to this length


class Encoder(Protocol):
    """What retrieval asks of a dual encoder."""

    name: str  # with the weights' revision: vectors of different names are never compared
    dim: int

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU; what is longer than a window is cut."""

    def windows(self, text: str) -> tuple[str, ...]:
        """The text in pieces that are each read whole; itself alone where it fits."""


class HubEncoder:
    """SigLIP, SigLIP 2 or CLIP."""

    def __init__(self, parts: Parts):
        self.name = f"{parts.name}@{parts.revision}"
        self._model = parts.model.eval().requires_grad_(False)
        self._tokenizer = parts.tokenizer
        self._processor = parts.processor
        self._device = next(parts.model.parameters()).device
        self._siglip = parts.model.config.model_type.startswith("siglip")
        longest = int(parts.model.config.text_config.max_position_embeddings)
        self._longest = min(SIGLIP_TOKENS, longest) if self._siglip else longest
        self.dim = int(self.encode_texts(["a"]).shape[1])

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""
        made = self._processor(images=list(images), return_tensors="pt").to(self._device)
        with torch.no_grad():
            out = self._model.get_image_features(**made)
        return _unit(out.pooler_output)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU; longer texts are cut at the tower's length: see `windows`."""
        if self._siglip:  # trained lower-cased, right-padded to a fixed length and without a mask
            made = self._tokenizer(
                [text.lower() for text in texts],
                padding="max_length",
                padding_side="right",
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            )
            inputs = {"input_ids": made["input_ids"].to(self._device)}
        else:
            made = self._tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            )
            inputs = {name: made[name].to(self._device) for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            out = self._model.get_text_features(**inputs)
        return _unit(out.pooler_output)

    def windows(self, text: str) -> tuple[str, ...]:
        """The text in pieces that the tower reads whole."""
        return text_windows.split(text, self._tokens, self._longest)

    def _tokens(self, text: str) -> int:
        read = text.lower() if self._siglip else text
        return len(self._tokenizer(read, verbose=False)["input_ids"])


def load(name: str | Path, device: str = "cpu") -> Encoder:
    """The encoder of that hub name or local folder; Qwen3-VL-Embedding in bfloat16 on CUDA, in float32 elsewhere.

    Raises:
        BackboneError: not an encoder, or nothing that can be had under that name.
    """
    if model_type(name, (*DUAL, "qwen3_vl"), "retrieval's encoders are") in DUAL:
        return HubEncoder(read_parts(name, "AutoModel", device))
    dtype: DType = "bfloat16" if device.startswith("cuda") else "float32"
    # An embedding checkpoint may come without the head that writes words.
    return Qwen3Encoder(read_parts(name, Qwen3VL.CLASS, device, dtype, unused=("lm_head.weight",)))


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu()
