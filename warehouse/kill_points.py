"""Named moments at which a test can have the process killed, to show that nothing is lost or doubled.

`WORKBENCH_DIE_AT=after-commit` kills the process with SIGKILL the first time it comes to that phase, `after-commit:3`
the third time. For tests only; without the variable a call costs one comparison.
"""

from __future__ import annotations

import os
import signal

_PHASE, _, _COUNT = os.environ.get("WORKBENCH_DIE_AT", "").partition(":")
_left = int(_COUNT or 1)

# In the order a part passes them; the ones of the run loop are the scorer's own.
SPOOL = ("before-write", "after-write", "after-fsync", "after-rename")
INGEST = (
    "before-merge",
    "after-merge",
    "before-commit",
    "after-commit",
    "before-remove",
    "within-remove",
    "after-remove",
)
CHANGE = ("before-change", "within-change", "after-change")
DROP = ("after-change", "within-drop")  # the row of what is dropped comes before the files go
RESTORE = ("before-arrival", "after-arrival", "after-checkpoint", "after-copy-aside", "after-vectors", "after-replace")


def at(phase: str) -> None:
    """Die here if the environment says so."""
    global _left
    if phase != _PHASE:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
