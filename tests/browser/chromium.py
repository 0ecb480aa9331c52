"""Which Chromium the browser tests drive. `python -m tests.browser.chromium` prints its path or how to get one."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "no Chromium found: install one (on Debian and Ubuntu: apt-get install chromium), "
    "or name yours: WORKBENCH_CHROMIUM=/path/to/chrome make test"
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """The path of $WORKBENCH_CHROMIUM, else of the first Chromium on the PATH; None when there is none."""
    named = os.environ.get("WORKBENCH_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


if __name__ == "__main__":
    path = find()
    print(path or MISSING, file=sys.stdout if path else sys.stderr)
    sys.exit(0 if path else 1)
