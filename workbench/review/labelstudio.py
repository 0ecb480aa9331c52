"""Talking to one Label Studio: few calls, each tried again with growing pauses, errors in words without secrets.

Only this module meets the SDK. The SDK would repeat a failed import by itself, and an import that failed may have been
carried out all the same; so its own retries are off, and a repeated import first asks which keys are there (`push.py`).

Label Studio's errors carry request data in their text. Ours say what was asked, where, and what to do; nothing that
came over the wire but a status and a short reason, and never a token.
"""

from __future__ import annotations

import json
import logging
import random
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from workbench.review.errors import DeskRefused, DeskUnreachable
from workbench.review.labelstudio_task import BLIND, TokenKind, token_kind

logger = logging.getLogger(__name__)
R = TypeVar("R")

PAGE = 500  # tasks asked for at once
PATIENCE = 60.0  # seconds of trying again before giving up
TIMEOUT = 20.0  # seconds for one answer
_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where Label Studio is and what opens it."""

    url: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DeskRefused("Label Studio's address must look like http://127.0.0.1:8080")
        if parts.username or parts.password or parts.query:
            raise DeskRefused(
                "Label Studio's address must hold no name, password or token; those have a place of their own"
            )


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A task as the server tells it."""

    task_id: int
    key: str | None  # ours, if it carries one
    updated_at: datetime
    annotations: tuple[dict[str, object], ...]
    query: str | None = None  # the picture's address


@dataclass(frozen=True, slots=True)
class RemoteProject:
    """A project as the server tells it."""

    project_id: int
    title: str
    tasks: int
    annotations: int  # skipped ones left out
    skipped: int
    config: str


class LabelStudio:
    """One Label Studio server."""

    def __init__(self, address: Address, patience: float = PATIENCE, timeout: float = TIMEOUT) -> None:
        self.url = address.url.rstrip("/")
        self._token = address.token
        self.patience = patience
        self._timeout = timeout
        self._made: Any = None

    @property
    def kind(self) -> TokenKind:
        """Which of Label Studio's two kinds of token opens it."""
        return token_kind(self._token)

    def whoami(self) -> str:
        """The e-mail address of the token's owner.

        Raises:
            DeskUnreachable: it doesn't answer.
            DeskRefused: it doesn't take the token.
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
        except DeskRefused as error:
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
        for task in self._pages(project_id, fields="task_only", include=["id", "data"]):
            key = _key(task)
            if key is not None:
                found[key] = min(int(task.id), found.get(key, int(task.id)))
        return found

    def blind_keys(self, project_id: int) -> set[str]:
        """Our keys of the tasks that say of themselves that they show no mask."""
        tasks = self._pages(project_id, fields="task_only", include=["id", "data"])
        return {key for task in tasks if (key := _key(task)) is not None and task.data.get(BLIND) is True}

    def send(self, project_id: int, tasks: Sequence[Mapping[str, object]]) -> None:
        """Import tasks, tried once: who repeats it must first ask for `keys`.

        Raises:
            DeskUnreachable: no answer, or a failure; the tasks may have arrived all the same.
            DeskRefused: it won't have them.
        """
        self._once(
            f"{len(tasks)} tasks for project {project_id}",
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
            found = [_remote(task) for task in self._page(project_id, page, 100, query=json.dumps(query), fields="all")]
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

    def task(self, task_id: int) -> RemoteTask | None:
        """One task, or None when it is gone."""
        try:
            found = self._call(
                f"task {task_id}", lambda sdk, options: sdk.tasks.get(str(task_id), request_options=options)
            )
        except DeskRefused as error:
            if getattr(error.__cause__, "status_code", None) == 404:
                return None
            raise
        return _remote(found)

    def fetch(self, address: str) -> bytes:
        """What a reviewer's browser would get for a picture's address.

        Raises:
            DeskRefused: not served; the message says what that usually means.
        """
        import httpx

        if urlsplit(address).scheme not in ("", "http", "https"):
            raise DeskRefused(
                f"{urlsplit(address).scheme}:// pictures are signed by Label Studio for each view; open one there"
            )
        local = address.startswith("/")
        try:
            access = {"Authorization": self._authorization()} if local else {}
            answer = httpx.get(self.url + address if local else address, headers=access, timeout=self._timeout)
        except (httpx.HTTPError, ValueError) as error:
            raise DeskUnreachable(f"no answer for a picture from {self.url}: {type(error).__name__}") from None
        kind = answer.headers.get("content-type", "")
        if answer.status_code != 200 or not kind.startswith("image/"):
            raise DeskRefused(
                f"{address} came back as {answer.status_code} {kind or 'nothing'}: its folder needs a local storage "
                "registered in the project, below the server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"
            )
        return answer.content

    def _authorization(self) -> str:
        if self.kind == "legacy":
            return f"Token {self._token}"
        import httpx

        answer = httpx.post(f"{self.url}/api/token/refresh", json={"refresh": self._token}, timeout=self._timeout)
        return f"Bearer {answer.json().get('access', '')}"

    # How anything is asked.

    def _pages(self, project_id: int, **asked: object) -> Iterator[Any]:
        page = 1
        while True:
            found = self._page(project_id, page, PAGE, **asked)
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _page(self, project_id: int, page: int, size: int, **asked: object) -> list[Any]:
        def ask(sdk: Any, options: Mapping[str, object]) -> list[Any]:
            pager = sdk.tasks.list(project=project_id, page=page, page_size=size, request_options=options, **asked)
            return list(pager.items or [])

        try:
            found: list[Any] = self._call(f"page {page} of project {project_id}'s tasks", ask)
        except DeskRefused as error:
            if page > 1 and getattr(error.__cause__, "status_code", None) == 404:
                return []  # the page after the last
            raise
        return found

    def _call(
        self,
        what: str,
        ask: Callable[[Any, Mapping[str, object]], R],
        again: Callable[[], R | int | None] | None = None,
    ) -> Any:
        """The answer, tried again while the server fails.

        Args:
            what: is asked for, in words.
            ask: with the SDK's client and the options of a request.
            again: looks, before a repetition, whether the last try was carried out after all.
        """
        began, tries = time.monotonic(), 0
        while True:
            try:
                return self._once(what, ask)
            except DeskUnreachable as error:
                tries += 1
                pause = max(min(_LONGEST_PAUSE, 0.5 * 2**tries) * random.uniform(0.5, 1.0), _asked_pause(error))
                if time.monotonic() - began + pause > self.patience:
                    raise
                logger.warning("labelstudio try=%d pause=%.1f %s", tries, pause, error)
                time.sleep(pause)
                found = again() if again else None
                if found is not None:
                    return found

    def _once(self, what: str, ask: Callable[[Any, Mapping[str, object]], R]) -> R:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            return ask(self._sdk(), {"max_retries": 0, "timeout": self._timeout})
        except httpx.HTTPError as error:
            why = "it took too long" if isinstance(error, httpx.TimeoutException) else type(error).__name__
            raise self._unreachable(what, why) from None
        except ApiError as error:
            raise self._refusal(what, error) from error

    def _unreachable(self, what: str, why: str) -> DeskUnreachable:
        return DeskUnreachable(
            f"Label Studio at {self.url} gave no answer when asked for {what}: {why}. Nothing is lost; see that it "
            "runs (`workbench labelstudio up`) and give the same command again"
        )

    def _refusal(self, what: str, error: Any) -> DeskUnreachable | DeskRefused:
        status = int(error.status_code or 0)
        if status in _TRY_AGAIN or status >= 500 or status == 0:
            return self._unreachable(what, f"status {status}")
        if status in (401, 403):
            return DeskRefused(
                f"Label Studio at {self.url} doesn't take the {self.kind} token ({status}): copy a new one from "
                "Account & Settings there, and see that this kind of token is enabled for the organisation"
            )
        if status == 404:
            return DeskRefused(
                f"Label Studio at {self.url} has no {what} (404): it was deleted, or this token may not see it"
            )
        return DeskRefused(f"Label Studio at {self.url} refused {what} ({status}): {_detail(error.body)}")

    def _sdk(self) -> Any:
        if self._made is None:
            import httpx
            from label_studio_sdk import LabelStudio as Sdk

            client = httpx.Client(timeout=self._timeout, follow_redirects=True)
            self._made = Sdk(  # type: ignore[no-untyped-call]
                base_url=self.url, api_key=self._token, timeout=self._timeout, httpx_client=client
            )
            weakref.finalize(self._made, client.close)
        return self._made


def _asked_pause(error: DeskUnreachable) -> float:
    """Seconds the server asked to wait (Retry-After), bounded."""
    headers = getattr(error.__cause__, "headers", None) or {}
    text = str(headers.get("retry-after", ""))
    return min(float(text), 2 * _LONGEST_PAUSE) if text.isdigit() else 0.0


def _detail(body: object) -> str:
    """The server's reason, short; of a validation error only which field and why."""
    if isinstance(body, Mapping):
        told = body.get("validation_errors") or body.get("detail") or "no reason given"
        return str(told)[:200]
    return str(body)[:200]


def _key(task: Any) -> str | None:
    data = task.data if isinstance(task.data, Mapping) else {}
    key = data.get("key")
    return key if isinstance(key, str) else None


def _remote(task: Any) -> RemoteTask:
    at = task.updated_at
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at).replace("Z", "+00:00"))
    told = [one if isinstance(one, dict) else one.dict() for one in task.annotations or []]
    query = task.data.get("query") if isinstance(task.data, Mapping) else None
    return RemoteTask(
        int(task.id), _key(task), moment.astimezone(UTC), tuple(told), query if isinstance(query, str) else None
    )
