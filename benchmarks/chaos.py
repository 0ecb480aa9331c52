"""A run killed twenty times at random moments while a reader polls, held against one that was never cut.

    python -m benchmarks.chaos [--kills N] [--seed S]

Every attempt is the command a person would give, in a process of its own; SIGKILL comes at a random named phase (the
run's, the spool's, the ingest's) or after a random time. When a run has come to its end in spite of it, its
predictions, patches and vectors must equal the uncut run's, times aside, and a fresh data folder follows. Prints its
seed and a table, and leaves both in results/chaos.md; exit 1 when anything differed or the reader ever failed.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests import scored
from tests.test_kills import knowing, polled
from warehouse import kill_points
from warehouse.store import Store
from workbench.embedded.archive import draw_archive
from workbench.scoring import run

RESULT = Path(__file__).parent / "results" / "chaos.md"
BY_TIME = "any moment"
KILL_POINTS = (*run.KILL_POINTS, *kill_points.SPOOL, *kill_points.INGEST, BY_TIME)
ARGUMENTS = ("--limit", "56")  # with two images in a block, four blocks


@dataclass
class Tally:
    """What happened."""

    killed: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)  # one line each
    wrong: int = 0


def main() -> int:
    """Kill, resume, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance, tally, started = random.Random(arguments.seed), Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        draw_archive(archive, images=8, seed=arguments.seed)
        whole = knowing(Path(folder) / "uncut" / "data", archive)
        begun = time.monotonic()
        done = scored.workbench("score", archive, *ARGUMENTS, data=whole)
        uncut_seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(done.stderr)
        uncut = scored.stored(whole)
        while tally.killed.total() < arguments.kills:
            data = knowing(Path(folder) / str(len(tally.runs)) / "data", archive)
            try:
                with polled(data):
                    kills = torment(data, archive, arguments.kills - tally.killed.total(), uncut_seconds, chance, tally)
                differs = uncut.differences(scored.stored(data))
            except AssertionError as error:
                kills, differs = 0, [f"the reader: {error}"]
            tally.wrong += bool(differs)
            tally.runs.append(f"| {len(tally.runs) + 1} | {kills} | {'; '.join(differs) or 'equal to the uncut run'} |")
            print(tally.runs[-1], flush=True)
            # After every run: whoever stops this half-way keeps what it showed.
            RESULT.write_text(table(tally, arguments.seed, time.monotonic() - started), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    return 1 if tally.wrong else 0


def torment(data: Path, archive: Path, most: int, uncut_seconds: float, chance: random.Random, tally: Tally) -> int:
    """Kills until the run is finished; the last attempt is left alone."""
    kills = 0
    while kills < most and kills < 7:
        phase = chance.choice(KILL_POINTS)
        if phase == BY_TIME:
            killed = killed_after(chance.uniform(0.2, 1.0) * uncut_seconds, data, archive)
        else:
            variables = {"WORKBENCH_DIE_AT": f"{phase}:{chance.choice((1, 1, 2, 3))}"}
            killed = scored.workbench("score", archive, *ARGUMENTS, data=data, variables=variables).returncode == -9
        if killed:
            kills += 1
            tally.killed[phase] += 1
        runs = Store(data).runs()
        if len(runs) and runs["state"][0] == "finished":
            return kills
    done = scored.workbench("score", archive, *ARGUMENTS, data=data)
    if done.returncode:
        raise AssertionError(done.stderr)
    return kills


def killed_after(seconds: float, data: Path, archive: Path) -> bool:
    """Whether the command was still at work after so long."""
    process = subprocess.Popen(
        scored.command("score", archive, *ARGUMENTS),
        env=scored.environment(data),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -9


def table(tally: Tally, seed: int, seconds: float) -> str:
    """The result as a page."""
    command = f"python -m benchmarks.chaos --kills {tally.killed.total()} --seed {seed}"
    kills = "\n".join(f"| {phase} | {tally.killed[phase]} |" for phase in KILL_POINTS if tally.killed[phase])
    return (
        f"# A run killed {tally.killed.total()} times\n\n"
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, {seconds:.0f} s. Each run is 56 "
        "questions in four blocks; a reader polled every second throughout.\n\n"
        f"{tally.wrong} of {len(tally.runs)} runs differed from the uncut one.\n\n"
        "| run | kills | its rows and vectors |\n| - | - | - |\n" + "\n".join(tally.runs) + "\n\n"
        f"| killed at | times |\n| - | - |\n{kills}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
