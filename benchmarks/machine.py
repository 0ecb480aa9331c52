"""What every benchmark's result says besides its numbers: the command, the date and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def report(figures: Mapping[str, object], output: Path | None) -> None:
    """Print the figures, and store them where told to."""
    result = {
        "command": f"python -m benchmarks.{Path(sys.argv[0]).stem} {' '.join(sys.argv[1:])}".strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPUs ({platform.machine()})",
        "load": f"{os.getloadavg()[0]:.1f} at the end; niceness {os.nice(0)}{_group()}",
        "versions": {name: version(name) for name in ("duckdb", "lancedb", "pyarrow", "polars")},
        **figures,
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if output:
        output.write_text(text + "\n", encoding="utf-8")


def _group() -> str:
    """The niceness of the session among others, where Linux schedules by sessions and it isn't 0."""
    try:
        niceness = int(Path("/proc/self/autogroup").read_text().rpartition(" ")[2])
    except (OSError, ValueError):
        return ""
    return f", of its session {niceness}" if niceness else ""
