"""InternVL 2.5, 3 and 3.5: the picture in square tiles and once more as a whole; positions one after another.

The picture is stretched to the grid of at most `max_patches` tiles whose shape is nearest to its own. Every tile
becomes the same number of tokens (256), row by row; the tiles follow each other row by row, and if there are several,
a coarse tile of the whole picture comes last. The text model needs nothing beside the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from workbench.errors import BackboneError
from workbench.model.backbone.hub import HubBackbone, Parts, one_after_another
from workbench.model.backbone.protocol import ZOOM_TOKENS, Box, ImageFeatures, ImageInput, Tile, whole_pixels
from workbench.model.device_transfer import sent
from workbench.model.picture_reduction import moderate


@dataclass(frozen=True, slots=True)
class InternVLPictures:
    """Pictures through the family's own processor, tiled as its combined processor has it done."""

    processor: Any
    side: int  # pixels of a tile, across and down
    tokens: int  # of a tile, across and down
    most: int  # tiles, the coarse one not counted

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture cut into tiles, on the CPU; pixels are (tiles, 3, side, side)."""
        shown = moderate(image)
        tiles = self._tiles(image.size, shown.size)
        made = self._pixels(shown, crop_to_patches=True, min_patches=1, max_patches=self.most)
        if len(made) != len(tiles):
            raise BackboneError(
                f"the image processor made {len(made)} tiles of a picture of {image.size[0]} x {image.size[1]} pixels "
                f"and {len(tiles)} were expected; its preprocessor_config.json doesn't fit this family"
            )
        return ImageInput(key, made, (len(tiles), self.tokens, self.tokens), image.size, tiles)

    def crop(self, image: Image.Image, box: Box) -> Tensor:
        """(1, 3, side, side): this region of the picture as one tile."""
        return self._pixels(image.crop(whole_pixels(box, image.size)), crop_to_patches=False)

    def _pixels(self, image: Image.Image, **tiling: object) -> Tensor:
        size = {"height": self.side, "width": self.side}
        made: Tensor = self.processor(images=[image], size=size, return_tensors="pt", **tiling)["pixel_values"]
        return made

    def _tiles(self, size: tuple[int, int], shown: tuple[int, int]) -> tuple[Tile, ...]:
        """Over a picture of this size, cut as the processor cuts the one it is shown."""
        from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

        (W, H), tokens = size, self.tokens
        cols, rows = get_optimal_tiled_canvas((shown[1], shown[0]), (self.side, self.side), 1, self.most)
        wide, high = W / cols, H / rows
        tiles = tuple(
            Tile(tokens, tokens, r * tokens, c * tokens, (c * wide, r * high, (c + 1) * wide, (r + 1) * high))
            for r in range(rows)
            for c in range(cols)
        )
        if len(tiles) == 1:
            return tiles
        return (*tiles, Tile(tokens, tokens, rows * tokens, 0, (0.0, 0.0, float(W), float(H)), coarse=True))


class InternVL(HubBackbone):
    """InternVL in the layout of the transformers library ("...-hf"); see the module's opening lines."""

    CLASS = "InternVLForConditionalGeneration"
    MARKS = ("<img>", "<IMG_CONTEXT>", "</img>")

    def __init__(self, parts: Parts, max_image_tokens: int | None = None):
        super().__init__(parts)
        config = parts.model.config
        side, patch = int(config.vision_config.image_size[0]), int(config.vision_config.patch_size[0])
        tokens = round(side / patch * config.downsample_ratio)
        most = int(parts.processor.max_patches)
        if max_image_tokens is not None:
            most = max(1, min(most, max_image_tokens // tokens**2 - 1))  # one for the picture as a whole
        self.pictures: InternVLPictures = InternVLPictures(parts.processor, side, tokens, most)

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower."""
        tiles = self._see(torch.cat([sent(each.pixels, self.device) for each in inputs]))
        counts = [len(each.tiles) for each in inputs]
        return [ImageFeatures(each.flatten(0, 1)) for each in torch.split(tiles, counts)]

    def _see(self, pixels: Tensor) -> Tensor:
        """(tiles, tokens of a tile, d)."""
        with torch.no_grad():
            seen: Tensor = self._core.get_image_features(pixels.to(self.device, self.dtype)).pooler_output
        return seen

    def zoom(self, image: Image.Image, boxes: Sequence[Box]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each.

        The vision tower knows whole tiles only, so a box fills one, and its tokens are averaged to so many.
        """
        seen = self._see(torch.cat([self.pictures.crop(image, box) for box in boxes]))
        tokens = self.pictures.tokens
        grids = seen.transpose(1, 2).reshape(len(boxes), -1, tokens, tokens)  # (boxes, d, tokens, tokens)
        pooled = torch.nn.functional.adaptive_avg_pool2d(grids, ZOOM_TOKENS)
        return list(pooled.flatten(2).transpose(1, 2))

    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:  # noqa: ARG002
        """(3, L) positions of a part that begins at `start`, one after another, and the position after it."""
        return one_after_another(start, len(ids))

    def _rotary(self, positions: Tensor) -> Tensor:
        return positions[0]
