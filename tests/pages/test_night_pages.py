"""Tonight and Health: empty, one night, thirty nights, an archive without labels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.nights.calendars import schedule
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN
from warehouse.queries.nights import Nights
from warehouse.records.nights import MorningReport
from workbench.analysis.drift import Rate, Signal, Slice
from workbench.nights import reports
from workbench.nights.reports import Done, FailedImages, Morning, Truth
from workbench.pages.ui import components

DUE = datetime(2026, 1, 19, 21, 0, tzinfo=UTC)
WORSE = Signal("overkill", "product", "bottle <amber>", 0.196, 0.041, None, 148, 4000, 3e-12, alarm=True)
BAD = Slice((("subtask", "Anomaly Detection"), ("camera", "<b>2</b>")), 812, 812, 0.51, 0.72, 0.7, 0.07, 2e-6)


def morning(**values: object) -> Morning:
    plain = Morning(
        schedule="line-3", archive="/photos", due_at=DUE, state="finished", message=None, caught_up=0,
        model="embedded", demo=True, knowledge_version=None, run_ids=("run",), images=3248, questions=19604,
        invalid=24, failed=3, failed_images=1, quarantined=0, left=None, seconds=8123.0, images_per_second=0.4,
        baseline_nights=30, baseline_images=94_000, labelled=3248,
        rates=(
            Rate("overkill", 0.074, 0.062, 0.088, 0.043, 1406, 42_000, 1.0),
            Rate("entropy", 0.41, 0.39, 0.43, 0.36, 3248, 94_000, 1.0),
        ),
        truth=(), signals=287, changes=(WORSE,), false_alarm_percent=5.0,
        failures=(FailedImages("truncated: the file ends before the picture does", 1, "bottle/3.png", "truncated", 4),),
        disputes_waiting=37, review_budget=40, steps=(Done("back up", "failed", "DiskFull: no room"),),
        timezone="Europe/Zurich",
    )  # fmt: skip
    return replace(plain, **values)  # type: ignore[arg-type]


def keep(data: Path, *told: Morning) -> None:
    ledger = Nights(data)
    ledger.keep_schedule(schedule(), actor=ANN)
    for each in told:
        ledger.keep_report(MorningReport(each.schedule, each.due_at, each.due_at, reports.as_json(each)))


def test_without_a_schedule_the_page_says_the_next_command(data_folder: Path) -> None:
    assert "workbench schedule add" in words(opened(components.TONIGHT))


def test_a_schedule_without_a_night_says_how_to_have_one(data_folder: Path) -> None:
    keep(data_folder)
    assert "workbench schedule run-due --now line-3" in words(opened(components.TONIGHT))


def test_the_newest_night_says_what_changed_first_and_what_needs_somebody(data_folder: Path) -> None:
    keep(data_folder, morning())
    shown = opened(components.TONIGHT)
    assert shown.title[0].value.replace("\\", "") == "Night of Monday 19 January 2026, 22:00 CET"
    text = words(shown)
    assert "Overkill of product bottle &lt;amber&gt; rose from 4.1 % to 19.6 %" in text
    assert "bottle <amber>" not in text
    for told in ("higher, no alarm", "truncated", "DiskFull: no room", "budget 40 a night", "embedded demo model"):
        assert told in text


def test_an_older_night_is_shown_by_its_address(data_folder: Path) -> None:
    nights = [morning(due_at=DUE - timedelta(days=day), images=100 + day, changes=()) for day in range(30)]
    keep(data_folder, *nights)
    shown = opened(components.TONIGHT, night="2026-01-17T21:00:00")
    assert shown.title[0].value.replace("\\", "") == "Night of Saturday 17 January 2026, 22:00 CET"
    assert "102 images were scored; none of 287 signals changed." in words(shown)


def test_another_night_is_chosen_without_losing_what_else_the_address_holds(data_folder: Path) -> None:
    keep(data_folder, morning(), morning(due_at=DUE - timedelta(days=2), images=102))
    shown = opened(components.TONIGHT, run="kept")
    shown.selectbox(key="tonight.night").set_value("2026-01-17T21:00:00").run()
    assert shown.query_params == {"run": "kept", "night": "2026-01-17T21:00:00"}
    assert shown.title[0].value.replace("\\", "") == "Night of Saturday 17 January 2026, 22:00 CET"


def test_a_new_bad_slice_is_shown_and_leads_to_its_errors(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    slices = (BAD, replace(BAD, conditions=(("subtask", "Anomaly Detection"), ("camera", "none"))))
    keep(data_folder, morning(slices=slices, run_ids=(seeded.run.run_id,)))
    shown = opened(components.TONIGHT)
    text = words(shown)
    assert "Anomaly Detection, camera &lt;b&gt;2&lt;/b&gt;" in text
    assert "<b>2</b>" not in text
    assert "apart from the signals, 5 of 100 ordinary nights at most name any" in text
    links = [dict(parse_qsl(link.proto.query_string)) for link in shown.main.get("page_link")]
    strange, known = (link for link in links if "camera" in link)
    assert strange == {"run": seeded.run.run_id, "subtask": "Anomaly Detection", "camera": "<b>2</b>"}
    errors = opened(components.ERRORS, **known)
    chips = [button.label for button in errors.button if str(button.key).startswith("chip.")]
    assert chips[:2] == [f"{components.plain(text)} ✕" for text in ("subtask: Anomaly Detection", "camera: none")]
    assert "answers are right" in words(errors)


@pytest.mark.parametrize("slices", [None, ()])
def test_a_night_with_no_new_bad_slice_says_so_only_where_they_were_looked_for(
    data_folder: Path, slices: tuple[Slice, ...] | None
) -> None:
    keep(data_folder, morning(slices=slices))
    assert ("Not enough evidence that any part of the answers became worse" in words(opened(components.TONIGHT))) == (
        slices is not None
    )


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ((), "not measurable"),
        ((Truth("golden samples", 2, 40, 0.01, 0.16, "overkill"),), "2 of 40 good golden samples"),
    ],
)
def test_without_labels_errors_come_from_golden_samples_or_are_not_measurable(
    data_folder: Path, truth: tuple[Truth, ...], told: str
) -> None:
    alarm = Rate("alarm", 0.074, 0.062, 0.088, 0.043, 1406, 42_000, 1.0)
    keep(data_folder, morning(labelled=0, rates=(alarm,), truth=truth))
    assert told in words(opened(components.TONIGHT))


def test_health_shows_red_first_with_its_remedy(data_folder: Path) -> None:
    ledger = Nights(data_folder)
    ledger.keep_schedule(schedule(archive=str(data_folder / "gone"), created_at=datetime.now(UTC)), actor=ANN)
    text = words(opened(components.HEALTH))
    assert "mount it, or remove the schedule" in text
    assert text.index("isn't there" if "isn't there" in text else "isn&#39;t there") < text.index("writable")
