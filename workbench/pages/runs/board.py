"""The leaderboard on Runs: runs of one archive and question set on the questions all of them were judged on.

It reads every run of it, so it is drawn only when somebody opens it: `board=1` in the address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries import shared
from warehouse.queries.shared import SharedAnswers
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import leaderboard, published_results, right_reason, subtasks
from workbench.analysis.charts import leaderboard as charts
from workbench.analysis.leaderboard import Leaderboard
from workbench.pages.runs import cards
from workbench.pages.ui import address, components, reads, run_cache
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, html

MOST = 30  # runs, the newest
_APART = ("gate", "golden", "explain")  # purposes of runs over a few pictures


class Ranked(NamedTuple):
    """What the card shows."""

    answers: SharedAnswers
    board: Leaderboard
    summary: pl.DataFrame
    right_reason: str  # what that column is over; "" where the runs have none in common


def comparable(run: Run, runs: Sequence[Run]) -> list[Run]:
    """The finished runs that may share most of a run's questions, the run itself first."""
    stored = run.answered + run.invalid
    others = [
        other
        for other in runs
        if other.run_id != run.run_id
        and (other.archive_id, other.question_set) == (run.archive_id, run.question_set)
        and other.state == "finished"
        and other.purpose not in _APART
        and 2 * (other.answered + other.invalid) >= stored
    ]
    return [run, *others[: MOST - 1]]


def show(now: reads.Snapshot, run: Run, runs: Sequence[Run], truth: Truth) -> None:
    """The card: closed a button, open the table and the chart; nothing where there is no second run."""
    compared = comparable(run, runs)
    if len(compared) < 2:
        return
    is_open = st.query_params.get("board") == "1"
    with card(
        "board", "Leaderboard", f"{wording.counted(len(compared), 'run')} of this archive and question set", fill=False
    ):
        components.toggle("Rank them" if not is_open else "Close", "l", "runs.board", is_open, _turn, "board")
        if not is_open:
            return
        found = ranked(now, tuple(compared), truth)
        if found.summary.is_empty():
            html(Markup('<div class="note">{}</div>').format(leaderboard.sentence(found.board, found.summary)))
            return
        moments = {other.run_id: cards.moment(other.started_at) for other in compared}
        _show_table(found, run, moments)
        why = published_results.why_apart_any(compared, found.answers.answers["dataset"], found.board.questions)
        note = f"Published rows are left out: {why}." if why else ""
        html(Markup('<div class="note">{}</div>').format(note))
        if why is None:
            _show_published()
        if found.summary["seconds_per_image"].drop_nulls().len():
            said = "; ".join(
                f"{row['model']} {wording.percent(row['accuracy'], 1)} at {row['seconds_per_image']:.3g} s an image"
                for row in found.summary.filter(pl.col("seconds_per_image").is_not_null()).iter_rows(named=True)
            )
            chart(charts.against_seconds(components.ink(), found.summary, run.run_id), "runs.board.seconds", said)
        components.export(
            "leaderboard",
            {
                "numbers": lambda: leaderboard.long(found.board, found.summary),
                "pairs": lambda: found.board.pairs,
                "answers": lambda: found.answers.answers,
            },
        )


@cached(8, "Ranking the runs")
def ranked(now: reads.Snapshot, compared: tuple[Run, ...], truth: Truth) -> Ranked:
    """The leaderboard of these runs."""
    run_ids = [run.run_id for run in compared]
    answers = shared.read(Path(now.data), run_ids, truth, run_cache.shared())
    board = leaderboard.build(answers.answers, run_ids, compared[0].subtasks)
    by, reasons = right_reason.over_shared_questions(answers, run_ids)
    over = right_reason.shared_sentence(by, reasons) if by and reasons.height else ""
    return Ranked(answers, board, leaderboard.summary(board, compared, answers.runs, reasons), over)


def _turn(name: str) -> None:
    address.write(**{name: None if st.query_params.get(name) == "1" else "1"})


def _show_table(found: Ranked, run: Run, moments: Mapping[str, str]) -> None:
    html(Markup('<div class="note">{}</div>').format(leaderboard.sentence(found.board, found.summary)))
    cells = found.board.cells.filter(pl.col("side").is_null())
    short = subtasks.short(run.subtasks)
    names = subtasks.names_in_order(cells["subtask"].drop_nulls(), run.subtasks)
    datasets = cells["dataset"].drop_nulls().unique(maintain_order=True).to_list()
    datasets = datasets if len(datasets) > 1 else []
    shares = {
        (row["run_id"], row["dataset"], row["subtask"]): _rate(row)
        for row in cells.iter_rows(named=True)
        if row["dataset"] is None or row["subtask"] is None
    }
    rows = []
    for row in found.summary.iter_rows(named=True):
        name = Markup("<b>{}</b>").format(row["model"]) if row["run_id"] == run.run_id else row["model"]
        rows.append(
            [
                str(row["rank"]), f"{row['rank_low']}–{row['rank_high']}", name, moments[row["run_id"]],
                Markup("<b>{}</b>").format(_rate(row)), _percent(row["on_good"]), _percent(row["on_defective"]),
                *([right_reason.cell(row) or "–"] if found.right_reason else []),
                *(shares[row["run_id"], None, subtask] for subtask in names),
                *(shares[row["run_id"], dataset, None] for dataset in datasets),
                "–" if row["seconds_per_image"] is None else f"{row['seconds_per_image']:.3g}",
            ]
        )  # fmt: skip
    head = ["rank", "possible", "model", "run", "average, %", "on good", "on defective"]
    head += ["right reason (chance)"] if found.right_reason else []
    head += [*(short.get(name, name) for name in names), *datasets, "s/image"]
    html(components.table(rows, head, len(head) - 4))
    html(
        Markup(
            '<div class="note">Macro average over subtasks, then data sets; strict scorer; ± half of the 95 % interval'
            " by image. Possible: ranks that hold for all runs together with 95 %.{}</div>"
        ).format(f" {found.right_reason[0].upper()}{found.right_reason[1:]}." if found.right_reason else "")
    )


def _show_published() -> None:
    quoted = published_results.table()
    rows = [
        [row.method, row.setting, row.source, f"{row.average:.2f}"]
        for row in sorted(quoted.rows, key=lambda row: -row.average)
    ]
    html(Markup('<div class="note">Published by {}, official scorer</div>').format(quoted.dated))
    html(components.table(rows, ["method", "setting", "source", "average, %"]))


def _rate(row: dict[str, float]) -> str:
    return f"{100 * row['accuracy']:.1f} ±{50 * (row['high'] - row['low']):.1f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
