"""Comparing real photographs with normal ones: `python -m benchmarks.comparison PACK --tower photos`.

The folder has MMAD's layout and an mmad.json. Nothing is learned from its questions; they only judge. Printed and kept
in results/comparison.json: AUROC of the score, the quarter with the defect, the product, and yes/no at the threshold of
the normals alone, at 224 px with 4 normals and at 448 px with 8; what layers and position tolerance add; the archive
against itself with 10 and 30 % defective pictures mixed in; pictures of a product without normals; and what it costs.
`--quick` leaves out 448 px; `--parts` measures some of it anew and leaves the rest of the result as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from workbench.comparison import (
    Comparer,
    Comparison,
    Features,
    FeatureStore,
    MutualComparer,
    Normal,
    NormalBank,
    Tower,
    refusals,
)
from workbench.comparison.mutual import RANKING_ONLY
from workbench.comparison.vision_towers import load_tower
from workbench.model.case import Picture

OUTPUT = Path(__file__).parent / "results" / "comparison.json"
PARTS = ("comparisons", "product_without_normals", "archive_against_itself", "cost")
DRAWS = 8  # of defective pictures that are mixed in
BANK = (1_000, 100_000)  # normals, drawn at random, for what comparing costs


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture of the pack and what its questions say of it."""

    path: Path
    content: str
    dataset: str
    product: str
    is_normal: bool  # of train/good
    is_defective: bool
    place: str | None  # the right answer to where the defect is, in lower case

    @property
    def normal(self) -> Normal:
        """As a picture of a bank."""
        return Normal(self.content, self.dataset, self.product)

    def picture(self) -> Picture:
        """Its pixels."""
        return Picture(self.content, Image.open(self.path).convert("RGB"))


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--features", type=Path, help="folder that keeps features between calls")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photographs = read(arguments.pack)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.features or Path(temporary)
        settings: list[tuple[int, int, Sequence[int], int | None]] = [
            (224, 4, (-1,), None),
            (224, 1, (-1,), None),
            (224, 4, (-1,), 1),
            (224, 4, (-1,), 3),
            (224, 4, (-3, -1), None),
        ]
        if not arguments.quick:
            settings.append((448, 8, (-1,), None))
        first = load_tower(arguments.tower, 224)

        def comparisons() -> list[dict[str, object]]:
            tables = []
            for side, nearest, layers, tolerance in settings:
                tower = load_tower(arguments.tower, side, layers)
                tables.append(compared(photographs, tower, folder, nearest, tolerance))
                print(json.dumps(tables[-1]), flush=True)
            return tables

        measure: dict[str, Callable[[], object]] = {
            "comparisons": comparisons,
            "product_without_normals": lambda: strangers(photographs, first, folder),
            "archive_against_itself": lambda: mutual(photographs, first, folder),
            "cost": lambda: {**seconds_of_a_picture(photographs, first), **seconds_of_comparing(Path(temporary))},
        }
        before = json.loads(arguments.output.read_text("utf-8")) if arguments.output.is_file() else {}
        figures: dict[str, object] = {
            "tower": first.name,
            **{part: measure[part]() if part in arguments.parts else before.get(part) for part in PARTS},
        }
    machine.report(figures, arguments.output)


def read(pack: Path) -> list[Photograph]:
    """The pack's normals and the pictures that it asks about."""
    questions = json.loads((pack / "mmad.json").read_text("utf-8"))
    found = []
    for path in sorted([*pack.glob("*/*/train/good/*"), *(pack / name for name in questions)]):
        parts = path.relative_to(pack).parts
        asked = questions.get("/".join(parts), {}).get("conversation", [])
        answers = {each["type"]: each["Options"][each["Answer"]].lower() for each in asked}
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        defective = answers.get("Anomaly Detection", "no").startswith("yes")
        place = answers.get("Defect Localization")
        found.append(Photograph(path, content, parts[0], parts[1], not asked, defective, place))
    return found


def compared(
    photographs: Sequence[Photograph], tower: Tower, folder: Path, nearest: int, tolerance: int | None
) -> dict[str, object]:
    """Each product's figures with one setting."""
    normals = {each.normal: each for each in photographs if each.is_normal}
    bank = NormalBank.open(folder, tower, normals, lambda normal: normals[normal].picture().image)
    comparer = Comparer(tower, bank, nearest, tolerance)
    queries = [each for each in photographs if not each.is_normal]
    stored = filled(queries, tower, folder)
    began, found = time.process_time(), dict[str, Comparison]()
    for each in queries:
        with Image.open(each.path) as image:
            binarised = refusals.is_binarised(image)
            found[each.content] = comparer.compare_features(stored[each.content], None, image.size, binarised)
    seconds = (time.process_time() - began) / len(queries)
    places = [(each, found[each.content].quarter in each.place) for each in queries if each.place]
    products = {}
    for dataset in sorted({each.dataset for each in queries}):
        own = [each for each in queries if each.dataset == dataset]
        products[dataset] = of_product(own, [found[each.content] for each in own])
    return {
        "tower": tower.name,
        "nearest": nearest,
        "tolerance": tolerance,
        "quarter_right": round(float(np.mean([right for _, right in places])), 3),
        "quarter_right_of_photographs": round(
            float(np.mean([right for each, right in places if not refusals.is_binarised(Image.open(each.path))])), 3
        ),
        "quarters": len(places),
        "product_right": round(
            float(np.mean([found[each.content].product == (each.dataset, each.product) for each in queries])), 3
        ),
        "seconds_comparing_with_calibration": round(seconds, 4),
        "products": products,
    }


def of_product(photographs: Sequence[Photograph], comparisons: Sequence[Comparison]) -> dict[str, object]:
    """AUROC with its bootstrap interval, and what was claimed."""
    defective = np.array([each.is_defective for each in photographs])
    scores = np.array([each.score for each in comparisons])
    claims = np.array([each.claim for each in comparisons])
    rng, drawn = np.random.default_rng(0), list[float]()
    while len(drawn) < 500:
        at = rng.integers(len(scores), size=len(scores))
        if 0 < defective[at].sum() < len(at):
            drawn.append(roc_auc_score(defective[at], scores[at]))
    caught = float((claims[defective] == "defective").mean())
    spared = float((claims[~defective] == "good").mean())
    threshold = next((each.threshold for each in comparisons if each.threshold), None)
    return {
        "pictures": len(photographs),
        "auroc": round(float(roc_auc_score(defective, scores)), 3),
        "auroc_interval": [round(float(each), 3) for each in np.percentile(drawn, [2.5, 97.5])],
        "cannot_say": round(float((claims == "cannot say").mean()), 3),
        "caught": round(caught, 3),
        "spared": round(spared, 3),
        "balanced": round((caught + spared) / 2, 3),
        "threshold": threshold.words if threshold else None,
    }


def strangers(photographs: Sequence[Photograph], tower: Tower, folder: Path) -> dict[str, float]:
    """Of each data set compared with normals of the others alone: the share of which nothing is claimed."""
    shares = {}
    queries = [each for each in photographs if not each.is_normal]
    stored = filled(queries, tower, folder)
    for dataset in sorted({each.dataset for each in photographs}):
        normals = [each.normal for each in photographs if each.is_normal and each.dataset != dataset]
        comparer = Comparer(tower, NormalBank(normals, FeatureStore(folder, tower)))
        claims = []
        for each in queries:
            if each.dataset == dataset:
                with Image.open(each.path) as image:
                    binarised = refusals.is_binarised(image)
                claims.append(comparer.compare_features(stored[each.content], binarised=binarised).claim)
        shares[dataset] = round(claims.count("cannot say") / len(claims), 3)
    return shares


def mutual(photographs: Sequence[Photograph], tower: Tower, folder: Path) -> dict[str, object]:
    """AUROC of an archive without normals, its good test pictures with so many defective ones among them."""
    queries = [each for each in photographs if not each.is_normal]
    stored, store = filled(queries, tower, folder), FeatureStore(folder, tower)
    figures: dict[str, object] = {"said": RANKING_ONLY, "draws": DRAWS}
    for dataset in sorted({each.dataset for each in queries}):
        good = [each for each in queries if each.dataset == dataset and not each.is_defective]
        bad = [each for each in queries if each.dataset == dataset and each.is_defective]
        of_shares = {}
        for share in (0.1, 0.3, None):
            count = len(bad) if share is None else round(share / (1 - share) * len(good))
            found = []
            for seed in range(DRAWS if share else 1):
                mixed = [*good, *(bad[at] for at in np.random.default_rng(seed).permutation(len(bad))[:count])]
                comparer = MutualComparer(tower, NormalBank([each.normal for each in mixed], store))
                scores = [comparer.compare_features(stored[each.content], each.normal).score for each in mixed]
                found.append(roc_auc_score([each.is_defective for each in mixed], scores))
            name = f"{count / (count + len(good)):.0%} defective"
            of_shares[name] = {"auroc": round(float(np.mean(found)), 3), "lowest": round(float(min(found)), 3)}
        figures[dataset] = of_shares
        print(dataset, of_shares, flush=True)
    return figures


def filled(photographs: Sequence[Photograph], tower: Tower, folder: Path) -> dict[str, Features]:
    """The features of pictures, computed where the folder hasn't got them."""
    of_normals = {each.normal: each for each in photographs}
    bank = NormalBank.open(folder, tower, of_normals, lambda normal: of_normals[normal].picture().image)
    return {each.content: bank.features(each) for each in of_normals}


def seconds_of_a_picture(photographs: Sequence[Photograph], tower: Tower) -> dict[str, object]:
    """Opening, seeing and comparing a picture on one core, with the pack's normals ready."""
    with tempfile.TemporaryDirectory() as folder:
        normals = {each.normal: each for each in photographs if each.is_normal}
        chosen = dict(list(normals.items())[:12])
        bank = NormalBank.open(Path(folder), tower, chosen, lambda normal: chosen[normal].picture().image)
        comparer = Comparer(tower, bank)
        queries = [each for each in photographs if not each.is_normal][:20]
        comparer.compare(queries[0].picture())
        began, processor = time.perf_counter(), time.process_time()
        for each in queries[1:]:
            comparer.compare(each.picture())
        seconds, of_processor = time.perf_counter() - began, time.process_time() - processor
    began = time.process_time()
    for _ in range(5_000_000):
        began += 0.0
    return {
        "seconds_a_picture": round(seconds / (len(queries) - 1), 3),
        "processor_seconds_a_picture": round(of_processor / (len(queries) - 1), 3),
        "seconds_of_5_million_additions": round(time.process_time() - began, 2),
    }


def link(store: FeatureStore, content: str, source: str) -> None:
    """A picture of the store under another content too."""
    target = store.path(content)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(store.path(source))


class _Drawn:
    """Vectors drawn at random in a tower's shapes; no picture is looked at."""

    name = "drawn/224px"

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def features(self, image: Image.Image) -> Features:  # noqa: ARG002
        """A class vector, and 16 x 16 patches, of 384 each."""
        whole, patches = self._rng.normal(size=384), self._rng.normal(size=(16, 16, 384))
        patches /= np.linalg.norm(patches, axis=-1, keepdims=True)
        return Features((whole / np.linalg.norm(whole)).astype(np.float32), patches.astype(np.float16))


def seconds_of_comparing(folder: Path) -> dict[str, object]:
    """Comparing with banks of drawn normals: class vectors searched, patches of the nearest read from the disk.

    The larger bank's files are hard links to those of 1,000, so that the disk has room; as many are searched.
    """
    tower, figures = _Drawn(), dict[str, object]()
    store, blank = FeatureStore(folder, tower), Image.new("RGB", (1, 1))
    contents = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(max(BANK))]
    for count in BANK:
        for number, content in enumerate(contents[:count]):
            if number < min(BANK):
                store.fill(content, lambda: blank)
            else:
                link(store, content, contents[number % min(BANK)])
        began = time.perf_counter()
        bank = NormalBank([Normal(content, "drawn", f"{n % 4}") for n, content in enumerate(contents[:count])], store)
        opening = time.perf_counter() - began
        comparer = Comparer(tower, bank)
        for product in range(4):
            comparer.calibration("drawn", str(product))
        queries = [tower.features(blank) for _ in range(100)]
        comparer.compare_features(queries[0])
        before, spent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
        for each in queries:
            began = time.perf_counter()
            comparer.compare_features(each)
            spent.append(time.perf_counter() - began)
        figures[f"{count:,} normals"] = {
            "seconds_opening": round(opening, 2),
            "seconds_comparing_median": round(float(np.median(spent)), 4),
            "seconds_comparing_largest": round(max(spent), 4),
            "memory_grown_mib_over_100": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
        }
    return figures


if __name__ == "__main__":
    main()
