"""Sending disputes to reviewers: each (dispute, slot) becomes one task, however often and wherever this is cut off.

What makes it safe is our key in each task's data. Before anything is sent, the server is asked which keys its project
holds; those are recorded instead of sent. So a kill between sending and recording, a server that failed after taking
an import, and a warehouse brought back from a backup all end in the same state. A lock keeps two pushes of one data
folder apart.

Blind reviewers get projects of their own: nobody sees another's task. A third look, where two disagree or one person
took both places, is one more slot.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from warehouse import kill_points, locks
from warehouse.errors import WarehouseError
from warehouse.identity import was_shown
from warehouse.queries.reviews import Reviews
from warehouse.records.audit import Actor
from warehouse.records.reviews import DefectBox, Dispute, ReviewProject, ReviewTask
from warehouse.records.scoring import Entry, Prediction
from warehouse.schema import records
from warehouse.store import Store
from workbench import wording
from workbench.archive import masks
from workbench.archive.run_views import RunViews, of_run
from workbench.archive.scan import content_of
from workbench.archive.view import View
from workbench.backoff import Backoff
from workbench.errors import ReplacedImage, ReviewError, ServerRefused, ServerUnreachable, UnreadableImage
from workbench.review import blinding, boxes, sending
from workbench.review.labelstudio import task as labelstudio_task
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.task import CONFIGS, DRAWN_VERSION, VERSION, CaseForReview
from workbench.review.pictures import Published, inside
from workbench.review.rules import AUDIT_SHARE, BUDGET
from workbench.review.sending import Wanted

logger = logging.getLogger(__name__)

KILL_POINTS = ("before-send", "after-send", "before-record", "after-record")
BATCH = 100  # tasks sent at once
_STOPPING = (ReviewError, WarehouseError, OSError)  # not one case's fault: the next would end the same
_LOCK_SECONDS = 600.0  # another push or pull of this data folder is waited for


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    sent: int
    found: int  # were on the server already, and are recorded now
    unreadable: tuple[str, ...]  # pictures that can't be shown to anybody, with the reason
    waiting: int  # disputes that the limit left for another time
    projects: tuple[str, ...]  # addresses of the projects the tasks are in
    waiting_drawn: int = 0  # of those waiting the ones that were drawn at random

    @property
    def waiting_in_words(self) -> str:
        """How many the limit left for another time, and of which kind."""
        told = wording.counted(self.waiting, "dispute waits", "disputes wait")
        if not self.waiting:
            return told
        return f"{told}, {self.waiting_drawn:,} drawn at random and {self.waiting - self.waiting_drawn:,} by rules"

    @property
    def summary(self) -> str:
        """In words."""
        told = f"{wording.counted(self.sent, 'task')} sent, {self.found} there already; {self.waiting_in_words}"
        return told + (f"; {len(self.unreadable)} can't be shown: {self.unreadable[0]}" if self.unreadable else "")


@contextmanager
def exclusively(data: Path) -> Iterator[None]:
    """One push or pull of a data folder at a time."""
    with locks.exclusive(data / "locks", "review", _LOCK_SECONDS):
        yield


def push(
    store: Store,
    connection: Connection,
    limit: int = BUDGET,
    audit_share: float = AUDIT_SHARE,
    anew: bool = False,
    progress: Callable[[int, int], None] | None = None,
    *,
    actor: Actor,
) -> Pushed:
    """Send the heaviest open disputes, with the audit lane's share among them, and what a second look needs.

    Args:
        limit: tasks at most.
        audit_share: of the limit, kept for cases drawn at random.
        anew: where a project was deleted, give it up and send its unjudged cases to a new one.
        progress: is told tasks done and tasks in all.

    Raises:
        ServerUnreachable: the server doesn't answer; what was sent is recorded or will be found.
        ServerRefused: the token, a deleted project (without `anew`), a setting.
    """
    with exclusively(store.data):
        reviews = Reviews(store.data)
        known = _known_projects(reviews, connection, anew, actor)
        queue = reviews.queue()
        pictures = _Pictures(store, connection)
        waiting = sending.waiting(queue, {task.task_key for task in reviews.tasks()})
        wanted = waiting.first(limit, audit_share, pictures.show)
        material = _read(store, [one.dispute for one in wanted], blinding.veiled(records(Dispute, queue)))
        sent = found = done = 0
        unreadable = list(pictures.broken.values())
        projects: list[str] = []
        for slot, config in sorted({(1, VERSION), *((one.slot, _config(one)) for one in wanted)}):
            mine = [one for one in wanted if (one.slot, _config(one)) == (slot, config)]
            project = _project(reviews, connection, known, slot, config, actor)
            projects.append(f"{connection.studio.url}/projects/{project.project_id}")
            there = connection.studio.keys(_id(project))
            for start in range(0, len(mine), BATCH):
                batch = mine[start : start + BATCH]
                ready, broken = _prepare(connection, batch, material, pictures)
                unreadable += broken
                fresh = [one for one in ready if one.task_key not in there]
                seen = _unblinded(connection, _id(project), ready, fresh)
                there |= _send(connection, _id(project), fresh, there)
                now = datetime.now(UTC)
                reviews.record_tasks(
                    [_record(one, slot, project, there, now, seen) for one in ready if one.task_key in there],
                    actor=actor,
                )
                sent, found, done = sent + len(fresh), found + len(ready) - len(fresh), done + len(batch)
                if progress:
                    progress(done, len(wanted))
        left = set(queue.filter(state="open")["dispute_id"])
        left -= {*pictures.broken, *(one.dispute.dispute_id for one in wanted if one.slot == 1)}
        drawn = {one.dispute.dispute_id for one in waiting.at_random} & left
        return Pushed(sent, found, tuple(unreadable), len(left), tuple(projects), len(drawn))


# -- projects ----------------------------------------------------------------------------------------------------------


def _known_projects(reviews: Reviews, connection: Connection, anew: bool, actor: Actor) -> list[ReviewProject]:
    """This server's projects, each seen to be there.

    Raises:
        ServerRefused: one is gone, and the caller didn't say to start anew.
    """
    known = [project for project in reviews.projects() if project.server == connection.studio.url]
    for project in known:
        if project.project_id is None or connection.studio.project(project.project_id) is not None:
            continue
        if not anew:
            raise ServerRefused(
                f"project {project.project_id} (reviewer slot {project.slot}) is gone from {connection.studio.url}, or "
                "this token may not see it. Verdicts pulled so far are kept. `workbench disputes push --new-project` "
                "gives it up and sends its unjudged cases to a new one"
            )
        lost = reviews.give_up_project(project.project_key, datetime.now(UTC), actor=actor)
        logger.warning("labelstudio project=%s given_up tasks=%d", project.project_id, lost)
    return [project for project in reviews.projects() if project.server == connection.studio.url]


def _config(task: Wanted) -> str:
    """The version of the labelling config that a task is shown with."""
    return DRAWN_VERSION if task.at_random else VERSION


def _project(
    reviews: Reviews, connection: Connection, known: Sequence[ReviewProject], slot: int, config: str, actor: Actor
) -> ReviewProject:
    """The slot's project of a config; made, or found by our mark when a crash came between making and storing."""
    found = next((one for one in known if one.slot == slot and one.config == config), None)
    if found is None:
        found = ReviewProject(
            secrets.token_hex(8), connection.studio.url, slot, config, None, None, None, datetime.now(UTC)
        )
        reviews.plan_project(found, actor=actor)
    project_id = found.project_id
    if project_id is None:
        kind = "Drawn cases" if config == DRAWN_VERSION else "Disputes"
        title = f"{kind}, reviewer {slot}" if slot < 3 else f"{kind}, another look"
        project_id = connection.studio.find_project(found.project_key) or connection.studio.make_project(
            title, found.project_key, CONFIGS[config]
        )
        if connection.served:
            connection.studio.serve_folder(project_id, connection.served)
        reviews.found_project(found.project_key, project_id)
    return replace(found, project_id=project_id)


def _id(project: ReviewProject) -> int:
    assert project.project_id is not None
    return project.project_id


# -- tasks -------------------------------------------------------------------------------------------------------------


def _send(
    connection: Connection, project_id: int, ready: Sequence[CaseForReview], there: dict[str, int]
) -> dict[str, int]:
    """The keys and task numbers that are on the server after sending; tried again only with what didn't arrive."""
    missing, backoff = list(ready), Backoff(connection.studio.patience)
    found: dict[str, int] = {}
    while missing:
        kill_points.at("before-send")
        try:
            connection.studio.send(project_id, [labelstudio_task.task(one) for one in missing])
            kill_points.at("after-send")
        except ServerUnreachable:
            if (pause := backoff.pause()) is None:
                raise
            time.sleep(pause)
        found = connection.studio.keys(project_id)
        missing = [one for one in missing if one.task_key not in found]
    return found or there


def _unblinded(
    connection: Connection, project_id: int, ready: Sequence[CaseForReview], fresh: Sequence[CaseForReview]
) -> frozenset[str]:
    """The keys of tasks that are on the server already and may show the mask that their question asks for.

    The warehouse doesn't know them, as after a restored backup: only what they say of themselves counts.
    """
    sent = {one.task_key for one in fresh}
    doubtful = {one.task_key for one in ready if one.blind and one.marked and one.task_key not in sent}
    return frozenset(doubtful - connection.studio.blind_keys(project_id)) if doubtful else frozenset()


def _record(
    case: CaseForReview,
    slot: int,
    project: ReviewProject,
    there: dict[str, int],
    now: datetime,
    unblinded: frozenset[str],
) -> ReviewTask:
    key = case.task_key
    width, height = case.window.size
    return ReviewTask(key, case.dispute_id, slot, project.project_key, there[key], width, height, now, key in unblinded)


class _Pictures:
    """The disputes' pictures, each put where reviewers see it when it is first asked for."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._store, self._connection = store, connection
        self._roots: dict[str, Path | None] = {}
        self._views: dict[str, RunViews] = {}
        self.shown: dict[str, Published] = {}  # by dispute, as is the next
        self.broken: dict[str, str] = {}  # why nobody can be shown it

    def show(self, dispute: Dispute) -> bool:
        """Whether it can be shown."""
        name = dispute.dispute_id
        if name not in self.shown and name not in self.broken:
            try:
                source = inside(self.root(dispute.run_id), dispute.image_path)
                entry = self._store.entry(dispute.image_id)
                if entry is None:
                    raise UnreadableImage("vanished", "its archive doesn't know it")
                view = self.views(dispute.run_id).of(entry).for_display
                self.shown[name] = self._connection.pictures.publish(source, dispute.image_path, view)
            except ReplacedImage:
                self.broken[name] = f"{dispute.image_path}: no longer the picture that was scored"
            except UnreadableImage as error:
                self.broken[name] = f"{dispute.image_path}: {error}"
            except _STOPPING:
                raise
            except Exception as error:  # noqa: BLE001 - whatever one picture raises, the others are sent
                self.broken[name] = f"{dispute.image_path}: {error!r}"
        return name in self.shown

    def views(self, run_id: str) -> RunViews:
        """How the run saw its pictures."""
        views = self._views[run_id] = self._views.get(run_id) or of_run(self._store.run(run_id))
        return views

    def reference(self, prediction: Prediction, source: Path) -> View:
        """What the run saw of the reference, whose file this is.

        Raises:
            ReplacedImage: it holds another picture than was shown.
            OSError: it can't be read.
        """
        views, run = self.views(prediction.run_id), self._store.run(prediction.run_id)
        known = self._store.entries_at(run.archive_id, prediction.reference_path or "") if run else ()
        for entry in known:
            if was_shown(prediction, entry.content):
                return views.of_reference(entry, prediction)
        content = content_of(source)
        if not was_shown(prediction, content):
            raise ReplacedImage
        return views.of_file(prediction, content)

    def root(self, run_id: str) -> Path:
        """Where a run's archive is.

        Raises:
            UnreadableImage: nobody knows.
        """
        if run_id not in self._roots:
            run = self._store.run(run_id)
            archive = self._store.archive(run.archive_id) if run else None
            self._roots[run_id] = Path(archive.root) if archive else None
        root = self._roots[run_id]
        if root is None:
            raise UnreadableImage("vanished", "its archive isn't in this warehouse")
        return root


@dataclass(frozen=True, slots=True)
class _Material:
    """What the tasks of a push are made from, read at once."""

    predictions: Mapping[tuple[str, str, str], Prediction]  # by run, image, question
    patches: Mapping[tuple[str, str, str], list[DefectBox]]
    entries: Mapping[str, Entry]
    texts: Mapping[tuple[str, str], str]  # by run and description
    veiled: frozenset[str]  # images whose mask is shown on no task


def _read(store: Store, disputes: Sequence[Dispute], veiled: frozenset[str]) -> _Material:
    reviews = Reviews(store.data)
    predictions, patches, entries = reviews.material(disputes)
    boxes_of: dict[tuple[str, str, str], list[DefectBox]] = {}
    for run_id, image_id, question_id, *box in patches.iter_rows():
        boxes_of.setdefault((run_id, image_id, question_id), []).append(DefectBox(*box))
    texts: dict[tuple[str, str], str] = {}
    for run_id in {dispute.run_id for dispute in disputes}:
        run = store.run(run_id)
        if run and run.knowledge_version:
            texts |= {(run_id, text.description_id): text.text for text in store.knowledge(run.knowledge_version)}
    return _Material(
        {(one.run_id, one.image_id, one.question_id): one for one in predictions},
        boxes_of,
        {entry.image_id: entry for entry in entries},
        texts,
        veiled,
    )


def _prepare(
    connection: Connection, batch: Sequence[Wanted], material: _Material, pictures: _Pictures
) -> tuple[list[CaseForReview], list[str]]:
    """The cases as they will be shown, and the pictures that can't be."""
    ready: list[CaseForReview] = []
    broken: list[str] = []
    for one in batch:
        try:
            ready.append(_case(connection, one, material, pictures))
        except UnreadableImage as error:
            broken.append(f"{one.dispute.image_path}: {error}")
        except _STOPPING:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one case raises, the others are sent
            broken.append(f"{one.dispute.image_path}: {error!r}")
    return ready, broken


def _case(connection: Connection, one: Wanted, material: _Material, pictures: _Pictures) -> CaseForReview:
    dispute = one.dispute
    name = (dispute.run_id, dispute.image_id, dispute.question_id)
    prediction = material.predictions.get(name)
    if prediction is None:
        raise UnreadableImage("vanished", "its prediction isn't in this warehouse")
    shown, root = pictures.shown[dispute.dispute_id], pictures.root(dispute.run_id)
    entry = material.entries.get(dispute.image_id)
    mask = entry.mask_path if entry else None
    outlines: tuple[tuple[tuple[float, float], ...], ...] = ()
    if entry and mask and dispute.image_id not in material.veiled:
        outlines = _outlines(root, entry, pictures.views(dispute.run_id).of(entry).for_display)
    return CaseForReview(
        task_key=one.key,
        dispute_id=dispute.dispute_id,
        title=f"{dispute.product} · {dispute.subtask}",
        question=dispute.question,
        options=dispute.options,
        answer=dispute.answer,
        probability=prediction.option_probabilities.get(dispute.answer or ""),
        entropy=dispute.entropy,
        descriptions=tuple(
            (kept.description_id, material.texts.get((dispute.run_id, kept.description_id), ""))
            for kept in prediction.descriptions
        ),
        query=shown.url,
        reference=_reference(connection, root, prediction, pictures),
        window=shown.window,
        patches=tuple(material.patches.get(name, ())),
        outlines=outlines,
        blind=blinding.mask_answers(dispute),
        marked=mask is not None,
        answer_hidden=one.at_random,
    )


def _reference(connection: Connection, root: Path, prediction: Prediction, pictures: _Pictures) -> str:
    """The reference's address; where there is none, or it can't be shown, a picture that says so."""
    if prediction.reference_path:
        try:
            source = inside(root, prediction.reference_path)
            view = pictures.reference(prediction, source).for_display
            return connection.pictures.publish(source, prediction.reference_path, view).url
        except (OSError, UnreadableImage) as error:
            logger.warning("reference=%s unreadable=%s", prediction.reference_path, error)
    return connection.pictures.nothing()


def _outlines(root: Path, entry: Entry, view: View) -> tuple[tuple[tuple[float, float], ...], ...]:
    try:
        marked = masks.of_view(inside(root, entry.mask_path or ""), inside(root, entry.path), view)
    except UnreadableImage:
        return ()
    return () if marked is None else tuple(tuple(outline) for outline in boxes.outlines(marked))
