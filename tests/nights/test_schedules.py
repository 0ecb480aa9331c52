"""When a schedule is due: expressions, windows, zones, one catch-up; and 400 nights of trouble."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nights.calendars import START, Clock, Memory, schedule
from tests.people import ANN
from warehouse.queries.nights import Nights
from warehouse.records.nights import MorningReport, Night, NightStep, Schedule
from workbench import processes
from workbench.errors import NightsBusy, ScheduleError
from workbench.nights import coordinator, schedules
from workbench.nights.coordinator import Stop, Worked
from workbench.nights.schedules import Due

ZURICH = ZoneInfo("Europe/Zurich")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH)


def following(one: Schedule, after: datetime, count: int) -> list[str]:
    found = []
    for _ in range(count):
        moment = schedules.next_due(one, after)
        assert moment is not None
        found.append(f"{moment.astimezone(ZURICH):%a %d %H:%M}")
        after = moment
    return found


def test_weekdays_are_crons_where_zero_and_seven_are_sunday() -> None:
    start = at("2025-06-02T00:00")  # a Monday
    assert following(schedule(cron="0 22 * * 1-5"), start, 6) == [
        "Mon 02 22:00", "Tue 03 22:00", "Wed 04 22:00", "Thu 05 22:00", "Fri 06 22:00", "Mon 09 22:00",
    ]  # fmt: skip
    assert following(schedule(cron="0 6 * * 0"), start, 1) == ["Sun 08 06:00"]
    assert following(schedule(cron="0 6 * * 6,7"), start, 2) == ["Sat 07 06:00", "Sun 08 06:00"]
    assert following(schedule(cron="0 6 * * mon"), start, 1) == ["Mon 02 06:00"]
    assert following(schedule(cron="0 6 * * Sat-Sun"), start, 2) == ["Sat 07 06:00", "Sun 08 06:00"]


@pytest.mark.parametrize(
    ("named", "numbered"),
    [("0 6 * * mon-fri/2", "0 6 * * 1-5/2"), ("0 6 * * mon-5", "0 6 * * 1-5"), ("0 6 * * 2-fri", "0 6 * * 2-5"),
     ("0 6 * * Sun-Tue", "0 6 * * 0-2"), ("0 6 1 jan-3 *", "0 6 1 1-3 *"), ("0 6 1 JAN/2 *", "0 6 1 1/2 *")],
)  # fmt: skip
def test_a_name_in_a_range_or_before_a_step_is_its_number(named: str, numbered: str) -> None:
    start = at("2025-06-02T00:00")
    assert following(schedule(cron=named), start, 12) == following(schedule(cron=numbered), start, 12)


def by_hand(cron: str, after: datetime, days: int) -> Iterator[datetime]:
    """The due times of so many days after a moment as cron's manual says them: day by day, field by field."""

    def numbers(field: str, low: int, high: int) -> set[int]:
        found: set[int] = set()
        for item in field.split(","):
            span, _, step = item.partition("/")
            first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
            found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
        return found

    minute, hour, day, month, weekday = cron.split()
    days_of_month, weekdays = numbers(day, 1, 31), {number % 7 for number in numbers(weekday, 0, 7)}
    either = "*" not in day and "*" not in weekday
    for date_ in (after.date() + timedelta(days=number) for number in range(days)):
        matches = (date_.day in days_of_month, date_.isoweekday() % 7 in weekdays)
        if date_.month in numbers(month, 1, 12) and (any(matches) if either else all(matches)):
            times = (time(h, m) for h in sorted(numbers(hour, 0, 23)) for m in sorted(numbers(minute, 0, 59)))
            yield from (due for at in times if (due := datetime.combine(date_, at, UTC)) > after)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of a cron expression: a star, numbers, ranges, steps, and lists of them."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    stepped = st.tuples(st.one_of(st.just("*"), span), st.integers(1, high)).map(lambda two: f"{two[0]}/{two[1]}")
    return st.one_of(
        st.just("*"), stepped, st.lists(st.one_of(number.map(str), span), min_size=1, max_size=3).map(",".join)
    )


@given(
    minute=fields(0, 59), hour=fields(0, 23), day=fields(1, 31), month=fields(1, 12), weekday=fields(0, 7),
    days=st.integers(0, 900),
)  # fmt: skip
@hypothesis.settings(max_examples=100)
def test_due_times_are_those_that_crons_manual_says(
    minute: str, hour: str, day: str, month: str, weekday: str, days: int
) -> None:
    one, after = schedule(cron=f"{minute} {hour} {day} {month} {weekday}", timezone="UTC"), START + timedelta(days=days)
    expected = list(itertools.islice(by_hand(one.cron, after, 400), 3))
    try:
        schedules.next_due(one, after)
    except ScheduleError:  # a step that is wider than its range is refused, where cron takes it for one time
        assert "/" in one.cron
        return
    found: list[datetime] = []
    while len(found) < len(expected) and (moment := schedules.next_due(one, found[-1] if found else after)):
        found.append(moment)
    assert found == expected


def test_either_a_day_of_the_month_or_a_weekday_is_enough() -> None:
    start = at("2026-11-01T00:00")
    assert following(schedule(cron="0 22 1,15 * 5"), start, 6) == [
        "Sun 01 22:00", "Fri 06 22:00", "Fri 13 22:00", "Sun 15 22:00", "Fri 20 22:00", "Fri 27 22:00",
    ]  # fmt: skip
    assert following(schedule(cron="0 22 29 2 *"), start, 1) == ["Tue 29 22:00"]
    schedules.check(schedule(cron="0 22 31 2 5"))  # on Fridays in February


def test_an_hour_that_comes_twice_is_due_once_and_one_that_never_comes_is_due_later() -> None:
    assert following(schedule(cron="30 2 * * *"), at("2025-10-25T12:00"), 2) == ["Sun 26 02:30", "Mon 27 02:30"]
    assert following(schedule(cron="30 2 * * *"), at("2025-03-29T12:00"), 2) == ["Sun 30 03:30", "Mon 31 02:30"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cron": "0 22 * *"}, "has 4 fields; it takes five"),
        ({"cron": "61 22 * * *"}, "can't be read"),
        ({"cron": "0 22 * * mon;tue"}, "can't be read"),
        ({"cron": "0 22 * * mon-"}, "can't be read"),
        ({"cron": "0 22 * jan|feb *"}, "can't be read"),
        ({"cron": "0 22 lastx * *"}, "can't be read"),
        ({"cron": "0 22 * * 8"}, "0 and 7 are Sunday"),
        ({"cron": "0 22 31 2 *"}, "is never due"),
        ({"cron": "0 22 30,31 2 */2"}, "is never due"),
        ({"cron": "0 22 31 4,6,9,11 *"}, "is never due"),
        ({"timezone": "Zurich"}, "give one like Europe/Zurich"),
        ({"time_window": "22-06"}, "it is written HH:MM-HH:MM"),
        ({"time_window": "22:00-22:00"}, "leave it out for the whole day"),
        ({"time_window": "22:00-25:00"}, "can't be read"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_what_is_right(values: dict[str, str], words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        schedules.check(schedule(**values))


def test_a_window_over_midnight_is_open_on_both_sides_of_it() -> None:
    night = schedule(time_window="22:00-06:00")
    opened = [hour for hour in range(24) if schedules.is_open(night, at(f"2025-06-02T{hour:02d}:00"))]
    assert opened == [0, 1, 2, 3, 4, 5, 22, 23]


def test_missed_nights_are_caught_up_together_once_the_window_opens() -> None:
    night = schedule(time_window="22:00-06:00", created_at=at("2025-06-01T12:00"))
    assert schedules.due(night, None, at("2025-06-04T12:00")) is None
    due = schedules.due(night, None, at("2025-06-04T23:00"))
    assert due is not None
    assert (due.first_due_at, due.due_at, due.covered) == (at("2025-06-01T22:00"), at("2025-06-04T22:00"), 4)


def test_a_paused_schedule_is_never_due() -> None:
    assert schedules.due(schedule(paused=True), None, START + timedelta(days=9)) is None


def wall_times(hour: int, minute: int, until: datetime, weekdays: range = range(7)) -> Iterator[datetime]:
    """Every due time of a fixed wall time after START, by the plainest way there is: day by day."""
    day: date = START.astimezone(ZURICH).date()
    while (moment := datetime.combine(day, time(hour, minute), ZURICH).astimezone(UTC)) <= until:
        if moment > START and day.weekday() in weekdays:
            yield moment
        day += timedelta(days=1)


class Trouble:
    """Work that takes minutes per block and is asked to stop after each, while other calls try to come in between."""

    def __init__(self, clock: Clock, ledger: Memory, data: Path, chance: random.Random) -> None:
        self.clock, self.ledger, self.data, self.chance = clock, ledger, data, chance
        self.left: dict[str, int] = {}  # blocks
        self.outside: list[tuple[str, datetime]] = []
        self.turned_away = 0

    def __call__(self, due: Due, _night: Night, stop: Stop) -> Worked:
        name = due.schedule.name
        if due.unfinished is None:
            self.left[name] = self.left.get(name, 0) + self.chance.choice((1, 2, 5, 40, 90))
        if self.chance.random() < 0.05:
            with pytest.raises(NightsBusy):
                coordinator.run_due(self.ledger, self, self.data, self.clock)
            self.turned_away += 1
        while self.left[name]:
            if not schedules.is_open(due.schedule, self.clock.now):
                self.outside.append((name, self.clock.now))
            self.clock.forward(minutes=10)
            self.left[name] -= 1
            if self.left[name] and stop():
                return Worked("cut" if stop.kind == "window" else "stopped", 0)
            if self.chance.random() < 0.002:
                raise SystemExit  # the process is gone: the ledger still says `running`
        return Worked("finished", 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_four_hundred_nights_of_outages_overruns_and_overlaps_run_or_are_caught_up_once(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_A_LOOK", 0.01)  # nobody else looks at this lock
    chance, clock = random.Random(seed), Clock()
    kept = [
        schedule("early", cron="30 2 * * *"),
        schedule("weekdays", cron="0 22 * * 1-5", time_window="22:00-06:00", priority=5),
        schedule("narrow", cron="15 2 * * *", time_window="02:00-04:00", priority=9),
    ]
    ledger = Memory(kept)
    trouble = Trouble(clock, ledger, tmp_path, chance)
    end = START + timedelta(days=400)
    deaths = 0
    while clock.now < end:
        quiet = end - clock.now < timedelta(days=6)  # so that what is late has time to be caught up
        try:
            coordinator.run_due(ledger, trouble, tmp_path, clock)
        except SystemExit:
            deaths += 1
        clock.forward(minutes=20 if quiet or chance.random() < 0.995 else chance.uniform(60, 4000))
        if quiet:
            trouble.left = {name: min(blocks, 1) for name, blocks in trouble.left.items()}

    expected = {
        "early": list(wall_times(2, 30, clock.now)),
        "weekdays": list(wall_times(22, 0, clock.now, range(5))),
        "narrow": list(wall_times(2, 15, clock.now)),
    }
    late = 0
    for name, times in expected.items():
        nights = ledger.of(name)
        covering = [[due for due in times if night.first_due_at <= due <= night.due_at] for night in nights]
        assert [due for dues in covering for due in dues] == times, name  # each once, none twice, none left out
        assert [len(dues) for dues in covering] == [night.covered for night in nights]
        late += sum(night.covered > 1 for night in nights)
    assert len(expected["early"]) >= 399
    assert trouble.outside == []
    assert min(late, deaths, trouble.turned_away) > 0
    assert {night.state for nights in ledger.nights.values() for night in nights.values()} >= {"finished", "cut"}


def test_the_higher_priority_goes_first_and_takes_over_after_a_block(tmp_path: Path) -> None:
    clock = Clock(at("2025-06-02T20:00"))
    created = clock.now
    ledger = Memory(
        [
            schedule("slow", cron="0 21 * * *", created_at=created),
            schedule("urgent", cron="0 22 * * *", priority=1, created_at=created),
        ]
    )
    order: list[str] = []
    left = {"slow": 12, "urgent": 2}

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        name = due.schedule.name
        while left[name]:
            order.append(name)
            left[name] -= 1
            clock.forward(minutes=10)
            if stop():
                return Worked("stopped", 0)
        return Worked("finished", 0)

    clock.forward(hours=1)
    nights = coordinator.run_due(ledger, work, tmp_path, clock)
    assert order == ["slow"] * 6 + ["urgent"] * 2 + ["slow"] * 6
    assert [(night.schedule, night.state, night.message) for night in nights] == [
        ("slow", "stopped", "urgent goes first"),
        ("urgent", "finished", None),
        ("slow", "finished", None),
    ]


def test_a_clock_that_ran_ahead_costs_no_night(tmp_path: Path) -> None:
    clock = Clock(at("2025-06-02T23:00"))
    ledger = Memory([schedule(created_at=at("2025-06-01T12:00"))])

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        return Worked("finished", 1)

    coordinator.run_due(ledger, work, tmp_path, clock)
    clock.forward(days=30)
    coordinator.run_due(ledger, work, tmp_path, clock)
    clock.forward(days=-29)
    coordinator.run_due(ledger, work, tmp_path, clock)
    assert [night.due_at for night in ledger.of("line-3")] == [at("2025-06-02T22:00"), at("2025-06-03T22:00")]
    clock.forward(hours=-2)  # a small step back is no reason to do a night again
    assert coordinator.run_due(ledger, work, tmp_path, clock) == []


def test_a_clock_that_jumps_back_within_a_night_undoes_nothing(tmp_path: Path) -> None:
    clock = Clock(at("2025-06-04T23:00"))
    ledger = Memory([schedule(created_at=at("2025-06-01T12:00"))])
    for _ in range(3):
        coordinator.run_due(ledger, lambda *_: Worked("finished", 1), tmp_path, clock)
        clock.forward(days=1)
    looks = [clock.now, clock.now]

    def jumping() -> datetime:
        return looks.pop() if looks else clock.now - timedelta(days=2)

    coordinator.run_due(ledger, lambda *_: Worked("finished", 1), tmp_path, jumping)
    assert [night.due_at.astimezone(ZURICH).day for night in ledger.of("line-3")] == [4, 5, 6, 7]


def test_a_clock_that_runs_behind_undoes_nothing(tmp_path: Path) -> None:
    clock = Clock(at("2025-06-04T23:00"))
    ledger = Memory([schedule(created_at=at("2025-06-01T12:00"))])

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        return Worked("finished", 1)

    for _ in range(3):
        coordinator.run_due(ledger, work, tmp_path, clock)
        clock.forward(days=1)
    done = list(ledger.nights.values())
    for days in (2, 40, 20_000):  # two days back; before there was a schedule; a machine without a clock of its own
        behind = Clock(clock.now - timedelta(days=days))
        assert coordinator.run_due(ledger, work, tmp_path, behind) == []
        assert list(ledger.nights.values()) == done


def test_a_clock_set_back_for_a_moment_deletes_no_steps_and_no_report(tmp_path: Path) -> None:
    clock, ledger = Clock(at("2025-06-02T23:00")), Nights(tmp_path)
    ledger.keep_schedule(schedule(created_at=at("2025-06-01T12:00")), actor=ANN)

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        assert ledger.steps(night.schedule, night.due_at) == []  # it has none of a night that was void
        ledger.keep_step(NightStep(night.schedule, night.due_at, "report", "done", "", 1.0, clock.now))
        ledger.keep_report(MorningReport(night.schedule, night.due_at, clock.now, "{}"))
        return Worked("finished", 1)

    def reported() -> list[int]:
        return [each.due_at.astimezone(ZURICH).day for each in ledger.reports("line-3")]

    def night_on(day: int) -> None:
        clock.now = at(f"2025-06-{day:02d}T23:00")
        coordinator.run_due(ledger, work, tmp_path, clock)

    night_on(2)
    night_on(5)  # it was off for two nights
    assert reported() == [5, 2]
    night_on(4)
    assert [night.state for night in ledger.nights("line-3")] == ["void", "finished", "finished"]
    assert reported() == [4, 2]
    assert len(ledger.steps("line-3", at("2025-06-05T22:00"))) == 1
    night_on(6)
    assert reported() == [6, 4, 2]
    assert len(ledger.steps("line-3", at("2025-06-05T22:00"))) == 1
    night_on(5)
    assert reported() == [5, 4, 2]


def test_a_night_that_breaks_is_marked_and_the_next_schedule_has_its_turn(tmp_path: Path) -> None:
    clock = Clock(at("2025-06-02T23:00"))
    ledger = Memory([schedule("a", priority=1), schedule("b")])

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        if due.schedule.name == "a":
            raise ValueError("broken")
        return Worked("finished", 3)

    nights = coordinator.run_due(ledger, work, tmp_path, clock)
    assert [(night.schedule, night.state, night.message) for night in nights] == [
        ("a", "failed", "ValueError: broken"),
        ("b", "finished", None),
    ]
    assert coordinator.run_due(ledger, work, tmp_path, clock) == []
