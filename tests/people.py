"""Who makes the changes in tests."""

from __future__ import annotations

from warehouse.records.audit import Actor


def by(name: str) -> Actor:
    """Somebody at the command line."""
    return Actor(name, "command line")


ANN = by("ann")
