"""Operating it: a graceful stop, logs that rotate, mail, and a doctor that names what needs somebody."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import logging
import os
import shutil
import signal
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.nights.archives import Nightly, pictures
from tests.nights.calendars import schedule
from tests.pages.test_night_pages import morning
from tests.people import ANN
from tests.scored import Quiet
from tests.warehouse import rows
from warehouse.queries.nights import Nights
from warehouse.records.nights import Backup, Night
from warehouse.store import Store
from workbench.analysis.alarms import Alarms, Called, Picture
from workbench.analysis.intervals import Estimate
from workbench.errors import NightError
from workbench.nights import deliver, health, logs
from workbench.settings import Operation


class Terminated(Quiet):
    """A service manager stops the process once the first block is stored."""

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_night_that_is_terminated_ends_after_its_block_and_goes_on(tmp_path: Path, data_folder: Path) -> None:
    pictures(tmp_path / "archive", 5)
    nightly = Nightly(data_folder, tmp_path / "archive")
    nightly.keep()
    stopped = nightly.night(watch=Terminated())
    assert (stopped.state, stopped.images) == ("stopped", 2)
    assert "stopped by SIGTERM" in (stopped.message or "")
    night = nightly.night()
    assert (night.state, night.images, night.due_at, night.tries) == ("finished", 5, stopped.due_at, 2)


def test_the_log_of_nights_is_one_object_a_line_and_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 2000)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        file = logs.to_file(tmp_path)
        assert logs.to_file(tmp_path) == file
        assert len(root.handlers) == len(before) + 1
        for number in range(200):
            logging.getLogger("workbench.nights").info("schedule=line-3 block=%d", number)
            logging.getLogger("somebody.else").info("chatter")
    finally:
        for handler in [handler for handler in root.handlers if handler not in before]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
    kept = sorted(file.parent.iterdir())
    assert len(kept) == logs.KEPT + 1
    assert max(each.stat().st_size for each in kept) <= 2000
    said = [json.loads(line) for line in file.read_text().splitlines()]
    assert (said[-1]["schedule"], said[-1]["block"], said[-1]["level"]) == ("line-3", "199", "INFO")


@dataclass
class Post:
    """What a mail server does and gets."""

    refuses: int
    messages: list[str] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)  # as the mail protocol writes them; encrypted or not


@contextmanager
def mail_server(refuses: int, tls: ssl.SSLContext | None = None, at_once: bool = False) -> Iterator[tuple[str, Post]]:
    """A mail server on loopback that says "later" so many times, then takes what comes.

    With `tls` it can be talked to encrypted: when it is asked to, or at once.
    """
    post = Post(refuses)

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                if at_once:
                    self.encrypt()
                self.talk()
            except OSError:
                pass  # the other side doesn't trust us
            self.request.close()

        def encrypt(self) -> None:
            assert tls is not None
            self.request = tls.wrap_socket(self.request, server_side=True)
            self.setup()

        def talk(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline():
                word, _, rest = line.decode().strip().partition(" ")
                word = word.upper()
                if word == "EHLO":
                    self.say("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN")
                elif word == "STARTTLS":
                    self.say("220 go on")
                    self.encrypt()
                elif word == "AUTH":
                    post.logins.append((rest, isinstance(self.request, ssl.SSLSocket)))
                    self.say("235 welcome")
                elif word == "MAIL" and post.refuses > 0:
                    post.refuses -= 1
                    self.say("451 later")
                elif word == "DATA":
                    self.say("354 go on")
                    post.messages.append("".join(text.decode() for text in iter(self.rfile.readline, b".\r\n")))
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 well")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", post
        finally:
            server.shutdown()
            thread.join()


def test_the_report_goes_out_by_mail_once_the_server_takes_it() -> None:
    waited: list[float] = []
    with mail_server(refuses=2) as (smtp, post):
        where = Operation(report_email="line@example.org", smtp=smtp)
        assert deliver.send(morning(), where, waited.append) == ["line@example.org"]
    assert len(waited) == 2
    assert 0 < sum(waited) < deliver.PATIENCE
    (message,) = post.messages
    assert "To: line@example.org" in message
    assert "text/plain" in message
    assert "text/html" in message


def test_pictures_called_defective_go_with_a_mail_as_parts_that_its_page_names() -> None:
    picture = Picture("run", "image-1", "question", "a.png", "plate", None, "A1", "Yes.", 0.9, "Top left.")
    found = Alarms(Called(13, 13, Estimate(1.0, 0.8, 1.0), 0.9), (), (picture,))
    with mail_server(refuses=0) as (smtp, post):
        where = Operation(report_email="line@example.org", smtp=smtp)
        deliver.send(morning(alarms=found), where, lambda _seconds: None, {"image-1": b"\xff\xd8 a picture"})
    message = email.message_from_string(post.messages[0], policy=email.policy.default)
    (page,) = [part for part in message.walk() if part.get_content_type() == "text/html"]
    (jpeg,) = [part for part in message.walk() if part.get_content_type() == "image/jpeg"]
    assert '<img src="cid:image-1" alt="plate, camera A1, 0.90"' in page.get_content()
    assert "The likeliest defects, 1 of 13" in page.get_content()
    assert jpeg["Content-ID"] == "<image-1>"
    assert jpeg.get_content() == b"\xff\xd8 a picture"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path / "server.pem"
    told = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [openssl, "req", *told.split(), "-out", file, "-keyout", tmp_path / "key.pem"], check=True, capture_output=True
    )
    file.write_text(file.read_text() + (tmp_path / "key.pem").read_text())
    return file


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_the_report_goes_out_encrypted_with_a_login_to_a_server_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, way: Literal["starttls", "tls"]
) -> None:
    monkeypatch.setenv("WORKBENCH_SMTP_USER", "line@example.org")
    monkeypatch.setenv("WORKBENCH_SMTP_PASSWORD", "secret")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with mail_server(0, tls, at_once=way == "tls") as (smtp, post):
        where = Operation(report_email="boss@example.org", smtp=smtp, smtp_tls=way)
        with pytest.raises(NightError, match="certificate") as caught:
            deliver.send(morning(), where, lambda _seconds: None)
        assert "secret" not in str(caught.value)
        assert (post.logins, post.messages) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert deliver.send(morning(), where, lambda _seconds: None) == ["boss@example.org"]
    said = base64.b64encode(b"\0line@example.org\0secret").decode()
    assert post.logins == [(f"PLAIN {said}", True)]
    assert "From: line@example.org" in post.messages[0]
    assert "To: boss@example.org" in post.messages[0]


def test_a_password_is_not_told_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SMTP_USER", "line@example.org")
    where = Operation(report_email="line@example.org", smtp="mail.example.org")
    with pytest.raises(NightError, match="a login needs smtp_tls"):
        deliver.send(morning(), where, lambda _seconds: None)


def test_one_way_that_fails_keeps_no_other_from_its_report() -> None:
    with mail_server(refuses=0) as (smtp, post):
        where = Operation(report_url="http://127.0.0.1:9/", report_email="line@example.org", smtp=smtp)
        with pytest.raises(NightError, match=r"web hook: .* \(sent: line@example"):
            deliver.send(morning(), where, lambda _seconds: None)
    assert len(post.messages) == 1


def test_the_doctor_names_what_needs_somebody_red_first_each_with_its_remedy(tmp_path: Path, data_folder: Path) -> None:
    now = datetime.now(UTC)
    ledger = Nights(data_folder)
    hourly: dict[str, Any] = {"cron": "0 * * * *", "timezone": "UTC", "archive": str(tmp_path)}
    pictures(tmp_path, 1)
    (tmp_path / "mountpoint").mkdir()
    schedules: dict[str, dict[str, Any]] = {
        "late": {"created_at": now - timedelta(days=1)},
        "gone": {"created_at": now, "archive": str(tmp_path / "unmounted")},
        "empty": {"created_at": now, "archive": str(tmp_path / "mountpoint")},
        "broken": {"created_at": now},
        "paused": {"created_at": now, "paused": True},
        "ahead": {"created_at": now},
    }
    for name, values in schedules.items():
        ledger.keep_schedule(schedule(name, **{**hourly, **values}), actor=ANN)
    ledger.keep_night(Night("broken", now, now, 1, "failed", now, now, 1, 0, "no such model"))
    later = now + timedelta(days=30)
    ledger.keep_night(Night("ahead", later, later, 1, "finished", later, later, 1, 5, None))
    ledger.keep_backup(Backup(now - timedelta(days=9), str(tmp_path / "removed.duckdb")), actor=ANN)
    Store(data_folder).open_run(rows.run())

    found = health.examine(data_folder, thorough=False)
    states = [each.state for each in found]
    assert states == sorted(states, key=("red", "yellow", "green").index)
    assert all(each.remedy for each in found if each.state != "green")
    told = {each.subject: (each.state, each.detail) for each in found}
    for subject, state, words in (
        ("schedule late", "red", "nobody works on it"),
        ("schedule gone", "red", "isn't there or is empty"),
        ("schedule empty", "red", "isn't there or is empty"),
        ("schedule broken", "red", "no such model"),
        ("schedule paused", "yellow", "paused"),
        ("schedule ahead", "green", "no night yet"),
        ("clock", "yellow", "a night of ahead is dated"),
        ("backup", "red", "is gone"),
        ("runs", "yellow", "1 left running by a process that died"),
    ):
        assert told[subject][0] == state, subject
        assert words in told[subject][1], subject
