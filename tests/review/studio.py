"""A real Label Studio for the tests: installed once, migrated once, then copied and started in seconds.

    python -m tests.review.studio        installs it and makes the migrated template, if they aren't there

WORKBENCH_LABELSTUDIO names an existing `label-studio`; else it goes into `.venv-labelstudio` beside the checkout's own
environment. The template lies in `.venv-labelstudio/template-RELEASE`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from workbench.review.labelstudio import server

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-labelstudio"
TEMPLATE = VENV / f"template-{server.RELEASE}"


def executable() -> Path:
    """The server's program, installed if need be."""
    named = os.environ.get("WORKBENCH_LABELSTUDIO")
    return Path(named) if named else server.install(VENV, lambda text: print(text, file=sys.stderr, flush=True))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def template() -> Path:
    """A server's folder after its first migrations."""
    program = executable()
    if not (TEMPLATE / "ready").exists():
        print("Label Studio's first migrations (two minutes, once)", file=sys.stderr, flush=True)
        shutil.rmtree(TEMPLATE, ignore_errors=True)
        port = free_port()
        process = server.start(program, TEMPLATE, port)
        try:
            server.wait(process, port, TEMPLATE)
        finally:
            stop(process)
        (TEMPLATE / "ready").touch()
    return TEMPLATE


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server; only after it has, its database file is whole."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    print(template())
