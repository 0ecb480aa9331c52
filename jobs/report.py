"""`workbench report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import Data

if TYPE_CHECKING:
    from warehouse.store import Store
    from workbench.analysis.report import Reported


def command(
    run: Annotated[str, typer.Argument(help="A run_id, as `workbench runs` shows it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="FILE.html")],
    against: Annotated[str | None, typer.Option(help="The run to compare it with.", show_default=False)] = None,
    data: Data = None,
) -> None:
    """Write a run, or a run against another, as one self-contained file with figures, tables and verdicts.

    Example: workbench report 20250103T220005123Z-a1b2c3d4 -o report.html
    """
    from warehouse import private
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import report

    store = Store(settings.data_folder(data))
    baseline = _reported(store, against) if against else None
    page = report.build(_reported(store, run), baseline)
    with private.users_umask():
        output.write_text(page, encoding="utf-8")
    typer.echo(str(output))


def _reported(store: Store, run_id: str) -> Reported:
    from warehouse.errors import Refused
    from workbench.analysis import facts, mmad, traces
    from workbench.analysis.report import Reported
    from workbench.inspection import answer_file

    run = store.run(run_id)
    if run is None:
        raise Refused(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")
    predictions = store.predictions(run_id)
    return Reported(
        run,
        facts.of(predictions),
        mmad.answers(predictions, verbatim=answer_file.is_imported(run)),
        traces.profiles(predictions),
    )
