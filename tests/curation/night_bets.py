"""A test over nights of the second revision of D/plate/rust, and its bets, as the warehouse stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from warehouse.records.curation import NightBet, NightTest, NightVerdict
from warehouse.records.scoring import KnowledgeMember

NOW = datetime(2026, 1, 4, 22, tzinfo=UTC)
NIGHT_TEST = NightTest(
    "7e57", "D/plate", 0, 0.05, 0.02, (KnowledgeMember("D/plate/rust", 2),), (KnowledgeMember("D/plate/rust", 1),),
    "ann", NOW,
)  # fmt: skip


def night_bet(number: int = 1, verdict: NightVerdict = "still gathering", test: NightTest = NIGHT_TEST) -> NightBet:
    """The bet of the number-th night, made of a picture of its own."""
    return NightBet(
        test.test_id, number, "line-2", NOW + timedelta(days=number), ("old",), ("new",), 20, 100, 18, 7, 11, 0.44, 0.9,
        0.33 * number, -0.5 * number, 30, 150, 2, 2, 3, -0.05, verdict, "so it is", (f"piece-{number}",),
        (f"content-{number}",),
    )  # fmt: skip
