"""What verdicts and mistakes do to normals, on real photographs: `python -m benchmarks.normals PACK --tower photos`.

The folder is as in `benchmarks/comparison.py`. For each product, at 224 px with the 4 nearest normals:

- *replay*: of a random half of the test pictures the good ones that score above the threshold are confirmed as good by
  verdicts and become normals; the other half, drawn from with replacement, says what that brings: overkill at the
  threshold that lets so many defects escape, and averaged over all escapes (1 - AUROC), before and after; means over
  DRAWS halves, the difference with the interval that holds 95 % of the draws, and in how many it is better, the same,
  worse. *all_confirmed* is the same with all good pictures of the half: more than verdicts on alarms can bring.
- *choices*: the same with a few of the half's good pictures, over CHOICE_DRAWS halves: the most suspicious ones, as a
  person would confirm who reads the ranked list from the top, and those that are farthest from all normals so far.
- *planted*: each defective picture alone becomes a normal by a wrong verdict, and each good one by a right one: how
  many are named as suspects, how many the check before publishing refuses (a caught defect would be passed, or known
  defects come nearer by it than known good pictures do). *of_alarms* counts those alone that score above the threshold:
  only an alarm is confirmed by a verdict.

Printed and kept in results/normals.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from benchmarks.comparison import Photograph, filled, read
from workbench.comparison import Comparer, Features, FeatureStore, NormalBank, Tower
from workbench.comparison.comparison import DEFAULT_NEAREST, Map, patch_distances, picture_score
from workbench.comparison.features import Vector
from workbench.comparison.vision_towers import load_tower
from workbench.curation.normal_checks import LEVEL, fall_more

OUTPUT = Path(__file__).parent / "results" / "normals.json"
DRAWS = 200
CHOICE_DRAWS = 60
ESCAPES = (0.0, 0.05, 0.1, 0.2)
PRODUCTS = ("AWS-Cookie", "BSData")  # photographs; binarised scans are not compared by features


class Study:
    """One product's pictures with their features."""

    def __init__(self, photographs: Sequence[Photograph], tower: Tower, folder: Path) -> None:
        self.normals = [each for each in photographs if each.is_normal]
        self.queries = [each for each in photographs if not each.is_normal]
        self._tower, self._store = tower, FeatureStore(folder, tower)
        self._features: dict[str, Features] = filled(photographs, tower, folder)
        self._maps: dict[tuple[str, str], Map] = {}
        self.own = self.comparer(())

    def comparer(self, more: Iterable[Photograph]) -> Comparer:
        """Of the normals and some more pictures."""
        return Comparer(self._tower, NormalBank([each.normal for each in (*self.normals, *more)], self._store))

    def scores(self, comparer: Comparer, pictures: Sequence[Photograph]) -> NDArray[np.float64]:
        """(pictures,), each without its own piece where it is a normal, as `Comparer` scores; pairs are kept."""
        found = []
        for each in pictures:
            itself = comparer.bank.by_content(each.content)
            nearest = comparer.bank.nearest(self._features[each.content].class_vector, DEFAULT_NEAREST, itself)
            maps = [self._beside(each.content, other.normal.content) for other in nearest]
            found.append(picture_score(np.minimum.reduce(maps)))
        return np.array(found)

    def _beside(self, query: str, reference: str) -> Map:
        pair = (query, reference)
        if pair not in self._maps:
            self._maps[pair] = patch_distances(self._features[query].patches, self._features[reference].patches)
        return self._maps[pair]

    def class_vector(self, picture: Photograph) -> Vector:
        """Of the picture as a whole."""
        return self._features[picture.content].class_vector

    def threshold(self) -> float:
        """Of the normals as they are."""
        found = self.own.calibration(self.normals[0].dataset, self.normals[0].product).threshold
        return found.value if found else float("inf")


Choose = Callable[[Study, Sequence[Photograph]], Sequence[Photograph]]  # good ones, highest scores first -> confirmed


def alarms(study: Study, good: Sequence[Photograph]) -> Sequence[Photograph]:
    """Those above the threshold of the normals."""
    threshold = study.threshold()
    return [each for each, score in zip(good, study.scores(study.own, good), strict=True) if score > threshold]


def farthest(study: Study, good: Sequence[Photograph], count: int) -> Sequence[Photograph]:
    """One after another the one that is least like the normals and those before it."""
    left, chosen = list(good), list[Photograph]()
    known = [study.class_vector(each) for each in study.normals]
    while left and len(chosen) < count:
        likeness = [max(float(study.class_vector(each) @ other) for other in known) for each in left]
        chosen.append(left.pop(int(np.argmin(likeness))))
        known.append(study.class_vector(chosen[-1]))
    return chosen


CHOICES: dict[str, Choose] = {
    "alarms": alarms,
    "most suspicious 3": lambda study, good: good[:3],  # noqa: ARG005
    "most suspicious 5": lambda study, good: good[:5],  # noqa: ARG005
    "farthest 3": lambda study, good: farthest(study, good, 3),
    "farthest 5": lambda study, good: farthest(study, good, 5),
}


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
                "all_confirmed": replay(study, lambda study, good: good),  # noqa: ARG005
                "choices": {name: replay(study, choose, CHOICE_DRAWS) for name, choose in CHOICES.items()},
                "planted": planted(study),
            }
    machine.report(figures, arguments.output)


def replay(study: Study, choose: Choose = alarms, draws: int = DRAWS) -> dict[str, Any]:
    """What confirming good pictures of one half, as they are chosen, does to the other."""
    before = dict(zip([each.content for each in study.queries], study.scores(study.own, study.queries), strict=True))
    rows, counts = [], []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(study.queries))
        judged = [study.queries[at] for at in order[: len(order) // 2]]
        others = [study.queries[at] for at in order[len(order) // 2 :]]
        good = sorted((each for each in judged if not each.is_defective), key=lambda each: -before[each.content])
        confirmed = choose(study, good)
        counts.append(len(confirmed))
        defective = np.array([each.is_defective for each in others])
        then = np.array([before[each.content] for each in others])
        now = study.scores(study.comparer(confirmed), others) if confirmed else then
        again = np.concatenate(
            [rng.choice(np.flatnonzero(defective == kind), (defective == kind).sum()) for kind in (True, False)]
        )
        rows.append([_overkill(scores[again], defective[again]) for scores in (then, now)])
    found = np.array(rows)  # (draws, before and after, escapes and all of them)
    figures: dict[str, Any] = {"confirmed_mean": float(np.mean(counts))}
    names = [*(f"overkill_at_escape_{escape:g}" for escape in ESCAPES), "overkill_over_all_escapes"]
    for place, name in enumerate(names):
        old, new = found[:, 0, place], found[:, 1, place]
        gained = new - old
        figures[name] = {
            "before": round(float(old.mean()), 4),
            "after": round(float(new.mean()), 4),
            "difference": round(float(gained.mean()), 4),
            "low": round(float(np.percentile(gained, 2.5)), 4),
            "high": round(float(np.percentile(gained, 97.5)), 4),
            "draws_better_same_worse": [int((gained < 0).sum()), int((gained == 0).sum()), int((gained > 0).sum())],
        }
    return figures


def planted(study: Study, most: int | None = None) -> dict[str, int]:
    """How many wrong and right verdicts, each alone, are named or refused; of each at most so many are tried."""
    threshold, before = study.threshold(), study.scores(study.own, study.queries)
    counts: dict[str, int] = {}
    for kind in ("wrong", "right"):
        candidates = [at for at, each in enumerate(study.queries) if each.is_defective == (kind == "wrong")][:most]
        flags = []
        for place in candidates:
            each = study.queries[place]
            comparer = study.comparer([each])
            rest = [at for at in range(len(study.queries)) if at != place]
            defective = np.array([study.queries[at].is_defective for at in rest])
            then, now = before[rest], study.scores(comparer, [study.queries[at] for at in rest])
            lost = bool((defective & (then > threshold) & (now <= threshold)).any())
            falls = 1 - now / then
            is_like_defects = fall_more(list(falls[defective]), list(falls[~defective])) < LEVEL
            is_named = each.normal in comparer.calibration(each.dataset, each.product).suspects
            flags.append([is_named, lost, is_like_defects, is_named or lost or is_like_defects])
        of_candidates = np.array(flags)
        alarms = before[candidates] > threshold
        for name, some in ((kind, of_candidates), (f"{kind}_of_alarms", of_candidates[alarms])):
            named, lost_some, like, either = (int(count) for count in some.sum(axis=0))
            counts |= {
                name: len(some), f"{name}_named": named, f"{name}_lose_a_defect": lost_some,
                f"{name}_like_defects": like, f"{name}_either": either,
            }  # fmt: skip
    return counts


def _overkill(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> list[float]:
    """Shares of good pictures called defective at the ESCAPES, and averaged over all of them."""
    bad, good = np.sort(scores[defective]), scores[~defective]
    at = [float((good >= bad[int(escape * len(bad))]).mean()) for escape in ESCAPES]
    return [*at, 1 - float(roc_auc_score(defective, scores))]


if __name__ == "__main__":
    main()
