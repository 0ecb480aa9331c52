"""An LRU cache bounded by size: values by key, the least recently used dropped first. Not safe across threads."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """Values by key with their sizes.

    Args:
        limit: what all values together may take, in the unit of their sizes: bytes, or 1 each. The newest value stays
            even if it alone takes more. None: who uses the cache trims it.

    Example:
        cache = LRUCache[str, Tensor](limit=2**30)
        cache.put("a", tensor, tensor.nbytes)
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.size = 0  # of all values
        self._items: dict[K, tuple[V, int]] = {}  # the least recently used first

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: K) -> bool:
        """Whether the key is there; it does not count as used."""
        return key in self._items

    def get(self, key: K) -> V | None:
        """The value, which now counts as used; None when it isn't there."""
        if key not in self._items:
            return None
        self._items[key] = item = self._items.pop(key)
        return item[0]

    def put(self, key: K, value: V, size: int = 1) -> None:
        """Keep a value, in the place of an older one of the same key, and drop others beyond the limit."""
        if key in self._items:
            self.size -= self._items.pop(key)[1]
        self._items[key] = (value, size)
        self.size += size
        while self.limit is not None and self.size > self.limit and len(self._items) > 1:
            self._drop_oldest()

    def trim(self, limit: int) -> None:
        """Drop the least recently used until the rest takes at most `limit`."""
        while self._items and self.size > limit:
            self._drop_oldest()

    def clear(self) -> None:
        """Drop all."""
        self._items.clear()
        self.size = 0

    def _drop_oldest(self) -> None:
        _, size = self._items.pop(next(iter(self._items)))
        self.size -= size
