"""The command line as it is, but poison.png kills the process that answers it, deadly.png the one that opens it.

For `faults.py` and for tests.

Run as a module it is also what the processes of a crew import as their main, so they are poisoned too.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from PIL import Image

from jobs.__main__ import main
from workbench.inspection import block as blocks
from workbench.inspection import inputs
from workbench.inspection.models import Answering
from workbench.inspection.retrieval import Retriever
from workbench.model.method import Method

_answer, _open = blocks.answer_block, inputs.open_image


def answer_or_die(
    opened: blocks.OpenedBlock, run_id: str, answering: Answering, retriever: Retriever, method: Method
) -> blocks.Rows:
    """The block's rows, unless the poison is among its opened images."""
    paths = {asked.entry.image_id: asked.entry.path for asked in opened.block.asked}
    if any(paths[key].endswith("poison.png") for key, it in opened.queries.items() if not isinstance(it, Exception)):
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer(opened, run_id, answering, retriever, method)


def open_or_die(path: Path, *known: Any, **more: Any) -> Image.Image:
    """The picture, unless it is a deadly one."""
    if path.name == "deadly.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return _open(path, *known, **more)


if __name__ in ("__main__", "__mp_main__"):
    blocks.answer_block = answer_or_die
    inputs.open_image = open_or_die  # type: ignore[attr-defined]
if __name__ == "__main__":
    main()
