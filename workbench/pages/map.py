"""Map: images on the plane of their embeddings, by outcome; what a lasso encloses can be looked at.

In the address: `run`, the filters (`address.py`), `region`, the drawn polygon; `point`, a clicked image.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.records import Run
from warehouse.rollups import Selection
from workbench.analysis import charts_trust, look
from workbench.pages import address, embedding, parts, run_cards, shared, thumbnails
from workbench.pages.parts import card, header, html

CASES = 12

now = shared.snapshot()
runs = shared.runs(now)


@st.cache_resource(show_spinner=False, max_entries=16)
def points(now: shared.Snapshot, run_id: str, everything: Selection) -> pl.DataFrame:
    """Every image on the plane with its worst outcome, and whether the filters let it through."""
    at = embedding.images(now, run_id).select("image_id", "x", "y")
    found = shared.rollups(now)
    of_all = found.outcomes(Selection(run_id), at["image_id"].to_list())
    inside = (
        set(found.outcomes(everything, at["image_id"].to_list())["image_id"])
        if everything != Selection(run_id)
        else None
    )
    rows = at.join(of_all, on="image_id")
    return rows.with_columns(
        in_selection=pl.col("image_id").is_in(list(inside)) if inside is not None else pl.lit(True)
    )


def drawn() -> None:
    """What was drawn or clicked goes to the address."""
    event = st.session_state["map.scatter"]
    shape = parts.lassoed(event)
    if shape is not None:
        address.put(region=shape, point=None)
    elif (point := parts.clicked(event)) is not None:
        address.put(point=point)


def finding(shown: pl.DataFrame, chosen: Selection) -> str:
    """The page's one sentence."""
    if shown.is_empty():
        return "<b>No embedding of these images is stored.</b>"
    inside = shown.filter("in_selection")
    wrong = inside.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height
    if chosen.images is not None:
        few = inside.filter(pl.col("image_id").is_in(list(chosen.images)))
        bad = few.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height
        share, rest = bad / max(few.height, 1), (wrong - bad) / max(inside.height - few.height, 1)
        return (
            f"<b>{few.height:,} images in the region:</b> {100 * share:.0f} % have a wrong answer, "
            f"{100 * rest:.0f} % of the others do."
        )
    return f"<b>{inside.height:,} images,</b> {wrong:,} with a wrong answer. Draw around a cluster to look at it."


def show_map(shown: pl.DataFrame) -> None:
    """The scatter."""
    note = f"{shown.height:,} images, first two principal components; draw with the mouse"
    with card("map", "Embeddings", note):
        corners = address.polygon(st.query_params.get("region", ""))
        st.plotly_chart(
            charts_trust.scatter(parts.ink(), shown, corners),
            theme=None,
            key="map.scatter",
            alt=f"{shown.height} images by outcome",
            config={"displayModeBar": False, "scrollZoom": False},
            on_select=drawn,
            selection_mode=("lasso", "points"),
        )
        kinds = [name for name in look.OUTCOMES if name in set(shown["outcome"])]
        dots = {"right": '<span class="accent">●</span>', "unlabelled": '<span class="muted">●</span>'}
        key = "&emsp;".join(f"{dots.get(name) or parts.glyph(name)} {name}" for name in kinds)
        html(f'<div class="note">{key}: an image’s worst answer</div>')


def show_cases(run: Run, shown: pl.DataFrame, chosen: Selection) -> None:
    """What lies in the region, or the clicked image, or the worst of all."""
    point = st.query_params.get("point")
    if chosen.images is None and point in set(shown["image_id"]):
        title, rows = "Clicked", shown.filter(pl.col("image_id") == point)
    else:
        title = "In the region" if chosen.images is not None else "Worst"
        rows = shown.filter("in_selection")
        if chosen.images is not None:
            rows = rows.filter(pl.col("image_id").is_in(list(chosen.images)))
        rows = rows.with_columns(rank=pl.col("outcome").cast(pl.Enum(look.OUTCOMES))).sort(
            "rank", pl.col("settled_entropy").fill_null(0), descending=[False, True]
        )
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {min(rows.height, CASES)} of {rows.height:,}, worst first"
            st.html(f'<div class="title">{title}<i>{note}</i></div>', width="stretch")
            st.page_link(parts.GALLERY, label="Open in Gallery", query_params=address.going())
        if rows.is_empty():
            parts.empty("No image here", "Draw around some marks; Esc clears the region.")
        else:
            columns = rows.head(CASES).with_columns(error=pl.lit(None, pl.String), subtask=pl.lit(""))
            thumbnails.grid(now, run, columns, lambda case: run_cards.caption(case, "an image"), width=88)


run = parts.need_run("Map", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
everything = Selection(run.run_id, chosen.facets, chosen.ranges, chosen.flip, chosen.base)
shown = points(now, run.run_id, everything)
with header("Map", finding(shown, chosen), run_cards.under(run, shared.archives(now).get(run.archive_id))):
    shared.choose_run(now, runs, run)
    parts.computed(
        {
            "plane": "first two principal components of the retrieval encoder's image vectors, scaled to ±1",
            "images": f"at most {embedding.SHOWN:,} of the run, always the same ones",
            "colour": "the worst outcome among the image's questions",
        },
        rollups.sql(everything),
    )
    parts.export("map", {"images": lambda: shown})
address.chips()
if shown.is_empty():
    with card("none", "", fill=False):
        why = "Vectors are stored when a run retrieves knowledge; they can be made afterwards too."
        parts.empty("Nothing to draw", why, "workbench reindex")
    st.stop()
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        show_map(shown)
    with grid.cell():
        show_cases(run, shown, chosen)
shared.follow(now, refresh=run.state == "running")
