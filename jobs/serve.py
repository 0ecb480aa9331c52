"""`workbench serve`: the dashboard, on loopback.

The process becomes Streamlit's (exec), so Ctrl+C and a service manager's signals reach it directly. It listens on
127.0.0.1 only: the pages have no log-in; to show them elsewhere, put a proxy with one in front.
"""

from __future__ import annotations

import os
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from jobs.options import Data

ADDRESS = "127.0.0.1"


def command(
    data: Data = None,
    port: Annotated[int, typer.Option(help="TCP port on 127.0.0.1.", min=1, max=65535)] = 8501,
) -> None:
    """Open the dashboard on http://127.0.0.1:8501 over what was scored so far.

    Example: workbench serve --data data --port 8600
    """
    from workbench import settings

    serve(settings.data_folder(data), port)


def serve(data: Path, port: int = 8501) -> NoReturn:
    """Become the dashboard's server; comes back only by SystemExit(2), when its packages are missing."""
    app, look = find_spec("streamlit_app"), resources.files("workbench") / "pages" / "assets" / "config.toml"
    if app is None or app.origin is None or find_spec("streamlit") is None or find_spec("plotly") is None:
        typer.echo(
            "the dashboard's packages are not installed here; in the checkout: pip install '.[dashboard]'", err=True
        )
        raise SystemExit(2)
    flags = {
        "server.address": ADDRESS,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",  # it would watch a checkout's .venv as well
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "theme.base": str(
            look
        ),  # Streamlit itself looks for a theme beside the script only, and a wheel has none there
    }
    arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    os.environ["WORKBENCH_DATA"] = str(data.resolve())
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", app.origin, *arguments])
