"""One run, from a folder of images to rows in the warehouse; killed at any moment, the same call goes on.

    scan -> questions -> plan -> models -> the blocks not done yet -> answers -> a part in the spool -> the warehouse

What is done is found by asking the ledger and the spool which blocks there are; nothing else is kept between
processes. A block is stored whole or done again whole, and its rows depend on the block alone, so a run that was cut
gives the rows of one that wasn't. Coordinators of the same digest and plan, processes or threads, exclude each other by
a lock file.

Knows nothing of the command line: who calls hands in a `Watch` and shows it as it likes.
"""

from __future__ import annotations

import json
import logging
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import polars as pl

from warehouse import kill_points, spool
from warehouse.errors import DiskFull, Locked, WarehouseError
from warehouse.ingest import ingest
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.comparisons import Comparisons
from warehouse.queries.groundings import Groundings
from warehouse.queries.pieces import Pieces
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.truth import Truth
from warehouse.records.comparisons import RankedPicture
from warehouse.records.scoring import PassedOver, Run, RunPurpose, RunState, Timings
from warehouse.store import Store
from workbench import settings as configuration
from workbench import wording
from workbench.analysis import alarms, pieces, right_reason, subtasks, suspicion
from workbench.analysis.alarms import Alarms
from workbench.analysis.pieces import PieceCounts
from workbench.analysis.right_reason import RightReason
from workbench.archive import run_views
from workbench.archive.image_decoding import MORE_PAGES
from workbench.errors import AlreadyRunning, ArchiveError, DeviceLost
from workbench.processes import Stop, never, single_instance, stop_signals
from workbench.scoring import groundings, prepare_run, worker
from workbench.scoring.crash_counts import CrashCounts
from workbench.scoring.plan import GPU_IMAGES_PER_BLOCK, IMAGES_PER_BLOCK, Block
from workbench.scoring.prepare_run import Prepared
from workbench.scoring.subset import Part
from workbench.scoring.watch import Watch
from workbench.scoring.worker import Job
from workbench.settings import Settings

logger = logging.getLogger(__name__)

# Where `warehouse.kill_points` can kill a run, in the order it passes them; spool and ingest have their own in between.
DISTRIBUTION = "inspection-workbench"  # as pyproject.toml names it; `workbench` on PyPI is somebody else's
KILL_POINTS = ("before-open", "after-open", *worker.KILL_POINTS, "before-close", "after-close")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands after a call."""

    run: Run
    notes: tuple[str, ...]  # what a person should know: no knowledge, zero-shot, files left out
    summary: pl.DataFrame  # by subtask, see Store.run_summary
    failures: pl.DataFrame  # by reason, see Store.failures
    alarms: Alarms  # pictures without a label that were called defective
    images: int  # scored by this call
    seconds: float  # this call, models and scan included
    resumed: bool
    waiting: int  # files that may still be being written: another pass takes them
    zero_shot: bool  # no picture had a normal reference beside it
    pieces: PieceCounts | None = None  # by piece; None where each has one picture
    right_reason: RightReason | None = None  # None: nothing says where defects are, or the run isn't finished
    suspicious: tuple[RankedPicture, ...] = ()  # the highest scores of a comparison with normals first


def score(
    root: Path,
    settings: Settings,
    watch: Watch,
    *,
    purpose: RunPurpose = "score",
    again: bool = True,
    part: Part | None = None,
    stop: Stop = never,
) -> Outcome:
    """The run of these settings over the archive below `root`, gone on with or begun, as far as it could be brought.

    Args:
        purpose: what a new run is opened for.
        again: begin anew although a run of the same digest and plan is finished; its answers would be the same.
        part: not the whole archive.
        stop: asked after each block: why the run ends there, or "" to go on. In the main thread SIGINT and SIGTERM stop
            it too.

    Raises:
        WorkbenchError: the archive, its questions or a model can't be used; another process has this run; the archive
            went away; `part` has nothing to score.
        WarehouseError: the disk is full, the warehouse is locked; what was stored is safe.
    """
    started = time.perf_counter()
    store = Store(settings.work.data)
    ingest(store)  # what a dead job left
    prepared = prepare_run.prepare(root, settings, store, watch.step, part)
    try:
        return carry_out(prepared, watch, purpose=purpose, again=again, part=part, stop=stop, started=started)
    finally:
        prepared.executor.close()


def carry_out(
    prepared: Prepared,
    watch: Watch,
    *,
    purpose: RunPurpose = "score",
    again: bool = True,
    part: Part | None = None,
    stop: Stop = never,
    started: float | None = None,
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
            store.resume_run(run.run_id, prepared.executor.declaration.embedding_scale)
            run = store.run(run.run_id)
            assert run is not None
        elif again or (run := store.finished_run(prepared.digest, prepared.plan.identity)) is None:
            kill_points.at("before-open")
            run = _new_run(prepared, purpose)
            if part is None:
                store.open_run(run)
            else:
                part.open_run(run, prepared.plan)
            kill_points.at("after-open")
        else:
            return _outcome(store, run.run_id, prepared, 0, started, resumed=False)
        images = _OpenRun(store, run, prepared, watch, loading, stop).work_through()
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


class _OpenRun:
    """A run being worked through."""

    def __init__(self, store: Store, run: Run, prepared: Prepared, watch: Watch, loading: float, stop: Stop) -> None:
        self._store, self._run, self._prepared, self._watch, self._stop = store, run, prepared, watch, stop
        self._crash_counts = CrashCounts(store.data, run.run_id)
        self._loading, self._writing = loading, 0.0  # seconds, of this process alone
        self._ingested_at = time.monotonic()

    def work_through(self) -> int:
        """Images scored: all that were left, unless something ends the run early. Stores how it ended."""
        state: RunState = "failed"
        message: str | None = None
        try:
            with stop_signals() as stop_signal:
                images, why = self._blocks(stop_signal)
            self._ingest(patiently=True)
            state, message = self._ended(why)
            if state == "finished":
                groundings.measure(self._store, self._run)
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

    def _blocks(self, stop_signal: Stop) -> tuple[int, str]:
        """Work through the blocks that are not done; the images stored, and why it ended early."""
        prepared, run_id, executor = self._prepared, self._run.run_id, self._prepared.executor
        # The spool first: a part that is ingested between the two looks is then in the ledger.
        done = spool.spooled_blocks(self._store.data, run_id) | self._store.ingested_blocks(run_id)
        remaining = [block for block in prepared.plan.blocks if block.number not in done]
        images = sum(map(_images, prepared.plan.blocks))
        self._watch.begin(images, images - sum(map(_images, remaining)))
        scored, why = 0, ""
        views = run_views.from_facts(asdict(prepared.facts))
        job = Job(run_id, Path(prepared.archive.root), prepared.settings, self._run.embedding_scale, views)
        with closing(executor.work(job, remaining, self._crash_counts)) as results:
            for stored in results:
                self._ingest()
                if stored is not None:
                    self._watch.advance(stored.images, stored.failed)
                    scored += stored.images
                if not why and (why := stop_signal() or self._stop()):
                    executor.stop()
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
            self._crash_counts.forget()
            return "finished", self._prepared.executor.memory_shortage()
        if stopped_by:
            return "stopped", f"stopped by {stopped_by}; the same command goes on"
        blocks = wording.counted(missing, "block was", "blocks were")
        return "failed", f"{blocks} put aside in spool/quarantine; the same command does what is missing"

    def _close(self, state: RunState, message: str | None) -> None:
        spent = self._prepared.executor.timings()
        timings = replace(spent, load=spent.load + self._loading, write=spent.write + self._writing)
        kill_points.at("before-close")
        try:
            passed_over = (*self._prepared.passed_over, *_further_pages(self._store, self._run.run_id))
            self._store.close_run(self._run.run_id, state, datetime.now(UTC), message, timings, passed_over)
        except WarehouseError as error:
            if state == "finished":
                raise
            # What ended the run, and is being raised, may be the very thing that keeps this from being stored.
            logger.error("how run %s ended could not be stored: %s", self._run.run_id, error)
        kill_points.at("after-close")


def _images(block: Block) -> int:
    return len({asked.entry.image_id for asked in block.asked})


def _alone(data: Path, prepared: Prepared) -> AbstractContextManager[None]:
    """Nobody else coordinates this digest and plan meanwhile."""
    taken = AlreadyRunning("another process is scoring this archive with the same settings; wait for it or stop it")
    return single_instance(data / "locks" / f"run-{prepared.digest}-{prepared.plan.identity}.lock", taken)


def _new_run(prepared: Prepared, purpose: RunPurpose) -> Run:
    settings, now, declaration = prepared.settings, datetime.now(UTC), prepared.executor.declaration
    return Run(
        run_id=configuration.run_id(now, prepared.digest),
        digest=prepared.digest,
        plan=prepared.plan.identity,
        archive_id=prepared.archive.archive_id,
        model=settings.machine.model,
        demo=declaration.demo,
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
        device=prepared.executor.device,
        versions=json.dumps(_versions()),
        timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        evaluator=declaration.name,
        evaluator_version=declaration.version,
        capabilities=declaration.capabilities,
        question_set=prepared.question_set,
        subtasks=prepared.subtasks,
        embedding_scale=declaration.embedding_scale,
        purpose=purpose,
        passed_over=prepared.passed_over,
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
    for row in store.oddities(run_id).filter(pl.col("oddity") != MORE_PAGES).iter_rows(named=True):
        yield f"odd pictures, {row['oddity']}: {row['images']:,}, such as {row['image_path']}"


def _refusals(store: Store, run_id: str) -> Iterator[str]:
    """Of how many of the run's pictures comparing with normal ones claims nothing, by reason."""
    for why, count in Comparisons(store.data).refusals(run_id):
        yield f"comparing claims nothing of {wording.counted(count, 'picture')}: {why}"


def _ranking(store: Store, run_id: str) -> Iterator[str]:
    """What to say of an archive that was ranked against itself where many of its pictures are, or may be, defective."""
    ranked = Comparisons(store.data).ranked_archive(run_id)
    if ranked and (warning := suspicion.ranking_warning(ranked)):
        yield warning


def _suspicious(store: Store, run_id: str) -> tuple[RankedPicture, ...]:
    """The most suspicious pictures; none where all score nought, as where there was nothing to compare them with."""
    ranked = Comparisons(store.data).ranked(run_id, suspicion.SHOWN)
    return tuple(ranked) if any(each.score for each in ranked) else ()


def _further_pages(store: Store, run_id: str) -> Iterator[PassedOver]:
    """In how many of the run's pictures there are pages behind the first, which alone is looked at."""
    for row in store.oddities(run_id).filter(oddity=MORE_PAGES).iter_rows(named=True):
        yield PassedOver("file", row["images"], "pages behind the first aren't looked at", row["image_path"])


def called_defective(store: Store, run_id: str, truth: Truth = "archive", alarm_rule: AlarmRule = "answers") -> Alarms:
    """The pictures without truth that a run, or a saved threshold on its scores, called defective."""
    cells, run = store.called_defective(truth, run_id, alarm_rule), store.run(run_id)
    if cells.is_empty() or run is None:
        return alarms.NOTHING
    chosen, regions = Selection(run_id, truth=truth, alarm_rule=alarm_rule), subtasks.locating(run.subtasks)
    return alarms.of(cells, Rollups(store.data).alarms(chosen, alarms.PICTURES, alarms.SHOWN, regions))


def _outcome(store: Store, run_id: str, prepared: Prepared, images: int, started: float, resumed: bool) -> Outcome:
    run = store.run(run_id)
    assert run is not None
    return Outcome(
        run=run,
        notes=(*prepared.notes, *_oddities(store, run_id), *_refusals(store, run_id), *_ranking(store, run_id)),
        summary=store.run_summary(run_id),
        failures=store.failures(run_id),
        alarms=called_defective(store, run_id),
        pieces=pieces.of(Pieces(store.data).of_runs([run_id])),
        images=images,
        seconds=time.perf_counter() - started,
        resumed=resumed,
        waiting=prepared.waiting,
        zero_shot=prepared.plan.zero_shot,
        right_reason=right_reason.of(Groundings(store.data).of_runs([run_id])),
        suspicious=_suspicious(store, run_id),
    )
