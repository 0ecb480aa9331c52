"""What a process agrees on with others: the signals that ask it to stop, that one at a time does a piece of work, and
how others are started from it.

    with stop_signals() as stop_signal, single_instance(lock, AlreadyRunning("...")):
        while not stop_signal():
            ...

Both work in any thread. Signals reach the main thread alone, so in another thread none is caught: who runs work there
hands it a function that says when to stop.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from warehouse.errors import WorkbenchError

_A_LOOK = 0.2  # seconds: whoever looks whether a lock is free (`is_free`) holds it for a moment, and isn't at work
Stop = Callable[[], str]  # why to stop, as a name or a sentence; "" to go on


def never() -> str:
    """Go on."""
    return ""


@contextmanager
def stop_signals(then: Callable[[], object] | None = None) -> Iterator[Stop]:
    """A function that names the signal that asked to stop, "" while there was none; a second Ctrl-C stops at once.

    A handler that was there before is called too, so that stops nest: work within a loop stops, and then the loop.

    Args:
        then: called in the handler, such as `Event.set`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    received: list[str] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        if then is not None:
            then()
        outer = before[signal.Signals(number)]
        if callable(outer) and outer is not signal.default_int_handler:
            outer(number, frame)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}  # `handle` reads it
    for number in before:
        signal.signal(number, handle)
    try:
        yield lambda: received[0] if received else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def single_instance(lock: Path, already_running: WorkbenchError) -> Iterator[None]:
    """No other process and no other thread is within the same lock meanwhile; a killed process holds it no longer.

    Args:
        lock: a file; its folder is made.
        already_running: raised where another one is at it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    mine = FileLock(lock)
    try:
        mine.acquire(timeout=_A_LOOK, poll_interval=_A_LOOK / 10)
    except Timeout:
        raise already_running from None
    try:
        yield
    finally:
        mine.release()


def fork_server() -> ForkServerContext:
    """The way to start processes beside this one: forked from a server that has imported what takes long.

    The server is a program of its own, so it may be used by a process that has touched CUDA or has threads. It is
    started with the first process, serves all later ones, and ends with the process that started it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["workbench.scoring.preloaded"])
    return context


def is_free(lock: Path) -> bool:
    """Whether nobody is within the lock at the moment."""
    if not lock.exists():
        return True
    mine = FileLock(lock)
    try:
        mine.acquire(timeout=0)
    except Timeout:
        return False
    mine.release()
    return True
