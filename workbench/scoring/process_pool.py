"""An executor of one process per device, over one run and one spool; work stealing between them.

Each process has its own model and does what a run's own process would do, block by block. This one hands the blocks
out, and so each is done once: every process begins with a stretch of the plan of its own, so that references are read
on one device, and who has finished takes from the end of the longest stretch left. A process that dies gives back the
blocks it had, its images' deaths are counted (`crash_counts.py`), and another takes its place, a few times; a block
that was stored and not told of is done again with the same rows, and kept once. One that says its device is lost is
replaced likewise, and at once: such a device can keep its process from ever ending.

The processes end when this one does, however it does: their pipe closes. Ctrl-C and SIGTERM are for this one alone.
"""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import queue
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from warehouse.records.scoring import Timings
from workbench.errors import BackboneError, DeviceLost
from workbench.processes import fork_server
from workbench.scoring import executor, input_pipeline
from workbench.scoring.crash_counts import CrashCounts
from workbench.scoring.evaluator import Declaration
from workbench.scoring.models import EMBEDDED
from workbench.scoring.plan import Block
from workbench.scoring.run_resources import RunResources
from workbench.scoring.worker import AHEAD, Job, Stored, Task, Worker
from workbench.settings import Machine, Settings

logger = logging.getLogger(__name__)

RESTARTS = 3  # of one device's process with no block stored in between; more of them isn't one bad picture
TICK = 1.0  # seconds without news after which the run may look at its clock
PATIENCE = 10.0  # seconds given to a process to end by itself

# -- what is said between them -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ready:
    """The models are loaded."""

    declaration: Declaration
    source_versions: Mapping[str, str]
    encoder: str | None
    notes: Sequence[str]
    device: str
    memory: int  # bytes for what is kept


@dataclass(frozen=True, slots=True)
class _Told:
    """A block was stored."""

    stored: Stored
    spent: Timings
    memory: int


@dataclass(frozen=True, slots=True)
class _Failed:
    """The process gives up."""

    error: bytes  # pickled


class _Ended:
    """The process has nothing left to do."""


_Message = _Ready | _Told | _Failed | _Ended | logging.LogRecord

# -- the coordinator's side --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Member:
    """One device's process, this one or the one that took its place."""

    place: int
    machine: Machine
    process: BaseProcess
    pipe: Connection
    ready: _Ready | None = None
    holds: dict[int, Block] = field(default_factory=dict)  # given and not yet stored, by number
    spent: Timings | None = None  # of this process
    memory: int = 0
    told_to_stop: bool = False
    over: bool = False  # it has ended, or was given up
    restarts: int = 0  # since a block was stored


class Shares:
    """Blocks shared out: a stretch for each place, and who has none left takes from the end of the longest."""

    def __init__(self, blocks: Sequence[Block], places: int) -> None:
        bounds = [len(blocks) * place // places for place in range(places + 1)]
        self._left = [deque(blocks[a:b]) for a, b in pairwise(bounds)]

    def take(self, place: int) -> Block | None:
        """The next block of this place; None when nothing is left."""
        if self._left[place]:
            return self._left[place].popleft()
        longest = max(self._left, key=len)
        return longest.pop() if longest else None

    def __bool__(self) -> bool:
        """Whether any is left."""
        return any(self._left)

    def give_back(self, place: int, blocks: Sequence[Block]) -> None:
        """Blocks that were taken and not done, in their order; they are the place's next."""
        self._left[place].extendleft(reversed(blocks))


class Processes:
    """See the module's opening lines; `executor.Executor` says what is asked of it."""

    def __init__(self, devices: Sequence[str], settings: Settings, resources: RunResources) -> None:
        self._settings, self._resources = settings, resources
        self._is_stopping = False
        self._job: Job | None = None  # these three: of the work at hand
        self._shares = Shares((), len(devices))
        self._crash_counts: CrashCounts | None = None
        self._gone: list[Timings] = []  # of processes that died
        self._members: list[_Member] = []
        atexit.register(self.close)
        try:
            for place, machine in enumerate(_machines(settings.machine, devices)):
                self._members.append(_Member(place, machine, *self._started(machine)))
            first, *others = [self._greeted(member) for member in self._members]
            if any(_versions(other) != _versions(first) for other in others):
                raise BackboneError("the model's files changed while they were loaded; give the same command again")
        except BaseException:
            self.close()
            raise
        self.declaration, self.source_versions, self.encoder = first.declaration, first.source_versions, first.encoder
        self.notes = first.notes
        names = Counter(ready.device for ready in (first, *others))
        self.device = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in names.items())

    def work(self, job: Job, blocks: Sequence[Block], crash_counts: CrashCounts) -> Generator[Stored | None]:
        """Each block as it is stored, and None when a second passed without news; see `executor.Executor`."""
        self._job, self._shares, self._crash_counts = job, Shares(blocks, len(self._members)), crash_counts
        for member in self._members:
            self._employ(member)
        self._hand_out()
        while listening := [member for member in self._members if not member.over]:
            speaking = connection.wait([member.pipe for member in listening], TICK)
            if not speaking:
                yield None
            for member in (each for each in listening if each.pipe in speaking):
                try:
                    message: _Message = member.pipe.recv()
                except (EOFError, OSError):  # OSError: it died within a message
                    self._replace(member)
                    continue
                if isinstance(message, _Failed):
                    self._let_go(member, pickle.loads(message.error))
                elif (stored := self._heard(member, message)) is not None:
                    yield stored
            self._hand_out()
        if self._shares and not self._is_stopping:
            raise DeviceLost(
                "the process of every device died again and again; what was stored is safe. Give the same command "
                "again: it goes on where it stopped"
            )

    def stop(self) -> None:
        """Begin no other block; those at work are still stored and told."""
        self._is_stopping = True

    def timings(self) -> Timings:
        """Where the time went, added up over all processes."""
        every = [*self._gone, *(member.spent for member in self._members if member.spent)]
        names = Timings.__dataclass_fields__
        return Timings(**{name: sum(getattr(each, name) for each in every) for name in names})

    def memory_shortage(self) -> str | None:
        """How short memory was on the device that had least of it left, if it was."""
        return executor.shortage([(each.ready.memory, each.memory) for each in self._members if each.ready])

    def close(self) -> None:
        """End all processes; one that was at work is ended there, and that isn't held against its pictures."""
        atexit.unregister(self.close)
        for member in self._members:
            member.pipe.close()
        for member in self._members:
            _end(member.process)
            if self._crash_counts and not member.over:
                self._crash_counts.spare(member.place)

    def _started(self, machine: Machine) -> tuple[BaseProcess, Connection]:
        context = fork_server()
        mine, theirs = context.Pipe()
        settings = replace(self._settings, machine=machine)
        level = logging.getLogger().getEffectiveLevel()
        process = context.Process(target=_serve, args=(theirs, settings, self._resources, level))
        try:
            process.start()
        except (EOFError, OSError) as error:
            raise DeviceLost(
                f"no process for {machine.device} can be started ({error}); is there memory enough, and are more "
                "processes allowed? What was stored is safe, and the same command goes on where it stopped"
            ) from error
        theirs.close()
        return process, mine

    def _greeted(self, member: _Member) -> _Ready:
        """What the process says when its models are loaded."""
        while member.ready is None:
            try:
                message: _Message = member.pipe.recv()
            except (EOFError, OSError) as error:
                member.process.join(PATIENCE)
                raise DeviceLost(
                    f"the process for {member.machine.device} ended while it loaded its model "
                    f"({_how(member.process)}); is there memory enough for one model per device?"
                ) from error
            if isinstance(message, _Failed):
                raise pickle.loads(message.error)
            self._heard(member, message)
        return member.ready

    def _employ(self, member: _Member) -> None:
        assert self._job is not None
        settings = replace(self._job.settings, machine=member.machine)
        _send(member, (replace(self._job, settings=settings), member.place))

    def _hand_out(self) -> None:
        """Give every process blocks enough to open some ahead; tell all when there is nothing more to do."""
        assert self._crash_counts is not None
        members = [member for member in self._members if not member.over]
        for member in members:
            while not self._is_stopping and member.ready and len(member.holds) <= AHEAD:
                if (block := self._shares.take(member.place)) is None:
                    break
                member.holds[block.number] = block
                _send(member, executor.task(block, self._crash_counts))
        if self._is_stopping or not (self._shares or any(member.holds for member in members)):
            for member in members:
                if member.ready is None:  # it took another's place, and its model isn't waited for
                    member.over = True
                    member.process.kill()
                    member.pipe.close()
                elif not member.told_to_stop:
                    member.told_to_stop = True
                    _send(member, None)

    def _heard(self, member: _Member, message: _Message) -> Stored | None:
        """Take note of a message; the block it tells of, if it tells of one."""
        match message:
            case logging.LogRecord():
                logging.getLogger(message.name).handle(message)
            case _Ready():
                member.ready, member.memory = message, message.memory
            case _Told():
                member.holds.pop(message.stored.block, None)
                member.spent, member.memory, member.restarts = message.spent, message.memory, 0
                return message.stored
            case _Ended():
                member.over = True
        return None

    def _let_go(self, member: _Member, error: Exception) -> None:
        """A process gave up: of a lost device another may do, of a full disk the run ends."""
        if member.ready is None:  # it took another's place and couldn't load the model
            member.restarts = RESTARTS
        elif not isinstance(error, DeviceLost):
            raise error
        logger.warning("device=%s %s", member.machine.device, error)
        self._replace(member)

    def _replace(self, member: _Member) -> None:
        """Free what a dead process had, and start another for its device unless too many have died there."""
        assert self._crash_counts is not None
        member.pipe.close()
        _end(member.process)
        self._crash_counts.died(member.place)
        self._shares.give_back(member.place, list(member.holds.values()))
        if member.spent:
            self._gone.append(member.spent)
        member.holds, member.spent = {}, None
        device, how = member.machine.device, _how(member.process)
        if self._is_stopping or member.told_to_stop or member.restarts == RESTARTS:
            member.over = True
            logger.warning("device=%s its process ended (%s) and none takes its place", device, how)
            return
        logger.warning("device=%s its process ended (%s); another takes its place", device, how)
        member.restarts, member.ready = member.restarts + 1, None
        member.process, member.pipe = self._started(member.machine)
        self._employ(member)


def _machines(machine: Machine, devices: Sequence[str]) -> list[Machine]:
    """Each process's own share of this computer: its device, and of the cores its part."""
    return [
        replace(
            machine,
            device=device,
            threads=_threads(machine, device, len(devices)),
            input_processes=_input_processes(machine, device, len(devices)),
        )
        for device in devices
    ]


def _threads(machine: Machine, device: str, devices: int) -> int:
    if machine.threads or machine.model == EMBEDDED or device != "cpu":
        return machine.threads
    return max(1, (os.cpu_count() or 1) // devices)


def _input_processes(machine: Machine, device: str, devices: int) -> int:
    return (
        input_pipeline.default_processes(device, devices)
        if machine.input_processes is None
        else machine.input_processes
    )


def _send(member: _Member, what: object) -> None:
    """Say it; that a process is dead is noticed where it is listened to."""
    try:
        member.pipe.send(what)
    except OSError:
        logger.debug("device=%s doesn't listen", member.machine.device)


def _end(process: BaseProcess) -> None:
    process.join(PATIENCE)
    if process.is_alive():  # a device that doesn't answer can keep it from ending
        process.kill()
        process.join()


def _how(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


# -- in the processes --------------------------------------------------------------------------------------------------


class _Logs(logging.Handler):
    """Sends what is logged to the coordinator, whose log it belongs in."""

    def __init__(self, say: Callable[[_Message], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Text and numbers only: arguments, tracebacks and what a library adds may not be picklable."""
        try:
            plain = {name: value for name, value in record.__dict__.items() if type(value) in (str, int, float)}
            text = {"msg": self.format(record), "exc_text": None, "stack_info": None}
            self._say(logging.makeLogRecord({**plain, **text}))
        except OSError:
            pass  # nobody listens any more
        except Exception:  # noqa: BLE001  what can't be formatted is no reason to die
            self.handleError(record)


def _versions(ready: _Ready) -> tuple[object, ...]:
    return ready.declaration.version, ready.source_versions, ready.encoder


def _serve(pipe: Connection, settings: Settings, resources: RunResources, level: int) -> None:
    """One process's life: load, say so, take a job, answer its blocks."""
    for number in (signal.SIGINT, signal.SIGTERM):  # for the coordinator, who tells us
        signal.signal(number, signal.SIG_IGN)
    speaking, heard = threading.Lock(), queue.SimpleQueue[Any]()

    def say(message: _Message) -> None:
        with speaking:
            pipe.send(message)

    threading.Thread(target=_listen, args=(pipe, heard), daemon=True).start()
    logging.basicConfig(level=level, handlers=[_Logs(say)])
    try:
        member = executor.create_local(settings, resources)
        evaluator = member.evaluator
        made = (member.declaration, member.source_versions, member.encoder, member.notes, member.device)
        say(_Ready(*made, evaluator.memory))
        job, place = heard.get()
        worker = Worker(job, evaluator, member.sources, place, member.comparer)

        def next_task(wait: bool) -> Task | None:
            if not wait and heard.empty():
                return None
            task: Task | None = heard.get()
            if task is None:
                worker.stop()
            return task

        for stored in worker.work(next_task):
            say(_Told(stored, worker.timings(), evaluator.memory))
        say(_Ended())
    except Exception as error:  # noqa: BLE001  whatever it is, the coordinator decides
        with suppress(OSError):
            say(_Failed(_pickled(error)))


def _listen(pipe: Connection, heard: queue.SimpleQueue[Any]) -> None:
    """Take in at once what the coordinator says, so that it never waits; end with it."""
    while True:
        try:
            heard.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)


def _pickled(error: Exception) -> bytes:
    """The error, or what it says where it can't travel; with where it was raised, for whoever prints it whole."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        made = pickle.dumps(error)
        pickle.loads(made)
    except Exception:  # noqa: BLE001  there are many ways not to be picklable
        said = RuntimeError(f"{type(error).__name__}: {error}")
        said.__notes__ = error.__notes__
        return pickle.dumps(said)
    return made
