"""Whether a draft can be decided at all, said when it is written: how many pictures there are and come a night."""

from __future__ import annotations

import math
from dataclasses import dataclass

from warehouse import names
from warehouse.queries.night_tests import NightTests
from warehouse.queries.nights import Nights
from warehouse.records.scoring import Description
from warehouse.store import Store
from workbench import wording
from workbench.curation import e_process, gate
from workbench.curation.newest_run import newest_run
from workbench.errors import CannotReplay

NIGHTS = 14  # that say how many pictures come
GAIN, CHANGED = 0.1, 0.25  # the gain that is spoken of, and the share of answers that such a text changes


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a draft's tests have to go by."""

    entry: str  # its product and defect, in words
    pictures: int  # pieces of known answer that it is for, in the newest run
    a_night: float | None  # how many of them came a night; None: no schedule has worked yet
    alpha: float  # that its test may spend

    @property
    def least(self) -> int:
        """The fewest pictures on which a test at once can say better: all of them changed, all for the better."""
        return math.floor(math.log2(1 / (gate.ON_BETTER * self.alpha))) + 1

    @property
    def needed(self) -> int:
        """How many show a gain of 10 points with a chance of 80 % where a quarter of the pictures changes."""
        from statsmodels.stats.power import TTestPower

        alpha = gate.ON_BETTER * self.alpha
        found = TTestPower().solve_power(GAIN / math.sqrt(CHANGED), alpha=alpha, power=gate.POWER, alternative="larger")
        return math.ceil(float(found))

    @property
    def nights(self) -> int | None:
        """About how many nights show it; None where no picture comes."""
        return e_process.nights_needed(self.a_night, self.alpha, GAIN, CHANGED) if self.a_night else None

    @property
    def needs_nights(self) -> bool:
        """Whether the pictures there are don't show it and those to come do."""
        return self.pictures < self.needed and self.nights is not None

    def in_words(self) -> str:
        """One or two sentences."""
        there = wording.counted(self.pictures, "picture")
        if self.pictures < self.least:
            said = (
                f"It can't be decided with your {there} of {self.entry}: a test at once needs {self.least} that change"
            )
        elif self.pictures < self.needed:
            needed = f"{wording.counted(self.needed, 'picture')} of {self.entry}"
            said = f"A gain of 10 points shows on about {needed}; you have {self.pictures:,}"
        else:
            return f"A gain of 10 points shows at once on your {there} of {self.entry}."
        if self.a_night is None:
            return f"{said}; no schedule brings new ones yet."
        if self.nights is None:
            return f"{said}; none came in the last nights."
        return f"{said}; at {self.a_night:.1f} a night, about {wording.counted(self.nights, 'night')} show it."


def of(store: Store, draft: Description) -> Outlook:
    """What a draft's tests have to go by, from stored answers alone; nothing is computed anew."""
    base, nights = NightTests(store.data), Nights(store.data)
    try:
        newest = [newest_run(store).run_id]
    except CannotReplay:
        newest = []
    runs = [run for run in nights.night_runs() if run.purpose == "archive"]
    last = sorted({(run.due_at, run.schedule) for run in runs})[-NIGHTS:]
    recent = [run.run_id for run in runs if (run.due_at, run.schedule) in last]
    counted = base.pictures(draft, [*newest, *recent])
    return Outlook(
        entry=f"{draft.product} / {draft.entry}".replace("_", " "),
        pictures=sum(counted[run_id] for run_id in newest),
        a_night=sum(counted[run_id] for run_id in recent) / len(last) if last else None,
        alpha=base.next_share(names.join((draft.dataset, draft.product)), gate.BUDGET),
    )
