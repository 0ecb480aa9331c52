"""A program of ours in a process of its own, for what `python -m` takes seconds to import: forked, not started anew.

The process comes from the same fork server as a run's processes (`workbench.processes.fork_server`), so PyTorch and
the like are there already; what reads its environment, and whatever keeps threads, is imported in it. Killed, ended and
printed is as by `subprocess.run`.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

from workbench.processes import fork_server


def run(
    program: str, *arguments: str | Path, environment: Mapping[str, str], folder: Path | None = None
) -> CompletedProcess[str]:
    """Run it to its end.

    Args:
        program: a module that is run as `python -m` does; or "module:function", called with the arguments.
        folder: where it runs; here by default.
    """
    with tempfile.TemporaryDirectory() as printed:
        started = start(program, *arguments, environment=environment, folder=folder, printed=Path(printed))
        out, err = started.communicate()
        return CompletedProcess([program, *map(str, arguments)], started.returncode, out, err)


@dataclass(frozen=True, slots=True)
class Started:
    """A process that runs, with the methods of `subprocess.Popen`."""

    process: ForkServerProcess
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        """Its number; a group's too, where it leads one."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def returncode(self) -> int:
        """Of a process that has ended."""
        assert self.process.exitcode is not None
        return self.process.exitcode

    def wait(self) -> int:
        """Its exit code, at its end."""
        self.process.join()
        return self.returncode

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def communicate(self) -> tuple[str, str]:
        """What it printed, and what it complained of, at its end."""
        self.process.join()
        return self.out.read_text(), self.err.read_text()


def start(
    program: str,
    *arguments: str | Path,
    environment: Mapping[str, str],
    printed: Path,
    folder: Path | None = None,
    leads_group: bool = False,
) -> Started:
    """Start it, as `run` does.

    Args:
        printed: a folder for what it prints.
        leads_group: whether it gets a session and process group of its own.
    """
    out, err = printed / "out", printed / "err"
    words = tuple(map(str, arguments))
    process = fork_server().Process(
        target=_become,
        args=(program, words, dict(environment), str(folder or Path.cwd()), str(out), str(err), leads_group),
    )
    with without_main():
        process.start()
    return Started(process, out, err)


@contextmanager
def without_main() -> Iterator[None]:
    """Nothing of this process's main module is imported in the new one: it may be a page that a test opened."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _become(
    program: str,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    folder: str,
    out: str,
    err: str,
    leads_group: bool,
) -> None:
    if leads_group:
        os.setsid()
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    module, _, function = program.partition(":")
    if function:
        getattr(import_module(module), function)(*arguments)
        return
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
