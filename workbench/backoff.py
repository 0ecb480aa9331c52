"""Pauses between tries at something outside, growing and random, within a patience."""

from __future__ import annotations

import random
import time

LONGEST = 15.0  # seconds of one pause


class Backoff:
    """Counts tries from its making on.

    Args:
        patience: seconds after which no other try is made; pauses count whether they were waited or not.
    """

    def __init__(self, patience: float) -> None:
        self._patience, self._began = patience, time.monotonic()
        self._paused = 0.0  # seconds
        self.tries = 0

    def pause(self, at_least: float = 0.0) -> float | None:
        """Seconds to wait after another failed try; None when the patience would be over by then.

        Args:
            at_least: seconds that the other side asked for.
        """
        self.tries += 1
        seconds = max(min(LONGEST, 0.5 * 2**self.tries) * random.uniform(0.5, 1.0), at_least)
        spent = max(time.monotonic() - self._began, self._paused)
        self._paused += seconds
        return None if spent + seconds > self._patience else seconds
