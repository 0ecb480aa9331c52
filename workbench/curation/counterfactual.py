"""One stored case asked again with one text changed: same settings, same seed, same block, so nothing else can differ.

The whole block is asked again, because a block is what gives identical rows; only the case is looked at. An unchanged
text gives the stored answer bit for bit, on the machine and libraries the run was made with. Stores nothing: not the
answer, not the text, not its vector.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime

from warehouse import schema
from warehouse.failures import NOT_THE_IMAGES_FAULT
from warehouse.queries.curation import Curation
from warehouse.records.scoring import Description, Patch, Prediction
from warehouse.store import Store
from workbench.curation import edit
from workbench.errors import CannotReplay
from workbench.scoring import replay, retrieval
from workbench.scoring.replay import Replay


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A case before and after."""

    before: Prediction  # as stored
    after: Prediction
    patches_before: tuple[Patch, ...]
    patches_after: tuple[Patch, ...]
    truth: str | None  # the right letter, where somebody knows it
    identical: bool  # answer, probabilities, trace, patches and retrieved texts, bit for bit
    own: bool  # the text is about the image's product: only then can it help

    @property
    def said(self) -> str:
        """What came of it, in one sentence."""
        if self.identical:
            return "Nothing changes: the same texts, answer, probabilities, trace and patches, bit for bit."
        if self.before.answer == self.after.answer:
            return f"The answer stays {self.before.answer}; what leads to it changes."
        moved = f"The answer changes from {self.before.answer} to {self.after.answer}"
        if self.truth is None:
            return f"{moved}; nobody knows which is right."
        if self.before.answer == self.truth:
            return f"{moved}: the text harms this case."
        if self.after.answer != self.truth:
            return f"{moved}; both are wrong."
        if not self.own:
            return f"{moved}, which is right, but by a text about another product: chance, not help."
        return f"{moved}, which is right: the text helps this case."


def ask(
    store: Store,
    run_id: str,
    image_id: str,
    question_id: str,
    description_id: str,
    text: str,
    replayed: Replay | None = None,
) -> Counterfactual:
    """The case with `text` in the description's place, among the texts its run read.

    Args:
        replayed: the run with its models, where they are loaded already.

    Raises:
        CannotReplay: the run has no such case, or can't be asked again as it was.
    """
    replayed = replayed or replay.load(store, run_id)
    rows = Curation(store.data).block(run_id, image_id)
    stored = schema.records(Prediction, rows)
    items = replay.stored_questions(store, replayed.run, rows)
    here = [each for each in stored if (each.image_id, each.question_id) == (image_id, question_id)]
    if not here:
        raise CannotReplay(f"run {run_id} has no such case")
    if len(items) != sum(each.failure != "poison" for each in stored):
        raise CannotReplay("an image or a reference of the case's block is gone: its answer can't be made again")
    version = replayed.run.knowledge_version
    known = {each.description_id: each for each in store.knowledge(version)} if version else {}
    old = known.get(description_id)
    if old is None or old.text != text:
        place = edit.place_of(description_id)
        known[description_id] = Description(
            description_id, retrieval.UNSAVED, *place, text, "draft", "", "", datetime.now(UTC)
        )
    done = replay.answer(replayed, items, here[0].block, replayed.sources(list(known.values())))
    if gone := next((each for each in done.predictions if each.failure in NOT_THE_IMAGES_FAULT), None):
        raise CannotReplay(f"the case's block can't be asked again: {gone.image_path}: {gone.error}")
    [after] = [each for each in done.predictions if (each.image_id, each.question_id) == (image_id, question_id)]
    patches = tuple(schema.records(Patch, store.patches(run_id, image_id, question_id)))
    new = tuple(each for each in done.patches if (each.image_id, each.question_id) == (image_id, question_id))
    truth = Curation(store.data).truths(run_id, [image_id]).filter(question_id=question_id)["truth"]
    return Counterfactual(
        before=here[0],
        after=after,
        patches_before=patches,
        patches_after=new,
        truth=truth[0] if len(truth) else None,
        identical=replay.same(here[0], after) and _places(patches) == _places(new),
        own=known[description_id].product == here[0].product,
    )


def _places(patches: tuple[Patch, ...]) -> list[Patch]:
    return [dataclasses.replace(each, run_id="", block=0) for each in patches]
