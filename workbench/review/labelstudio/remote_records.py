"""What a Label Studio server tells of tasks and projects. Knows nothing of how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Untold:
    """An annotation that the server has and can't tell."""

    annotation_id: int  # the server's; minus the task's where not even that can be had
    reason: str


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A task as the server tells it."""

    task_id: int
    key: str | None  # ours, if it carries one
    updated_at: datetime
    annotations: tuple[dict[str, object], ...]
    query: str | None = None  # the picture's address
    untold: tuple[Untold, ...] = ()  # annotations that are missing from `annotations`


@dataclass(frozen=True, slots=True)
class RemoteProject:
    """A project as the server tells it."""

    project_id: int
    title: str
    tasks: int
    annotations: int  # skipped ones left out
    skipped: int
    config: str


def key_of(task: Any) -> str | None:
    """Our key in a task's data."""
    data = task.data if isinstance(task.data, Mapping) else {}
    key = data.get("key")
    return key if isinstance(key, str) else None


def moment_of(value: object) -> datetime:
    """A time of the server's.

    Raises:
        ValueError: it is none.
    """
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return moment.astimezone(UTC)


def task_of(task: Any) -> RemoteTask:
    """A task of the SDK's.

    Raises:
        ValueError: its time is none.
    """
    annotations = tuple(one if isinstance(one, dict) else one.dict() for one in task.annotations or [])
    query = task.data.get("query") if isinstance(task.data, Mapping) else None
    return RemoteTask(
        int(task.id),
        key_of(task),
        moment_of(task.updated_at),
        annotations,
        query if isinstance(query, str) else None,
    )
