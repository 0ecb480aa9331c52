"""Killed with SIGKILL while sending and bringing back: one task per dispute, every verdict once, on its own case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.review import killing, trouble
from tests.review.conftest import Studio

pytestmark = [pytest.mark.labelstudio, pytest.mark.slow]

DISPUTES = 220  # three batches are sent, and two pages of verdicts come back


def test_a_push_and_a_pull_that_are_killed_at_every_phase_end_like_uncut_ones(
    tmp_path: Path, studio_server: Studio
) -> None:
    data = tmp_path / "data"
    reviews = killing.many(data, DISPUTES)
    connection: dict[str, Any] = {
        "url": studio_server.url,
        "token": studio_server.token,
        "files": studio_server.folder().path.parent,
    }

    for phase in ("before-send", "after-send:2", "before-record:2"):
        killed = trouble.disputes(data, "push", "--limit", str(DISPUTES), **connection, die_at=phase)
        assert killed.returncode == -9, killed.stderr
    done = trouble.disputes(data, "push", "--limit", str(DISPUTES), **connection)
    assert done.returncode == 0, done.stderr

    expected = {f"{row}.1" for row in reviews.queue()["dispute_id"]}
    assert killing.remote_keys(studio_server, reviews) == dict.fromkeys(expected, 1)
    assert {task.task_key for task in reviews.tasks()} == expected

    judged = [task.task_id for task in reviews.tasks()][::2]
    killing.judge_all(studio_server, reviews, judged)
    for phase in ("before-verdicts", "after-verdicts:2", "before-settle"):
        killed = trouble.disputes(data, "pull", **connection, die_at=phase)
        assert killed.returncode == -9, killed.stderr
    done = trouble.disputes(data, "pull", **connection)
    assert done.returncode == 0, done.stderr
    assert killing.problems_after_pull(reviews, judged) == []
