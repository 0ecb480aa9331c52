"""Trust: does the model know when it is wrong, and how many errors does a review budget catch?

In the address: `run`, the filters (`address.py`), `budget`, answers a person will look at; below, the operating point
(`operating_card.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries import rollups
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import calibration, calibration_words, missing_capabilities
from workbench.analysis.calibration import Scores, Warned
from workbench.analysis.charts import trust
from workbench.analysis.missing_capabilities import Lack
from workbench.pages.runs import cards
from workbench.pages.ui import address, components, embedding, operating_card, reads, run_choice
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html

COLUMNS = ("cluster_id", "right", "confidence", "entropy")

now = reads.snapshot()
runs = reads.runs(now)


class Judged(NamedTuple):
    """What the page shows of a selection."""

    warning: Warned  # how well entropy warns
    scores: Scores  # how well confidence speaks the truth
    curve: pl.DataFrame  # risk against coverage, by entropy


@cached(16)
def page_numbers(now: reads.Snapshot, run: Run, selection: Selection) -> Judged:
    """All numbers of the page, from one look at the selection; none of a signal that the run's answers don't carry."""
    rows = calibration.carried(reads.facts(now, selection, COLUMNS), run.capabilities)
    return Judged(calibration.warning(rows), calibration.scores(rows), calibration.risk_coverage(rows))


def finding(warning: Warned, scores: Scores, lack: Lack | None) -> Markup:
    """The page's one sentence, and one on confidence."""
    head, rest = ("Entropy can't warn here.", lack.sentence) if lack else calibration_words.warning(warning)
    return Markup("<b>{}</b> {} {}").format(head, rest, calibration_words.over(scores))


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
        at = trust.within(rows, slide(total))
        threshold = "none" if at["threshold"] is None else f"entropy ≥ {at['threshold']:.3f} nat"
        chance = errors * at["reviewed"] / max(total, 1)
        html(
            Markup(
                '<div class="row" style="margin-top:.4rem"><span class="big">{:,.0f}'
                "<small>of {:,} errors caught</small></span></div>"
            ).format(
                at["caught"],
                errors,
            )
            + components.table(
                [
                    ["Threshold", threshold],
                    ["Answers reviewed", f"{at['reviewed']:,.0f} of {total:,}"],
                    ["Errors left", f"{at['left']:,.0f}"],
                    ["Of the rest wrong", "–" if at["risk"] is None else wording.percent(at["risk"], 1)],
                    ["Caught by as many random reviews", f"{chance:,.0f}"],
                ]
            )
        )


def show_scores(warning: Warned, scores: Scores) -> None:
    """The numbers that papers quote."""
    with card("scores", "Scores"):

        def three_digits(value: float | None) -> str:
            return "–" if value is None else f"{value:.3f}"

        auroc, error, over = "–", "–", "–"
        if warning.auroc:
            auroc = calibration_words.with_interval(warning.auroc)
        elif warning.n and warning.lacking:
            auroc = f"not enough: {calibration_words.lacking(warning.lacking)}"
        if scores.error and scores.over:
            error, over = (
                calibration_words.with_interval(scores.error.estimate),
                calibration_words.with_interval(scores.over, "+"),
            )
        elif scores.n and scores.lacking:
            error = over = f"not enough: {calibration_words.lacking(scores.lacking)}"
        html(
            components.table(
                [
                    ["Entropy's AUROC, 95 %", auroc],
                    ["Area under risk-coverage", three_digits(warning.area)],
                    ["The same in the best order", three_digits(warning.best)],
                    ["Brier score", three_digits(scores.brier)],
                    ["Calibration error, 95 %", error],
                    ["Noise alone reaches", three_digits(scores.error.floor if scores.error else None)],
                    ["Confidence − accuracy, 95 %", over],
                    ["Judged answers without confidence", f"{scores.unscored:,}"],
                    ["Judged answers without entropy", f"{warning.unscored:,}"],
                ]
            )
        )


run = components.need_run("Trust", runs, address.chosen_run(runs))
selection = replace(embedding.selection(now, runs, run), alarm_rule="answers")  # confidence is of the answers
warning, scores, rows = page_numbers(now, run, selection)
table = scores.bars
archive = reads.archives(now).get(run.archive_id)
lead = finding(warning, scores, missing_capabilities.of(run, "latents"))
under = cards.under(run, archive, reads.beside(now, selection))
if address.alarm_rule() != "answers":
    under += Markup("<br>Confidence and entropy are judged by the answers, whatever calls pictures defective.")
with header("Trust", lead, under):
    run_choice.choose_run(now, runs, run)
    components.computed(
        {
            "numbers": calibration_words.HOW,
            "n": f"{wording.counted(warning.n, 'judged answer')} with an entropy, {warning.wrong:,} wrong",
            "clusters": wording.counted(warning.images, "image") + components.CLUSTERED,
            "threshold": "equal entropies are never split, so each row is a threshold that can be set",
        },
        rollups.sql(selection),
    )
    components.export("trust", {"answers": lambda: reads.export(now, selection, rollups.ANALYSED)})
address.chips()

no_confidence, no_entropy = missing_capabilities.of(run, "probabilities"), missing_capabilities.of(run, "latents")
neither = missing_capabilities.of(run, "probabilities", "latents") if no_confidence and no_entropy else None
if neither or (warning.n == 0 and (table.is_empty() or not no_entropy)):
    with card("none", "", fill=False):
        if neither:
            components.lacking(neither)
        else:
            why = "Without labels nobody knows which answers are wrong."
            components.empty(
                "Nothing to judge", why, "workbench disputes   # people's verdicts can stand in for labels"
            )
    operating_card.show(now, run, selection)
    st.stop()
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    if no_entropy:
        with grid.cell(column_span=3), card("coverage", "Risk against coverage"):
            components.lacking(no_entropy)
    else:
        budget = min(40, warning.n)
        if "budget" in st.query_params:
            budget = address.number("budget", at_most=int(rows["reviewed"][-1]))
        with grid.cell(column_span=2), card("coverage", "Risk against coverage", "click a point for its budget"):
            if rows["risk"].drop_nulls().len() < 3:
                components.empty("Too few answers for a curve", f"{warning.n} judged with an entropy; it takes three.")
            else:
                said = f"{wording.percent(rows['risk'].drop_nulls()[0], 1)} of all answers are wrong"
                figure = trust.risk_coverage(components.ink(), rows, budget)
                chart(figure, "trust.coverage", said, lambda what: address.write(budget=what))
        with grid.cell():
            show_budget(rows)
    with grid.cell(column_span=2), card("reliability", "Reliability", "┃ 95 % interval; dotted: as sure as right"):
        if no_confidence:
            components.lacking(no_confidence)
        elif table.is_empty():
            components.empty("Nothing to judge", "No judged answer of this selection has options to be sure of.")
        else:
            chart(trust.reliability(components.ink(), table), "trust.reliability", f"{table.height} bins of confidence")
    with grid.cell():
        show_scores(warning, scores)
operating_card.show(now, run, selection)
reads.follow(now, refresh=run.state == "running")
