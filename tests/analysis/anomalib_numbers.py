"""Golden numbers of pixel metrics, printed by anomalib 2.7.0 itself: `anomalib_numbers.json` holds what it printed.

    pip install --no-deps --target FOLDER anomalib==2.7.0 torchmetrics lightning-utilities
    python -m tests.analysis.anomalib_numbers FOLDER

anomalib's packages import trainers and data sets, so its metrics' modules are imported alone; OpenCV labels regions.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

AUPIMO = ((1e-3, 1e-1, 2000), (1e-2, 0.5, 1000))  # bounds, thresholds
LIMITS = (0.3, 0.05)  # of AUPRO


def maps_and_masks() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Eight noisy maps with ties, four of them with defects: two regions that touch at a corner, one at the edge."""
    masks = np.zeros((8, 48, 48), bool)
    masks[2, 5:12, 6:20] = masks[2, 30:34, 30:36] = masks[2, 34:38, 36:40] = True
    masks[5, 20:41, 10:15] = masks[6, 0:3, 0:3] = True
    masks[7, 40:48, 2:9] = masks[7, 10:14, 10:40] = True
    return np.round(np.random.default_rng(7).normal(size=masks.shape) + 1.8 * masks, 2), masks


def _package(name: str, folder: Path | None = None, **names: object) -> None:
    module = ModuleType(name)
    module.__dict__.update(names)
    if folder is not None:
        module.__path__ = [str(folder / name.replace(".", "/"))]
    sys.modules[name] = module


def numbers(folder: Path) -> dict[str, Any]:
    """What anomalib makes of the maps."""
    import torch

    sys.path.insert(0, str(folder))
    importlib.import_module("torchmetrics")
    for name in ("anomalib", "anomalib.metrics", "anomalib.metrics.pimo", "anomalib.utils", "anomalib.utils.cv"):
        _package(name, folder)
    _package("kornia")
    _package("kornia.contrib", connected_components=None)
    _package("matplotlib")
    _package("matplotlib.figure", Figure=object)
    _package("anomalib.data", Batch=object, ImageBatch=object)
    _package("anomalib.metrics.utils", plot_metric_curve=None)
    regions = importlib.import_module("anomalib.utils.cv.connected_components")
    for name in ("connected_components_cpu", "connected_components_gpu"):
        setattr(sys.modules["anomalib.utils.cv"], name, getattr(regions, name))
    pimo = importlib.import_module("anomalib.metrics.pimo.functional")
    aupro = importlib.import_module("anomalib.metrics.aupro")
    auroc = importlib.import_module("anomalib.metrics.auroc")

    maps, masks = (torch.tensor(each) for each in maps_and_masks())
    found: dict[str, Any] = {}
    for low, high, thresholds in AUPIMO:
        areas = pimo.aupimo_scores(maps, masks, num_thresholds=thresholds, fpr_bounds=(low, high))[4]
        found[f"aupimo {low:g} {high:g} {thresholds}"] = areas[masks.flatten(1).any(1)].tolist()
    for limit in LIMITS:
        metric = aupro._AUPRO(fpr_limit=limit)
        metric.update(maps, masks.int())
        found[f"aupro {limit:g}"] = float(metric.compute())
    metric = auroc._AUROC()
    metric.update(maps.flatten(), masks.flatten().int())
    return {**found, "auroc": float(metric.compute())}


if __name__ == "__main__":
    print(json.dumps(numbers(Path(sys.argv[1])), indent=1))
