"""`workbench explain`: whether a run's explanations are true."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data


def command(
    run: Annotated[str, typer.Argument(help="A finished run over images with masks.")],
    data: Data = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (default: ./workbench.toml if there).")] = None,
) -> None:
    """Do accepted patches lie on the defect, do they matter to the answer, and do words say what the answer says?

    Images are asked again with patches painted out, accepted ones and random ones. Stopped, the same command goes on.

    Example: workbench explain 20250103T220005123Z-a1b2c3d4
    """
    from jobs import screen
    from workbench import settings
    from workbench.inspection import explanations

    base = settings.load({"data": data} if data else {}, config).settings
    with screen.Progress() as watch:
        text = explanations.report(base, run, watch)
    typer.echo(text)
