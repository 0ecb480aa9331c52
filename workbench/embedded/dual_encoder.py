"""The embedded dual encoder: images and knowledge texts in one space, for retrieval.

A small contrastive head on features the model already has: for an image its visual tokens, pooled by two learned
queries and their mean; for a text the mean of the decoder's last rows and of its embeddings. Trained by
`training/retrieval.py`; here it is read from the checkpoint folder and used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.errors import CheckpointError
from workbench.model import text_windows

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

HEAD_FILE = "retrieval_head.safetensors"
QUERIES = 2
# Tokens of a text read at once. The head was trained on texts of 12 to 17; in the mean over a text of 300 one true
# sentence is lost (right entry 0.31, in windows of 32 tokens 0.90, in windows of 64 0.41).
WINDOW = 32


class Head(nn.Module):
    """Maps pooled visual tokens and text features into the shared space."""

    def __init__(self, hidden: int = 128, dim: int = 64) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, QUERIES)
        self.image = nn.Linear((QUERIES + 1) * hidden, dim)
        self.text = nn.Linear(2 * hidden, dim)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def images(self, tokens: Tensor) -> Tensor:
        """Unit vectors (N, dim) of visual tokens (N, T, hidden)."""
        tokens = F.rms_norm(tokens.float(), tokens.shape[-1:])
        weights = self.query(tokens).softmax(1)  # (N, T, queries)
        pooled = torch.einsum("ntq,nth->nqh", weights, tokens).flatten(1)
        return F.normalize(self.image(torch.cat([pooled, tokens.mean(1)], 1)), dim=-1)

    def texts(self, features: Tensor) -> Tensor:
        """Unit vectors (N, dim) of text features (N, 2 * hidden)."""
        return F.normalize(self.text(features), dim=-1)


@torch.no_grad()
def text_features(body: Qwen2_5_VLForConditionalGeneration, tokens: PreTrainedTokenizerFast, text: str) -> Tensor:
    """(2 * hidden,): mean of the decoder's last rows, mean of the embeddings, each with rms 1."""
    ids = tokens(text or " ", return_tensors="pt", add_special_tokens=False)["input_ids"]
    decoder = body.model.language_model
    embedded = decoder.embed_tokens(ids)
    positions = torch.arange(ids.shape[1])[None, None].expand(3, 1, -1)
    last = decoder(inputs_embeds=embedded, position_ids=positions, use_cache=False).last_hidden_state
    both = torch.stack([last.float().mean(1)[0], embedded.float().mean(1)[0]])
    return F.rms_norm(both, both.shape[-1:]).flatten()


class EmbeddedEncoder:
    """The Encoder protocol of `workbench.model.embedder` on the embedded checkpoint.

    Raises:
        CheckpointError: a file is missing, cut short, or doesn't belong to the others.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from transformers import PreTrainedTokenizerFast
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        try:
            self.body = _body(folder)
            self.tokens = PreTrainedTokenizerFast.from_pretrained(folder)
            self._processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
            self.head = _head(folder, self.body.config.get_text_config().hidden_size)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"{folder} is not a whole embedded checkpoint: {reason}; bring its files back, or make it anew with "
                "python -m training train"
            ) from error
        self.dim = self.head.image.out_features
        digest = hashlib.sha256()
        for name in ("model.safetensors", "tokenizer.json", HEAD_FILE):
            digest.update((folder / name).read_bytes())
        self.name = f"embedded@{digest.hexdigest()[:12]}"

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, dim) float32, unit norm."""
        vectors = []
        for image in images:
            batch = self._processor(images=[image.convert("RGB")], return_tensors="pt")
            tokens = self.body.model.visual(batch["pixel_values"], grid_thw=batch["image_grid_thw"]).pooler_output
            vectors.append(self.head.images(tokens[None]))
        return torch.cat(vectors) if vectors else torch.zeros(0, self.dim)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim) float32, unit norm."""
        if not texts:
            return torch.zeros(0, self.dim)
        return self.head.texts(torch.stack([text_features(self.body, self.tokens, text) for text in texts]))

    def windows(self, text: str) -> tuple[str, ...]:
        """The text in pieces of a length that the head knows."""
        return text_windows.split(text, lambda piece: len(self.tokens(piece, verbose=False)["input_ids"]), WINDOW)


def _body(folder: Path) -> Qwen2_5_VLForConditionalGeneration:
    """The model; the library alone would fill what is missing with random numbers."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    family: Any = Qwen2_5_VLForConditionalGeneration
    loaded = family.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, use_safetensors=True)
    body: Qwen2_5_VLForConditionalGeneration = loaded[0]
    missing: set[str] = loaded[1]["missing_keys"]
    if missing:
        raise ValueError(f"model.safetensors lacks {len(missing)} weights, the first {min(missing)}")
    body.train(False)
    return body


def _head(folder: Path, hidden: int) -> Head:
    from safetensors.torch import load_file

    weights = load_file(folder / HEAD_FILE)
    if "image.weight" not in weights:
        raise ValueError(f"{HEAD_FILE} is not a retrieval head")
    head = Head(hidden, weights["image.weight"].shape[0]).eval()
    head.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return head
