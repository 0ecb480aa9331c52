"""A curator as a process, for the tests that kill one: edit, test, publish, over and over until done.

python -m tests.curation.curator DATA NAME [TIMES]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.curation.plates import TEXT
from warehouse.store import Store
from workbench.review import curation


def main(data: Path, name: str, times: int) -> None:
    store = Store(data)
    for number in range(times):
        draft = curation.edit(
            store, TEXT, f"A thin line, as {name} saw it {number} times.", name, f"edit {number}"
        ).draft
        curation.publish(store, TEXT, draft.revision, name, f"publish {number}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 3)
