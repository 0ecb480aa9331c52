"""A picture compared with the normal pictures that are most alike: where it differs, how much, and what that says.

    picture -> features -> the k nearest normals -> a map of distances -> a score -> rank among normals, claim

A patch's distance is 1 minus its largest cosine with any patch of the k nearest normals, or with those at most
`tolerance` patches away. The picture's score is the mean of the top 1 % of its patches. What a score means is said by
the normals of the product that the nearest normal is of: each is compared with the others in the same way, without
its own piece (`thresholds.py`).

A picture that is a normal itself is compared without its own piece. Labels and folder names of the query decide
nothing: they aren't given.

Source: AnomalyDINO (arXiv 2405.14529) for patches of a frozen DINOv2 and the score; PatchCore (arXiv 2106.08265) for
nearest-patch distances.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.comparison import refusals, template, thresholds
from workbench.comparison.features import Features, Patches, Tower, Vector
from workbench.comparison.normal_bank import Neighbour, Normal, NormalBank
from workbench.comparison.regions import Box, Quarter, quarter, region, region_mask
from workbench.comparison.template import Scan, TemplateDifference
from workbench.comparison.thresholds import Threshold
from workbench.lru_cache import LRUCache
from workbench.model.case import Picture

Map = NDArray[np.float32]  # (rows, cols) distances, 0 to 2
Claim = Literal["defective", "good", "cannot say"]

DEFAULT_NEAREST = 4
DEFAULT_RATE = 0.05  # of good pieces that may be called defective
TOP = 100  # the score is the mean of one in so many patches
MOST_CALIBRATING = 200  # normals of a product that a threshold is made of
_MOST_FOREIGN = 16  # of them that are compared with other products
_NUMBERS = 4  # raise it when what is kept of calibrating changes
_MOST_KEPT = 256  # comparisons, for who asks again


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing one picture came to."""

    map: Map  # (rows, cols) float32: each patch's distance from the nearest normals
    score: float  # mean of the top 1 % of the map
    nearest: tuple[Neighbour, ...]  # the normals compared with, the most alike first
    rank: int | None  # how many of the product's normal pieces score at least as high; None without a threshold
    normals: int  # pieces that the threshold is made of
    threshold: Threshold | None
    claim: Claim
    why: str | None  # the picture or its normals don't allow a claim: the reason; None otherwise
    box: Box | None  # of the region around the peak, in pixels of the picture as it was given
    quarter: Quarter  # where the peak lies
    region_vector: Vector | None = None  # (D,) of unit norm: the mean of the region's patches; None without normals
    beside_template: bool = False  # a scan of black and white: map and score are of its difference to its template

    @property
    def product(self) -> tuple[str, str] | None:
        """Data set and product of the most alike normal, however unlike it is; None without normals."""
        return (self.nearest[0].normal.dataset, self.nearest[0].normal.product) if self.nearest else None


@dataclass(slots=True)
class Seconds:
    """Where a comparer's time went since it was made."""

    tower: float = 0.0  # seeing pictures, or reading what was seen of them
    comparing: float = 0.0  # searching normals, reading their patches, the map and what follows from it


class PictureComparer(Protocol):
    """Whatever compares a picture: with normals, or an archive with itself (`mutual.py`)."""

    seconds: Seconds

    def compare(self, picture: Picture) -> Comparison:
        """What comparing it comes to."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What normals of one product say of each other."""

    scores: dict[Normal, float]  # of each normal, compared without its own piece
    likenesses: tuple[float, ...]  # of each with its most alike normal of another piece
    ordinaries: tuple[float, ...]  # how far the most ordinary quarter of each one's patches is
    threshold: Threshold | None
    why: str | None  # they allow no claim: the reason
    template_scores: Mapping[Normal, float] = field(default_factory=dict)  # of scans with a template among the others
    template_threshold: Threshold | None = None

    @property
    def disowned(self) -> dict[Normal, float]:
        """Normals that the others disown, and how many times they differ as much as three quarters of these do from
        each other; those furthest from the others first. A scan that has a template among them is judged beside it.
        """
        times: dict[Normal, float] = {}
        for scores, judged, least in (
            (self.scores, [each for each in self.scores if each not in self.template_scores], 0.0),
            (self.template_scores, list(self.template_scores), template.LEAST_TOLD),
        ):
            limit = max(least, thresholds.disowned_above(of_pieces(scores))) if scores else 0.0
            times |= {each: thresholds.DISOWNED * scores[each] / limit for each in judged if scores[each] > limit}
        return dict(sorted(times.items(), key=lambda item: -item[1]))

    @property
    def suspects(self) -> tuple[Normal, ...]:
        """Normals that the others disown, those furthest from the others first."""
        return tuple(self.disowned)

    @property
    def piece_scores(self) -> list[float]:
        """The largest score of each piece."""
        return of_pieces(self.scores)


def of_pieces(scores: Mapping[Normal, float]) -> list[float]:
    """The largest score of each piece."""
    pieces: dict[tuple[str, str, str], float] = {}
    for normal, score in scores.items():
        pieces[normal.unit] = max(score, pieces.get(normal.unit, score))
    return list(pieces.values())


class Comparer:
    """Compares pictures with the normals of a bank."""

    def __init__(
        self,
        tower: Tower,
        bank: NormalBank,
        nearest: int = DEFAULT_NEAREST,
        tolerance: int | None = None,
        rate: float = DEFAULT_RATE,
    ):
        """Of a tower's features.

        Args:
            tower: the one that filled the bank.
            bank: of all normals.
            nearest: k, how many normals a picture is compared with.
            tolerance: patches, how far from its own place a patch may be found; None: anywhere.
            rate: share of good pieces that may be called defective.
        """
        self.bank, self.tower = bank, tower
        self._nearest, self._tolerance, self._rate = nearest, tolerance, rate
        self._calibrations: dict[tuple[str, str], Calibration] = {}
        self._comparisons: LRUCache[str, Comparison] = LRUCache(_MOST_KEPT)
        self.seconds = Seconds()

    @property
    def identity(self) -> str:
        """A hash of all that decides a comparison."""
        parts = (self.tower.name, self.bank.identity, self._nearest, self._tolerance, self._rate)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def compare(self, picture: Picture) -> Comparison:
        """What comparing the picture comes to; the newest comparisons are kept.

        Raises:
            OSError: features of normals are gone from the disk.
        """
        found = self._comparisons.get(picture.key)
        if found is None:
            began = time.perf_counter()
            itself = self.bank.by_content(picture.content)
            features = self.bank.features(itself) if itself else self.tower.features(picture.image)
            seen = time.perf_counter()
            scan = template.scan_of(picture.image)
            found = self.compare_features(features, itself, picture.image.size, scan is not None)
            if scan is not None:
                found = self.beside_template(found, scan, features, itself, picture.image.size)
            self.seconds.tower += seen - began
            self.seconds.comparing += time.perf_counter() - seen
            self._comparisons.put(picture.key, found)
        return found

    def compare_stored(self, content: str) -> Comparison | None:
        """What comparing a picture comes to whose features are stored; None where they aren't.

        Raises:
            OSError: features of normals are gone from the disk.
        """
        store, itself = self.bank.store, self.bank.by_content(content)
        vector, patches = store.class_vector(content), store.patches(content)
        if vector is None or patches is None:
            return None
        features, scan = Features(vector, patches), store.scan(content)
        found = self.compare_features(features, itself, binarised=store.is_binarised(content))
        return found if scan is None else self.beside_template(found, scan, features, itself)

    def compare_features(
        self,
        features: Features,
        itself: Normal | None = None,
        size: tuple[int, int] = (1, 1),
        binarised: bool = False,
    ) -> Comparison:
        """The same of features.

        Args:
            features: of the query, by the same tower.
            itself: the normal that the query is; it is left out with its piece.
            size: width and height of the picture in pixels, for the box.
            binarised: whether it is a scan of black and white, of which nothing is claimed.
        """
        neighbours = self.bank.nearest(features.class_vector, self._nearest, itself)
        if not neighbours:
            empty = np.zeros(features.grid, np.float32)
            why = refusals.NOTHING_ELSE if itself else refusals.NO_NORMAL
            return Comparison(empty, 0.0, (), None, 0, None, "cannot say", why, None, quarter(empty))
        distances = self._map(features.patches, neighbours)
        score = picture_score(distances)
        first = neighbours[0].normal
        calibration = self.calibration(first.dataset, first.product)
        scores = calibration.piece_scores
        reason = calibration.why
        if binarised:
            reason = refusals.BINARISED
        elif calibration.likenesses and refusals.is_unlike(
            neighbours[0].likeness,
            refusals.ordinary_distance(distances),
            calibration.likenesses,
            calibration.ordinaries,
        ):
            reason = refusals.UNLIKE
        claim: Claim = "cannot say"
        if reason is None and calibration.threshold is not None:
            claim = "defective" if score > calibration.threshold.value else "good"
        return Comparison(
            distances,
            score,
            tuple(neighbours),
            thresholds.at_least(scores, score) if calibration.threshold else None,
            len(scores),
            calibration.threshold,
            claim,
            reason,
            region(distances, size),
            quarter(distances),
            region_vector(features.patches, distances),
        )

    def beside_template(
        self,
        comparison: Comparison,
        scan: Scan,
        features: Features,
        itself: Normal | None = None,
        size: tuple[int, int] = (1, 1),
    ) -> Comparison:
        """What comparing a scan of black and white with its template comes to; nothing more where it has none.

        Args:
            comparison: what features say of it.
            scan: its pixels.
            features: as in `compare_features`, as are the others.
        """
        beside = self._difference(scan, features, itself)
        if beside is None:
            return replace(comparison, rank=None, threshold=None)
        neighbour, difference = beside
        normal = neighbour.normal
        calibration = self.calibration(normal.dataset, normal.product)
        scores, threshold = of_pieces(calibration.template_scores), calibration.template_threshold
        claim: Claim = "cannot say"
        if threshold is not None:
            claim = "defective" if difference.score > threshold.value else "good"
        return Comparison(
            difference.map,
            difference.score,
            (neighbour,),
            thresholds.at_least(scores, difference.score) if threshold else None,
            len(scores) if threshold else 0,
            threshold,
            claim,
            None if threshold else refusals.TEMPLATE_ALONE,
            region(difference.map, size) if difference.score > 0 else None,
            quarter(difference.map),
            region_vector(features.patches, difference.map),
            beside_template=True,
        )

    def _difference(
        self, scan: Scan, features: Features, itself: Normal | None
    ) -> tuple[Neighbour, TemplateDifference] | None:
        """A scan beside the one of the most alike normals that is its template."""
        neighbours = self.bank.nearest(features.class_vector, template.CANDIDATES, itself)
        scans = [(each, self.bank.store.scan(each.normal.content)) for each in neighbours]
        known = [(each, normal) for each, normal in scans if normal is not None]
        difference = template.beside_template(scan, [normal for _, normal in known], features.grid)
        return None if difference is None else (known[difference.template][0], difference)

    def calibration(self, dataset: str, product: str) -> Calibration:
        """What the product's normals say of each other: each compared without its own piece."""
        key = (dataset, product)
        if key not in self._calibrations:
            self._calibrations[key] = self._calibrate(key)
        return self._calibrations[key]

    def _calibrate(self, key: tuple[str, str]) -> Calibration:
        parts = (self.bank.identity, self._nearest, self._tolerance, *key)
        name = hashlib.sha256(repr((_NUMBERS, *parts)).encode()).hexdigest()[:32]
        numbers = self.bank.store.numbers(name)
        if numbers is None:
            numbers = self._measure(key)
            self.bank.store.keep_numbers(name, numbers)
        normals = ((self.bank.by_content(content), score) for content, score in numbers["scores"].items())
        scores = {normal: score for normal, score in normals if normal is not None}
        likenesses, ordinaries = tuple(numbers["likenesses"]), tuple(numbers["ordinaries"])
        beside = ((self.bank.by_content(content), score) for content, score in numbers["templates"].items())
        templates = {normal: score for normal, score in beside if normal is not None}
        of_templates = of_pieces(templates)
        template_threshold = thresholds.threshold(of_templates, self._rate) if len(of_templates) > 1 else None
        calibration = Calibration(scores, likenesses, ordinaries, None, None, templates, template_threshold)
        pieces = calibration.piece_scores
        # A single piece is compared with other products alone: what lies below that distance is not therefore good.
        found = thresholds.threshold(pieces, self._rate) if len(pieces) > 1 else None
        why = None
        if found is None:
            why = "one normal piece alone gives no threshold: at least two are needed"
        elif 2 * numbers["binarised"] > len(calibration.scores):
            why = refusals.NORMALS_BINARISED
        elif np.median(pieces) <= thresholds.FINEST:
            why = refusals.COPIES
        elif refusals.are_scattered(list(calibration.scores.values()), numbers["foreign"]):
            why = refusals.SCATTERED
        return replace(calibration, threshold=found, why=why)

    def _measure(self, key: tuple[str, str]) -> dict[str, Any]:
        """The normals of a product compared with each other, and some of them with products of another kind."""
        own = [normal for normal in self.bank.normals if (normal.dataset, normal.product) == key]
        # By hash, which no label or name decides; a normal more or less moves few of them.
        own.sort(key=lambda normal: hashlib.sha256(normal.content.encode()).digest())
        scores, likenesses, ordinaries = dict[str, float](), list[float](), list[float]()
        for normal in own[:MOST_CALIBRATING]:
            neighbours = self.bank.nearest(self.bank.class_vector(normal), self._nearest, normal)
            if neighbours:
                distances = self._map(self.bank.patches(normal), neighbours)
                scores[normal.content] = picture_score(distances)
                likenesses.append(neighbours[0].likeness)
                ordinaries.append(refusals.ordinary_distance(distances))
        sample = [normal for normal in own if normal.content in scores][:_MOST_FOREIGN]
        strangers = self.bank.strangers(sample, refusals.of_another_kind(likenesses), self._nearest)
        foreign = [
            picture_score(self._map(self.bank.patches(normal), neighbours))
            for normal, neighbours in zip(sample, strangers, strict=False)  # no strangers at all: none
        ]
        beside: dict[str, float] = {}
        for normal in own[:MOST_CALIBRATING]:
            scan = self.bank.store.scan(normal.content)
            found = None if scan is None else self._difference(scan, self.bank.features(normal), normal)
            if found is not None:
                beside[normal.content] = found[1].score
        return {
            "templates": beside,
            "scores": scores,
            "likenesses": likenesses,
            "ordinaries": ordinaries,
            "foreign": foreign,
            "binarised": sum(self.bank.store.is_binarised(content) for content in scores),
        }

    def _map(self, patches: Patches, neighbours: Sequence[Neighbour]) -> Map:
        return distance_map(patches, [self.bank.patches(each.normal) for each in neighbours], self._tolerance)


def distance_map(patches: Patches, references: Sequence[Patches], tolerance: int | None = None) -> Map:
    """(rows, cols) float32: 1 minus each patch's largest cosine with a patch of the references.

    Args:
        patches: (rows, cols, D) of unit norm.
        references: the same of each normal, at least one, on the same grid.
        tolerance: patches up to which a reference's patch may lie away from the query's, along each axis; None: any.
    """
    distances: Map = np.minimum.reduce([patch_distances(patches, each, tolerance) for each in references])
    return distances


def patch_distances(patches: Patches, reference: Patches, tolerance: int | None = None) -> Map:
    """The same of one reference."""
    query, others = patches.astype(np.float32), reference.astype(np.float32)
    rows, cols, width = query.shape
    if tolerance is None:
        flat = query.reshape(-1, width) @ others.reshape(-1, width).T  # (rows x cols, rows x cols of the reference)
        nearest: Map = 1 - flat.max(axis=1).reshape(rows, cols)
        return nearest
    cosines = np.full((rows, cols), -np.inf, np.float32)  # the largest so far, one shift of the whole grid at a time
    for down in range(-tolerance, tolerance + 1):
        for across in range(-tolerance, tolerance + 1):
            here = (slice(max(0, -down), rows - max(0, down)), slice(max(0, -across), cols - max(0, across)))
            there = (slice(max(0, down), rows - max(0, -down)), slice(max(0, across), cols - max(0, -across)))
            shifted = np.einsum("rcd,rcd->rc", query[here], others[there])
            np.maximum(cosines[here], shifted, out=cosines[here])
    distances: Map = 1 - cosines
    return distances


def region_vector(patches: Patches, distances: Map) -> Vector:
    """(D,) float32 of unit norm: the mean of the patches at the peak of the map."""
    mean = patches[region_mask(distances)].astype(np.float32).mean(axis=0)
    vector: Vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return vector


def picture_score(distances: Map, one_in: int = TOP) -> float:
    """The mean of the top 1 % of patches, or of one in so many; at least of one."""
    flat = distances.ravel()
    most = max(1, flat.size // one_in)
    return float(np.partition(flat, -most)[-most:].mean())
