"""Who answers a run's blocks: this process on one device, or one process per device (`processes.py`).

    settings, published texts -> a crew, its models loaded -> blocks -> their parts in the spool

A crew stores; what is stored it tells. It knows nothing of the warehouse's tables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from warehouse.records import Description, Timings
from warehouse.vectors import Vectors
from workbench.inspection import models, retrieval
from workbench.inspection.models import Answering
from workbench.inspection.plan import Block
from workbench.inspection.retrieval import Retriever
from workbench.inspection.tries import Tries, files_of, named
from workbench.inspection.worker import Job, Stored, Task, Worker
from workbench.settings import Settings


class Crew(Protocol):
    """See the module's opening lines."""

    weights: str  # hash of the answering model's
    encoder: str | None  # name and weights of retrieval's encoder, if it uses one
    demo: bool
    device: str  # for people
    embedding_scale: float  # s, for a run that begins

    def work(self, job: Job, blocks: Sequence[Block], tries: Tries) -> Generator[Stored | None]:
        """Each block as it is stored, and None now and then while there is nothing to tell; asked for once.

        Raises:
            DeviceLost: nobody is left to answer.
            DiskFull, ArchiveError: as a `Worker` does.
        """

    def enough(self) -> None:
        """Begin no other block; those at work are still stored and told."""

    def spent(self) -> Timings:
        """Where the time went, added up over all processes."""

    def short(self) -> str | None:
        """That the device's memory was short, and how short, if it was."""

    def close(self) -> None:
        """End whatever was started."""


class Here:
    """The crew that is this process."""

    def __init__(self, answering: Answering, retriever: Retriever, encoder: str | None, device: str) -> None:
        self.weights, self.demo, self.encoder, self.device = answering.weights, answering.demo, encoder, device
        self.answering, self.retriever = answering, retriever
        self.embedding_scale = answering.engine.backbone.embedding_scale
        self._memory = answering.engine.memory
        self._worker: Worker | None = None

    def work(self, job: Job, blocks: Sequence[Block], tries: Tries) -> Generator[Stored | None]:
        """Each block as it is stored; see `Crew`."""
        left = deque(blocks)
        self._worker = Worker(job, self.answering, self.retriever)
        return self._worker.work(lambda _: task(left.popleft(), tries) if left else None)

    def enough(self) -> None:
        """Begin no other block."""
        if self._worker:
            self._worker.enough()

    def spent(self) -> Timings:
        """Where the time went."""
        return self._worker.spent() if self._worker else Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def short(self) -> str | None:
        """How short memory was, if it was."""
        return shortage([(self._memory, self.answering.engine.memory)])

    def close(self) -> None:
        """Nothing was started."""


def gather(settings: Settings, descriptions: Sequence[Description], step: Callable[[str], None]) -> Crew:
    """The crew of settled settings, its models loaded: one process per device where several are named.

    Args:
        descriptions: the published texts.
        step: is told what is being done.

    Raises:
        EncoderError: retrieval's encoder can't be loaded.
        BackboneError: the model can't be loaded, or a device isn't there.
    """
    devices = models.devices(settings.machine)
    if len(devices) > 1:
        from workbench.inspection.processes import Processes

        step(f"loading {settings.machine.model} on {len(devices)} devices")
        return Processes(devices, settings, descriptions)
    step(f"loading {settings.machine.model}")
    return here(settings, descriptions)


def here(settings: Settings, descriptions: Sequence[Description]) -> Here:
    """This process as a crew, its models loaded; raises what `gather` does."""
    answering = models.load_answering(settings.machine)
    retriever, encoder = _retriever(settings, descriptions)
    return Here(answering, retriever, encoder, models.device_name(settings.machine))


def _retriever(settings: Settings, descriptions: Sequence[Description]) -> tuple[Retriever, str | None]:
    """The retriever of the chosen mode, and the encoder it uses if it does."""
    if settings.support.knowledge == "none" or not descriptions:
        return retrieval.NoKnowledge(), None
    if settings.support.knowledge == "product":
        return retrieval.ByProduct(descriptions), None
    encoder = models.load_encoder(settings)
    vectors = Vectors(settings.work.data)
    return retrieval.Nearest(descriptions, encoder, vectors, settings.support.top_k), encoder.name


def task(block: Block, tries: Tries) -> Task:
    """The block with what is known of it and its images."""
    images = {asked.entry.image_id for asked in block.asked}
    return Task(block, tries.of(images | {named(block)} | files_of(block)))


def shortage(memories: Sequence[tuple[int, int]]) -> str | None:
    """What to say of memory that had to be halved.

    Args:
        memories: of each engine, the bytes it began and ended with.
    """
    began, left = min(memories, key=lambda pair: pair[1] / max(pair[0], 1))
    if left >= began:
        return None
    return f"memory was short: finished with {left >> 20} instead of {began >> 20} MiB for what is kept"
