"""A fair reader-writer lock between processes and threads, on files beside the database.

DuckDB lets one process write or many read, and turns everyone else away at once; retrying with jitter alone lets a
crowd of readers starve the writer. So everyone first passes a turnstile, one at a time, and a writer stays in it until
the readers inside have left: whoever comes later queues behind the writer.

`flock` belongs to the open file, not to the process, so threads of one process exclude each other like processes do,
and the kernel frees the lock of a killed process. The data folder must be on a local disk, as DuckDB itself needs.
Polling costs some ten milliseconds of waiting and buys a time limit and a Ctrl-C that works.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import Locked

_PAUSE = 0.01  # seconds between two tries, on average


@contextmanager
def shared(folder: Path, name: str, timeout: float) -> Iterator[None]:
    """Hold the lock as one of many readers.

    Raises:
        Locked: `timeout` seconds passed.
    """
    with _held(folder / f"{name}.lock", fcntl.LOCK_SH, timeout, turnstile=folder / f"{name}.turnstile"):
        yield


@contextmanager
def exclusive(folder: Path, name: str, timeout: float) -> Iterator[None]:
    """Hold the lock alone.

    Raises:
        Locked: `timeout` seconds passed.
    """
    with _held(folder / f"{name}.lock", fcntl.LOCK_EX, timeout, turnstile=folder / f"{name}.turnstile"):
        yield


@contextmanager
def _held(path: Path, mode: int, timeout: float, turnstile: Path | None = None) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if turnstile is None:
            _take(handle, mode, path, deadline)
        else:
            with _held(turnstile, fcntl.LOCK_EX, timeout):
                _take(handle, mode, path, deadline)
        try:
            yield
        finally:
            # Explicitly: a child forked meanwhile still has the file open, and closing here would not free it.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _take(handle: int, mode: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Locked(
                    f"{path} stayed taken by another process; see who holds it with `fuser {path}` and try again"
                ) from None
            time.sleep(_PAUSE * random.uniform(0.5, 1.5))
        else:
            return
