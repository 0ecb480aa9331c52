"""A curator killed twenty times while a second one works and a reader reads; the knowledge base held to its promises.

    python -m benchmarks.chaos_curation [--kills N] [--seed S] [--output FILE]

Each attempt edits and publishes in a process of its own, killed at a random named phase of a change. After every kill
the base must be whole: one live revision of each text, set and states agreeing, revisions and history without gaps, and
every version ever published readable with all its members.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.machine import report
from tests.curation.test_curation_kills import TEXTS, consistent, curator
from warehouse.curation import Curation
from warehouse.store import Store
from workbench.inspection import knowledge

PHASES = ("before-change", "within-change", "after-change")


def main() -> int:
    """Kill, look, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance, killed, wrong = random.Random(arguments.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(json.loads(TEXTS)))
        store = Store(Path(folder) / "data")
        knowledge.import_file(store, file)
        while killed.total() < arguments.kills:
            phase = chance.choice(PHASES)
            one = curator(store, "ann", f"{phase}:{chance.randint(1, 6)}")
            other = curator(store, "bob")
            while one.poll() is None or other.poll() is None:
                version, texts = Curation(store.data).published()
                wrong += version is None or len(texts) != len(version.members)
            killed[phase] += one.wait() == -signal.SIGKILL
            try:
                consistent(store)
            except AssertionError as error:
                wrong += 1
                print(f"after {phase}: {error}", flush=True)
        revisions = len(Curation(store.data).every_revision())
    figures = {"seed": arguments.seed, "kills": dict(killed), "revisions": revisions, "wrong": wrong}
    report(figures, arguments.output)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
