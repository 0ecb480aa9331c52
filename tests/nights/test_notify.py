"""The report to chats and pagers through Apprise, for schedules of any name; only this machine is spoken to."""

from __future__ import annotations

import email
import email.policy
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nights.calendars import schedule
from tests.nights.test_keeping_safe import listening
from tests.nights.test_operating import mail_server
from tests.pages.test_night_pages import morning
from tests.people import ANN
from warehouse.queries.nights import Nights
from workbench import settings
from workbench.errors import NightError, ScheduleError
from workbench.nights import deliver, notify, schedule_admin
from workbench.nights.notify import Service
from workbench.settings import Operation, Settings

HOSTILE = (
    "line/3", "../../etc/passwd", '"quoted" \'both\'', "a & b <i>", "..", ".hidden", "日本 / Größe Ω", "🏭 Linie 3 🇨🇭",
    "%s {0} $HOME `id`", "?schedule=x#y", "café\u0301", "C:\\lines\\3", "x" * 100,
)  # fmt: skip


def addressed(address: str, tmp_path: Path) -> Operation:
    """Who is told, in a file as people write one."""
    file = tmp_path / "notify.txt"
    file.write_text(f"# the line's channel\n\n{address}\n", encoding="utf-8")
    return Operation(notify=file)


def as_apprise(url: str) -> str:
    return url.replace("http://", "json://")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_report_arrives_whatever_the_schedule_is_called(tmp_path: Path, data_folder: Path, name: str) -> None:
    wanted = schedule_admin.Wanted(name, str(tmp_path), "0 22 * * *", "UTC", None, 0, {}, None, None)
    schedule_admin.add(data_folder, wanted, actor=ANN)
    report = morning(schedule=name)
    page = deliver.write(report, data_folder)
    assert page.resolve().is_relative_to((data_folder / "reports").resolve())
    assert page.parent != data_folder / "reports"
    with listening(fails=0) as (url, received), mail_server(refuses=0) as (smtp, post):
        where = replace(
            addressed(as_apprise(url), tmp_path), report_url=url, report_email="line@example.org", smtp=smtp
        )
        assert deliver.send(report, where, lambda _seconds: None) == ["web hook", "line@example.org", "json"]
    whole, message = (json.loads(body) for body in received)
    assert whole["schedule"] == name
    assert message["title"].startswith(f"{name}: Overkill of product bottle")
    assert f"{name}: night of Monday 19 January 2026, 22:00 CET" in message["message"]
    assert message["type"] == "warning"
    mail = email.message_from_string(post.messages[0], policy=email.policy.default)
    assert mail["Subject"].strip() == message["title"]


@pytest.mark.parametrize("name", ["a\nb", "a\rBcc: x@y", "a\x00b", "a\u2028b", "\udcff", " a", "-x", "x" * 101, ""])
def test_a_name_that_no_header_or_command_could_hold_is_refused_at_the_door(
    tmp_path: Path, data_folder: Path, name: str
) -> None:
    wanted = schedule_admin.Wanted(name, str(tmp_path), "0 22 * * *", "UTC", None, 0, {}, None, None)
    with pytest.raises(ScheduleError, match="name"):
        schedule_admin.add(data_folder, wanted, actor=ANN)
    assert Nights(data_folder).schedules() == []


def test_what_failed_with_line_ends_in_its_message_still_fits_a_header() -> None:
    report = morning(state="failed", message="OSError: gone\r\nBcc: everybody@example.org\n\x1b[31mred")
    with mail_server(refuses=0) as (smtp, post):
        where = Operation(report_email="line@example.org", smtp=smtp)
        deliver.send(report, where, lambda _seconds: None)
    mail = email.message_from_string(post.messages[0], policy=email.policy.default)
    assert mail["Subject"].strip().startswith("line-3: The night failed: OSError: gone Bcc: everybody@example.org")
    assert mail["Bcc"] is None


def test_a_quiet_night_is_no_warning(tmp_path: Path) -> None:
    with listening(fails=0) as (url, received):
        deliver.send(morning(changes=()), addressed(as_apprise(url), tmp_path), lambda _seconds: None)
    assert json.loads(received[0])["type"] == "info"


def test_a_service_is_tried_again_until_it_takes_the_message(tmp_path: Path) -> None:
    waited: list[float] = []
    with listening(fails=2) as (url, received):
        assert deliver.send(morning(), addressed(as_apprise(url), tmp_path), waited.append) == ["json"]
    assert (len(received), len(waited)) == (1, 2)


def test_no_token_is_shown_stored_or_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(notify.ENVIRONMENT, "json://user:hunter2@127.0.0.1:9/secret-token  nonsense://secret-token")
    where = addressed("json://127.0.0.1:9/secret-token", tmp_path)
    with caplog.at_level(logging.INFO), pytest.raises(NightError) as told:
        deliver.send(morning(), where, lambda _seconds: None)
    assert "json: OSError: the service refused it or can't be reached" in str(told.value)
    assert "json 2: OSError" in str(told.value)
    assert "nonsense: Apprise knows no such address" in str(told.value)
    stored = Settings(operation=where).as_json()
    shown = str(settings.Loaded(Settings(operation=where), dict.fromkeys(Settings().values(), "")).settings)
    for said in (str(told.value), caplog.text, stored, shown, repr(notify.services(where.notify))):
        assert "secret-token" not in said
        assert "hunter2" not in said
    assert "notify" not in json.loads(stored)


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        (
            "https://prod-12.westeurope.logic.azure.com:443/workflows/a1b2c3d4/triggers/manual/paths/invoke"
            "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=QWxsIG9mIGl0",
            "workflow",  # Teams
        ),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
    ],
)
def test_a_chats_web_hook_gets_a_message_and_not_the_reports_json(url: str, service: str) -> None:
    assert notify.is_chat(url)
    assert not notify.is_chat("https://hooks.slack.com.example.org/services/T/B/C")
    assert not notify.is_chat("http://127.0.0.1:9/hooks.slack.com")
    plugin = notify.plugin(Service("web hook", url))
    assert plugin.url().startswith(f"{service}://")


def test_without_apprise_it_is_said_what_to_install_and_the_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    waited: list[float] = []
    with listening(fails=0) as (url, received), pytest.raises(NightError) as told:
        deliver.send(morning(), replace(addressed("slack://secret", tmp_path), report_url=url), waited.append)
    assert "slack: it takes Apprise: pip install 'inspection-workbench[notify]' (sent: web hook)" in str(told.value)
    assert (len(received), waited) == (1, [])


def test_a_file_that_is_gone_keeps_no_other_from_the_report(tmp_path: Path) -> None:
    with (
        listening(fails=0) as (url, received),
        pytest.raises(NightError, match=r"notify names .*, which can't be read"),
    ):
        deliver.send(morning(), Operation(notify=tmp_path / "gone", report_url=url), lambda _seconds: None)
    assert len(received) == 1


def test_a_name_is_quoted_in_the_commands_that_are_shown() -> None:
    from workbench.nights import golden

    assert golden._remedy(schedule("Linie 3; rm -rf /")).endswith("golden 'Linie 3; rm -rf /' --accept")
