"""`workbench import`: somebody's answers as a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data, Json
from workbench import wording


def command(
    answers: Annotated[
        Path,
        typer.Argument(help="Answers of MMAD's scripts or RobustMAD (JSON), or a CSV: image,question,answer,truth."),
    ],
    name: Annotated[str, typer.Option("--name", help="What the model is called here.")],
    questions: Annotated[
        Path | None, typer.Option(help="The mmad.json that the answers are to, if they don't hold their questions.")
    ] = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Store an answer file as a run, to be sliced and compared like any other; images of archives scored are found.

    Example: workbench import answers.csv --name some-model
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.question_sets import MMAD
    from workbench.scoring import answer_file, answer_formats

    file, store = answer_formats.read(answers, questions), Store(settings.data_folder(data))
    imported = answer_file.store(store, file, name)
    summary = store.run_summary(imported.run.run_id)
    unclaimed = int(summary["unclaimed"].sum())
    screen.problems(imported.problems)
    if json_:
        stated = {"run_id": imported.run.run_id, "answers": imported.answers, "problems": len(imported.problems)}
        stated["unclaimed"] = unclaimed
        typer.echo(json.dumps({**stated, "known_images": imported.known_images, "already": imported.already}))
        return
    typer.echo(f"{imported.run.run_id}{' was imported before' if imported.already else ''}")
    typer.echo(
        f"{wording.counted(imported.answers, 'answer')} of {name}; {imported.known_images:,} "
        "of their images lie in a registered archive"
    )
    if unclaimed:
        typer.echo(
            f"{wording.counted(unclaimed, 'detection answer')} of which nothing tells whether they claim a defect"
        )
    following = "mmad --run" if imported.run.question_set == MMAD else "leaderboard"
    typer.echo(f"next: workbench {following} {imported.run.run_id}")
