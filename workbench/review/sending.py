"""The order in which disputes are sent: what a push takes first, and what a budget is forecast of.

    the queue, heaviest first, and the tasks there are -> what waits -> the first so many of it

Second looks come first, then the audit lane's share and the heaviest of the rest. Pure; knows no server.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice

import polars as pl

from warehouse.queries.reviews import task_key
from warehouse.records.reviews import Dispute
from warehouse.schema import records


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task that should exist."""

    dispute: Dispute
    slot: int
    at_random: bool = False  # of the audit lane: it is judged before the model's answer is shown

    @property
    def key(self) -> str:
        """What stands in its data."""
        return task_key(self.dispute.dispute_id, self.slot)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tasks that should exist and don't, each in the queue's order."""

    looks: tuple[Wanted, ...]  # of disputes that have tasks already
    at_random: tuple[Wanted, ...]  # of the audit lane
    heavy: tuple[Wanted, ...]  # all others

    def __len__(self) -> int:
        return len(self.looks) + len(self.at_random) + len(self.heavy)

    def first(
        self, limit: int, audit_share: float, can_be_shown: Callable[[Dispute], bool] = lambda _: True
    ) -> list[Wanted]:
        """Second looks first, then the queue with the audit lane in it.

        Args:
            limit: tasks at most.
            audit_share: of the limit, kept for cases drawn at random.
            can_be_shown: of a dispute. Those that can't be take no room; only as many are looked at as the limit has
                room for.
        """
        drawn = (one for one in self.at_random if can_be_shown(one.dispute))
        first = list(islice((one for one in self.looks if can_be_shown(one.dispute)), limit))
        reserved = list(islice(drawn, min(limit - len(first), math.ceil(audit_share * limit))))
        room = limit - len(first) - len(reserved)
        first += islice((one for one in self.heavy if can_be_shown(one.dispute)), room)
        return [*first, *reserved, *islice(drawn, limit - len(first) - len(reserved))]


def waiting(queue: pl.DataFrame, task_keys: Collection[str]) -> Waiting:
    """What a push would send, were it without a limit.

    Args:
        queue: as `Reviews.queue` gives it.
        task_keys: keys of the tasks that exist.
    """
    looks: list[Wanted] = []
    drawn: list[Wanted] = []
    heavy: list[Wanted] = []
    disputes = records(Dispute, queue)
    for dispute, row in zip(disputes, queue.iter_rows(named=True), strict=True):
        if row["state"] == "settled":
            continue
        at_random = "audit" in (row["reasons"] or [])
        missing = [
            Wanted(dispute, slot, at_random)
            for slot in range(1, _slots(dispute, row["verdicts"], row["reviewers"], row["state"]) + 1)
            if task_key(dispute.dispute_id, slot) not in task_keys
        ]
        lane = looks if row["tasks"] else drawn if at_random else heavy
        lane += missing
    return Waiting(tuple(looks), tuple(drawn), tuple(heavy))


def _slots(dispute: Dispute, verdicts: int, reviewers: int, state: str) -> int:
    """How many tasks a dispute needs by now: one per reviewer asked, and one more when all have answered in vain."""
    if verdicts < dispute.slots:
        return dispute.slots
    in_vain = state in ("judged", "conflict") or reviewers < dispute.slots
    return min(max(dispute.slots, verdicts) + in_vain, dispute.slots + 2)
