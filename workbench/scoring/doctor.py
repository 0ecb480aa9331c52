"""Is this machine fit to score, and is its data folder sound? One finding per check, each with its remedy.

Looks only: it writes nothing but a temporary file that vanishes again. `workbench doctor` prints the findings, those
that need somebody first.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from warehouse import database, file_permissions, migrations, spool
from warehouse.errors import Locked
from warehouse.vectors import Vectors
from workbench import wording

State = Literal["red", "yellow", "green"]  # cannot work; somebody should look; well

GIB = 2**30
DISK_RED = 1  # GiB free: a night's parts and vectors may not fit
DISK_YELLOW = 10
LOCK_SECONDS = 5.0  # how long the warehouse may be busy: its transactions take well under one
WAITING_SECONDS = 600  # a part older than this belongs to no running job: those ingest every few seconds
_SHOWN = 3  # parts that are named
TOP_LEVEL = ("jobs", "warehouse", "streamlit_app")  # installed beside `workbench`, under names that others may use too
# What to do when a check itself breaks.
REMEDIES = {
    "warehouse": "make a copy of the data folder before anything else",
    "vectors": "delete vectors/ in the data folder, then `workbench reindex`: nothing is lost",
    "embedded demo model": "install the workbench anew",
    "packages": "install the workbench anew",
    "top-level modules": "install the workbench in a virtual environment of its own",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    state: State
    subject: str
    detail: str
    remedy: str | None = None  # what to do, unless green


def examine(
    data: Path, more: Mapping[str, Callable[[], Iterator[Finding]]] | None = None, *, thorough: bool = True
) -> list[Finding]:
    """All findings, red before yellow before green; a check that breaks is itself a red finding.

    Args:
        more: checks by subject that this room knows nothing of.
        thorough: also count vectors, load the demo model and ask the device, which takes seconds.
    """
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "disk": lambda: _disk(data),
        "data folder": lambda: _folder(data),
        "warehouse": lambda: _warehouse(data),
        "spool": lambda: _spool(data),
        **({"vectors": lambda: _vectors(data)} if thorough else {}),
        **({"device": _device, "embedded demo model": _embedded_model} if thorough else {}),
        "packages": _packages,
        "top-level modules": _top_level_modules,
        **(more or {}),
    }
    findings: list[Finding] = []
    for subject, check in checks.items():
        try:
            findings.extend(check())
        except Exception as error:  # noqa: BLE001  the doctor reports what is broken, whatever it is
            findings.append(Finding("red", subject, f"{type(error).__name__}: {error}", REMEDIES.get(subject)))
    order: tuple[State, ...] = ("red", "yellow", "green")
    return sorted(findings, key=lambda finding: order.index(finding.state))


def _disk(data: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(data)).free / GIB
    state: State = "red" if free < DISK_RED else "yellow" if free < DISK_YELLOW else "green"
    remedy = "free space there, or choose another disk with --data"
    yield Finding(state, "disk", f"{free:.1f} GiB free for {data}", None if state == "green" else remedy)


def _folder(data: Path) -> Iterator[Finding]:
    place = _existing(data)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(
            "red",
            "data folder",
            f"cannot write to {place}: {error.strerror}",
            "give yourself write permission, or choose another with --data",
        )
        return
    if place == data and file_permissions.open_to_others(data):
        yield Finding(
            "yellow",
            "data folder",
            f"other users of this machine can look into {data}: it holds keys and verdicts",
            f"chmod -R go= {data}, by its owner; or choose a folder of your own with --data",
        )
    else:
        yield Finding("green", "data folder", f"{data} is writable" if place == data else f"{data} can be made")


def _warehouse(data: Path) -> Iterator[Finding]:
    if not (data / database.FILE).exists():
        yield Finding("green", "warehouse", "none yet; the first run makes it")
        return
    began = time.perf_counter()
    try:
        with database.Database(data, timeout=LOCK_SECONDS).reading() as con:
            version = migrations.version(con)
    except Locked as error:
        yield Finding("red", "warehouse", str(error), "wait for that process, or end it if it hangs")
        return
    yield Finding("green", "warehouse", f"version {version}, read in {time.perf_counter() - began:.2f} s")


def _spool(data: Path) -> Iterator[Finding]:
    parts = spool.pending(data)
    ages = [time.time() - part.stat().st_mtime for part in parts if part.exists()]
    if ages and max(ages) > WAITING_SECONDS:
        detail = (
            f"{wording.counted(len(ages), 'finished block waits', 'finished blocks wait')} to be "
            f"ingested, the oldest for {max(ages) / 60:.0f} min"
        )
        yield Finding("yellow", "spool", detail, "workbench ingest")
    else:
        yield Finding("green", "spool", f"{wording.counted(len(ages), 'block waits', 'blocks wait')} to be ingested")
    if aside := spool.put_aside(data):
        told = "; ".join(f"{path.parent.name}/{path.name}: {reason}" for path, reason in aside[:_SHOWN])
        more = f"; and {len(aside) - _SHOWN} more" if len(aside) > _SHOWN else ""
        yield Finding(
            "yellow",
            "quarantine",
            f"{wording.counted(len(aside), 'malformed part lies', 'malformed parts lie')} "
            f"aside in spool/quarantine: {told}{more}",
            "read the reason, then score the same archive again and delete them",
        )


def _vectors(data: Path) -> Iterator[Finding]:
    rows = Vectors(data).counts().iter_rows(named=True)
    counts = [f"{row['rows']} {row['kind']} by {row['encoder']}" for row in rows]
    yield Finding("green", "vectors", ", ".join(counts) or "none yet")


def _device() -> Iterator[Finding]:
    import torch

    threads = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        yield Finding("green", "device", f"{card.name}, {card.total_memory / GIB:.0f} GiB; {threads}")
    else:
        yield Finding("green", "device", f"CPU only: enough for the embedded demo model; {threads}")


def _embedded_model() -> Iterator[Finding]:
    from workbench import embedded
    from workbench.model import backbone

    began = time.perf_counter()
    body = backbone.load(str(embedded.CHECKPOINT), device="cpu", dtype="float32")
    seconds = time.perf_counter() - began
    yield Finding("green", "embedded demo model", f"revision {body.revision[:8]}, loaded in {seconds:.1f} s")


def _packages() -> Iterator[Finding]:
    named = ("duckdb", "lancedb", "polars", "pyarrow", "transformers", "safetensors")
    yield Finding("green", "packages", ", ".join(f"{name} {metadata.version(name)}" for name in named))
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        yield Finding(
            "yellow", "dashboard", "its packages are not installed", "in the checkout: pip install '.[dashboard]'"
        )
    yield Finding("green", "python", f"{platform.python_version()} on {platform.platform()}")


def _top_level_modules() -> Iterator[Finding]:
    """Whether anybody else has modules of these names on the path: Python takes the first, for both programs."""
    own = Path(__file__).resolve().parents[2]
    strangers = [f"{name} in {place}" for name in TOP_LEVEL for place in _places(name) if not _is_workbench(place, own)]
    if strangers:
        yield Finding(
            "red",
            "top-level modules",
            f"the workbench installs modules of these names, and there are others: {', '.join(strangers)}",
            "install the workbench in a virtual environment of its own, and start it from another folder",
        )
    else:
        yield Finding("green", "top-level modules", f"{', '.join(TOP_LEVEL)} are the workbench's own")


def _places(name: str) -> Iterator[Path]:
    """The folders on the path that have a module of this name."""
    for entry in dict.fromkeys(sys.path):
        found = PathFinder.find_spec(name, [entry or "."])
        if found is not None and found.origin:  # a folder without __init__.py stands in nobody's way
            yield Path(entry or ".").resolve()


def _is_workbench(place: Path, own: Path) -> bool:
    """Whether this copy of the workbench lies there, or another one."""
    return place == own or (place / Path(__file__).resolve().relative_to(own)).is_file()


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.resolve().parents) if place.exists())
