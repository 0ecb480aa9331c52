"""`workbench mmad`: the benchmark's table of a run or of an answer file; importing answer files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.options import Data, Json

if TYPE_CHECKING:
    import polars as pl

    from workbench.analysis.mmad import Scores
    from workbench.inspection.errors import Problem

SHOWN = 5  # problems of a file, those that count several answers first
app = typer.Typer(help="MMAD's table of a run or an answer file; import answer files.", invoke_without_command=True)


@app.callback()
def table(
    context: typer.Context,
    run: Annotated[str | None, typer.Option("--run", help="A run_id, as `workbench runs` shows it.")] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="An answer file of MMAD's scripts; nothing is stored.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="The mmad.json that the answers are to, if they don't hold their options.")
    ] = None,
    scorer: Annotated[
        Literal["official", "strict"], typer.Option(help="As published, quirks and all; or nothing guessed.")
    ] = "official",
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write the table in the official layout.")] = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Print accuracy by data set and subtask with overkill, miss, recall, precision, F1 and invalid answers.

    Example: workbench mmad --run 20250103T220005123Z-a1b2c3d4 --scorer strict
    """
    if context.invoked_subcommand:
        return
    if (run is None) == (answers is None):
        raise typer.BadParameter("say either --run RUN or --answers ANSWERS.json")
    from warehouse import private
    from workbench.analysis import mmad
    from workbench.inspection import answer_file

    if answers is not None:
        file = answer_file.read(answers, questions)
        given, title = answer_file.as_answers(file), answers.name
        _tell(file.problems)
    else:
        assert run is not None
        given, title = _of_run(run, data)
    scores = mmad.score(given, scorer)
    if csv is not None:
        with private.users_umask():
            csv.write_text(mmad.as_csv(scores), encoding="utf-8")
    if json_:
        typer.echo(json.dumps({"of": title, **dataclasses.asdict(scores)}, indent=1))
    else:
        _show(scores, title)
        if scorer == "official" and (misread := mmad.misread(given)):
            typer.echo(
                f"note: {misread:,} detection answers are about images whose label and path differ: the official "
                "scorer takes an image as normal if its path contains `good`; --scorer strict goes by the labels"
            )


@app.command("import")
def import_(
    answers: Annotated[Path, typer.Argument(help="An answer file of MMAD's scripts.")],
    name: Annotated[str, typer.Option("--name", help="What the model is called here.")],
    questions: Annotated[
        Path | None, typer.Option(help="The mmad.json that the answers are to, if they don't hold their questions.")
    ] = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Store an answer file as a run, to be sliced and compared like any other; images of archives scored are found.

    Example: workbench mmad import answers.json --name some-model
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.inspection import answer_file

    file, store = answer_file.read(answers, questions), Store(settings.data_folder(data))
    imported = answer_file.store(store, file, name)
    unclaimed = int(store.run_summary(imported.run.run_id)["unclaimed"].sum())
    _tell(imported.problems)
    if json_:
        said = {"run_id": imported.run.run_id, "answers": imported.answers, "problems": len(imported.problems)}
        said["unclaimed"] = unclaimed
        typer.echo(json.dumps({**said, "known_images": imported.known_images, "already": imported.already}))
        return
    typer.echo(f"{imported.run.run_id}{' was imported before' if imported.already else ''}")
    typer.echo(
        f"{imported.answers:,} answers of {name}; {imported.known_images:,} of their images lie in a registered archive"
    )
    if unclaimed:
        typer.echo(f"{unclaimed:,} detection answers of which nothing tells whether they claim a defect")
    typer.echo(f"next: workbench mmad --run {imported.run.run_id}")


def _tell(problems: Sequence[Problem]) -> None:
    for problem in problems[:SHOWN]:
        typer.echo(f"{problem.path}: {problem.reason}", err=True)
    if len(problems) > SHOWN:
        typer.echo(f"and {len(problems) - SHOWN:,} more problems", err=True)


def _of_run(run_id: str, data: Path | None) -> tuple[pl.DataFrame, str]:
    from warehouse.errors import Refused
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import mmad
    from workbench.inspection import answer_file

    store = Store(settings.data_folder(data))
    run = store.run(run_id)
    if run is None:
        raise Refused(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")
    predictions = store.predictions(run_id)
    answers = mmad.answers(predictions, verbatim=answer_file.is_imported(run))
    stated = json.loads(run.settings)
    protocol = ""
    if "prompt" in stated:  # an imported file doesn't say
        alone = not stated["shots"] or predictions["reference_path"].null_count() == predictions.height
        shown = "zero-shot" if alone else f"1-shot, {stated['templates']} templates"
        protocol = f", prompt in the order of {stated['prompt']}, {shown}"
    return answers, f"{run_id} ({run.model}{protocol})"


def _show(scores: Scores, title: str) -> None:
    from rich.table import Table

    from jobs import screen
    from workbench.analysis import mmad
    from workbench.analysis.metrics import SHORT

    frame = mmad.as_frame(scores)
    console = screen.stdout()
    shown = Table(title=f"MMAD, {scores.scorer} scorer, %: {title}", title_justify="left", header_style="bold")
    for column in frame.columns:
        shown.add_column(SHORT.get(column, column), justify="left" if column == "" else "right")
    for row in frame.rows():
        shown.add_row(
            *("-" if value is None else f"{value:.2f}" if isinstance(value, float) else value for value in row)
        )
    console.print(shown)
    behind = f", and {scores.skipped:,} readable ones skipped behind them" if scores.scorer == "official" else ""
    console.print(f"{scores.questions:,} labelled questions; {scores.invalid:,} invalid answers{behind}")
    if scores.micro is not None:
        console.print(f"micro accuracy over all questions {scores.micro:.2f}: another number than MMAD's average")
