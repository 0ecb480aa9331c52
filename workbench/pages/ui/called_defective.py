"""The card of pictures without a label that a run called defective: how many, where, which, how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import alarms as unlabelled
from workbench.analysis.alarms import Alarms
from workbench.pages.ui import address, components, reads, thumbnails
from workbench.pages.ui.components import card, html
from workbench.pages.ui.reads import Snapshot


def table(alarms: Alarms) -> Markup:
    """One row per product, line and camera."""
    rows = [
        [
            group.name,
            f"{group.defective:,} of {group.images:,}",
            wording.percent(group.rate),
            wording.percent_interval(group.low, group.high),
            unlabelled.probability(group.probability),
        ]
        for group in alarms.most()
    ]
    return components.table(rows, ["", "Called defective", "Share", "95 %", "Probability"], numbers=4)


def show(now: Snapshot, run: Run, chosen: Selection) -> None:
    """The card; nothing where the selection calls no picture without a label anything."""
    alarms = reads.alarms(now, chosen)
    if not alarms.called.images:
        return
    with card("called", "Called defective", "without a label; an alarm is no error; probability: mean over the alarms"):
        html(table(alarms))
        if alarms.called.defective:
            links(run, alarms, address.going(order="likeliest defect"))


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
    key = title.lower().replace(" ", "-")
    with st.container(key=f"card-alarms-{key}", gap="small"):
        note = f"showing {shown} of {many:,}, likeliest defect first"
        html(Markup('<div class="title">{}<i>{}</i></div>').format(title, note))
        for place, (run, pictures) in enumerate(called):
            of_run = f"{key}-{place}" if place else key
            thumbnails.grid(
                now, run, pictures, thumbnails.suspicion, key=of_run, order="likeliest defect", outcome="alarm"
            )
