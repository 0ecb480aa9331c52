"""Which one normal picture to show beside a photograph: `python -m benchmarks.references PACK --tower photos`.

The folder has MMAD's layout and an mmad.json, whose answers judge and are never seen. A photograph is compared with one
normal picture of its product alone, as a model sees it beside one: AUROC of that score, when the picture is the same
for the whole product (by seed), the medoid of the cluster that the photograph belongs to, and the nearest of all; and
how many pictures are then shown of each product, which is how many beginnings of prompts are read. Kept in
results/references.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks import comparison, machine
from benchmarks.comparison import Photograph
from workbench.archive import references
from workbench.comparison import Comparer, Features, FeatureStore, Normal, NormalBank, Tower, likeness
from workbench.comparison.comparison import patch_distances, picture_score
from workbench.comparison.vision_towers import load_tower

OUTPUT = Path(__file__).parent / "results" / "references.json"
_SEED = "seed"
CLUSTERS = (4, 8, 16, 32)
SEEDS = 20  # that choose the one picture of a product
RESAMPLES = 1000

Scores = NDArray[np.float64]  # one for each photograph
Choose = Callable[[Photograph], Normal]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--features", type=Path, help="folder that keeps features between calls")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photographs = comparison.read(arguments.pack)
    tower = load_tower(arguments.tower, 224)
    with tempfile.TemporaryDirectory() as temporary:
        figures = measured(photographs, tower, arguments.features or Path(temporary), arguments.pack)
    machine.report({"tower": tower.name, **figures}, arguments.output)


def measured(photographs: Sequence[Photograph], tower: Tower, folder: Path, pack: Path) -> dict[str, object]:
    """Each data set's figures, by how its references are chosen."""
    stored = comparison.filled(photographs, tower, folder)
    normals = [each for each in photographs if each.is_normal]
    comparer = Comparer(tower, NormalBank([each.normal for each in normals], FeatureStore(folder, tower)))
    figures: dict[str, object] = {}
    known: dict[tuple[str, str], float] = {}  # scores of pairs
    for dataset in sorted({each.dataset for each in normals}):
        own = [each for each in normals if each.dataset == dataset]
        queries = [each for each in photographs if each.dataset == dataset and not each.is_normal]
        rules = _rules(own, comparer, stored, pack)
        scores = {rule: _scores(queries, choose, stored, known) for rule, choose in rules.items()}
        defective = np.array([each.is_defective for each in queries])
        of_seeds = [float(roc_auc_score(defective, values)) for rule, (values, _) in scores.items() if _SEED in rule]
        figures[dataset] = {
            "pictures": len(queries),
            "normals": len(own),
            "by seed": {"mean": round(float(np.mean(of_seeds)), 3), "lowest": round(min(of_seeds), 3),
                        "highest": round(max(of_seeds), 3), "seeds": SEEDS},
            **{rule: _of_rule(defective, *found) for rule, found in scores.items() if _SEED not in rule},
            "by seed 0": _of_rule(defective, *scores[f"{_SEED} 0"]),
        }  # fmt: skip
        print(dataset, json.dumps(figures[dataset], indent=1), flush=True)
    return figures


def _rules(
    normals: Sequence[Photograph], comparer: Comparer, stored: Mapping[str, Features], pack: Path
) -> dict[str, Choose]:
    """How the reference of a photograph may be chosen among the normals of its one product."""
    by_path = {each.path.relative_to(pack).as_posix(): each.normal for each in normals}
    product = (normals[0].dataset, normals[0].product)

    def alike(among: Sequence[Normal]) -> Choose:
        return lambda each: likeness.most_alike(comparer.bank, among, stored[each.content].class_vector)

    def one(normal: Normal) -> Choose:
        return lambda _: normal

    rules = {f"{_SEED} {seed}": one(by_path[references.by_seed(by_path, seed)]) for seed in range(SEEDS)}
    for count in CLUSTERS:
        rules[f"medoid of {count} clusters"] = alike(likeness.representatives(comparer, *product, count))
    return rules | {"nearest of all": alike([each.normal for each in normals])}


def _scores(
    queries: Sequence[Photograph], choose: Choose, stored: Mapping[str, Features], known: dict[tuple[str, str], float]
) -> tuple[Scores, int]:
    """The score of each photograph beside its reference, and how many references are shown."""
    chosen = [choose(each) for each in queries]
    values = []
    for each, normal in zip(queries, chosen, strict=True):
        pair = each.content, normal.content
        if pair not in known:
            patches, others = (stored[content].patches for content in pair)
            known[pair] = picture_score(patch_distances(patches, others))
        values.append(known[pair])
    return np.array(values), len(set(chosen))


def _of_rule(defective: NDArray[np.bool_], scores: Scores, shown: int) -> dict[str, object]:
    rng, drawn = np.random.default_rng(0), list[float]()
    while len(drawn) < RESAMPLES:
        at = rng.integers(len(scores), size=len(scores))
        if 0 < defective[at].sum() < len(at):
            drawn.append(roc_auc_score(defective[at], scores[at]))
    return {
        "auroc": round(float(roc_auc_score(defective, scores)), 3),
        "auroc_interval": [round(float(each), 3) for each in np.percentile(drawn, [2.5, 97.5])],
        "references_shown": shown,
    }


if __name__ == "__main__":
    main()
