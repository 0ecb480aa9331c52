"""`workbench explain`: whether a run's explanations are true."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.options import Config, Data, Set, settings_of


def command(
    run: Annotated[str, typer.Argument(help="A finished run over images with masks.")],
    data: Data = None,
    set_: Set = None,
    config: Config = None,
) -> None:
    """Are answers right for the right reason: do they point at the defect, and change when that is painted out?

    Images are asked again with it painted out, and with as much painted out elsewhere. Stopped, the same command goes
    on.

    Example: workbench explain 20250103T220005123Z-a1b2c3d4
    """
    from jobs import screen
    from warehouse.queries.run_notes import RunNotes
    from workbench import settings
    from workbench.experiments import explanations

    base = settings.load(settings_of({"data": data}, set_), config).settings
    run_id = RunNotes(base.work.data).run(run).run_id
    with screen.Progress() as watch:
        text = explanations.report(base, run_id, watch)
    typer.echo(text)
