"""What the Case page says about a case: sentences and small pieces of HTML, from records.

Knows nothing of the address or of widgets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from warehouse import names
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.facts import Outcome
from warehouse.queries.truth import Truth
from warehouse.records.measures import Measures
from warehouse.records.scoring import Description, Evidence, Prediction, RetrievedDescription, Run
from workbench import wording
from workbench.analysis import alarm_rule_words, metrics
from workbench.analysis.missing_capabilities import Lack
from workbench.archive.tone_range import Tone
from workbench.pages.case.view import View
from workbench.pages.ui import components
from workbench.pages.ui.components import glyph
from workbench.settings import COMPARE

_OUTCOME_WORDS: dict[Outcome, str] = {
    "escape": "Escape.",
    "overkill": "Overkill.",
    "wrong": "Wrong.",
    "invalid": "Invalid.",
    "failed": "Failed.",
    "alarm": "Called defective.",
    "right": "Right.",
    "pass": "Called good.",
    "unlabelled": "No label.",
}


COMPARISON = "comparison"  # the evaluator that compares with normal pictures
_SAYS: dict[Truth, str] = {"archive": "the label", "reviewed": "the reviewed truth"}


def call_by_threshold(prediction: Prediction, rule: AlarmRule, fact: Mapping[str, Any]) -> str:
    """What a saved threshold calls the picture, such as `defective by comparison`; empty where that is what the answer
    says too, or the answer decides.

    Args:
        prediction: as it was answered.
        rule: what calls pictures defective.
        fact: the case's claim and answer by that rule.
    """
    if rule == "answers" or fact["claim"] is None or fact["answer"] == prediction.answer:
        return ""
    return f"{fact['claim']} {alarm_rule_words.NAMES[rule]}"


def _unread(prediction: Prediction, evaluator: str) -> str:
    """Why there is no answer, as a sentence; comparing with normal pictures says it."""
    if evaluator == COMPARISON and prediction.raw_text:
        return f"{prediction.raw_text[:1].upper()}{prediction.raw_text[1:]}."
    return "The answer names none of the options." if prediction.options else "There is no answer in words."


def finding(
    prediction: Prediction,
    outcome: Outcome,
    view: View,
    truth: Truth,
    called_otherwise: str = "",
    evaluator: str = "",
) -> Markup:
    """The one sentence about a case: what was answered, what is true, and whether it looked at the defect.

    Args:
        prediction: the answer.
        outcome: what it came to; by `called_otherwise` where that is not empty.
        view: the picture with what was looked at.
        truth: what is true goes by.
        called_otherwise: see `call_by_threshold`.
        evaluator: what answered, as the run declared it.
    """
    head = Markup("{} <b>{}</b> ").format(glyph(outcome), _OUTCOME_WORDS[outcome])
    if outcome == "failed":
        return head + (prediction.error or "No reason was stored.")
    if outcome == "invalid":
        return head + (prediction.error or _unread(prediction, evaluator))
    answered = option(prediction, prediction.answer)
    who = "comparing with normal pictures" if evaluator == COMPARISON else "the model"
    sentence = Markup("Asked “{}”, {} said {}").format(prediction.question, who, answered)
    if called_otherwise:
        sentence = Markup("Its saved threshold calls it {}; asked “{}”, {} said {}").format(
            called_otherwise, prediction.question, who, answered
        )
    if outcome == "right" and not called_otherwise:
        sentence += f", as {_SAYS[truth]} does"
    elif outcome not in ("alarm", "pass", "unlabelled"):
        sentence += Markup("; {} says {}").format(_SAYS[truth], option(prediction, prediction.correct_answer))
    looked = f" {hits_sentence(view)}." if view.hits else ""
    return head + sentence + "." + looked


def measures(measured: Measures | None, camera: Tone) -> Markup:
    """What was measured of the picture before any tone range; in its camera's range too, where a run knows one."""
    if measured is None:
        return Markup('<div class="note">Not measured yet: the next runs measure it.</div>')
    if measured.white is None:
        return Markup('<div class="note">None: the picture could not be decoded.</div>')

    def share(value: float | None) -> str:
        return "-" if value is None else wording.percent(value, 1)

    rows = [("size", f"{measured.width:,} × {measured.height:,} pixels")]
    rows += [("brightness", share(measured.brightness)), ("contrast", share(measured.contrast))]
    white = camera.integer or camera.floating
    if white and white != measured.white and measured.brightness is not None and measured.contrast is not None:
        rows += [
            (f"{name} of the camera's 0 to {white:g}", share(value * measured.white / white))
            for name, value in (("brightness", measured.brightness), ("contrast", measured.contrast))
        ]
    rows += [
        ("sharpness", "-" if measured.sharpness is None else f"{measured.sharpness:.2f}"),
        ("clipped at the top", share(measured.clipped_bright)),
        ("black pixels", share(measured.clipped_dark)),
        ("colour", share(measured.colour)),
        ("red, green, blue", ", ".join(map(share, (measured.red, measured.green, measured.blue)))),
    ]
    if measured.fill is None:
        rows.append(("object", "no plain background"))
    elif measured.centre_x is not None and measured.centre_y is not None:
        place = f"{share(measured.fill)} of the picture, its middle {share(measured.centre_x)} from the left"
        rows.append(("object", f"{place} and {share(measured.centre_y)} from the top"))
    return components.table(rows)


def option(prediction: Prediction, letter: str | None) -> Markup:
    """A letter with its text, in bold; an open question's answer as it is."""
    if letter is None:
        return Markup("nothing")
    text = next((option.text for option in prediction.options if option.letter == letter), None)
    return Markup("<b>{}</b>").format((letter if text is None else f"{letter} {text}").rstrip(". "))


def hits_sentence(view: View) -> str:
    """How many accepted patches touch the mask."""
    hits = view.hits
    if hits is None:
        return ""
    return (
        f"{hits.count} of {wording.counted(len(hits.on_mask), 'injected patch', 'injected patches')} "
        f"{'touches' if hits.count == 1 else 'touch'} the mask"
    )


def pictures_note(view: View, masked: bool, patched: bool, lack: Lack | None) -> Markup:
    """The key under the pictures, and the hit rate beside chance."""
    key: list[str] = []  # text and markup
    if view.mask is not None:
        key.append(Markup('<span class="escape">━</span> mask') if masked else "mask hidden")
    if view.patches and not patched:
        key.append("patches hidden")
    elif view.patches:
        accepted = [patch for patch in view.patches if patch.number is not None]
        if accepted:
            key.append(Markup('<span class="accent">▣</span> injected patch'))
        if any(patch.on_mask is False for patch in accepted):
            key.append(Markup('<span class="accent">┄</span> off the mask'))
        if len(accepted) < len(view.patches):
            key.append(Markup('<span class="faint">▢</span> proposed only'))
    else:
        key.append(lack.sentence if lack else "no patch was proposed")
    if view.hits:
        key.append(
            Markup("<b>{}</b>; chance for its area is {:.1f} of {}").format(
                hits_sentence(view), view.hits.expected, len(view.hits.on_mask)
            )
        )
    return Markup('<div class="note">{}</div>').format(Markup("&emsp;").join(key))


def pictures_sentence(view: View) -> str:
    """The pictures in words."""
    shown = "Query, normal reference and evidence" if view.reference else "Query and evidence"
    accepted = sum(patch.number is not None for patch in view.patches)
    proposed = len(view.patches) - accepted
    return (
        f"{shown} with {accepted} injected and "
        f"{wording.counted(proposed, 'proposed patch', 'proposed patches')}. {hits_sentence(view)}"
    ).strip()


def answer_table(prediction: Prediction, outcome: Outcome, truth: Truth, called_otherwise: str = "") -> Markup:
    """Answer, what a threshold calls the picture instead, label and margin."""
    answered = option(prediction, prediction.answer) if prediction.answer else escape(outcome)
    if called_otherwise:
        by_threshold = Markup("{} <b>{}</b>").format(glyph(outcome), called_otherwise)
        rows = [["Answer", answered], ["Called", by_threshold]]
    else:
        rows = [["Answer", Markup("{} {}").format(glyph(outcome), answered)]]
    if prediction.correct_answer is not None:
        rows.append(
            [{"archive": "Label", "reviewed": "Reviewed truth"}[truth], option(prediction, prediction.correct_answer)]
        )
    ahead = metrics.margin(prediction.option_probabilities)
    if ahead is not None:
        rows.append(["Margin over the second", f"{ahead:.2f}"])
    return Markup('<div class="wrap">{}</div>').format(components.table(rows))


def trace_note(prediction: Prediction, view: View) -> Markup:
    """The trace in one sentence."""
    best = prediction.best_iteration
    if best is None or not prediction.entropy:
        return Markup('<div class="note">There was no latent reasoning about this question.</div>')
    start, settled = prediction.entropy[0], prediction.entropy[best]
    change = "Unchanged at" if f"{start:.2f}" == f"{settled:.2f}" else f"From {start:.2f} to"
    injections = len(view.injected)
    marks = (
        Markup("; <span class='accent'>◆</span> patches injected at {} of {} iterations").format(
            injections, len(prediction.entropy) - 1
        )
        if injections
        else "; no patch was injected"
    )
    settles = Markup("<b>{} {:.2f} nat</b>, best at iteration {}").format(change, settled, best)
    return Markup('<div class="note">{}{}. Thin: each think token. Took {:.2f} s.</div>').format(
        settles, marks, prediction.seconds
    )


def description(retrieved: RetrievedDescription, text: Description | None) -> Markup:
    """A retrieved text as a card: rank, name, revision, score and words."""
    name = names.readable((retrieved.product, retrieved.entry))
    score = "by product" if retrieved.score is None else f"{retrieved.score:.2f}".replace("-", "−")
    bar = "" if retrieved.score is None else components.bar([(max(retrieved.score, 0.0), "var(--accent)")], 1.0)
    words = text.text if text else "The text of this revision isn't stored in this warehouse."
    return Markup(
        '<div class="inner"><div class="row"><span><b>{}&ensp;{}</b> '
        '<span class="note">r{}</span></span><span class="note number">{}</span></div>'
        '{}<div class="note">{}</div></div>'
    ).format(
        retrieved.rank,
        name,
        retrieved.revision,
        score,
        bar,
        words,
    )


def evidence(item: Evidence) -> Markup:
    """What a source other than the knowledge showed, as a card: source, version, score, words and how many regions."""
    score = "" if item.score is None else f"{item.score:.2f}".replace("-", "−")
    regions = f"{wording.counted(len(item.regions), 'region')} of the picture" if item.regions else ""
    return Markup(
        '<div class="inner"><div class="row"><span><b>{}</b> <span class="note">{}</span></span>'
        '<span class="note number">{}</span></div><div class="note">{}</div><div class="note">{}</div></div>'
    ).format(item.source, item.version, score, item.words, regions)


def descriptions_note(prediction: Prediction) -> str:
    """What of the retrieved knowledge the context had no room for."""
    left = f"{prediction.knowledge_dropped} left out: the context was full. " if prediction.knowledge_dropped else ""
    cut = "The last one was cut at a sentence." if prediction.knowledge_cut else ""
    return left + cut


def texts_by_revision(
    retrieved: tuple[RetrievedDescription, ...], texts: Mapping[str, Description]
) -> list[tuple[RetrievedDescription, Description | None]]:
    """Each retrieved description with its text, if that very revision is the one known."""
    found = []
    for one in retrieved:
        text = texts.get(one.description_id)
        found.append((one, text if text and text.revision == one.revision else None))
    return found


def options_sentence(prediction: Prediction) -> str:
    """The options' probabilities in words."""
    before, after = prediction.initial_option_probabilities, prediction.option_probabilities
    moves = [
        f"{letter} from {before[letter]:.2f} to {value:.2f}" for letter, value in after.items() if letter in before
    ]
    return "Probability of " + ", ".join(moves)


def options_list(prediction: Prediction, lack: Lack | None) -> Markup:
    """The options without probabilities: the run has none, nothing was computed, or the question is open."""
    if not prediction.options:
        return Markup('<div class="note">An open question: the answer is in words.</div>')
    rows = [[Markup("<b>{}</b>").format(option.letter), option.text.rstrip(". ")] for option in prediction.options]
    why = Markup('<div class="note">{}</div>').format(lack.sentence) if lack else ""
    return components.table(rows, numbers=0) + why


def sibling_answer(prediction: Prediction, outcome: Outcome) -> Markup:
    """Answer and settled entropy of another question of the image."""
    texts = {option.letter: option.text for option in prediction.options}
    text = outcome if prediction.answer is None else texts.get(prediction.answer, prediction.answer).rstrip(". ")
    said = text if len(text) <= 18 else f"{text[:17].rstrip()}…"
    best = prediction.best_iteration
    entropy = f"{prediction.entropy[best]:.2f}" if best is not None and prediction.entropy else "–"
    return Markup('<span class="sibling">{} {}</span> <span class="note number">{}</span>').format(
        glyph(outcome), said, entropy
    )


def no_texts(run: Run) -> Markup:
    """Why a case has no retrieved text."""
    if run.model == COMPARE:
        return Markup("Comparing with normal pictures reads no texts.")
    if run.knowledge_version is None or json.loads(run.settings).get("knowledge") == "none":
        return Markup("The run used no knowledge. <code>workbench knowledge import FILE</code> brings some in.")
    return Markup("Nothing was retrieved for this image.")


def under(run: Run, around: metrics.Neighbours, filters: Sequence[str], order: str) -> Markup:
    """Whose answer it is, and where the case stands in the list that Next and Previous walk, in grey."""
    return Markup("{}&ensp;{}").format(components.model_chip(run), _place(around, filters, order))


def _place(around: metrics.Neighbours, filters: Sequence[str], order: str) -> str:
    under = f" under {', '.join(filters)}" if filters else ""
    if around.place is None:
        return f"not among the {wording.counted(around.total, 'case')}{under}"
    return f"case {around.place:,} of {around.total:,}{under}, {order}"
