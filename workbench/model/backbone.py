"""Vision-language models behind one small interface: pictures to features, text to tokens, embeddings to hidden states.

The engines (`segments.py`, `naive.py`) need from a model only what `Backbone` lists; everything a family silently
requires - three-dimensional rotary positions, deepstack features - is met here and nowhere else. Weights are frozen,
`trust_remote_code` stays off and only safetensors are read. Knows nothing of the loop.

Shapes: B rows, L tokens, d hidden size, V vocabulary, n visual tokens of one image.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from workbench.model.prompt import Part, Slot

if TYPE_CHECKING:
    from workbench.model.segments import Attachment

Device = str
DType = Literal["float32", "bfloat16"]

FAMILIES = {
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
}
LATENT_TOKENS = ("<|latent|>", "<|fim_pad|>", "<|endoftext|>")  # the first the tokenizer has starts the think tokens
ZOOM_TOKENS = 2  # a zoomed patch is encoded as ZOOM_TOKENS x ZOOM_TOKENS visual tokens
# What the libraries raise over files that are missing, cut short or not what their name says.
UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
HASHED_WHOLE = 256 * 2**20  # weight files above this many bytes are identified by samples


class BackboneError(Exception):
    """A model that can't be loaded or used; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A picture made ready for the vision tower."""

    key: str  # the picture's key with the processor's settings
    pixels: Tensor  # (patches, values of a patch)
    grid: tuple[int, int, int]  # time, height, width in vision patches
    rows: int  # visual tokens down and across
    cols: int
    size: tuple[int, int]  # width and height of the picture in pixels


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """A picture as the language model sees it."""

    tokens: Tensor  # (n, d), row by row
    deep: tuple[Tensor, ...] = ()  # each (n, d), added after the first layers (Qwen3-VL)


class Backbone(Protocol):
    """What the engines ask of a model family."""

    name: str
    revision: str  # identifies the weights
    context: int  # most tokens in one sequence
    layers: int
    heads: int
    embedding_scale: float  # s, the rms of the embedding matrix
    attention_layers: tuple[int, ...]  # whose attention scores patches
    device: torch.device
    dtype: torch.dtype

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture resized and cut into vision patches, on the CPU."""

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower."""

    def zoom(self, image: Image.Image, boxes: Sequence[tuple[float, float, float, float]]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each."""

    def tokenize(self, part: Part, images: dict[Slot, ImageInput]) -> Tensor:
        """(L,) token ids of a prompt part, with one placeholder per visual token."""

    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:
        """(3, L) rotary positions of a part that begins at `start`, and the position after it."""

    def embed(self, ids: Tensor, features: Sequence[ImageFeatures]) -> Tensor:
        """(L, d) embeddings with visual tokens in their places."""

    def is_image(self, ids: Tensor) -> Tensor:
        """Boolean, like `ids`: which tokens are visual."""

    def latent_start(self, count: int) -> Tensor:
        """(count, d) float32: the embedding of the reserved token, repeated."""

    def hidden(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor,
        attachment: Attachment | None,
        deep: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, L, d) last hidden states.

        Args:
            embeddings: (B, L, d).
            positions: (3, B, L).
            mask: (B, 1, L, L) boolean, True = may attend, among these L tokens.
            attachment: segments attended to before these tokens, and what to record; None for the plain model.
            deep: visual positions (B, L) boolean, and (layers, visual tokens, d) to add there.
        """

    def head(self, hidden: Tensor) -> Tensor:
        """(..., V) logits, float32 at least."""

    def token_id(self, text: str) -> int | None:
        """The id of `text` if it is exactly one token."""

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special ones."""

    def end_ids(self) -> frozenset[int]:
        """Tokens that end a generated text."""


class QwenBackbone:
    """Qwen2.5-VL and Qwen3-VL: merged square patches, three-dimensional rotary positions, ChatML."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, name: str, revision: str, options: dict[str, Any]):
        self.name = name
        self.revision = revision
        self._model = model.eval().requires_grad_(False)
        self._core = model.model
        self._text = model.model.language_model
        self._tokenizer = tokenizer
        self._processor = processor
        text = model.config.text_config
        self.context = int(text.max_position_embeddings)
        self.layers = int(text.num_hidden_layers)
        self.heads = int(text.num_attention_heads)
        chosen = options.get("attention_layers") or range(self.layers)
        self.attention_layers = tuple(int(layer) for layer in chosen)
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        weight = self._text.get_input_embeddings().weight
        norm = torch.linalg.vector_norm(weight, dtype=torch.float32)
        self.embedding_scale = float(norm) / math.sqrt(weight.numel())
        self._image_token = int(model.config.image_token_id)
        self._merge = int(model.config.vision_config.spatial_merge_size)
        self._deepstack = model.config.model_type == "qwen3_vl"
        self._around = (
            int(model.config.vision_start_token_id),
            int(model.config.vision_end_token_id),
        )

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture resized and cut into vision patches, on the CPU."""
        return self._prepare(key, image, {})

    def _prepare(self, key: str, image: Image.Image, size: dict[str, Any]) -> ImageInput:
        made = self._processor(images=[image], return_tensors="pt", **size)
        time, height, width = (int(side) for side in made["image_grid_thw"][0])
        return ImageInput(
            key=key,
            pixels=made["pixel_values"],
            grid=(time, height, width),
            rows=height // self._merge,
            cols=width // self._merge,
            size=image.size,
        )

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower."""
        pixels = torch.cat([each.pixels for each in inputs]).to(self.device, self.dtype)
        grids = torch.tensor([each.grid for each in inputs], device=self.device)
        with torch.no_grad():
            out = self._core.get_image_features(pixels, grids)
        tokens = list(out.pooler_output)
        if not self._deepstack:
            return [ImageFeatures(each) for each in tokens]
        counts = [len(each) for each in tokens]
        levels = [torch.split(each, counts) if torch.is_tensor(each) else each for each in out.deepstack_features]
        return [ImageFeatures(each, tuple(level[i] for level in levels)) for i, each in enumerate(tokens)]

    def zoom(self, image: Image.Image, boxes: Sequence[tuple[float, float, float, float]]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each."""
        side = self._processor.patch_size * self._merge * ZOOM_TOKENS
        area = {"size": {"shortest_edge": side * side, "longest_edge": side * side}}
        crops = [
            image.crop(_whole_pixels(box, image.size)).resize((side, side), Image.Resampling.BICUBIC) for box in boxes
        ]
        return [each.tokens for each in self.encode([self._prepare("", crop, area) for crop in crops])]

    def tokenize(self, part: Part, images: dict[Slot, ImageInput]) -> Tensor:
        """(L,) token ids of a prompt part, with one placeholder per visual token."""
        ids: list[int] = []
        for piece in part:
            if isinstance(piece, Slot):
                count = images[piece].rows * images[piece].cols
                ids += [self._around[0], *[self._image_token] * count, self._around[1]]
            else:
                ids += self._tokenizer(piece, add_special_tokens=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.long)

    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:
        """(3, L) rotary positions of a part that begins at `start`, and the position after it."""
        if not images:
            line = torch.arange(start, start + len(ids))
            return line.expand(3, -1), start + len(ids)
        rows = ids[None]
        places, _ = self._core.get_rope_index(
            rows,
            mm_token_type_ids=self.is_image(rows).int(),
            image_grid_thw=torch.tensor([each.grid for each in images]),
            attention_mask=torch.ones_like(rows),
        )
        places = places[:, 0] + start
        return places, int(places.max()) + 1

    def embed(self, ids: Tensor, features: Sequence[ImageFeatures]) -> Tensor:
        """(L, d) embeddings with visual tokens in their places."""
        ids = ids.to(self.device)
        table = self._text.get_input_embeddings()
        embeddings: Tensor = table(ids)  # (L, d)
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
        mask: Tensor,
        attachment: Attachment | None,
        deep: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, L, d) last hidden states; see `Backbone.hidden`."""
        extra: dict[str, Any] = {}
        if deep is not None:
            extra = {"visual_pos_masks": deep[0], "deepstack_visual_embeds": list(deep[1])}
        if attachment is not None:
            extra["attachment"] = attachment
        self._text.config._attn_implementation = "sdpa" if attachment is None else "segmented"
        out = self._text(
            inputs_embeds=embeddings.to(self.dtype),
            position_ids=positions.to(self.device),
            attention_mask=mask if self._deepstack else {"full_attention": mask},
            use_cache=False,
            **extra,
        )
        last: Tensor = out.last_hidden_state
        return last

    def attentions(
        self, embeddings: Tensor, positions: Tensor, mask: Tensor, deep: tuple[Tensor, Tensor] | None
    ) -> Any:
        """Last hidden states (B, L, d) and every layer's attention (layers, B, H, L, L), by the library's plain way."""
        extra: dict[str, Any] = {}
        if deep is not None:
            extra = {"visual_pos_masks": deep[0], "deepstack_visual_embeds": list(deep[1])}
        bias = torch.zeros(mask.shape, dtype=self.dtype, device=self.device)
        bias = bias.masked_fill(~mask, torch.finfo(self.dtype).min)
        self._text.config._attn_implementation = "eager"
        out = self._text(
            inputs_embeds=embeddings.to(self.dtype),
            position_ids=positions.to(self.device),
            attention_mask=bias if self._deepstack else {"full_attention": bias},
            use_cache=False,
            output_attentions=True,
            **extra,
        )
        return out.last_hidden_state, torch.stack(out.attentions)

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


def load(
    name: str | Path, device: Device = "cpu", dtype: DType = "float32", max_image_tokens: int | None = None
) -> QwenBackbone:
    """The model of that hub name or local folder, frozen, ready to reason.

    Args:
        name: "Qwen/Qwen2.5-VL-7B-Instruct", or a folder with config.json, tokenizer and *.safetensors.
        device: "cpu", "cuda", "cuda:1".
        dtype: of the weights; think tokens, noise, updates and entropies are float32 in any case.
        max_image_tokens: larger pictures are scaled down to this many visual tokens; None keeps the checkpoint's own.

    Raises:
        BackboneError: not a model folder, a family that isn't supported, weights or tokenizer that don't belong to it,
            or nothing found under that name.
    """
    import transformers

    folder = Path(name)
    if folder.exists() and not (folder / "config.json").is_file():
        raise BackboneError(
            f"{folder} is not a model folder: it has no config.json; give a folder made by save_pretrained"
        )
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackboneError("no CUDA device is available to this PyTorch; use --device cpu or install a CUDA build")
    try:
        config = transformers.AutoConfig.from_pretrained(str(name), trust_remote_code=False)
        if config.model_type not in FAMILIES:
            known = ", ".join(sorted(FAMILIES))
            raise BackboneError(f"{name} is a {config.model_type} model; supported families are {known}")
        if "sliding_attention" in (getattr(config.text_config, "layer_types", None) or ()):
            raise BackboneError(f"{name} uses sliding-window attention, which the engines don't support")
        model, report = getattr(transformers, FAMILIES[config.model_type]).from_pretrained(
            str(name),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told apart below, with words that help
        )
        check_weights(name, report)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(name), trust_remote_code=False)
        images: Any = transformers.AutoImageProcessor
        processor = images.from_pretrained(str(name), trust_remote_code=False)
    except UNREADABLE as error:
        raise BackboneError(f"can't load {name}: {first_line(error)}") from error
    if tokenizer.get_vocab().get("<|image_pad|>") != config.image_token_id:
        raise BackboneError(f"the tokenizer files of {name} are missing or belong to another model")
    if max_image_tokens is not None:
        unit = processor.patch_size * processor.merge_size
        processor.size["longest_edge"] = min(processor.size["longest_edge"], max_image_tokens * unit * unit)
    revision = weights_revision(folder) if folder.is_dir() else str(config._commit_hash)
    return QwenBackbone(model.to(device), tokenizer, processor, str(name), revision, _options(folder))


def check_weights(name: str | Path, report: dict[str, Any]) -> None:
    """Raise BackboneError if the library filled in weights of its own: such a model runs and answers nonsense."""
    strange = sorted(report["missing_keys"]) + sorted(str(each[0]) for each in report["mismatched_keys"])
    if strange:
        raise BackboneError(
            f"the weights of {name} don't fit its configuration: {len(strange)} are missing or of another shape, "
            f"the first {strange[0]}; fetch the checkpoint again"
        )


def first_line(error: Exception) -> str:
    """What went wrong, without the library's advice that follows."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def register_attention(name: str, function: Callable[..., Any]) -> None:
    """Make an attention function known to the transformers library under this name."""
    from transformers import AttentionInterface

    AttentionInterface.register(name, function)


def weights_revision(folder: Path) -> str:
    """A hash of everything in a model folder that changes answers: weights, configuration, tokenizer, processor.

    Files above HASHED_WHOLE bytes count by size and 64 samples of 1 MiB, so that a 15 GB checkpoint is identified in
    seconds; a change of a few weights between samples would go unseen.
    """
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("merges.txt")]):
        total.update(path.name.encode())
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= HASHED_WHOLE:
                total.update(hashlib.file_digest(file, "sha256").digest())
                continue
            total.update(str(size).encode())
            for index in range(64):
                file.seek(index * (size - 2**20) // 63)
                total.update(file.read(2**20))
    return total.hexdigest()[:16]


def _options(folder: Path) -> dict[str, Any]:
    """What a checkpoint says about its own use with the workbench (workbench.json), if it does."""
    file = folder / "workbench.json"
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _whole_pixels(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one wide and high and inside the picture."""
    x0, y0 = min(int(box[0]), size[0] - 1), min(int(box[1]), size[1] - 1)
    return x0, y0, max(x0 + 1, min(round(box[2]), size[0])), max(y0 + 1, min(round(box[3]), size[1]))
