"""A curator as a process, for the tests that kill one: edit, test, publish, over and over until done.

python -m tests.curation.curator DATA NAME [TIMES]

Imports nothing that takes long: ten of these are started.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.people import by
from warehouse.store import Store
from workbench.curation import edit

TEXT = "Drawn/metal_plate/scratch"


def main(data: Path, name: str, times: int) -> None:
    store = Store(data)
    for number in range(times):
        draft = edit.edit(
            store, TEXT, f"A thin line, as {name} saw it {number} times.", f"edit {number}", actor=by(name)
        ).draft
        edit.publish(store, TEXT, draft.revision, f"publish {number}", actor=by(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 3)
