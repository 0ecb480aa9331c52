"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Data folder; else WORKBENCH_DATA, else ./data.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
