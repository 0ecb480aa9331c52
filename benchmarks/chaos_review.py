"""Pushes and pulls killed at every phase against a real Label Studio: each task and each verdict ends there once.

    python -m benchmarks.chaos_review [--kills 20] [--disputes 300] [--seed S]

So many kills in pushing, then as many in pulling; a fresh data folder follows after seven. Prints its seed and leaves
the counts in results/chaos_review.json; exit 1 when a task or a verdict was missing, doubled or on another case.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import machine
from tests.review import killing, studio, trouble
from tests.review.conftest import Studio
from warehouse.queries.reviews import Reviews
from workbench.review.labelstudio import server

RESULT = Path(__file__).parent / "results" / "chaos_review.json"
ROUND = 7  # kills of one data folder


def main() -> int:
    """Kill, finish, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--disputes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    chance = random.Random(args.seed)
    killed: dict[str, Counter[str]] = {"push": Counter(), "pull": Counter()}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(studio.template(), home)
        port = studio.free_port()
        process = server.start(studio.executable(), home, port)
        try:
            url = server.wait(process, port, home)
            studio_of = Studio(url, server.token(home), server.password(home), home)
            rounds = 0
            while any(counted.total() < args.kills for counted in killed.values()):
                rounds += 1
                wrong += one_round(
                    Path(folder) / str(rounds) / "data", args.disputes, args.kills, studio_of, killed, chance
                )
                print({name: dict(counted) for name, counted in killed.items()}, wrong, flush=True)
        finally:
            studio.stop(process)
    machine.report(
        {
            "seed": args.seed,
            "disputes": args.disputes,
            "rounds": rounds,
            "kills_in_push": dict(killed["push"]),
            "kills_in_pull": dict(killed["pull"]),
            "wrong": wrong,
        },
        args.output,
    )
    return 1 if wrong else 0


def one_round(
    data: Path, disputes: int, kills: int, studio_of: Studio, killed: Mapping[str, Counter[str]], chance: random.Random
) -> list[str]:
    """What was wrong after a data folder's disputes were pushed and its verdicts pulled, through kills."""
    data.parent.mkdir(parents=True)
    reviews = killing.many(data, disputes)
    connection = {"url": studio_of.url, "token": studio_of.token, "files": studio_of.folder().path.parent}
    torment(data, ["push", "--limit", str(disputes)], killing.PUSH, connection, killed["push"], kills, chance)
    wrong = after_push(studio_of, reviews)
    judged = [task.task_id for task in reviews.tasks()]  # several pages, and kills between them
    killing.judge_all(studio_of, reviews, judged)
    torment(data, ["pull"], killing.PULL, connection, killed["pull"], kills, chance)
    return wrong + killing.problems_after_pull(reviews, judged)


def torment(
    data: Path,
    command: list[str],
    phases: tuple[str, ...],
    connection: Mapping[str, Any],
    killed: Counter[str],
    kills: int,
    chance: random.Random,
) -> None:
    """Kills at named phases, each first where it hasn't been; the last attempt is left alone."""
    for _ in range(ROUND):
        if killed.total() >= kills:
            break
        fewest = min(killed[phase] for phase in phases)
        phase = chance.choice([phase for phase in phases if killed[phase] == fewest])
        at = f"{phase}:{chance.choice((1, 2, 3))}" if phase not in ("before-settle", "after-settle") else phase
        done = trouble.disputes(data, *command, **connection, die_at=at)
        killed[phase] += done.returncode == -9
    last = trouble.disputes(data, *command, **connection)
    if last.returncode:
        raise SystemExit(last.stderr)


def after_push(studio_of: Studio, reviews: Reviews) -> list[str]:
    """What isn't as it must be: one task per dispute, on the server and in the warehouse."""
    expected = {f"{name}.1" for name in reviews.queue()["dispute_id"]}
    there = killing.remote_keys(studio_of, reviews)
    found = [f"{key} is on the server {there[key]} times" for key in expected if there[key] != 1]
    if {task.task_key for task in reviews.tasks()} != expected:
        found.append("the warehouse doesn't know all tasks")
    return found


if __name__ == "__main__":
    sys.exit(main())
