"""The answering model's own vision tower as what compares pictures: `--compare own`, with no other weights.

    a picture, stretched to a square -> the model's visual tokens -> unit vectors on their grid

The picture as a whole is the mean of its tokens. Where a family shows a picture in tiles and once more coarsely, the
coarse one is left out.

References by likeness are chosen while a run is planned, and so the model is loaded then (`EarlyModel`): by a run on
one device it is kept to answer, by one on several it is dropped again before their processes load their own.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from workbench.comparison.features import Features
from workbench.errors import BackboneError
from workbench.model.backbone import Backbone
from workbench.scoring import models
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.settings import Settings

SIDE = 448  # pixels of the square, unless told otherwise: a token covers more of it than a patch of a small tower


class OwnTower:
    """See the module's opening lines; `comparison.features.Tower` says what is asked of it."""

    def __init__(self, backbone: Backbone, side: int | None = None) -> None:
        self._backbone, self._side = backbone, side or SIDE
        self.name = f"own {backbone.name}@{backbone.revision}/{self._side}px"

    def features(self, image: Image.Image) -> Features:
        """The vectors of one RGB picture.

        Raises:
            BackboneError: the family shows a square of this side in fewer than four tokens.
        """
        square = image.convert("RGB").resize((self._side, self._side), Image.Resampling.BICUBIC)
        inputs = self._backbone.prepare("", square)
        with torch.inference_mode():
            tokens = self._backbone.encode([inputs])[0].tokens.float()  # (n, d)
            units = torch.nn.functional.normalize(tokens, dim=-1)
            whole = torch.nn.functional.normalize(tokens.mean(0), dim=-1)
        shown = [tile for tile in inputs.tiles if not tile.coarse]
        rows, cols = max(tile.row + tile.rows for tile in shown), max(tile.col + tile.cols for tile in shown)
        if rows < 2 or cols < 2:
            raise BackboneError(f"--compare-side {self._side} is {rows} x {cols} tokens here; give a larger one")
        grid = np.zeros((rows, cols, units.shape[1]), np.float16)
        first = 0
        for tile in inputs.tiles:
            count = tile.rows * tile.cols
            if not tile.coarse:
                here = units[first : first + count].reshape(tile.rows, tile.cols, -1).cpu().numpy()
                grid[tile.row : tile.row + tile.rows, tile.col : tile.col + tile.cols] = here
            first += count
        return Features(whole.cpu().numpy(), grid)


@dataclass(slots=True)
class EarlyModel:
    """The answering model, loaded before a run has its executor, if its tower is asked for."""

    evaluator: LocalEvaluator | None = None

    def tower(self, settings: Settings) -> OwnTower:
        """The tower of the model that the settings name, of one device.

        Raises:
            BackboneError: there is no such model, or no such device.
        """
        self.evaluator = self.evaluator or models.load_evaluator(settings.machine)
        return OwnTower(self.evaluator.backbone, settings.support.compare_side)

    def drop(self) -> None:
        """Give its memory back."""
        self.evaluator = None
        gc.collect()
        torch.cuda.empty_cache()
