"""Qwen2.5-VL: square patches merged two by two into tokens, and rotary positions in three dimensions.

The picture is stretched to whole patches and keeps its shape closely; tokens lie over it row by row. Positions of a
visual token are (time, row, column), which the text model reads only from `position_ids`: leaving them to the library
when embeddings are given makes them one-dimensional, silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from workbench.errors import BackboneError
from workbench.model.attention import windowed_attention
from workbench.model.backbone.hub import HubBackbone, Parts, one_after_another, register_attention
from workbench.model.backbone.protocol import ZOOM_TOKENS, Box, ImageFeatures, ImageInput, Tile, whole_pixels
from workbench.model.device_transfer import sent
from workbench.model.kernels import FORMULA, kernel_for
from workbench.model.picture_reduction import moderate

WINDOWED = "windowed_flash"  # the library gives all windows at once to a function named so


@dataclass(frozen=True, slots=True)
class QwenPictures:
    """Pictures through the family's own processor."""

    processor: Any
    merge: int  # patches of a token, across and down

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture resized and cut into vision patches, on the CPU; pixels are (patches, values of a patch)."""
        return self._prepare(key, image, {})

    def crop(self, image: Image.Image, box: Box) -> ImageInput:
        """This region of the picture as ZOOM_TOKENS x ZOOM_TOKENS tokens."""
        side = self.processor.patch_size * self.merge * ZOOM_TOKENS
        area = {"size": {"shortest_edge": side * side, "longest_edge": side * side}}
        cut = image.crop(whole_pixels(box, image.size)).resize((side, side), Image.Resampling.BICUBIC)
        return self._prepare("", cut, area)

    def _prepare(self, key: str, image: Image.Image, size: dict[str, Any]) -> ImageInput:
        try:
            made = self.processor(images=[moderate(image)], return_tensors="pt", **size)
        except ValueError as error:  # more than 200 times as long as wide
            raise BackboneError(f"a picture of {image.size[0]} x {image.size[1]} pixels: {error}; crop it") from error
        time, height, width = (int(side) for side in made["image_grid_thw"][0])
        whole = (0.0, 0.0, float(image.size[0]), float(image.size[1]))
        return ImageInput(
            key=key,
            pixels=made["pixel_values"],
            grid=(time, height, width),
            size=image.size,
            tiles=(Tile(height // self.merge, width // self.merge, 0, 0, whole),),
        )


class Qwen25VL(HubBackbone):
    """Qwen2.5-VL; see the module's opening lines."""

    CLASS = "Qwen2_5_VLForConditionalGeneration"
    MARKS = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")

    def __init__(self, parts: Parts, max_image_tokens: int | None = None):
        super().__init__(parts)
        merge = int(parts.model.config.vision_config.spatial_merge_size)
        if max_image_tokens is not None:
            area = max_image_tokens * (parts.processor.patch_size * merge) ** 2
            parts.processor.size["longest_edge"] = min(parts.processor.size["longest_edge"], area)
        self.pictures: QwenPictures = QwenPictures(parts.processor, merge)
        vision = parts.model.config.vision_config
        head = int(vision.hidden_size) // int(vision.num_heads)
        if self.device.type == "cuda" and kernel_for(self.device, self.dtype, head) is not FORMULA:
            self.see_in_windows()

    def see_in_windows(self) -> None:
        """Have the vision tower attend within all its windows at once instead of one after another."""
        register_attention(WINDOWED, windowed_attention)
        self._core.visual.config._attn_implementation = WINDOWED

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower."""
        return [ImageFeatures(tokens) for tokens in self._see(inputs).pooler_output]

    def _see(self, inputs: Sequence[ImageInput]) -> Any:
        pixels = torch.cat([sent(each.pixels, self.device) for each in inputs]).to(self.dtype)
        grids = torch.tensor([each.grid for each in inputs], device=self.device)
        with torch.no_grad():
            return self._core.get_image_features(pixels, grids)

    def zoom(self, image: Image.Image, boxes: Sequence[Box]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each."""
        return [each.tokens for each in self.encode([self.pictures.crop(image, box) for box in boxes])]

    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:
        """(3, L) rotary positions of a part that begins at `start`, and the position after it."""
        if not images:
            return one_after_another(start, len(ids))
        rows = ids[None]
        places, _ = self._core.get_rope_index(
            rows,
            mm_token_type_ids=self.is_image(rows).int(),
            image_grid_thw=torch.tensor([each.grid for each in images]),
            attention_mask=torch.ones_like(rows),
        )
        places = places[:, 0] + start
        return places, int(places.max()) + 1
