"""A Label Studio that is down, stalls, breaks or has lost its project: said in words, tried again, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.people import ANN
from tests.review import studio, trouble
from tests.review.conftest import Case, Studio
from workbench.errors import ServerRefused, ServerUnreachable
from workbench.review.labelstudio import push
from workbench.review.labelstudio.client import Address, LabelStudio
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.pull import pull

pytestmark = pytest.mark.labelstudio


def keys(case: Case, client: LabelStudio) -> list[str]:
    (project,) = case.reviews.projects()
    assert project.project_id is not None
    return sorted(client.keys(project.project_id))


def connection(studio_server: Studio, url: str, patience: float = 30.0, timeout: float = 20.0) -> Connection:
    return Connection(LabelStudio(Address(url, studio_server.token), patience, timeout), studio_server.folder())


@pytest.mark.parametrize("what", [500, 429, "after", "stall"])
def test_a_server_that_fails_now_and_then_gets_each_task_once(
    case: Case, studio_server: Studio, what: int | str
) -> None:
    """`after` is the worst: the import was carried out, and the answer says that it wasn't."""
    seen: dict[str, int] = {}

    def now_and_then(method: str, path: str) -> int | str | None:
        place = f"{method} {path.partition('?')[0]}"
        seen[place] = seen.get(place, 0) + 1
        awkward = method == "POST" and path.startswith("/api/projects")
        return what if awkward and seen[place] == 1 else None

    with trouble.proxy(studio_server.url, now_and_then) as url:
        done = push.push(case.store, connection(studio_server, url, timeout=2.0), limit=4, audit_share=0.0, actor=ANN)

    assert done.sent == 4
    assert sum(count > 1 for count in seen.values()) > 0  # something was tried again
    (project,) = case.reviews.projects()
    assert project.project_id is not None
    remote = studio_server.client().project(project.project_id)
    assert remote is not None
    assert remote.tasks == 4
    assert keys(case, studio_server.client()) == sorted(task.task_key for task in case.reviews.tasks())


@pytest.mark.parametrize("what", [500, "stall"])
def test_a_server_that_goes_on_failing_is_named_and_nothing_is_lost(
    case: Case, studio_server: Studio, what: int | str
) -> None:
    with (
        trouble.proxy(studio_server.url, lambda *_: what) as url,
        pytest.raises(ServerUnreachable, match=r"gave no answer.*Nothing is lost") as caught,
    ):
        push.push(
            case.store, connection(studio_server, url, patience=1.5, timeout=0.5), limit=4, audit_share=0.0, actor=ANN
        )

    assert studio_server.token not in str(caught.value)
    assert set(case.reviews.queue()["state"]) == {"open"}


def test_a_server_that_is_down_is_named(case: Case, studio_server: Studio, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{studio.free_port()}"
    told = trouble.disputes(
        case.store.data, "push", "--patience", "1", url=nowhere, token=studio_server.token, files=tmp_path
    )
    assert told.returncode == 1
    assert told.stderr.startswith(f"workbench: Label Studio at {nowhere} gave no answer")
    assert "Traceback" not in told.stderr
    assert studio_server.token not in told.stderr


def test_a_wrong_token_is_said_plainly_without_showing_it(case: Case, studio_server: Studio, tmp_path: Path) -> None:
    told = trouble.disputes(case.store.data, "pull", url=studio_server.url, token="0" * 40, files=tmp_path)
    assert told.returncode == 0  # nothing was sent yet, so nothing is asked
    told = trouble.disputes(case.store.data, "push", url=studio_server.url, token="0" * 40, files=tmp_path)
    assert told.returncode == 1
    assert "doesn't take the legacy token (401)" in told.stderr
    assert "0" * 40 not in told.stderr


def test_a_deleted_project_is_said_and_given_up_only_on_request(case: Case, studio_server: Studio) -> None:
    push.push(case.store, case.connection, limit=4, audit_share=0.0, actor=ANN)
    first, *_ = case.reviews.tasks()
    studio_server.judge(first.task_id, "Correct")
    pull(case.store, case.connection, actor=ANN)
    (project,) = case.reviews.projects()
    studio_server.sdk().projects.delete(project.project_id)

    with pytest.raises(ServerRefused, match=r"is gone from .*--new-project"):
        push.push(case.store, case.connection, limit=4, audit_share=0.0, actor=ANN)
    with pytest.raises(ServerRefused, match="verdicts pulled before are kept"):
        pull(case.store, case.connection, actor=ANN)
    assert case.reviews.verdicts().height == 1

    done = push.push(case.store, case.connection, limit=3, audit_share=0.0, anew=True, actor=ANN)
    assert done.sent == 3
    (anew,) = case.reviews.projects()
    assert anew.project_id != project.project_id
    assert case.reviews.verdicts().height == 1
    assert pull(case.store, case.connection, actor=ANN).withdrawn == 0


def test_no_token_stands_in_the_warehouse_or_in_an_object_s_words(case: Case, studio_server: Studio) -> None:
    push.push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN)
    address = Address(studio_server.url, studio_server.token)
    assert studio_server.token not in repr(address)
    for file in case.store.data.rglob("*"):
        if file.is_file():
            assert studio_server.token.encode() not in file.read_bytes(), file
    with pytest.raises(ServerRefused, match="must hold no name, password or token"):
        Address("http://admin:secret@127.0.0.1:8080", "token")
