"""Map: images on the plane of their embeddings, by outcome; what a lasso encloses can be looked at.

In the address: `run`, the filters (`address.py`), `region`, the drawn polygon; `point`, a clicked image.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries import rollups
from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis.charts import trust
from workbench.pages.runs import cards
from workbench.pages.ui import address, called_defective, components, embedding, reads, run_choice, thumbnails
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, header, html
from workbench.scoring import answer_file

CASES = 12

now = reads.snapshot()
runs = reads.runs(now)


@cached(16)
def points(now: reads.Snapshot, everything: Selection, of: embedding.Index) -> pl.DataFrame:
    """Every image on the plane with its worst outcome, and whether the filters let it through."""
    at = embedding.on_plane(now, everything.run_id, of)
    found = reads.rollups(now)
    whole = everything.whole_run()
    of_all = found.outcomes(whole, at["image_id"].to_list())
    inside = set(found.outcomes(everything, at["image_id"].to_list())["image_id"]) if everything != whole else None
    rows = at.join(of_all, on="image_id")
    return rows.with_columns(
        in_selection=pl.col("image_id").is_in(list(inside)) if inside is not None else pl.lit(True)
    )


def drawn() -> None:
    """What was drawn or clicked goes to the address."""
    event = st.session_state["map.scatter"]
    shape = components.lassoed(event)
    if shape is not None:
        address.put(region=shape, point=None)
    elif values := components.clicked(event):
        address.put(point=values[0])


def called(selection: Selection) -> Markup:
    """How many pictures of a selection, of any outcome, are called defective; nothing where all have a label."""
    return cards.called(reads.cells(now, address.without(selection, "outcome")))


def is_judged(images: pl.DataFrame) -> bool:
    """Whether some answer is right or wrong, and not only an alarm or a pass."""
    return bool(images["outcome"].is_in(["right", "escape", "overkill", "wrong", "invalid"]).any())


def finding(shown: pl.DataFrame, selection: Selection) -> Markup:
    """The page's one sentence."""
    if shown.is_empty():
        return Markup("<b>No embedding of these images is stored.</b>{}").format(called(selection))
    inside = shown.filter("in_selection")
    wrong = inside.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height
    if selection.images is not None:
        few = inside.filter(pl.col("image_id").is_in(list(selection.images)))
        bad = few.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height
        if few["outcome"].is_in(["alarm", "pass"]).any():
            return Markup("<b>{} in the region:</b>{}").format(wording.counted(few.height, "image"), called(selection))
        share, rest = bad / max(few.height, 1), (wrong - bad) / max(inside.height - few.height, 1)
        return Markup("<b>{} in the region:</b> {} have a wrong answer, {} of the others do.").format(
            wording.counted(few.height, "image"),
            wording.percent(share),
            wording.percent(rest),
        )
    images = wording.counted(inside.height, "image")
    said = Markup("<b>{},</b> {:,} with a wrong answer.").format(images, wrong)
    if not is_judged(inside):
        said = Markup("<b>{},</b> none with a label.").format(images)
    return said + called(selection) + " Draw around a cluster to look at it."


def show_map(shown: pl.DataFrame) -> None:
    """The scatter."""
    note = f"{wording.counted(shown.height, 'image')}, first two principal components; draw with the mouse"
    with card("map", "Embeddings", note):
        corners = address.polygon(st.query_params.get("region", ""))
        st.plotly_chart(
            trust.scatter(components.ink(), shown, corners),
            theme=None,
            key="map.scatter",
            alt=f"{wording.counted(shown.height, 'image')} by outcome",
            config={"displayModeBar": False, "scrollZoom": False},
            on_select=drawn,
            selection_mode=("lasso", "points"),
        )
        kinds = [name for name in OUTCOMES if name in set(shown["outcome"])]
        dots = {"right": Markup('<span class="accent">●</span>'), "unlabelled": Markup('<span class="muted">●</span>')}
        key = Markup("&emsp;").join((dots.get(name) or components.glyph(name)) + f" {name}" for name in kinds)
        told = "an image’s worst answer" if is_judged(shown) else "what an image’s answers call it"
        html(Markup('<div class="note">{}: {}</div>').format(key, told))


def show_cases(run: Run, shown: pl.DataFrame, selection: Selection) -> None:
    """What lies in the region, or the clicked image, or the worst of all; without labels the likeliest defects."""
    point, judged = st.query_params.get("point"), is_judged(shown)
    order = "worst" if judged else "likeliest defect"
    if selection.images is None and point in set(shown["image_id"]):
        title, rows = "Clicked", shown.filter(pl.col("image_id") == point)
    else:
        title = "In the region" if selection.images is not None else "Worst" if judged else "Likeliest defects"
        rows = shown.filter("in_selection")
        if selection.images is not None:
            rows = rows.filter(pl.col("image_id").is_in(list(selection.images)))
        then = pl.col("settled_entropy" if judged else "defect_probability").fill_null(0)
        rows = rows.sort(pl.col("outcome").cast(pl.Enum(OUTCOMES)), then, descending=[False, True])
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {min(rows.height, CASES)} of {rows.height:,}, {order} first"
            html(Markup('<div class="title">{}<i>{}</i></div>').format(title, note), width="stretch")
            going = address.going() if judged else address.going(order=order)
            st.page_link(components.GALLERY, label="Open in Gallery", query_params=going)
        if rows.is_empty():
            components.empty("No image here", "Draw around some marks; Esc clears the region.")
        else:
            columns = rows.head(CASES).with_columns(error=pl.lit(None, pl.String), subtask=pl.lit(""))
            thumbnails.grid(now, run, columns, lambda case: cards.caption(run, case, "an image"), width=88)


run = components.need_run("Map", runs, address.chosen_run(runs))
selection = embedding.selection(now, runs, run)
everything = replace(selection, images=None)
shown = points(now, everything, embedding.index(now))
archive = reads.archives(now).get(run.archive_id)
with header("Map", finding(shown, selection), cards.under(run, archive, reads.beside(now, selection))):
    run_choice.choose_run(now, runs, run)
    components.computed(
        {
            "plane": "first two principal components of the retrieval encoder's image vectors, scaled to ±1",
            "images": f"at most {embedding.SHOWN:,} of the run, always the same ones",
            "colour": "the worst outcome among the image's questions",
        },
        rollups.sql(everything),
    )
    components.export("map", {"images": lambda: shown})
address.chips()
called_defective.show_groups(now, address.without(selection, "outcome"))
if shown.is_empty():
    with card("none", "", fill=False):
        if run.evaluator == answer_file.EVALUATOR:
            why = "An answer file brings no pictures; vectors that another run makes of them serve this one too."
            components.empty("Nothing to draw", why, "workbench score ARCHIVE")
        else:
            why = "A run stores its pictures' embeddings when it retrieves knowledge; they can be made afterwards too."
            components.empty("Nothing to draw", why, f"workbench reindex --run {run.run_id}")
    pictures = reads.called_defective(now, selection, CASES)
    called_defective.show_pictures(now, [(run, pictures)], reads.alarms(now, selection).called.defective)
    st.stop()
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        show_map(shown)
    with grid.cell():
        show_cases(run, shown, selection)
reads.follow(now, refresh=run.state == "running")
