"""`workbench leaderboard`: many runs on the questions all of them were judged on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import RUN_HELP, Data, Json, Truth, output_file

if TYPE_CHECKING:
    import polars as pl

    from warehouse.records.questions import Subtask
    from warehouse.records.scoring import Run
    from warehouse.store import Store


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUN_HELP)],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write every number, a row per measure.", callback=output_file)
    ] = None,
    truth: Truth = "archive",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Rank runs by their macro average, with intervals by image and simultaneous intervals of the ranks.

    Example: workbench leaderboard RUN OTHER_RUN --csv board.csv
    """
    from warehouse import file_permissions
    from warehouse.queries import shared
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import leaderboard, published_results, right_reason

    store = Store(settings.data_folder(data))
    compared = _compared(store, runs)
    run_ids = [run.run_id for run in compared]
    found = shared.read(store.data, run_ids, truth)
    _refuse_nothing_shared(found.answers, found.runs)
    board = leaderboard.build(found.answers, run_ids, compared[0].subtasks)
    by, reasons = right_reason.over_shared_questions(found, run_ids)
    ranked = leaderboard.summary(board, compared, found.runs, reasons)
    why = published_results.why_apart_any(compared, found.answers["dataset"], board.questions)
    if csv is not None:
        with file_permissions.users_umask():
            leaderboard.long(board, ranked).write_csv(csv)
    if json_:
        stated = {
            "truth": truth,
            "scorer": "strict",
            "questions": board.questions,
            "images": board.images,
            "right_reason_by": by,
            "ranking": ranked.to_dicts(),
            "cells": board.cells.to_dicts(),
            "pairs": board.pairs.to_dicts(),
            "published": [] if why else published_results.frame().to_dicts(),
            "published_left_out": why,
        }
        typer.echo(json.dumps(stated, indent=1))
        return
    typer.echo(leaderboard.sentence(board, ranked))
    _show(ranked, board.cells, compared[0].subtasks)
    if by is not None and reasons.height:
        typer.echo(f"note: {right_reason.shared_sentence(by, reasons)}")
    if left := max(ranked["left_out"].to_list()):
        typer.echo(
            f"note: up to {left:,} judged questions of a run are left out, as another run was not judged on them"
        )
    if why:
        typer.echo(f"note: published rows are left out: {why}")
    else:
        _show_published()


def _compared(store: Store, run_ids: list[str]) -> list[Run]:
    from warehouse.errors import Refused
    from warehouse.queries.run_notes import RunNotes

    notes = RunNotes(store.data)
    found = list({run.run_id: run for run in map(notes.run, run_ids)}.values())
    sets = sorted({run.question_set for run in found})
    if len(sets) > 1:
        raise Refused(f"these runs asked different question sets, {', '.join(sets)}; rank the runs of one")
    return found


def _refuse_nothing_shared(answers: pl.DataFrame, counts: pl.DataFrame) -> None:
    from warehouse.errors import Refused

    if answers.height:
        return
    judged = ", ".join(f"{run_id} {n:,}" for run_id, n in counts.select("run_id", "judged").iter_rows())
    raise Refused(f"these runs share no judged question (judged: {judged}); rank runs of one archive with labels")


def _show(ranked: pl.DataFrame, cells: pl.DataFrame, declared: tuple[Subtask, ...]) -> None:
    from rich.table import Column, Table

    from jobs import screen
    from workbench.analysis import right_reason, subtasks

    console = screen.stdout()
    table = Table(
        "rank", "ranks possible", Column("run", no_wrap=True), "model", "average, %", "on good", "on defective",
        "right reason (chance)", "s/image",
        title="Macro average, strict scorer; 95 % intervals by image", title_justify="left",
    )  # fmt: skip
    for row in ranked.iter_rows(named=True):
        possible = f"{row['rank_low']}-{row['rank_high']}"
        sides = (_percent(row["on_good"]), _percent(row["on_defective"]))
        seconds = "-" if row["seconds_per_image"] is None else f"{row['seconds_per_image']:.3g}"
        reason = right_reason.cell(row) or "-"
        table.add_row(str(row["rank"]), possible, row["run_id"], row["model"], _rate(row), *sides, reason, seconds)
    console.print(table)
    names = subtasks.names_in_order(cells["subtask"].drop_nulls(), declared)
    short = subtasks.short(declared)
    datasets = cells["dataset"].drop_nulls().unique(maintain_order=True).to_list()
    for title, column, columns in (("By subtask, %", "subtask", names), ("By data set, %", "dataset", datasets)):
        other = "dataset" if column == "subtask" else "subtask"
        by_run = cells.filter(_absent(other), _absent("side"), ~_absent(column))
        found = {(row["run_id"], row[column]): row for row in by_run.iter_rows(named=True)}
        table = Table("run", *(short.get(name, name) for name in columns), title=title, title_justify="left")
        for run_id, model in ranked.select("run_id", "model").iter_rows():
            table.add_row(model, *(_rate(found[run_id, name]) for name in columns))
        console.print(table)


def _show_published() -> None:
    from rich.table import Table

    from jobs import screen
    from workbench.analysis import published_results

    quoted = published_results.table()
    title = f"Published by {quoted.dated}, official scorer, %"
    table = Table("method", "average", "setting", "source", title=title, title_justify="left")
    for row in sorted(quoted.rows, key=lambda row: -row.average):
        table.add_row(row.method, f"{row.average:.2f}", row.setting, row.source)
    screen.stdout().print(table)


def _absent(name: str) -> pl.Expr:
    """Rows without a value of this column: those that average over it."""
    import polars as pl

    return pl.col(name).is_null()


def _rate(row: dict[str, float]) -> str:
    return f"{100 * row['accuracy']:.1f} ±{50 * (row['high'] - row['low']):.1f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
