"""What verdicts and mistakes do to normals, on real photographs: `python -m benchmarks.normals PACK --tower photos`.

The folder is as in `benchmarks/comparison.py`. For each product, at 224 px with the 4 nearest normals:

- *replay*: of a random half of the test pictures the good ones that score above the threshold are confirmed as good by
  verdicts and become normals; the other half says what that brings: overkill at the threshold that lets so many defects
  escape, and averaged over all escapes (1 - AUROC), before and after; means over DRAWS halves.
- *planted*: each defective picture alone becomes a normal by a wrong verdict, and each good one by a right one: how
  many are named as suspects, how many the check before publishing refuses (a caught defect would be passed).

Printed and kept in results/normals.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from benchmarks.comparison import Photograph, filled, read
from workbench.comparison import Comparer, Features, FeatureStore, NormalBank, Tower, load_tower

OUTPUT = Path(__file__).parent / "results" / "normals.json"
DRAWS = 20
ESCAPES = (0.0, 0.05, 0.1, 0.2)
PRODUCTS = ("AWS-Cookie", "BSData")  # photographs; binarised scans are not compared by features


class Study:
    """One product's pictures with their features."""

    def __init__(self, photographs: Sequence[Photograph], tower: Tower, folder: Path) -> None:
        self.normals = [each for each in photographs if each.is_normal]
        self.queries = [each for each in photographs if not each.is_normal]
        self._tower, self._store = tower, FeatureStore(folder, tower)
        self._features: dict[str, Features] = filled(photographs, tower, folder)
        self.own = self.comparer(())

    def comparer(self, more: Iterable[Photograph]) -> Comparer:
        """Of the normals and some more pictures."""
        return Comparer(self._tower, NormalBank([each.normal for each in (*self.normals, *more)], self._store))

    def scores(self, comparer: Comparer, pictures: Sequence[Photograph]) -> NDArray[np.float64]:
        """(pictures,), each without its own piece where it is a normal."""
        return np.array(
            [
                comparer.compare_features(self._features[each.content], comparer.bank.by_content(each.content)).score
                for each in pictures
            ]
        )

    def threshold(self) -> float:
        """Of the normals as they are."""
        found = self.own.calibration(self.normals[0].dataset, self.normals[0].product).threshold
        return found.value if found else float("inf")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--features", type=Path, help="folder that keeps features between calls")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photographs, tower = read(arguments.pack), load_tower(arguments.tower)
    figures: dict[str, object] = {"tower": arguments.tower}
    with tempfile.TemporaryDirectory() as temporary:
        for dataset in PRODUCTS:
            own = [each for each in photographs if each.dataset == dataset]
            study = Study(own, tower, arguments.features or Path(temporary))
            named = study.own.calibration(own[0].dataset, own[0].product).suspects
            figures[dataset] = {
                "suspects_among_normals": len(named),
                "replay": replay(study),
                "planted": planted(study),
            }
    machine.report(figures, arguments.output)


def replay(study: Study) -> dict[str, float]:
    """What confirming the false alarms of one half does to the other."""
    threshold, rows = study.threshold(), []
    before = dict(zip([each.content for each in study.queries], study.scores(study.own, study.queries), strict=True))
    confirmed_counts = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(study.queries))
        judged = [study.queries[at] for at in order[: len(order) // 2]]
        others = [study.queries[at] for at in order[len(order) // 2 :]]
        confirmed = [each for each in judged if not each.is_defective and before[each.content] > threshold]
        confirmed_counts.append(len(confirmed))
        defective = np.array([each.is_defective for each in others])
        then = np.array([before[each.content] for each in others])
        now = study.scores(study.comparer(confirmed), others)
        rows.append([*_overkill(then, defective), *_overkill(now, defective)])
    means = np.mean(rows, axis=0).round(4)
    names = [*(f"overkill_at_escape_{escape:g}" for escape in ESCAPES), "overkill_over_all_escapes"]
    figures = {f"{name}_before": float(value) for name, value in zip(names, means[: len(names)], strict=True)}
    figures |= {f"{name}_after": float(value) for name, value in zip(names, means[len(names) :], strict=True)}
    return {"confirmed_mean": float(np.mean(confirmed_counts)), **figures}


def planted(study: Study, most: int | None = None) -> dict[str, int]:
    """How many wrong and right verdicts, each alone, are named or refused; of each at most so many are tried."""
    threshold = study.threshold()
    defective = [each for each in study.queries if each.is_defective]
    caught = [each for each, s in zip(defective, study.scores(study.own, defective), strict=True) if s > threshold]
    counts: dict[str, int] = {}
    for kind, candidates in (
        ("wrong", defective),
        ("right", [each for each in study.queries if not each.is_defective]),
    ):
        named = refused = either = 0
        for each in candidates[:most]:
            comparer = study.comparer([each])
            is_named = each.normal in comparer.calibration(each.dataset, each.product).suspects
            rest = [other for other in caught if other.content != each.content]
            is_refused = bool((study.scores(comparer, rest) <= threshold).any())
            named, refused, either = named + is_named, refused + is_refused, either + (is_named or is_refused)
        tried = len(candidates[:most])
        counts |= {kind: tried, f"{kind}_named": named, f"{kind}_refused": refused, f"{kind}_either": either}
    return counts


def _overkill(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> list[float]:
    """Shares of good pictures called defective at the ESCAPES, and averaged over all of them."""
    bad, good = np.sort(scores[defective]), scores[~defective]
    at = [float((good >= bad[int(escape * len(bad))]).mean()) for escape in ESCAPES]
    return [*at, 1 - float(roc_auc_score(defective, scores))]


if __name__ == "__main__":
    main()
