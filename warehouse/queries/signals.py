"""Signals: the numbers of a picture that a threshold can be set on, as data.

A signal is a number of a picture that is larger where a defect is likelier. SIGNALS holds what each is called and the
statement that reads it; who adds a table with another score adds a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SignalName = Literal["defect probability", "comparison", "claim"]


@dataclass(frozen=True, slots=True)
class Signal:
    """A number of a picture."""

    words: str  # what it is, for people
    statement: str  # gives run_id, image_id and score where {some}, a condition on run_id; a picture may have no row


_ANSWERED = "FROM facts WHERE {some} AND detection AND status = 'answered'"
SIGNALS: dict[SignalName, Signal] = {
    "defect probability": Signal(
        "the probability of the options that claim a defect, of several detection questions the largest",
        f"SELECT run_id, image_id, max(defect_probability) AS score {_ANSWERED} GROUP BY ALL",
    ),
    "comparison": Signal(
        "the score of the comparison with normal pictures",
        "SELECT run_id, image_id, max(score) AS score FROM comparisons WHERE {some} GROUP BY ALL",
    ),
    "claim": Signal(
        "what the answer claims: 1 a defect, 0 none",
        "SELECT run_id, image_id, max(CASE claim WHEN 'defective' THEN 1.0 WHEN 'good' THEN 0.0 END) AS score "
        f"{_ANSWERED} GROUP BY ALL",
    ),
}
