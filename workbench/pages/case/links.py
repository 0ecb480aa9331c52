"""Where a case leads: a dispute, the piece's other nights, its nearest neighbours and what people said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import streamlit as st

from warehouse.queries.pieces import Pieces
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench import wording
from workbench.analysis import alarms
from workbench.analysis.metrics import Key
from workbench.errors import REFUSALS
from workbench.pages.disputes import widgets
from workbench.pages.ui import address, components, embedding, reads, thumbnails
from workbench.pages.ui.components import card
from workbench.pages.ui.reads import Snapshot
from workbench.pages.ui.signed_in_actor import actor
from workbench.review import disputes

NEAREST = 8
RUNS = 12  # of a piece's history
SEARCHED_AT_ONCE = 1_000_000  # predictions of all runs; among more the history waits for a click


def disputed(now: Snapshot, image_id: str) -> dict[str, str]:
    """The image's disputed questions and how far each dispute is; of one that was disputed again, the newest."""
    found = widgets.queue(now).filter(image_id=image_id).sort("number")
    return dict(found.select("question_id", "state").iter_rows())


def dispute_button(now: Snapshot, run: Run, here: Key) -> None:
    """The primary button, with its key; a case that is disputed says how far that is."""
    state = disputed(now, here.image_id).get(here.question_id)

    def dispute() -> None:
        try:
            opened = disputes.open_by(Store(Path(now.data)), run.run_id, here, actor=actor())
        except REFUSALS as error:
            st.toast(f"Not disputed: {error}")
        else:
            st.toast("Disputed: it waits in the queue for a person." if opened else "It is disputed already.")

    label = "Dispute" if state is None else f"Disputed, {state}"
    st.button(
        label,
        shortcut="d",
        key="case.dispute",
        type="primary",
        on_click=dispute,
        disabled=state is not None and state != "settled",
    )


@st.cache_data(show_spinner=False, max_entries=64)
def _history(now: Snapshot, cluster_id: str) -> pl.DataFrame:
    return Pieces(Path(now.data)).history(cluster_id, RUNS)


def show_history(now: Snapshot, run: Run, cluster_id: str | None) -> None:
    """What other nights said of the piece; nothing where this run alone saw it."""
    stored = sum(each.answered + each.invalid + each.failed for each in reads.runs(now))
    if cluster_id and stored > SEARCHED_AT_ONCE and "history" not in st.query_params:
        st.button("Show the piece over nights", key="history.show", on_click=address.write, kwargs={"history": "shown"})
        return
    told = _history(now, cluster_id) if cluster_id else pl.DataFrame()
    if told.height < 2:
        return
    with card("history", "The piece over nights", "its worst picture’s answer, the newest night first", fill=False):
        for place, row in enumerate(told.iter_rows(named=True)):
            sure = f", {alarms.probability(row['defect_probability'])}" if row["defect_probability"] is not None else ""
            pictures = wording.counted(row["pictures"], "picture")
            label = f"{row['started_at']:%-d %b %Y, %H:%M} UTC: {row['claim'] or 'not told'}{sure}, {pictures}"
            with st.container(key=f"door-history-{place}", horizontal=True, gap="small"):
                components.html(components.glyph(row["outcome"]), width="content")
                here = {"run": row["run_id"], "image": row["image_id"], "question": row["question_id"]}
                mark = " (this run)" if row["run_id"] == run.run_id else ""
                st.page_link(
                    components.CASE, label=components.plain(label + mark, 90), query_params=address.going(**here)
                )


@st.cache_data(show_spinner=False, max_entries=64)
def _nearest(now: Snapshot, run_id: str, image_id: str) -> pl.DataFrame:
    """image_id and similarity of the images most like this one, among those of the Map."""
    vectors = embedding.vectors(now, run_id, image_id)
    if vectors is None:
        return pl.DataFrame({"image_id": [], "similarity": []}, {"image_id": pl.String, "similarity": pl.Float64})
    ids, matrix, own = vectors
    similarity = matrix @ own
    order = [int(at) for at in np.argsort(-similarity) if ids[int(at)] != image_id][:NEAREST]
    return pl.DataFrame({"image_id": [ids[at] for at in order], "similarity": [float(similarity[at]) for at in order]})


def show_nearest(now: Snapshot, run: Run, here: Key) -> None:
    """The run's most similar images, each by the question of the same kind, with the verdict where there is one."""
    near = _nearest(now, run.run_id, here.image_id)
    if near.is_empty():
        return
    everything = Selection(run.run_id, truth=address.truth(), alarm_rule=address.alarm_rule())
    of_run = reads.rollups(now).outcomes(everything, near["image_id"].to_list())
    rows = near.join(of_run, on="image_id").sort("similarity", descending=True)
    judged = {image_id: disputed(now, image_id) for image_id in rows["image_id"]}
    with card("near", "Nearest cases", "by the query’s embedding; cosine similarity; verdicts of people", fill=False):

        def caption(case: thumbnails.Row) -> str:
            settled = judged[case["image_id"]].get(case["question_id"])
            said = f" · {settled}" if settled else ""
            return components.plain(
                f"{case['defect'] or case['label'] or 'no label'} · {case['similarity']:.2f}{said}", 30
            )

        thumbnails.grid(
            now, run, rows.with_columns(error=pl.lit(None, pl.String)), caption, key="near", width=80, columns=NEAREST
        )
