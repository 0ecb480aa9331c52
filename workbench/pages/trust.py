"""Trust: does the model know when it is wrong, and how many errors does a review budget catch?

In the address: `run`, the filters (`address.py`), `budget`, answers a person will look at.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.rollups import Selection
from workbench.analysis import calibration, charts_trust
from workbench.analysis.calibration import Scores, Warned
from workbench.pages import address, embedding, parts, run_cards, shared
from workbench.pages.parts import card, chart, header, html

COLUMNS = ("image_id", "right", "confidence", "entropy")

now = shared.snapshot()
runs = shared.runs(now)


class Judged(NamedTuple):
    """What the page shows of a selection."""

    warning: Warned  # how well entropy warns
    scores: Scores  # how well confidence speaks the truth
    curve: pl.DataFrame  # risk against coverage, by entropy
    bins: pl.DataFrame  # the reliability diagram's


@st.cache_resource(show_spinner=False, max_entries=16)
def judged(now: shared.Snapshot, chosen: Selection) -> Judged:
    """All numbers of the page, from one look at the selection."""
    rows = shared.facts(now, chosen, COLUMNS)
    bins = calibration.reliability(rows)
    return Judged(calibration.warning(rows), calibration.scores(rows, bins), calibration.risk_coverage(rows), bins)


def finding(warning: Warned, scores: Scores) -> str:
    """The page's one sentence."""
    if warning.auroc is None:
        return "<b>Nothing to judge:</b> it takes labelled answers, right and wrong ones, with an entropy."
    found = warning.auroc
    if found.low > 0.5:
        head = (
            f"<b>Entropy warns:</b> a wrong answer has the higher entropy in {100 * found.value:.0f} % of comparisons"
        )
    elif found.high < 0.5:
        head = f"<b>Entropy misleads:</b> a wrong answer has the higher entropy in only {100 * found.value:.0f} %"
    else:
        head = f"<b>Not enough evidence that entropy warns:</b> {100 * found.value:.0f} % where chance gives 50"
    over = ""
    if scores.over is not None and abs(scores.over) >= 0.005:
        side = "over" if scores.over > 0 else "under"
        over = f" The model is {side}confident by {100 * abs(scores.over):.0f} points on average."
    return f"{head} (95 %: {100 * found.low:.0f}–{100 * found.high:.0f}).{over}"


def slide(total: int) -> int:
    """The review budget; the address holds it."""
    held = address.number("budget", at_most=total) if "budget" in st.query_params else min(40, total)
    key = f"trust.budget.{held}"  # a widget per value: one that is set from here would echo its old value back

    def changed() -> None:
        address.write(budget=str(st.session_state[key]))

    st.slider("Answers a person will look at", 0, max(total, 1), held, key=key, on_change=changed)
    return held


def show_budget(rows: pl.DataFrame) -> None:
    """The slider and what it comes to."""
    with card("budget", "Review budget", "the highest entropy first"):
        total, errors = int(rows["reviewed"][-1]), int(rows["caught"][-1])
        at = charts_trust.within(rows, slide(total))
        threshold = "none" if at["threshold"] is None else f"entropy ≥ {at['threshold']:.3f} nat"
        chance = errors * at["reviewed"] / max(total, 1)
        html(
            f'<div class="row" style="margin-top:.4rem"><span class="big">{at["caught"]:,.0f}'
            f"<small>of {errors:,} errors caught</small></span></div>"
            + parts.table(
                [
                    ["Threshold", threshold],
                    ["Answers reviewed", f"{at['reviewed']:,.0f} of {total:,}"],
                    ["Errors left", f"{at['left']:,.0f}"],
                    ["Of the rest wrong", "–" if at["risk"] is None else f"{100 * at['risk']:.1f} %"],
                    ["Caught by as many random reviews", f"{chance:,.0f}"],
                ]
            )
        )


def show_scores(warning: Warned, scores: Scores) -> None:
    """The numbers that papers quote."""
    with card("scores", "Scores"):

        def shown(value: float | None) -> str:
            return "–" if value is None else f"{value:.3f}"

        auroc = "–"
        if warning.auroc is not None:
            auroc = f"{warning.auroc.value:.3f} ({warning.auroc.low:.3f}–{warning.auroc.high:.3f})"
        html(
            parts.table(
                [
                    ["Entropy's AUROC, 95 %", auroc],
                    ["Area under risk-coverage", shown(warning.area)],
                    ["Brier score", shown(scores.brier)],
                    ["Expected calibration error", shown(scores.ece)],
                    ["Confidence − accuracy", "–" if scores.over is None else f"{scores.over:+.3f}".replace("-", "−")],
                    ["Judged answers without confidence", f"{scores.unscored:,}"],
                ]
            )
        )


run = parts.need_run("Trust", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
warning, scores, rows, table = judged(now, chosen)
with header("Trust", finding(warning, scores), run_cards.under(run, shared.archives(now).get(run.archive_id))):
    shared.choose_run(now, runs, run)
    parts.computed(
        {
            "reliability": "ten bins of equally many answers; 95 % intervals clustered by image",
            "AUROC": "Obuchowski's interval for clustered data",
            "n": f"{warning.n:,} judged answers with an entropy, {warning.wrong:,} wrong",
            "clusters": f"{warning.images:,} images",
            "threshold": "equal entropies are never split, so each row is a threshold that can be set",
        },
        rollups.sql(chosen),
    )
    parts.export("trust", {"answers": lambda: shared.export(now, chosen, rollups.ANALYSED)})
address.chips()

if warning.n == 0:
    with card("none", "", fill=False):
        why = "Without labels nobody knows which answers are wrong; an imported answer file has no entropy."
        parts.empty("Nothing to judge", why, "workbench disputes   # people's verdicts can stand in for labels")
    st.stop()
budget = (
    address.number("budget", at_most=int(rows["reviewed"][-1])) if "budget" in st.query_params else min(40, warning.n)
)
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2), card("coverage", "Risk against coverage", "click a point for its budget"):
        if rows["risk"].drop_nulls().len() < 3:
            parts.empty("Too few answers for a curve", f"{warning.n} judged with an entropy; it takes three.")
        else:
            said = f"{rows['risk'].drop_nulls()[0]:.1%} of all answers are wrong"
            figure = charts_trust.risk_coverage(parts.ink(), rows, budget)
            chart(figure, "trust.coverage", said, lambda what: address.write(budget=what))
    with grid.cell():
        show_budget(rows)
    with grid.cell(column_span=2), card("reliability", "Reliability", "┃ 95 % interval; dotted: as sure as right"):
        if table.is_empty():
            parts.empty("No confidence is stored", "An imported answer file has letters, and no probabilities.")
        else:
            chart(
                charts_trust.reliability(parts.ink(), table), "trust.reliability", f"{table.height} bins of confidence"
            )
    with grid.cell():
        show_scores(warning, scores)
shared.follow(now, refresh=run.state == "running")
