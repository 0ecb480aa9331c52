"""Runs, newest first; the chosen one's accuracy, time, failures, manifest, and its cases, wrong ones first.

In the address: `run`, and for the cases `outcome`, `subtask` and `from`.
"""

from __future__ import annotations

from html import escape

import polars as pl
import streamlit as st

from warehouse.records import Run
from workbench.analysis import charts, look, metrics
from workbench.analysis.metrics import Key
from workbench.pages import parts, pictures, run_cards, shared
from workbench.pages.parts import card, chart, header, html

RUNS_SHOWN = 8
CASES_SHOWN = 30

now = shared.snapshot()
runs = shared.runs(now)
address = st.query_params


def choose(**what: str) -> None:
    """Put what was clicked into the address; another choice of cases starts at its first."""
    address.pop("from", None)
    address.update(what)


def drop(name: str) -> None:
    """Take a filter out of the address."""
    address.pop("from", None)
    address.pop(name, None)


def open_run(run: Run) -> None:
    """Another run begins without filters. A link to the page it stands on would not change the address."""
    address.from_dict({"run": run.run_id})


def list_runs(chosen: Run) -> None:
    """The newest runs, and the chosen one wherever it stands."""
    shown = runs[:RUNS_SHOWN]
    if chosen not in shown:
        shown = [*shown[:-1], chosen]
    more = f"showing {len(shown)} of {len(runs)}, newest first" if len(shown) < len(runs) else "newest first"
    with card("runs", "Runs", more):
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


def show_accuracy(cases: pl.DataFrame, subtask: str | None) -> None:
    """Accuracy per subtask; a click chooses the subtask's cases."""
    rows = metrics.accuracy_by_subtask(cases)
    if rows.is_empty():
        with card("accuracy", "Answers per subtask"):
            html(run_cards.subtasks_without_labels(cases))
        return
    with card("accuracy", "Accuracy per subtask", "95 % Wilson interval; click a row for its cases"):
        sentence = "; ".join(f"{row['subtask']} {row['rate']:.0%} of {row['n']}" for row in rows.iter_rows(named=True))
        chart(charts.accuracy(parts.ink(), rows, subtask), "runs.accuracy", sentence, lambda name: choose(subtask=name))
        html(
            '<div class="note">● rate&emsp;<span class="muted">┃</span> guessing among the options&emsp;'
            "invalid counts as not right, failed is left out</div>"
        )


def show_cases(run: Run, cases: pl.DataFrame, subtask: str | None, outcome: str | None) -> None:
    """Thumbnails of the chosen cases; a click opens one."""
    of_subtask = cases.filter(pl.col("subtask") == subtask) if subtask else cases
    counts = dict(of_subtask["outcome"].cast(pl.String).value_counts().iter_rows())
    found = of_subtask.filter(pl.col("outcome") == outcome) if outcome else of_subtask
    first = _number(address.get("from"), at_most=max(found.height - 1, 0))
    shown = found.slice(first, CASES_SHOWN)
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            upto = f"{first + 1:,}–{first + shown.height:,}" if first else f"{shown.height:,}"
            note = f"showing {upto} of {found.height:,}, wrong first, then highest entropy" if shown.height else ""
            st.html(f'<div class="title">{escape(subtask or "Cases")}<i>{note}</i></div>', width="stretch")
            if subtask:
                st.button("All subtasks", shortcut="Escape", key="runs.clear", on_click=drop, args=["subtask"])
            _choose_outcome(counts, outcome)
        if shown.is_empty():
            why = "No prediction of this run is stored yet." if cases.is_empty() else "The filters leave none."
            parts.empty("No case to show", why)
        with st.grid("auto", min_column_width=104, gap=10) as grid:
            for place, case in enumerate(shown.iter_rows(named=True)):
                with grid.cell(), st.container(key=f"link-thumb-{place}", gap=None):
                    # Where the archive isn't registered, no folder is: nothing is shown.
                    path = pictures.locate(case["image_path"], root, [root]) if root else None
                    picture = pictures.small(path, case["content"])
                    html(parts.thumbnail(picture.source, case["outcome"], case["error"] or picture.problem or ""))
                    target = parts.case_address(run, Key(case["image_id"], case["question_id"]), outcome, subtask)
                    st.page_link(parts.CASE, label=run_cards.caption(case, subtask), query_params=target)
        _turn_pages(first, found.height)


def _choose_outcome(counts: dict[str, int], outcome: str | None) -> None:
    """One button per outcome there is; pressing the chosen one again shows all."""
    st.session_state["runs.outcome"] = outcome  # the address decides, the widget follows

    def changed() -> None:
        picked = st.session_state["runs.outcome"]
        if picked:
            choose(outcome=picked)
        else:
            drop("outcome")

    offered = [name for name in look.OUTCOMES if name in counts or name == outcome]
    st.segmented_control(
        "Outcome",
        offered,
        key="runs.outcome",
        on_change=changed,
        label_visibility="collapsed",
        format_func=lambda name: f"{look.GLYPHS[name][0]} {name} {counts.get(name, 0):,}",
    )


def _turn_pages(first: int, total: int) -> None:
    if total <= CASES_SHOWN:
        return

    def turn(to: int) -> None:
        address["from"] = str(to)

    with st.container(horizontal=True, gap="xsmall"):
        st.button("Earlier", key="runs.earlier", disabled=first == 0, on_click=turn, args=[max(first - CASES_SHOWN, 0)])
        st.button(
            "Later", key="runs.later", disabled=first + CASES_SHOWN >= total, on_click=turn, args=[first + CASES_SHOWN]
        )


def _number(text: str | None, at_most: int) -> int:
    return min(int(text), at_most) if text and text.isascii() and text.isdigit() and len(text) < 12 else 0


def manifest(run: Run) -> None:
    """Everything that was recorded about how the run was made."""
    with card("manifest", "Manifest", f"run {escape(run.run_id)}", fill=False):
        html(run_cards.facts("Where and with what", run_cards.circumstances(run, archive)))
        for title, pairs in run_cards.settings(run).items():
            html(run_cards.facts(title, pairs))


if not runs:
    why = "A run appears here as soon as an archive is being scored."
    parts.instead("Runs", "Nothing has been scored yet.", "The warehouse is empty", why, parts.FIRST_COMMAND)
chosen = next((run for run in runs if run.run_id == address.get("run")), None)
if chosen is None and "run" in address:
    lead = f"There is no run <b>{escape(address['run'])}</b> in this warehouse."
    why = "It may belong to another data folder."
    parts.instead("Runs", lead, "The address names a run that isn't stored", why, "workbench runs")
archives = shared.archives(now)
run = chosen or runs[0]
archive = archives.get(run.archive_id)
root = archive.root if archive else ""
cases = shared.cases(now, run.run_id)
subtask = address.get("subtask") if address.get("subtask") in set(cases["subtask"]) else None
outcome = address.get("outcome") if address.get("outcome") in look.OUTCOMES else None

header("Runs", run_cards.finding(run, cases), run_cards.under(run, archive))

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell():
        list_runs(run)
    with grid.cell(column_span=2):
        show_accuracy(cases, subtask)
    with grid.cell(), card("progress", "Progress", run_cards.state_words(run)):
        html(run_cards.progress(run, cases))
    with grid.cell(), card("time", "Where the time went", "seconds of work, waiting left out"):
        html(run_cards.time_spent(run.timings))
    with grid.cell(), card("failures", "Failures and invalid answers"):
        html(run_cards.trouble(run, shared.failures(now, run.run_id)))

show_cases(run, cases, subtask, outcome)
manifest(run)
shared.follow(refresh=any(run.state == "running" for run in runs))
