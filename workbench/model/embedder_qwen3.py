"""Qwen3-VL-Embedding as a retrieval encoder, through the Qwen3-VL backbone.

As its authors document it (github.com/QwenLM/Qwen3-VL-Embedding): the chat template with an instruction as the system's
turn and the assistant's turn opened; the vector is the last hidden state of the last token, scaled to unit norm;
pictures of 4 to 1,800 visual tokens, texts of at most 8,192. Their own script needs torchvision; this one doesn't.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from workbench.model import text_windows
from workbench.model.backbone import ImageFeatures, ImageInput
from workbench.model.backbone.hub import Parts
from workbench.model.backbone.qwen3 import Qwen3VL
from workbench.model.prompt import Slot

INSTRUCTION = "Represent the user's input."
BEFORE = f"<|im_start|>system\n{INSTRUCTION}<|im_end|>\n<|im_start|>user\n"
BEHIND = "<|im_end|>\n<|im_start|>assistant\n"
MIN_IMAGE_TOKENS, MAX_IMAGE_TOKENS = 4, 1800
MAX_TOKENS = 8192
AT_ONCE = 8  # pictures or texts read together; a limit on memory


class Qwen3Encoder:
    """The `Encoder` protocol on a Qwen3-VL-Embedding checkpoint."""

    def __init__(self, parts: Parts):
        self._body = Qwen3VL(parts, MAX_IMAGE_TOKENS)
        processor = parts.processor
        processor.size["shortest_edge"] = MIN_IMAGE_TOKENS * (processor.patch_size * processor.merge_size) ** 2
        self.name = f"{parts.name}@{parts.revision}"
        self.dim = int(parts.model.config.text_config.hidden_size)

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU."""
        vectors = [torch.zeros(0, self.dim)]
        for first in range(0, len(images), AT_ONCE):
            inputs = [self._body.prepare("", image) for image in images[first : first + AT_ONCE]]
            rows = [self._body.tokenize((BEFORE, Slot.QUERY, BEHIND), {Slot.QUERY: each}) for each in inputs]
            vectors.append(self._vectors(rows, inputs))
        return torch.cat(vectors)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32 of unit norm, on the CPU; longer texts are cut."""
        behind = self._body.tokenize((BEHIND,), {})
        vectors = [torch.zeros(0, self.dim)]
        for first in range(0, len(texts), AT_ONCE):
            rows = []
            for text in texts[first : first + AT_ONCE]:
                row = self._row(text)
                rows.append(row if len(row) <= MAX_TOKENS else torch.cat([row[: MAX_TOKENS - len(behind)], behind]))
            vectors.append(self._vectors(rows, []))
        return torch.cat(vectors)

    def windows(self, text: str) -> tuple[str, ...]:
        """The text itself, unless it is a book."""
        return text_windows.split(text, lambda piece: len(self._row(piece)), MAX_TOKENS)

    def _row(self, text: str) -> Tensor:
        return self._body.tokenize((BEFORE + (text or "NULL") + BEHIND,), {})

    def _vectors(self, rows: Sequence[Tensor], inputs: Sequence[ImageInput]) -> Tensor:
        """(B, dim): the last hidden state at the last token of each row, which shows one of the pictures or none."""
        body = self._body
        features = body.encode(inputs) if inputs else []
        shown = [[each] for each in features] or [[] for _ in rows]
        embeddings = pad_sequence([body.embed(*pair) for pair in zip(rows, shown, strict=True)], batch_first=True)
        placed = [body.positions(row, inputs[i : i + 1], 0)[0].T for i, row in enumerate(rows)]
        positions = pad_sequence(placed, batch_first=True).permute(2, 0, 1)
        L = embeddings.shape[1]
        mask = torch.ones(1, 1, L, L, dtype=torch.bool, device=body.device).tril()  # padding stands behind what is read
        with torch.no_grad():
            hidden = body.hidden(
                embeddings, positions, mask.expand(len(rows), -1, -1, -1), None, self._deep(rows, features)
            )
        ends = torch.tensor([len(row) - 1 for row in rows], device=body.device)
        last = hidden[torch.arange(len(rows), device=body.device), ends]
        return torch.nn.functional.normalize(last.float(), dim=-1).cpu()

    def _deep(self, rows: Sequence[Tensor], features: Sequence[ImageFeatures]) -> tuple[Tensor, Tensor] | None:
        if not features:
            return None
        places = pad_sequence([self._body.is_image(row) for row in rows], batch_first=True).to(self._body.device)
        levels = range(len(features[0].deep))
        return places, torch.stack([torch.cat([each.deep[level] for each in features]) for level in levels])
