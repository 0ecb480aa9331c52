"""The shape of what people write on a run: its name, a note, tags, and whether lists leave it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunNote:
    """What people wrote on one run; the audit log keeps what it said before."""

    run_id: str
    name: str  # unique among runs, stands for the run wherever one is named; "" none
    note: str
    tags: tuple[str, ...]  # sorted
    hidden: bool  # lists leave it out; by name it is found
    author: str  # of the last change
    changed_at: datetime
