"""Webhooks: a hint with the secret brings a pull, and nothing else that comes over the wire does anything."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.people import ANN
from tests.review import studio, trouble
from tests.review.conftest import Case, Studio
from warehouse.errors import Locked
from workbench.errors import ServerRefused, ServerUnreachable
from workbench.review.labelstudio import server, webhooks
from workbench.review.labelstudio.push import push
from workbench.review.labelstudio.webhooks import HEADER, WebhookListener

SECRET = "a secret of the test"
SERVER_IS_DOWN = ServerUnreachable("down")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookListener]:
    monkeypatch.setattr(webhooks, "QUIET", 0.2)
    with WebhookListener(0, SECRET) as made:
        yield made


def post(listener: WebhookListener, headers: Mapping[str, str], body: bytes = b"{}", method: str = "POST") -> int:
    asked = http.client.HTTPConnection("127.0.0.1", listener.server_address[1], timeout=10)
    try:
        asked.request(method, "/anything?at=all", body, dict(headers))
        return asked.getresponse().status
    finally:
        asked.close()


def followed(
    listener: WebhookListener, pulls: list[str], times: int, every: float = 60.0, error: Exception = SERVER_IS_DOWN
) -> threading.Thread:
    """Following in a thread, which ends after so many pulls; the first fails."""

    def pull() -> str:
        if not pulls:
            pulls.append("failed")
            raise error
        pulls.append("pulled")
        return "done"

    thread = threading.Thread(target=webhooks.follow, args=(listener, pull, every, lambda _: None, times))
    thread.start()
    return thread


def test_many_hints_are_one_pull_and_a_failed_pull_is_tried_again_at_the_next(listener: WebhookListener) -> None:
    pulls: list[str] = []
    thread = followed(listener, pulls, times=2)
    assert [post(listener, {HEADER: SECRET}) for _ in range(5)] == [204] * 5
    time.sleep(0.8)
    assert pulls == ["failed"]
    assert post(listener, {HEADER: SECRET}) == 204
    thread.join(10)
    assert pulls == ["failed", "pulled"]


@pytest.mark.parametrize("error", [SERVER_IS_DOWN, Locked("held for too long"), OSError("read-only file system")])
def test_without_hints_it_pulls_all_the_same_now_and_then_whatever_a_pull_met(
    listener: WebhookListener, error: Exception
) -> None:
    pulls: list[str] = []
    followed(listener, pulls, times=2, every=0.1, error=error).join(10)
    assert pulls == ["failed", "pulled"]


def test_a_stop_that_a_library_kept_to_itself_ends_the_following_after_the_pull(listener: WebhookListener) -> None:
    told: list[str] = []

    def pull() -> str:
        with contextlib.suppress(KeyboardInterrupt):
            listener.stop()
        return "pulled"

    thread = threading.Thread(target=webhooks.follow, args=(listener, pull, 0.1, told.append))
    thread.start()
    thread.join(10)
    assert told == ["pulled"]


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({}, "POST", 403),
        ({HEADER: "another"}, "POST", 403),
        ({HEADER: f"{SECRET} "[:-2]}, "POST", 403),
        ({HEADER: "\xe9\xe9"}, "POST", 403),
        ({HEADER: SECRET, "Content-Length": str(10**9)}, "POST", 413),
        ({HEADER: SECRET, "Transfer-Encoding": "chunked"}, "POST", 411),
        ({HEADER: SECRET}, "GET", 501),
    ],
    ids=["none", "wrong", "shortened", "not ascii", "too large", "without a length", "another method"],
)
def test_what_has_no_secret_or_no_bound_is_turned_away_and_hints_nothing(
    listener: WebhookListener, headers: Mapping[str, str], method: str, status: int
) -> None:
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    body = None if "Transfer-Encoding" in headers else b"{}"
    assert post(listener, headers, body or b"", method) == status
    listener.shutdown()
    assert not listener.hint.is_set()


def test_a_taken_port_is_said(listener: WebhookListener) -> None:
    with pytest.raises(ServerRefused, match=r"cannot listen on port .*choose one with --port"):
        WebhookListener(listener.server_address[1], SECRET)


def test_a_secret_whose_making_was_cut_off_is_made_anew_for_its_owner_alone(tmp_path: Path) -> None:
    file = webhooks.secret_file(tmp_path)

    def killed() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.read_or_create(file, killed)
    assert list(tmp_path.iterdir()) == []
    file.touch()
    made = webhooks.secret(tmp_path)
    assert len(made) > 30
    assert webhooks.secret(tmp_path) == file.read_text(encoding="utf-8") == made
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]


def test_whoever_makes_a_secret_at_once_gets_the_same_one(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def make() -> str:
        together.wait(10)  # all have found that there is none
        return secrets.token_hex(8)

    with ThreadPoolExecutor(8) as people:
        assert len(set(people.map(lambda _: server.read_or_create(tmp_path / "secret", make), range(8)))) == 1


def test_an_ear_without_a_secret_does_not_listen() -> None:
    with pytest.raises(ServerRefused, match="an empty secret"):
        WebhookListener(0, "\n")


@pytest.mark.labelstudio
def test_label_studios_own_webhook_brings_a_verdict_home(case: Case, studio_server: Studio) -> None:
    push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN)
    [task] = case.reviews.tasks()
    data, port = case.store.data, studio.free_port()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "jobs", "disputes", "listen", "--port", str(port), "--every", "600"],
        env=trouble.environment(data, studio_server.url, studio_server.token, studio_server.folder().path.parent),
        cwd=data.parent,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline(), process.stdout.readline()]
            file = data / "labelstudio" / "webhook-secret"
            secret = file.read_text(encoding="utf-8")
            assert file.stat().st_mode & 0o077 == 0
            assert str(file) in told[1]
            assert secret not in "".join(told)
            project = next(one.project_id for one in case.reviews.projects())
            studio_server.sdk().webhooks.create(
                url=f"http://127.0.0.1:{port}/", project=project, headers={HEADER: secret}, send_for_all_actions=True
            )
            studio_server.judge(task.task_id, "Correct", comment="by a webhook")
            # Other actions hint as well: on a slow machine what is pulled first may be nothing.
            pulls = iter(process.stdout.readline, "")
            assert any(pulled.startswith("1 verdict new or edited") for pulled in pulls)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert process.stdout.read().endswith("stopped\n")
        finally:
            process.kill()
    assert case.reviews.verdicts()["comment"].to_list() == ["by a webhook"]
