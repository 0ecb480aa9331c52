"""Scans of black and white beside their templates: `python -m benchmarks.scans PACK --tower photos`.

The folder is as in `benchmarks/comparison.py`; its binarised pictures are compared with its normals as a run compares
them, at 224 px. Answers judge and are never seen. Printed and kept in results/scans.json, for each data set with scans:
how many have a template, AUROC among these, and AUROC of all scores, a scan without a template having the tower's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from benchmarks.comparison import Photograph, read
from workbench.comparison import Comparer, NormalBank, Tower, refusals
from workbench.comparison.vision_towers import load_tower

OUTPUT = Path(__file__).parent / "results" / "scans.json"


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photographs, tower = read(arguments.pack), load_tower(arguments.tower)
    scans = [each for each in photographs if refusals.is_binarised(each.picture().image)]
    figures: dict[str, object] = {"tower": tower.name}
    with tempfile.TemporaryDirectory() as folder:
        for dataset in sorted({each.dataset for each in scans}):
            figures[dataset] = of_scans([each for each in scans if each.dataset == dataset], tower, Path(folder))
    machine.report(figures, arguments.output)


def of_scans(scans: list[Photograph], tower: Tower, folder: Path) -> dict[str, object]:
    """What templates tell of one data set's scans."""
    normals = {each.normal: each for each in scans if each.is_normal}
    bank = NormalBank.open(folder, tower, normals, lambda normal: normals[normal].picture().image)
    comparer = Comparer(tower, bank)
    queries = [each for each in scans if not each.is_normal]
    began = time.process_time()
    found = [comparer.compare(each.picture()) for each in queries]
    seconds = (time.process_time() - began) / len(queries)
    defective = np.array([each.is_defective for each in queries])
    scores = np.array([each.score for each in found])
    beside = np.array([each.why != refusals.BINARISED for each in found])
    places = [
        (each, comparison.quarter in each.place)
        for each, comparison, has_template in zip(queries, found, beside, strict=True)
        if each.place and has_template
    ]
    return {
        "normals": len(normals),
        "scans": len(queries),
        "with_template": int(beside.sum()),
        "with_template_defective": int((beside & defective).sum()),
        "auroc_with_template": round(float(roc_auc_score(defective[beside], scores[beside])), 3),
        "auroc_of_all": round(float(roc_auc_score(defective, scores)), 3),
        "largest_good_score_with_template": round(float(scores[beside & ~defective].max()), 3),
        "smallest_defective_score_with_template": round(float(scores[beside & defective].min()), 3),
        "quarters_with_template": len(places),
        "quarter_right_with_template": round(float(np.mean([right for _, right in places])), 3),
        "claims": {claim: sum(each.claim == claim for each in found) for claim in ("defective", "good", "cannot say")},
        "processor_seconds_a_scan_all_told": round(seconds, 3),
    }


if __name__ == "__main__":
    main()
