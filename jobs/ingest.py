"""`workbench ingest`: finished parts that a dead job left in the spool go into the warehouse."""

from __future__ import annotations

import typer

from jobs.options import Data


def command(data: Data = None) -> None:
    """Bring everything in the spool into the warehouse, each part exactly once.

    A running `score` does this by itself every few seconds.

    Example: workbench ingest
    """
    from warehouse.ingest import ingest
    from warehouse.store import Store
    from workbench import settings

    done = ingest(Store(settings.data_folder(data)))
    typer.echo(f"{done.parts} parts, {done.predictions} predictions, {done.patches} patches in {done.seconds:.1f} s")
