"""Runs, newest first; the chosen one's accuracy, time, failures, manifest, and its cases, wrong ones first.

In the address: `run`, the filters (`address.py`), `from`; `state` and `archive`, which runs are listed.
"""

from __future__ import annotations

from html import escape

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.records import Run
from warehouse.rollups import Selection
from workbench.analysis import charts, overview
from workbench.pages import address, embedding, parts, run_cards, shared, thumbnails
from workbench.pages.parts import card, chart, header, html

RUNS_SHOWN = 8
CASES_SHOWN = 30

now = shared.snapshot()
runs = shared.runs(now)


def open_run(run: Run) -> None:
    """Another run begins without filters. A link to the page it stands on would not change the address."""
    gone = {name: None for name in address.asked() if name not in ("state", "archive")}
    address.write(**{**gone, "run": run.run_id})


def list_runs(chosen: Run) -> None:
    """The newest runs that the list's own filters let through, and the chosen one wherever it stands."""
    wanted = {name: st.query_params.get(name) for name in ("state", "archive")}
    found = [
        run for run in runs if wanted["state"] in (None, run.state) and wanted["archive"] in (None, _archive_name(run))
    ]
    shown = found[:RUNS_SHOWN]
    if chosen not in shown:
        shown = [*shown[: RUNS_SHOWN - 1], chosen]
    more = f"showing {len(shown)} of {len(found)}, newest first" if len(shown) < len(found) else "newest first"
    with card("runs", "Runs", more):
        states: list[str] = sorted({run.state for run in runs})
        names = sorted({_archive_name(run) for run in runs})
        with st.container(horizontal=True, gap="xsmall"):
            for name, offered in (("state", states), ("archive", names)):
                if len(offered) > 1 or wanted[name]:
                    _choose(name, offered, wanted[name])
        for place, run in enumerate(shown):
            key = f"link-run-chosen-{place}" if run == chosen else f"link-run-{place}"
            with st.container(key=key, gap=None):
                st.button(
                    run_cards.moment(run.started_at),
                    key=f"runs.{run.run_id}",
                    type="tertiary",
                    on_click=open_run,
                    args=[run],
                )
                html(run_cards.line(run, archives.get(run.archive_id)))


def _archive_name(run: Run) -> str:
    archive = archives.get(run.archive_id)
    return archive.name if archive else "unknown archive"


def _choose(name: str, offered: list[str], held: str | None) -> None:
    """One filter of the list of runs."""
    address.choose(
        name,
        offered,
        held if held in offered else None,
        f"runs.by.{name}",
        lambda picked: address.put(**{name: picked}),
        index=None,
        placeholder=f"any {name}",
        label_visibility="collapsed",
    )


def show_accuracy(cells: pl.DataFrame, subtask: str | None) -> None:
    """Accuracy per subtask; a click chooses the subtask's cases."""
    rows = overview.accuracy_by_subtask(cells)
    if rows.is_empty():
        with card("accuracy", "Answers per subtask"):
            html(run_cards.subtasks_without_labels(cells))
        return
    with card("accuracy", "Accuracy per subtask", "95 % interval by image; click a row for its cases"):
        sentence = "; ".join(f"{row['subtask']} {row['rate']:.0%} of {row['n']}" for row in rows.iter_rows(named=True))
        chart(
            charts.accuracy(parts.ink(), rows, subtask),
            "runs.accuracy",
            sentence,
            lambda name: address.put(subtask=name),
        )
        html(
            '<div class="note">● rate&emsp;<span class="muted">┃</span> guessing among the options&emsp;'
            "invalid counts as not right, failed is left out</div>"
        )


def show_cases(run: Run, chosen: Selection) -> None:
    """Thumbnails of the chosen cases; a click opens one."""
    total = overview.total(shared.cells(now, chosen), "questions")
    first = address.number("from", at_most=max(total - 1, 0))
    shown = shared.listed(now, chosen, CASES_SHOWN, first)
    subtask = dict(chosen.facets).get("subtask")
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            upto = f"{first + 1:,}–{first + shown.height:,}" if first else f"{shown.height:,}"
            note = f"showing {upto} of {total:,}, wrong first, then highest entropy" if shown.height else ""
            st.html(f'<div class="title">{escape(subtask or "Cases")}<i>{note}</i></div>', width="stretch")
            shared.choose_outcome(now, chosen, "runs")
        if shown.is_empty():
            stored = run.answered + run.invalid + run.failed
            why = "The filters leave none." if stored else "No prediction of this run is stored yet."
            parts.empty("No case to show", why)
        thumbnails.grid(now, run, shown, lambda case: run_cards.caption(case, subtask))
        shared.turn_pages("runs", first, CASES_SHOWN, total)


def manifest(run: Run) -> None:
    """Everything that was recorded about how the run was made."""
    with card("manifest", "Manifest", f"run {escape(run.run_id)}", fill=False):
        html(run_cards.facts("Where and with what", run_cards.circumstances(run, archive)))
        for title, pairs in run_cards.settings(run).items():
            html(run_cards.facts(title, pairs))
        if run.state != "finished":
            html('<div class="note" style="margin-top:.5rem"><b>Go on with it</b></div>')
            st.code(run_cards.resume(run, archive, now.data), language="bash", wrap_lines=True)


run = parts.need_run("Runs", runs, address.chosen_run(runs))
archives = shared.archives(now)
archive = archives.get(run.archive_id)
chosen = embedding.selection(now, runs, run)
cells = shared.cells(now, Selection(run.run_id))

with header("Runs", run_cards.finding(run, cells), run_cards.under(run, archive)):
    for target, label in ((parts.ERRORS, "Errors"), (parts.COMPARE, "Compare")):
        st.page_link(target, label=label, query_params=address.going(run=run.run_id))
    parts.computed(
        {
            "rate": "right / judged questions; 95 % interval clustered by image",
            "n": f"{overview.total(cells, 'counted'):,} judged questions of {overview.total(cells, 'questions'):,}",
            "mean accuracy": "unweighted over subtasks; strict: invalid counts as wrong",
            "left out": "unlabelled, failed and open questions",
        },
        rollups.sql(chosen),
    )
    parts.export(
        "run",
        {
            "answers": lambda: shared.export(now, chosen, (*rollups.ANALYSED, "error", "seconds")),
            "run": lambda: run_cards.as_row(run),
        },
    )
address.chips()

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(row_span=3):
        list_runs(run)
    with grid.cell(column_span=2):
        show_accuracy(cells, dict(chosen.facets).get("subtask"))
    with grid.cell(), card("progress", "Progress", run_cards.state_words(run)):
        html(run_cards.progress(run, cells))
    with grid.cell(), card("time", "Where the time went", "seconds of work, waiting left out"):
        html(run_cards.time_spent(run.timings))
    with grid.cell(column_span=2), card("failures", "Failures and invalid answers"):
        html(run_cards.trouble(run, shared.failures(now, run.run_id, run.failed)))

show_cases(run, chosen)
manifest(run)
shared.follow(now, refresh=any(run.state == "running" for run in runs))
