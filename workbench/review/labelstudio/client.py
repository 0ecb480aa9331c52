"""Talking to one Label Studio: projects, tasks, annotations, in few calls (`connection.py` says how each is made).

What one thing breaks doesn't stop the rest: a page that the server can't tell (one lone surrogate in a comment is
enough) is asked for task by task, such a task annotation by annotation, and what can't be had is told as `Untold`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from workbench import wording
from workbench.errors import BrokenAnswer, ServerRefused
from workbench.review.labelstudio.connection import PAGE, PATIENCE, TRIES, Address, Transport
from workbench.review.labelstudio.remote_records import RemoteProject, RemoteTask, Untold, key_of, moment_of, task_of
from workbench.review.labelstudio.task import BLIND

__all__ = ("PATIENCE", "Address", "LabelStudio")

logger = logging.getLogger(__name__)

_CANNOT = "Label Studio fails over a malformed text or number in it; correct or delete there"


class LabelStudio(Transport):
    """One Label Studio server."""

    def whoami(self) -> str:
        """The e-mail address of the token's owner.

        Raises:
            ServerUnreachable: it doesn't answer.
            ServerRefused: it doesn't take the token.
        """
        return str(
            self._call(
                "who this token belongs to", lambda sdk, options: sdk.users.whoami(request_options=options)
            ).email
        )

    def people(self) -> dict[int, str]:
        """E-mail addresses by the server's number."""
        found = self._call("its users", lambda sdk, options: sdk.users.list(request_options=options))
        return {int(user.id): str(user.email) for user in found}

    # Projects.

    def project(self, project_id: int) -> RemoteProject | None:
        """The project, or None when it is gone."""
        try:
            found = self._call(
                f"project {project_id}", lambda sdk, options: sdk.projects.get(project_id, request_options=options)
            )
        except ServerRefused as error:
            if error.__cause__ is not None and getattr(error.__cause__, "status_code", None) == 404:
                return None
            raise
        return RemoteProject(
            project_id,
            str(found.title),
            int(found.task_number or 0),
            int(found.total_annotations_number or 0),
            int(found.skipped_annotations_number or 0),
            str(found.label_config or ""),
        )

    def find_project(self, project_key: str) -> int | None:
        """The project whose description carries the key."""
        for project in self._call(
            "its projects", lambda sdk, options: list(sdk.projects.list(request_options=options))
        ):
            if project_key in str(project.description or ""):
                return int(project.id)
        return None

    def make_project(self, title: str, project_key: str, config: str) -> int:
        """A new project with the labelling config, which starts each annotation from the task's prediction."""
        made = self._call(
            "a new project",
            lambda sdk, options: sdk.projects.create(
                title=title,
                description=f"Made by the workbench; its mark: {project_key}",
                label_config=config,
                show_collab_predictions=True,
                sampling="Sequential sampling",
                maximum_annotations=1,
                enable_empty_annotation=False,
                request_options=options,
            ),
            again=lambda: self.find_project(project_key),
        )
        return made if isinstance(made, int) else int(made.id)

    def serve_folder(self, project_id: int, path: str) -> None:
        """Register a local storage on a folder, unless the project has it: without one its files are not served."""
        known = self._call(
            "its storages",
            lambda sdk, options: sdk.import_storage.local.list(project=project_id, request_options=options),
        )
        if all(str(storage.path) != path for storage in known):
            self._call(
                "a storage on the pictures",
                lambda sdk, options: sdk.import_storage.local.create(
                    project=project_id,
                    title="Disputed pictures",
                    path=path,
                    use_blob_urls=True,
                    regex_filter="^$",  # serves files; is never synchronised into tasks
                    request_options=options,
                ),
            )

    def storages(self, project_id: int) -> list[str]:
        """The folders a project may show files from."""
        known = self._call(
            "its storages",
            lambda sdk, options: sdk.import_storage.local.list(project=project_id, request_options=options),
        )
        return [str(storage.path) for storage in known]

    # Tasks.

    def keys(self, project_id: int) -> dict[str, int]:
        """Our keys of all tasks of a project with their task's number, the smallest where a key is there twice."""
        found: dict[str, int] = {}
        for task in self._with_data(project_id):
            key = key_of(task)
            if key is not None:
                found[key] = min(int(task.id), found.get(key, int(task.id)))
        return found

    def blind_keys(self, project_id: int) -> set[str]:
        """Our keys of the tasks that say of themselves that they show no mask."""
        tasks = self._with_data(project_id)
        return {key for task in tasks if (key := key_of(task)) is not None and task.data.get(BLIND) is True}

    def send(self, project_id: int, tasks: Sequence[Mapping[str, object]]) -> None:
        """Import tasks, tried once: who repeats it must first ask for `keys`.

        Raises:
            ServerUnreachable: no answer, or a failure; the tasks may have arrived all the same.
            ServerRefused: it won't have them.
        """
        self._once(
            f"{wording.counted(len(tasks), 'task')} for project {project_id}",
            lambda sdk, options: sdk.projects.import_tasks(
                id=project_id, request=list(tasks), return_task_ids=False, request_options=options
            ),
        )

    def updated(self, project_id: int, since: datetime | None) -> Iterator[list[RemoteTask]]:
        """Tasks with annotations that were updated after a moment, oldest update first; page by page.

        Each page is asked for anew behind the last one's newest update, not by number: a task that is updated
        meanwhile moves to the end and is seen again, and none is skipped by the others moving up.
        """
        at, page = since or datetime(2000, 1, 1, tzinfo=UTC), 1
        while True:
            query = {
                "filters": {
                    "conjunction": "and",
                    "items": [
                        {
                            "filter": "filter:tasks:updated_at",
                            "operator": "greater",
                            "type": "Datetime",
                            "value": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                        },
                        {
                            "filter": "filter:tasks:total_annotations",
                            "operator": "greater",
                            "type": "Number",
                            "value": 0,
                        },
                    ],
                },
                "ordering": ["tasks:updated_at"],
            }
            found = self._updated(project_id, page, json.dumps(query))
            if found:
                yield found
            if len(found) < 100:
                return
            # All updates of one action share a moment: as long as a page holds nothing else, go on by number.
            newest = found[-1].updated_at - timedelta(microseconds=1)
            at, page = (newest, 1) if newest > at else (at, page + 1)

    def annotated(self, project_id: int) -> dict[int, int]:
        """How many annotations each task has, of those with any."""
        tasks = self._pages(project_id, fields="task_only", include=["id", "total_annotations"])
        return {int(task.id): int(task.total_annotations) for task in tasks if task.total_annotations}

    def task(self, task_id: int, project_id: int | None = None) -> RemoteTask | None:
        """One task, or None when it is gone.

        Args:
            project_id: where it is: what can't be told of it as a whole is then asked for piece by piece.

        Raises:
            BrokenAnswer: it can't be told, and no project was named.
        """
        try:
            return self._one(
                f"task {task_id}", lambda sdk, options: task_of(sdk.tasks.get(str(task_id), request_options=options))
            )
        except BrokenAnswer:
            if project_id is None:
                raise
            return self._in_pieces(project_id, task_id)

    # What is left of something that the server can't tell as a whole.

    def _updated(self, project_id: int, page: int, query: str) -> list[RemoteTask]:
        def ask(**how: Any) -> list[Any]:
            return self._page(project_id, page, 100, query=query, **how)

        try:
            return [task_of(task) for task in ask(fields="all", tries=TRIES)]
        except (BrokenAnswer, ValueError) as error:
            logger.warning("labelstudio project=%d page=%d task by task: %s", project_id, page, error)
        found: list[RemoteTask] = []
        for listed in ask(fields="task_only", include=["id", "updated_at"]):
            task = self.task(int(listed.id), project_id)
            if task is not None:
                found.append(replace(task, updated_at=moment_of(listed.updated_at)))
        return found

    def _in_pieces(self, project_id: int, task_id: int) -> RemoteTask:
        """A task whose annotations are asked for one by one. Without its key none is believed."""
        told: list[dict[str, object]] = []
        untold: list[Untold] = []
        for number in self._annotation_ids(project_id, task_id):
            try:
                found = self._annotation(number)
                told += [found] if found is not None else []
            except BrokenAnswer:
                untold.append(Untold(number, f"{_CANNOT} the annotation"))
        if not told and not untold:
            untold = [Untold(-task_id, f"{_CANNOT} the task")]
        listed = self._listed(project_id, task_id, "task_only", "data")
        key = key_of(listed) if listed else None
        return RemoteTask(task_id, key, datetime.now(UTC), tuple(told), untold=tuple(untold))

    def _annotation(self, number: int) -> dict[str, object] | None:
        def ask(sdk: Any, options: Mapping[str, object]) -> dict[str, object]:
            found: dict[str, object] = sdk.annotations.get(number, request_options=options).dict()
            return found

        return self._one(f"annotation {number}", ask)

    def _annotation_ids(self, project_id: int, task_id: int) -> list[int]:
        listed = self._listed(project_id, task_id, "all", "annotations_ids")
        told = str(getattr(listed, "annotations_ids", None) or "")
        return [int(number) for number in told.replace(",", " ").split() if number.isdecimal()]

    def _listed(self, project_id: int, task_id: int, fields: str, name: str) -> Any:
        """A task of which the server tells its number and one more thing; None where it can't."""
        only = {"filter": "filter:tasks:id", "operator": "equal", "type": "Number", "value": task_id}
        query = json.dumps({"filters": {"conjunction": "and", "items": [only]}})
        try:
            found = self._page(project_id, 1, 1, query=query, fields=fields, include=["id", name], tries=TRIES)
        except BrokenAnswer:
            return None
        return found[0] if found else None

    def _with_data(self, project_id: int) -> Iterator[Any]:
        """Every task with its number and its data; one whose data can't be told is left out, and logged."""
        page, size = 1, PAGE
        while True:
            try:
                found = self._page(project_id, page, size, fields="task_only", include=["id", "data"], tries=TRIES)
                listed = len(found)
            except BrokenAnswer as error:
                numbers = self._page(project_id, page, size, fields="task_only", include=["id"])
                listed = len(numbers)
                told = [self._listed(project_id, int(one.id), "task_only", "data") for one in numbers]
                found = [one for one in told if one is not None]
                logger.warning("labelstudio project=%d untold=%d: %s", project_id, listed - len(found), error)
            yield from found
            if listed < size:
                return
            page += 1
