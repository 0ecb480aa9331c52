"""The command line as it is, but poison.png kills the process that answers it, deadly.png the one that opens it.

For `faults.py` and for tests.

Run as a module it is also what the processes of a crew import as their main, so they are poisoned too.
"""

from __future__ import annotations

import os
import signal

from jobs.__main__ import main
from workbench.inspection import block as blocks
from workbench.inspection import inputs
from workbench.inspection.models import Answering
from workbench.inspection.retrieval import Retriever
from workbench.model.backbone import Pictures
from workbench.model.method import Method

_answer, _open = blocks.answer_block, inputs._open


def answer_or_die(
    opened: blocks.OpenedBlock, run_id: str, answering: Answering, retriever: Retriever, method: Method
) -> blocks.Rows:
    """The block's rows, unless the poison is among its opened images."""
    paths = {asked.entry.image_id: asked.entry.path for asked in opened.block.asked}
    if any(paths[key].endswith("poison.png") for key, it in opened.queries.items() if not isinstance(it, Exception)):
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer(opened, run_id, answering, retriever, method)


def open_or_die(file: inputs.File, pictures: Pictures | None) -> inputs.Opened:
    """The picture, unless it is a deadly one."""
    if file[0].name == "deadly.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return _open(file, pictures)


if __name__ in ("__main__", "__mp_main__"):
    blocks.answer_block = answer_or_die
    inputs._open = open_or_die
if __name__ == "__main__":
    main()
