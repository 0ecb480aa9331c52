"""A writer as a process, for the tests that kill it."""

from __future__ import annotations

from pathlib import Path

from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.store import Store

BLOCKS, QUESTIONS = 3, 6


def write_and_ingest(data: str | Path, run_id: str) -> None:
    """What a scoring run does with its blocks: spool those that are missing, ingest now and then."""
    data = Path(data)
    store = Store(data)
    for block in range(BLOCKS):
        if block not in spool.spooled_blocks(data, run_id) | store.ingested_blocks(run_id):
            rows.write_part(data, block, run_id, QUESTIONS)
        if block == 1:
            ingest(store)
    ingest(store)
