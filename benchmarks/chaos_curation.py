"""Curators killed in edit, publish and test while a second one works and a reader reads; the base held to its promises.

    python -m benchmarks.chaos_curation [--kills N] [--seed S] [--output FILE]

Each attempt edits and publishes in a process of its own, killed at a random named phase of a change. After every kill
the base must be whole: one live revision of each text, set and states agreeing, revisions and history without gaps, and
every version ever published readable with all its members. Then a draft's test is killed at each of its own phases and
at the phases of the runs beneath it, gone on with each time, and compared with one that was never cut.
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
from tests import scored
from tests.curation import plates
from tests.curation.plates import TEXT, TRUE
from tests.curation.test_curation_kills import TEXTS, consistent, curator
from tests.people import ANN
from warehouse.queries.curation import Curation
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit

KILL_POINTS = ("before-change", "within-change", "after-change")
_RUN = ("after-answer", "after-rename", "after-commit")
OF_A_TEST = ("after-attempt", *_RUN, "after-old", *_RUN, "after-new", "before-verdict")


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
        knowledge_files.import_file(store, file, actor=ANN)
        while killed.total() < arguments.kills:
            phase = chance.choice(KILL_POINTS)
            one = curator(store, "ann", f"{phase}:{chance.randint(1, 6)}")
            other = curator(store, "bob")
            while one.poll() is None or other.poll() is None:
                wrong += half_published(store)
            killed[phase] += one.wait() == -signal.SIGKILL
            wrong += holds(store, phase)
        revisions = len(Curation(store.data).every_revision())
    in_test, differing = killed_in_test()
    figures = {
        "seed": arguments.seed,
        "kills": dict(killed),
        "revisions": revisions,
        "kills_in_test": in_test,
        "wrong": wrong + differing,
    }
    report(figures, arguments.output)
    return 1 if figures["wrong"] else 0


def killed_in_test() -> tuple[dict[str, int], int]:
    """How often a draft's test was killed at each phase, and what was wrong: 0, as its verdict is the uncut test's."""
    killed, wrong, results = Counter[str](), 0, []
    with tempfile.TemporaryDirectory() as folder:
        archive = plates.draw(Path(folder) / "archive", scratched=4, others=6)
        for cut in (False, True):
            store = plates.knowing(Path(folder) / str(cut) / "data", archive)
            plates.score(store, archive)
            draft = edit.edit(store, TEXT, TRUE, "true", actor=ANN).draft
            for phase in OF_A_TEST if cut else ():
                done = scored.workbench(
                    "knowledge", "test", TEXT, data=store.data, variables={"WORKBENCH_DIE_AT": phase}
                )
                killed[phase] += done.returncode == -signal.SIGKILL
                print(f"{phase}: {done.returncode}", flush=True)
                wrong += holds(store, phase)
                if plates.published_text(store) == TRUE:
                    wrong += 1
                    print(f"after {phase}: the draft is live", flush=True)
            done = scored.workbench("knowledge", "test", TEXT, data=store.data)
            if done.returncode:
                raise SystemExit(done.stderr)
            wrong += holds(store, "the end")
            result = Curation(store.data).result(TEXT, draft.revision)
            assert result is not None
            results.append((result.verdict, result.won, result.lost, result.p_better, result.elsewhere_low))
    if results[0] != results[1]:
        wrong += 1
        print(f"the test that was cut says {results[1]}, the whole one {results[0]}", flush=True)
    return dict(killed), wrong


def half_published(store: Store) -> int:
    """1 where a reader sees a set without all its members, and says what it sees; else 0."""
    version, texts = Curation(store.data).published()
    if version is not None and len(texts) == len(version.members):
        return 0
    print(f"a reader sees {version} with {[(text.description_id, text.revision) for text in texts]}", flush=True)
    return 1


def holds(store: Store, after: str) -> int:
    """1 where the base isn't whole, and says what; else 0."""
    try:
        consistent(store)
    except AssertionError as error:
        print(f"after {after}: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
