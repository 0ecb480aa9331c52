"""Fetches verdicts: what changed on the server since last time becomes revisions of verdicts, each once.

Pages are read in the order of their update and stored with the project's mark in one transaction, so a kill at any
moment means reading a page again and finding nothing new. An annotation is believed only for the task that carries the
dispute's own key; what can't be a verdict on that dispute goes to quarantine with its reason, and comes out of it as
soon as its author mends it. Whatever is raised over one annotation puts that one aside; what the server itself can't
tell is put aside, too, and asked for again at every pull.

Only tasks that hold an annotation are read, so thousands of open ones cost nothing. What was deleted is found by count:
the project's own number of annotations is compared with ours, and where it is smaller the tasks with fewer are asked.
Verdicts are taken back then, and what was put aside is forgotten, so that the next count is right again. A webhook
(`webhooks.py`) only says that now is a good time: nothing here depends on one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl
from pydantic import ValidationError

from warehouse import kill_points, schema
from warehouse.queries.reviews import Reviews
from warehouse.records.audit import Actor
from warehouse.records.judgements import Judgement, Pulled, absolute
from warehouse.records.reviews import Dispute, QuarantinedResult, ReviewProject, ReviewTask
from warehouse.records.scoring import Tile
from warehouse.store import Store
from workbench import wording
from workbench.archive.view import Window
from workbench.errors import Malformed, ServerRefused
from workbench.review import agreement
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.push import exclusively
from workbench.review.labelstudio.remote_records import RemoteProject, RemoteTask
from workbench.review.labelstudio.task import Annotation, judgement, payload

KILL_POINTS = ("after-fetch", "before-verdicts", "after-verdicts", "before-settle", "after-settle")
OVERLAP = timedelta(seconds=2)  # read again: an update is dated before it can be seen


@dataclass(frozen=True, slots=True)
class PulledAll:
    """What a pull brought."""

    verdicts: int  # new or edited
    withdrawn: int  # deleted on the server
    quarantined: int  # couldn't be used
    skipped: int  # stand on the server now: their authors passed on the case
    settled: int  # settlements that followed, withdrawals among them

    @property
    def summary(self) -> str:
        """In words."""
        return (
            f"{wording.counted(self.verdicts, 'verdict')} new or edited, "
            f"{self.withdrawn} withdrawn, {self.skipped} skipped, "
            f"{wording.counted(self.settled, 'settlement')}; {self.quarantined} results put aside"
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What a project's annotations are held against."""

    project: ReviewProject
    tasks: Mapping[int, ReviewTask]  # by the server's number
    disputes: Mapping[str, Dispute]
    judgements: Mapping[str, Judgement]  # the newest revisions, by id
    people: Mapping[int, str]
    aside: set[str]  # results in quarantine
    tiles: Mapping[str, Tile]  # of disputed images that are a part of a picture

    def window_of(self, dispute: Dispute, task: ReviewTask) -> Window:
        """What the task shows of the upright picture: a server that serves the archive itself shows all of it."""
        tile = self.tiles.get(dispute.image_id)
        if tile is not None and (tile.x1 - tile.x0, tile.y1 - tile.y0) == (task.width, task.height):
            return Window(tile.x0, tile.y0, tile.x1, tile.y1)
        return Window(0, 0, task.width, task.height)


def pull(store: Store, connection: Connection, *, actor: Actor) -> PulledAll:
    """Store every verdict that changed since the last pull, and settle what follows.

    Raises:
        ServerUnreachable: the server doesn't answer; pages stored so far stay.
        ServerRefused: the token, or every project is gone.
    """
    with exclusively(store.data):
        reviews = Reviews(store.data)
        gone: list[int] = []
        total = PulledAll(0, 0, 0, 0, 0)
        for project in reviews.projects():
            if project.server != connection.studio.url or project.project_id is None:
                continue
            remote = connection.studio.project(project.project_id)
            if remote is None:
                gone.append(project.project_id)
                continue
            total = _pull_project(reviews, connection, project, remote, total, actor)
        total = replace(total, settled=agreement.settle_due(reviews))
        if gone:
            raise ServerRefused(
                f"project {', '.join(map(str, gone))} is gone from {connection.studio.url}; verdicts pulled before are "
                "kept, and `workbench disputes push --new-project` sends its unjudged cases to a new one"
            )
        return total


def _pull_project(
    reviews: Reviews,
    connection: Connection,
    project: ReviewProject,
    remote: RemoteProject,
    total: PulledAll,
    actor: Actor,
) -> PulledAll:
    since = project.pulled_until - OVERLAP if project.pulled_until else None
    known = None
    for page in connection.studio.updated(remote.project_id, since):
        known = known or _known(reviews, connection, project)
        total = _store_page(reviews, known, page, page[-1].updated_at, total, actor)
    if again := _untold(reviews, project):
        known = _known(reviews, connection, project)
        asked = [
            connection.studio.task(number, remote.project_id) or _emptied(known, number) for number in sorted(again)
        ]
        total = _store_page(reviews, known, asked, None, total, actor)
        for task in asked:
            if told := again[task.task_id] - {one.annotation_id for one in task.untold}:
                reviews.forget_untold(project.project_key, sorted(told))
    ours = _standing(reviews, project) + Counter(_put_aside(reviews, project)["task_id"])
    if ours.total() > remote.annotations:
        known = _known(reviews, connection, project)
        there = connection.studio.annotated(remote.project_id)
        fewer = sorted(task_id for task_id, count in ours.items() if there.get(task_id, 0) < count)
        now_there = [
            connection.studio.task(task_id, remote.project_id) or _emptied(known, task_id) for task_id in fewer
        ]
        total = _store_page(reviews, known, now_there, None, total, actor)
        standing = {_number(told.get("id")) for task in now_there for told in task.annotations if not _skipped(told)}
        standing |= {one.annotation_id for task in now_there for one in task.untold}
        aside = _put_aside(reviews, project).filter(pl.col("task_id").is_in(fewer))
        if gone := set(aside["annotation_id"]) - standing:
            reviews.forget_quarantined(project.project_key, sorted(gone))
    return replace(total, skipped=total.skipped + remote.skipped)


def _store_page(
    reviews: Reviews,
    known: _Known,
    page: Sequence[RemoteTask],
    until: datetime | None,
    total: PulledAll,
    actor: Actor,
) -> PulledAll:
    judgements: list[Judgement] = []
    aside: list[QuarantinedResult] = []
    for task in page:
        read, refused = _read(known, task)
        judgements += read
        aside += [one for one in refused if one.result_id not in known.aside]
        known.aside.update(one.result_id for one in aside)
    kill_points.at("after-fetch")
    pulled = Pulled(tuple(judgements), tuple(aside), until)
    added = reviews.store_pulled(known.project.project_key, pulled, actor=actor)
    taken_back = sum(judgement.withdrawn for judgement in judgements)
    return replace(
        total,
        verdicts=total.verdicts + added - min(taken_back, added),
        withdrawn=total.withdrawn + min(taken_back, added),
        quarantined=total.quarantined + len(aside),
    )


def _read(known: _Known, task: RemoteTask) -> tuple[list[Judgement], list[QuarantinedResult]]:
    """What a task's annotations say: judgements, withdrawn ones among them; and those to be put aside."""
    now = datetime.now(UTC)
    judgements: list[Judgement] = []
    aside: list[QuarantinedResult] = []
    standing: set[str] = set()
    for told in task.annotations:
        number, at, said = _number(told.get("id")), str(task.updated_at), [told]
        try:
            annotation = Annotation.model_validate(told)
            if annotation.was_cancelled:
                continue
            at, said = str(annotation.updated_at), annotation.result
            judged = _judgement(known, task, annotation, now)
        except Exception as error:  # noqa: BLE001 - whatever one annotation raises, the others' verdicts arrive
            aside.append(_aside(known, task, number, at, _reason(error), said, now))
            continue
        standing.add(judged.judgement_id)
        judgements.append(judged)
    for untold in task.untold:
        aside.append(_aside(known, task, untold.annotation_id, "untold", untold.reason, [], now, untold=True))
        standing.add(_verdict_id(known.project, untold.annotation_id))  # what it said last still stands
    ours = known.tasks.get(task.task_id)
    if ours and all(untold.annotation_id > 0 for untold in task.untold):
        judgements += [
            replace(judged, withdrawn=True, judged_at=task.updated_at, stored_at=now)
            for judged in known.judgements.values()
            if (judged.dispute_id, judged.slot) == (ours.dispute_id, ours.slot)
            and judged.judgement_id not in standing
            and not judged.withdrawn
            and judged.project_key == known.project.project_key
        ]
    return judgements, aside


def _reason(error: Exception) -> str:
    if isinstance(error, Malformed):
        return str(error)
    if isinstance(error, ValidationError):
        return f"isn't of Label Studio's form: {error.errors(include_url=False, include_input=False)[0]['msg']}"
    return f"can't be read: {type(error).__name__}: {error}"


def _judgement(known: _Known, task: RemoteTask, annotation: Annotation, now: datetime) -> Judgement:
    """What an annotation says is right.

    Raises:
        Malformed: it isn't one on the dispute of this task.
    """
    ours = known.tasks.get(task.task_id)
    if ours is None:
        raise Malformed("the task isn't one that this workbench sent" if task.key is None else "the task is a copy")
    if task.key != ours.task_key:
        raise Malformed("the task's key was changed on the server")
    dispute = known.disputes.get(ours.dispute_id)
    if dispute is None:
        raise Malformed("its dispute isn't in this warehouse")
    config = known.project.config
    said = judgement(annotation.result, dispute.options, dispute.answer, known.window_of(dispute, ours), config)
    author = annotation.author
    kind, answer = absolute(said.decision, said.right_answer, dispute.answer, bool(dispute.options))
    return Judgement(
        judgement_id=_verdict_id(known.project, annotation.id),
        revision=1,
        dispute_id=dispute.dispute_id,
        image_id=dispute.image_id,
        question_id=dispute.question_id,
        answer_kind=kind,
        answer=answer,
        label=agreement.label_of(dispute, answer),
        boxes=said.boxes,
        explanation=said.explanation,
        better_description=said.better_description,
        comment=said.comment,
        seconds=annotation.seconds,
        actor=known.people.get(author, f"user {author}") if author is not None else "unknown",
        channel="Label Studio",
        basis=None,
        reason="",
        run_id=dispute.run_id,
        shown_answer=dispute.answer,
        evidence_id=None,
        slot=ours.slot,
        blinded=not ours.unblinded,
        stratum="volunteered",
        probability=None,
        judged_at=annotation.updated_at,
        stored_at=now,
        withdrawn=False,
        project_key=known.project.project_key,
    )


def _known(reviews: Reviews, connection: Connection, project: ReviewProject) -> _Known:
    newest = {judgement.judgement_id: judgement for judgement in reviews.opinions()}
    return _Known(
        project,
        {task.task_id: task for task in reviews.tasks(project.project_key)},
        {dispute.dispute_id: dispute for dispute in schema.records(Dispute, reviews.queue())},
        newest,
        connection.studio.people(),
        set(reviews.quarantined()["result_id"]),
        reviews.tiles(),
    )


def _standing(reviews: Reviews, project: ReviewProject) -> Counter[int]:
    """How many of the project's annotations we hold as verdicts that stand, by task."""
    numbers = {(task.dispute_id, task.slot): task.task_id for task in reviews.tasks(project.project_key)}
    own = [one for one in reviews.opinions() if one.project_key == project.project_key and not one.withdrawn]
    places = [(one.dispute_id, one.slot) for one in own if one.slot is not None]
    return Counter(numbers[place] for place in places if place in numbers)


def _put_aside(reviews: Reviews, project: ReviewProject) -> pl.DataFrame:
    """The project's annotations that were put aside and not mended since; they are on the server too.

    task_id and annotation_id, each annotation once.
    """
    aside = reviews.quarantined().filter(project_key=project.project_key).unique("annotation_id")
    named = pl.format(_verdict_id(project, "{}"), "annotation_id")
    return aside.filter(~named.is_in(reviews.verdicts()["verdict_id"].implode())).select("task_id", "annotation_id")


def _untold(reviews: Reviews, project: ReviewProject) -> dict[int, set[int]]:
    """The annotations that the server couldn't tell, by task."""
    found: dict[int, set[int]] = {}
    rows = reviews.quarantined().filter(pl.col("untold"), project_key=project.project_key)
    for task_id, annotation_id in rows.select("task_id", "annotation_id").iter_rows():
        found.setdefault(task_id, set()).add(annotation_id)
    return found


def _emptied(known: _Known, task_id: int) -> RemoteTask:
    """A task that is gone from the server, and every annotation with it."""
    ours = known.tasks.get(task_id)
    return RemoteTask(task_id, ours.task_key if ours else None, datetime.now(UTC), ())


def _skipped(told: Mapping[str, object]) -> bool:
    return bool(told.get("was_cancelled"))


def _verdict_id(project: ReviewProject, annotation: int | str) -> str:
    return f"ls-{project.project_key}-{annotation}"


def _aside(
    known: _Known,
    task: RemoteTask,
    annotation: int,
    at: str,
    reason: str,
    result: Sequence[Mapping[str, object]],
    now: datetime,
    untold: bool = False,
) -> QuarantinedResult:
    name = hashlib.sha256(f"{known.project.project_key}\n{task.task_id}\n{annotation}\n{at}".encode()).hexdigest()[:24]
    project, reason = known.project.project_key, reason.encode("utf-8", "backslashreplace").decode()
    return QuarantinedResult(name, project, task.task_id, annotation, reason, payload(result), now, untold)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
