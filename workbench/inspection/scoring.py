"""One run, from a folder of images to rows in the warehouse; killed at any moment, the same call goes on.

    scan -> questions -> plan -> models -> the blocks not done yet -> answers -> a part in the spool -> the warehouse

What is done is found by asking the ledger and the spool which blocks there are; nothing else is kept between
processes. A block is stored whole or done again whole, and its rows depend on the block alone, so a run that was cut
gives the rows of one that wasn't. Coordinators of the same digest and plan exclude each other by a lock file.

Knows nothing of the command line: who calls hands in a `Watch` and shows it as it likes.
"""

from __future__ import annotations

import json
import logging
import platform
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Protocol

import polars as pl
from filelock import FileLock, Timeout

from warehouse import phases, spool
from warehouse.errors import DiskFull, Locked, WarehouseError
from warehouse.ingest import ingest
from warehouse.records import Run, RunState, Timings
from warehouse.store import Store
from workbench import settings as configuration
from workbench.inspection import preparation, tone, worker
from workbench.inspection.errors import AlreadyRunning, ArchiveError, DeviceLost
from workbench.inspection.part import Part
from workbench.inspection.plan import GPU_IMAGES_PER_BLOCK, IMAGES_PER_BLOCK, Block
from workbench.inspection.preparation import Prepared
from workbench.inspection.tries import Tries
from workbench.inspection.worker import Job
from workbench.settings import Settings

logger = logging.getLogger(__name__)

# Where `warehouse.phases` can kill a run, in the order it passes them; spool and ingest have their own in between.
DISTRIBUTION = "inspection-workbench"  # as pyproject.toml names it; `workbench` on PyPI is somebody else's
PHASES = ("before-open", "after-open", *worker.PHASES, "before-close", "after-close")


class Watch(Protocol):
    """Who is told how the run goes."""

    def step(self, text: str) -> None:
        """Something that takes a while begins: scanning, loading the model."""

    def begin(self, images: int, images_done: int) -> None:
        """The blocks begin."""

    def advance(self, images: int, failed: int) -> None:
        """A block was stored: so many images, so many of its questions failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands after a call."""

    run: Run
    notes: tuple[str, ...]  # what a person should know: no knowledge, zero-shot, files left out
    summary: pl.DataFrame  # by subtask, see Store.run_summary
    failures: pl.DataFrame  # by reason, see Store.failures
    images: int  # scored by this call
    seconds: float  # this call, models and scan included
    resumed: bool
    waiting: int  # files that may still be being written: another pass takes them


def score(root: Path, settings: Settings, watch: Watch, *, again: bool = True, part: Part | None = None) -> Outcome:
    """The run of these settings over the archive below `root`, gone on with or begun, as far as it could be brought.

    Args:
        again: begin anew although a run of the same digest and plan is finished; its answers would be the same.
        part: not the whole archive.

    Raises:
        InspectionError: the archive, its questions or a model can't be used; another process has this run; the archive
            went away; `part` has nothing to score.
        WarehouseError: the disk is full, the warehouse is locked; what was stored is safe.
    """
    started = time.perf_counter()
    store = Store(settings.work.data)
    ingest(store)  # what a dead job left
    prepared = preparation.prepare(root, settings, store, watch.step, part)
    try:
        return carry_out(prepared, watch, again=again, part=part, started=started)
    finally:
        prepared.crew.close()


def carry_out(
    prepared: Prepared, watch: Watch, *, again: bool = True, part: Part | None = None, started: float | None = None
) -> Outcome:
    """The run of what is prepared already, as `score` brings it on: also some older run's questions asked once more.

    Args:
        started: `time.perf_counter()` when the preparation began.
    """
    started = time.perf_counter() if started is None else started
    store = Store(prepared.settings.work.data)
    loading = time.perf_counter() - started
    prepared = _as_begun(prepared, store, again)
    with _alone(store.data, prepared):
        run = store.newest_unfinished_run(prepared.digest, prepared.plan.identity)
        resumed = run is not None
        if run is not None:
            store.resume_run(run.run_id, prepared.crew.embedding_scale)
            run = store.run(run.run_id)
            assert run is not None
        elif again or (run := store.finished_run(prepared.digest, prepared.plan.identity)) is None:
            phases.at("before-open")
            run = _new_run(prepared)
            if part is None:
                store.open_run(run)
            else:
                part.open_run(run, prepared.plan)
            phases.at("after-open")
        else:
            return _outcome(store, run.run_id, prepared, 0, started, resumed=False)
        images = _Night(store, run, prepared, watch, loading, part.stop if part else _go_on).work_through()
    return _outcome(store, run.run_id, prepared, images, started, resumed)


def _as_begun(prepared: Prepared, store: Store, again: bool) -> Prepared:
    """In the blocks of a run that can go on, or with `again` False is done: begun on a CPU, it is no other on a GPU."""
    if not prepared.any_size or not store.has_run(prepared.digest):
        return prepared
    sizes = {IMAGES_PER_BLOCK, GPU_IMAGES_PER_BLOCK} - {prepared.settings.work.block_images}
    cuts = [prepared, *(prepared.in_blocks_of(size) for size in sizes)]
    looked_for = (store.newest_unfinished_run, *(() if again else (store.finished_run,)))
    found = (cut for look in looked_for for cut in cuts if look(cut.digest, cut.plan.identity))
    return next(found, prepared)


def _go_on() -> str:
    return ""


class _Night:
    """A run being worked through."""

    def __init__(
        self, store: Store, run: Run, prepared: Prepared, watch: Watch, loading: float, stop: Callable[[], str]
    ) -> None:
        self._store, self._run, self._prepared, self._watch, self._stop = store, run, prepared, watch, stop
        self._tries = Tries(store.data, run.run_id)
        self._loading, self._writing = loading, 0.0  # seconds, of this process alone
        self._ingested_at = time.monotonic()

    def work_through(self) -> int:
        """Images scored: all that were left, unless something ends the run early. Stores how it ended."""
        state: RunState = "failed"
        message: str | None = None
        try:
            with _stop_asked() as asked:
                images, why = self._blocks(asked)
            self._ingest(patiently=True)
            state, message = self._ended(why)
        except (DiskFull, Locked, ArchiveError) as error:
            state, message = "stopped", str(error)
            raise
        except DeviceLost as error:
            message = str(error)
            raise
        except KeyboardInterrupt:
            state, message = "stopped", "interrupted within a block; the same command does the block again"
            raise
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._close(state, message)
        return images

    def _blocks(self, asked: Callable[[], str]) -> tuple[int, str]:
        """Work through the blocks that are not done; the images stored, and why it ended early."""
        prepared, run_id, crew = self._prepared, self._run.run_id, self._prepared.crew
        # The spool first: a part that is ingested between the two looks is then in the ledger.
        done = spool.spooled_blocks(self._store.data, run_id) | self._store.ingested_blocks(run_id)
        left = [block for block in prepared.plan.blocks if block.number not in done]
        images = sum(map(_images, prepared.plan.blocks))
        self._watch.begin(images, images - sum(map(_images, left)))
        scored, why = 0, ""
        tones = tone.from_record(prepared.facts.tones)
        job = Job(run_id, Path(prepared.archive.root), prepared.settings, self._run.embedding_scale, tones)
        with closing(crew.work(job, left, self._tries)) as told:
            for stored in told:
                self._ingest()
                if stored is not None:
                    self._watch.advance(stored.images, stored.failed)
                    scored += stored.images
                if not why and (why := asked() or self._stop()):
                    crew.enough()
        return scored, why

    def _ingest(self, *, patiently: bool = False) -> None:
        """Bring the spool into the warehouse when it is time; a locked warehouse can wait, the parts are safe."""
        if not patiently and time.monotonic() - self._ingested_at < self._prepared.settings.work.ingest_seconds:
            return
        started = time.perf_counter()
        try:
            ingest(self._store)
        except Locked as error:
            if patiently:
                raise
            logger.warning("the warehouse is taken, its parts wait in the spool: %s", error)
        self._ingested_at = time.monotonic()
        self._writing += time.perf_counter() - started

    def _ended(self, stopped_by: str) -> tuple[RunState, str | None]:
        stored = self._store.ingested_blocks(self._run.run_id)
        missing = sum(block.number not in stored for block in self._prepared.plan.blocks)
        if not missing:
            self._tries.forget()
            return "finished", self._prepared.crew.short()
        if stopped_by:
            return "stopped", f"stopped by {stopped_by}; the same command goes on"
        return "failed", f"{missing} blocks were put aside in spool/quarantine; the same command does them again"

    def _close(self, state: RunState, message: str | None) -> None:
        spent = self._prepared.crew.spent()
        timings = replace(spent, load=spent.load + self._loading, write=spent.write + self._writing)
        phases.at("before-close")
        try:
            self._store.close_run(self._run.run_id, state, datetime.now(UTC), message, timings)
        except WarehouseError as error:
            if state == "finished":
                raise
            # What ended the run, and is being raised, may be the very thing that keeps this from being stored.
            logger.error("how run %s ended could not be stored: %s", self._run.run_id, error)
        phases.at("after-close")


def _images(block: Block) -> int:
    return len({asked.entry.image_id for asked in block.asked})


@contextmanager
def _alone(data: Path, prepared: Prepared) -> Iterator[None]:
    """No other process coordinates this digest and plan meanwhile; the kernel frees a killed process's lock."""
    folder = data / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"run-{prepared.digest}-{prepared.plan.identity}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunning(
            "another process is scoring this archive with the same settings; wait for it or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stop_asked() -> Iterator[Callable[[], str]]:
    """A function that names the signal asking to stop, once there was one; a second Ctrl-C stops at once."""
    received: list[str] = []

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        above = before[signal.Signals(number)]
        if callable(above) and above is not signal.default_int_handler:
            above(number, frame)  # whoever scores as a part of more has to know too
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _new_run(prepared: Prepared) -> Run:
    settings, now = prepared.settings, datetime.now(UTC)
    return Run(
        run_id=configuration.run_id(now, prepared.digest),
        digest=prepared.digest,
        plan=prepared.plan.identity,
        archive_id=prepared.archive.archive_id,
        model=settings.machine.model,
        demo=prepared.crew.demo,
        settings=json.dumps({**json.loads(settings.as_json()), "facts": asdict(prepared.facts)}, sort_keys=True),
        knowledge_version=prepared.facts.knowledge_version,
        started_at=now,
        finished_at=None,
        state="running",
        message=None,
        planned=prepared.plan.planned,
        answered=0,
        invalid=0,
        failed=0,
        host=socket.gethostname(),
        device=prepared.crew.device,
        versions=json.dumps(_versions()),
        timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        embedding_scale=prepared.crew.embedding_scale,
    )


def _versions() -> dict[str, str]:
    packages = ("torch", "transformers", "duckdb", "lancedb", "pillow")
    return {
        "python": platform.python_version(),
        "workbench": _own_version(),
        **{name: metadata.version(name) for name in packages},
    }


def _own_version() -> str:
    """The installed version; a checkout that is only on the path, or was installed under another name, has none."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "not installed"


def _oddities(store: Store, run_id: str) -> Iterator[str]:
    """How many of the run's pictures are odd, by kind: told, and answered all the same."""
    for row in store.oddities(run_id).iter_rows(named=True):
        yield f"odd pictures, {row['oddity']}: {row['images']:,}, such as {row['image_path']}"


def _outcome(store: Store, run_id: str, prepared: Prepared, images: int, started: float, resumed: bool) -> Outcome:
    run = store.run(run_id)
    assert run is not None
    return Outcome(
        run=run,
        notes=(*prepared.notes, *_oddities(store, run_id)),
        summary=store.run_summary(run_id),
        failures=store.failures(run_id),
        images=images,
        seconds=time.perf_counter() - started,
        resumed=resumed,
        waiting=prepared.waiting,
    )
