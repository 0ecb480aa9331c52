"""Traces: what uncertainty did over the iterations, by shape, and whether the patches lay on the defect.

In the address: `run` and the filters (`address.py`); a click on a panel sets `shape`.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.records import Run
from warehouse.rollups import Selection
from workbench.analysis import charts_trust, traces
from workbench.analysis.traces import Masked
from workbench.inspection.images import frame_of
from workbench.pages import address, embedding, parts, pictures, run_cards, shared, thumbnails
from workbench.pages.parts import card, chart, header, html

PROFILED = 2500  # traces whose course is drawn: quartiles don't change with more
MEASURED = 64  # images whose masks are opened
CASES = 24

now = shared.snapshot()
runs = shared.runs(now)


@st.cache_resource(show_spinner=False, max_entries=16)
def rates(now: shared.Snapshot, chosen: Selection) -> pl.DataFrame:
    """Wrong answers by shape."""
    return traces.by_shape(shared.facts(now, chosen, ("image_id", "right", "shape")))


@st.cache_resource(show_spinner=False, max_entries=16)
def profiles(now: shared.Snapshot, chosen: Selection) -> pl.DataFrame:
    """The course of each shape, over at most PROFILED traces."""
    return traces.profiles(shared.rollups(now).traces(chosen, PROFILED))


@dataclass(frozen=True, slots=True)
class Measured:
    """Patches against masks."""

    hits: pl.DataFrame  # traces.HITS
    images: int
    wrong_place: pl.DataFrame


@st.cache_resource(show_spinner=False, max_entries=16)
def measured(now: shared.Snapshot, run: Run, chosen: Selection) -> Measured:
    """Which patches touch their mask, over at most MEASURED images."""
    found = shared.rollups(now)
    archive = shared.archives(now).get(run.archive_id)
    with shared.together(now):
        paths = found.masked(chosen, MEASURED) if archive else {}
        proposed = found.patches(run.run_id, tuple(paths))
        entries = [entry for image_id in paths if (entry := shared.entry(now, image_id))]
    masks = []
    for entry in entries:
        assert archive is not None  # else there are no paths
        picture = pictures.locate(entry.path, archive.root, [archive.root])
        if picture is None or pictures.content_of(picture) != entry.content:
            continue  # its mask says nothing of the picture that was scored
        place = pictures.locate(paths[entry.image_id], archive.root, [archive.root])
        mask = pictures.mask(place, picture)
        if mask is not None:
            masks.append(Masked(entry.image_id, mask, *frame_of(picture).upright))
    hits = traces.hits(proposed, masks)
    rows = found.facts(
        Selection(run.run_id, chosen.facets, images=tuple(mask.image_id for mask in masks)),
        ("image_id", "question_id", "subtask", "right"),
    )
    return Measured(hits, len(masks), traces.wrong_place(rows, hits))


def finding(rates: pl.DataFrame, total: int) -> str:
    """The page's one sentence."""
    if not total:
        return "<b>No trace here:</b> the loop ran for none of these answers."
    if rates.height < 2:
        return f"<b>{total:,} traces.</b> Without labels, or with one shape alone, no error rates can be compared."
    enough = rates.filter(pl.col("n") >= 20)
    table = (enough if enough.height > 1 else rates).sort("wrong")
    best, worst = table.row(0, named=True), table.row(-1, named=True)
    apart = best["high"] < worst["low"]
    verdict = "" if apart else "; their intervals overlap, so it is not enough evidence"
    return (
        f"<b>{worst['shape'].capitalize()} traces are wrong in {100 * worst['wrong']:.0f} %</b>, "
        f"{best['shape']} ones in {100 * best['wrong']:.0f} %{verdict}."
    )


def show_hits(found: Measured) -> None:
    """Patch-hit rate per iteration beside chance."""
    with card("hits", "Patches on the defect", "share of accepted patches that touch the mask; dotted: chance"):
        accepted = found.hits.filter("accepted")
        if accepted.is_empty():
            why = "It takes masks, and patches that were accepted: neither is there for this selection."
            parts.empty("Nothing to measure", why)
            return
        rows = traces.hit_rate(accepted)
        lift = traces.lift(accepted)
        ratio = f"{lift.value:.2f} times chance (95 %: {lift.low:.2f}–{lift.high:.2f})"
        chart(charts_trust.hit_rate(parts.ink(), rows), "traces.hits", ratio)
        over = f"over {accepted.height:,} patches of {found.images:,} images with a mask"
        html(f'<div class="note"><b>{ratio}</b> {over}.</div>')


def show_wrong_place(found: Measured) -> None:
    """Right answers whose patches all missed the mask."""
    with card("place", "Right for the wrong place", "no accepted patch touches the mask"):
        if found.wrong_place.is_empty():
            parts.empty("Nothing to measure", "No right answer here has accepted patches and a mask.")
            return
        rows = [
            [escape(row["subtask"]), f"{100 * row['rate']:.0f} %", f"{100 * row['expected']:.0f} %", f"{row['n']:,}"]
            for row in found.wrong_place.iter_rows(named=True)
        ]
        html(parts.table(rows, ["Subtask", "Missed", "By chance", "n"], numbers=3))


def show_cases(run: Run, chosen: Selection) -> None:
    """The cases of the chosen shape."""
    shape = dict(chosen.facets).get("shape")
    found = shared.listed(now, chosen, CASES)
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            total = int(shared.counts(now, chosen, ("run_id",))["n"].sum())
            note = f"showing {found.height} of {total:,}, wrong first, then highest entropy" if found.height else ""
            st.html(f'<div class="title">{escape(shape or "All shapes")}<i>{note}</i></div>', width="stretch")
            st.page_link(parts.GALLERY, label="Open in Gallery", query_params=address.going())
        if found.is_empty():
            parts.empty("No case to show", "The filters leave none; Esc clears them.")
        thumbnails.grid(now, run, found, lambda case: run_cards.caption(case, None))


run = parts.need_run("Traces", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
every_shape = address.without(chosen, "shape")
by_shape = rates(now, every_shape)
counted = shared.counts(now, every_shape, ("shape",)).drop_nulls("shape")
total = int(counted["n"].sum())

with header("Traces", finding(by_shape, total), run_cards.under(run, shared.archives(now).get(run.archive_id))):
    shared.choose_run(now, runs, run)
    parts.computed(
        {
            "shapes": "rules over the entropy per iteration, thresholds fixed: see workbench/analysis/shapes.py",
            "wrong": "share of judged answers, 95 % interval clustered by image",
            "n": f"{total:,} traces; courses drawn from {min(total, PROFILED):,} of them",
            "patch hits": f"over at most {MEASURED} images with masks; chance is the share of patches the mask touches",
        },
        rollups.sql(chosen),
    )
    parts.export(
        "traces",
        {
            "traces": lambda: shared.rollups(now).traces(chosen),
            "patches": lambda: measured(now, run, chosen).hits,
        },
    )
address.chips()

if not total:
    with card("none", "", fill=False):
        why = "The plain model has none, nor has an imported answer file."
        parts.empty("No trace is stored", why, "workbench score ARCHIVE --think-tokens 4")
    st.stop()
note = "nat; median and quartiles; n and share of wrong answers with its 95 % interval; click a panel"
with card("multiples", "Entropy by the trace's shape", note, fill=False):
    shape = dict(chosen.facets).get("shape")
    said = "; ".join(
        f"{row['shape']} {row['wrong']:.0%} wrong of {row['n']:,}" for row in by_shape.iter_rows(named=True)
    )
    figure = charts_trust.multiples(parts.ink(), profiles(now, every_shape), by_shape, dict(counted.iter_rows()), shape)
    chart(figure, "traces.multiples", said or "no labels", lambda what: address.put(shape=what))
    if total > PROFILED:
        html(f'<div class="note">Courses drawn from {PROFILED:,} of {total:,} traces; shares are of all.</div>')
found = measured(now, run, chosen)
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        show_hits(found)
    with grid.cell():
        show_wrong_place(found)
show_cases(run, chosen)
shared.follow(now, refresh=run.state == "running")
