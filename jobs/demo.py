"""`workbench demo`: everything on a drawn archive, then the dashboard."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from jobs.options import Data, Set, actor, settings_of


def command(
    data: Data = None,
    set_: Set = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Do not open the dashboard afterwards.")] = False,
) -> None:
    """Draw an archive, score it with the embedded demo model, and open the dashboard.

    Needs no GPU and no network. Run again, it goes on where it was and does nothing twice. The dashboard opens on
    127.0.0.1, and only when a person runs this: not in CI, not without a terminal.

    Example: workbench demo --no-serve
    """
    from jobs import screen, serve
    from workbench import settings
    from workbench.scoring import demo

    folder = settings.data_folder(data)
    chosen = settings.load(settings_of({"data": folder}, set_), outside=False).settings
    screen.without_loading_bars("embedded")
    with screen.Progress() as watch:
        outcome = demo.demo(chosen, watch, actor=actor())
    screen.show(outcome, folder)
    code = screen.exit_code(outcome)
    if code == 0 and not no_serve and sys.stdin.isatty() and not os.environ.get("CI"):
        serve.serve(folder)
    raise typer.Exit(code)
