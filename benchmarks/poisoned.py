"""The command line as it is, but poison.png kills the process that answers it, deadly.png the one that opens it.

For `faults.py` and for tests.

Run as a module it is also what the processes of a run import as their main, so they are poisoned too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from jobs.__main__ import main
from workbench.model.backbone import Pictures
from workbench.model.case import Picture
from workbench.model.method import Method
from workbench.scoring import block as blocks
from workbench.scoring import input_pipeline
from workbench.scoring.evaluator import Evaluator
from workbench.scoring.evidence import Source
from workbench.scoring.run_comparer import RunComparer

_answer, _open = blocks.answer_block, input_pipeline._open


def answer_or_die(
    opened: blocks.OpenedBlock,
    run_id: str,
    evaluator: Evaluator,
    sources: Sequence[Source],
    method: Method,
    comparer: RunComparer | None = None,
) -> blocks.Rows:
    """The block's rows, unless the poison is among its opened images."""
    paths = {asked.entry.image_id: asked.entry.path for asked in opened.block.asked}
    if any(paths[key].endswith("poison.png") for key, it in opened.queries.items() if isinstance(it, Picture)):
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer(opened, run_id, evaluator, sources, method, comparer)


def open_or_die(file: input_pipeline.File, pictures: Pictures | None) -> input_pipeline.Opened:
    """The picture, unless it is a deadly one."""
    if file[0].name == "deadly.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return _open(file, pictures)


if __name__ in ("__main__", "__mp_main__"):
    blocks.answer_block = answer_or_die
    input_pipeline._open = open_or_die
if __name__ == "__main__":
    main()
