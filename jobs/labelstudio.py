"""`workbench labelstudio up|down`: a local Label Studio for reviewers, with project, storage and token ready."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data, actor

app = typer.Typer(help="A local Label Studio for reviewers.", no_args_is_help=True)


@app.command("up")
def up(
    data: Data = None,
    port: Annotated[int, typer.Option("--port", help="On this machine's loopback.")] = 8085,
    venv: Annotated[
        Path | None,
        typer.Option(
            "--venv", help="Its own environment; made if need be.  [default: labelstudio/venv in the data folder]"
        ),
    ] = None,
) -> None:
    """Install Label Studio into an environment of its own, start it, and make project, storage and token.

    Example: workbench labelstudio up --port 8085
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.review.labelstudio import configuration, push, server

    folder = settings.data_folder(data).resolve()
    home = folder / configuration.FOLDER
    state = server.up(home, venv or home / "venv", port, lambda text: typer.echo(text, err=True))
    made = push.push(Store(folder), configuration.connect(folder), limit=0, actor=actor())
    typer.echo(f"Label Studio runs at {state.url}; log in as {state.user}, the password is in {home / 'password'}")
    for address in made.projects:
        typer.echo(f"disputes: {address}")
    typer.echo("send the night's disputes: workbench disputes push")


@app.command("down")
def down(data: Data = None) -> None:
    """Stop the Label Studio that `up` started; its projects and verdicts stay.

    Example: workbench labelstudio down
    """
    from workbench import settings
    from workbench.review.labelstudio import configuration, server

    stopped = server.down(settings.data_folder(data).resolve() / configuration.FOLDER)
    typer.echo("stopped" if stopped else "none is running")
