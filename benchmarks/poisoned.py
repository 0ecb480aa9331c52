"""The command line as it is, but poison.png kills the process that answers it; for `faults.py` and for tests.

Run as a module it is also what the processes of a crew import as their main, so they are poisoned too.
"""

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
    paths = {asked.entry.image_id: asked.entry.path for asked in opened.block.asked}
    if any(paths[key].endswith("poison.png") for key, it in opened.queries.items() if not isinstance(it, Exception)):
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer(opened, run_id, answering, retriever, method)


if __name__ in ("__main__", "__mp_main__"):
    blocks.answer_block = answer_or_die
if __name__ == "__main__":
    main()
