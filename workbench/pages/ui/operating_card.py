"""The section Operating point: which threshold a run's scores take, what it costs, and the versions that are saved.

In the address: `signal`, `prevalence` (a share), `cost_escape`, `cost_overkill`, `threshold` (a click on a curve), and
the filters `product` and `camera`; no other filter counts here.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.errors import Refused
from warehouse.queries.rollups import NONE, Selection
from warehouse.queries.signals import SIGNALS, SignalName
from warehouse.queries.thresholds import Thresholds
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench.analysis import detection_curves, operating_point, operating_report
from workbench.analysis.charts import operating as charts
from workbench.pages.ui import address, components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, html
from workbench.pages.ui.signed_in_actor import actor
from workbench.review import operating
from workbench.review.operating import OperatingRequest, OperatingResult

SHOWN_AT_ONCE = 50_000  # answers of a run; of more the section waits for a click
VERSIONS = 6  # saved ones that are listed
_MESSAGE = "operating.message"


class OperatingView(NamedTuple):
    """What the section shows."""

    result: OperatingResult
    curve: pl.DataFrame  # with costs
    answers: tuple[float, float] | None  # overkill and recall of the answers' own claims


@cached(4)
def _scores(now: reads.Snapshot, run: Run, signal: SignalName | None, truth: Truth) -> tuple[SignalName, pl.DataFrame]:
    """All scores of a run: of which product and camera is asked anew with every filter."""
    return operating.scores_of(Store(Path(now.data)), run, signal, truth)


@cached(16)
def _view(now: reads.Snapshot, run: Run, request: OperatingRequest) -> OperatingView | None:
    """All numbers of the section; None where the run has no such picture."""
    try:
        read = _scores(now, run, request.signal, request.truth)
        result = operating.find(Store(Path(now.data)), run, request, tables=False, read=read)
    except Refused:
        return None
    rows = detection_curves.labelled(result.scores)
    curve = detection_curves.curve(rows, result.report.aim.prevalence)
    claims = rows.filter(pl.col("claim").is_not_null()).with_columns(called=pl.col("claim") == "defective")
    answers = None
    if claims["defective"].n_unique() == 2:
        judged = operating_point.judge(claims, result.report.aim)
        answers = (judged.overkill.value, 1 - judged.escape.value)
    return OperatingView(result, operating_point.with_costs(curve, result.report.aim), answers)


def show(now: reads.Snapshot, run: Run, selection: Selection) -> None:
    """The section, under the cards about confidence."""
    html(Markup('<h2 style="margin:.6rem 0 0;font-size:1.15rem">Operating point</h2>'))
    if run.planned > SHOWN_AT_ONCE and "signal" not in st.query_params:
        st.button("Show the operating point", key="operating.show", on_click=address.write, kwargs={"signal": "usual"})
        return
    request = _request(selection)
    view = _view(now, run, request)
    if view is None:
        components.empty("No picture", "The run has no picture of this product and camera.")
        return
    with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
        with grid.cell(), card("operating-for", "What for", "a rate counts parts, not questions"):
            _choose(view)
        with grid.cell(column_span=2), card("operating-said", "What it comes to", "95 % intervals by piece"):
            _say(view, run)
        if view.result.report.point.lacking is None:
            with grid.cell(), card("operating-roc", "ROC", "click a point for its threshold; ✕ as answered"):
                _show_roc(view)
            with grid.cell(), card("operating-precision", "Precision", "at this prevalence; dotted: a random choice"):
                _show_precision(view)
            with grid.cell(), card("operating-errors", "Escape against overkill", "dotted line: the saved threshold"):
                _show_errors(view)
        with (
            grid.cell(column_span=3),
            card("operating-saved", "Saved thresholds", "the newest holds; no answer changes"),
        ):
            _keep(now, run, request, view)


def _request(selection: Selection) -> OperatingRequest:
    """What the address asks for."""
    facets = {name: value for name, value in selection.facets if value != NONE}
    named = st.query_params.get("signal")
    return OperatingRequest(
        next((name for name in SIGNALS if name == named), None),
        facets.get("product"),
        facets.get("camera"),
        _number("prevalence", 1.0),
        _number("cost_escape") if _number("cost_escape") is not None else operating.COST_ESCAPE,  # type: ignore[arg-type]
        _number("cost_overkill") if _number("cost_overkill") is not None else operating.COST_OVERKILL,  # type: ignore[arg-type]
        threshold=_number("threshold", least=-math.inf),
        truth=selection.truth,
    )


def _number(name: str, at_most: float = 1e12, least: float = 0.0) -> float | None:
    """A number of the address; None where there is none that makes sense."""
    try:
        value = float(st.query_params.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and least <= value <= at_most else None


def _choose(view: OperatingView) -> None:
    """Signal, prevalence and costs; the address holds them."""
    report = view.result.report
    words = next(each.words for name, each in SIGNALS.items() if name == report.signal)

    def pick(name: str) -> None:
        address.write(signal=name, threshold=None)

    address.choose("Signal", [str(name) for name in SIGNALS], report.signal, "operating.signal", pick, help=words)
    aim = report.aim
    for label, name, value in (
        ("Defective parts, %", "prevalence", 100 * aim.prevalence),
        ("Cost of an escape", "cost_escape", aim.cost_escape),
        ("Cost of an overkill", "cost_overkill", aim.cost_overkill),
    ):
        key = f"operating.{name}.{value:.6g}"  # a widget per value: it follows a link and Back

        def changed(name: str = name, key: str = key) -> None:
            typed = st.session_state[key] / (100 if name == "prevalence" else 1)
            address.write(**{name: f"{typed:.6g}", "threshold": None})

        most = 100.0 if name == "prevalence" else None
        st.number_input(label, 0.0, most, float(value), format="%.4g", key=key, on_change=changed)
    said = report.prevalence.sentence
    html(Markup('<div class="note">{}.</div>').format(said[:1].upper() + said[1:]))


def _say(view: OperatingView, run: Run) -> None:
    """The report's sentences."""
    lines = Markup("").join(
        Markup('<div style="margin:.15rem 0">{}</div>').format(each)
        for each in operating_report.sentences(view.result.report)
    )
    more = f"workbench operate {run.run_id} also says which defects and products cost most, recall by size, and nights."
    html(Markup("{}<div class='note'>{}</div>").format(lines, more))


def _pick(value: str) -> None:
    """A click on a curve: its threshold."""
    if value:
        address.write(threshold=value)


def _show_roc(view: OperatingView) -> None:
    area = view.result.report.ranking.auroc
    figure = charts.roc(components.ink(), view.curve, view.result.report.point.threshold, view.answers)
    chart(figure, "operating.roc", f"AUROC {area.value:.3f}" if area else "ROC", _pick)


def _show_precision(view: OperatingView) -> None:
    report = view.result.report
    area = report.ranking.average_precision
    figure = charts.precision(components.ink(), view.curve, report.point.threshold, report.aim.prevalence)
    chart(figure, "operating.precision", f"average precision {area.value:.3f}" if area else "precision", _pick)


def _show_errors(view: OperatingView) -> None:
    threshold = view.result.report.point.threshold
    saved = view.result.versions[0].value if view.result.versions else None
    figure = charts.errors(components.ink(), view.curve, threshold, saved)
    chart(figure, "operating.errors", operating_report.threshold_words(threshold), _pick)


def _keep(now: reads.Snapshot, run: Run, request: OperatingRequest, view: OperatingView) -> None:
    """Saving, and going back."""
    result = view.result
    where = [request.product or "all products", *([f"camera {request.camera}"] if request.camera else [])]

    def act(change: Literal["save", "rollback"]) -> None:
        store, reason = Store(Path(now.data)), str(st.session_state.get("operating.reason", ""))
        try:
            if change == "save":
                saved = operating.save(store, run, request, result, reason, actor=actor())
            else:
                version = int(st.session_state["operating.version"])
                saved = Thresholds(store.data).rollback(
                    result.report.signal, request.product or "", request.camera or "", version, reason, actor=actor()
                )
        except Refused as error:
            st.session_state[_MESSAGE] = str(error)
            return
        st.session_state[_MESSAGE] = f"Saved as version {saved.version}."

    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.text_input("Why", key="operating.reason", placeholder="kept with the version", width=320)
        nothing = result.report.point.threshold is None  # to save
        st.button("Save this threshold", key="operating.save", on_click=act, args=["save"], disabled=nothing)
        if result.versions:
            earlier = [0, *(each.version for each in reversed(result.versions[1:]))]
            st.selectbox("Version", earlier, key="operating.version", width=110, help="0: the answers' own claims")
            st.button("Roll back", key="operating.rollback", on_click=act, args=["rollback"])
    if message := st.session_state.pop(_MESSAGE, None):
        html(Markup('<div class="note"><b>{}</b></div>').format(message))
    if not result.versions:
        text = f"None for {result.report.signal}, {', '.join(where)}: what is called defective is what answers claim."
        html(Markup('<div class="note">{}</div>').format(text))
        return
    rows = [
        [
            f"{each.version}", each.method, each.author, f"{each.saved_at:%Y-%m-%d %H:%M} UTC", each.reason,
            "answers' claims" if each.value is None else f"{each.value:.6g}",
        ]
        for each in result.versions[:VERSIONS]
    ]  # fmt: skip
    html(components.table(rows, ["Version", "Method", "By", "Saved", "Why", "Threshold"]))
    going = address.going(run=run.run_id, alarms=result.report.signal, outcome=None)
    st.page_link(components.GALLERY, label="What it calls defective, in Gallery", query_params=going)
