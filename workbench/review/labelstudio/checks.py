"""The doctor's checks of Label Studio: token, projects, labelling config, storage, and a picture as it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from warehouse.queries.reviews import Reviews
from workbench.errors import ReviewError
from workbench.review.labelstudio.configuration import Connection, address_of, connect
from workbench.review.labelstudio.task import CONFIGS
from workbench.scoring.doctor import Finding

PATIENCE = 3.0  # seconds: the doctor doesn't wait for a server that is starting
_SUBJECT = "Label Studio"


def examine(data: Path) -> Iterator[Finding]:
    """What is wrong with the review server, if one is known; asks it."""
    try:
        if address_of(data) is None:
            return
        connection = connect(data, PATIENCE)
        yield Finding(
            "green",
            _SUBJECT,
            f"{connection.studio.url} takes the {connection.studio.kind} token of {connection.studio.whoami()}",
        )
        yield from _projects(data, connection)
    except ReviewError as error:
        yield Finding("red", _SUBJECT, str(error), "workbench labelstudio up, or mend what the message names")


def _projects(data: Path, connection: Connection) -> Iterator[Finding]:
    reviews = Reviews(data)
    for project in reviews.projects():
        if project.server != connection.studio.url or project.project_id is None:
            continue
        subject = f"review project {project.project_id}"
        remote = connection.studio.project(project.project_id)
        if remote is None:
            yield Finding("red", subject, "is gone from the server", "workbench disputes push --new-project")
            continue
        config = CONFIGS.get(project.config)
        if config and "".join(remote.config.split()) != "".join(config.split()):
            detail = f"its labelling config isn't version {project.config} any more: it was changed there"
            yield Finding("yellow", subject, detail, "undo the change there; results that don't fit are put aside")
        if connection.served and connection.served not in connection.studio.storages(project.project_id):
            detail = f"no local storage on {connection.served}: its pictures are not served"
            yield Finding("red", subject, detail, "add that folder under Settings, Cloud Storage, Local files")
        yield from _picture(reviews, connection, project.project_key, subject)


def _picture(reviews: Reviews, connection: Connection, project_key: str, subject: str) -> Iterator[Finding]:
    """One task's query picture, fetched as a reviewer's browser would."""
    tasks = reviews.tasks(project_key)
    task = connection.studio.task(tasks[-1].task_id) if tasks else None
    if task is None or task.query is None:
        yield Finding("green", subject, "no task with a picture to try yet")
        return
    try:
        size = len(connection.studio.fetch(task.query))
    except ReviewError as error:
        yield Finding("red", subject, str(error), "register the storage, or push again")
    else:
        yield Finding("green", subject, f"task {task.task_id} shows its picture, {size:,} bytes")
