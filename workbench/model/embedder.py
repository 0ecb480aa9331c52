"""Dual encoders for retrieval: pictures and texts as unit vectors in one space.

A description's vector is its encoded text and a query's is its encoded picture, so changing a text moves its vector and
nothing else does. Here are the families from the hub or a folder - SigLIP, SigLIP 2 and CLIP; the embedded model brings
its own (`workbench/embedded`). Knows nothing of storage or ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from workbench.model.backbone import BackboneError, weights_revision
from workbench.model.backbone.loading import UNREADABLE, check_weights, first_line

SIGLIP_TOKENS = 64  # SigLIP's text tower was trained on texts padded to this length


class Encoder(Protocol):
    """What retrieval asks of a dual encoder."""

    name: str  # with the weights' revision: vectors of different names are never compared
    dim: int

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""


class HubEncoder:
    """SigLIP, SigLIP 2 or CLIP."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, name: str):
        self.name = name
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._processor = processor
        self._device = next(model.parameters()).device
        self._siglip = model.config.model_type.startswith("siglip")
        self.dim = int(self.encode_texts(["a"]).shape[1])

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""
        made = self._processor(images=list(images), return_tensors="pt").to(self._device)
        with torch.no_grad():
            out = self._model.get_image_features(**made)
        return _unit(out.pooler_output)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU; longer texts are cut at the tower's length."""
        if self._siglip:  # trained lower-cased, right-padded to a fixed length and without a mask
            made = self._tokenizer(
                [text.lower() for text in texts],
                padding="max_length",
                padding_side="right",
                truncation=True,
                max_length=min(SIGLIP_TOKENS, self._model.config.text_config.max_position_embeddings),
                return_tensors="pt",
            )
            inputs = {"input_ids": made["input_ids"].to(self._device)}
        else:
            made = self._tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=self._model.config.text_config.max_position_embeddings,
                return_tensors="pt",
            )
            inputs = {name: made[name].to(self._device) for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            out = self._model.get_text_features(**inputs)
        return _unit(out.pooler_output)


def load(name: str | Path, device: str = "cpu") -> HubEncoder:
    """The dual encoder of that hub name or local folder.

    Raises:
        BackboneError: not a dual encoder, or nothing found under that name.
    """
    import transformers

    folder = Path(name)
    try:
        config = transformers.AutoConfig.from_pretrained(str(name), trust_remote_code=False)
        if config.model_type not in ("siglip", "siglip2", "clip"):
            raise BackboneError(f"{name} is a {config.model_type} model; retrieval needs SigLIP, SigLIP 2 or CLIP")
        model, report = transformers.AutoModel.from_pretrained(
            str(name),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        check_weights(name, report)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(name), trust_remote_code=False)
        images: Any = transformers.AutoImageProcessor
        processor = images.from_pretrained(str(name), trust_remote_code=False)
    except UNREADABLE as error:
        raise BackboneError(f"can't load the encoder {name}: {first_line(error)}") from error
    revision = weights_revision(folder) if folder.is_dir() else str(config._commit_hash)
    return HubEncoder(model.to(device), tokenizer, processor, f"{name}@{revision}")


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu()
