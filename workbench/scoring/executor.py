"""The executor of a run's blocks: this process on one device, or one process per device (`process_pool.py`).

    settings, resources -> an executor, its models loaded -> blocks -> their parts in the spool

An executor stores; what is stored it tells. It knows nothing of the warehouse's tables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from warehouse.records.scoring import Timings
from workbench.model.method import Method
from workbench.scoring import models, run_comparer, settled_defects
from workbench.scoring.compare_evaluator import CompareEvaluator
from workbench.scoring.compare_source import CompareSource, SwappedSource
from workbench.scoring.crash_counts import CrashCounts, files_of, named
from workbench.scoring.evaluator import Declaration, Evaluator
from workbench.scoring.evidence import Source
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.own_tower import OwnTower
from workbench.scoring.plan import Block
from workbench.scoring.run_comparer import RunComparer
from workbench.scoring.run_resources import RunResources
from workbench.scoring.worker import Job, Stored, Task, Worker
from workbench.settings import COMPARE, OWN_TOWER, SWAPPED, Settings

PROPOSALS = "proposals"  # of patches by a comparison, among the sources' versions: they decide answers as sources do


class Executor(Protocol):
    """See the module's opening lines."""

    declaration: Declaration  # of the evaluator that answers
    source_versions: Mapping[str, str]  # of the evidence sources at work, by name
    encoder: str | None  # name and weights of retrieval's encoder, if it uses one
    notes: Sequence[str]  # what a person should know of what was loaded
    device: str  # for people

    def work(self, job: Job, blocks: Sequence[Block], crash_counts: CrashCounts) -> Generator[Stored | None]:
        """Each block as it is stored, and None now and then while there is nothing to tell; asked for once.

        Raises:
            DeviceLost: nobody is left to answer.
            DiskFull, ArchiveError: as a `Worker` does.
        """

    def stop(self) -> None:
        """Begin no other block; those at work are still stored and told."""

    def timings(self) -> Timings:
        """Where the time went, added up over all processes."""

    def memory_shortage(self) -> str | None:
        """That the device's memory was short, and how short, if it was."""

    def close(self) -> None:
        """End whatever was started."""


class LocalExecutor:
    """The executor that is this process."""

    def __init__(
        self,
        evaluator: Evaluator,
        method: Method,
        sources: Sequence[Source],
        device: str,
        comparer: RunComparer | None = None,
    ) -> None:
        self.declaration, self.device = evaluator.declare(method), device
        self.evaluator, self.sources, self.comparer = evaluator, tuple(sources), comparer
        self.notes: Sequence[str] = comparer.notes if comparer else ()
        versions = {source.name: source.version for source in sources}
        if comparer and method.proposes_by_comparison:
            versions[PROPOSALS] = comparer.version
        self.source_versions: Mapping[str, str] = versions
        self.encoder = next((source.encoder for source in sources if source.encoder), None)
        self._memory = evaluator.memory
        self._worker: Worker | None = None

    def work(self, job: Job, blocks: Sequence[Block], crash_counts: CrashCounts) -> Generator[Stored | None]:
        """Each block as it is stored; see `Executor`."""
        left = deque(blocks)
        self._worker = Worker(job, self.evaluator, self.sources, comparer=self.comparer)
        return self._worker.work(lambda _: task(left.popleft(), crash_counts) if left else None)

    def stop(self) -> None:
        """Begin no other block."""
        if self._worker:
            self._worker.stop()

    def timings(self) -> Timings:
        """Where the time went."""
        return self._worker.timings() if self._worker else Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def memory_shortage(self) -> str | None:
        """How short memory was, if it was."""
        return shortage([(self._memory, self.evaluator.memory)])

    def close(self) -> None:
        """Nothing was started."""


def create_local(
    settings: Settings,
    resources: RunResources,
    step: Callable[[str], None] | None = None,
    loaded: LocalEvaluator | None = None,
) -> LocalExecutor:
    """This process as an executor, its models loaded; raises what `executor_factory.create` does.

    Args:
        settings: settled ones, of one device.
        resources: texts, normal pictures and what the questions declare.
        step: is told what is being done.
        loaded: the model that answers, where it is loaded already.
    """
    step = step or _silent
    if settings.machine.model == COMPARE:
        comparer = run_comparer.load(settings, resources, step)
        settled = settled_defects.load(comparer, resources, step)
        if settled:
            comparer = replace(comparer, notes=(*comparer.notes, settled.note))
        answering = CompareEvaluator(comparer, resources.subtasks, settled)
        return LocalExecutor(answering, settings.method, [], models.device_name(settings.machine), comparer)
    evaluator = loaded or models.load_evaluator(settings.machine)
    device = models.device_name(settings.machine)  # there is one of that name: the evaluator is on it
    sources = models.load_sources(settings, resources.descriptions)
    if not models.compares(settings):
        return LocalExecutor(evaluator, settings.method, sources, device)
    support = settings.support
    own_tower = OwnTower(evaluator.backbone, support.compare_side) if support.compare == OWN_TOWER else None
    comparer = run_comparer.load(settings, resources, step, own_tower)
    if COMPARE in settings.support.shows:
        sources.append(CompareSource(comparer))
    if SWAPPED in settings.support.shows:
        sources.append(SwappedSource(comparer, resources.pictures))
    return LocalExecutor(evaluator, settings.method, sources, device, comparer)


def _silent(text: str) -> None:
    del text


def task(block: Block, crash_counts: CrashCounts) -> Task:
    """The block with what is known of it and its images."""
    images = {asked.entry.image_id for asked in block.asked}
    return Task(block, crash_counts.of(images | {named(block)} | files_of(block)))


def shortage(memories: Sequence[tuple[int, int]]) -> str | None:
    """What to say of memory that had to be halved.

    Args:
        memories: of each evaluator, the bytes it began and ended with.
    """
    began, left = min(memories, key=lambda pair: pair[1] / max(pair[0], 1))
    if left >= began:
        return None
    return f"memory was short: finished with {left >> 20} instead of {began >> 20} MiB for what is kept"
