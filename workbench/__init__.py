"""What is computed and decided; `open` gives notebooks and scripts what a data folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.client import Workbench

__all__ = ["open"]


def open(data: str | Path = "data") -> Workbench:
    """A data folder's runs, frames, cases, pictures, comparisons and disputes, to be read.

    Args:
        data: the folder that `--data` names.

    Raises:
        Refused: there is no such folder, or it holds no warehouse.

    >>> import workbench
    >>> workbench.open("data").data.name
    'data'
    """
    from workbench.client import open_folder  # what it needs takes a second, and most who import us don't

    return open_folder(data)
