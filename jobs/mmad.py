"""`workbench mmad`: the benchmark's table of a run or of an answer file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs import import_answers
from jobs.options import RUN_HELP, Data, Json, Truth, output_file
from workbench import wording

if TYPE_CHECKING:
    import polars as pl

    from workbench.analysis.mmad import Scores
    from workbench.analysis.review_coverage import Verified

app = typer.Typer(subcommand_metavar="")
app.command("import", hidden=True)(import_answers.command)  # as it was called before there were other formats


@app.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    run: Annotated[str | None, typer.Option("--run", help=RUN_HELP)] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="An answer file of MMAD's scripts; nothing is stored.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="The mmad.json that the answers are to, if they don't hold their options.")
    ] = None,
    scorer: Annotated[
        Literal["official", "strict"], typer.Option(help="As published, quirks and all; or nothing guessed.")
    ] = "official",
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Also write the table in the official layout.", callback=output_file),
    ] = None,
    truth: Truth = "archive",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Print accuracy by data set and subtask with overkill, miss, recall, precision, F1 and invalid answers.

    Example: workbench mmad --run 20250103T220005123Z-a1b2c3d4 --scorer strict
    """
    if context.invoked_subcommand is not None:
        return
    if (run is None) == (answers is None):
        raise typer.BadParameter("say either --run RUN or --answers ANSWERS.json")
    from jobs import screen
    from warehouse import file_permissions
    from workbench.analysis import mmad, review_coverage
    from workbench.question_sets import MMAD
    from workbench.scoring import answer_file

    if answers is not None and truth != "archive":
        raise typer.BadParameter("an answer file has no settled cases; import it first", param_hint="--truth")
    beside = None
    if answers is not None:
        file = answer_file.read(answers, questions)
        given, title, question_set = answer_file.as_answers(file), answers.name, None
        screen.problems(file.problems)
    else:
        assert run is not None
        given, title, question_set, beside = _of_run(run, data, truth)
    scores = mmad.score(given, scorer)
    _refuse_what_is_not_mmads(scores, title, question_set, run)
    if csv is not None:
        with file_permissions.users_umask():
            csv.write_text(mmad.as_csv(scores), encoding="utf-8")
    if json_:
        extra = {"verified": dataclasses.asdict(beside)} if beside else {}
        found_intervals = {"intervals": mmad.intervals(given, scorer).to_dicts()}
        stated = {"of": title, "truth": truth, **extra, **dataclasses.asdict(scores), **found_intervals}
        typer.echo(json.dumps(stated, indent=1))
    else:
        _show(scores, title, mmad.intervals(given, scorer))
        if question_set not in (None, MMAD):
            typer.echo(
                f"note: the run asked the question set {question_set}; published MMAD results can't be set beside it"
            )
        if beside:
            typer.echo(review_coverage.sentence(beside))
        if scorer == "official" and (misread := mmad.misread(given)):
            typer.echo(
                f"note: {wording.counted(misread, 'detection answer is', 'detection answers are')} about "
                "images whose label and path differ: the official "
                "scorer takes an image as normal if its path contains `good`; --scorer strict goes by the labels"
            )


def _refuse_what_is_not_mmads(scores: Scores, title: str, question_set: str | None, run_id: str | None) -> None:
    """An empty table would tell nothing: say what was asked instead, and where its numbers are."""
    from warehouse.errors import Refused

    if scores.subtasks or not scores.questions:
        return
    if run_id is None:
        raise Refused(f"no answer of {title} is to a subtask of MMAD, so there is no table to print")
    raise Refused(
        f"run {run_id} asked the question set {question_set}, which has no subtask of MMAD, so there is no table "
        f"to print; its numbers: workbench report {run_id} -o report.html"
    )


def _of_run(name: str, data: Path | None, truth: Truth) -> tuple[pl.DataFrame, str, str, Verified | None]:
    from jobs import screen
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import mmad, review_coverage
    from workbench.scoring import answer_file

    store = Store(settings.data_folder(data))
    run = RunNotes(store.data).run(name)
    run_id = run.run_id
    predictions = store.predictions(run_id, truth=truth)
    explained = run.model == settings.COMPARE
    answers = mmad.answers(predictions, verbatim=answer_file.is_imported(run), explained=explained)
    stated = json.loads(run.settings)
    protocol = ""
    if "prompt" in stated:  # an imported file doesn't say
        zero_shot = predictions["reference_path"].null_count() == predictions.height
        protocol = f", prompt {screen.protocol(stated, zero_shot)}"
    counted = int(store.run_summary(run_id, truth)["labelled"].sum())
    beside = review_coverage.verified(store.verified(run_id), counted) if truth == "reviewed" else None
    return answers, f"{run_id} ({run.model}{protocol})", run.question_set, beside


def _show(scores: Scores, title: str, intervals: pl.DataFrame) -> None:
    from rich.table import Table

    from jobs import screen
    from workbench.analysis import mmad

    frame, console = mmad.as_frame(scores), screen.stdout()
    if not scores.questions:
        console.print(f"{title} has no labelled answers, so there is no accuracy to print")
        return
    shown = Table(title=f"MMAD, {scores.scorer} scorer, %: {title}", title_justify="left", header_style="bold")
    for column in frame.columns:
        shown.add_column(mmad.SHORT.get(column, column), justify="left" if column == "" else "right")
    halves = _halves(intervals)
    for row in frame.rows(named=True):
        shown.add_row(
            *(
                "-" if value is None
                else f"{value:.2f}{halves.get((row[''], column), '')}" if isinstance(value, float)
                else value
                for column, value in row.items()
            )
        )  # fmt: skip
    console.print(shown)
    console.print("±: 95 % interval by image, half its width")
    behind = f", and {scores.skipped:,} readable ones skipped behind them" if scores.scorer == "official" else ""
    console.print(
        f"{wording.counted(scores.questions, 'labelled question')}; "
        f"{wording.counted(scores.invalid, 'invalid answer')}{behind}"
    )
    if scores.micro is not None:
        console.print(f"micro accuracy over all questions {scores.micro:.2f}: another number than MMAD's average")


def _halves(intervals: pl.DataFrame) -> dict[tuple[str, str], str]:
    """Half the width of each number's interval, in a line below it, by row and column of the table."""
    from workbench.analysis import mmad

    columns = {"good": ("Overkill",), "defective": ("Miss", "Recall")}
    return {
        (row["name"], column): f"\n±{(row['high'] - row['low']) / 2:.2f}"
        for row in intervals.iter_rows(named=True)
        for column in (columns[row["side"]] if row["side"] else (row["subtask"] or mmad.AVERAGE,))
    }
