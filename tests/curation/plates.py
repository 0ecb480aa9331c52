"""A small drawn archive about one text: scratched plates, other plates that retrieve it too, and two nuts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import scored
from tests.curation import curator
from tests.people import ANN, by
from warehouse.queries.curation import Curation
from warehouse.records.scoring import Description
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit
from workbench.embedded import archive
from workbench.model.method import Method
from workbench.scoring.run import Outcome
from workbench.settings import Settings, Work

TEXT = curator.TEXT
TRUE = "A metal plate with a scratch shows a thin line. It leads to spillage."
FALSE = "A metal plate with a scratch shows a thin line. It leads to corrosion."  # which is what a stain leads to


def draw(root: Path, scratched: int = 9, others: int = 26) -> Path:
    """The archive; the drawing's own order of products is replaced, so that one product has images enough."""
    turns = [("metal plate", "scratch")] * scratched
    turns += [("metal plate", "dent" if n % 8 else "stain") for n in range(others)]
    turns += [("hex nut", "scratch")] * 2  # dents retrieve the text about scratches most often
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_turn", lambda index: turns[index])
        archive.draw_archive(root, images=len(turns), seed=5)
    return root


def settings(data: Path, iterations: int = 0) -> Settings:
    """Quick: what knowledge does shows without the loop."""
    return Settings(
        method=Method(iterations=iterations, samples=2), work=Work(data=data, block_images=4, ingest_seconds=0)
    )


def knowing(data: Path, archive_root: Path) -> Store:
    """The archive's knowledge published, with the one text spoiled."""
    store = Store(data)
    knowledge_files.import_file(store, archive_root / "domain_knowledge.json", actor=ANN)
    publish(store, FALSE, "spoiled for the test")
    return store


def publish(store: Store, text: str, reason: str) -> Description:
    """The text live at once, against the gate."""
    draft = edit.edit(store, TEXT, text, reason, actor=by("somebody")).draft
    edit.publish(store, TEXT, draft.revision, reason, actor=by("somebody"))
    return draft


def score(store: Store, archive_root: Path, iterations: int = 0) -> Outcome:
    return scored.score(archive_root, settings(store.data, iterations))


def analysed(store: Store, run_id: str) -> float:
    """Accuracy of Defect Analysis on scratched plates."""
    rows = store.predictions(run_id, subtask="Defect Analysis").filter(product="metal_plate", defect="scratch")
    return float((rows["answer"] == rows["correct_answer"]).mean())  # type: ignore[arg-type]


def published_text(store: Store) -> str:
    [text] = [each.text for each in Curation(store.data).published()[1] if each.description_id == TEXT]
    return text
