"""The doctor's look at the reviewers' desk: token, projects, labelling config, storage, and a picture as it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from warehouse.reviews import Reviews
from workbench.inspection.doctor import Finding
from workbench.review.desk import Desk, address_of, open_desk
from workbench.review.errors import ReviewError
from workbench.review.labelstudio_task import CONFIG, VERSION

PATIENCE = 3.0  # seconds: the doctor doesn't wait for a server that is starting
_SUBJECT = "review desk"


def examine(data: Path) -> Iterator[Finding]:
    """What is wrong with the desk, if there is one; asks its server."""
    try:
        if address_of(data) is None:
            return
        desk = open_desk(data, PATIENCE)
        yield Finding(
            "green", _SUBJECT, f"{desk.studio.url} takes the {desk.studio.kind} token of {desk.studio.whoami()}"
        )
        yield from _projects(data, desk)
    except ReviewError as error:
        yield Finding("red", _SUBJECT, str(error), "workbench labelstudio up, or mend what the message names")


def _projects(data: Path, desk: Desk) -> Iterator[Finding]:
    reviews = Reviews(data)
    for project in reviews.projects():
        if project.server != desk.studio.url or project.project_id is None:
            continue
        subject = f"review project {project.project_id}"
        remote = desk.studio.project(project.project_id)
        if remote is None:
            yield Finding("red", subject, "is gone from the server", "workbench disputes push --new-project")
            continue
        if project.config == VERSION and "".join(remote.config.split()) != "".join(CONFIG.split()):
            detail = f"its labelling config isn't version {VERSION} any more: somebody changed it there"
            yield Finding("yellow", subject, detail, "undo the change there; results that don't fit are put aside")
        if desk.served and desk.served not in desk.studio.storages(project.project_id):
            detail = f"no local storage on {desk.served}: its pictures are not served"
            yield Finding("red", subject, detail, "add that folder under Settings, Cloud Storage, Local files")
        yield from _picture(reviews, desk, project.project_key, subject)


def _picture(reviews: Reviews, desk: Desk, project_key: str, subject: str) -> Iterator[Finding]:
    """One task's query picture, fetched as a reviewer's browser would."""
    tasks = reviews.tasks(project_key)
    task = desk.studio.task(tasks[-1].task_id) if tasks else None
    if task is None or task.query is None:
        yield Finding("green", subject, "no task with a picture to try yet")
        return
    try:
        size = len(desk.studio.fetch(task.query))
    except ReviewError as error:
        yield Finding("red", subject, str(error), "register the storage, or push again")
    else:
        yield Finding("green", subject, f"task {task.task_id} shows its picture, {size:,} bytes")
