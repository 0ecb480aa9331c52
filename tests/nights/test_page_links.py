"""With the dashboard's address, report, mail and messages lead to what they are about; without it nowhere."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.nights.test_keeping_safe import listening
from tests.nights.test_notify import addressed, as_apprise
from tests.nights.test_operating import mail_server
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.pages.test_night_pages import DUE, keep, morning
from warehouse.queries.rollups import Rollups, Selection
from workbench import settings
from workbench.analysis.alarms import PICTURES, Picture
from workbench.errors import SettingsError
from workbench.nights import deliver
from workbench.nights.reports import Found, Morning
from workbench.pages.ui import components

DASHBOARD = "https://inspection.example/workbench/"


@pytest.fixture
def told(data_folder: Path) -> Morning:
    """A report of a seeded run, two of whose pictures were found."""
    run = seed.seed(data_folder, images=4).run
    rows = Rollups(data_folder).facts(Selection(run.run_id), PICTURES).head(2)
    pictures = tuple(Picture(**row) for row in rows.iter_rows(named=True))
    report = morning(
        schedule="line 3 & <4>", run_ids=(run.run_id,), called_defective=Found("answers", 2, 4, 0, pictures)
    )
    keep(data_folder, report)
    return report


def links(text: str) -> list[tuple[str, dict[str, str]]]:
    """Page and address of every link to the dashboard, in their order."""
    found = [urlsplit(each) for each in re.findall(rf"{DASHBOARD}[^\s\"]*", html.unescape(text))]
    return [(each.path.removeprefix("/workbench/"), dict(parse_qsl(each.query, strict_parsing=True))) for each in found]


def test_every_link_opens_the_page_it_is_about(told: Morning) -> None:
    assert told.called_defective is not None
    there = {deliver.html(told, {}, DASHBOARD), deliver.text(told, DASHBOARD)}
    for text in there:
        (tonight, address), *cases = links(text)
        assert (tonight, address) == ("tonight", {"schedule": told.schedule, "night": f"{DUE:%Y-%m-%dT%H:%M:%S}"})
        assert [page for page, _ in cases] == ["case", "case"]
        assert [each["image"] for _, each in cases] == [each.image_id for each in told.called_defective.pictures]
    for picture, (_, address) in zip(told.called_defective.pictures, cases, strict=True):
        folder, name = Path(picture.image_path).parts[-2:]
        assert f"plate · {folder}/{name}" in words(opened(components.CASE, **address))
    entry = (Path(__file__).parents[2] / "streamlit_app.py").read_text(encoding="utf-8")
    for page, script in (("case", "CASE"), ("tonight", "TONIGHT")):
        assert re.search(rf'st\.Page\(components\.{script}, title="\w+", url_path="{page}"', entry)


def test_a_threshold_that_calls_pictures_defective_goes_along(told: Morning) -> None:
    assert told.called_defective is not None
    by_threshold = replace(told, called_defective=replace(told.called_defective, rule="comparison"))
    _, *cases = links(deliver.text(by_threshold, DASHBOARD))
    assert {each["alarms"] for _, each in cases} == {"comparison"}


def test_pictures_lead_to_their_cases_and_mail_and_messages_hold_the_links(told: Morning, tmp_path: Path) -> None:
    assert told.called_defective is not None
    first = told.called_defective.pictures[0]
    with listening(fails=0) as (url, received), mail_server(refuses=0) as (smtp, post):
        where = replace(
            addressed(as_apprise(url), tmp_path), report_email="line@example.org", smtp=smtp, dashboard_url=DASHBOARD
        )
        deliver.send(told, where, lambda _seconds: None, {first.image_id: b"jpeg"})
    message = email.message_from_string(post.messages[0], policy=email.policy.default)
    plain, page = (part.get_content() for part in message.walk() if part.get_content_maintype() == "text")
    for text in (plain, json.loads(received[0])["message"]):
        assert [page for page, _ in links(text)] == ["tonight", "case", "case"]
    assert [page for page, _ in links(page)] == ["tonight", "case", "case", "case"]  # the picture leads there too


def test_without_the_address_nothing_leads_anywhere(told: Morning) -> None:
    for text in (deliver.html(told), deliver.text(told)):
        assert "http" not in text
        assert "href" not in text


def test_an_address_that_no_browser_opens_is_refused_where_it_is_set(tmp_path: Path) -> None:
    for address in ("inspection:8501", "javascript:alert(1)", ""):
        with pytest.raises(SettingsError, match=r"dashboard_url is .*; it begins with http:// or https://"):
            settings.load({"dashboard_url": address})
