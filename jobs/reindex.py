"""`workbench reindex`: the vector index made again from the warehouse and the images."""

from __future__ import annotations

import typer

from jobs.options import Data
from workbench import wording

SHOWN = 20


def command(data: Data = None) -> None:
    """Encode every vector the runs need and the index lacks: knowledge texts, images, accepted patches.

    Nothing is lost when DATA/vectors is deleted: this brings it back, as far as images and models are still there.

    Example: workbench reindex
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.scoring import reindex

    screen.without_loading_bars("embedded")
    done = reindex.reindex(Store(settings.data_folder(data)), lambda text: typer.echo(text, err=True))
    typer.echo(
        f"encoded {wording.counted(done.texts, 'text')}, {wording.counted(done.images, 'image')}, "
        f"{wording.counted(done.patches, 'patch', 'patches')}"
    )
    for reason in done.left_out[:SHOWN]:
        typer.echo(f"left out: {reason}")
    if len(done.left_out) > SHOWN:
        typer.echo(f"and {len(done.left_out) - SHOWN} more left out")
    raise typer.Exit(1 if done.left_out else 0)
