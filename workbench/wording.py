"""How numbers are written wherever people read them: shares, intervals, p-values, counts with their noun.

Pages, reports, messages and commands write none of these themselves; a test reads their code for it. Numbers for
machines - JSON, exports, a chart's hover templates - are theirs.
"""

from __future__ import annotations

ALPHA = 0.05  # a p below it is never written as one that isn't


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 such as `12 %`.

    Args:
        share: -1..1.
        digits: behind the point.
    """
    return f"{100 * share:.{digits}f} %"


def percent_interval(low: float, high: float, digits: int = 0) -> str:
    """Both ends of an interval of a share, such as `9–15 %`."""
    return f"{100 * low:.{digits}f}–{percent(high, digits)}"


def points(share: float, sign: str = "+") -> str:
    """A difference between shares in points, with as many digits as keep it on its side of 0.

    Args:
        share: -1..1.
        sign: "+" writes that of gains too, "" only that of losses.
    """
    said = f"{100 * share + 0.0:{sign}.1f}"
    return said if share == 0 or float(said) != 0 else f"{100 * share:{sign}.1g}"


def level(share: float) -> str:
    """An interval's level with as many digits as it needs: `95 %`, `99.29 %`."""
    return f"{100 * share:.4g} %"


def p_value(p: float, name: str = "p") -> str:
    """Such as `p = 0.012` or `p < 0.001`.

    Args:
        p: 0..1.
        name: `q` after false-discovery control.
    """
    said = p_number(p)
    return f"{name} {said}" if said.startswith("<") else f"{name} = {said}"


def p_number(p: float, digits: int = 3) -> str:
    """A p-value where its column says what it is, such as `0.012` or `< 0.001`.

    Args:
        p: 0..1.
        digits: behind the point; more where it stands beside a level that needs them.
    """
    smallest = 10.0**-digits
    if p < smallest:
        return f"< {smallest:.{digits}f}"
    said = f"{p:.{digits}f}"
    return said if p >= ALPHA or float(said) < ALPHA else f"< {ALPHA:.{digits}f}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """A count with its noun, such as `1 picture` or `1,200 pictures`.

    Args:
        n: at least 0.
        noun: of one; words before it stay as they are.
        plural: of several, where it isn't `noun` with an s.
    """
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"
