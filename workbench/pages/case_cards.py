"""What the Case page says about a case: sentences and small pieces of HTML, from records.

Knows nothing of the address or of widgets. Everything that comes from the warehouse is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from warehouse import names
from warehouse.records import Description, Prediction, RetrievedDescription, Run
from workbench.analysis import metrics
from workbench.analysis.look import Outcome
from workbench.pages import parts
from workbench.pages.case_view import View
from workbench.pages.parts import glyph

_OUTCOME_WORDS: dict[Outcome, str] = {
    "escape": "Escape.",
    "overkill": "Overkill.",
    "wrong": "Wrong.",
    "invalid": "Invalid.",
    "failed": "Failed.",
    "right": "Right.",
    "unlabelled": "No label.",
}


def finding(prediction: Prediction, outcome: Outcome, view: View) -> str:
    """The one sentence about a case: what was answered, what is true, and whether it looked at the defect."""
    head = f"{glyph(outcome)} <b>{_OUTCOME_WORDS[outcome]}</b> "
    if outcome == "failed":
        return f"{head}{escape(prediction.error or 'No reason was stored.')}"
    if outcome == "invalid":
        why = escape(prediction.error) if prediction.error else "The answer names none of the options."
        return f"{head}{why}"
    said = f"Asked “{escape(prediction.question)}”, the model said {option(prediction, prediction.answer)}"
    if outcome == "right":
        said += ", as the label does"
    elif outcome != "unlabelled":
        said += f"; the label says {option(prediction, prediction.correct_answer)}"
    looked = f" {hits_sentence(view)}." if view.hits else ""
    return f"{head}{said}.{looked}"


def option(prediction: Prediction, letter: str | None) -> str:
    """A letter with its text, in bold; an open question's answer as it is."""
    if letter is None:
        return "nothing"
    text = next((option.text for option in prediction.options if option.letter == letter), None)
    stated = escape((letter if text is None else f"{letter} {text}").rstrip(". "))
    return f"<b>{stated}</b>"


def hits_sentence(view: View) -> str:
    """How many accepted patches touch the mask."""
    hits = view.hits
    if hits is None:
        return ""
    return f"{hits.count} of {len(hits.on_mask)} injected patches {'touches' if hits.count == 1 else 'touch'} the mask"


def pictures_note(view: View, masked: bool, patched: bool) -> str:
    """The key under the pictures, and the hit rate beside chance."""
    key: list[str] = []
    if view.mask is not None:
        key.append('<span class="escape">━</span> mask' if masked else "mask hidden")
    if view.patches and not patched:
        key.append("patches hidden")
    elif view.patches:
        accepted = [patch for patch in view.patches if patch.number is not None]
        if accepted:
            key.append('<span class="accent">▣</span> injected patch')
        if any(patch.on_mask is False for patch in accepted):
            key.append('<span class="accent">┄</span> off the mask')
        if len(accepted) < len(view.patches):
            key.append('<span class="faint">▢</span> proposed only')
    else:
        key.append("no patch was proposed")
    if view.hits:
        key.append(
            f"<b>{hits_sentence(view)}</b>; chance for its area is {view.hits.expected:.1f} of {len(view.hits.on_mask)}"
        )
    return f'<div class="note">{"&emsp;".join(key)}</div>'


def pictures_sentence(view: View) -> str:
    """The pictures in words."""
    shown = "Query, normal reference and evidence" if view.reference else "Query and evidence"
    accepted = sum(patch.number is not None for patch in view.patches)
    proposed = len(view.patches) - accepted
    return f"{shown} with {accepted} injected and {proposed} proposed patches. {hits_sentence(view)}".strip()


def answer_table(prediction: Prediction, outcome: Outcome) -> str:
    """Answer, label and margin."""
    rows = [
        [
            "Answer",
            f"{glyph(outcome)} {option(prediction, prediction.answer)}"
            if prediction.answer
            else f"{glyph(outcome)} {outcome}",
        ]
    ]
    if prediction.correct_answer is not None:
        rows.append(["Label", option(prediction, prediction.correct_answer)])
    ahead = metrics.margin(prediction.option_probabilities)
    if ahead is not None:
        rows.append(["Margin over the second", f"{ahead:.2f}"])
    return f'<div class="wrap">{parts.table(rows)}</div>'


def trace_note(prediction: Prediction, view: View) -> str:
    """The trace in one sentence."""
    best = prediction.best_iteration
    if best is None or not prediction.entropy:
        return '<div class="note">Nothing was reasoned about.</div>'
    start, settled = prediction.entropy[0], prediction.entropy[best]
    change = "Unchanged at" if f"{start:.2f}" == f"{settled:.2f}" else f"From {start:.2f} to"
    injections = len(view.injected)
    marks = (
        f"; <span class='accent'>◆</span> patches injected at {injections} of {len(prediction.entropy) - 1} iterations"
        if injections
        else "; no patch was injected"
    )
    settles = f"<b>{change} {settled:.2f} nat</b>, best at iteration {best}"
    return f'<div class="note">{settles}{marks}. Thin: each think token. Took {prediction.seconds:.2f} s.</div>'


def description(retrieved: RetrievedDescription, text: Description | None) -> str:
    """A retrieved text as a card: rank, name, revision, score and words."""
    name = names.readable(names.split(retrieved.description_id)[1:]) or retrieved.description_id
    score = "by product" if retrieved.score is None else f"{retrieved.score:.2f}".replace("-", "−")
    bar = "" if retrieved.score is None else parts.bar([(max(retrieved.score, 0.0), "var(--accent)")], 1.0)
    words = escape(text.text) if text else "The text of this revision isn't stored in this warehouse."
    return (
        f'<div class="inner"><div class="row"><span><b>{retrieved.rank}&ensp;{escape(name)}</b> '
        f'<span class="note">r{retrieved.revision}</span></span><span class="note number">{score}</span></div>'
        f'{bar}<div class="note">{words}</div></div>'
    )


def descriptions_note(prediction: Prediction) -> str:
    """What of the retrieved knowledge the context had no room for."""
    left = f"{prediction.knowledge_dropped} left out: the context was full. " if prediction.knowledge_dropped else ""
    cut = "The last one was cut at a sentence." if prediction.knowledge_cut else ""
    return left + cut


def texts_by_revision(
    retrieved: tuple[RetrievedDescription, ...], known: Mapping[str, Description]
) -> list[tuple[RetrievedDescription, Description | None]]:
    """Each retrieved description with its text, if that very revision is the one known."""
    found = []
    for one in retrieved:
        text = known.get(one.description_id)
        found.append((one, text if text and text.revision == one.revision else None))
    return found


def options_sentence(prediction: Prediction) -> str:
    """The options' probabilities in words."""
    before, after = prediction.initial_option_probabilities, prediction.option_probabilities
    moves = [
        f"{letter} from {before[letter]:.2f} to {value:.2f}" for letter, value in after.items() if letter in before
    ]
    return "Probability of " + ", ".join(moves)


def options_list(prediction: Prediction) -> str:
    """The options without probabilities: nothing was computed, or the question is open."""
    if not prediction.options:
        return '<div class="note">An open question: the answer is in words.</div>'
    rows = [[escape(option.letter), escape(option.text.rstrip(". "))] for option in prediction.options]
    lines = "".join(f"<tr><td><b>{letter}</b></td><td>{text}</td></tr>" for letter, text in rows)
    return f'<table class="table">{lines}</table>'


def sibling_answer(prediction: Prediction, outcome: Outcome) -> str:
    """Answer and settled entropy of another question of the image."""
    texts = {option.letter: option.text for option in prediction.options}
    text = outcome if prediction.answer is None else texts.get(prediction.answer, prediction.answer).rstrip(". ")
    said = text if len(text) <= 18 else f"{text[:17].rstrip()}…"
    best = prediction.best_iteration
    entropy = f"{prediction.entropy[best]:.2f}" if best is not None and prediction.entropy else "–"
    return f'<span class="sibling">{glyph(outcome)} {escape(said)}</span> <span class="note number">{entropy}</span>'


def no_texts(run: Run) -> str:
    """Why a case has no retrieved text."""
    if run.knowledge_version is None:
        return "The run used no knowledge. <code>workbench knowledge import FILE</code> brings some in."
    return "Nothing was retrieved for this image."


def under(run: Run, around: metrics.Neighbours, filters: Sequence[str]) -> str:
    """Whose answer it is, and where the case stands in the list that Next and Previous walk, in grey."""
    return f"{parts.model_chip(run)}&ensp;{_place(around, filters)}"


def _place(around: metrics.Neighbours, filters: Sequence[str]) -> str:
    under = f" under {', '.join(escape(value) for value in filters)}" if filters else ""
    if around.place is None:
        return f"not among the {around.total:,} cases{under}"
    return f"case {around.place:,} of {around.total:,}{under}, wrong first, then highest entropy"
