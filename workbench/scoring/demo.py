"""The demo: a drawn archive with its knowledge, scored with the full method at its defaults by the embedded model.

Every step looks first whether it is done: a second demo draws, imports and scores nothing again.
"""

from __future__ import annotations

from warehouse.records.audit import Actor
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.embedded.archive import draw_archive
from workbench.scoring import run
from workbench.scoring.run import Outcome
from workbench.scoring.watch import Watch
from workbench.settings import Settings

IMAGES, SEED = 72, 0


def demo(settings: Settings, watch: Watch, *, actor: Actor) -> Outcome:
    """The demo's run, finished, with settings that don't depend on the environment."""
    data = settings.work.data
    archive = data / "demo" / "archive"
    if not (archive / "mmad.json").is_file():
        watch.step("drawing an archive")
        draw_archive(archive, images=IMAGES, seed=SEED)
    store = Store(data)
    knowledge_files.import_file(store, archive / "domain_knowledge.json", actor=actor)
    return run.score(archive, settings, watch, again=False)
