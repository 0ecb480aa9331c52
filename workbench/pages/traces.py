"""Traces: what uncertainty did over the iterations, by shape, and whether the patches lay on the defect.

In the address: `run` and the filters (`address.py`); a click on a panel sets `shape`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.identity import cluster_id
from warehouse.queries import rollups
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import alarms, missing_capabilities, slices, traces
from workbench.analysis.charts import trust
from workbench.analysis.traces import Masked
from workbench.archive import previews, run_views
from workbench.archive.image_decoding import frame_of
from workbench.pages.runs import cards
from workbench.pages.ui import (
    address,
    called_defective,
    case_list,
    components,
    embedding,
    pictures,
    reads,
    right_reason_card,
    run_choice,
    score_caption,
    thumbnails,
)
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html

PROFILED = 2500  # traces whose course is drawn: quartiles don't change with more
MEASURED = 64  # images whose masks are opened
CASES = 24

now = reads.snapshot()
runs = reads.runs(now)


@cached(16)
def rates(now: reads.Snapshot, selection: Selection) -> pl.DataFrame:
    """Wrong answers by shape."""
    return traces.by_shape(reads.facts(now, selection, ("cluster_id", "right", "shape")))


@cached(16)
def profiles(now: reads.Snapshot, selection: Selection) -> pl.DataFrame:
    """The course of each shape, over at most PROFILED traces."""
    return traces.profiles(reads.rollups(now).traces(selection, PROFILED))


@cached(16)
def alarm_rates(now: reads.Snapshot, selection: Selection) -> pl.DataFrame:
    """Of detection answers without a label, the share that calls the picture defective, by shape."""
    return alarms.by_group(reads.facts(now, selection, ("cluster_id", "outcome", "shape")), ("shape",))


def show_alarms(selection: Selection) -> None:
    """Pictures called defective by shape; nothing where every picture has a label."""
    rows = alarm_rates(now, selection).sort("rate", "shape", descending=[True, False])
    if rows.is_empty():
        return
    with card("alarms", "Called defective by shape", "detection answers without a label; 95 % interval by image"):
        cells = [
            [
                row["shape"],
                f"{round(row['n'] * row['rate']):,} of {row['n']:,.0f}",
                wording.percent(row["rate"]),
                wording.percent_interval(row["low"], row["high"]),
            ]
            for row in rows.iter_rows(named=True)
        ]
        html(components.table(cells, ["Shape", "Called defective", "Share", "95 %"], numbers=3))


@dataclass(frozen=True, slots=True)
class Measured:
    """Patches against masks."""

    hits: pl.DataFrame  # traces.HITS
    images: int


@cached(16)
def measured(now: reads.Snapshot, run: Run, selection: Selection) -> Measured:
    """Which patches touch their mask, over at most MEASURED images."""
    found = reads.rollups(now)
    archive = reads.archives(now).get(run.archive_id)
    with reads.together(now):
        paths = found.masked(selection, MEASURED) if archive else {}
        proposed = found.patches(run.run_id, tuple(paths))
        entries = reads.entries(now, tuple(paths))
    masks, views = [], run_views.of_run(run)
    root = archive.root if archive else ""  # without one there are no paths
    folders = previews.AllowedFolders([root])
    for entry in entries.values():
        picture = folders.locate(entry.path, root)
        if picture is None or pictures.content_of(picture) != entry.content:
            continue  # its mask says nothing of the picture that was scored
        place = folders.locate(paths[entry.image_id], root)
        view = views.of(entry)
        mask = pictures.mask(place, picture, view)
        if mask is not None:
            window = view.placed(frame_of(picture)).window
            masks.append(Masked(entry.image_id, cluster_id(entry), mask, window.box))
    hits = traces.hits(proposed, masks)
    return Measured(hits, len(masks))


@cached(16)
def against_others(now: reads.Snapshot, selection: Selection) -> pl.DataFrame:
    """Each shape with enough images against all others of the same subtasks, worst first, as Errors tests slices."""
    rows = reads.facts(now, selection, ("cluster_id", "right", "subtask", "shape")).filter(
        pl.col("shape").is_not_null()
    )
    return slices.table(rows, ("shape",)).filter("enough", pl.col("difference").is_not_null())


def finding(rates: pl.DataFrame, comparison: pl.DataFrame, total: int) -> Markup:
    """The page's one sentence.

    Args:
        rates: of wrong answers by shape.
        comparison: as `against_others` gives it.
        total: traces there are.
    """
    if not total:
        return Markup("<b>No trace here:</b> the loop ran for none of these answers.")
    if rates.height < 2:
        return Markup("<b>{}.</b> Without labels, or with one shape alone, no error rates can be compared.").format(
            wording.counted(total, "trace")
        )
    if comparison.is_empty():
        return Markup("<b>{}:</b> too few images to compare shapes.").format(wording.counted(total, "trace"))
    worst = comparison.row(0, named=True)
    wrong, expected = wording.percent(1 - worst["rate"]), wording.percent(1 - worst["expected"])
    told = f"wrong in {wrong}, the others of the same subtasks in {expected}"
    if worst["q"] is not None and worst["q"] < wording.ALPHA and worst["difference"] < 0:
        return Markup("<b>{} traces are worse than the others:</b> {} ({}).").format(
            worst["shape"].capitalize(), told, wording.p_value(worst["q"], "q")
        )
    return Markup(
        "<b>Not enough evidence that a shape is worse than the others:</b> of the {}, {} traces are {}."
    ).format(wording.counted(total, "trace"), worst["shape"], told)


def show_hits(found: Measured) -> None:
    """Patch-hit rate per iteration beside chance."""
    with card("hits", "Patches on the defect", "share of accepted patches that touch the mask; dotted: chance"):
        accepted = found.hits.filter("accepted")
        if accepted.is_empty():
            why = "It takes masks, and patches that were accepted: neither is there for this selection."
            components.empty("Nothing to measure", why)
            return
        rows = traces.hit_rate(accepted)
        lift = traces.lift(accepted)
        ratio = f"{lift.value:.2f} times chance (95 % interval {lift.low:.2f}–{lift.high:.2f})"
        chart(trust.hit_rate(components.ink(), rows), "traces.hits", ratio)
        of_images = wording.counted(found.images, "image")
        over = f"over {wording.counted(accepted.height, 'patch', 'patches')} of {of_images} with a mask"
        html(Markup('<div class="note"><b>{}</b> {}.</div>').format(ratio, over))


def show_cases(run: Run, selection: Selection) -> None:
    """The cases of the chosen shape."""
    shape = dict(selection.facets).get("shape")
    found = reads.listed(now, selection, CASES)
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            total = int(reads.counts(now, selection, ("run_id",))["n"].sum())
            note = f"showing {found.height} of {total:,}, {case_list.order_in_words(selection)}" if found.height else ""
            html(Markup('<div class="title">{}<i>{}</i></div>').format(shape or "All shapes", note), width="stretch")
            st.page_link(components.GALLERY, label="Open in Gallery", query_params=address.going())
        if found.is_empty():
            components.empty("No case to show", "The filters leave none; Esc clears them.")
        thumbnails.grid(
            now, run, found, lambda case: score_caption.with_score(now, run, cards.caption(run, case, None), case)
        )


run = components.need_run("Traces", runs, address.chosen_run(runs))
selection = embedding.selection(now, runs, run)
every_shape = address.without(selection, "shape")
by_shape = rates(now, every_shape)
counted = reads.counts(now, every_shape, ("shape",)).drop_nulls("shape")
total = int(counted["n"].sum())

archive = reads.archives(now).get(run.archive_id)
lead = finding(by_shape, against_others(now, every_shape), total)
some_unlabelled = bool(reads.cells(now, selection.whole_run())["unlabelled_images"].sum())
if some_unlabelled:
    lead += cards.called(reads.cells(now, address.without(every_shape, "outcome")))
with header("Traces", lead, cards.under(run, archive, reads.beside(now, selection))):
    run_choice.choose_run(now, runs, run)
    components.computed(
        {
            "shapes": "rules over the entropy per iteration, thresholds fixed: see warehouse/queries/facts.py",
            "wrong": "share of judged answers, 95 % interval clustered by image",
            "worse": "each shape against all others of the same subtasks: cluster-robust t, Benjamini–Hochberg",
            "n": f"{wording.counted(total, 'trace')}; courses drawn from {min(total, PROFILED):,} of them",
            "patch hits": f"over at most {MEASURED} images with masks; chance is the share of patches the mask touches",
        },
        rollups.sql(selection),
    )
    components.export(
        "traces",
        {
            "traces": lambda: reads.with_scores(now, run.run_id, reads.rollups(now).traces(selection)),
            "patches": lambda: measured(now, run, selection).hits,
        },
    )
address.chips()
if some_unlabelled:
    called_defective.show_groups(now, address.without(every_shape, "outcome"))

if not total:
    with card("none", "", fill=False):
        if lack := missing_capabilities.of(run, "latents"):
            components.lacking(lack)
        else:
            components.empty("No trace here", "No question was answered, or the filters leave none; Esc clears them.")
    st.stop()
with reads.together(now):
    courses = profiles(now, every_shape)
    right_reason_card.of_run(now, selection)
note = "nat; median and quartiles; n and share of wrong answers with its 95 % interval; click a panel"
with card("multiples", "Entropy by the trace's shape", note, fill=False):
    shape = dict(selection.facets).get("shape")
    said = "; ".join(
        f"{row['shape']} {wording.percent(row['wrong'])} wrong of {row['n']:,}"
        for row in by_shape.iter_rows(named=True)
    )
    figure = trust.multiples(components.ink(), courses, by_shape, dict(counted.iter_rows()), shape)
    chart(figure, "traces.multiples", said or "no labels", lambda what: address.put(shape=what))
    if total > PROFILED:
        note = Markup('<div class="note">Courses drawn from {:,} of {:,} traces; shares are of all.</div>')
        html(note.format(PROFILED, total))
show_alarms(every_shape)
if lack := missing_capabilities.of(run, "attention"):
    with card("hits", "Patches on the defect", fill=False):
        components.lacking(lack)
else:
    found = measured(now, run, selection)
    with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
        with grid.cell(column_span=2):
            show_hits(found)
        with grid.cell():
            right_reason_card.show(now, run, selection)
show_cases(run, selection)
reads.follow(now, refresh=run.state == "running")
