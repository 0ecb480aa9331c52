"""What all families of the transformers library have in common: tokens, embeddings, masks, attention."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from workbench.errors import BackboneError
from workbench.model.backbone.gpu_rewrites import make_quicker
from workbench.model.backbone.protocol import Box, ImageFeatures, ImageInput, Pictures
from workbench.model.device_transfer import sent
from workbench.model.prompt import Part, Slot

ROWS_AT_ONCE = 512  # of the embedding matrix, summed in float64; they stay in a CPU's cache
LATENT_TOKENS = ("<|latent|>", "<|fim_pad|>", "<|endoftext|>")  # the first the tokenizer has starts the think tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """A checkpoint as the library read it: its model (with `config`), its tokenizer and its image processor."""

    model: Any
    tokenizer: Any
    processor: Any
    name: str
    revision: str
    options: dict[str, Any] = field(default_factory=dict)  # what the checkpoint says of its use with the workbench


class HubBackbone(ABC):
    """A family says how its pictures become features and where tokens stand; the rest is here. See `Backbone`."""

    CLASS: ClassVar[str]  # of the transformers library
    MARKS: ClassVar[tuple[str, str, str]]  # tokens before a picture, in place of each visual token, and behind it

    pictures: Pictures

    def __init__(self, parts: Parts):
        model, config = parts.model.eval().requires_grad_(False), parts.model.config
        self.name = parts.name
        self.revision = parts.revision
        self._model = model
        self._core = model.model
        self._text = model.model.language_model
        self._tokenizer = parts.tokenizer
        text = config.text_config
        self.context = int(text.max_position_embeddings)
        self.layers = int(text.num_hidden_layers)
        self.heads = int(text.num_attention_heads)
        chosen = parts.options.get("attention_layers") or range(self.layers)
        self.score_by([int(layer) for layer in chosen])
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        if self.device.type == "cuda":
            make_quicker(model)
        weight = self._text.get_input_embeddings().weight
        self.embedding_scale = root_mean_square(weight)
        words = parts.tokenizer.get_vocab()
        missing = [mark for mark in (*self.MARKS, "<|im_start|>", "<|im_end|>") if mark not in words]
        if missing or words[self.MARKS[1]] != config.image_token_id:
            raise BackboneError(f"the tokenizer files of {parts.name} are missing or belong to another model")
        if all(self.token_id(text) is None for text in LATENT_TOKENS):
            raise BackboneError(
                f"the tokenizer of {parts.name} has none of the tokens that think tokens start as "
                f"({', '.join(LATENT_TOKENS)}), as InternLM2's has not; give a checkpoint with a Qwen text model"
            )
        self._before, self._image_token, self._behind = (int(words[mark]) for mark in self.MARKS)

    def score_by(self, layers: Sequence[int]) -> None:
        """Have these layers' attention score patches.

        Raises:
            BackboneError: there is no such layer.
        """
        if beyond := sorted(set(layers) - set(range(self.layers))):
            raise BackboneError(
                f"attention_layers names layer {beyond[0]}; {self.name} has 0 to {self.layers - 1} "
                "(it is a setting, or stands in the workbench.json of the model's folder)"
            )
        self.attention_layers = tuple(sorted(set(layers)))

    @abstractmethod
    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower."""

    @abstractmethod
    def zoom(self, image: Image.Image, boxes: Sequence[Box]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each."""

    @abstractmethod
    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:
        """(3, L) rotary positions of a part that begins at `start`, and the position after it."""

    def _rotary(self, positions: Tensor) -> Tensor:
        """Positions (3, B, L) as the family's text model takes them."""
        return positions

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture resized and cut up for the vision tower, on the CPU."""
        return self.pictures.prepare(key, image)

    def tokenize(self, part: Part, images: dict[Slot, ImageInput]) -> Tensor:
        """(L,) token ids of a prompt part, with one placeholder per visual token."""
        ids: list[int] = []
        for piece in part:
            if isinstance(piece, Slot):
                ids += [self._before, *[self._image_token] * images[piece].tokens, self._behind]
            else:
                ids += self._tokenizer(piece, add_special_tokens=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.long)

    def embed(self, ids: Tensor, features: Sequence[ImageFeatures]) -> Tensor:
        """(L, d) embeddings with visual tokens in their places."""
        ids = sent(ids, self.device)
        embeddings: Tensor = self._text.get_input_embeddings()(ids)  # (L, d)
        if features:
            visual = torch.cat([each.tokens for each in features]).to(embeddings.dtype)
            embeddings = embeddings.masked_scatter(self.is_image(ids)[:, None], visual)
        return embeddings

    def is_image(self, ids: Tensor) -> Tensor:
        """Boolean, like `ids`: which tokens are visual."""
        return ids == self._image_token

    def latent_start(self, count: int) -> Tensor:
        """(count, d) float32: the embedding of the reserved token, repeated."""
        ids = next(known for text in LATENT_TOKENS if (known := self.token_id(text)) is not None)
        row: Tensor = self._text.get_input_embeddings().weight[ids]
        return row.detach().float().expand(count, -1).clone()

    def hidden(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        attachment: object | None,
        deep: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, L, d) last hidden states; see `Backbone.hidden`."""
        self._text.config._attn_implementation = "sdpa" if attachment is None else "segmented"
        extra = {} if attachment is None else {"attachment": attachment}
        last: Tensor = self._read(embeddings, positions, mask, deep, **extra).last_hidden_state
        return last

    def attentions(
        self, embeddings: Tensor, positions: Tensor, mask: Tensor, deep: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Last hidden states (B, L, d) and each layer's attention (layers, B, H, L, L), by the library's plain way."""
        bias = torch.zeros(mask.shape, dtype=self.dtype, device=self.device)
        bias = bias.masked_fill(~mask, torch.finfo(self.dtype).min)
        self._text.config._attn_implementation = "eager"
        out = self._read(embeddings, positions, bias, deep, output_attentions=True)
        return out.last_hidden_state, torch.stack(out.attentions)

    def _read(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        deep: tuple[Tensor, Tensor] | None,
        **extra: object,
    ) -> Any:
        if deep is not None:  # only families whose features are deep are given any
            extra |= {"visual_pos_masks": deep[0], "deepstack_visual_embeds": list(deep[1])}
        return self._text(
            inputs_embeds=embeddings.to(self.dtype),
            position_ids=self._rotary(sent(positions, self.device)),
            attention_mask=mask,  # of four dimensions: taken as it is
            use_cache=False,
            **extra,
        )

    def head(self, hidden: Tensor) -> Tensor:
        """(..., V) logits, float32 at least."""
        logits: Tensor = self._model.lm_head(hidden)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def token_id(self, text: str) -> int | None:
        """The id of `text` if it is exactly one token."""
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return int(ids[0]) if len(ids) == 1 else None

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special ones."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def end_ids(self) -> frozenset[int]:
        """Tokens that end a generated text."""
        known = (self.token_id(text) for text in ("<|im_end|>", "<|endoftext|>"))
        return frozenset(each for each in known if each is not None)


def root_mean_square(matrix: Tensor) -> float:
    """The root mean square of a matrix's numbers, the same on every device to rounding of float64.

    Summed in float64, some rows at a time so that no copy of the whole exists. A float32 sum over the embedding matrix
    of a 7B model is 10 % too small on a CPU: it adds one number after another, and the later ones no longer count.
    """
    rows = torch.split(matrix.detach(), ROWS_AT_ONCE)
    norms = [torch.linalg.vector_norm(some.double()) for some in rows]
    return float(torch.linalg.vector_norm(torch.stack(norms))) / math.sqrt(matrix.numel())


def one_after_another(start: int, count: int) -> tuple[Tensor, int]:
    """(3, count) positions of text that begins at `start`, and the position after it."""
    return torch.arange(start, start + count).expand(3, -1), start + count


def register_attention(name: str, function: Callable[..., Any]) -> None:
    """Make an attention function known to the transformers library under this name."""
    from transformers import AttentionInterface

    AttentionInterface.register(name, function)
