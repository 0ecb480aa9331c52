"""A wording by a model for what reviewers proposed: a suggestion, marked as the model's wherever it is shown."""

from __future__ import annotations

from pathlib import Path

from warehouse.store import Store
from workbench.archive import image_decoding, run_views
from workbench.curation.newest_run import newest_run
from workbench.curation.proposals import Proposal
from workbench.model.case import Case, Picture
from workbench.model.method import Method
from workbench.scoring import replay


def suggested(store: Store, proposal: Proposal) -> str:
    """What the newest run's model would write instead, shown the first of the proposal's images.

    Raises:
        WorkbenchError: no run used knowledge; the picture is gone or no longer the one that was scored.
        BackboneError: its model can't be loaded.
    """
    replayed = replay.load(store, newest_run(store).run_id)
    entry = store.entry(proposal.images[0])
    if entry is None:
        return ""
    view = run_views.of_run(replayed.run).of(entry)
    picture = Picture(view.identity, image_decoding.open_image(Path(replayed.archive.root) / entry.path, view))
    asked = f"Describe {entry.defect or 'a good piece'} of {entry.product} in two sentences, from the knowledge given."
    case = Case("rewrite", picture, None, (proposal.text,), asked, ())
    [got] = replayed.evaluator.answer([case], Method(iterations=0, think_tokens=0, answer="generate"))
    return got.raw_text or got.answer or ""
