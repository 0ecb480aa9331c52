"""What the Knowledge page says, as HTML: differences, provenance, findings, states.

Descriptions are untrusted: whatever comes from one passes `escape` here, once, and nothing else makes HTML of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

import polars as pl

from warehouse.curation_records import GateAttempt, GateResult, KnowledgeChange, Sentence
from warehouse.records import Description
from workbench.analysis import charts_knowledge
from workbench.analysis.charts_knowledge import Bar, Row
from workbench.pages import parts
from workbench.review import curation
from workbench.review.lint import Finding
from workbench.review.proposals import Proposal

VERDICTS = {"better": ("↑", "accent"), "worse": ("↓", "escape"), "not enough evidence": ("○", "muted")}
ORIGINS = {"kept": "stood there before", "verdict": "a reviewer", "curator": "the curator", "model": "the model"}
STYLE = """<style>
.diff { font-size: 1.02rem; line-height: 1.7; max-width: 82ch; overflow-wrap: anywhere; }
.diff del { color: var(--escape); text-decoration-thickness: 1px; background: var(--tint-bad); }
.diff ins { color: var(--accent); text-decoration: none; font-weight: 600; background: var(--tint-good); }
.history .table td:last-child { width: 100%; padding-left: 1rem; }
</style>"""


def name(description: Description) -> str:
    """Entry, revision and where it stands, as text."""
    return f"{description.entry.replace('_', ' ')} · r{description.revision} · {description.state}"


def finding(draft: Description, old: Description | None, result: GateResult | None, why_not: str | None) -> str:
    """The page's one sentence about the chosen revision."""
    called = escape(f"{draft.product} / {draft.entry}".replace("_", " "))
    head = f"<b>{called}, r{draft.revision}.</b>"
    if draft.state == "published":
        return f"{head} Published; the next run reads it."
    if draft.state == "retired":
        return f"{head} Retired; no run reads it any more."
    if result is not None:
        shape, colour = VERDICTS[result.verdict]
        after = " It may be published." if why_not is None else ""
        return f'{head} <span class="{colour}">{shape}</span> {escape(_sentence(curation.verdict_of(result)))}{after}'
    against = f"against published r{old.revision}" if old else "with nothing published in its place"
    return f"{head} A draft {against}; not tested yet, and no run reads it."


def difference(old: str, new: str) -> str:
    """The new text with what went and what came."""
    tags = {"same": "{}", "gone": "<del>{}</del>", "new": "<ins>{}</ins>"}
    words = " ".join(tags[kind].format(escape(run)) for kind, run in curation.diff(old, new))
    return f'<div class="diff">{words}</div>'


def seen(said: str) -> str:
    """How much of the text retrieval sees."""
    return f'<div class="note">Retrieval: {escape(said)}.</div>' if said else ""


def provenance(sentences: Sequence[Sentence]) -> str:
    """Each sentence with where it comes from."""
    rows: dict[int, tuple[str, list[Sentence]]] = {}
    for each in sentences:
        rows.setdefault(each.place, (each.text, []))[1].append(each)
    if not rows:
        return '<div class="note">Imported whole; no sentence has a verdict behind it.</div>'
    cells = []
    for text, sources in rows.values():
        said = ORIGINS[sources[0].origin]
        verdicts = [each.verdict_id for each in sources if each.verdict_id]
        if verdicts:
            said = f"{many(len(verdicts), 'verdict')}: {', '.join(escape(each[-8:]) for each in verdicts[:3])}"
        cells.append([escape(text), f'<span class="muted">{said}</span>'])
    return f'<div class="wrap">{parts.table(cells, numbers=1)}</div>'


def findings(found: Sequence[Finding]) -> str:
    """What lint says."""
    lines = [
        f'<div class="note"><span class="chip {"escape" if each.blocks else ""}">{each.rule}</span> '
        f"{escape(each.said)}{'; it can be neither tested nor published' if each.blocks else ''}</div>"
        for each in found
    ]
    return "".join(lines)


def proposal(found: Proposal) -> str:
    """A proposal's reason and its sentences with their votes."""
    rows = [
        [escape(each.text), many(each.votes, "vote") if each.votes else ORIGINS[each.origin]]
        for each in found.sentences
    ]
    return f'<div class="note">{escape(found.why)}</div><div class="wrap">{parts.table(rows, numbers=1)}</div>'


def problems(found: Sequence[str]) -> str:
    """What verdicts say and nothing could be made of."""
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return f'<div class="note">No proposal could be made of {escape("; ".join(found[:3]))}{more}</div>'


def waiting(drafts: Sequence[Description], results: Mapping[tuple[str, int], GateResult]) -> str:
    """Drafts and tests that wait for a person."""
    rows = []
    for each in drafts:
        result = results.get((each.description_id, each.revision))
        shape, colour = VERDICTS[result.verdict] if result else ("◐" if each.state == "testing" else "○", "muted")
        said = result.verdict if result else "waits for its test" if each.state == "testing" else "not tested"
        rows.append(
            [
                f"<b>{escape(each.entry.replace('_', ' '))}</b> r{each.revision}",
                escape(parts_of(each.reason, 70)),
                f'<span class="{colour}">{shape}</span> {said}',
            ]
        )
    return f'<div class="wrap">{parts.table(rows, numbers=1)}</div>'


def history(changes: Sequence[KnowledgeChange]) -> str:
    """What was done, newest first."""
    rows = [
        [
            f'<span class="sibling number">{each.changed_at:%d %b %H:%M}</span>',
            f'<span class="sibling">r{each.revision} {each.state}</span>',
            f"{escape(each.author)}: {escape(parts_of(each.reason, 110))}",
        ]
        for each in changes
    ]
    if not rows:
        return '<div class="note">Stored with the knowledge base; nothing was changed since.</div>'
    return f'<div class="history">{parts.table(rows, numbers=0)}</div>'


def bars(lifts: pl.DataFrame, texts: Sequence[Description]) -> list[Bar]:
    """The newest lift of each published revision, best first."""
    known = {(each.description_id, each.revision) for each in texts if each.state == "published"}
    newest = lifts.unique(["description_id", "revision"], keep="first", maintain_order=True)
    found = [
        _bar(row, f"{row['entry'].replace('_', ' ')} · r{row['revision']}")
        for row in newest.iter_rows(named=True)
        if (row["description_id"], row["revision"]) in known
    ]
    return sorted(found, key=lambda bar: -bar.lift)


def over_time(lifts: pl.DataFrame, description_id: str) -> list[Bar]:
    """One description's newest lift in each of its last runs, oldest run first."""
    own = lifts.filter(description_id=description_id).unique(["run_id", "revision"], keep="first", maintain_order=True)
    rows = own.sort("started_at", nulls_last=False).tail(8).iter_rows(named=True)
    return [_bar(row, f"r{row['revision']}, {row['started_at'] or row['measured_at']:%d %b %H:%M}") for row in rows]


def _bar(row: Mapping[str, Any], name: str) -> Bar:
    return Bar(name, row["lift"], row["low"], row["high"], row["retrieved"], row["harmed"])


def lift_sentence(found: Sequence[Bar]) -> str:
    """Which text should be looked at next."""
    worst = min((bar for bar in found if bar.kind == "worse"), key=lambda bar: bar.lift, default=None)
    harmed = "Harmed: questions right without the text and wrong with it."
    if worst:
        return f'{harmed} <span class="escape">↓</span> <b>{escape(worst.name)}</b> should be looked at next.'
    return f"{harmed} No text is shown to harm."


def by_subtask(lifts: pl.DataFrame, chosen: Description, live: Description | None) -> tuple[int, str]:
    """Which questions a revision helps and harms: of the chosen one if it was measured, else of the live one."""
    own = lifts.filter(description_id=chosen.description_id)
    known = [each.revision for each in (chosen, live) if each and each.revision in own["revision"]]
    revision = known[0] if known else int(own["revision"][0])
    newest = own.filter(revision=revision).row(0, named=True)
    rows = sorted(newest["subtasks"], key=lambda each: (-each["helped"] - each["harmed"], each["subtask"]))
    touched = [each for each in rows if each["helped"] or each["harmed"]]
    asked = f"{newest['sampled']:,} images were asked again without it"
    if not touched:
        same = "no answer changed" if rows else "measured before it was kept by subtask"
        return revision, f'<div class="note">{asked}; {same}.</div>'
    cells = [
        [escape(each["subtask"]), f"{each['questions']}", f"{each['helped']}", _harmed(each["harmed"])]
        for each in touched
    ]
    rest = len(rows) - len(touched)
    same = f"; in {many(rest, 'other subtask')} no answer changed" if rest else ""
    table = parts.table(cells, ["subtask", "questions", "helped", "harmed"], numbers=3)
    return revision, f'<div class="wrap">{table}</div><div class="note">{asked}{same}.</div>'


def _harmed(count: int) -> str:
    return f'<b class="escape">{count}</b>' if count else "0"


def text_rows(texts: Sequence[Description]) -> pl.DataFrame:
    """Every revision of a product's descriptions, for export."""
    return pl.DataFrame([asdict(each) for each in texts])


def test_rows(
    attempts: Mapping[tuple[str, int], GateAttempt], results: Mapping[tuple[str, int], GateResult]
) -> pl.DataFrame:
    """Every test with its share of the budget and, where it ended, its result, for export."""
    rows = []
    for key, attempt in sorted(attempts.items(), key=lambda item: item[1].opened_at):
        result = results.get(key)
        rows.append(
            {"description_id": key[0], "revision": key[1], "alpha": attempt.alpha, "margin": attempt.margin,
             "opened_at": attempt.opened_at, "run_id": attempt.run_id, **(asdict(result) if result else {})}
        )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def gate_rows(result: GateResult) -> list[Row]:
    """The gate's two lines."""
    rows = [
        Row("Affected", result.difference, result.low, result.high, charts_knowledge.kind_of(result.low, result.high))
    ]
    if result.elsewhere_images:
        rows.append(Row("Elsewhere", result.elsewhere_difference, result.elsewhere_low, None, "unsure"))
    return rows


def gate_table(attempt: GateAttempt, result: GateResult) -> str:
    """The test in numbers."""
    point = charts_knowledge.points
    rows = [
        ["Affected, 95 %", f"<b>{point(result.difference)}</b> ({point(result.low)} to {point(result.high)})"],
        ["Won, lost", f"{result.won}, {result.lost} of {result.questions:,} about {result.images:,} images"],
        ["p, of α", f"{result.p_better:.4f} of {attempt.alpha:.4f}"],
        [
            "Elsewhere, worst bound",
            f"{point(result.elsewhere_low)}, margin −{100 * attempt.margin:g}; {result.elsewhere_images:,} images"
            if result.elsewhere_images
            else "retrieved nowhere else",
        ],
        ["Same run, settings, seed", f'<span class="accent">✓</span> {escape(attempt.run_id[-8:])}'],
    ]
    if result.images_needed:
        rows.append(["Images needed", f"{result.images_needed:,}; there are {result.images:,}"])
    return f'<div class="wrap">{parts.table(rows)}</div>'


def verdict(result: GateResult) -> str:
    """The verdict, large, and why."""
    shape, colour = VERDICTS[result.verdict]
    return (
        f'<div class="big {colour}" style="font-size:1.5rem">{shape} {_sentence(result.verdict).rstrip(".")}</div>'
        f'<div class="note">{escape(_sentence(result.why))}</div>'
    )


def parts_of(text: str, at_most: int) -> str:
    """Text cut to a length."""
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def many(count: int, what: str) -> str:
    """A count with its noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"
