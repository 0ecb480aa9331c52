"""`workbench export`: a run's rows as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from jobs.options import RUN_HELP, Data, Truth, output_file


def command(
    table: Annotated[
        Literal["predictions", "patches", "runs", "measures", "comparisons"], typer.Argument(help="What to write.")
    ],
    run: Annotated[str, typer.Option("--run", help=RUN_HELP)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="FILE.parquet, FILE.csv or FILE.jsonl.", callback=output_file)
    ],
    truth: Truth = "archive",
    data: Data = None,
) -> None:
    """Write a run's predictions, patches, its own record or the measures of its pictures to a file.

    Parquet keeps lists and maps as they are; CSV writes them as JSON. With `--truth reviewed` predictions say which
    rule brought a settled case to people and how they settled it; the archive's label and answer stand beside.

    Example: workbench export patches --run 20250103T220005123Z-a1b2c3d4 -o p.csv
    """
    from warehouse import file_permissions
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings

    if truth != "archive" and table != "predictions":
        raise typer.BadParameter(
            f"{table} hold no label; only predictions are exported by a truth", param_hint="--truth"
        )
    store = Store(settings.data_folder(data))
    run_id = RunNotes(store.data).run(run).run_id
    with file_permissions.users_umask():
        store.export(table, run_id, output, truth)
    typer.echo(str(output))
