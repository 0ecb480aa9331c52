"""How many defective parts a comparison of escape rates needs: good parts say nothing about escapes.

A test set is planned by its defective parts. On a line with few of them, parts are looked at until enough are found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True, slots=True)
class PartsNeeded:
    """Defective parts on which a loss of escape shows."""

    paired: int  # the same parts answered by both runs, which miss independently of each other
    paired_alike: int  # the same, where the worse run misses whatever the better one misses
    apart: int  # of each of two sets
    from_the_line: int | None  # parts to look at until so many for `paired` are found; None without a prevalence


def parts_needed(
    escape: float,
    loss: float = 0.02,
    *,
    prevalence: float | None = None,
    design_effect: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PartsNeeded:
    """Defective parts on which a rise of the escape rate by `loss` is called so with this power.

    Args:
        escape: the rate before, 0..1.
        loss: how much it rises, above 0; both together stay at or below 1.
        prevalence: share of defective parts on the line, 0..1.
        design_effect: how many pictures are worth one independent one, see `intervals.rates`.
        alpha: of the two-sided test.
        power: 0..1.

    Raises:
        ValueError: no such rates.

    Source: Cohen's h, as `statsmodels.stats.power.NormalIndPower` solves it; for pairs Miettinen, "The matched pairs
    design in the case of all-or-none responses", Biometrics 24, 1968.
    """
    worse = escape + loss
    if not (0 <= escape < worse <= 1):
        raise ValueError(f"an escape rate of {escape:g} can't rise by {loss:g}: rates lie in 0..1")
    z_alpha, z_power = special.ndtri(1 - alpha / 2), special.ndtri(power)
    h = 2 * (math.asin(math.sqrt(worse)) - math.asin(math.sqrt(escape)))
    apart = 2 * ((z_alpha + z_power) / h) ** 2

    def paired(differing: float) -> int:
        """Where this share of parts is missed by one run alone."""
        n: float = ((z_alpha * math.sqrt(differing) + z_power * math.sqrt(differing - loss**2)) / loss) ** 2
        return math.ceil(n * design_effect)

    independent = paired(escape * (1 - worse) + worse * (1 - escape))
    line = math.ceil(independent / prevalence) if prevalence else None
    return PartsNeeded(independent, paired(loss), math.ceil(apart * design_effect), line)
