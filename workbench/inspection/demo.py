"""The demo: a drawn archive with its knowledge, scored with the full method at its defaults by the embedded model.

Every step looks first whether it is done: a second demo draws, imports and scores nothing again.
"""

from __future__ import annotations

from pathlib import Path

from warehouse.store import Store
from workbench.embedded.archive import draw_archive
from workbench.inspection import knowledge, scoring
from workbench.inspection.scoring import Outcome, Watch
from workbench.settings import Settings, Work

IMAGES, SEED = 72, 0


def demo(data: Path, watch: Watch) -> Outcome:
    """The demo's run, finished; its settings are the defaults, whatever the environment says."""
    archive = data / "demo" / "archive"
    if not (archive / "mmad.json").is_file():
        watch.step("drawing an archive")
        draw_archive(archive, images=IMAGES, seed=SEED)
    store = Store(data)
    knowledge.import_file(store, archive / "domain_knowledge.json")
    return scoring.score(archive, Settings(work=Work(data=data)), watch, again=False)
