"""Things kept as long as there is room, the one not used for longest going first."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key with their sizes in bytes."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[T, int]] = {}  # the least recently used first
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> T | None:
        """The value, which now counts as used; None when it isn't there."""
        if key not in self._items:
            return None
        self._items[key] = found = self._items.pop(key)
        return found[0]

    def put(self, key: str, value: T, size: int) -> None:
        """Keep a value that isn't there yet."""
        self._items[key] = (value, size)
        self.size += size

    def trim(self, limit: int) -> None:
        """Let go of the least recently used until at most `limit` bytes are kept."""
        while self._items and self.size > limit:
            _, size = self._items.pop(next(iter(self._items)))
            self.size -= size

    def clear(self) -> None:
        """Let go of all."""
        self.trim(-1)
