"""One case: a question about an image; what the model saw, thought and answered, and whether that was right.

In the address: `run`, `image`, `question`; the filters (`address.py`) that Next and Previous walk under; `mask=off` and
`patches=off`.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from warehouse.queries.facts import Outcome
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Prediction, Run
from workbench.analysis import metrics, missing_capabilities
from workbench.analysis.charts import case_figure, common
from workbench.analysis.metrics import Key
from workbench.archive import previews, run_views, tone_range
from workbench.pages.case import cards, links, tile
from workbench.pages.case import view as case_view
from workbench.pages.case.view import View
from workbench.pages.disputes import widgets
from workbench.pages.knowledge import counterfactual
from workbench.pages.ui import (
    address,
    case_list,
    components,
    embedding,
    heat_map,
    pictures,
    ranking_warning,
    reads,
)
from workbench.pages.ui.components import card, chart, header, html

now = reads.snapshot()
runs = reads.runs(now)


def go(key: Key) -> None:
    """Open another case under the same filters. A link to the page it stands on would not change the address."""
    address.write(image=key.image_id, question=key.question_id)


def flip(what: str) -> None:
    """Show or hide the mask or the patches."""
    address.write(**{what: None if what in address.asked() else "off"})


def _filters(chosen: Selection) -> list[str]:
    """What Next and Previous walk under, in words."""
    held = [value for _, value in chosen.facets]
    held += [f"{name} {low:g}–{high:g}" for name, low, high in chosen.ranges]
    return (
        held + ([chosen.flip] if chosen.flip else []) + (["a region of the map"] if chosen.images is not None else [])
    )


def show_buttons(run: Run, around: metrics.Neighbours, here: Key, view: View) -> None:
    """What can be done, each with its key."""
    st.page_link(components.GALLERY, label="All cases", query_params=address.going(run=run.run_id))
    there = (("m", "mask", "Mask", view.mask is not None), ("p", "patches", "Patches", bool(view.patches)))
    for key, name, label, is_there in there:
        if is_there:
            components.toggle(label, key, f"case.{name}", name not in st.query_params, flip, name)
    for key, label, case in (("k", "Previous", around.before), ("j", "Next", around.after)):
        st.button(label, shortcut=key, key=f"case.{label}", on_click=go, args=[case], disabled=case is None)
    components.export(
        "case",
        {
            "answers": lambda: reads.with_scores(now, run.run_id, case_view.as_rows(of_image)),
            "patches": lambda: case_view.patch_rows(of_question, view),
        },
    )
    links.dispute_button(now, run, here)


def show_pictures(run: Run, view: View) -> None:
    """Query, reference and evidence in one figure, zoomed together."""
    masked, patched = "mask" not in st.query_params, "patches" not in st.query_params
    lack = missing_capabilities.of(run, "attention")
    marked = lack is None or view.mask is not None or bool(view.patches)  # else evidence would be the query once more
    title = "Query, normal reference" if view.reference else "Query"
    if marked:
        title = f"{title}, evidence" if view.reference else "Query and evidence, zero-shot"
    with card("pictures", title, "drag to zoom: all move together; double-click resets"):
        figure = case_figure.figure(
            components.ink(),
            view.query,
            view.reference,
            view.mask if masked else None,
            view.patches if patched else (),
            with_evidence=marked,
        )
        chart(figure, "case.pictures", cards.pictures_sentence(view))
        html(cards.pictures_note(view, masked, patched, lack))


def show_tile(run: Run, view: View, answers: list[Prediction]) -> None:
    """Where the tile lies in its picture, and its defects in pixels of both."""
    if view.whole is not None:
        with card("tile", "The tile in its picture", "pixels of the upright picture", fill=False):
            html(tile.outline(view.window, view.whole))
            html(tile.defects(view, run, answers))


def show_comparison(run: Run, view: View, here: Key) -> None:
    """The map of the comparison with normal pictures over the picture, and its score."""
    found = reads.comparison(now, run.run_id, here.image_id)
    if found is None:
        return
    with card("comparison", "Compared with normal pictures", "red: unlike them; the box marks the region"):
        if view.query.source and found.values:
            percent = st.slider("Opacity of the map in percent", 0, 100, 60, 5, key="case.opacity")
            html(heat_map.overlay(view.query.source, view.window, found, percent))
        elif not found.values:
            html(Markup('<div class="note">The map was dropped with the run\'s traces; the score stays.</div>'))
        html(heat_map.table(found))
        show_nearest(run, found.nearest)
        ranking_warning.show(now, run.run_id)


def show_nearest(run: Run, contents: tuple[str, ...]) -> None:
    """The normal pictures that a picture was compared with, the most alike first; of those that an archive has."""
    known, archives, views = reads.entries_of_contents(now, contents), reads.archives(now), run_views.of_run(run)
    shown = []
    for entry in (known[content] for content in contents if content in known):
        if entry.archive_id not in archives:
            continue
        root = archives[entry.archive_id].root
        picture = pictures.small(now.data, previews.locate(entry.path, root, [root]), view=views.of(entry).for_display)
        if picture.source:
            shown.append((entry.path, picture.source))
    if shown:
        html(heat_map.beside(shown))


def show_options(run: Run, prediction: Prediction, outcome: Outcome) -> None:
    """Every option's probability before and after latent reasoning, or the answer in words."""
    note = prediction.subtask + (", only meant if there is a defect" if prediction.conditional else "")
    with card("options", prediction.question, note):
        if prediction.option_probabilities:
            html(Markup('<div class="note">Probability, ○ before and ● after latent reasoning</div>'))
            texts = {option.letter: option.text for option in prediction.options}
            before, after = prediction.initial_option_probabilities, prediction.option_probabilities
            figure = common.options(
                components.ink(), texts, before, after, prediction.answer, prediction.correct_answer
            )
            chart(figure, "case.options", cards.options_sentence(prediction))
        else:
            html(cards.options_list(prediction, missing_capabilities.of(run, "probabilities")))
        html(cards.answer_table(prediction, outcome, chosen.truth, called))


def show_trace(run: Run, prediction: Prediction, view: View) -> None:
    """Entropy over the iterations."""
    with card("trace", "Entropy over iterations", "nat"):
        if lack := missing_capabilities.of(run, "latents"):
            components.lacking(lack)
            return
        if prediction.entropy:
            figure = common.trace(
                components.ink(), prediction.entropy, prediction.token_entropy, prediction.best_iteration, view.injected
            )
            values = ", ".join(f"{value:.2f}" for value in prediction.entropy)
            chart(figure, "case.trace", f"Entropy per iteration: {values}")
        html(cards.trace_note(prediction, view))


def show_texts(run: Run, prediction: Prediction) -> None:
    """The retrieved descriptions, best first, and what other sources of evidence showed."""
    version = run.knowledge_version
    note = f"knowledge {version[:8]}" if version else ""
    with card("texts", "Retrieved descriptions", note):
        if not prediction.descriptions:
            html(Markup('<div class="note">{}</div>').format(cards.no_texts(run)))
        known = reads.texts(now, version) if version else {}
        for retrieved, text in cards.texts_by_revision(prediction.descriptions, known):
            link = {"text": retrieved.description_id, "revision": str(retrieved.revision)}
            with st.container(key=f"door-{retrieved.rank}", gap=None):
                html(cards.description(retrieved, text))
                st.page_link(components.KNOWLEDGE, label="Open in Knowledge", query_params=link)
        for item in prediction.evidence or ():
            html(cards.evidence(item))
        if left_out := cards.descriptions_note(prediction):
            html(Markup('<div class="note">{}</div>').format(left_out))


def show_siblings(predictions: list[Prediction], outcomes: dict[str, Outcome], here: Key) -> None:
    """The image's other questions; a click opens one."""
    with card("siblings", "The image's questions", "entropy in nat"), st.container(gap=None):
        for place, other in enumerate(predictions):
            chosen = "chosen-" if other.question_id == here.question_id else ""
            with st.container(
                key=f"link-row-{chosen}{place}", horizontal=True, vertical_alignment="center", gap="small", wrap=False
            ):
                key = Key(other.image_id, other.question_id)
                label = components.plain(other.question, 60)
                st.button(label, key=f"case.{place}", type="tertiary", width="stretch", on_click=go, args=[key])
                html(cards.sibling_answer(other, outcomes[other.question_id]), width="content")


def show_measures(run: Run, prediction: Prediction) -> None:
    """How bright, sharp, clipped and framed the picture is in its file."""
    camera = tone_range.of_run(run).of(prediction.dataset, prediction.product, prediction.camera)
    with card("measures", "Measures", "of the file's range, before any tone range"):
        html(cards.measures(reads.measures_of(now, prediction.content), camera))


def show_words(prediction: Prediction) -> None:
    """What the model wrote, where it wrote anything."""
    if prediction.raw_text is None and prediction.rationale is None:
        return
    with card("words", "In the model's own words", fill=False):
        for name, text in (("answer as written", prediction.raw_text), ("rationale", prediction.rationale)):
            if text is not None:
                html(Markup('<div class="note">{}</div><div class="text">{}</div>').format(name, text or "(nothing)"))


run = components.need_run("Case", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
if {"image", "question"} <= set(st.query_params):
    here = Key(st.query_params["image"], st.query_params["question"])
else:
    first = reads.listed(now, chosen, 1)
    if first.is_empty():
        first = reads.listed(now, chosen.whole_run(), 1)
    if first.is_empty():
        components.instead(
            "Case",
            "This run has no predictions yet.",
            "Nothing is stored of this run",
            "Its first block may still be in work.",
            "workbench ingest",
        )
    named = st.query_params.get("image", first["image_id"][0])
    here = Key(named, st.query_params.get("question", first["question_id"][0]))
with reads.together(now):
    of_image = reads.predictions(now, run.run_id, here.image_id, chosen.truth)
    proposed = reads.patches(now, run.run_id, here.image_id)
    entry = reads.entry(now, here.image_id)
    if here.question_id not in {one.question_id for one in of_image}:
        here = Key(here.image_id, reads.question_named(now, here.question_id))
prediction = next((one for one in of_image if one.question_id == here.question_id), of_image[0] if of_image else None)
if prediction is None:
    components.instead(
        "Case",
        "There is no such case in this run.",
        "The address names an image that this run didn't score",
        "It may belong to another run.",
        f"workbench export predictions --run {run.run_id} -o predictions.csv",
    )
here = Key(prediction.image_id, prediction.question_id)
siblings = reads.listed(now, replace(chosen.whole_run(), images=(here.image_id,)), 1000)
outcomes = dict(siblings.select("question_id", "outcome").iter_rows())
outcome = outcomes[here.question_id]
called = cards.call_by_threshold(
    prediction, chosen.alarm_rule, siblings.filter(question_id=here.question_id).row(0, named=True)
)
of_question = proposed.filter(question_id=here.question_id)
at_reference = reads.entries_at(now, run.archive_id, prediction.reference_path) if prediction.reference_path else []
view = case_view.view(run, prediction, of_question, entry, at_reference, reads.archives(now))
around = reads.place(now, chosen, here)

title = f"{case_view.product(prediction)} · {case_view.name(prediction)}"
lead = cards.finding(prediction, outcome, view, chosen.truth, called, run.evaluator)
under = cards.under(run, around, _filters(chosen), case_list.order_in_words(chosen))
if said := reads.alarm_rule_sentence(now, run.run_id, chosen.alarm_rule):
    under += Markup("<br>{} {}").format(components.glyph("alarm"), said)
with header(title, lead, under):
    reads.choose_alarm_rule(now)
    reads.choose_truth(now)
    show_buttons(run, around, here, view)

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        show_pictures(run, view)
        show_tile(run, view, of_image)
    with grid.cell():
        show_options(run, prediction, outcome)
    if reads.is_compared(now, run.run_id):
        with grid.cell(row_span=2):  # as tall as two of the others
            show_comparison(run, view, here)
    with grid.cell():
        show_trace(run, prediction, view)
    with grid.cell():
        show_texts(run, prediction)
    with grid.cell():
        show_siblings(of_image, outcomes, here)
    with grid.cell():
        show_measures(run, prediction)
    reviewed = widgets.has_review(now, prediction)
    if reviewed:
        with grid.cell():
            widgets.show_review(now, prediction)
    if asked_again := counterfactual.texts(now, run, prediction):
        with grid.cell(column_span=2 if reviewed else 3):
            counterfactual.show_counterfactual(now, run, prediction, asked_again)
show_words(prediction)
links.show_history(now, run, prediction.cluster_id or prediction.content)
links.show_nearest(now, run, here)
reads.follow(now, refresh=False)
