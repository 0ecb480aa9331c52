"""Processes of the command line that begin at once: forked from one that has the libraries, then on their own.

A fresh process spends ten times longer importing PyTorch and its kin than on a night of two pictures. Python's fork
server imports them once; each process forked from it loads the program itself, runs one command and can be killed like
any other. Two things are injected: the clock by which nights are due, and a picture that kills whoever answers it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# Only what others made, but LanceDB, which starts a thread that would not live on in a fork.
LIBRARIES = (
    "torch",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
    "transformers.models.qwen2_5_vl.processing_qwen2_5_vl",
    "transformers.models.qwen2.tokenization_qwen2",
    "scipy.stats",
    "statsmodels.api",
    "polars",
    "pydantic_settings",
    "prometheus_client",
    "typer",
    "rich.table",
    "rich.progress",
    "lance_namespace",
    "duckdb",
    "streamlit.web.cli",
)
POISON = "poison.png"


@dataclass
class Clock:
    """The time in a process: real time from a moment on, which jumps once when it has been looked at so often."""

    begins: datetime
    jump: timedelta = timedelta()
    looks: int = 0  # before it jumps

    def __post_init__(self) -> None:
        """Real time since then goes by."""
        self._started = time.monotonic()

    def __call__(self) -> datetime:
        """Now."""
        self.looks -= 1
        jumped = self.jump if self.looks < 0 else timedelta()
        return self.begins + timedelta(seconds=time.monotonic() - self._started) + jumped


class Nursery:
    """Where processes come from."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        """Processes with these variables, in this folder; what they say goes to `folder`/said."""
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads would be there before the fork
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(list(LIBRARIES))
        self._folder, self._variables = folder, dict(variables)

    def begin(
        self,
        arguments: Sequence[str],
        clock: Clock | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> ForkServerProcess:
        """A process that runs one command; `exitcode` is -9 once it was killed."""
        own = {**self._variables, **(variables or {})}
        process = self._processes.Process(target=_live, args=(list(arguments), own, self._folder, clock))
        process.start()
        return process

    def run(
        self,
        arguments: Sequence[str],
        clock: Clock | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> int:
        """The command's exit code, -9 for a kill."""
        process = self.begin(arguments, clock, variables)
        process.join()
        assert process.exitcode is not None
        return process.exitcode


def _live(arguments: list[str], variables: dict[str, str], folder: Path, clock: Clock | None) -> None:
    os.environ.update(variables)
    os.chdir(folder)
    for number in (1, 2):
        os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)

    from benchmarks import poisoned
    from jobs import schedule, serve
    from jobs.__main__ import main
    from warehouse import kill_points
    from workbench.scoring import block as blocks

    importlib.reload(kill_points)  # it looks at the environment once
    if clock is not None:
        schedule.clock = clock
    blocks.answer_block = poisoned.answer_or_die
    serve.os.execv = _in_this_process  # type: ignore[attr-defined]
    sys.argv = ["workbench", *arguments]
    main()


def _in_this_process(_python: str, arguments: list[str]) -> None:
    """Streamlit in the place of `exec`: [python, -m, streamlit, run, ...]."""
    from streamlit.web import cli

    sys.argv = arguments[2:]
    cli.main()
