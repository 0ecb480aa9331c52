"""Tonight: what the night scored, whether anything changed, what waits for people; thirty nights back.

In the address: `schedule`, and `night`, its due time.
"""

from __future__ import annotations

import logging
import shlex
from datetime import datetime
from functools import partial
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from warehouse import schema
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import SUSPICIOUS, Selection
from warehouse.records.nights import Night
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench import wording
from workbench.analysis.alarms import NOTHING, Alarms
from workbench.analysis.charts import nights
from workbench.nights import night_alarms, night_charts, page_links, weekly_review
from workbench.nights import reports as telling
from workbench.nights.chart_words import Charts
from workbench.nights.reports import Morning
from workbench.pages.nights import cards, lead_cards
from workbench.pages.runs import cards as run_cards
from workbench.pages.ui import address, called_defective, components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html
from workbench.pages.ui.reads import Snapshot
from workbench.review.escape_estimate import Week

logger = logging.getLogger(__name__)

NIGHTS = 30
FIRST = "workbench schedule add line-3 ARCHIVE && workbench schedule run-due --now line-3"

now = reads.snapshot()


@st.cache_data(show_spinner=False, max_entries=8)
def names(now: Snapshot) -> list[str]:
    """The schedules, in the order they are worked through."""
    return [schedule.name for schedule in Nights(Path(now.data)).schedules()]


@st.cache_data(show_spinner=False, max_entries=8)
def reports(now: Snapshot, schedule: str) -> list[Morning]:
    """A schedule's newest reports, newest first."""
    found = []
    for stored in Nights(Path(now.data)).reports(schedule, NIGHTS):
        try:
            found.append(telling.from_json(stored.report))
        except ValueError as error:  # of another release; the others are shown all the same
            logger.warning("schedule=%s due=%s: its report can't be read: %s", schedule, stored.due_at, error)
    return found


@st.cache_data(show_spinner=False, max_entries=8)
def reviewed_week(now: Snapshot, schedule: str, due_at: datetime) -> Week | None:
    """True escape and overkill of the week up to a night, by what people have judged until now."""
    return weekly_review.of_night(Path(now.data), schedule, due_at)


@st.cache_data(show_spinner=False, max_entries=8)
def at_work(now: Snapshot, schedule: str) -> tuple[Night, Run | None] | None:
    """The night that is being worked on, and its run."""
    ledger = Nights(Path(now.data))
    night = ledger.last_nights().get(schedule)
    if night is None or night.state != "running":
        return None
    mine = {run.run_id for run in ledger.night_runs(schedule) if run.due_at == night.due_at}
    runs = [run for run in schema.records(Run, Store(Path(now.data)).runs()) if run.run_id in mine]
    return night, runs[0] if runs else None


@st.cache_data(show_spinner=False, max_entries=8)
def charts_of(now: Snapshot, schedule: str, due_at: datetime) -> Charts | None:
    """What the charts said on a morning, without what was acknowledged since."""
    found = next((report.charts for report in reports(now, schedule) if report.due_at == due_at), None)
    return night_charts.still_open(Path(now.data), found) if found else None


def choose_schedule(width: int) -> None:
    """Another schedule begins with its newest night."""
    address.choose(
        "Schedule",
        known,
        schedule,
        "tonight.schedule",
        lambda name: address.write(schedule=name, night=None),
        width=width,
    )


def show_slices(report: Morning) -> None:
    """What became bad, each with a link to its errors."""
    html(cards.slices(report))
    here = report.run_ids[-1] in {run.run_id for run in reads.runs(now)}
    for one in report.slices or ():
        if here:
            label = f"Errors of {telling.conditions_in_words(one)}"
            going = {"run": report.run_ids[-1], **dict(one.conditions)}
            st.page_link(components.ERRORS, label=components.plain(label, 120), query_params=going)


@st.cache_data(show_spinner=False, max_entries=16)
def thresholds_of(now: Snapshot, run_ids: tuple[str, ...], rule: AlarmRule) -> str:
    """Which thresholds call a night's pictures defective; empty where their answers do."""
    runs = [run for run in reversed(reads.runs(now)) if run.run_id in run_ids]
    found = night_alarms.thresholds_in_words(Path(now.data), runs, rule)
    return found or ("" if rule == "answers" else f"No threshold on {rule} holds for this night.")


@cached(16)
def called_by(now: Snapshot, schedule: str, due_at: datetime, run_ids: tuple[str, ...], rule: AlarmRule) -> Alarms:
    """What a night's pictures are called by the thresholds that hold now."""
    runs = [run for run in reversed(reads.runs(now)) if run.run_id in run_ids]
    nights_of = [each for each in Nights(Path(now.data)).nights(schedule) if each.due_at == due_at]
    return night_alarms.of_night(Path(now.data), nights_of[0], runs, rule) if nights_of else NOTHING


def show_alarms(report: Morning) -> None:
    """The night's pictures without a label that were called defective; nothing without any."""
    rule = address.alarm_rule()
    found = report.alarms if rule == "answers" else called_by(now, schedule, report.due_at, report.run_ids, rule)
    if found is None or not found.called.images:
        return
    runs = [run for run in reads.runs(now) if run.run_id in report.run_ids]
    with card("called", "Called defective", "without a label: nobody knows whether that is right", fill=False):
        html(Markup('<div class="note">{} {}</div>').format(components.glyph("alarm"), found.called.sentence))
        html(called_defective.table(found))
        if found.called.defective:
            for run in runs:
                order = SUSPICIOUS if found.called.probability is None else "likeliest defect"
                going = {"order": order} | ({} if rule == "answers" else {"alarms": rule})
                called_defective.links(run, found, going, len(runs) > 1)
    named = {run.run_id: tuple(one.image_id for one in found.pictures if one.run_id == run.run_id) for run in runs}
    if report.called_defective and rule == "answers":  # shown above
        return
    called = [
        (run, reads.called_defective(now, _named(run, named[run.run_id], rule), len(named[run.run_id]))) for run in runs
    ]
    called_defective.show_pictures(now, called, found.called.defective, "Likeliest defects")


def _named(run: Run, images: tuple[str, ...], rule: AlarmRule) -> Selection:
    return Selection(run.run_id, images=images, alarm_rule=rule)


def show_thresholds(report: Morning) -> None:
    """What saved thresholds called defective when the report was made; nothing where none held."""
    if report.by_thresholds:
        with card("thresholds", "By saved thresholds", "as they were when the report was made", fill=False):
            for each in report.by_thresholds:
                html(Markup('<div class="note">{} {}</div>').format(components.glyph("alarm"), each.sentence))


known = names(now)
if not known:
    why = "Point a schedule at an inspection archive; its first night appears here by itself."
    components.instead("Tonight", "No archive is scheduled yet.", "No schedule yet", why, FIRST)
named = st.query_params.get("schedule", "")
schedule = named if named in known else known[0]
found = reports(now, schedule)
working = at_work(now, schedule)
if not found:
    with header("Tonight", Markup("<b>{}</b> has had no night yet.").format(schedule)):
        choose_schedule(170)
    if working:
        with card("live", "Now running", fill=False):
            html(cards.live(*working))
    else:
        with card("none", "", fill=False):
            why = "The report appears here when its first night is over."
            components.empty("No night yet", why, f"workbench schedule run-due --now {shlex.quote(schedule)}")
    reads.follow(now, refresh=True)
    st.stop()

by_due = {page_links.night(each): each for each in found}
due = st.query_params.get("night", "")
night = due if due in by_due else next(iter(by_due))
report = by_due[night]
title = report.title
under = cards.under(report)
if said := thresholds_of(now, report.run_ids, address.alarm_rule()):
    under += Markup("<br>{} {} Rates and signals go by the answers.").format(components.glyph("alarm"), said)
with header(title, Markup("<b>{}</b>").format(report.finding), under):
    if len(known) > 1:
        choose_schedule(150)
    address.choose(
        "Night",
        list(by_due),
        night,
        "tonight.night",
        lambda due: address.write(night=due),
        width=225,
        format_func=lambda due: f"{by_due[due].due:%a %d %b %Y}, {telling.clock_time(by_due[due].due)}",
    )
    if report.run_ids and report.run_ids[-1] in {run.run_id for run in reads.runs(now)}:
        for target, label in ((components.RUNS, "Runs"), (components.ERRORS, "Errors")):
            st.page_link(target, label=label, query_params={"run": report.run_ids[-1]})
    reads.choose_alarm_rule(now)
    week = reviewed_week(now, schedule, report.due_at)
    components.export(
        f"tonight-{schedule}",
        {
            "rates": lambda: cards.as_rows(found),
            "changes": lambda: cards.changed_rows(report),
            **({"new bad slices": lambda: cards.slice_rows(report)} if report.slices else {}),
            "nights": lambda: cards.night_rows(found),
            **({} if week is None else {"reviewed week": partial(cards.week_rows, week)}),
        },
    )

lead_cards.show(now, report)
if report.called_defective is None or address.alarm_rule() == "answers":
    lead_cards.show_found(now, report)
show_alarms(report)
show_thresholds(report)
if report.rates:
    shown = len(report.rates) + (not report.labelled)
    with st.grid(max(shown, 2), min_column_width=230 if shown == 3 else 265, gap=12) as grid:
        for one in report.rates:
            name = telling.named(one.name).capitalize()
            with grid.cell(), card(f"rate-{one.name}", name, "at the usual mix of images"):
                html(cards.rate(one, report.changes))
        if not report.labelled:
            with grid.cell(), card("errors", "Errors"):
                html(cards.errors(report, week))

if report.pieces:
    with card("pieces", "By piece", "a piece is called what its worst picture is", fill=False):
        html(Markup('<div class="note">{}</div>').format(report.pieces.sentence))
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    strands = cards.strands(found)
    if strands:
        with (
            grid.cell(column_span=2),
            card(
                "strip",
                wording.counted(len(found), "night"),
                "95 % interval; dotted: the nights before; filled: an alarm",
            ),
        ):
            sentence = ", ".join(f"{each.name} {each.points[-1].value:.3f}" for each in strands)
            chart(nights.strip(components.ink(), strands), "tonight.strip", f"On the newest night: {sentence}.")
    with grid.cell(), card("counts", "Scored"):
        html(cards.counts(report) + cards.failures(report) + cards.queue(report))
        st.page_link(components.DISPUTES, label="Open Disputes")
    if charts := charts_of(now, schedule, report.due_at):
        with grid.cell(column_span=2), card("charts", "Over the nights", "against the reference"):
            html(cards.over_the_nights(charts))
    odds = f"{report.false_alarm_percent:.0f} of 100 ordinary nights have any"
    note = f"{len(report.unexplained)} of {report.signals} signals; {odds}" if report.signals else ""
    with grid.cell(column_span=2), card("week", "True escape and overkill", "seven days, from cases drawn for review"):
        html(cards.week(reviewed_week(now, schedule, report.due_at)))
    with grid.cell(column_span=2), card("changes", "What else changed" if report.causes else "What changed", note):
        html(cards.changes(report))
    if report.slices is not None:
        with grid.cell(column_span=2), card("slices", "New bad slices", telling.odds(report)):
            show_slices(report)
    with grid.cell(column_span=2), card("passed-over", "Passed over", "in the archive and its questions"):
        html(run_cards.passed_over(report.passed_over))
    with grid.cell(), card("steps", "After scoring"):
        html(cards.steps(report))
    if working:
        with grid.cell(), card("live", "Now running"):
            html(cards.live(*working))
reads.follow(now, refresh=bool(working))
