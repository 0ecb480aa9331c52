"""A wording by a model for what reviewers proposed: a suggestion, marked as the model's wherever it is shown."""

from __future__ import annotations

from pathlib import Path

from warehouse.store import Store
from workbench.inspection import archive, replay, tone
from workbench.model import latent
from workbench.model.case import Case, Picture
from workbench.model.method import Method
from workbench.review import blast
from workbench.review.proposals import Proposal


def suggested(store: Store, proposal: Proposal) -> str:
    """What the newest run's model would write instead, shown the first of the proposal's images.

    Raises:
        InspectionError: no run used knowledge; the picture is gone or no longer the one that was scored.
        BackboneError: its model can't be loaded.
    """
    replayed = replay.load(store, blast.newest_run(store).run_id)
    entry = store.entry(proposal.images[0])
    if entry is None:
        return ""
    camera, file = tone.of_run(replayed.run).of(entry.dataset, entry.product, entry.camera), Path(replayed.archive.root)
    picture = Picture(entry.content, archive.open_image(file / entry.path, entry.content, camera))
    asked = f"Describe {entry.defect or 'a good piece'} of {entry.product} in two sentences, from the knowledge given."
    case = Case("rewrite", picture, None, (proposal.text,), asked, ())
    [got] = latent.reason(replayed.answering.engine, [case], Method(iterations=0, think_tokens=0, answer="generate"))
    return got.raw_text or got.answer or ""
