"""The card of pictures without a label that a run called defective: how many, where, which, how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.rollups import SUSPICIOUS, Order, Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import alarms as unlabelled
from workbench.analysis.alarms import Alarms, Group
from workbench.pages.ui import address, components, reads, thumbnails
from workbench.pages.ui.components import card, html
from workbench.pages.ui.reads import Snapshot


def table(alarms: Alarms) -> Markup:
    """One row per product, line and camera."""
    rows = [_row(group) for group in alarms.most()]
    return components.table(rows, ["", "Called defective", "Share", "95 %", "Probability"], numbers=4)


def _row(group: Group) -> list[str]:
    return [
        group.name,
        f"{group.defective:,} of {group.images:,}",
        wording.percent(group.rate),
        wording.percent_interval(group.low, group.high),
        unlabelled.probability(group.probability),
    ]


def show_groups(now: Snapshot, selection: Selection) -> None:
    """The shares by product, line and camera, the largest first, in a card that folds; a list for each of them filters
    the page. Nothing where the selection calls no picture without a label anything.
    """
    alarms = reads.alarms(now, selection)
    if not alarms.groups:
        return
    with (
        st.container(key="card-called-groups"),
        st.expander("Called defective by product, line and camera, with 95 % intervals", expanded=True),
    ):
        tables = (_ranked(alarms, dimension) for dimension in unlabelled.DIMENSIONS)
        html(Markup('<div class="tables">{}</div>').format(Markup().join(tables)))
        with st.container(horizontal=True, gap="xsmall"):
            for dimension in unlabelled.DIMENSIONS:
                values = sorted(group.value for group in alarms.groups if group.dimension == dimension)
                if len(values) > 1:
                    _filter(dimension, values)


def _ranked(alarms: Alarms, dimension: str) -> Markup:
    """The values of a dimension with most alarms, the largest share first; empty without any."""
    groups = [group for group in alarms.most() if group.dimension == dimension]
    if not groups:
        return Markup()
    groups.sort(key=lambda group: (-group.rate, group.value))
    known = sum(group.dimension == dimension for group in alarms.groups)
    more = f"showing {len(groups)} of {known}, those with most pictures called defective" if len(groups) < known else ""
    table = components.table([_row(group)[:-1] for group in groups], numbers=3)
    return Markup('<div>{}<div class="note">{}</div></div>').format(table, more)


def _filter(dimension: str, values: Sequence[str]) -> None:
    """A list that filters the page by a value of a dimension."""
    address.choose(
        dimension,
        values,
        None,
        f"called.{dimension}",
        lambda value: address.put(**{dimension: value}),
        index=None,
        placeholder=f"any {dimension}",
        label_visibility="collapsed",
        width=170,
        format_func=lambda value: value.replace("_", " "),
    )


def show(now: Snapshot, run: Run, selection: Selection) -> None:
    """The card; nothing where the selection calls no picture without a label anything."""
    alarms = reads.alarms(now, selection)
    if not alarms.called.images:
        return
    with card(
        "called", "Called defective", "without a label: nobody knows whether that is right; probability: their mean"
    ):
        html(table(alarms))
        if alarms.called.defective:
            by_score = alarms.called.probability is None and reads.is_compared(now, run.run_id)
            links(run, alarms, address.going(order=SUSPICIOUS if by_score else "likeliest defect"))


def links(run: Run, alarms: Alarms, going: Mapping[str, str], one_of_several: bool = False) -> None:
    """Ways to a run's pictures in the Gallery, all of them and those of each group; of several runs with its time."""
    here = {**going, "run": run.run_id, "outcome": "alarm"}
    label = f"Run of {run.started_at:%H:%M} in Gallery" if one_of_several else "Open in Gallery"
    with st.container(horizontal=True, gap="xsmall"):
        st.page_link(components.GALLERY, label=label, query_params=here)
        for group in alarms.most():
            if group.defective:
                label = components.plain(group.name, 40)
                st.page_link(components.GALLERY, label=label, query_params={**here, group.dimension: group.value})


def show_pictures(
    now: Snapshot, called: Sequence[tuple[Run, pl.DataFrame]], many: int, title: str = "Called defective"
) -> None:
    """Pictures called defective as thumbnails; nothing without any.

    Args:
        now: the warehouse.
        called: pictures by the run that calls them so, as `reads.called_defective` gives them.
        many: pictures that are called defective, those that aren't shown among them.
        title: of the card.
    """
    shown = sum(pictures.height for _, pictures in called)
    if not shown:
        return
    order = _order(now, called)
    key = title.lower().replace(" ", "-")
    with st.container(key=f"card-alarms-{key}", gap="small"):
        note = f"showing {shown} of {many:,}" + (f", {order} first" if order else "")
        html(Markup('<div class="title">{}<i>{}</i></div>').format(title, note))
        for place, (run, pictures) in enumerate(called):
            of_run = f"{key}-{place}" if place else key
            caption = partial(_caption, now, run, order)
            thumbnails.grid(now, run, pictures, caption, key=of_run, order=order or "worst", outcome="alarm")


def _order(now: Snapshot, called: Sequence[tuple[Run, pl.DataFrame]]) -> Order | None:
    """What the pictures are ordered by, as `Rollups.alarms` does it; None where nothing tells."""
    states_none = all(pictures["defect_probability"].is_null().all() for _, pictures in called)
    if address.alarm_rule() != "comparison" and not states_none:
        return "likeliest defect"
    return SUSPICIOUS if any(reads.is_compared(now, run.run_id) for run, _ in called) else None


def _caption(now: Snapshot, run: Run, order: Order | None, case: thumbnails.Row) -> str:
    score = reads.scores(now, run.run_id).get(case["image_id"]) if order == SUSPICIOUS else None
    return thumbnails.suspicion(case) if score is None else f"{score:.3f} · {thumbnails.suspicion(case)}"
