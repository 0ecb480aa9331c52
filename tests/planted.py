"""An item that raises, planted among others."""

from __future__ import annotations

from collections.abc import Callable


class Odd(Exception):
    """Of no library's kind."""


def raising(function: Callable[..., object], when: Callable[..., bool]) -> Callable[..., object]:
    """The function, which raises for one item."""

    def picky(*values: object, **named: object) -> object:
        if when(*values, **named):
            raise Odd("planted")
        return function(*values, **named)

    return picky


class Nth:
    """True at the nth call alone."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, *_: object) -> bool:
        self.left -= 1
        return self.left == 0
