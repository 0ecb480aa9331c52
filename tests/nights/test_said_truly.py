"""What a report says is what was: waiting files, titles, time zones, golden samples, disputes past the budget."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.nights.calendars import schedule
from tests.nights.test_operating import mail_server
from tests.pages.screen import opened, words
from tests.pages.test_night_pages import BAD, keep, morning
from tests.people import ANN
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.nights import NightRun
from warehouse.store import Store
from workbench.analysis.drift import Rate
from workbench.nights import deliver, reports
from workbench.nights.morning import _of_golden
from workbench.nights.reports import Morning
from workbench.pages.nights import cards
from workbench.pages.ui import components
from workbench.settings import Operation


def shown() -> str:
    """Tonight, its title too."""
    page = opened(components.TONIGHT)
    return f"{page.title[0].value} {words(page)}".replace("\\", "")


def everywhere(report: Morning, data: Path) -> dict[str, str]:
    """All that people read of a report: the page that stands alone, the mail's text, Tonight."""
    keep(data, report)
    return {"page": deliver.html(report), "mail": deliver.text(report), "Tonight": shown()}


def test_files_that_wait_are_not_said_to_be_nothing_new(data_folder: Path) -> None:
    nothing = {"images": 0, "questions": 0, "rates": (), "changes": (), "failures": (), "waiting_files": 3}
    told = everywhere(morning(**nothing), data_folder)
    for surface, text in told.items():
        assert "Nothing was scored: 3 files were changed too recently and wait for the next night." in text, surface
        assert "Nothing was new" not in text, surface
        assert "everything new was scored" not in text, surface
    assert morning(**nothing | {"waiting_files": 0}).finding == "Nothing was new."


def test_a_night_after_too_few_others_is_not_said_to_be_unchanged(data_folder: Path) -> None:
    few = morning(signals=0, changes=(), baseline_nights=1, baseline_images=16)
    said = "3,248 images were scored. Too little was scored before to tell a change by the answers: it takes 3 nights"
    for surface, text in everywhere(few, data_folder).items():
        assert said in text, surface
        assert "of 0 signals" not in text, surface


def test_files_that_wait_are_told_beside_what_was_scored(data_folder: Path) -> None:
    for surface, text in everywhere(morning(waiting_files=1), data_folder).items():
        assert "1 file was changed too recently and waits for the next night" in text, surface
        assert "everything new was scored" not in text, surface


def test_nights_of_one_date_have_titles_and_files_of_their_own(data_folder: Path) -> None:
    first = datetime(2025, 10, 25, 22, 0, tzinfo=UTC)  # the night in which clocks go back
    due = [first + timedelta(minutes=30 * half) for half in range(8)]
    due += [due[1] + timedelta(seconds=17), due[2] + timedelta(microseconds=5)]
    nights = [morning(due_at=moment) for moment in due]
    assert len({night.title for night in nights}) == len(nights)
    assert len({deliver.title(night) for night in nights}) == len(nights)
    assert len({deliver.write(night, data_folder) for night in nights}) == len(nights)
    page = deliver.html(nights[0])
    assert re.findall("<title>(.*)</title>", page) == ["line-3: night of Sunday 26 October 2025, 00:00 CEST"]
    assert "<h1>line-3: night of Sunday 26 October 2025, 00:00 CEST</h1>" in page


@pytest.mark.parametrize(
    ("zone", "title", "file", "tick"),
    [
        ("Asia/Tokyo", "Night of Tuesday 20 January 2026, 06:00 JST", "2026-01-20T0600+0900.html", "20 06"),
        ("America/New_York", "Night of Monday 19 January 2026, 16:00 EST", "2026-01-19T1600-0500.html", "19 16"),
    ],
)
def test_dates_are_those_of_the_schedules_time_zone(
    data_folder: Path, zone: str, title: str, file: str, tick: str
) -> None:
    report = morning(timezone=zone)
    for surface, text in everywhere(report, data_folder).items():
        assert title.removeprefix("Night") in text, surface
    assert deliver.page_file(report, data_folder).name == file
    strand, *_ = cards.strands([report])
    assert f"{strand.points[0].night:%d %H}" == tick


@pytest.mark.parametrize(
    ("zone", "nights"),
    [
        ("UTC", ["2026-01-18", "2026-01-19", "2026-01-19"]),
        ("America/Los_Angeles", ["2026-01-18", "2026-01-18", "2026-01-19"]),
        ("Asia/Tokyo", ["2026-01-19", "2026-01-19", "2026-01-20"]),
        ("Atlantis", ["2026-01-18", "2026-01-19", "2026-01-19"]),  # nobody knows it any more: by UTC
    ],
)
def test_an_answers_night_goes_from_noon_to_noon_by_the_schedules_clocks(
    data_folder: Path, zone: str, nights: list[str]
) -> None:
    ledger, store = Nights(data_folder), Store(data_folder)
    ledger.keep_schedule(schedule(timezone=zone), actor=ANN)
    due = datetime(2026, 1, 19, 21, tzinfo=UTC)
    ledger.open_run(rows.run(), NightRun("line-3", due, rows.RUN, "archive"), [])
    taken = [datetime(2026, 1, 19, 11, 59, tzinfo=UTC), due.replace(hour=19), datetime(2026, 1, 20, 4, tzinfo=UTC)]
    made = [rows.prediction(0, 2 * place, captured_at=moment) for place, moment in enumerate(taken)]
    spool.write_part(data_folder, rows.RUN, 0, made)
    ingest(store)
    found = Rollups(data_folder).facts(Selection(rows.RUN), ("image_id", "night")).sort("image_id")
    assert found["night"].cast(pl.String).to_list() == nights


def test_nobody_on_a_shop_floor_reads_a_p_value(data_folder: Path) -> None:
    report = morning(slices=(BAD,))
    told = everywhere(report, data_folder)
    with mail_server(refuses=0) as (smtp, post):
        deliver.send(report, Operation(report_email="line@example.org", smtp=smtp), lambda _seconds: None)
    message = email.message_from_string(post.messages[0], policy=email.policy.default)
    bodies = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    assert len(bodies) == 2
    for surface, text in [*told.items(), *enumerate(bodies)]:
        assert "overkill" in text.lower(), surface
        assert not re.search(r"(?i)(>\s*[pq]\s*<|\b[pq]\s*[=<]\s*0|\bp-value|\bq-value|\b[pq] 0\.)", text), surface
        assert "&lt; 0.001" not in text, surface
        assert "< 0.001" not in text, surface
    assert cards.changed_rows(report)["p_value"].to_list() == [3e-12]
    assert cards.slice_rows(report)["q"].to_list() == [2e-6]


def test_an_alarm_is_a_nights_and_a_picture_is_called_defective(data_folder: Path) -> None:
    rate = Rate("alarm", 0.2, 0.1, 0.3, 0.05, 100, 3000, 1.0)
    worse = replace(morning().changes[0], name="alarm")
    report = morning(labelled=0, rates=(rate,), changes=(worse, replace(worse, group="all", value="")))
    for surface, text in everywhere(report, data_folder).items():
        assert "Share called defective of product bottle" in text, surface
        assert "called defective" in text.lower(), surface
        assert not re.search(r"(?i)\balarm (of|rose|fell)|>alarm<|\balarm  ", text), surface
    assert "higher, an alarm" in shown()


def test_golden_samples_that_move_are_no_alarm_of_a_picture_or_a_rate(data_folder: Path) -> None:
    moved = morning(state="alarm", message="2 of 40 golden answers moved", images=0, rates=(), changes=())
    for surface, text in everywhere(moved, data_folder).items():
        assert "Golden samples moved" in text, surface
        assert "alarm" not in text.lower(), surface


def test_golden_samples_count_overkill_and_escape_apart(data_folder: Path) -> None:
    of_kind = (("good", "good", 7), ("good", "defective", 2), ("good", "unreadable", 1), ("defective", "defective", 4),
               ("defective", "good", 1))  # fmt: skip
    answers = [(label, claim) for label, claim, count in of_kind for _ in range(count)]
    detections = pl.DataFrame(answers, schema=["label", "claim"], orient="row").with_row_index("cluster_id")
    found = _of_golden(detections.with_columns(right=pl.col("label") == pl.col("claim")))
    assert [(each.error, each.wrong, each.n) for each in found] == [
        ("overkill", 2, 10), ("escape", 1, 5), ("unreadable", 1, 15),
    ]  # fmt: skip
    for surface, text in everywhere(morning(labelled=0, truth=tuple(found)), data_folder).items():
        assert "2 of 10 good golden samples" in text, surface
        assert "1 of 5 defective golden samples" in text, surface


def test_a_queue_that_nobody_will_judge_is_said_to_be_one_and_what_was_drawn_stays(data_folder: Path) -> None:
    report = morning(disputes_waiting=284, disputes_drawn=32, review_budget=40)
    for surface, text in everywhere(report, data_folder).items():
        assert "284 cases wait for people, 32 drawn at random and 252 by rules" in text, surface
        assert "more than anyone will judge at 40 a night" in text, surface
        assert "Those drawn at random stay in the queue" in text, surface
    assert "more than" not in deliver.text(morning(disputes_waiting=40, review_budget=40))
    assert "more than" not in deliver.text(morning(disputes_waiting=284, review_budget=None))


def test_a_report_of_an_earlier_release_is_told_by_utc() -> None:
    older = re.sub(r',"(timezone|waiting_files|disputes_drawn)":[^,}]+', "", reports.as_json(morning()))
    assert "timezone" not in older
    assert reports.from_json(older).title == "Night of Monday 19 January 2026, 21:00 UTC"
