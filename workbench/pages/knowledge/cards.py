"""What the Knowledge page says, as HTML: differences, provenance, findings, states.

Descriptions are untrusted: their texts are text, and `Markup.format` escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from markupsafe import Markup, escape

from warehouse import schema
from warehouse.queries.night_tests import Gathered
from warehouse.records.curation import GateAttempt, GateResult, KnowledgeChange, NightBet, Sentence
from warehouse.records.scoring import Description
from workbench import wording
from workbench.analysis import intervals
from workbench.analysis.charts import knowledge
from workbench.analysis.charts.knowledge import Bar, Row
from workbench.curation import edit, gate
from workbench.curation.edit import place_of
from workbench.curation.lint import Finding
from workbench.curation.proposals import Proposal
from workbench.pages.ui import components

if TYPE_CHECKING:
    from workbench.pages.knowledge.product_reads import Product

VERDICTS = {
    "better": ("↑", "accent"),
    "worse": ("↓", "escape"),
    "not enough evidence": ("○", "muted"),
    "still gathering": ("◐", "muted"),
}
ORIGINS = {"kept": "stood there before", "verdict": "a reviewer", "curator": "the curator", "model": "the model"}
STYLE = Markup("""<style>
.diff { font-size: 1.02rem; line-height: 1.7; max-width: 82ch; overflow-wrap: anywhere; }
.diff del { color: var(--escape); text-decoration-thickness: 1px; background: var(--tint-bad); }
.diff ins { color: var(--accent); text-decoration: none; font-weight: 600; background: var(--tint-good); }
.history .table td:last-child { width: 100%; padding-left: 1rem; }
</style>""")


def name(description: Description) -> str:
    """Entry, revision and where it stands, as text."""
    return f"{description.entry.replace('_', ' ')} · r{description.revision} · {description.state}"


def finding(
    draft: Description,
    old: Description | None,
    result: GateResult | None,
    why_not: str | None,
    nights: Gathered | None = None,
) -> Markup:
    """The page's one sentence about the chosen revision."""
    called = f"{draft.product} / {draft.entry}".replace("_", " ")
    head = Markup("<b>{}, r{}.</b>").format(called, draft.revision)
    if draft.state == "published":
        return head + " Published; the next run reads it."
    if draft.state == "retired":
        return head + " Retired; no run reads it any more."
    if nights is not None and (result is None or result.verdict != "better"):
        shape, colour = VERDICTS[nights.verdict]
        after = " It may be published." if why_not is None else ""
        return Markup('{} <span class="{}">{}</span> Over nights: {}{}').format(
            head, colour, shape, f"{nights.verdict}: {nights.why}.", after
        )
    if result is not None:
        shape, colour = VERDICTS[result.verdict]
        after = " It may be published." if why_not is None else ""
        return Markup('{} <span class="{}">{}</span> {}{}').format(
            head, colour, shape, _sentence(edit.verdict_of(result)), after
        )
    against = f"against published r{old.revision}" if old else "with nothing published in its place"
    return head + f" A draft {against}; not tested yet, and no run reads it."


def difference(old: str, new: str) -> Markup:
    """The new text with what went and what came."""
    tags = {"same": Markup("{}"), "gone": Markup("<del>{}</del>"), "new": Markup("<ins>{}</ins>")}
    words = Markup(" ").join(tags[kind].format(run) for kind, run in edit.diff(old, new))
    return Markup('<div class="diff">{}</div>').format(words)


def coverage(sentence: str) -> Markup:
    """How much of the text retrieval sees."""
    return Markup('<div class="note">Retrieval: {}.</div>').format(sentence) if sentence else Markup()


def provenance(sentences: Sequence[Sentence]) -> Markup:
    """Each sentence with where it comes from."""
    rows: dict[int, tuple[str, list[Sentence]]] = {}
    for each in sentences:
        rows.setdefault(each.place, (each.text, []))[1].append(each)
    if not rows:
        return Markup('<div class="note">Imported whole; no sentence has a verdict behind it.</div>')
    cells = []
    for text, sources in rows.values():
        said = ORIGINS[sources[0].origin]
        verdicts = [each.verdict_id for each in sources if each.verdict_id]
        if verdicts:
            said = f"{wording.counted(len(verdicts), 'verdict')}: {', '.join(each[-8:] for each in verdicts[:3])}"
        cells.append([text, Markup('<span class="muted">{}</span>').format(said)])
    return Markup('<div class="wrap">{}</div>').format(components.table(cells, numbers=1))


def findings(lint_findings: Sequence[Finding]) -> Markup:
    """What lint says."""
    lines = [
        Markup('<div class="note"><span class="chip {}">{}</span> {}{}</div>').format(
            "escape" if each.blocks else "",
            each.rule,
            each.message,
            "; it can be neither tested nor published" if each.blocks else "",
        )
        for each in lint_findings
    ]
    return Markup().join(lines)


def proposal(draft: Proposal) -> Markup:
    """A proposal's reason and its sentences with their votes."""
    rows = [
        [each.text, wording.counted(each.votes, "vote") if each.votes else ORIGINS[each.origin]]
        for each in draft.sentences
    ]
    return Markup('<div class="note">{}</div><div class="wrap">{}</div>').format(
        draft.why, components.table(rows, numbers=1)
    )


def problems(reasons: Sequence[str]) -> Markup:
    """What verdicts say and nothing could be made of."""
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return Markup('<div class="note">No proposal could be made of {}{}</div>').format("; ".join(reasons[:3]), more)


def waiting(product: Product) -> Markup:
    """Drafts and tests that wait for a person, or for nights, or for each other."""
    rows = []
    for each in product.waiting:
        shape, colour, said = _state(product, each)
        rows.append(
            [
                Markup("<b>{}</b> r{}").format(each.entry.replace("_", " "), each.revision),
                parts_of(each.reason, 70),
                Markup('<span class="{}">{}</span> {}').format(colour, shape, said),
            ]
        )
    return Markup('<div class="wrap">{}</div>').format(components.table(rows, numbers=1))


def _state(product: Product, draft: Description) -> tuple[str, str, str]:
    """Glyph, colour and words for where a draft stands."""
    result = product.results.get((draft.description_id, draft.revision))
    if nights := product.gathered(draft):
        return *VERDICTS[nights.verdict], f"over nights: {nights.verdict}"
    if other := product.waits_for(draft):
        return "○", "muted", f"waits for the verdict on {drafts(other)}"
    if result:
        return *VERDICTS[result.verdict], result.verdict
    return ("◐", "muted", "waits for its test") if draft.state == "testing" else ("○", "muted", "not tested")


def drafts(gathered: Gathered) -> str:
    """The drafts of a test over nights, without their product."""
    return " with ".join(
        f"{place_of(each.description_id)[2].replace('_', ' ')} r{each.revision}" for each in gathered.test.drafts
    )


def nights_verdict(gathered: Gathered) -> Markup:
    """What a test over nights says by now, large, and why."""
    shape, colour = VERDICTS[gathered.verdict]
    together = f"One verdict for {drafts(gathered)}. " if len(gathered.test.drafts) > 1 else ""
    return Markup('<div class="big {}" style="font-size:1.5rem">{} {}</div><div class="note">{}{}</div>').format(
        colour, shape, _sentence(gathered.verdict).rstrip("."), together, _sentence(gathered.why)
    )


def nights_table(gathered: Gathered) -> Markup:
    """All nights' answers in numbers."""
    bets, test = gathered.bets, gathered.test
    if not bets:
        return Markup()
    won, lost, images = (sum(getattr(bet, name) for bet in bets) for name in ("won", "lost", "images"))
    rows = [
        [
            "Won, lost",
            f"{won}, {lost} about {wording.counted(images, 'image')} in {wording.counted(len(bets), 'night')}",
        ],
        ["Last night's wager", f"{bets[-1].wager:.2f} of the wealth"],
        [
            "Elsewhere, worst bound",
            f"{knowledge.points(bets[-1].elsewhere_low)}, margin −{100 * test.margin:g}"
            if any(bet.elsewhere_images for bet in bets)
            else "retrieved nowhere else",
        ],
    ]
    return Markup('<div class="wrap">{}</div>').format(components.table(rows))


def bet_rows(over_nights: Sequence[Gathered]) -> pl.DataFrame:
    """Every night's bet, for export."""
    found = [(each, bet) for each in over_nights for bet in each.bets]
    return pl.DataFrame(schema.table(NightBet, [bet for _, bet in found])).with_columns(
        pl.Series("drafts", [drafts(each) for each, _ in found], pl.String),
        pl.Series("alpha", [each.test.alpha for each, _ in found], pl.Float64),
    )


def history(changes: Sequence[KnowledgeChange]) -> Markup:
    """What was done, newest first."""
    rows = [
        [
            Markup('<span class="sibling number">{:%d %b %H:%M}</span>').format(each.changed_at),
            Markup('<span class="sibling">r{} {}</span>').format(each.revision, each.state),
            f"{each.author}: {parts_of(each.reason, 110)}",
        ]
        for each in changes
    ]
    if not rows:
        return Markup('<div class="note">Stored with the knowledge base; nothing was changed since.</div>')
    return Markup('<div class="history">{}</div>').format(components.table(rows, numbers=0))


def bars(lifts: pl.DataFrame, texts: Sequence[Description]) -> list[Bar]:
    """The newest lift of each published revision, best first, corrected for how many there are."""
    known = {(each.description_id, each.revision) for each in texts if each.state == "published"}
    newest = lifts.unique(["description_id", "revision"], keep="first", maintain_order=True)
    listed = [row for row in newest.iter_rows(named=True) if (row["description_id"], row["revision"]) in known]
    qs = intervals.discoveries(pl.Series([row["p"] for row in listed], dtype=pl.Float64))
    found = [
        replace(_bar(row, f"{row['entry'].replace('_', ' ')} · r{row['revision']}"), in_list=len(listed) > 1, q=q)
        for row, q in zip(listed, qs, strict=True)
    ]
    return sorted(found, key=lambda bar: -bar.lift)


def over_time(lifts: pl.DataFrame, description_id: str) -> list[Bar]:
    """One description's newest lift in each of its last runs, oldest run first."""
    own = lifts.filter(description_id=description_id).unique(["run_id", "revision"], keep="first", maintain_order=True)
    rows = own.sort("started_at", nulls_last=False).tail(8).iter_rows(named=True)
    return [_bar(row, f"r{row['revision']}, {row['started_at'] or row['measured_at']:%d %b %H:%M}") for row in rows]


def _bar(row: Mapping[str, Any], name: str) -> Bar:
    return Bar(name, row["lift"], row["low"], row["high"], row["retrieved"], row["harmed"])


def lift_sentence(bars_of_texts: Sequence[Bar]) -> Markup:
    """Which text should be looked at next."""
    worst = min((bar for bar in bars_of_texts if bar.kind == "worse"), key=lambda bar: bar.lift, default=None)
    harmed = "Harmed: questions right without the text and wrong with it."
    if (n := len(bars_of_texts)) > 1:
        texts = wording.counted(n, "text")
        harmed += f" Each interval is 95 % by itself; ↑ and ↓ hold at a false-discovery rate of 5 % over {texts}."
    if old := sum(bar.in_list and bar.q is None for bar in bars_of_texts):
        were = wording.counted(old, "text was", "texts were")
        harmed += f" {were} measured before p was kept and cannot be marked; measure again."
    if worst:
        return Markup('{} <span class="escape">↓</span> <b>{}</b> should be looked at next.').format(harmed, worst.name)
    return escape(f"{harmed} No text is shown to harm.")


def by_subtask(lifts: pl.DataFrame, chosen: Description, live: Description | None) -> tuple[int, Markup]:
    """Which questions a revision helps and harms: of the chosen one if it was measured, else of the live one."""
    own = lifts.filter(description_id=chosen.description_id)
    known = [each.revision for each in (chosen, live) if each and each.revision in own["revision"]]
    revision = known[0] if known else int(own["revision"][0])
    newest = own.filter(revision=revision).row(0, named=True)
    rows = sorted(newest["subtasks"], key=lambda each: (-each["helped"] - each["harmed"], each["subtask"]))
    touched = [each for each in rows if each["helped"] or each["harmed"]]
    asked = f"{wording.counted(newest['sampled'], 'image was', 'images were')} asked again without it"
    if not touched:
        same = "no answer changed" if rows else "an earlier version measured this and kept no counts by subtask"
        return revision, Markup('<div class="note">{}; {}.</div>').format(asked, same)
    cells = [
        [each["subtask"], f"{each['questions']}", f"{each['helped']}", _harmed(each["harmed"])] for each in touched
    ]
    rest = len(rows) - len(touched)
    same = f"; in {wording.counted(rest, 'other subtask')} no answer changed" if rest else ""
    table = components.table(cells, ["subtask", "questions", "helped", "harmed"], numbers=3)
    return revision, Markup('<div class="wrap">{}</div><div class="note">{}{}.</div>').format(table, asked, same)


def _harmed(count: int) -> Markup:
    return Markup('<b class="escape">{}</b>').format(count) if count else Markup("0")


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
    rows = [Row("Affected", result.difference, result.low, result.high, knowledge.kind_of(result.low, result.high))]
    if result.elsewhere_images:
        rows.append(Row("Elsewhere", result.elsewhere_difference, result.elsewhere_low, None, "unsure"))
    return rows


def gate_table(attempt: GateAttempt, result: GateResult) -> Markup:
    """The test in numbers."""
    point = knowledge.points
    elsewhere = wording.counted(result.elsewhere_images, "image")
    rows = [
        [
            "Affected, 95 %",
            Markup("<b>{}</b> ({} to {})").format(point(result.difference), point(result.low), point(result.high)),
        ],
        [
            "Won, lost",
            f"{result.won}, {result.lost} of {result.questions:,} about {wording.counted(result.images, 'image')}",
        ],
        [
            "p of better, of its share",
            f"{wording.p_number(result.p_better, 4)} of {gate.ON_BETTER * attempt.alpha:.4f}",
        ],
        ["p of worse, of its share", f"{wording.p_number(result.p_worse, 4)} of {gate.ON_WORSE * attempt.alpha:.4f}"],
        [
            "Elsewhere, worst bound",
            f"{point(result.elsewhere_low)}, margin −{100 * attempt.margin:g}; {elsewhere}"
            if result.elsewhere_images
            else "retrieved nowhere else",
        ],
        ["Same run, settings, seed", Markup('<span class="accent">✓</span> {}').format(attempt.run_id[-8:])],
    ]
    if result.images_needed:
        rows.append(["Images needed", f"{result.images_needed:,}; there are {result.images:,}"])
    return Markup('<div class="wrap">{}</div>').format(components.table(rows))


def verdict(result: GateResult) -> Markup:
    """The verdict, large, and why."""
    shape, colour = VERDICTS[result.verdict]
    return Markup('<div class="big {}" style="font-size:1.5rem">{} {}</div><div class="note">{}</div>').format(
        colour,
        shape,
        _sentence(result.verdict).rstrip("."),
        _sentence(result.why),
    )


def parts_of(text: str, at_most: int) -> str:
    """Text cut to a length."""
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
