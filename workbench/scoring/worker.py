"""A run's blocks answered in this process: pictures opened ahead, questions answered, each block's part written.

Where blocks come from and who is told that one is stored is up to who drives it: the run's own process
(`executor.LocalExecutor`), or a process of its own for a device (`process_pool.py`).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from warehouse import kill_points, spool
from warehouse.failures import NOT_THE_IMAGES_FAULT, Failure
from warehouse.records.scoring import Timings
from workbench.archive import scan
from workbench.archive.run_views import RunViews
from workbench.errors import ArchiveError
from workbench.scoring import block as blocks
from workbench.scoring import crash_counts, input_pipeline
from workbench.scoring.crash_counts import AtWork
from workbench.scoring.evaluator import Evaluator
from workbench.scoring.evidence import Source
from workbench.scoring.plan import Block
from workbench.scoring.run_comparer import RunComparer
from workbench.scoring.safe_opening import Opening
from workbench.settings import Settings

logger = logging.getLogger(__name__)

# Where `warehouse.kill_points` can kill it, in the order a block passes them; the spool has its own in between.
KILL_POINTS = ("before-block", "after-answer", "after-part")
AHEAD, IMAGES_AHEAD = 2, 16  # blocks whose pictures are opened before they are needed; one, if it has more images


@dataclass(frozen=True, slots=True)
class Job:
    """What all blocks of a run share."""

    run_id: str
    root: Path  # the archive's
    settings: Settings
    embedding_scale: float | None = None  # s as the run's first device had it; None: the device's own
    views: RunViews = field(default_factory=RunViews)


class Task(NamedTuple):
    """A block to answer."""

    block: Block
    deaths: Mapping[str, int]  # of processes over its images and files, by the names of `crash_counts`


# Where a worker's blocks come from: the next one; None when there is none now or, told to wait (True), none to come.
NextTask = Callable[[bool], Task | None]


@dataclass(frozen=True, slots=True)
class Stored:
    """A block whose part is in the spool."""

    block: int
    images: int
    questions: int
    failed: int  # of the questions


class _Ahead(NamedTuple):
    """A block that was taken and not answered yet."""

    task: Task
    opened: Future[blocks.OpenedBlock] | None  # None for a suspect one


class Worker:
    """See the module's opening lines."""

    def __init__(
        self,
        job: Job,
        evaluator: Evaluator,
        sources: Sequence[Source],
        place: int = 0,
        comparer: RunComparer | None = None,
    ) -> None:
        self._job, self._evaluator, self._sources, self._comparer = job, evaluator, sources, comparer
        evaluator.use_scale(job.embedding_scale)
        self._data = job.settings.work.data
        self._at_work = AtWork(self._data, job.run_id, place)
        self._opening = AtWork(self._data, job.run_id, place, crash_counts.OPENING)
        self._waiting = self._retrieving = self._writing = 0.0  # seconds
        self._before = evaluator.timings()  # for other runs
        self._is_stopping = False

    def stop(self) -> None:
        """Begin no other block."""
        self._is_stopping = True

    def timings(self) -> Timings:
        """Where the time went."""
        now, before = self._evaluator.timings(), self._before
        return Timings(
            load=self._waiting,
            vision=now.vision - before.vision + self._retrieving,
            prefill=now.prefill - before.prefill,
            loop=now.loop - before.loop,
            answer=now.answer - before.answer,
            write=self._writing,
        )

    def work(self, next_task: NextTask) -> Generator[Stored]:
        """Each block as it is stored, until there are no more or it is enough.

        Raises:
            DeviceLost, DiskFull: as answering and writing do.
            ArchiveError: the archive as a whole went away.
        """
        for opened, deaths in self._blocks(next_task):
            kill_points.at("before-block")
            self._make_sure_of_the_archive(opened)
            rows = self._answered(opened, deaths)
            self._retrieving += rows.retrieval_seconds
            kill_points.at("after-answer")
            started = time.perf_counter()
            number = opened.block.number
            spool.write_part(
                self._data,
                self._job.run_id,
                number,
                rows.predictions,
                rows.patches,
                rows.image_vectors,
                rows.patch_vectors,
                rows.comparisons,
            )
            kill_points.at("after-part")
            self._writing += time.perf_counter() - started
            failed = sum(prediction.status == "failed" for prediction in rows.predictions)
            questions = len(rows.predictions)
            logger.info("run=%s block=%d questions=%d failed=%d", self._job.run_id, number, questions, failed)
            yield Stored(number, len(opened.queries), questions, failed)

    def _blocks(self, next_task: NextTask) -> Iterator[tuple[blocks.OpenedBlock, Mapping[str, int]]]:
        """The blocks with their pictures, a few opened ahead while the model works.

        A suspect block is opened when it is its turn and nothing is answered, and none is opened while it is answered:
        whatever dies then, dies over it.
        """
        machine = self._job.settings.machine
        ahead: deque[_Ahead] = deque()
        processes = machine.input_processes
        if processes is None:
            processes = input_pipeline.default_processes(machine.device)
        with (
            input_pipeline.opener(self._evaluator.pictures, processes) as opener,
            ThreadPoolExecutor(1, thread_name_prefix="pictures") as reader,
        ):
            references = blocks.ReferencePictures(self._job.root, opener, views=self._job.views)
            opening = Opening(self._opening, references)
            try:
                while not self._is_stopping:
                    waiting = sum(len({a.entry.image_id for a in task.block.asked}) for task, _ in ahead)
                    room = len(ahead) <= (AHEAD if waiting <= IMAGES_AHEAD else 1)
                    shut = bool(ahead) and ahead[-1].opened is None
                    if room and not shut and (task := next_task(not ahead)):
                        suspect = opening.is_suspect(task.deaths)
                        opened = None if suspect else reader.submit(opening.together, task.block)
                        ahead.append(_Ahead(task, opened))
                    elif ahead and not self._is_stopping:
                        yield self._next(ahead.popleft(), opening)
                    else:
                        return
            finally:
                reader.shutdown(wait=True, cancel_futures=True)

    def _next(self, ahead: _Ahead, opening: Opening) -> tuple[blocks.OpenedBlock, Mapping[str, int]]:
        started = time.perf_counter()
        block, deaths = ahead.task
        opened = opening.alone(block, deaths) if ahead.opened is None else ahead.opened.result()
        self._waiting += time.perf_counter() - started
        return opened, deaths

    def _make_sure_of_the_archive(self, opened: blocks.OpenedBlock) -> None:
        """Images that vanish one by one are stored failures; an archive that goes away as a whole ends the run."""
        gone = any(
            isinstance(picture, Failure) and picture.kind in NOT_THE_IMAGES_FAULT
            for picture in (*opened.queries.values(), *opened.references.values())
        )
        if gone and not scan.is_there(self._job.root):
            raise ArchiveError(
                f"the archive {self._job.root} went away while it was scored; what was stored is safe. "
                "When it is back, the same command goes on"
            )

    def _answered(self, opened: blocks.OpenedBlock, deaths: Mapping[str, int]) -> blocks.Rows:
        """The block's rows: answered together, or image by image where that is what a process has died of.

        After a death images are answered one at a time, so that the next death has one name on it. When none of them
        is to blame the block is done together again: rows depend on their company in the last bits, and a run that was
        cut shall have the rows of one that wasn't.
        """
        images, block = list(opened.queries), crash_counts.named(opened.block)
        if not deaths.keys() & {*images, block}:  # else a process died while they were opened
            with self._at_work.on(images):
                return self._answer(opened)
        alone = crash_counts.joined(
            self._answered_alone(crash_counts.only(opened, image_id), deaths.get(image_id, 0)) for image_id in images
        )
        if block in deaths or any(deaths.get(image_id, 0) >= crash_counts.MOST for image_id in images):
            return alone
        with self._at_work.on([block]):
            return self._answer(opened)

    def _answered_alone(self, opened: blocks.OpenedBlock, deaths: int) -> blocks.Rows:
        (image_id,) = opened.queries
        if deaths < crash_counts.MOST:
            with self._at_work.on([image_id]):
                return self._answer(opened)
        logger.warning("run=%s image=%s quarantined", self._job.run_id, image_id)
        return self._answer(crash_counts.passed_over(opened))

    def _answer(self, opened: blocks.OpenedBlock) -> blocks.Rows:
        job = self._job
        method = job.settings.method
        return blocks.answer_block(opened, job.run_id, self._evaluator, self._sources, method, self._comparer)
