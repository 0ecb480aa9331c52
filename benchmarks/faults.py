"""A simulated week of nights under faults, held against a calm one: the same images, the same answers, each once.

    python -m benchmarks.faults [--faults 100] [--seed S] [--output FILE]

The week's clock is injected. A hundred times in it pictures arrive and a fault strikes while what is due is worked
through by the commands that a timer and people give, each a process of its own:

- scorer: `schedule run-due` is killed (SIGKILL) at a random named phase, or after a random time
- ingester: `ingest` is killed at a random phase over what a dead scorer left
- dashboard: `serve`, its pages being looked at while a night is scored, is killed
- disk: the data folder's small disk is full but for a little, from the start or after a while
- clock: the clock is a month ahead, or days behind, from the start or in the middle of the night
- archive: it goes away in the middle of the night and returns after a call without it
- poison: a picture that kills every process which answers it

Now and then a night comes to its end between two faults. After the last, `--rescore affected` tries once more what two
kills happened to hit. Then every (image, question) must have been answered once and as in the calm week, the poison
must be quarantined, no due time may have been left out or counted twice, and nothing may be left in the spool. Exit 1
when anything differs. The disk is a tmpfs: it needs Linux, and root or user namespaces.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from threading import Thread, Timer

import polars as pl

from benchmarks import dashboard, machine
from benchmarks.nursery import POISON, Clock, Nursery
from tests import scored
from tests.nights.archives import OWN, pictures
from tests.nights.calendars import schedule
from tests.people import ANN
from warehouse import kill_points, spool
from warehouse.failures import NOT_THE_IMAGES_FAULT
from warehouse.queries.nights import Nights
from warehouse.store import Store
from workbench.scoring import run as scoring

DAYS = 7
DISK_MIB = 256
CALM = 0.3  # how often a night comes to its end before the next fault
NAME = "line-3"
RUN_DUE = ("schedule", "run-due")
SCORER = (*scoring.KILL_POINTS, *kill_points.SPOOL, *kill_points.INGEST)
KINDS = ("phase", "time", "ingester", "dashboard", "disk", "clock", "archive", "poison")
JUMPS = (timedelta(days=30), timedelta(hours=5), timedelta(days=-2), timedelta(days=-400))


class Week:
    """One archive and one data folder, hour after hour."""

    def __init__(self, folder: Path, begins: datetime) -> None:
        self.archive, self.data, self.begins, self.now = folder / "archive", folder / "data", begins, begins
        self.deaths = 0  # of processes that nobody meant to kill
        self.ledger = Nights(self.data)
        settings = json.dumps({**json.loads(OWN), "keep_backups": 2})
        kept = schedule(NAME, archive=str(self.archive), settings=settings, cron="0 * * * *", review_budget=0)
        self.ledger.keep_schedule(replace(kept, created_at=begins), actor=ANN)
        self.nursery = Nursery(folder, scored.environment(self.data))

    def night(self, clock: Clock | None = None, **variables: str) -> int:
        """What a timer's call ends with."""
        code = self.nursery.run(RUN_DUE, clock or Clock(self.now), variables)
        self.deaths += code == -9 and not variables
        return code

    def until_finished(self, *arguments: str) -> float:
        """Give the command again until nothing is left of the night; how many seconds the last call took."""
        for _ in range(200):
            started = time.monotonic()
            code = self.nursery.run([*RUN_DUE, *arguments], Clock(self.now))
            self.deaths += code == -9
            if code == 0 and self.state() == "finished":
                return time.monotonic() - started
        raise SystemExit(f"{self.now}: the night never came to its end: {self.ledger.nights(NAME, 1)}")

    def state(self) -> str:
        """Of the newest night that counts."""
        night = self.ledger.last_nights(self.now + timedelta(minutes=30)).get(NAME)
        return night.state if night else "none"

    def covered(self) -> list[str]:
        """What is wrong with which due times the nights cover."""
        nights = [night for night in reversed(self.ledger.nights(NAME)) if night.state != "void"]
        firsts = [night.first_due_at for night in nights]
        wanted = [night.due_at + timedelta(hours=1) for night in nights]
        hours = int((nights[-1].due_at - firsts[0]) / timedelta(hours=1)) + 1
        if firsts[1:] == wanted[:-1] and sum(night.covered for night in nights) == hours:
            return []
        return [f"of {hours} due times {sum(night.covered for night in nights)} were covered"]

    def answers(self) -> pl.DataFrame:
        """What counts in the end, one row per (image, question): a quarantined or vanished image's later answer."""
        runs = sorted({run.run_id for run in self.ledger.night_runs(NAME)})
        rows = pl.concat([Store(self.data).predictions(run_id) for run_id in runs])
        key = ["image_path", "question_id"]
        passing = pl.col("failure").is_in((*NOT_THE_IMAGES_FAULT, "poison")).fill_null(False)
        answered = rows.filter(~passing)
        never = rows.filter(passing).unique(key, keep="last").join(answered, on=key, how="anti")
        return pl.concat([answered, never]).select(*key, "status", "answer", "error", "failure").sort(key)


class Storm:
    """A week under faults."""

    def __init__(self, week: Week, chance: random.Random, faults: int) -> None:
        self.week, self._chance, self._faults = week, chance, faults
        self.struck: Counter[str] = Counter()
        self.arrived: list[tuple[datetime, list[Path]]] = []
        self._usual = 0.0  # seconds that a night took

    def rage(self) -> None:
        """All faults. One that came too late, after the night, is tried again with the next picture."""
        week, number = self.week, 0
        for _ in range(2):  # the first waits for the libraries and says nothing about the usual night
            self._arrive()
            self._usual = week.until_finished()
        while self.struck.total() < self._faults:
            kinds = self._chance.sample(KINDS, len(KINDS))
            if self._chance.random() < 0.5:
                kinds.remove("poison")  # each costs three processes, and as many again in the end
            for kind in kinds[: self._faults - self.struck.total()]:
                for _ in range(20):
                    number += 1
                    self._arrive(kind == "poison")
                    started = time.monotonic()
                    struck = getattr(self, f"_{kind}")()
                    taken = f"{time.monotonic() - started:.0f} s, night {week.state()}"
                    print(f"{self.struck.total() + struck} {kind} {struck} {taken}", file=sys.stderr, flush=True)
                    if struck:
                        break
                else:
                    raise SystemExit(f"{kind} never struck")
                self.struck[kind] += 1
                if self._chance.random() < CALM:
                    self._usual = week.until_finished()
        week.until_finished()

    def _arrive(self, poison: bool = False) -> None:
        """Time goes on, a picture or two arrive."""
        number, share = len(self.arrived), timedelta(days=DAYS) / self._faults
        self.week.now += share
        new = pictures(self.week.archive, self._chance.choice((1, 2)), first=10 * number)
        if poison:
            new.append(new[-1].with_name(f"{number}-{POISON}"))
            shutil.copy2(pictures(self.week.archive.with_name("drawn"), 1, first=10 * number + 9)[0], new[-1])
        self.arrived.append((self.week.now, new))

    def _phase(self) -> bool:
        return self.week.night(WORKBENCH_DIE_AT=self._chance.choice(SCORER)) == -9

    def _time(self) -> bool:
        process = self.week.nursery.begin(RUN_DUE, Clock(self.week.now))
        process.join(self._chance.uniform(0.1, 0.9) * self._usual)
        process.kill()
        process.join()
        return process.exitcode == -9

    def _ingester(self) -> bool:
        self.week.night(WORKBENCH_DIE_AT=self._chance.choice(("after-rename", "after-part")))
        return (
            self.week.nursery.run(["ingest"], None, {"WORKBENCH_DIE_AT": self._chance.choice(kill_points.INGEST)}) == -9
        )

    def _dashboard(self) -> bool:
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = self.week.nursery.begin(["serve", "--port", str(port)])
        if not dashboard.is_up(port, 120, lambda: process.exitcode is not None):
            raise SystemExit("the dashboard never came up")
        shown: list[str] = []
        people = [Thread(target=lambda: shown.extend(dashboard.look(port))) for _ in range(2)]
        for person in people:
            person.start()
        while not shown and process.exitcode is None:
            time.sleep(0.1)
        night = self.week.nursery.begin(RUN_DUE, Clock(self.week.now))
        night.join(self._chance.uniform(0.3, 1.0) * self._usual)
        process.kill()
        process.join()
        night.join()
        for person in people:
            person.join()
        return process.exitcode == -9 and bool(shown)

    def _disk(self) -> bool:
        def fill() -> None:
            free = os.statvfs(self.week.data).f_bavail * os.statvfs(self.week.data).f_frsize
            with (self.week.data / "ballast").open("wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, max(1, free - left))

        left = self._chance.choice((0, 8, 32)) * 1024
        filling = Timer(self._chance.choice((0.0, 0.4)) * self._usual, fill)
        filling.start()
        self.week.night()
        filling.join()
        night = self.week.ledger.last_nights(self.week.now + timedelta(minutes=30))[NAME]
        (self.week.data / "ballast").unlink()
        steps = self.week.ledger.steps(NAME, night.due_at)
        return night.state != "finished" or any(step.state == "failed" for step in steps)

    def _clock(self) -> bool:
        jump, looks = self._chance.choice(JUMPS), self._chance.choice((0, self._chance.randrange(1, 12)))
        self.week.night(Clock(self.week.now, jump, looks))
        return True

    def _archive(self) -> bool:
        aside = self.week.archive.with_name("aside")
        leaving = Timer(self._chance.uniform(0.0, 0.6) * self._usual, lambda: self.week.archive.rename(aside))
        leaving.start()
        self.week.night()
        leaving.join()
        self.week.night()
        stopped = self.week.state() == "stopped"
        aside.rename(self.week.archive)
        return stopped

    def _poison(self) -> bool:
        before = self.week.deaths
        self.week.until_finished()
        return self.week.deaths > before


def calm(week: Week, arrived: Sequence[tuple[datetime, list[Path]]]) -> None:
    """The same pictures at the same times, scored once a day without any trouble."""
    for number, (moment, new) in enumerate(arrived):
        for picture in new:
            to = week.archive / picture.parent.name / picture.name
            to.parent.mkdir(parents=True, exist_ok=True)
            if POISON not in picture.name:
                shutil.copy2(picture, to)
        week.now = moment
        if number == len(arrived) - 1 or arrived[number + 1][0].date() > moment.date():
            week.until_finished()


def differences(calm: pl.DataFrame, stormy: pl.DataFrame) -> list[str]:
    """What isn't the same, in words."""
    poisoned = pl.col("image_path").str.contains(POISON)
    found = []
    if stormy.select("image_path", "question_id").is_duplicated().any():
        found.append("a question was answered twice")
    if not calm.equals(stormy.filter(~poisoned)):
        missing = calm.join(stormy, on=["image_path", "question_id", "status", "answer"], how="anti")
        found.append(f"{missing.height} answers differ or are missing, such as {missing.head(1).to_dicts()}")
    if not (stormy.filter(poisoned)["failure"] == "poison").fill_null(False).all():
        found.append("a poison was not quarantined")
    return found


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs of DISK_MIB there."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main() -> int:
    """A stormy week, a calm one, the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if os.geteuid() != 0:  # who mounts must be root, if only in a name space of its own
        inside = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "benchmarks.faults"]
        os.execvp(inside[0], [*inside, *sys.argv[1:]])
    print(f"seed {arguments.seed}", file=sys.stderr, flush=True)
    started, begins = time.monotonic(), datetime.now(UTC) - timedelta(days=DAYS + 2)
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder, "stormy", "data")):
        stormy, peaceful = Week(Path(folder, "stormy"), begins), Week(Path(folder, "calm"), begins)
        storm = Storm(stormy, random.Random(arguments.seed), arguments.faults)
        storm.rage()
        found = stormy.covered()
        quarantined = stormy.answers().filter(pl.col("failure") == "poison")["image_path"].n_unique()
        stormy.until_finished("--now", NAME, "--rescore", "affected")
        calm(peaceful, storm.arrived)
        found += differences(peaceful.answers(), stormy.answers())
        if left := spool.pending(stormy.data):
            found.append(f"{len(left)} parts were left in the spool")
        figures = {
            "seed": arguments.seed,
            "faults": storm.struck.total(),
            "faults_struck": dict(sorted(storm.struck.items())),
            "processes_the_poison_killed": stormy.deaths,
            "images": stormy.answers()["image_path"].n_unique(),
            "questions": stormy.answers().height,
            "quarantined_before_rescoring": quarantined,
            "poisons": stormy.answers().filter(pl.col("image_path").str.contains(POISON))["image_path"].n_unique(),
            "nights": len(stormy.ledger.nights(NAME)),
            "differences": found,
            "seconds": time.monotonic() - started,
        }
    machine.report(figures, arguments.output)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
