"""What the Runs page says about a run: sentences and small pieces of HTML, from records and frames.

Knows nothing of the address or of widgets.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import polars as pl
from markupsafe import Markup

from warehouse.records.scoring import Archive, PassedOver, Run, Timings
from workbench import settings as configuration
from workbench import wording
from workbench.analysis import alarms, cell_totals, run_differences, subtasks
from workbench.analysis import failures as failure_groups
from workbench.analysis.cell_totals import Detection
from workbench.archive import problems, run_views, tone_range
from workbench.pages.ui import components
from workbench.pages.ui.components import glyph
from workbench.pages.ui.reads import RunCounts

DIFFERENCES_SHOWN = 4  # settings of a run in the list

# From what waits for the disk to what thinks; shades of one colour, because they are parts of one thing.
_TIME_COLOURS = {
    "load": "var(--faint)",
    "vision": "color-mix(in srgb, var(--accent) 40%, var(--card))",
    "prefill": "color-mix(in srgb, var(--accent) 65%, var(--card))",
    "loop": "var(--accent)",
    "answer": "color-mix(in srgb, var(--accent) 55%, var(--ink))",
    "write": "var(--muted)",
}
_TIME_WORDS = {
    "load": "load the model",
    "vision": "look at images",
    "prefill": "read the prompt",
    "loop": "reason in latent space",
    "answer": "answer",
    "write": "write parts",
}


def moment(time: datetime) -> str:
    """A stored time for people."""
    return time.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def duration(seconds: float) -> str:
    """Seconds in the unit people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def percent(rate: float) -> str:
    """A rate as whole percent."""
    return wording.percent(rate)


def finding(run: Run, cells: pl.DataFrame) -> Markup:
    """The one sentence about a run: how right it was, or how far it is, or why it ended."""
    done = run.answered + run.invalid + run.failed
    if run.state == "running":
        head = Markup("{} <b>Running:</b> {:,} of {}").format(
            glyph("running"), done, wording.counted(run.planned, "question")
        )
        return head + f", {_left(run.planned, cells)}."
    if run.state in ("failed", "stopped", "cancelled"):
        why = f" {run.message}" if run.message else ""
        head = Markup("{} <b>{}</b>").format(glyph(run.state), run.state.capitalize())
        return head + f" after {done:,} of {wording.counted(run.planned, 'question')}.{why}"
    if not run.answered and not run.invalid and run.failed:
        return Markup("{} <b>No question was answered:</b> all {:,} failed; below is why.").format(
            glyph("failed"), run.failed
        )
    unread = f" {run.failed:,} failed, {run.invalid:,} {_unread(run)}." if run.failed or run.invalid else ""
    accuracy = cell_totals.accuracy_by_subtask(cells, run.subtasks)
    if accuracy.is_empty():
        head = Markup("<b>{:,} of {} answered.</b>").format(run.answered, wording.counted(run.planned, "question"))
        why = " The archive has no labels, so nothing says how many are right."
        return head + why + called(cells) + unread
    mean = wording.percent(fmean(accuracy["rate"]))
    escapes = wording.counted(cell_totals.total(cells, "escape"), "escape")
    missed = Markup("{} {} (defects missed)").format(glyph("escape"), escapes)
    overkill = cell_totals.total(cells, "overkill")
    good_called = Markup("{} {:,} overkill (good called defective)").format(glyph("overkill"), overkill)
    found = cell_totals.detection(cells)
    neither = Markup(", {} {:,} unreadable").format(glyph("invalid"), found.unread) if found.unread else ""
    head = Markup("<b>Mean accuracy {}</b> over {}; {}, {}{}.").format(
        mean, wording.counted(accuracy.height, "subtask"), missed, good_called, neither
    )
    return head + unread + called(cells) + unclaimed(found)


def called(cells: pl.DataFrame) -> Markup:
    """How many pictures without a label were called defective, and how sure that was, if there are any."""
    found = alarms.total(cells.filter(pl.col("subtask").is_null()))
    return Markup(" {} {}").format(glyph("alarm"), found.sentence) if found.images else Markup()


def unclaimed(counts: Detection) -> str:
    """How many detection answers claim nothing that anybody knows of, if any."""
    many = wording.counted(counts.unclaimed, "detection answer")
    return f" Of {many} nothing tells whether they claim a defect." if counts.unclaimed else ""


def detection(cells: pl.DataFrame) -> Markup:
    """Escapes, overkill and what could not be read, each of how many; without labels alarms and passes."""
    found = cell_totals.detection(cells)
    if not found.defective and not found.good:
        return called(cells)
    escapes, good = wording.counted(found.escapes, "escape"), found.good
    return Markup(" {} {} of {:,}, {} {:,} overkill of {:,}, {} {:,} unreadable.{}{}").format(
        glyph("escape"), escapes, found.defective, glyph("overkill"), found.overkills, good, glyph("invalid"),
        found.unread, called(cells), unclaimed(found),
    )  # fmt: skip


def under(run: Run, archive: Archive | None, beside: str = "") -> Markup:
    """Which run the page speaks of, in grey, and what stands beside reviewed numbers."""
    name = archive.name if archive else "an archive not registered here"
    more = Markup("<br>{}").format(beside) if beside else ""
    return Markup("{}&ensp;run of {} over {}{}").format(components.model_chip(run), moment(run.started_at), name, more)


def between(base: Run, run: Run) -> str:
    """Both runs' times, in grey."""
    return f"A of {moment(base.started_at)}, B of {moment(run.started_at)}"


def _left(planned: int, cells: pl.DataFrame) -> str:
    """From what a question took so far, not from the clock: a resumed run's clock ran while nothing did."""
    if cells.is_empty():
        return "the model is being loaded"
    done = cell_totals.total(cells, "questions")
    if done >= planned:
        return "about to end"
    return f"about {duration(cell_totals.seconds(cells) / done * (planned - done))} of work left"


def line(run: Run, archive: Archive | None, counts: RunCounts | None) -> Markup:
    """A run in the list: state, model, archive, what isn't the default, how far, how right.

    Args:
        run: the run.
        archive: its archive; None where it isn't registered here.
        counts: what its answers come to; None without any.
    """
    done = run.answered + run.invalid + run.failed
    name = archive.name if archive else "unknown archive"
    trouble = Markup().join(
        Markup("&ensp;{} {:,}").format(glyph(kind), count)
        for kind, count in (("invalid", run.invalid), ("failed", run.failed))
        if count
    )
    more = Markup()
    if counts is not None and counts.accuracy is not None:
        right = wording.percent(counts.accuracy)
        more += Markup('<div class="note number">{} right of {:,} judged</div>').format(right, counts.counted)
    if counts is not None and counts.unlabelled_images:
        more += Markup('<div class="note number">{} {:,} of {:,} called defective</div>').format(
            glyph("alarm"), counts.alarm_images, counts.unlabelled_images
        )
    if changed := run_differences.from_defaults(run.settings):
        more += Markup('<div class="note">{}</div>').format(", ".join(changed[:DIFFERENCES_SHOWN]))
    return Markup(
        '<div class="row note"><span>{} {} · {}</span>{}</div>'
        '<div style="margin:.3rem 0 .25rem">{}</div>'
        '<div class="row note number"><span>{:,} of {}{}</span></div>{}'
    ).format(
        glyph(run.state),
        run.state,
        name,
        components.model_chip(run),
        counts_bar(run),
        done,
        wording.counted(run.planned, "question"),
        trouble,
        more,
    )


def counts_bar(run: Run) -> str:
    """Answered, invalid and failed questions of the planned ones."""
    return components.bar(
        [(run.answered, "var(--accent)"), (run.invalid, "var(--other)"), (run.failed, "var(--escape)")], run.planned
    )


def progress(run: Run, cells: pl.DataFrame) -> Markup:
    """How far a run is, and how fast its images went through."""
    done = run.answered + run.invalid + run.failed
    share = wording.percent(done / run.planned) if run.planned else "–"
    speed = cell_totals.images_per_second(cells)
    rows = [
        [glyph("finished") + " answered", f"{run.answered:,}"],
        [glyph("invalid") + " invalid", f"{run.invalid:,}"],
        [glyph("failed") + " failed", f"{run.failed:,}"],
        ["planned", f"{run.planned:,}"],
        ["images per second", f"{speed:.2g}" if speed is not None and speed < 10 else f"{speed:.0f}" if speed else "–"],
    ]
    return Markup(
        '<div class="row"><span class="big">{}</span>'
        '<span class="note number">{:,} of {}</span></div>'
        '<div style="margin:.5rem 0 .4rem">{}</div>{}'
    ).format(
        share,
        done,
        wording.counted(run.planned, "question"),
        counts_bar(run),
        components.table(rows),
    )


def passed_over(kinds: Sequence[PassedOver] | None) -> Markup:
    """What an archive and its questions hold that a run didn't use: how many of what, and why."""
    if kinds is None:
        return Markup('<div class="note">Not stored: an older release scored it, or nothing was.</div>')
    if not kinds:
        return Markup('<div class="note">{} Nothing: all that lies there was used.</div>').format(glyph("right"))
    return components.table(problems.rows(kinds), ("what", "such as", "why"), numbers=0)


def as_row(run: Run) -> pl.DataFrame:
    """The run's own record, its seconds in columns of their own, for export."""
    timings = {f"{name}_seconds": spent for name, spent in asdict(run.timings).items()}
    return pl.DataFrame([{name: value for name, value in asdict(run).items() if name != "timings"} | timings])


def state_words(run: Run) -> Markup:
    """When the run began and how it stands."""
    if run.finished_at is None:
        return glyph(run.state) + f" {run.state} since {moment(run.started_at)}"
    took = duration((run.finished_at - run.started_at).total_seconds())
    return glyph(run.state) + f" {run.state}, {took} by the clock"


def time_spent(timings: Timings) -> Markup:
    """One bar of a run's seconds, and what each part is."""
    seconds = asdict(timings)
    total = sum(seconds.values())
    if total <= 0:
        return Markup('<div class="note">Not measured yet: a run writes its times when it ends or stops.</div>')
    rows = [
        [
            Markup('<span class="swatch" style="background:{}"></span>{}').format(
                _TIME_COLOURS[name], _TIME_WORDS[name]
            ),
            duration(spent),
            wording.percent(spent / total),
        ]
        for name, spent in seconds.items()
    ]
    whole = components.bar([(spent, _TIME_COLOURS[name]) for name, spent in seconds.items()], total, tall=True)
    table = components.table(rows, numbers=2)
    return Markup('<div class="big">{}</div><div style="margin:.45rem 0 .3rem">{}</div>{}').format(
        duration(total), whole, table
    )


def _unread(run: Run) -> str:
    """Why answers of the run are invalid; comparing with normal pictures leaves what it cannot answer."""
    compared = run.model == configuration.COMPARE
    return "could not come from comparing with normal pictures" if compared else "could not be read"


def trouble(run: Run, failures: pl.DataFrame) -> Markup:
    """Failures by cause, and the answers that could not be read."""
    unread = (
        Markup("<b>{}</b> {}").format(wording.counted(run.invalid, "answer"), _unread(run))
        if run.invalid
        else "No answer was unreadable"
    )
    invalid = Markup('<div class="note">{} {}.</div>').format(glyph("invalid"), unread)
    if failures.is_empty():
        none = (
            "No question failed."
            if run.failed == 0
            else f"{wording.counted(run.failed, 'question')} failed; their reasons aren't stored yet."
        )
        return Markup('<div class="note">{}</div>{}').format(none, invalid)
    rows = [
        [
            Markup('{} {}<div class="note">{}: {}</div>').format(
                glyph("failed"),
                failure_groups.in_words(row["failure"], row["images"], row["questions"]),
                row["image_path"],
                failure_groups.reason_in_words(row["error"], row["texts"]),
            )
        ]
        for row in failures.head(5).iter_rows(named=True)
    ]
    rest = Markup('<div class="note">and {}</div>').format(wording.counted(failures.height - 5, "more cause"))
    return components.table(rows, numbers=0) + (rest if failures.height > 5 else "") + invalid


def subtasks_without_labels(cells: pl.DataFrame) -> Markup:
    """Where nothing says what is right: how many of each subtask's questions were answered."""
    if cells.is_empty():
        return Markup('<div class="note">No prediction is stored yet.</div>')
    rows = (
        cells.filter(pl.col("subtask").is_not_null())
        .group_by("subtask")
        .agg(pl.col("questions", "answered", "entropies", "entropy").sum())
        .with_columns(
            n="questions", entropy=pl.when(pl.col("entropies") > 0).then(pl.col("entropy") / pl.col("entropies"))
        )
        .sort("subtask")
    )
    labelled = cells["label"].drop_nulls().len() > 0
    why = "No question with a label was answered" if labelled else "The archive has no labels"
    return components.table(
        [
            [
                row["subtask"],
                f"{row['answered']:,} of {row['n']:,}",
                "–" if row["entropy"] is None else f"{row['entropy']:.2f}",
            ]
            for row in rows.iter_rows(named=True)
        ],
        ["Subtask", "Answered", "Mean entropy, nat"],
        numbers=2,
    ) + Markup('<div class="note">{}: nothing says which answers are right.</div>').format(why)


def circumstances(run: Run, archive: Archive | None) -> dict[str, str]:
    """Where a run took place and with what."""
    versions = {name: str(version) for name, version in json.loads(run.versions).items()}
    return {
        "archive": archive.root if archive else f"{run.archive_id}, not registered here",
        "model": f"{run.model} (embedded demo model)" if run.demo else run.model,
        "knowledge version": run.knowledge_version or "none",
        "digest": run.digest,
        "started": moment(run.started_at),
        "finished": moment(run.finished_at) if run.finished_at else "not yet",
        "host": run.host,
        "device": run.device,
        **versions,
    }


def settings(run: Run) -> dict[str, dict[str, str]]:
    """A run's settings by group: the plain ones, and each that is itself a group of values."""
    groups: dict[str, dict[str, str]] = {"Settings": {}}
    for name, value in sorted(json.loads(run.settings).items()):
        if isinstance(value, dict):
            groups[name.capitalize()] = {inner: _fact(inner, one) for inner, one in sorted(value.items())}
        else:
            groups["Settings"][name] = _value(value)
    return groups


def resume(run: Run, archive: Archive | None, data: str) -> str:
    """The command that goes on with the run: its archive and every setting that isn't the default."""
    usual = configuration.Settings().values()
    words, before = ["workbench score", shlex.quote(archive.root) if archive else "ARCHIVE"], list[str]()
    held = json.loads(run.settings)
    for name, value in sorted({"model": run.model, **held}.items()):
        if name in ("data", "ingest_seconds") or name not in usual or str(value) == str(usual[name]):
            continue
        if name in _ONLY_VARIABLES:
            before.append(f"WORKBENCH_{name.upper()}={shlex.quote(str(value))}")
        elif isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
        else:
            words.append(f"--{name.replace('_', '-')} {shlex.quote(str(value))}")
    return " ".join([*before, *words, f"--data {shlex.quote(data)}"])


_ONLY_VARIABLES = (  # settings without a flag
    "attention_layers", "block_images", "compare_layers", "compare_nearest", "compare_tolerance",
    "day_first", "float_range", "input_processes", "integer_range", "layouts",
    "max_new_tokens", "memory_gib", "patch_cap", "patches_per_latent", "patience", "plateau", "proposals",
    "published_step", "reference_choice", "region_picture", "sigma", "sigma_decay", "step", "threads",
    "tiled_above", "time_zone", "trust_radius", "views",
)  # fmt: skip


def _fact(name: str, value: Any) -> str:
    if name == "views":
        return run_views.in_words(value) or "whole pictures"
    return tone_range.from_record(value).in_words() or "none" if name == "tones" else _value(value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def facts(title: str, pairs: Mapping[str, str]) -> Markup:
    """Names and values in as many columns as there is room for."""
    lines = Markup().join(
        Markup('<div class="fact"><span>{}</span><b>{}</b></div>').format(name.replace("_", " "), value)
        for name, value in pairs.items()
    )
    return Markup('<div class="note" style="margin-top:.5rem"><b>{}</b></div><div class="facts">{}</div>').format(
        title, lines
    )


def caption(run: Run, case: Mapping[str, Any], subtask: str | None) -> str:
    """Under a thumbnail: what was asked, or, among questions of one kind, what the image is; and the entropy, without a
    label the probability of a defect, as `thumbnails.suspicion` writes it.

    Args:
        run: whose case it is.
        case: a row of `reads.listed`.
        subtask: the kind the cases are filtered by.
    """
    what = (
        (case["defect"] or case["label"] or case["product"])
        if subtask
        else subtasks.short(run.subtasks).get(case["subtask"], case["subtask"])
    )
    if case["outcome"] in ("alarm", "pass") and case.get("defect_probability") is not None:
        return components.plain(what, 24) + f" · {alarms.probability(case['defect_probability'])}"
    entropy = "" if case["settled_entropy"] is None else f" · {case['settled_entropy']:.2f}"
    return components.plain(what, 24) + entropy
