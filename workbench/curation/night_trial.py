"""A draft's test over nights: each night's new pictures are asked with it too, until that says better or worse.

    drafts of one product -> a stored test with its share of the product's budget
    each night: the night's own runs -> pictures whose prompts the drafts change, of known truth, that took no part yet
        -> the same questions with the drafts -> counts -> that night's bet (`e_process.py`) -> stored, with the verdict

The night's own answers are the arm with the published texts, so a night costs one run over the pictures that change.
Every picture, its copies and its piece take part in one night of a draft's tests: the same twenty asked again are no
new evidence. A picture whose truth comes to be known after its night takes no part at all, since its night has bet.
Nor do those of a second night of the same date: what it shares with the first - light, lot, weather - is known by then,
and the test takes every bet's effect for one that earlier bets don't foretell.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from warehouse import kill_points, names
from warehouse.errors import WarehouseError, WorkbenchError
from warehouse.queries.curation import Curation
from warehouse.queries.knowledge_used import KnowledgeUsed
from warehouse.queries.night_tests import Gathered, NightTests
from warehouse.records.audit import Actor
from warehouse.records.curation import NightBet, NightTest
from warehouse.records.scoring import Description, KnowledgeMember, Run
from warehouse.store import Store
from workbench.curation import blast_radius, e_process, gate, trial
from workbench.curation.e_process import CODES, Counts
from workbench.curation.edit import check
from workbench.curation.trial import Spent, named
from workbench.errors import CannotTest, DeviceLost
from workbench.scoring import replay
from workbench.scoring import run as scoring
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.watch import Watch

logger = logging.getLogger(__name__)

KILL_POINTS = ("after-drafts-asked", "before-bet")


@dataclass(frozen=True, slots=True)
class OneNight:
    """A night as a test sees it."""

    schedule: str
    due_at: datetime
    run_ids: tuple[str, ...]  # over the archive
    timezone: str = "UTC"  # of the schedule

    def shares_date(self, due_at: datetime) -> bool:
        """Whether a night that is due then is of the same date: from noon to noon by the schedule's clocks."""
        return self._date(due_at) == self._date(self.due_at)

    def _date(self, due_at: datetime) -> date:
        return (due_at.astimezone(ZoneInfo(self.timezone)) - timedelta(hours=12)).date()


@dataclass(frozen=True, slots=True)
class NightsWork:
    """What a night did for the tests over nights."""

    placed: tuple[NightBet, ...]
    passed_by: tuple[str, ...]  # tests without a bet tonight, each with the reason
    stopped: bool  # asked to stop; called again, it goes on


def open_test(store: Store, drafts: Sequence[Description], margin: float = gate.MARGIN, *, actor: Actor) -> NightTest:
    """The test of these drafts over the nights to come, with one verdict for all of them.

    Raises:
        CannotTest: they are of several products or are revisions of one text, are no drafts, or would harm by their
            wording alone.
        Refused: one of their texts is tested over nights already.
    """
    products = {(each.dataset, each.product) for each in drafts}
    if len(products) > 1 or len({each.description_id for each in drafts}) < len(drafts):
        raise CannotTest("only drafts of different texts of one product are tested together; test the others apart")
    published = Curation(store.data).published()[1]
    for draft in drafts:
        if draft.state in ("published", "retired"):
            raise CannotTest(
                f"{named(draft)} is {draft.state}; only drafts are tested: workbench knowledge edit makes one"
            )
        if blocking := [each for each in check(draft.text, draft.description_id, published) if each.blocks]:
            raise CannotTest(f"{named(draft)} can't be tested: {blocking[0].rule}: {blocking[0].message}")
    ids = sorted((each.description_id, each.revision) for each in drafts)
    live = {each.description_id: each.revision for each in published}
    test = NightTest(
        test_id=hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12],
        budget=names.join(next(iter(products))),
        attempt=0,
        alpha=gate.BUDGET,
        margin=margin,
        drafts=tuple(KnowledgeMember(*each) for each in ids),
        against=tuple(KnowledgeMember(key, live[key]) for key, _ in ids if key in live),
        author=actor.name,
        opened_at=datetime.now(UTC),
    )
    return NightTests(store.data).open(test, actor=actor)


def gather(
    store: Store, night: OneNight, watch: Watch, evaluator: LocalEvaluator | None = None, *, actor: Actor
) -> NightsWork:
    """Place the night's bet of every test that goes on, oldest first; what a kill cut off goes on where it was.

    Args:
        evaluator: the night's model, where it is loaded already.
    """
    placed: list[NightBet] = []
    passed_by: list[str] = []
    testing = {(each.description_id, each.revision) for each in Curation(store.data).in_state("testing")}
    for gathered in NightTests(store.data).all():
        put_aside = any((each.description_id, each.revision) not in testing for each in gathered.test.drafts)
        if put_aside or gathered.verdict != "still gathering" or _has_bet(gathered, night):
            continue
        label = in_words(gathered.test)
        if same := next((bet for bet in gathered.bets if night.shares_date(bet.due_at)), None):
            passed_by.append(f"{label}: {same.schedule} has bet for this date, and a date bets once")
            continue
        watch.step(f"testing {label} on the night's pictures")
        try:
            bet = _bet(store, gathered, night, watch, evaluator)
            if bet is None:
                return NightsWork(tuple(placed), tuple(passed_by), stopped=True)
            kill_points.at("before-bet")
            if NightTests(store.data).place(bet, actor=actor):
                placed.append(bet)
        except (DeviceLost, WarehouseError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one test raises, the others are gone on with
            logger.warning("test=%s passed by: %s", label, error)
            passed_by.append(f"{label}: {error if isinstance(error, WorkbenchError) else repr(error)}")
    return NightsWork(tuple(placed), tuple(passed_by), stopped=False)


def in_words(test: NightTest) -> str:
    """The drafts of a test, as people call them."""
    return " with ".join(f"{each.description_id} revision {each.revision}" for each in test.drafts)


def _has_bet(gathered: Gathered, night: OneNight) -> bool:
    return any((bet.schedule, bet.due_at) == (night.schedule, night.due_at) for bet in gathered.bets)


def _bet(
    store: Store, gathered: Gathered, night: OneNight, watch: Watch, evaluator: LocalEvaluator | None
) -> NightBet | None:
    """The night's bet; None when it was stopped.

    Raises:
        CannotTest: another revision of a text went live, or the night brought no picture.
    """
    test, curation = gathered.test, Curation(store.data)
    drafts = [curation.revision(each.description_id, each.revision) for each in test.drafts]
    spent = _spent(store, drafts)
    old_runs: list[str] = []
    new_runs: list[str] = []
    frames: list[pl.DataFrame] = []
    for run in filter(None, map(store.run, night.run_ids)):
        texts = store.knowledge(run.knowledge_version) if run.knowledge_version else []
        if not texts:
            continue
        _check_against(test, texts)
        found = _ask(store, drafts, run, texts, spent, watch, evaluator)
        if found is None:
            continue
        if isinstance(found, str):
            return None
        old_runs.append(run.run_id)
        new_runs.append(found[0])
        frames.append(found[1])
        spent = _more(spent, found[1])
    if not frames:
        raise CannotTest("the night brought no new picture of known truth whose prompt it changes")
    return _settled(gathered, night, old_runs, new_runs, pl.concat(frames))


def _ask(
    store: Store,
    drafts: Sequence[Description],
    run: Run,
    texts: Sequence[Description],
    spent: Spent,
    watch: Watch,
    evaluator: LocalEvaluator | None,
) -> tuple[str, pl.DataFrame] | str | None:
    """The run with the drafts and its pairs beside the night's own; None: no picture counts; a reason: it stopped."""
    replayed = replay.load(store, run.run_id, evaluator)
    changed = pl.concat(
        [blast_radius.radius(store, draft, run, replayed.encoder).changed.drop("before", "after") for draft in drafts]
    ).unique("image_id", maintain_order=True)
    images = trial.choose_for(store, drafts, run, changed, spent=spent)
    asked = (*images.affected, *images.elsewhere)
    if not asked:
        return None
    new = _with_drafts(store, drafts, texts)
    planned = trial.questions_about(store, run, asked)
    outcome = scoring.carry_out(trial.prepared(store, planned, replayed, new), watch, purpose="gate", again=False)
    if outcome.run.state != "finished":
        return outcome.run.message or "stopped"
    kill_points.at("after-drafts-asked")
    pairs = trial.pairs(store, images.affected, images.elsewhere, run.run_id, outcome.run.run_id)
    contents = (
        changed.select("cluster_id", "content")
        .filter(changed["image_id"].is_in(list(asked)))
        .group_by("cluster_id")
        .agg("content")
    )
    return outcome.run.run_id, pairs.join(contents, on="cluster_id", how="left")


def _with_drafts(store: Store, drafts: Sequence[Description], texts: Sequence[Description]) -> str:
    replaced = {each.description_id for each in drafts}
    return KnowledgeUsed(store.data).name_of(
        [*(each for each in texts if each.description_id not in replaced), *drafts]
    )


def _check_against(test: NightTest, texts: Iterable[Description]) -> None:
    """That the night read the texts which the drafts would replace."""
    live = {each.description_id: each.revision for each in texts}
    against = {each.description_id: each.revision for each in test.against}
    for draft in test.drafts:
        if (revision := live.get(draft.description_id)) != against.get(draft.description_id):
            raise CannotTest(
                f"revision {revision or 'none'} of {draft.description_id} is live and the test was against "
                f"{against.get(draft.description_id) or 'none'}; save the text again as a new revision and test that"
            )


def _spent(store: Store, drafts: Sequence[Description]) -> Spent:
    """What took part in any test of these drafts before."""
    keys = {(each.description_id, each.revision) for each in drafts}
    clusters: set[str] = set()
    contents: set[str] = set()
    for gathered in NightTests(store.data).all():
        if keys & {(each.description_id, each.revision) for each in gathered.test.drafts}:
            for bet in gathered.bets:
                clusters.update(bet.clusters)
                contents.update(bet.contents)
    curation = Curation(store.data)
    for key in keys:
        if attempt := curation.attempt(*key):
            asked = curation.images(attempt.run_id)
            asked = asked.filter(pl.col("image_id").is_in([*attempt.affected, *attempt.elsewhere]))
            clusters.update(asked["cluster_id"])
            contents.update(asked["content"])
    return Spent(frozenset(clusters), frozenset(contents))


def _more(spent: Spent, pairs: pl.DataFrame) -> Spent:
    return Spent(
        spent.clusters | set(pairs["cluster_id"]), spent.contents | set(pairs["content"].explode().drop_nulls())
    )


def _settled(
    gathered: Gathered, night: OneNight, old_runs: Sequence[str], new_runs: Sequence[str], pairs: pl.DataFrame
) -> NightBet:
    """The bet on what the night's pairs say, after all bets before it."""
    test, tonight = gathered.test, {group: pairs.filter(group=group) for group in ("affected", "elsewhere")}
    own, other = (_counted(frame) for frame in tonight.values())
    affected = _history([(bet.questions, bet.won, bet.lost, bet.changed) for bet in gathered.bets], own)
    elsewhere = _history(
        [
            (bet.elsewhere_questions, bet.elsewhere_won, bet.elsewhere_lost, bet.elsewhere_changed)
            for bet in gathered.bets
        ],
        other,
    )
    state = e_process.standing(affected, elsewhere, test.alpha, test.margin)
    low = e_process.lower_bound(elsewhere, test.margin) if elsewhere.questions.any() else 0.0
    verdict = CODES[int(state.code[-1])]
    discordant = own[1] + own[2]
    return NightBet(
        test_id=test.test_id,
        number=len(gathered.bets) + 1,
        schedule=night.schedule,
        due_at=night.due_at,
        old_runs=tuple(old_runs),
        new_runs=tuple(new_runs),
        images=tonight["affected"]["cluster_id"].n_unique(),
        questions=own[0],
        won=own[1],
        lost=own[2],
        changed=own[3],
        mean=(own[1] - own[2]) / discordant if discordant else 0.0,
        wager=float(state.better.wager[-1]),
        log_better=float(state.better.log_wealth[-1]),
        log_worse=float(state.worse.log_wealth[-1]),
        elsewhere_images=tonight["elsewhere"]["cluster_id"].n_unique(),
        elsewhere_questions=other[0],
        elsewhere_won=other[1],
        elsewhere_lost=other[2],
        elsewhere_changed=other[3],
        elsewhere_low=low,
        verdict=verdict,
        why=e_process.in_words(verdict, affected, state, test.alpha, low),
        clusters=tuple(sorted(set(pairs["cluster_id"]))),
        contents=tuple(sorted(set(pairs["content"].explode().drop_nulls()))),
    )


def _counted(pairs: pl.DataFrame) -> tuple[int, int, int, int]:
    """questions, won, lost, changed."""
    won, lost = pairs.filter(pl.col("new") & ~pl.col("old")), pairs.filter(pl.col("old") & ~pl.col("new"))
    changed = pl.concat([won, lost])["cluster_id"].n_unique()
    return pairs.height, won.height, lost.height, changed


def _history(earlier: Sequence[tuple[int, int, int, int]], tonight: tuple[int, int, int, int]) -> Counts:
    return Counts(*np.array([*earlier, tonight], np.int64).T)
