"""One case: a question about an image; what the model saw, thought and answered, and whether that was right.

In the address: `run`, `image`, `question`; the filters (`address.py`) that Next and Previous walk under; `mask=off` and
`patches=off`.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from warehouse.records import Prediction, Run
from warehouse.rollups import Selection
from workbench.analysis import charts, evidence, look, metrics
from workbench.analysis.metrics import Key
from workbench.pages import (
    address,
    case_cards,
    case_doors,
    case_view,
    disputes_parts,
    embedding,
    knowledge_parts,
    parts,
    shared,
)
from workbench.pages.case_view import View
from workbench.pages.parts import card, chart, header, html

now = shared.snapshot()
runs = shared.runs(now)


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
    st.page_link(parts.GALLERY, label="All cases", query_params=address.going(run=run.run_id))
    for key, name, label in (("m", "mask", "Mask"), ("p", "patches", "Patches")):
        parts.toggle(label, key, f"case.{name}", name not in st.query_params, flip, name)
    for key, label, case in (("k", "Previous", around.before), ("j", "Next", around.after)):
        st.button(label, shortcut=key, key=f"case.{label}", on_click=go, args=[case], disabled=case is None)
    parts.export(
        "case",
        {
            "answers": lambda: case_view.as_rows(of_image),
            "patches": lambda: case_view.patch_rows(of_question, view),
        },
    )
    case_doors.dispute_button(now, run, here)


def show_pictures(view: View) -> None:
    """Query, reference and evidence in one figure, zoomed together."""
    masked, patched = "mask" not in st.query_params, "patches" not in st.query_params
    title = "Query, normal reference, evidence" if view.reference else "Query and evidence, zero-shot"
    with card("pictures", title, "drag to zoom: all move together; double-click resets"):
        figure = evidence.figure(
            parts.ink(), view.query, view.reference, view.mask if masked else None, view.patches if patched else ()
        )
        chart(figure, "case.pictures", case_cards.pictures_sentence(view))
        html(case_cards.pictures_note(view, masked, patched))


def show_options(prediction: Prediction, outcome: look.Outcome) -> None:
    """Every option's probability before and after latent reasoning, or the answer in words."""
    note = prediction.subtask + (", only meant if there is a defect" if prediction.conditional else "")
    with card("options", escape(prediction.question), escape(note)):
        if prediction.option_probabilities:
            html('<div class="note">Probability, ○ before and ● after latent reasoning</div>')
            texts = {option.letter: option.text for option in prediction.options}
            before, after = prediction.initial_option_probabilities, prediction.option_probabilities
            figure = charts.options(parts.ink(), texts, before, after, prediction.answer, prediction.correct_answer)
            chart(figure, "case.options", case_cards.options_sentence(prediction))
        else:
            html(case_cards.options_list(prediction))
        html(case_cards.answer_table(prediction, outcome))


def show_trace(prediction: Prediction, view: View) -> None:
    """Entropy over the iterations."""
    with card("trace", "Entropy over iterations", "nat"):
        if prediction.entropy:
            figure = charts.trace(
                parts.ink(), prediction.entropy, prediction.token_entropy, prediction.best_iteration, view.injected
            )
            values = ", ".join(f"{value:.2f}" for value in prediction.entropy)
            chart(figure, "case.trace", f"Entropy per iteration: {values}")
        html(case_cards.trace_note(prediction, view))


def show_texts(run: Run, prediction: Prediction) -> None:
    """The retrieved descriptions, best first."""
    version = run.knowledge_version
    note = f"knowledge {escape(version[:8])}" if version else ""
    with card("texts", "Retrieved descriptions", note):
        if not prediction.descriptions:
            html(f'<div class="note">{case_cards.no_texts(run)}</div>')
        known = shared.texts(now, version) if version else {}
        for retrieved, text in case_cards.texts_by_revision(prediction.descriptions, known):
            product = retrieved.description_id.rpartition("/")[0]
            link = {"product": product, "text": retrieved.description_id, "revision": str(retrieved.revision)}
            with st.container(key=f"door-{retrieved.rank}", gap=None):
                html(case_cards.description(retrieved, text))
                st.page_link(parts.KNOWLEDGE, label="Open in Knowledge", query_params=link)
        if left_out := case_cards.descriptions_note(prediction):
            html(f'<div class="note">{left_out}</div>')


def show_siblings(predictions: list[Prediction], outcomes: dict[str, look.Outcome], here: Key) -> None:
    """The image's other questions; a click opens one."""
    with card("siblings", "The image's questions", "entropy in nat"), st.container(gap=None):
        for place, other in enumerate(predictions):
            chosen = "chosen-" if other.question_id == here.question_id else ""
            with st.container(
                key=f"link-row-{chosen}{place}", horizontal=True, vertical_alignment="center", gap="small", wrap=False
            ):
                key = Key(other.image_id, other.question_id)
                label = parts.plain(other.question, 60)
                st.button(label, key=f"case.{place}", type="tertiary", width="stretch", on_click=go, args=[key])
                st.html(case_cards.sibling_answer(other, outcomes[other.question_id]), width="content")


def show_words(prediction: Prediction) -> None:
    """What the model wrote, where it wrote anything."""
    if prediction.raw_text is None and prediction.rationale is None:
        return
    with card("words", "In the model's own words", fill=False):
        for name, text in (("answer as written", prediction.raw_text), ("rationale", prediction.rationale)):
            if text is not None:
                html(f'<div class="note">{name}</div><div class="text">{escape(text) or "(nothing)"}</div>')


run = parts.need_run("Case", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
if {"image", "question"} <= set(st.query_params):
    here = Key(st.query_params["image"], st.query_params["question"])
else:
    first = shared.listed(now, chosen, 1)
    if first.is_empty():
        first = shared.listed(now, Selection(run.run_id), 1)
    if first.is_empty():
        parts.instead(
            "Case",
            "This run has no predictions yet.",
            "Nothing is stored of this run",
            "Its first block may still be in work.",
            "workbench ingest",
        )
    named = st.query_params.get("image", first["image_id"][0])
    here = Key(named, st.query_params.get("question", first["question_id"][0]))
with shared.together(now):
    of_image = shared.predictions(now, run.run_id, here.image_id)
    proposed = shared.patches(now, run.run_id, here.image_id)
    entry = shared.entry(now, here.image_id)
prediction = next((one for one in of_image if one.question_id == here.question_id), of_image[0] if of_image else None)
if prediction is None:
    parts.instead(
        "Case",
        "There is no such case in this run.",
        "The address names an image that this run didn't score",
        "It may belong to another run.",
        f"workbench export predictions --run {run.run_id} -o predictions.csv",
    )
here = Key(prediction.image_id, prediction.question_id)
siblings = shared.listed(now, Selection(run.run_id, images=(here.image_id,)), 1000)
outcomes = dict(siblings.select("question_id", "outcome").iter_rows())
outcome = outcomes[here.question_id]
of_question = proposed.filter(question_id=here.question_id)
view = case_view.view(run, prediction, of_question, entry, shared.archives(now))
around = shared.place(now, chosen, here)

title = f"{case_view.product(prediction)} · {case_view.name(prediction)}"
lead = case_cards.finding(prediction, outcome, view)
with header(title, lead, case_cards.under(run, around, _filters(chosen))):
    show_buttons(run, around, here, view)

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        show_pictures(view)
    with grid.cell():
        show_options(prediction, outcome)
    with grid.cell():
        show_trace(prediction, view)
    with grid.cell():
        show_texts(run, prediction)
    with grid.cell():
        show_siblings(of_image, outcomes, here)
    reviewed = disputes_parts.has_review(now, prediction)
    if reviewed:
        with grid.cell():
            disputes_parts.show_review(now, prediction)
    if asked_again := knowledge_parts.texts(now, run, prediction):
        with grid.cell(column_span=2 if reviewed else 3):
            knowledge_parts.show_counterfactual(now, run, prediction, asked_again)
show_words(prediction)
case_doors.show_nearest(now, run, here)
shared.follow(now, refresh=False)
