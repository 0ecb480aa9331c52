"""Comparing with normal pictures: pixels and features in, maps of distances, scores and claims out.

    a tower's name -> `vision_towers.load_tower`; normals -> `NormalBank`; both -> `Comparer`; a picture -> `Comparison`

`features.py` says what a tower sees, `vision_towers.py` and `photos_weights.py` where towers come from: the first
imports PyTorch, and nothing else here does, so that pages read what is stored without waiting for it.
`normal_bank.py` keeps features, `comparison.py` compares and `thresholds.py` says what a score means. No SQL and no
settings file is met here.
"""

from workbench.comparison.comparison import Calibration, Claim, Comparer, Comparison, PictureComparer
from workbench.comparison.features import Features, Tower
from workbench.comparison.mutual import MutualComparer
from workbench.comparison.normal_bank import FeatureStore, Neighbour, Normal, NormalBank
from workbench.comparison.thresholds import Threshold

__all__ = [
    "Calibration",
    "Claim",
    "Comparer",
    "Comparison",
    "FeatureStore",
    "Features",
    "MutualComparer",
    "Neighbour",
    "Normal",
    "NormalBank",
    "PictureComparer",
    "Threshold",
    "Tower",
]
