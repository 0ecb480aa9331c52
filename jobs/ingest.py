"""`workbench ingest`: finished parts that a dead job left in the spool go into the warehouse."""

from __future__ import annotations

import typer

from jobs.options import Data
from workbench import wording


def command(data: Data = None) -> None:
    """Bring everything in the spool into the warehouse, each part exactly once.

    A running `score` does this by itself every few seconds. Exit code 1: a part can't be stored and was put aside.

    Example: workbench ingest
    """
    from warehouse import spool
    from warehouse.ingest import ingest
    from warehouse.store import Store
    from workbench import settings

    folder = settings.data_folder(data)
    done = ingest(Store(folder))
    typer.echo(
        f"{wording.counted(done.parts, 'part')}, {wording.counted(done.predictions, 'prediction')}, "
        f"{wording.counted(done.patches, 'patch', 'patches')} in {done.seconds:.1f} s"
    )
    if done.quarantined:
        typer.echo(
            f"{wording.counted(done.quarantined, 'part')} put aside, as they can't be stored; the newest:", err=True
        )
        for path, reason in spool.put_aside(folder)[: min(done.quarantined, 10)]:
            typer.echo(f"  {path}: {reason}", err=True)
        raise typer.Exit(1)
