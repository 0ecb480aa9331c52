"""Comparing with normal pictures: pixels and features in, maps of distances, scores and claims out.

    a tower's name -> `load_tower`; normals -> `NormalBank`; both -> `Comparer`; a picture -> `Comparison`

`features.py` says what a tower sees, `vision_towers.py` and `photos_weights.py` where towers come from,
`normal_bank.py` keeps features, `comparison.py` compares and `thresholds.py` says what a score means. No SQL and no
settings file is met here.
"""

from workbench.comparison.comparison import Calibration, Claim, Comparer, Comparison, PictureComparer
from workbench.comparison.features import Features, Tower
from workbench.comparison.mutual import MutualComparer
from workbench.comparison.normal_bank import FeatureStore, Neighbour, Normal, NormalBank
from workbench.comparison.thresholds import Threshold
from workbench.comparison.vision_towers import load_tower

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
    "load_tower",
]
