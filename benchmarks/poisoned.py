"""The command line as it is, but an image named poison.png kills the process that answers it; for `faults.py`."""

from __future__ import annotations

import os
import signal

from jobs.__main__ import main
from workbench.inspection import block as blocks
from workbench.inspection.models import Answering
from workbench.inspection.retrieval import Retriever
from workbench.model.method import Method

_answer = blocks.answer_block


def answer_or_die(
    opened: blocks.OpenedBlock, run_id: str, answering: Answering, retriever: Retriever, method: Method
) -> blocks.Rows:
    """The block's rows, unless the poison is among its opened images."""
    paths = {asked.entry.path for asked in opened.block.asked if _is_opened(opened, asked.entry.image_id)}
    if any(path.endswith("poison.png") for path in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer(opened, run_id, answering, retriever, method)


def _is_opened(opened: blocks.OpenedBlock, image_id: str) -> bool:
    return not isinstance(opened.queries[image_id], Exception)


if __name__ == "__main__":
    blocks.answer_block = answer_or_die
    main()
