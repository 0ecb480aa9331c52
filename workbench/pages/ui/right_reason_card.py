"""The card that says whether right answers point at the defect: of a run by subtask, and of two runs."""

from __future__ import annotations

import re

import polars as pl
from markupsafe import Markup

from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import compare, right_reason, subtasks
from workbench.analysis.charts import common
from workbench.analysis.right_reason import RightReason
from workbench.pages.ui import components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, html

_MINUS = re.compile(r"-(?=\d)")
TITLE = "Right for the right reason"


def of_run(now: reads.Snapshot, selection: Selection) -> RightReason | None:
    """The headline of a selection."""
    return headline(now, selection)[0]


@cached(16)
def headline(now: reads.Snapshot, selection: Selection) -> tuple[RightReason | None, pl.DataFrame]:
    """The headline of a selection, and its rows."""
    rows = reads.groundings(now, selection)
    return right_reason.of(rows), rows


def lead(reason: RightReason | None) -> Markup:
    """The headline beside accuracy, in the page's one sentence."""
    if reason is None:
        return Markup()
    return Markup(" <b>Right for the right reason {}</b> of {} about defects (by chance {}).").format(
        wording.percent(reason.rate.value), wording.counted(reason.n, "question"), wording.percent(reason.chance)
    )


def show(now: reads.Snapshot, run: Run, selection: Selection) -> None:
    """The card of a run's selection."""
    found, rows = headline(now, selection)
    with card("reason", TITLE, "right, and pointing at the defect; 95 % interval by image; the tick is chance"):
        if found is None:
            components.lacking(right_reason.lack(run))
            return
        table = right_reason.by_subtask(rows, run.subtasks)
        said = "; ".join(
            f"{row['subtask']} {wording.percent(row['rate'])} of {row['n']}" for row in table.iter_rows(named=True)
        )
        chart(common.accuracy(components.ink(), table, None), "reason.by_subtask", said)
        html(Markup('<div class="note">{}</div>').format(right_reason.sentence(found)))
        html(Markup('<div class="note">{}</div>').format(right_reason.painted_sentence(found, run.run_id)))


def lead_compared(now: reads.Snapshot, base: Selection, selection: Selection) -> Markup:
    """The verdict beside that on accuracy, in the lead of two runs; nothing where they share no such question."""
    with reads.together(now):
        old, new = reads.groundings(now, base), reads.groundings(now, selection)
    said = right_reason.in_short(old, new, "A", "B")
    return Markup(" {}").format(_MINUS.sub("−", said)) if said else Markup()


def show_compared(now: reads.Snapshot, base: Selection, selection: Selection, run: Run) -> None:
    """The card of two runs; nothing where neither was measured."""
    old, new = reads.groundings(now, base), reads.groundings(now, selection)
    if old.is_empty() and new.is_empty():
        return
    said = right_reason.comparison(old, new, "A", "B")
    with card("reason", TITLE, "right, and pointing at the defect; questions measured in both", fill=False):
        if not said:
            why = "The runs share no question of which it was measured by the same means, patches or regions."
            components.empty("Nothing to compare", f"{why} workbench explain RUN measures one.")
            return
        html(Markup('<div class="note">{}</div>').format(_MINUS.sub("−", said)))
        _, pairs = right_reason.pairs(old, new)
        table = subtasks.in_order(compare.table(pairs, ("subtask",)), run.subtasks)
        cells = [
            [
                row["subtask"], f"{row['n']:,}", f"{100 * row['rate_old']:.1f}", f"{100 * row['rate_new']:.1f}",
                *(_MINUS.sub("−", wording.points(row[name])) for name in ("difference", "low", "high")),
                row["word"],
            ]
            for row in table.iter_rows(named=True)
        ]  # fmt: skip
        head = ["Subtask", "Pairs", "A, %", "B, %", "B − A, points", "from", "to", ""]
        html(components.table(cells, head, numbers=7))
