"""A simulated week of nights under faults, held against a calm one: the same images, the same answers, each once.

    python -m benchmarks.faults [--faults 100] [--seed S] [--output FILE]

Every day the archive grows; every night is the command a timer would give, in a process of its own, given again until
the night is finished. In the stormy week processes are killed (SIGKILL) at a random named phase or after a random time
- scorer, ingester, a reader as a dashboard is one -, the archive goes away and returns, the disk is full, the clock of
a night jumps a month ahead, and one image kills every process that answers it. Afterwards every (image, question) must
have been answered once and as in the calm week, and the poison must be quarantined. Counts every fault that was really
struck; exit 1 when anything differed.
"""

from __future__ import annotations

import argparse
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks import machine
from tests import scored
from tests.nights.archives import OWN, pictures
from tests.nights.calendars import schedule
from warehouse import phases
from warehouse.nights import QUARANTINED, Nights
from warehouse.store import Store
from workbench.inspection import scoring

DAYS, GROWTH = 7, 3  # nights; images a day
POISON = "poison"
PHASES = (*scoring.PHASES, *phases.SPOOL, *phases.INGEST)
KINDS = ("phase", "time", "ingester", "reader", "archive", "disk", "clock")
_READS = """
import pathlib, sys
from warehouse.store import Store
while True:
    Store(pathlib.Path(sys.argv[1])).runs()
"""


@dataclass
class Week:
    """One archive and one data folder, night after night."""

    folder: Path
    chance: random.Random | None  # None: a calm week
    most: int = 0
    struck: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.archive, self.data = self.folder / "archive", self.folder / "data"
        pictures(self.archive, 1)
        Nights(self.data).keep_schedule(
            schedule(archive=str(self.archive), settings=OWN, cron="0 0 1 1 *", review_budget=0)
        )

    def run(self) -> None:
        """All days."""
        for day in range(DAYS):
            pictures(self.archive, GROWTH, first=1 + day * GROWTH)
            if day == 1:
                (poison,) = pictures(self.archive, 1, first=900)
                poison.rename(poison.with_name(f"{POISON}.png"))
            share = -(-self.most * (day + 1) // DAYS)
            for _ in range(60):
                if self.chance and self.struck.total() < share:
                    self._strike(self.chance)
                elif self._night().returncode == 0 and self._finished():
                    break
            else:
                raise SystemExit(f"day {day}: the night never came to its end")

    def _finished(self) -> bool:
        night = Nights(self.data).last_nights().get("line-3")
        return night is not None and night.state == "finished"

    def _night(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(),
            env=scored.environment(self.data, variables),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def _command(self) -> list[str]:
        module = "benchmarks.poisoned" if self.chance else "jobs"
        return [sys.executable, "-m", module, "schedule", "run-due", "--now", "line-3"]

    def _strike(self, chance: random.Random) -> None:
        kind = chance.choice(KINDS)
        if kind == "phase":
            done = self._night(WORKBENCH_DIE_AT=f"{chance.choice(PHASES)}:{chance.choice((1, 1, 2))}")
            self.struck[kind] += done.returncode == -9
        elif kind == "time":
            self.struck[kind] += self._killed_after(self._command(), chance.uniform(2.0, 12.0))
        elif kind == "ingester":
            variables = {"WORKBENCH_DIE_AT": chance.choice(phases.INGEST)}
            self._night(WORKBENCH_DIE_AT="before-close")
            done = scored.workbench("ingest", data=self.data, variables=variables)
            self.struck[kind] += done.returncode == -9
        elif kind == "reader":
            self.struck[kind] += self._killed_after(
                [sys.executable, "-c", _READS, str(self.data)], chance.uniform(1, 3)
            )
        elif kind == "archive":
            self._without_the_archive(chance.uniform(1.0, 8.0))
        elif kind == "disk":
            # `ulimit -f`: no file may grow past so many KiB, which is how a full disk looks to whoever writes.
            limited = ["bash", "-c", f'ulimit -f {chance.choice((64, 512))}; exec "$@"', "bash", *self._command()]
            subprocess.run(
                limited, env=scored.environment(self.data), cwd=self.folder, capture_output=True, check=False
            )
            self.struck[kind] += 1
        elif kind == "clock":
            ledger = Nights(self.data)
            night = ledger.last_nights().get("line-3")
            if night:
                ahead = timedelta(days=30)
                ledger.keep_night(replace(night, due_at=datetime.now(UTC) + ahead, state="running"))
                self.struck[kind] += 1

    def _killed_after(self, command: list[str], seconds: float) -> bool:
        process = subprocess.Popen(
            command,
            env=scored.environment(self.data),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() == -9

    def _without_the_archive(self, seconds: float) -> None:
        aside = self.archive.with_name("aside")

        def take_away() -> None:
            time.sleep(seconds)
            self.archive.rename(aside)

        thief = threading.Thread(target=take_away)
        thief.start()
        self._night()
        thief.join()
        self._night()
        aside.rename(self.archive)
        self.struck["archive"] += 1

    def answers(self) -> pl.DataFrame:
        """What counts in the end, one row per (image, question): a vanished image's later answer counts."""
        runs = [run.run_id for run in Nights(self.data).night_runs("line-3")]
        rows = pl.concat([Store(self.data).predictions(run_id) for run_id in sorted(set(runs))])
        kept = rows.filter(~pl.col("error").fill_null("").str.starts_with("vanished"))
        return kept.select("image_path", "question_id", "status", "answer", "error").sort("image_path", "question_id")


def differences(calm: pl.DataFrame, stormy: pl.DataFrame) -> list[str]:
    """What isn't the same, in words."""
    poisoned = pl.col("image_path").str.contains(POISON)
    found = []
    if stormy.select("image_path", "question_id").is_duplicated().any():
        found.append("a question was answered twice")
    if not calm.filter(~poisoned).equals(stormy.filter(~poisoned)):
        missing = calm.join(stormy, on=["image_path", "question_id", "status", "answer"], how="anti").filter(~poisoned)
        found.append(f"{missing.height} answers differ or are missing, such as {missing.head(1).to_dicts()}")
    if not stormy.filter(poisoned)["error"].fill_null("").str.starts_with(QUARANTINED).all():
        found.append("the poison was not quarantined")
    return found


def main() -> int:
    """A calm week, a stormy one, the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        calm = Week(Path(folder) / "calm", None)
        stormy = Week(Path(folder) / "stormy", random.Random(arguments.seed), arguments.faults)
        for week in (calm, stormy):
            week.run()
        found = differences(calm.answers(), stormy.answers())
        figures = {
            "seed": arguments.seed,
            "faults_struck": dict(stormy.struck),
            "faults": stormy.struck.total(),
            "questions": calm.answers().height,
            "differences": found,
            "seconds": time.monotonic() - started,
        }
    machine.report(figures, arguments.output)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
