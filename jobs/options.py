"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Data folder; else WORKBENCH_DATA, else ./data.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda; all, or several such as cuda:0,cuda:1 - one process for each (default: auto).",
        show_default=False,
    ),
]
