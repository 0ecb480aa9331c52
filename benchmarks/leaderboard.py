"""How long a leaderboard of 30 runs of MMAD's size takes, from a warehouse on disk.

    python -m benchmarks.leaderboard --output benchmarks/results/leaderboard.json

The runs are invented by SQL, as those of the pages' benchmark, with 39,672 questions each. Warm is what the dashboard
does: what was read of a run is kept. The command line keeps nothing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import invented_warehouse, machine
from warehouse.database import Database, insert
from warehouse.queries import shared
from workbench.analysis import leaderboard, right_reason
from workbench.pages.ui import run_cache
from workbench.question_sets import MMAD, built_in

RUNS, QUESTIONS, REPEATS = 30, 39_672, 5
_GROUNDINGS = """
    INSERT INTO groundings SELECT run_id, image_id, question_id, hash(question_id) % 2 = 0, 0.3, NULL, NULL, NULL, NULL
    FROM facts WHERE run_id = ? AND label = 'defective' AND correct IS NOT NULL
"""


def main() -> None:
    """Make the warehouse, build the leaderboard a few times, print and store how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for number in range(options.runs):
            with Database(data)._transaction() as con:
                insert(con, "runs", invented_warehouse.invented_run(number, options.questions))
                invented_warehouse.invent(con, number, options.questions, traced=False)
                con.execute(_GROUNDINGS, [invented_warehouse.name(number)])
        run_ids = [invented_warehouse.name(number) for number in range(options.runs)]
        kept = run_cache.SharedCache(run_cache.MEBIBYTES * 2**20)
        took = [_seconds(data, run_ids, kept) for _ in range(1 + REPEATS)]
        anew = [_seconds(data, run_ids, None) for _ in range(REPEATS)]
    warm = sorted(took[1:], key=sum)
    machine.report(
        {
            "runs": options.runs,
            "questions each": options.questions,
            "first, s": round(sum(took[0]), 3),
            "warm median, s": round(sum(warm[len(warm) // 2]), 3),
            "warm slowest, s": round(sum(warm[-1]), 3),
            "of which reading, median, s": round(warm[len(warm) // 2][0], 3),
            "with nothing kept, median, s": round(statistics.median(map(sum, anew)), 3),
            "kept, MiB": round(kept.bytes / 2**20, 1),
        },
        options.output,
    )


def _seconds(data: Path, run_ids: list[str], cache: shared.FrameCache | None) -> tuple[float, float]:
    """Seconds of reading, and of working out."""
    began = time.perf_counter()
    found = shared.read(data, run_ids, cache=cache)
    read = time.perf_counter()
    _, reasons = right_reason.over_shared_questions(found, run_ids)
    assert reasons.height == len(run_ids)
    table = leaderboard.build(found.answers, run_ids, built_in(MMAD).subtasks)
    assert table.ranking.height == len(run_ids)
    return read - began, time.perf_counter() - read


if __name__ == "__main__":
    main()
