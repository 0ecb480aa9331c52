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
from importlib import import_module
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
        out, err = Path(printed, "out"), Path(printed, "err")
        words = tuple(map(str, arguments))
        process = fork_server().Process(
            target=_become, args=(program, words, dict(environment), str(folder or Path.cwd()), str(out), str(err))
        )
        with without_main():
            process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess([program, *words], process.exitcode, out.read_text(), err.read_text())


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
    program: str, arguments: tuple[str, ...], environment: dict[str, str], folder: str, out: str, err: str
) -> None:
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
