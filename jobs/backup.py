"""`workbench backup` and `workbench restore`: copies of the warehouse, and going back to one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data, actor


def make(
    to: Annotated[Path | None, typer.Argument(help="The copy's file (default: backups/ in the data folder).")] = None,
    data: Data = None,
) -> None:
    """Copy the warehouse as it is at this moment; whatever runs, goes on.

    Example: workbench backup
    """
    from contextlib import nullcontext
    from datetime import UTC, datetime

    from warehouse import file_permissions
    from workbench import settings
    from workbench.nights import backup

    with file_permissions.users_umask() if to else nullcontext():
        file = backup.make(settings.data_folder(data), datetime.now(UTC), to, actor=actor())
    typer.echo(f"{file}, {file.stat().st_size / 2**20:.1f} MiB")


def restore(
    file: Annotated[Path, typer.Argument(help="A copy that `workbench backup` made.", show_default=False)],
    data: Data = None,
) -> None:
    """Go back to a copy. What is there now is put aside, not deleted.

    Example: workbench restore data/backups/20260103T060000Z.duckdb
    """
    from datetime import UTC, datetime

    from workbench import settings
    from workbench.nights import backup

    folder = settings.data_folder(data)
    done = backup.restore(folder, file, datetime.now(UTC), actor=actor())
    typer.echo(f"{folder} is at {file}, version {done.version}")
    if done.aside:
        typer.echo(f"what was there lies in {done.aside}")
    typer.echo("make its vectors anew: workbench reindex")
