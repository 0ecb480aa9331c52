"""The data folder is its owner's alone, whatever the umask: it holds keys, pictures of products and people's verdicts.

Two things see to it. The folder itself is 0700, set wherever something is first opened or written there, so that nobody
else gets to what lies below it; one of an earlier release is tightened then. And a process of ours makes what it makes
0600 and 0700 from its start (`guard`), so that a file that is moved or copied elsewhere stays private: DuckDB and
LanceDB write their own files and ask only the umask. Files that somebody asked for by name, an export say, have the
modes the user's own umask gives (`users_umask`).

The umask belongs to the process: `users_umask` is for short stretches of a command, not for threads beside others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OURS = 0o077
_OTHERS = 0o077
_users: int | None = None  # the umask this process was started with, once it is guarded


def guard() -> None:
    """From now on what this process and its children make is its owner's alone."""
    global _users
    before = os.umask(_OURS)
    _users = before if _users is None else _users


@contextmanager
def users_umask() -> Iterator[None]:
    """What is made within has the modes that the user's own umask gives."""
    if _users is None:
        yield
        return
    before = os.umask(_users)
    try:
        yield
    finally:
        os.umask(before)


def folder(data: Path) -> None:
    """Make the data folder, or tighten it: 0700. One that isn't ours to change stays as it is; the doctor tells."""
    data.mkdir(parents=True, exist_ok=True)
    tighten(data)


def tighten(data: Path) -> None:
    """Keep others out of a data folder that is there; a place for everybody, such as /tmp, is left as it is."""
    mode = data.stat().st_mode
    if mode & _OTHERS and not mode & stat.S_ISVTX:
        try:
            data.chmod(stat.S_IMODE(mode) & ~_OTHERS)
        except OSError:
            return


def open_to_others(data: Path) -> bool:
    """Whether another user of this machine can get into the folder."""
    return bool(data.stat().st_mode & _OTHERS)
