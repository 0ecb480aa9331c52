"""A draft's one test, from the first look to the stored verdict: opened, run twice, decided; killed anywhere, gone on.

    draft -> images whose prompts it changes -> those whose right answers are known and that curation never looked at
          -> affected (what the text is for) and elsewhere -> stored attempt with its share of the alpha budget
          -> two runs over their questions, with the published texts and with the draft among them -> decision -> stored

Everything that could be chosen after seeing an answer is stored before the first is computed. Both runs are ordinary
runs over an older run's questions, settings and seed, so they resume block by block; only their plan's name, which
begins with "gate:", keeps them out of lists. The draft is never published meanwhile: its set is a `KnowledgeTrial`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from warehouse import names, phases
from warehouse.curation import Curation
from warehouse.curation_records import GateAttempt, GateResult, KnowledgeTrial
from warehouse.publishing import version_name
from warehouse.records import Description, KnowledgeMember, Run
from warehouse.reviews import Reviews
from warehouse.store import Store
from workbench import settings as configuration
from workbench.inspection import plan, replay, scoring
from workbench.inspection.crew import Here
from workbench.inspection.errors import InspectionError
from workbench.inspection.models import Answering
from workbench.inspection.preparation import Prepared
from workbench.inspection.replay import Replay
from workbench.inspection.scoring import Watch
from workbench.review import blast, gate
from workbench.review.curation import check
from workbench.settings import Facts

MOST = 400  # images of each group: what shows on fewer needs no more, and a test must fit into a night
PHASES = ("after-attempt", "after-old", "after-new", "before-verdict")  # where `warehouse.phases` can kill a test


class CannotTest(InspectionError):
    """The draft can't be tested: the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Images:
    """Who takes part in a test."""

    affected: tuple[str, ...]  # image_ids
    elsewhere: tuple[str, ...]
    unknown: int  # images left out because nobody knows their right answers
    curated: int  # left out because curation looked at them


def truths(store: Store, predictions: pl.DataFrame) -> pl.DataFrame:
    """image_id, question_id and truth (a letter): what people settled on, else the label; nothing where nobody knows.

    A case that was settled as undecidable has no truth, whatever its label says.
    """
    settled = Reviews(store.data).overrides().select("image_id", "question_id", settled="right_answer", is_settled=True)
    joined = predictions.join(settled, on=["image_id", "question_id"], how="left")
    truth = pl.when(pl.col("is_settled")).then("settled").otherwise("correct_answer")
    return joined.select("image_id", "question_id", truth=truth).filter(pl.col("truth").is_not_null())


def choose(store: Store, draft: Description, run: Run, changed: pl.DataFrame, most: int = MOST) -> Images:
    """Which of the changed images a test asks about again, settled by names and stored truths alone.

    Affected are the images the text is for (`meant_for`); all others that retrieve it are elsewhere.

    Args:
        changed: as `blast.radius` found them.
        most: images of each group; which, a hash decides.
    """
    curation = Curation(store.data)
    known = truths(store, curation.predictions_of(run.run_id, changed["image_id"]))["image_id"].unique()
    sources = {each.image_id for each in curation.sentences(draft.description_id) if each.image_id}
    seen = changed.filter(pl.col("image_id").is_in(list(sources)))["content"]  # by content: a copy was seen too
    unseen = changed.filter(~pl.col("content").is_in(seen.implode()))
    counted = unseen.filter(pl.col("image_id").is_in(known.implode()))
    chosen = meant_for(counted, draft)
    rest = counted.filter(~pl.col("image_id").is_in(chosen["image_id"].implode()))
    return Images(
        affected=_some(chosen["image_id"], most),
        elsewhere=_some(rest["image_id"], most),
        unknown=unseen.height - counted.height,
        curated=changed.height - unseen.height,
    )


def meant_for(images: pl.DataFrame, text: Description) -> pl.DataFrame:
    """The images a text is for: of its product, and of its defect where the archive knows defects by that name.

    Args:
        images: product, label and defect, and whatever else.
    """
    own, entry = images.filter(product=text.product), text.entry.casefold()
    named = pl.col("defect").str.replace_all("_", " ").str.to_lowercase() == entry.replace("_", " ")
    chosen = own.filter(pl.col("label") == "good" if entry == "good" else named)
    # Where no label tells, the text may be for any image of the product.
    return own if chosen.is_empty() else pl.concat([chosen, own.filter(pl.col("label").is_null())])


def open_test(
    store: Store,
    draft: Description,
    author: str,
    margin: float = gate.MARGIN,
    most: int = MOST,
    replayed: Replay | None = None,
) -> GateAttempt:
    """The draft's test, stored before it runs; the one that is stored already if there is one.

    Raises:
        CannotTest: the draft is published, would harm by its wording alone, changes nothing, or has no image to be
            tested on.
        CannotReplay: no run used knowledge yet.
    """
    curation = Curation(store.data)
    if opened := curation.attempt(draft.description_id, draft.revision):
        return opened
    if draft.state in ("published", "retired"):
        raise CannotTest(f"{named(draft)} is {draft.state}; only drafts are tested: workbench knowledge edit makes one")
    run = replayed.run if replayed else blast.newest_run(store)
    version, published = curation.published()
    if blocking := [each for each in check(draft.text, draft.description_id, published) if each.blocks]:
        raise CannotTest(f"{named(draft)} can't be tested: {blocking[0].rule}: {blocking[0].said}")
    changed = blast.radius(store, draft, run, replayed.encoder if replayed else None).changed
    images = choose(store, draft, run, changed, most)
    if not images.affected:
        raise CannotTest(
            f"{named(draft)} has no image to be tested on: it would change {changed.height:,} images of run "
            f"{run.run_id}, of which {images.unknown:,} have no known answer and {images.curated:,} were seen by "
            "curation; label or adjudicate more images of its product and score them"
        )
    old = next((d for d in published if d.description_id == draft.description_id), None)
    members = [d for d in published if d is not old] + [draft]
    trial = KnowledgeTrial(
        version_name(members),
        tuple(KnowledgeMember(d.description_id, d.revision) for d in sorted(members, key=lambda d: d.description_id)),
        datetime.now(UTC),
    )
    attempt = GateAttempt(
        description_id=draft.description_id,
        revision=draft.revision,
        budget=names.join((draft.dataset, draft.product)),
        attempt=0,
        alpha=gate.BUDGET,
        margin=margin,
        against=old.revision if old else None,
        base_version=version.version if version else None,
        trial_version=trial.version,
        run_id=run.run_id,
        plan=_plan(store, run, (*images.affected, *images.elsewhere)).identity,
        affected=images.affected,
        elsewhere=images.elsewhere,
        author=author,
        opened_at=datetime.now(UTC),
    )
    attempt = curation.open_attempt(attempt, trial)
    phases.at("after-attempt")
    return attempt


def run_test(store: Store, attempt: GateAttempt, watch: Watch, answering: Answering | None = None) -> GateResult | None:
    """The test's result; None when it was stopped before its end: called again, it goes on.

    Raises:
        CannotReplay: the run's model or archive is no longer what it was.
        InspectionError: another process runs this very test.
    """
    curation = Curation(store.data)
    if ended := curation.result(attempt.description_id, attempt.revision):
        return ended
    watch.step("loading the model")
    replayed = replay.load(store, attempt.run_id, answering)
    runs = []
    for version, phase in ((attempt.base_version, "after-old"), (attempt.trial_version, "after-new")):
        outcome = scoring.carry_out(_prepared(store, attempt, replayed, version), watch, again=False)
        if outcome.run.state != "finished":
            return None
        runs.append(outcome.run.run_id)
        phases.at(phase)
    decision = gate.decide(pairs(store, attempt, *runs), attempt.alpha, attempt.margin)
    result = GateResult(
        description_id=attempt.description_id,
        revision=attempt.revision,
        verdict=decision.verdict,
        why=decision.why,
        images=decision.affected.images,
        questions=decision.affected.questions,
        won=decision.affected.won,
        lost=decision.affected.lost,
        difference=decision.affected.difference,
        low=decision.affected.low,
        high=decision.affected.high,
        p_better=decision.p_better,
        p_worse=decision.p_worse,
        elsewhere_images=decision.elsewhere.images,
        elsewhere_questions=decision.elsewhere.questions,
        elsewhere_won=decision.elsewhere.won,
        elsewhere_lost=decision.elsewhere.lost,
        elsewhere_difference=decision.elsewhere.difference,
        elsewhere_low=decision.elsewhere_low,
        images_needed=decision.images_needed,
        old_run=runs[0],
        new_run=runs[1],
        closed_at=datetime.now(UTC),
    )
    phases.at("before-verdict")
    curation.close_attempt(result)
    return result


def pairs(store: Store, attempt: GateAttempt, old_run: str, new_run: str) -> pl.DataFrame:
    """image_id, group, old and new (Boolean), one row per question both runs answered and whose truth is known."""
    old, new = store.predictions(old_run), store.predictions(new_run)
    keys = ["image_id", "question_id"]
    answered = [each.filter(pl.col("status") != "failed").select(*keys, "answer") for each in (old, new)]
    joined = truths(store, old).join(answered[0], on=keys).join(answered[1], on=keys, suffix="_new")
    group = pl.when(pl.col("image_id").is_in(list(attempt.affected))).then(pl.lit("affected"))
    return joined.select(
        "image_id",
        group=group.otherwise(pl.lit("elsewhere")),
        old=pl.col("answer").eq_missing(pl.col("truth")),
        new=pl.col("answer_new").eq_missing(pl.col("truth")),
    )


def named(description: Description) -> str:
    """The revision as people call it."""
    return f"{description.description_id} revision {description.revision}"


def _some(image_ids: pl.Series, most: int) -> tuple[str, ...]:
    by_hash: Callable[[str], bytes] = lambda image_id: hashlib.sha256(image_id.encode()).digest()  # noqa: E731
    return tuple(sorted(sorted(image_ids.to_list(), key=by_hash)[:most]))


def _plan(store: Store, run: Run, images: Sequence[str]) -> plan.Plan:
    """The run's questions about these images, in blocks of its own size."""
    asked = replay.asked(store, run, Curation(store.data).predictions_of(run.run_id, images))
    cut = plan.make(asked, images_per_block=json.loads(run.settings)["block_images"])
    return plan.Plan(f"gate:{cut.identity}", cut.blocks)


def _prepared(store: Store, attempt: GateAttempt, replayed: Replay, version: str | None) -> Prepared:
    run, settings = replayed.run, replayed.settings
    planned = _plan(store, run, (*attempt.affected, *attempt.elsewhere))
    if planned.identity != attempt.plan:
        raise CannotTest(
            f"{attempt.description_id} revision {attempt.revision} was to be tested on images of which some are gone; "
            "save its text again as a new revision and test that"
        )
    stated = json.loads(run.settings)["facts"]
    facts = Facts(**{**stated, "knowledge_version": version})
    texts = store.knowledge(version) if version else []
    return Prepared(
        archive=replayed.archive,
        settings=settings,
        plan=planned,
        crew=Here(replayed.answering, replayed.retriever(store.data, texts), facts.encoder, run.device),
        facts=facts,
        digest=configuration.digest(settings, facts),
        notes=(),
    )
