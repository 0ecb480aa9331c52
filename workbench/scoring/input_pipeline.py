"""Pictures opened and made ready before the model needs them: read, decoded, resized and cut into patches.

On a CPU the thread that opens blocks ahead does all of it, for the model has the cores. Beside a GPU other processes
do: decoding and resizing hold Python's lock for much of their time, and a model that answers eight pictures a second
would wait for them. The processes know the image processor and nothing of the weights. They end with the run; should
it be killed, they notice that they are alone and end too. When one of them dies, the pictures that were asked for are
opened one at a time by processes that take their place: a picture over which that one dies too is passed over.

How far ahead is read is up to who asks: a block's pictures are opened together, and blocks are bounded.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path
from typing import NamedTuple

from warehouse.failures import OUT_OF_MEMORY, POISON, Failure
from workbench.archive.image_decoding import inspect_image
from workbench.archive.view import View
from workbench.errors import UnreadableImage
from workbench.model.backbone import Pictures
from workbench.model.case import Picture
from workbench.model.picture_reduction import moderate
from workbench.processes import fork_server

logger = logging.getLogger(__name__)

_NOT_STARTED = (EOFError, ConnectionError)  # the server died that was about to start a process
MOST_PROCESSES = 8  # decode and resize far more than one GPU answers


class File(NamedTuple):
    """A picture to open."""

    path: Path
    view: View  # what of it is seen


Opened = Picture | Failure  # the picture, or why it can't be had
Opener = Callable[[Sequence[File]], list[Opened]]


def open_here(files: Sequence[File], pictures: Pictures | None = None) -> list[Opened]:
    """These files' pictures, opened in this thread; made ready too when it is known for what."""
    return [_open(file, pictures) for file in files]


@contextmanager
def opener(pictures: Pictures | None, processes: int) -> Iterator[Opener]:
    """A function that opens files and makes their pictures ready, with so many processes; none is in its own thread."""
    if not processes:
        yield lambda files: open_here(files, pictures)
        return
    there = _There(pictures, processes)
    try:
        yield there.open
    finally:
        there.close()


class _There:
    """Opens files in processes, and begins others when one has died."""

    def __init__(self, pictures: Pictures | None, processes: int) -> None:
        self._pictures, self._processes = pictures, processes
        self._pool: ProcessPoolExecutor | None = self._begun()

    def open(self, files: Sequence[File]) -> list[Opened]:
        """Their pictures, or why one can't be had. Tiles are opened here: each process would decode all of a large
        picture again.
        """
        if any(file.view.tile for file in files):
            return open_here(files, self._pictures)
        if self._pool is not None:
            try:
                return [pickle.loads(made) for made in self._pool.map(_open_in_process, files)]
            except (BrokenProcessPool, *_NOT_STARTED):
                logger.warning("a process that opens pictures died; %d are opened one at a time", len(files))
                self._replace()
                return [self._open_alone(file) for file in files]
        return open_here(files, self._pictures)

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _open_alone(self, file: File) -> Opened:
        if self._pool is None:
            return _open(file, self._pictures)
        try:
            opened: Opened = pickle.loads(self._pool.submit(_open_in_process, file).result())
        except _NOT_STARTED:
            return _open(file, self._pictures)
        except BrokenProcessPool:
            logger.warning("file=%s quarantined", file[0])
            self._replace()
            return POISON
        return opened

    def _begun(self) -> ProcessPoolExecutor:
        known = pickle.dumps(self._pictures)
        return ProcessPoolExecutor(self._processes, fork_server(), initializer=_begin, initargs=(known,))

    def _replace(self) -> None:
        """Other processes; none where even one that opens nothing dies, which is no picture's fault."""
        self.close()
        self._pool = self._begun()
        try:
            self._pool.submit(os.getpid).result()
        except (BrokenProcessPool, *_NOT_STARTED):
            logger.warning("processes that open pictures can't be started; going on without them")
            self.close()
            self._pool = None


def default_processes(device: str, devices: int = 1) -> int:
    """As many as there are cores to spare beside a GPU, or beside each of several; none on a CPU."""
    spare = ((os.cpu_count() or 2) - 2) // devices
    return min(MOST_PROCESSES, max(1, spare)) if device.startswith("cuda") else 0


def _open(file: File, pictures: Pictures | None) -> Opened:
    try:
        opened = inspect_image(file.path, file.view)
    except UnreadableImage as error:
        return error.failure
    x0, y0, *_ = opened.placed.window.to_whole.box((0, 0, 0, 0))
    picture = Picture(file.view.identity, opened.image, oddity=opened.oddity, white=opened.white, origin=(x0, y0))
    if pictures is None:
        return picture
    try:
        ready = pictures.prepare(picture.key, picture.image)
        return replace(picture, image=moderate(picture.image), ready=ready)  # a block of huge ones has to fit
    except Exception as error:  # noqa: BLE001 - such as a shape the model doesn't take
        if isinstance(error, MemoryError) or "allocate memory" in str(error):  # PyTorch's allocator says it in words
            return OUT_OF_MEMORY
        return picture  # the same is raised, and said, when the question is composed


# -- in the processes --------------------------------------------------------------------------------------------------

_pictures: Pictures | None = None


def _begin(pictures: bytes) -> None:
    global _pictures
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    _pictures = pickle.loads(pictures)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(0)


def _open_in_process(file: File) -> bytes:
    """Pickled here, by value: the library's own way of sending tensors leaves them in shared memory."""
    return pickle.dumps(_open(file, _pictures), protocol=pickle.HIGHEST_PROTOCOL)
