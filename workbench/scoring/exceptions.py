"""Exceptions raised while a block is answered: in words for its rows, or as a lost device, which ends the run."""

from __future__ import annotations

import traceback
from pathlib import Path

from workbench.errors import DeviceLost


def in_words(error: Exception) -> str:
    """The exception's class and the first line of its message; of one without a message, where it was raised."""
    kind = type(error).__name__
    if message := str(error).strip():
        return f"{kind}: {message.splitlines()[0]}"[:500]
    frames = traceback.extract_tb(error.__traceback__)  # a bare StopIteration says nothing else
    where = f", raised in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{kind} without a message{where}"


def raise_if_device_lost(error: Exception) -> None:
    """After a CUDA error every later call in this process fails too.

    Raises:
        DeviceLost: the error is one.
    """
    if "CUDA error" in str(error) or "device-side assert" in str(error):
        raise DeviceLost(
            f"the GPU stopped answering ({in_words(error)}); what was stored is safe. Give the same command again: "
            "it goes on where it stopped"
        ) from error
