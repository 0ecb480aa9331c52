"""What other ways of ranking an archive against itself would bring: `python -m benchmarks.mutual_variants PACK`.

The mixtures of `benchmarks/comparison.py`, about 10 and 30 % defective, ranked by variants of the mutual score: patches
found near their own place, means over neighbouring patches, several layers, other shares of the others, and the second
scoring of MuSc (arXiv 2401.16753) by the most alike pictures. The distances of all pairs are worked out once. Variants
were looked at on draws from 100 on; what is kept is of draws that nothing was chosen by. Printed and kept in
results/mutual_variants.json: AUROC, mean and lowest draw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from benchmarks.comparison import Photograph, filled, read
from workbench.comparison import Features
from workbench.comparison.comparison import patch_distances, picture_score
from workbench.comparison.features import Patches
from workbench.comparison.mutual import MOST_ALIKE, SHARE, TOP
from workbench.comparison.vision_towers import load_tower

OUTPUT = Path(__file__).parent / "results" / "mutual_variants.json"
DRAWS = 40
PRODUCTS = ("AWS-Cookie", "BSData")
Distances = NDArray[np.float32]  # (n, n, rows, cols): of each picture's patches to each other picture


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to score; the defaults are the program's own."""

    layers: tuple[int, ...] = (-1,)
    tolerances: tuple[int | None, ...] = (None,)  # patches; maps of several are averaged
    neighbourhood: int = 1  # patches on a side whose mean stands for each
    most: int = MOST_ALIKE
    share: float = SHARE
    second: int = 0  # most alike pictures whose scores are averaged into one's own


VARIANTS = {
    "as it is": Variant(),
    "places at most 2 patches away": Variant(tolerances=(2,)),
    "both of these": Variant(tolerances=(None, 2)),
    "means of 3 x 3 patches": Variant(neighbourhood=3),
    "layers 9 and 12": Variant(layers=(-4, -1)),
    "all others, the nearest 30 %": Variant(most=1000, share=0.3),
    "the nearest two of 16": Variant(share=0.13),
    "second scoring by 1": Variant(second=1),
}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--features", type=Path, help="folder that keeps features between calls")
    parser.add_argument("--first", type=int, default=0, help="draw to begin with")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photographs = [each for each in read(arguments.pack) if not each.is_normal]
    figures: dict[str, object] = {"tower": Path(arguments.tower).name, "draws": DRAWS, "first_draw": arguments.first}
    draws = range(arguments.first, arguments.first + DRAWS)
    with tempfile.TemporaryDirectory() as temporary:
        for dataset in PRODUCTS:
            own = [each for each in photographs if each.dataset == dataset]
            found = dict[str, object]()
            pairs = dict[tuple[object, ...], Distances]()
            for name, variant in VARIANTS.items():
                tower = load_tower(arguments.tower, layers=variant.layers)
                features = filled(own, tower, arguments.features or Path(temporary))
                found[name] = of_variant(own, [features[each.content] for each in own], variant, draws, pairs)
                print(dataset, name, json.dumps(found[name]), flush=True)
            figures[dataset] = found
    machine.report(figures, arguments.output)


def of_variant(
    photographs: Sequence[Photograph],
    features: Sequence[Features],
    variant: Variant,
    draws: Sequence[int],
    pairs: dict[tuple[object, ...], Distances],
) -> dict[str, dict[str, float]]:
    """AUROC of one variant with about 10 and 30 % defective; `pairs` keeps distances between variants."""
    maps = []
    for tolerance in variant.tolerances:
        key = (variant.layers, variant.neighbourhood, tolerance)
        if key not in pairs:
            pairs[key] = distances([_mean(each.patches, variant.neighbourhood) for each in features], tolerance)
        maps.append(pairs[key])
    defective = np.array([each.is_defective for each in photographs])
    likeness = np.stack([each.class_vector for each in features])
    likeness = likeness @ likeness.T
    good, bad = np.flatnonzero(~defective), np.flatnonzero(defective)
    figures = {}
    for share in (0.1, 0.3):
        count, found = round(share / (1 - share) * len(good)), []
        for draw in draws:
            mixed = np.concatenate([good, bad[np.random.default_rng(draw).permutation(len(bad))[:count]]])
            found.append(roc_auc_score(defective[mixed], scores(maps, likeness, mixed, variant)))
        figures[f"{share:.0%}"] = {"auroc": round(float(np.mean(found)), 3), "lowest": round(float(min(found)), 3)}
    return figures


def distances(patches: Sequence[Patches], tolerance: int | None) -> Distances:
    """Of every picture to every other; 0 to itself."""
    found = np.zeros((len(patches), len(patches), *patches[0].shape[:2]), np.float32)
    for at, query in enumerate(patches):
        for other, reference in enumerate(patches):
            if other != at:
                found[at, other] = patch_distances(query, reference, tolerance)
    return found


def scores(
    maps: Sequence[Distances], likeness: NDArray[np.float32], mixed: NDArray[np.int64], variant: Variant
) -> NDArray[np.float64]:
    """(mixed,): of each picture among these."""
    among = likeness[np.ix_(mixed, mixed)]
    np.fill_diagonal(among, -np.inf)
    nearest = np.argsort(-among, axis=1, kind="stable")[:, : min(variant.most, len(mixed) - 1)]
    found = np.zeros(len(mixed))
    count = max(1, int(variant.share * nearest.shape[1]))
    for at, near in enumerate(nearest):
        parts = [np.partition(each[mixed[at], mixed[near]], count - 1, axis=0)[:count].mean(axis=0) for each in maps]
        found[at] = picture_score(np.mean(parts, axis=0), TOP)
    if variant.second:
        near = nearest[:, : variant.second]
        weights = np.take_along_axis(among, near, axis=1)
        found = (found + (weights * found[near]).sum(axis=1)) / (1 + weights.sum(axis=1))
    return found


def _mean(patches: Patches, side: int) -> Patches:
    """The mean of each patch's neighbourhood, of unit norm."""
    if side == 1:
        return patches
    means = ndimage.uniform_filter(patches.astype(np.float32), (side, side, 1), mode="nearest")
    units: Patches = (means / np.linalg.norm(means, axis=-1, keepdims=True)).astype(np.float16)
    return units


if __name__ == "__main__":
    main()
