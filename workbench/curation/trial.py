"""A draft's one test, from the first look to the stored verdict: opened, run twice, decided; killed anywhere, gone on.

    draft -> images whose prompts it changes -> those whose right answers are known and that curation never looked at
          -> affected (what the text is for) and elsewhere -> stored attempt with its share of the alpha budget
          -> two runs over their questions, with the published texts and with the draft among them -> decision -> stored

Everything that could be chosen after seeing an answer is stored before the first is computed. Both runs are ordinary
runs over an older run's questions, settings and seed, so they resume block by block; their purpose keeps them out of
lists. The draft is never published meanwhile: its set is a `KnowledgeTrial`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from warehouse import kill_points, names
from warehouse.errors import WarehouseError, WorkbenchError
from warehouse.queries.curation import Curation
from warehouse.queries.knowledge_used import KnowledgeUsed
from warehouse.queries.night_tests import NightTests
from warehouse.queries.publishing import share, version_name
from warehouse.records.audit import Actor
from warehouse.records.curation import GateAttempt, GateResult, KnowledgeTrial
from warehouse.records.scoring import Description, KnowledgeMember, Run
from warehouse.store import Store
from workbench import settings as configuration
from workbench import wording
from workbench.curation import blast_radius, gate
from workbench.curation.edit import check
from workbench.curation.newest_run import newest_run
from workbench.errors import CannotTest, DeviceLost
from workbench.scoring import plan, replay
from workbench.scoring import run as scoring
from workbench.scoring.executor import LocalExecutor
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.prepare_run import Prepared
from workbench.scoring.replay import Replay
from workbench.scoring.watch import Watch
from workbench.settings import Facts

logger = logging.getLogger(__name__)

MOST = 400  # images of each group: what shows on fewer needs no more, and a test must fit into a night
KILL_POINTS = (
    "after-attempt",
    "after-old",
    "after-new",
    "before-verdict",
)  # of a test


@dataclass(frozen=True, slots=True)
class Images:
    """Who takes part in a test."""

    affected: tuple[str, ...]  # image_ids
    elsewhere: tuple[str, ...]
    unknown: int  # images left out because nobody knows their right answers
    curated: int  # left out because curation looked at them


@dataclass(frozen=True, slots=True)
class Spent:
    """What took part in a test already: asking it again is no new evidence."""

    clusters: frozenset[str]
    contents: frozenset[str]


NOTHING_SPENT = Spent(frozenset(), frozenset())


def choose(store: Store, draft: Description, run: Run, changed: pl.DataFrame, most: int = MOST) -> Images:
    """Which of the changed images a test asks about again, settled by names and stored truths alone.

    Affected are the images the text is for (`meant_for`); all others that retrieve it are elsewhere, but for those that
    share a cluster with an affected one: the two groups are independent.

    Args:
        changed: as `blast_radius.radius` found them.
        most: images of each group; which, a hash of their clusters decides.
    """
    return choose_for(store, [draft], run, changed, most)


def choose_for(
    store: Store,
    drafts: Sequence[Description],
    run: Run,
    changed: pl.DataFrame,
    most: int = MOST,
    spent: Spent = NOTHING_SPENT,
) -> Images:
    """The same for several drafts that are tested together: affected are the images that any of them is for.

    Args:
        spent: what took part in a test of one of them before.
    """
    curation = Curation(store.data)
    known = curation.truths(run.run_id, changed["image_id"])["image_id"].unique()
    sources = {each.image_id for draft in drafts for each in curation.sentences(draft.description_id) if each.image_id}
    # By cluster: who saw a picture saw its copies, and the piece.
    seen = changed.filter(pl.col("image_id").is_in(list(sources)))["cluster_id"]
    unseen = changed.filter(~pl.col("cluster_id").is_in(seen.implode()))
    counted = unseen.filter(
        pl.col("image_id").is_in(known.implode()),
        ~pl.col("cluster_id").is_in(list(spent.clusters)),
        ~pl.col("content").is_in(list(spent.contents)),
    )
    chosen = pl.concat([meant_for(counted, draft) for draft in drafts]).unique("image_id", maintain_order=True)
    rest = counted.filter(~pl.col("cluster_id").is_in(chosen["cluster_id"].implode()))
    return Images(
        affected=_some(chosen, most),
        elsewhere=_some(rest, most),
        unknown=unseen.filter(~pl.col("image_id").is_in(known.implode())).height,
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
    margin: float = gate.MARGIN,
    most: int = MOST,
    replayed: Replay | None = None,
    *,
    actor: Actor,
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
    run = replayed.run if replayed else newest_run(store)
    version, published = curation.published()
    if blocking := [each for each in check(draft.text, draft.description_id, published) if each.blocks]:
        raise CannotTest(f"{named(draft)} can't be tested: {blocking[0].rule}: {blocking[0].message}")
    changed = blast_radius.radius(store, draft, run, replayed.encoder if replayed else None).changed
    images = choose(store, draft, run, changed, most)
    if not images.affected:
        raise CannotTest(
            f"{named(draft)} has no image to be tested on: it would change "
            f"{wording.counted(changed.height, 'image')} of run {run.run_id}, of which "
            f"{wording.counted(images.unknown, 'has', 'have')} no known answer and "
            f"{wording.counted(images.curated, 'was', 'were')} seen by curation; label or "
            "adjudicate more images of its product and score them, or let nights bring them: "
            f"workbench knowledge test {draft.description_id} --nights"
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
        base_version=KnowledgeUsed(store.data).name(version, texts=True, normals=False),
        trial_version=trial.version,
        run_id=run.run_id,
        plan=questions_about(store, run, (*images.affected, *images.elsewhere)).identity,
        affected=images.affected,
        elsewhere=images.elsewhere,
        author=actor.name,
        opened_at=datetime.now(UTC),
    )
    attempt = curation.open_attempt(attempt, trial, actor=actor)
    kill_points.at("after-attempt")
    return attempt


def run_test(
    store: Store, attempt: GateAttempt, watch: Watch, evaluator: LocalEvaluator | None = None, *, actor: Actor
) -> GateResult | None:
    """The test's result; None when it was stopped before its end: called again, it goes on.

    Raises:
        CannotReplay: the run's model or archive is no longer what it was.
        WorkbenchError: another process runs this very test.
    """
    curation = Curation(store.data)
    if ended := curation.result(attempt.description_id, attempt.revision):
        return ended
    watch.step("loading the model")
    replayed = replay.load(store, attempt.run_id, evaluator)
    runs = []
    for version, phase in ((attempt.base_version, "after-old"), (attempt.trial_version, "after-new")):
        outcome = scoring.carry_out(_prepared(store, attempt, replayed, version), watch, purpose="gate", again=False)
        if outcome.run.state != "finished":
            return None
        runs.append(outcome.run.run_id)
        kill_points.at(phase)
    next_alpha = share(gate.BUDGET, attempt.attempt + 1)
    decision = gate.decide(
        pairs(store, attempt.affected, attempt.elsewhere, *runs), attempt.alpha, next_alpha, attempt.margin
    )
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
    kill_points.at("before-verdict")
    curation.close_attempt(result, actor=actor)
    return result


def pairs(store: Store, affected: Sequence[str], elsewhere: Sequence[str], old_run: str, new_run: str) -> pl.DataFrame:
    """cluster_id, group, old and new (Boolean), one row per question both runs answered and whose truth is known.

    The truth is `reviewed`, of every selection's two the one that people settled.
    """
    keys = ["image_id", "question_id"]
    old, new = (
        store.predictions(run_id)
        .filter(pl.col("status") != "failed")
        .select(*keys, "answer")
        .join(Curation(store.data).truths(run_id, (*affected, *elsewhere)), on=keys)
        .select(*keys, "cluster_id", right=pl.col("answer").eq_missing(pl.col("truth")))
        for run_id in (old_run, new_run)
    )
    group = pl.when(pl.col("image_id").is_in(list(affected))).then(pl.lit("affected"))
    return old.join(new, on=keys, suffix="_new").select(
        "cluster_id", group=group.otherwise(pl.lit("elsewhere")), old="right", new="right_new"
    )


def named(description: Description) -> str:
    """The revision as people call it."""
    return f"{description.description_id} revision {description.revision}"


def _some(images: pl.DataFrame, most: int) -> tuple[str, ...]:
    def by_hash(image: tuple[str, str]) -> tuple[bytes, str]:
        cluster_id, image_id = image
        return hashlib.sha256(cluster_id.encode()).digest(), image_id

    mixed = sorted(images.select("cluster_id", "image_id").iter_rows(), key=by_hash)
    return tuple(sorted(image_id for _, image_id in mixed[:most]))


def questions_about(store: Store, run: Run, images: Sequence[str]) -> plan.Plan:
    """The run's questions about these images, in blocks of its own size."""
    asked = replay.stored_questions(store, run, Curation(store.data).predictions_of(run.run_id, images))
    cut = plan.make(asked, images_per_block=json.loads(run.settings)["block_images"])
    return plan.Plan(f"gate:{cut.identity}", cut.blocks)  # never an ordinary run that could be gone on with


def _prepared(store: Store, attempt: GateAttempt, replayed: Replay, version: str | None) -> Prepared:
    planned = questions_about(store, replayed.run, (*attempt.affected, *attempt.elsewhere))
    if planned.identity != attempt.plan:
        raise CannotTest(
            f"{attempt.description_id} revision {attempt.revision} was to be tested on images of which some are gone; "
            "save its text again as a new revision and test that"
        )
    return prepared(store, planned, replayed, version)


def prepared(store: Store, planned: plan.Plan, replayed: Replay, version: str | None) -> Prepared:
    """A run's questions with the texts of another knowledge version, ready to be carried out."""
    run, settings = replayed.run, replayed.settings
    stated = json.loads(run.settings)["facts"]
    facts = Facts(**{**stated, "knowledge_version": version})
    texts = store.knowledge(version) if version else []
    return Prepared(
        archive=replayed.archive,
        settings=settings,
        plan=planned,
        executor=LocalExecutor(replayed.evaluator, settings.method, replayed.sources(texts), run.device),
        facts=facts,
        digest=configuration.digest(settings, facts),
        question_set=run.question_set,
        subtasks=run.subtasks,
        notes=(),
    )


# -- drafts that wait --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tested:
    """What a night did for curation."""

    results: tuple[GateResult, ...]
    refused: tuple[str, ...]  # drafts that can't be tested, each with the reason
    left: int  # still waiting


def test_waiting(
    store: Store,
    watch: Watch,
    go_on: Callable[[], bool] = lambda: True,  # noqa: PT028  no test
    evaluator: LocalEvaluator | None = None,  # noqa: PT028
    *,
    actor: Actor,
) -> Tested:
    """Test every draft in state `testing` that has no verdict, oldest first; a test cut off before goes on.

    Those that are tested over nights are `night_trial.gather`'s.

    Args:
        go_on: asked before each test; a night's time window.
        evaluator: the night's model, where it is loaded already.
    """
    curation, gathered = Curation(store.data), NightTests(store.data).all()
    over_nights = {(draft.description_id, draft.revision) for each in gathered for draft in each.test.drafts}
    waiting = [
        each
        for each in reversed(curation.in_state("testing"))
        if (each.description_id, each.revision) not in over_nights
        and curation.result(each.description_id, each.revision) is None
    ]
    results: list[GateResult] = []
    refused: list[str] = []
    done = 0
    for draft in waiting:
        if not go_on():
            break
        done += 1
        watch.step(f"testing {named(draft)}")
        try:
            attempt = open_test(store, draft, actor=actor)
            result = run_test(store, attempt, watch, evaluator, actor=actor)
        except (DeviceLost, WarehouseError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one draft raises, the others are tested
            logger.warning("draft=%s refused=%s", named(draft), error)
            refused.append(str(error) if isinstance(error, WorkbenchError) else f"{named(draft)}: {error!r}")
            continue
        if result is None:  # asked to stop
            done -= 1
            break
        results.append(result)
    return Tested(tuple(results), tuple(refused), len(waiting) - done)


test_waiting.__test__ = False  # type: ignore[attr-defined]  # a verb of the domain, not one of pytest's
