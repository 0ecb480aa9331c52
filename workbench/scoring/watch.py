"""Who is told how a run goes."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Is told how a run goes, in the thread that scores."""

    def step(self, text: str) -> None:
        """Something that takes a while begins: scanning, loading the model."""

    def begin(self, images: int, images_done: int) -> None:
        """The blocks begin."""

    def advance(self, images: int, failed: int) -> None:
        """A block was stored: so many images, so many of its questions failed."""


class QuietWatch:
    """A `Watch` that shows nothing, for work inside other work."""

    def step(self, text: str) -> None:
        """Nothing is shown."""

    def begin(self, images: int, images_done: int) -> None:
        """Nothing is shown."""

    def advance(self, images: int, failed: int) -> None:
        """Nothing is shown."""
