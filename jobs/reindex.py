"""`workbench reindex`: the vector index made again from the warehouse and the images."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.options import Data
from workbench import wording

SHOWN = 20


def command(
    run: Annotated[
        str | None,
        typer.Option("--run", help="Only the images of this run, also where it retrieved nothing; Map draws them."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="With --run: the image encoder; else the run's, the embedded model's own or SigLIP 2."),
    ] = None,
    data: Data = None,
) -> None:
    """Encode every vector the runs need and the index lacks: knowledge texts, images, accepted patches.

    Nothing is lost when DATA/vectors is deleted: this brings it back, as far as images and models are still there.

    Example: workbench reindex
    """
    if encoder is not None and run is None:
        raise typer.BadParameter("it goes with --run RUN: each run's vectors are of its own encoder")
    from jobs import screen
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings
    from workbench.scoring import reindex

    screen.without_loading_bars("embedded")
    store = Store(settings.data_folder(data))
    if run is None:
        done = reindex.reindex(store, _tell)
    else:
        done = reindex.images_of_run(store, RunNotes(store.data).run(run).run_id, encoder, _tell)
    typer.echo(
        f"encoded {wording.counted(done.texts, 'text')}, {wording.counted(done.images, 'image')}, "
        f"{wording.counted(done.patches, 'patch', 'patches')}"
    )
    for reason in done.left_out[:SHOWN]:
        typer.echo(f"left out: {reason}")
    if len(done.left_out) > SHOWN:
        typer.echo(f"and {len(done.left_out) - SHOWN} more left out")
    raise typer.Exit(1 if done.left_out else 0)


def _tell(step: str) -> None:
    typer.echo(step, err=True)
