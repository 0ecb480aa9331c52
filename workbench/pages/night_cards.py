"""What the Tonight and Health pages say: sentences and small pieces of HTML, from a morning report and findings.

Knows nothing of the address or of widgets. Everything that comes from the warehouse is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import polars as pl

from warehouse.night_records import Night
from warehouse.records import Run
from workbench.analysis import drift
from workbench.analysis.charts_nights import Point, Strand
from workbench.analysis.drift import Rate, Signal
from workbench.inspection.doctor import Finding
from workbench.nights import reports as telling
from workbench.nights.reports import Morning
from workbench.pages import parts
from workbench.pages.parts import glyph
from workbench.pages.run_cards import duration

_STATE_WORDS = {
    "running": "at work",
    "finished": "everything new was scored",
    "cut": "its window shut; the next night goes on",
    "stopped": "stopped; the next call goes on",
    "failed": "somebody must look",
    "alarm": "golden samples moved",
    "void": "dated by a wrong clock",
}
_SIGNS = {"red": ("✗", "escape"), "yellow": ("!", "overkill"), "green": ("✓", "accent")}
STRANDS = 3


def under(report: Morning) -> str:
    """The line below the page's finding."""
    model = "embedded demo model: drawn products only, says nothing about real ones" if report.demo else report.model
    caught_up = f" · {report.caught_up} missed nights caught up" if report.caught_up else ""
    state = _STATE_WORDS[report.state]
    return f"{escape(report.archive)} · {state}{caught_up} · {duration(report.seconds)} · {escape(model)}"


def rate(one: Rate, changes: Sequence[Signal]) -> str:
    """Value, interval against what it was before, n, and whether that is an alarm."""
    unit, scale, digits = ("%", 100, 1) if one.name in drift.SHARES else ("nat", 1, 2)
    ends = [one.low, one.high, one.baseline, one.tonight]
    pad = (max(ends) - min(ends)) * 0.35 or max(abs(one.tonight) * 0.2, 0.01)
    least, most = min(ends) - pad, max(ends) + pad
    if one.name in drift.SHARES:
        least = max(0.0, least)

    def at(value: float) -> str:
        return f"{100 * (value - least) / (most - least):.2f}%"

    colour = {"escape": "escape", "overkill": "overkill", "invalid": "other", "unreadable": "other"}.get(
        one.name, "ink"
    )
    return (
        f'<div class="row"><span class="big">{scale * one.tonight:.{digits}f}<small>{unit}</small></span>'
        f"{_chip(one, changes)}</div>"
        f'<div style="position:relative;height:1.5rem;margin:.35rem 0 .15rem">'
        f'<div style="position:absolute;left:0;right:0;top:50%;border-top:1px solid var(--line)"></div>'
        f'<div style="position:absolute;left:{at(one.low)};right:calc(100% - {at(one.high)});top:38%;bottom:38%;'
        f'background:var(--{colour});opacity:.35"></div>'
        f'<div style="position:absolute;left:{at(one.baseline)};top:0;bottom:0;'
        f'border-left:1.5px dotted var(--muted)"></div>'
        f'<div class="{colour}" style="position:absolute;left:{at(one.tonight)};top:50%;'
        f'transform:translate(-50%,-50%);line-height:1">{_mark(one.name)}</div></div>'
        f'<div class="note">95 %: {scale * one.low:.{digits}f}–{scale * one.high:.{digits}f}, before '
        f"{scale * one.baseline:.{digits}f} · {one.images:,} images</div>"
    )


def _chip(one: Rate, changes: Sequence[Signal]) -> str:
    """Whether the whole archive's rate is an alarm, or only beside its interval, or as it was."""
    if one.low <= one.baseline <= one.high:
        return '<span class="chip">as before</span>'
    side = "higher" if one.tonight > one.baseline else "lower"
    if not any(change.name == one.name and change.group == "all" for change in changes):
        return f'<span class="chip">{side}, no alarm</span>'
    colour = "" if one.name == "alarm" else " escape" if side == "higher" else " accent"
    return f'<span class="chip{colour}">{side}, an alarm</span>'


def _mark(name: str) -> str:
    return {"escape": "▲", "overkill": "■", "invalid": "◇", "unreadable": "◇"}.get(name, "●")


def errors(report: Morning) -> str:
    """Errors where labels can't tell them."""
    if report.labelled or not report.images:
        return ""
    if not report.truth:
        return (
            '<div class="big">not measurable</div><div class="note">The archive has no labels. Errors can be told from '
            "golden samples with labels (<code>workbench schedule add --golden DIR</code>) or from audited cases that "
            "people judged.</div>"
        )
    rows = [
        [
            escape(each.source),
            f"{each.wrong} of {each.n}",
            f"{each.wrong / each.n:.1%}".replace("%", " %"),
            f"{100 * each.low:.1f}–{100 * each.high:.1f} %",
        ]
        for each in report.truth
    ]
    return parts.table(rows, ("told from", "wrong", "share", "95 %"), numbers=3)


def changes(report: Morning) -> str:
    """What is past the false-alarm rate, the surest first."""
    if not report.signals:
        few = f"{report.baseline_images:,} images before, {report.images:,} tonight"
        return (
            f'<div class="note">Too few images to compare: {few}. A group needs {drift.LEAST_TONIGHT} tonight and '
            f"{drift.LEAST_BASELINE} before.</div>"
        )
    if not report.changes:
        return (
            f'<div class="note">{glyph("right")} Nothing: none of {report.signals} signals left its usual range.</div>'
        )
    rows = [
        [
            f"{_kind(each)}<b>{escape((each.value or 'all images').replace('_', ' '))}</b>",
            f"{_mark_of(each.name)}{escape(each.name)}",
            _number(each, each.baseline),
            f"<b>{_number(each, each.tonight)}</b>",
            f"{each.images:,}",
            "&lt; 0.001" if each.p_value < 1e-3 else f"{each.p_value:.3f}",
        ]
        for each in report.changes
    ]
    return parts.table(rows, ("where", "signal", "before", "tonight", "images", "p"), numbers=4)


def slices(report: Morning) -> str:
    """Parts of the answers that became bad, the surest first."""
    if not report.slices:
        none = "None beyond doubt: no part of the answers became worse than the rest."
        return f'<div class="note">{glyph("right")} {none}</div>'
    rows = [
        [
            f"<b>{escape(telling.conditions_in_words(each))}</b>",
            f"{100 * each.baseline:.0f} %",
            f"{100 * each.expected:.0f} %",
            f"<b>{100 * each.rate:.0f} %</b>",
            f"{100 * each.detectable:.0f}",
            f"{each.n:,}",
            f"{each.images:,}",
            "&lt; 0.001" if each.q < 1e-3 else f"{each.q:.3f}",
        ]
        for each in report.slices
    ]
    return parts.table(rows, ("where", "before", "expected", "tonight", "shows", "n", "images", "q"), numbers=7)


def _kind(signal: Signal) -> str:
    return f'<span class="muted">{escape(signal.group)}</span> ' if signal.value else ""


def _mark_of(name: str) -> str:
    return f"{glyph(name)} " if name in ("escape", "overkill", "invalid") else ""


def _number(signal: Signal, value: float) -> str:
    if signal.name in drift.SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.2f} nat" if signal.name == "entropy" else f"{value:.2f}"


def failures(report: Morning) -> str:
    """Why images failed."""
    rows = [
        [f'{escape(each.reason)}<div class="note">{escape(each.example)}</div>', f"{each.images:,}"]
        for each in report.failures
    ]
    return parts.table(rows, ("why images failed, and one of them", "images")) if rows else ""


def steps(report: Morning) -> str:
    """What was done after scoring."""
    kinds = {"done": "right", "failed": "failed", "skipped": "unlabelled"}
    rows = [
        [
            f'<span class="sibling">{glyph(kinds[each.state])} {escape(each.step)}</span>',
            f'<span class="muted">{escape(each.message)}</span>',
        ]
        for each in report.steps
    ]
    if not rows:
        return '<div class="note">Nothing was to be done after scoring.</div>'
    return f'<div class="wrap">{parts.table(rows, numbers=0)}</div>'


def queue(report: Morning) -> str:
    """What waits for people, against what a night may hand them."""
    waiting, budget = report.disputes_waiting, report.review_budget
    verb = "case waits" if waiting == 1 else "cases wait"
    told = "" if budget is None else f" · budget {budget:,} a night"
    said = f'<div class="big" style="margin-top:.6rem">{waiting:,}<small>{verb} for people{told}</small></div>'
    if not budget:
        return said
    whole = 1.08 * max(waiting, budget)
    over = waiting - budget
    filled = parts.bar([(min(waiting, budget), "var(--accent)"), (over, "var(--escape)")], whole)
    tick = (
        f'<span style="position:absolute;left:{100 * budget / whole:.2f}%;top:-.25rem;bottom:-.25rem;'
        'border-left:1.5px dashed var(--muted)"></span>'
    )
    note = f"{over:,} more than one night’s budget" if over > 0 else "within one night’s budget"
    return (
        f'{said}<div style="position:relative;margin:.5rem 0 .35rem">{filled}{tick}</div><div class="note">{note}</div>'
    )


def counts(report: Morning) -> str:
    """What was scored."""
    rows = [
        ["images", f"{report.images:,}"],
        ["questions", f"{report.questions:,}"],
        [f"{glyph('invalid')} answers that could not be read", f"{report.invalid:,}"],
        [f"{glyph('failed')} failed questions", f"{report.failed:,}"],
    ]
    if report.quarantined:
        rows.append(["quarantined images", f"{report.quarantined:,}"])
    if report.left:
        rows.append(["images that wait for the next night", f"{report.left:,}"])
    if report.images_per_second:
        rows.append(["images a second, everything included", f"{report.images_per_second:.2f}"])
    return parts.table(rows)


def live(night: Night, run: Run | None) -> str:
    """A night that is being worked on."""
    if run is None or not run.planned:
        return f'<div class="note">{glyph("running")} {escape(night.schedule)}: getting ready</div>'
    done = run.answered + run.invalid + run.failed
    share = done / run.planned
    return (
        f'<div class="row"><span class="big">{100 * share:.0f}<small>%</small></span>'
        f'<span class="note number">{done:,} of {run.planned:,} questions</span></div>'
        + parts.bar([(done, "var(--accent)")], run.planned, tall=True)
        + f'<div class="note">{escape(night.schedule)}, try {night.tries}</div>'
    )


def strands(reports: Sequence[Morning]) -> list[Strand]:
    """The newest report's rates over all nights that have them, oldest first."""
    newest = next((report for report in reports if report.rates), None)
    if newest is None:
        return []
    found = []
    for name in [one.name for one in newest.rates][:STRANDS]:
        points = [
            Point(
                report.due_at,
                one.tonight,
                one.low,
                one.high,
                one.baseline,
                one.images,
                any(change.name == name and change.group == "all" for change in report.changes),
            )
            for report in reversed(reports)
            for one in report.rates
            if one.name == name
        ]
        found.append(Strand(name, points, name in drift.SHARES))
    return found


def as_rows(reports: Sequence[Morning]) -> pl.DataFrame:
    """Every rate of every night, for export."""
    return pl.DataFrame(
        [
            {"schedule": report.schedule, "due_at": report.due_at, "rate": one.name, "tonight": one.tonight,
             "low": one.low, "high": one.high, "baseline": one.baseline, "images": one.images,
             "baseline_images": one.baseline_images, "covered": one.covered}
            for report in reports for one in report.rates
        ]
    )  # fmt: skip


def night_rows(reports: Sequence[Morning]) -> pl.DataFrame:
    """What every night scored and left to people, for export."""
    names = ("schedule", "due_at", "state", "images", "questions", "invalid", "failed", "failed_images", "quarantined",
             "left", "seconds", "images_per_second", "baseline_images", "labelled", "signals", "disputes_waiting",
             "review_budget")  # fmt: skip
    return pl.DataFrame(
        [{name: getattr(report, name) for name in names} for report in reports], infer_schema_length=None
    )


def changed_rows(report: Morning) -> pl.DataFrame:
    """The night's changes, for export."""
    return pl.DataFrame(
        [
            {"signal": each.name, "group": each.group, "value": each.value, "tonight": each.tonight,
             "baseline": each.baseline, "distance": each.distance, "images": each.images,
             "baseline_images": each.baseline_images, "p_value": each.p_value, "in_words": telling.in_words(each)}
            for each in report.changes
        ]
    )  # fmt: skip


def slice_rows(report: Morning) -> pl.DataFrame:
    """The night's new bad slices, for export."""
    return pl.DataFrame(
        [
            {"conditions": "; ".join(f"{name} = {value}" for name, value in each.conditions), "n": each.n,
             "images": each.images, "rate": each.rate, "expected": each.expected, "baseline": each.baseline,
             "detectable": each.detectable, "q": each.q, "in_words": telling.slice_in_words(each)}
            for each in report.slices or ()
        ]
    )  # fmt: skip


def findings(found: Sequence[Finding]) -> str:
    """The doctor's findings, each with its remedy."""
    rows = []
    for each in found:
        sign, colour = _SIGNS[each.state]
        remedy = f'<div class="note">→ {escape(each.remedy)}</div>' if each.remedy else ""
        rows.append(
            [
                f'<span class="{colour}" title="{each.state}">{sign}</span>',
                f"<b>{escape(each.subject)}</b>",
                f"{escape(each.detail)}{remedy}",
            ]
        )
    return f'<div class="wrap">{parts.table(rows, numbers=0)}</div>'
