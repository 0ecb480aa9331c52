"""What the Tonight and Health pages say: sentences and small pieces of HTML, from a morning report and findings.

Knows nothing of the address or of widgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from markupsafe import Markup, escape

from warehouse.records.audit import AuditRow
from warehouse.records.nights import Night
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import drift
from workbench.analysis.charts.nights import Point, Strand
from workbench.analysis.drift import Rate, Signal
from workbench.nights import chart_words
from workbench.nights import reports as telling
from workbench.nights.chart_words import Charts
from workbench.nights.reports import Morning
from workbench.pages.runs.cards import duration
from workbench.pages.ui import components
from workbench.pages.ui.components import glyph
from workbench.review.escape_estimate import Week
from workbench.scoring.doctor import Finding

_STATE_WORDS = {
    "running": "running",
    "finished": "everything new was scored",
    "cut": "its window closed; the next night continues",
    "stopped": "stopped; the next call continues",
    "failed": "needs attention",
    "alarm": "golden samples moved",
    "void": "dated by a wrong clock",
}
_SIGNS = {"red": ("✗", "escape"), "yellow": ("!", "overkill"), "green": ("✓", "accent")}
STRANDS = 3


def under(report: Morning) -> str:
    """The line below the page's finding."""
    model = "embedded demo model: drawn products only, says nothing about real ones" if report.demo else report.model
    caught_up = f" · {wording.counted(report.caught_up, 'missed night')} caught up" if report.caught_up else ""
    state = _STATE_WORDS[report.state]
    if report.state == "finished" and report.waiting_files:
        state = report.waiting_in_words
    return f"{report.archive} · {state}{caught_up} · {duration(report.seconds)} · {model}"


def rate(estimate: Rate, changes: Sequence[Signal]) -> Markup:
    """Value, interval against what it was before, n, and whether that is an alarm."""
    unit, scale, digits = ("%", 100, 1) if estimate.name in drift.SHARES else ("nat", 1, 2)
    ends = [estimate.low, estimate.high, estimate.baseline, estimate.tonight]
    pad = (max(ends) - min(ends)) * 0.35 or max(abs(estimate.tonight) * 0.2, 0.01)
    least, most = min(ends) - pad, max(ends) + pad
    if estimate.name in drift.SHARES:
        least = max(0.0, least)

    def at(value: float) -> str:
        return f"{100 * (value - least) / (most - least):.2f}%"

    colour = {"escape": "escape", "overkill": "overkill", "invalid": "other", "unreadable": "other"}.get(
        estimate.name, "ink"
    )
    return Markup(
        '<div class="row"><span class="big">{:.{}f}<small>{}</small></span>'
        "{}</div>"
        '<div style="position:relative;height:1.5rem;margin:.35rem 0 .15rem">'
        '<div style="position:absolute;left:0;right:0;top:50%;border-top:1px solid var(--line)"></div>'
        '<div style="position:absolute;left:{};right:calc(100% - {});top:38%;bottom:38%;'
        'background:var(--{});opacity:.35"></div>'
        '<div style="position:absolute;left:{};top:0;bottom:0;'
        'border-left:1.5px dotted var(--muted)"></div>'
        '<div class="{}" style="position:absolute;left:{};top:50%;'
        'transform:translate(-50%,-50%);line-height:1">{}</div></div>'
        '<div class="note">95 %: {:.{}f}–{:.{}f}, before '
        "{:.{}f} · {}</div>"
    ).format(
        scale * estimate.tonight,
        digits,
        unit,
        _chip(estimate, changes),
        at(estimate.low),
        at(estimate.high),
        colour,
        at(estimate.baseline),
        colour,
        at(estimate.tonight),
        _mark(estimate.name),
        scale * estimate.low,
        digits,
        scale * estimate.high,
        digits,
        scale * estimate.baseline,
        digits,
        wording.counted(estimate.images, "image"),
    )


def _chip(one: Rate, changes: Sequence[Signal]) -> Markup:
    """Whether the whole archive's rate is an alarm, or only beside its interval, or as it was."""
    if one.low <= one.baseline <= one.high:
        return Markup('<span class="chip">as before</span>')
    side = "higher" if one.tonight > one.baseline else "lower"
    if not any(change.name == one.name and change.group == "all" for change in changes):
        return Markup('<span class="chip">{}, no alarm</span>').format(side)
    colour = "" if one.name == "alarm" else " escape" if side == "higher" else " accent"
    return Markup('<span class="chip{}">{}, an alarm</span>').format(colour, side)


def _mark(name: str) -> str:
    return {"escape": "▲", "overkill": "■", "invalid": "◇", "unreadable": "◇"}.get(name, "●")


def errors(report: Morning, estimate: Week | None = None) -> Markup:
    """Errors where labels can't tell them; `estimate` is the week's, which stands on a card of its own."""
    if report.labelled or not report.images:
        return Markup()
    if estimate and not report.truth:
        return Markup(
            '<div class="note">The archive has no labels. Cases that were drawn for review tell the week’s errors: see '
            "<b>True escape and overkill</b>.</div>"
        )
    if not report.truth:
        return Markup(
            '<div class="big">not measurable</div><div class="note">The archive has no labels. Errors can be told from '
            "golden samples with labels (<code>workbench schedule add --golden DIR</code>) or from audited cases that "
            "people judged.</div>"
        )
    rows = [
        [
            each.error,
            f"{each.wrong:,} of {each.n:,} {each.of_what}",
            wording.percent(each.wrong / each.n, 1),
            each.interval,
        ]
        for each in report.truth
    ]
    return components.table(rows, ("", "", "share", "95 %"), numbers=2)


def week(estimate: Week | None) -> Markup:
    """True escape and overkill of a week, from drawn cases."""
    if estimate is None:
        return Markup(
            '<div class="note">No case of these seven days was drawn for review. '
            "<code>workbench schedule add --review-budget 40</code> draws some every night.</div>"
        )
    rows = [[name, Markup("<b>{}</b>").format(value), *ends] for name, value, *ends in telling.week_rows(estimate)]
    head = ("", "estimate", "95 %", "whatever the unanswered are")
    return components.table(rows, head, numbers=3) + Markup('<div class="note">{}</div>').format(
        telling.week_in_words(estimate)
    )


def week_rows(estimate: Week) -> pl.DataFrame:
    """The week's estimate, for export."""
    good, defective = estimate.called_good, estimate.called_defective
    shares = (("escape", None, estimate.escape), ("overkill", None, estimate.overkill),
              ("called good", good, good.share), ("called defective", defective, defective.share))  # fmt: skip
    return pl.DataFrame(
        [
            {"estimate": name, "value": share.value, "low": share.low, "high": share.high,
             "bound_low": share.bound_low, "bound_high": share.bound_high,
             **{each: getattr(side, each, None) for each in ("answers", "draws", "judgements", "wrong", "power")}}
            for name, side, share in shares
        ], infer_schema_length=None,
    )  # fmt: skip


def changes(report: Morning) -> Markup:
    """What is past the false-alarm rate, the surest first."""
    if not report.signals:
        nights = wording.counted(report.baseline_nights, "night")
        few = f"{wording.counted(report.baseline_images, 'image')} of {nights} before, {report.images:,} tonight"
        return Markup(
            '<div class="note">Too few images to compare: {}. A group needs {} tonight, {} of {} nights before.</div>'
        ).format(
            few,
            drift.LEAST_TONIGHT,
            drift.LEAST_BASELINE,
            drift.LEAST_NIGHTS,
        )
    if report.causes and not report.unexplained:
        return Markup('<div class="note">{} Nothing that does not belong to what stands above.</div>').format(
            glyph("right")
        )
    if not report.changes:
        return Markup('<div class="note">{} Nothing: none of {} signals left its usual range.</div>').format(
            glyph("right"), report.signals
        )
    rows = [
        [
            Markup("{}<b>{}</b>").format(_kind(each), (each.value or "all images").replace("_", " ")),
            _mark_of(each.name) + telling.named(each.name),
            _number(each, each.baseline),
            Markup("<b>{}</b>").format(_number(each, each.tonight)),
            f"{each.images:,}",
        ]
        for each in report.unexplained
    ]
    return components.table(rows, ("where", "signal", "before", "tonight", "images"), numbers=3)


def over_the_nights(charts: Charts) -> Markup:
    """The alarms of charts, how near each chart is to one, and what they are compared with."""
    words = Markup("").join(Markup('<div class="note">{}</div>').format(said) for said in chart_words.sentences(charts))
    rows = [
        [_mark_of(each.signal) + each.signal, chart_words.number(each.signal, each.usual), f"{each.nights:,}",
         wording.percent(each.distance)]
        for each in charts.readings
    ]  # fmt: skip
    if not rows:
        return words
    return components.table(rows, ("chart", "usual", "nights since", "towards an alarm"), numbers=3) + words


def slices(report: Morning) -> Markup:
    """Parts of the answers that became bad, the surest first."""
    if not report.slices:
        none = "Not enough evidence that any part of the answers became worse than the rest."
        return Markup('<div class="note">{} {}</div>').format(glyph("right"), none)
    rows = [
        [
            Markup("<b>{}</b>").format(telling.conditions_in_words(each)),
            wording.percent(each.baseline),
            wording.percent(each.expected),
            Markup("<b>{}</b>").format(wording.percent(each.rate)),
            f"{100 * each.detectable:.0f}",
            f"{each.n:,}",
            f"{each.images:,}",
        ]
        for each in report.slices
    ]
    return components.table(rows, ("where", "before", "expected", "tonight", "shows", "n", "images"), numbers=6)


def _kind(signal: Signal) -> Markup:
    return Markup('<span class="muted">{}</span> ').format(signal.group) if signal.value else Markup()


def _mark_of(name: str) -> Markup:
    return glyph(name) + " " if name in ("escape", "overkill", "invalid") else Markup()


def _number(signal: Signal, value: float) -> str:
    if signal.name in drift.SHARES:
        return wording.percent(value, 1)
    return f"{value:.2f} nat" if signal.name == "entropy" else f"{value:.2f}"


def failures(report: Morning) -> Markup:
    """Why images failed."""
    rows = [
        [Markup('{}<div class="note">{}: {}</div>').format(each.in_words(), each.example, each.reason)]
        for each in report.failures
    ]
    return components.table(rows, ("why images failed, and one of them",), numbers=0) if rows else Markup()


def steps(report: Morning) -> Markup:
    """What was done after scoring."""
    kinds = {"done": "right", "failed": "failed", "skipped": "unlabelled"}
    rows = [
        [
            Markup('<span class="sibling">{} {}</span>').format(glyph(kinds[each.state]), each.step),
            Markup('<span class="muted">{}</span>').format(each.message),
        ]
        for each in report.steps
    ]
    if not rows:
        return Markup('<div class="note">Nothing was to be done after scoring.</div>')
    return Markup('<div class="wrap">{}</div>').format(components.table(rows, numbers=0))


def queue(report: Morning) -> Markup:
    """What waits for people, against what a night may hand them."""
    waiting, budget = report.disputes_waiting, report.review_budget
    verb = "case waits" if waiting == 1 else "cases wait"
    told = "" if budget is None else f" · budget {budget:,} a night"
    said = Markup('<div class="big" style="margin-top:.6rem">{:,}<small>{} for people{}</small></div>').format(
        waiting, verb, told
    )
    if not budget:
        return said
    whole = 1.08 * max(waiting, budget)
    over = waiting - budget
    filled = components.bar([(min(waiting, budget), "var(--accent)"), (over, "var(--escape)")], whole)
    tick = Markup(
        '<span style="position:absolute;left:{:.2f}%;top:-.25rem;bottom:-.25rem;'
        'border-left:1.5px dashed var(--muted)"></span>'
    ).format(
        100 * budget / whole,
    )
    return Markup('{}<div style="position:relative;margin:.5rem 0 .35rem">{}{}</div><div class="note">{}</div>').format(
        said, filled, tick, report.queue_in_words
    )


def counts(report: Morning) -> str:
    """What was scored."""
    rows = [
        ["images", f"{report.images:,}"],
        ["questions", f"{report.questions:,}"],
        [glyph("invalid") + " answers that could not be read", f"{report.invalid:,}"],
        [glyph("failed") + " failed questions", f"{report.failed:,}"],
    ]
    if report.quarantined:
        rows.append(["quarantined images", f"{report.quarantined:,}"])
    if report.left:
        rows.append(["images that wait for the next night", f"{report.left:,}"])
    if report.images_per_second:
        rows.append(["images a second, everything included", f"{report.images_per_second:.2f}"])
    return components.table(rows)


def live(night: Night, run: Run | None) -> Markup:
    """A night that is being worked on."""
    if run is None or not run.planned:
        return Markup('<div class="note">{} {}: getting ready</div>').format(glyph("running"), night.schedule)
    done = run.answered + run.invalid + run.failed
    share = done / run.planned
    return (
        Markup(
            '<div class="row"><span class="big">{:.0f}<small>%</small></span>'
            '<span class="note number">{:,} of {}</span></div>'
        ).format(
            100 * share,
            done,
            wording.counted(run.planned, "question"),
        )
        + components.bar([(done, "var(--accent)")], run.planned, tall=True)
        + Markup('<div class="note">{}, try {}</div>').format(night.schedule, night.tries)
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
                report.due.replace(tzinfo=None),  # Plotly draws wall times
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
        found.append(Strand(telling.named(name), points, name in drift.SHARES))
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


def findings(checks: Sequence[Finding]) -> Markup:
    """The doctor's findings, each with its remedy."""
    rows = []
    for each in checks:
        sign, colour = _SIGNS[each.state]
        remedy = Markup('<div class="note">→ {}</div>').format(each.remedy) if each.remedy else ""
        rows.append(
            [
                Markup('<span class="{}" title="{}">{}</span>').format(colour, each.state, sign),
                Markup("<b>{}</b>").format(each.subject),
                escape(each.detail) + remedy,
            ]
        )
    return Markup('<div class="wrap">{}</div>').format(components.table(rows, numbers=0))


def audit_rows(log: Sequence[AuditRow]) -> Markup:
    """The audit log's newest rows."""
    if not log:
        return Markup('<div class="note">No change is on record.</div>')
    rows = [
        [
            Markup('<span class="note">{:%Y-%m-%d %H:%M}</span>').format(row.changed_at),
            Markup("<b>{}</b>").format(row.action),
            escape(row.subject),
            Markup('{}<span class="note">, {}</span>').format(row.actor, row.channel),
        ]
        for row in log
    ]
    return Markup('<div class="wrap">{}</div>').format(components.table(rows, numbers=0))
