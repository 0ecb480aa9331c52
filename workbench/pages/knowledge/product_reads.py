"""What the Knowledge page reads, cached by the warehouse's stamp as in `reads.py`; one product at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from warehouse import names
from warehouse.errors import BrokenIndex
from warehouse.queries.curation import Curation
from warehouse.queries.night_tests import Gathered, NightTests
from warehouse.records.curation import GateAttempt, GateResult, KnowledgeChange, Sentence
from warehouse.records.scoring import Description
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench import wording
from workbench.archive import previews, run_views
from workbench.archive.view import View
from workbench.curation import edit, outlook, proposals
from workbench.curation.newest_run import newest_run
from workbench.curation.proposals import Proposal, Waiting
from workbench.pages.ui import pictures, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.reads import Snapshot

if TYPE_CHECKING:
    from workbench.model.embedder import Encoder

snapshot = reads.snapshot
Key = tuple[str, int]  # description_id, revision
_SHOWN = 12


@dataclass(frozen=True)
class Product:
    """Everything about one product's descriptions."""

    dataset: str
    product: str
    texts: Sequence[Description]  # every revision, by id and revision
    attempts: Mapping[Key, GateAttempt]
    results: Mapping[Key, GateResult]
    lifts: pl.DataFrame
    over_nights: Sequence[Gathered]  # tests over nights, oldest first

    @property
    def key(self) -> str:
        """Its name in an address: dataset/product."""
        return names.join((self.dataset, self.product))

    @property
    def name(self) -> str:
        """The product in words."""
        return names.readable((self.product,))

    @property
    def published(self) -> list[Description]:
        """The published revisions."""
        return [each for each in self.texts if each.state == "published"]

    @property
    def waiting(self) -> list[Description]:
        """Drafts and those under test, newest first."""
        drafts = [each for each in self.texts if each.state in ("draft", "testing")]
        return sorted(drafts, key=lambda each: each.created_at, reverse=True)

    @property
    def newest_first(self) -> list[Description]:
        """What waits, then what is published, then what was."""
        rest = [each for each in self.texts if each.state == "retired"]
        return [*self.waiting, *self.published, *reversed(rest)]

    @property
    def spent(self) -> list[float]:
        """The alpha each test since the last better has spent, oldest first."""
        tests = [(each.opened_at, each.alpha, _is_better(self.results.get(key))) for key, each in self.attempts.items()]
        tests += [(each.test.opened_at, each.test.alpha, each.verdict == "better") for each in self.over_nights]
        spent: list[float] = []
        for _, alpha, is_better in sorted(tests):
            spent = [] if is_better else [*spent, alpha]
        return spent

    def gathered(self, draft: Description) -> Gathered | None:
        """A revision's test over nights."""
        return next((each for each in self.over_nights if _key(draft) in _keys(each)), None)

    def waits_for(self, draft: Description) -> Gathered | None:
        """The test over nights of another revision of the same text, for which this one waits."""
        going_on = [each for each in self.over_nights if each.verdict == "still gathering"]
        testing = {_key(each) for each in self.texts if each.state == "testing"}
        others = [(each, key) for each in going_on for key in _keys(each) if key in testing and key != _key(draft)]
        return next((each for each, key in others if key[0] == draft.description_id), None)

    @property
    def under(self) -> str:
        """The line in grey."""
        return f"{len({each.description_id for each in self.texts})} descriptions, {len(self.texts)} revisions"

    def published_of(self, description_id: str) -> Description | None:
        """The live revision of a description."""
        return next((each for each in self.published if each.description_id == description_id), None)

    def chosen(self, description_id: str | None, revision: str | None) -> Description:
        """What the address asks for, as far as it is there; else what waits longest for a look."""
        named = [each for each in self.newest_first if each.description_id == description_id]
        exact = [each for each in named if str(each.revision) == revision]
        return (exact or named or self.newest_first)[0]

    def why_not(self, draft: Description) -> str | None:
        """Why the gate doesn't let a revision through."""
        live = self.published_of(draft.description_id)
        key = (draft.description_id, draft.revision)
        number = live.revision if live else None
        return edit.standing(draft, self.attempts.get(key), self.results.get(key), number, self.gathered(draft))


@dataclass(frozen=True)
class Thumb:
    """An image of a blast radius."""

    image_id: str
    label: str
    source: str | None
    problem: str


@dataclass(frozen=True)
class Reached:
    """A blast radius as the page shows it."""

    run_id: str
    images: int
    of: int
    questions: int
    seconds: float
    first: tuple[Thumb, ...]


def store(now: Snapshot) -> Store:
    """The warehouse."""
    return Store(Path(now.data))


def statements(now: Snapshot) -> Curation:
    """The knowledge base's statements."""
    return Curation(Path(now.data))


@st.cache_data(show_spinner=False, max_entries=8)
def products(now: Snapshot) -> dict[str, str]:
    """dataset/product -> what is in it, those where something waits first."""
    return {
        key: f"{row['waiting']} waiting" if row["waiting"] else wording.counted(row["published"], "text")
        for key, row in _products(now).items()
    }


def _products(now: Snapshot) -> dict[str, dict[str, Any]]:
    found = statements(now).products()
    return {names.join((row["dataset"], row["product"])): row for row in found.iter_rows(named=True)}


def key_of_text(now: Snapshot, description_id: str) -> str:
    """The dataset/product of a stored text; "" where there is none of this id."""
    stored = statements(now).revisions(description_id) if description_id else []
    return names.join((stored[0].dataset, stored[0].product)) if stored else ""


@st.cache_data(show_spinner=False, max_entries=32)
def product(now: Snapshot, key: str) -> Product:
    """One product."""
    base, row = statements(now), _products(now)[key]
    dataset, name = row["dataset"], row["product"]
    return Product(
        dataset=dataset,
        product=name,
        texts=base.of_product(dataset, name),
        attempts={(each.description_id, each.revision): each for each in base.attempts(key)},
        results={(each.description_id, each.revision): each for each in base.results(key)},
        lifts=base.lifts(dataset, name),
        over_nights=NightTests(Path(now.data)).all(key),
    )


@st.cache_data(show_spinner=False, max_entries=64)
def sentences(now: Snapshot, description_id: str, revision: int) -> list[Sentence]:
    """Where a revision's sentences come from."""
    return statements(now).sentences(description_id, revision)


@st.cache_data(show_spinner=False, max_entries=64)
def retrieval_coverage(now: Snapshot, description_id: str, revision: int) -> str:
    """How much of a revision retrieval sees, in words; '' where it never encoded it."""
    try:
        counts = Vectors(Path(now.data)).window_counts([description_id])
    except BrokenIndex:
        return ""
    return edit.retrieval_coverage(counts.get((description_id, revision), {}))


@st.cache_data(show_spinner=False, max_entries=64)
def changes(now: Snapshot, description_id: str) -> list[KnowledgeChange]:
    """A description's history."""
    return statements(now).changes(description_id, limit=12)


@st.cache_data(show_spinner=False, max_entries=8)
def versions(now: Snapshot) -> dict[str, str]:
    """Published sets that can be gone back to, newest first, with when each was made."""
    found = statements(now).version_names(limit=30)[1:]
    return {
        row["version"]: f"{row['version']} of {row['published_at']:%d %b %H:%M}" for row in found.iter_rows(named=True)
    }


@st.cache_data(show_spinner=False, max_entries=8)
def waiting(now: Snapshot) -> Waiting:
    """What verdicts propose, for all products."""
    return proposals.waiting(store(now))


def proposed(now: Snapshot, product: Product) -> list[Proposal]:
    """What verdicts propose for a product."""
    return [each for each in waiting(now).proposals if each.place[:2] == (product.dataset, product.product)]


@cached(1, "loading the encoder")
def _encoder(data: str, run_id: str) -> Encoder:  # noqa: ARG001 - a cache key
    from workbench.curation import search

    return search.encoder_of(Store(Path(data)))


@st.cache_data(show_spinner="looking at every image", max_entries=32)
def blast(now: Snapshot, draft: Description) -> Reached:
    """Which images a text would reach; the encoder stays loaded.

    Raises:
        WorkbenchError: no run used knowledge, or its encoder can't be had.
    """
    from workbench.curation import blast_radius as radius  # loads PyTorch, which takes longer than the page
    from workbench.curation.trial import meant_for

    run = newest_run(store(now))
    found = radius.radius(store(now), draft, run, _encoder(now.data, run.run_id))
    meant = meant_for(found.changed, draft)["image_id"]
    first = found.changed.sort(~pl.col("image_id").is_in(meant.implode()), maintain_order=True)
    root = reads.archives(now).get(run.archive_id)
    roots = [each.root for each in reads.archives(now).values()]
    thumbs, views = [], run_views.of_run(run)
    entries = reads.entries(now, tuple(sorted(first.head(_SHOWN)["image_id"])))
    for row in first.head(_SHOWN).iter_rows(named=True):
        path = previews.locate(row["path"], root.root, roots) if root else None
        entry = entries.get(row["image_id"])
        shown = pictures.small(
            now.data, path, view=View(row["content"]) if entry is None else views.of(entry).for_display
        )
        ranks = f"{row['before'] or '–'} → {row['after'] or '–'}"
        label = f"{row['defect'] or row['label'] or row['product']} · {ranks}"
        thumbs.append(Thumb(row["image_id"], label, shown.source, shown.problem or ""))
    return Reached(run.run_id, found.changed.height, found.images, found.questions, found.seconds, tuple(thumbs))


@st.cache_data(show_spinner=False, max_entries=64)
def outlook_of(now: Snapshot, draft: Description) -> str:
    """Whether a draft can be decided with the pictures there are, in words."""
    return outlook.of(store(now), draft).in_words()


def _key(draft: Description) -> Key:
    return draft.description_id, draft.revision


def _keys(gathered: Gathered) -> list[Key]:
    return [(each.description_id, each.revision) for each in gathered.test.drafts]


def _is_better(result: GateResult | None) -> bool:
    return result is not None and result.verdict == "better"
