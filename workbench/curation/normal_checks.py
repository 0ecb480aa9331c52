"""Which normals look out of place, and what publishing one would do.

    published normals, a tower -> each compared with the others of its product, without its own piece -> `Suspect`
    a proposed normal, pictures whose truth is known -> compared without it and with it -> `Effect`

A suspect is one that its siblings disown: compared with the others of its product, without its own piece, it scores
more than twice their upper quartile (`thresholds.disowned_above`); a scan of black and white beside its template. Being
named retires nothing: it may as well be the one good picture of a new batch.

What publishing a normal does to pictures of known truth is asked at the threshold that stands, so that a lower score is
the picture's own doing: a defective one that was caught and would no longer be is *lost*, a good one that was called
defective and would no longer be is *spared*. A normal that loses any is not published without a reason;
nor is one by which scores of known defects fall more than those of known good pictures do, by a one-sided rank test at
5 %: it shows what they show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from scipy import stats

from warehouse.queries.normals import Normals
from warehouse.records.normals import Normal
from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench import comparison, wording
from workbench.archive import run_views
from workbench.archive.image_decoding import open_image
from workbench.archive.run_views import Located, RunViews
from workbench.comparison import Comparer, Features, FeatureStore, NormalBank, Tower
from workbench.errors import UnreadableImage
from workbench.scoring.run_resources import key_of

FEATURES = "features"  # below the data folder
LEVEL = 0.05  # of the test whether a normal is like known defects
MOST = 60  # pictures of each truth that an effect is asked on


@dataclass(frozen=True, slots=True)
class Suspect:
    """A published normal that its siblings disown."""

    normal: Normal
    score: float  # against the others, without its own piece; of a scan beside its template
    times: float  # as far from the others as three quarters of these are from each other

    @property
    def words(self) -> str:
        """Why it is one, in one sentence."""
        return f"it differs from the others {self.times:.1f} times as much as three quarters of them do from each other"


@dataclass(frozen=True, slots=True)
class Effect:
    """What publishing normals would do to pictures of known truth, at the threshold that stands."""

    defective: int  # pictures asked
    good: int
    caught: int  # defective ones above the threshold without the normals
    lost: tuple[str, ...]  # paths of those of them that would no longer be
    alarms: int  # good ones above it without the normals
    spared: tuple[str, ...]  # paths of those of them that would no longer be
    p_like_defects: float = 1.0  # of the test whether scores of defective ones fall more than those of good ones

    @property
    def is_like_defects(self) -> bool:
        """Whether known defects come nearer to normal by it than known good pictures do."""
        return self.p_like_defects < LEVEL

    @property
    def harmful(self) -> bool:
        """Whether a defect would be passed that is caught now, or it is like known defects."""
        return bool(self.lost) or self.is_like_defects

    @property
    def words(self) -> str:
        """What it comes to, in one sentence."""
        if not self.defective + self.good:
            return "no picture of known truth of this product can be asked"
        lost = f"{len(self.lost)} of {wording.counted(self.caught, 'caught defect')} would be passed"
        such = f", such as {self.lost[0]}" if self.lost else ""
        nearer = f"; known defects come nearer to normal by it than good pictures do (p = {self.p_like_defects:.3f})"
        like = nearer if self.is_like_defects else ""
        return (
            f"{lost}{such}{like}; {len(self.spared)} of {wording.counted(self.alarms, 'false alarm')} would be spared "
            f"(asked of {self.defective} defective and {self.good} good pictures)"
        )


@dataclass(frozen=True, slots=True)
class _Scored:
    score: float
    is_above: bool  # the threshold that stands


class Checks:
    """Comparisons among the normals of one data folder, by one tower. Features are stored as runs store them."""

    def __init__(self, store: Store, tower: Tower, progress: Callable[[int], None] | None = None) -> None:
        self._store, self._tower = store, tower
        self._features = FeatureStore(store.data / FEATURES, tower)
        self._roots = {each.archive_id: Path(each.root) for each in store.archives()}
        self._views = newest_views(store)
        self._progress = progress or (lambda _: None)

    def suspects(self, only_stored: bool = False) -> list[Suspect]:
        """The published normals that their siblings disown, those furthest from the others first.

        Args:
            only_stored: features that aren't stored are not computed, and those normals are left out.
        """
        published = Normals(self._store.data).published()
        return suspects(self.comparer(published, only_stored), self._by_key(published))

    def hiding(self) -> list[tuple[Normal, Effect]]:
        """The published normals without which a known defect would be caught that is passed now, worst first; each with
        what it does. Takes about a comparison of each known picture for each normal.
        """
        published = Normals(self._store.data).published()
        effects = [(each, self.effect([each])) for each in published]
        return sorted(((each, effect) for each, effect in effects if effect.lost), key=lambda item: -len(item[1].lost))

    def effect(self, candidates: Sequence[Normal]) -> Effect:
        """What publishing these normals would do, or does where they are published already."""
        normals = Normals(self._store.data)
        contents = {each.content for each in candidates}
        published = [each for each in normals.published() if each.content not in contents]
        products = {(each.dataset, each.product) for each in candidates}
        cases = [*_some(normals.known_cases(products, contents))]
        without, with_them = self.comparer(published), self.comparer([*published, *candidates])
        asked, defective = [], []
        for number, entry in enumerate(cases, start=1):
            if self._fill(entry):
                asked.append(entry)
                defective.append(entry.label == "defective")
            self._progress(number)
        scored = [(self._scored(without, without, each), self._scored(with_them, without, each)) for each in asked]
        rows = [
            (entry, bad, bool(old and old.is_above), bool(new and new.is_above))
            for entry, bad, (old, new) in zip(asked, defective, scored, strict=True)
        ]
        falls = [
            (bad, 1 - new.score / old.score)
            for bad, (old, new) in zip(defective, scored, strict=True)
            if old and new and old.score > 0
        ]
        return Effect(
            defective=sum(defective),
            good=len(asked) - sum(defective),
            caught=sum(bad and before for _, bad, before, _ in rows),
            lost=tuple(entry.path for entry, bad, before, after in rows if bad and before and not after),
            alarms=sum(not bad and before for _, bad, before, _ in rows),
            spared=tuple(entry.path for entry, bad, before, after in rows if not bad and before and not after),
            p_like_defects=fall_more([fall for bad, fall in falls if bad], [fall for bad, fall in falls if not bad]),
        )

    def _scored(self, comparer: Comparer, stands: Comparer, entry: Entry) -> _Scored | None:
        """The picture, compared by one, with the other's threshold; None where comparing claims nothing of it."""
        found = comparer.compare_stored(self._key(entry))
        if found is None or found.threshold is None:  # such as of a scan without a template
            return None
        calibration = stands.calibration(entry.dataset, entry.product)
        threshold = calibration.template_threshold if found.beside_template else calibration.threshold
        return None if threshold is None else _Scored(found.score, found.score > threshold.value)

    def comparer(self, normals: Iterable[Normal], only_stored: bool = False) -> Comparer:
        """Of these normals; what of their features isn't stored is computed, unless only stored ones count."""
        by_key = self._by_key(normals)
        if not only_stored:
            for number, normal in enumerate(by_key.values(), start=1):
                self._fill(normal)
                self._progress(number)
        known = [comparison.Normal(key, each.dataset, each.product, each.piece) for key, each in by_key.items()]
        return Comparer(self._tower, NormalBank(known, self._features))

    def _fill(self, picture: Normal | Entry) -> bool:
        root = self._roots.get(picture.archive_id)
        if root is None:
            return False
        view = self._views.of(picture)

        def opened() -> Image.Image:
            return open_image(root / picture.path, view)

        try:
            self._features.fill(self._key(picture), opened)
        except UnreadableImage:
            return False
        return True

    def _by_key(self, normals: Iterable[Normal]) -> dict[str, Normal]:
        return {self._key(each): each for each in normals}

    def _key(self, picture: Located) -> str:
        return key_of(self._views.of(picture))


def fall_more(defective: Sequence[float], good: Sequence[float]) -> float:
    """P of a one-sided rank test (Mann-Whitney) that scores of defective pictures fall no more than those of good ones.

    Args:
        defective: by which share of itself each one's score falls.
        good: the same; 1 comes back where either is empty.
    """
    if not defective or not good:
        return 1.0
    return float(stats.mannwhitneyu(defective, good, alternative="greater").pvalue)


def suspects(comparer: Comparer, normals: Mapping[str, Normal]) -> list[Suspect]:
    """The normals of a bank that their siblings disown, those furthest from the others first.

    Args:
        comparer: whose bank holds them.
        normals: by what the bank calls them.
    """
    named = [
        Suspect(normals[each.content], calibration.template_scores.get(each, calibration.scores[each]), times)
        for dataset, product in sorted({(each.dataset, each.product) for each in comparer.bank.normals})
        for calibration in [comparer.calibration(dataset, product)]
        for each, times in calibration.disowned.items()
    ]
    return sorted(named, key=lambda each: -each.times)


@dataclass(frozen=True, slots=True)
class StoredTower:
    """Features that a tower left in the data folder; it sees nothing itself."""

    name: str

    def features(self, image: Image.Image) -> Features:
        """Never asked for: what isn't stored is left out."""
        raise UnreadableImage("unknown", f"{self.name} is stored features alone, and sees no picture of {image.size}")


def stored_towers(data: Path) -> list[StoredTower]:
    """The towers whose features lie in the data folder, the one used last first."""
    folder = data / FEATURES
    found = [each for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []
    found.sort(key=lambda each: -each.stat().st_mtime)
    return [StoredTower(each.name) for each in found]


def newest_views(store: Store) -> RunViews:
    """How the newest run saw pictures: normals are compared as it saw them."""
    runs = store.runs()
    return run_views.of_run(store.run(runs["run_id"][0])) if runs.height else RunViews()


def _some(cases: Iterable[Entry]) -> list[Entry]:
    """At most MOST pictures of each truth, by a hash of their contents."""
    mixed = sorted(cases, key=lambda entry: hashlib.sha256(entry.content.encode()).digest())
    bad = [entry for entry in mixed if entry.label == "defective"][:MOST]
    return bad + [entry for entry in mixed if entry.label == "good"][:MOST]
