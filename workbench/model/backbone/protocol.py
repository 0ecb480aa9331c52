"""The protocol between engines and a model family, and the plain values they exchange.

Shapes: B rows, L tokens, d hidden size, V vocabulary, n visual tokens of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from PIL import Image
from torch import Tensor

from workbench.model.prompt import Part, Slot

Device = str
DType = Literal["float32", "bfloat16"]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in a picture's pixels

ZOOM_TOKENS = 2  # a zoomed patch is encoded as ZOOM_TOKENS x ZOOM_TOKENS visual tokens


@dataclass(frozen=True, slots=True)
class Tile:
    """Visual tokens that lie over a region of the picture, row by row.

    A picture has one tile that is all of it, or several where the family cuts it up. Rows and columns are counted over
    the whole picture: a tile's first token stands at (`row`, `col`). A tile that shows the picture once more, coarsely,
    has its rows below those of the others, so that a row and a column name one token.
    """

    rows: int
    cols: int
    row: int
    col: int
    box: Box
    coarse: bool = False  # the whole picture once more, at a lower resolution than the tiles before it


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A picture made ready for the vision tower."""

    key: str  # as `prepare` was given it
    pixels: Tensor  # as the family's vision tower takes them
    grid: tuple[int, int, int]  # Qwen: time, height and width in vision patches; InternVL: tiles, height and width
    size: tuple[int, int]  # width and height of the picture in pixels
    tiles: tuple[Tile, ...]  # in the order of the visual tokens

    @property
    def tokens(self) -> int:
        """Visual tokens, n."""
        return sum(tile.rows * tile.cols for tile in self.tiles)

    @property
    def rows(self) -> int:
        """Rows of visual tokens, those of a coarse tile included."""
        return max(tile.row + tile.rows for tile in self.tiles)

    @property
    def cols(self) -> int:
        """Columns of visual tokens."""
        return max(tile.col + tile.cols for tile in self.tiles)

    def place(self, token: int) -> tuple[int, int, Box]:
        """Row and column of a visual token, and its box in the picture's pixels."""
        for tile in self.tiles:
            if token < tile.rows * tile.cols:
                row, col = divmod(token, tile.cols)
                x0, y0, x1, y1 = tile.box
                wide, high = (x1 - x0) / tile.cols, (y1 - y0) / tile.rows
                box = (x0 + col * wide, y0 + row * high, x0 + (col + 1) * wide, y0 + (row + 1) * high)
                return tile.row + row, tile.col + col, box
            token -= tile.rows * tile.cols
        raise IndexError(f"{token} tokens too far")

    def token(self, row: int, col: int) -> int:
        """The visual token at this row and column."""
        before = 0
        for tile in self.tiles:
            if tile.row <= row < tile.row + tile.rows and tile.col <= col < tile.col + tile.cols:
                return before + (row - tile.row) * tile.cols + col - tile.col
            before += tile.rows * tile.cols
        raise IndexError(f"no visual token at row {row}, column {col}")


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """A picture as the language model sees it."""

    tokens: Tensor  # (n, d), in the order of the tiles, row by row
    deep: tuple[Tensor, ...] = ()  # each (n, d), added after the first layers (Qwen3-VL)


class Pictures(Protocol):
    """The part of a backbone that needs no weights; it can be pickled, so that other processes may prepare pictures."""

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """The picture resized and cut up for the vision tower, on the CPU.

        Raises:
            BackboneError: the family can't show a picture of this shape.
        """


class Backbone(Protocol):
    """A vision-language model whose weights are frozen."""

    name: str
    revision: str  # identifies the weights
    context: int  # most tokens in one sequence
    layers: int
    heads: int
    embedding_scale: float  # s, the rms of the embedding matrix
    attention_layers: tuple[int, ...]  # whose attention scores patches
    device: torch.device
    dtype: torch.dtype
    pictures: Pictures

    def prepare(self, key: str, image: Image.Image) -> ImageInput:
        """As `pictures.prepare`."""

    def encode(self, inputs: Sequence[ImageInput]) -> list[ImageFeatures]:
        """Features of each picture, in one call of the vision tower; they don't depend on the others in the call."""

    def zoom(self, image: Image.Image, boxes: Sequence[Box]) -> list[Tensor]:
        """Each box cut from the picture at full resolution and encoded anew: (ZOOM_TOKENS squared, d) each."""

    def tokenize(self, part: Part, images: dict[Slot, ImageInput]) -> Tensor:
        """(L,) token ids of a prompt part, with one placeholder per visual token."""

    def positions(self, ids: Tensor, images: Sequence[ImageInput], start: int) -> tuple[Tensor, int]:
        """(3, L) rotary positions of a part that begins at `start`, and the position after it.

        Text stands at the same position in all three rows; a family with plain positions has three equal rows.
        """

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
        mask: Tensor | None,
        attachment: object | None,
        deep: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, L, d) last hidden states.

        Args:
            embeddings: (B, L, d).
            positions: (3, B, L).
            mask: (B, 1, L, L) boolean, True = may attend, among these L tokens; None where the attachment says it.
            attachment: for the attention function registered as "segmented"; None for the library's own attention.
            deep: visual positions (B, L) boolean, and (levels, visual tokens, d) to add there after the first layers.
        """

    def attentions(
        self, embeddings: Tensor, positions: Tensor, mask: Tensor, deep: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Last hidden states (B, L, d) and each layer's attention (layers, B, H, L, L), by the library's plain way."""

    def head(self, hidden: Tensor) -> Tensor:
        """(..., V) logits, float32 at least."""

    def token_id(self, text: str) -> int | None:
        """The id of `text` if it is exactly one token."""

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special ones."""

    def end_ids(self) -> frozenset[int]:
        """Tokens that end a generated text."""


def whole_pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one wide and high and inside a picture of this width and height."""
    x0, y0 = min(int(box[0]), size[0] - 1), min(int(box[1]), size[1] - 1)
    return x0, y0, max(x0 + 1, min(round(box[2]), size[0])), max(y0 + 1, min(round(box[3]), size[1]))
