"""What the Runs page says about a run: sentences and small pieces of HTML, from records and frames.

Knows nothing of the address or of widgets. Everything that comes from the warehouse is escaped here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from statistics import fmean
from typing import Any

import polars as pl

from warehouse.records import Archive, Run, Timings
from workbench import settings as configuration
from workbench.analysis import metrics, overview
from workbench.analysis.overview import Detection
from workbench.inspection import tone
from workbench.pages import parts
from workbench.pages.parts import glyph

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
    return f"{100 * rate:.0f} %"


def finding(run: Run, cells: pl.DataFrame) -> str:
    """The one sentence about a run: how right it was, or how far it is, or why it ended."""
    done = run.answered + run.invalid + run.failed
    if run.state == "running":
        head = f"{glyph('running')} <b>Running:</b> {done:,} of {run.planned:,} questions"
        return f"{head}, {_left(run.planned, cells)}."
    if run.state in ("failed", "stopped", "cancelled"):
        why = f" {escape(run.message)}" if run.message else ""
        head = f"{glyph(run.state)} <b>{run.state.capitalize()}</b>"
        return f"{head} after {done:,} of {run.planned:,} questions.{why}"
    if not run.answered and not run.invalid and run.failed:
        return f"{glyph('failed')} <b>No question was answered:</b> all {run.failed:,} failed; below is why."
    unread = f" {run.failed:,} failed, {run.invalid:,} could not be read." if run.failed or run.invalid else ""
    accuracy = overview.accuracy_by_subtask(cells)
    if accuracy.is_empty():
        head = f"<b>{run.answered:,} of {run.planned:,} questions answered.</b>"
        return f"{head} The archive has no labels, so nothing says how many are right.{unread}"
    mean = percent(fmean(accuracy["rate"]))
    missed = f"{glyph('escape')} {_plural(overview.total(cells, 'escape'), 'escape')} (defects missed)"
    alarms = f"{glyph('overkill')} {overview.total(cells, 'overkill'):,} overkill (good called defective)"
    found = overview.detection(cells)
    neither = f", {glyph('invalid')} {found.unread:,} unreadable" if found.unread else ""
    head = f"<b>Mean accuracy {mean}</b> over {_plural(accuracy.height, 'subtask')}; {missed}, {alarms}{neither}."
    return f"{head}{unread}{unclaimed(found)}"


def unclaimed(found: Detection) -> str:
    """How many detection answers claim nothing that anybody knows of, if any."""
    many = _plural(found.unclaimed, "detection answer")
    return f" Of {many} nothing tells whether they claim a defect." if found.unclaimed else ""


def detection(cells: pl.DataFrame) -> str:
    """Escapes, overkill and what could not be read, each of how many; nothing without labelled detection answers."""
    found = overview.detection(cells)
    if not found.defective and not found.good:
        return ""
    return (
        f" {glyph('escape')} {_plural(found.escapes, 'escape')} of {found.defective:,}, {glyph('overkill')} "
        f"{found.overkills:,} overkill of {found.good:,}, {glyph('invalid')} {found.unread:,} unreadable."
        f"{unclaimed(found)}"
    )


def under(run: Run, archive: Archive | None) -> str:
    """Which run the page speaks of, in grey."""
    name = escape(archive.name) if archive else "an archive not registered here"
    return f"{parts.model_chip(run)}&ensp;run of {moment(run.started_at)} over {name}"


def between(base: Run, run: Run) -> str:
    """Both runs' times, in grey."""
    return f"A of {moment(base.started_at)}, B of {moment(run.started_at)}"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _left(planned: int, cells: pl.DataFrame) -> str:
    """From what a question took so far, not from the clock: a resumed run's clock ran while nothing did."""
    if cells.is_empty():
        return "the model is being loaded"
    done = overview.total(cells, "questions")
    if done >= planned:
        return "about to end"
    return f"about {duration(overview.seconds(cells) / done * (planned - done))} of work left"


def line(run: Run, archive: Archive | None) -> str:
    """A run in the list: state, model, archive, how far."""
    done = run.answered + run.invalid + run.failed
    name = escape(archive.name) if archive else "unknown archive"
    trouble = "".join(
        f"&ensp;{glyph(kind)} {count:,}" for kind, count in (("invalid", run.invalid), ("failed", run.failed)) if count
    )
    return (
        f'<div class="row note"><span>{glyph(run.state)} {run.state} · {name}</span>{parts.model_chip(run)}</div>'
        f'<div style="margin:.3rem 0 .25rem">{counts_bar(run)}</div>'
        f'<div class="row note number"><span>{done:,} of {run.planned:,} questions{trouble}</span></div>'
    )


def counts_bar(run: Run) -> str:
    """Answered, invalid and failed questions of the planned ones."""
    return parts.bar(
        [(run.answered, "var(--accent)"), (run.invalid, "var(--other)"), (run.failed, "var(--escape)")], run.planned
    )


def progress(run: Run, cells: pl.DataFrame) -> str:
    """How far a run is, and how fast its images went through."""
    done = run.answered + run.invalid + run.failed
    share = percent(done / run.planned) if run.planned else "–"
    speed = overview.images_per_second(cells)
    rows = [
        [f"{glyph('finished')} answered", f"{run.answered:,}"],
        [f"{glyph('invalid')} invalid", f"{run.invalid:,}"],
        [f"{glyph('failed')} failed", f"{run.failed:,}"],
        ["planned", f"{run.planned:,}"],
        ["images per second", f"{speed:.2g}" if speed is not None and speed < 10 else f"{speed:.0f}" if speed else "–"],
    ]
    return (
        f'<div class="row"><span class="big">{share}</span>'
        f'<span class="note number">{done:,} of {run.planned:,} questions</span></div>'
        f'<div style="margin:.5rem 0 .4rem">{counts_bar(run)}</div>{parts.table(rows)}'
    )


def as_row(run: Run) -> pl.DataFrame:
    """The run's own record, its seconds in columns of their own, for export."""
    timings = {f"{name}_seconds": spent for name, spent in asdict(run.timings).items()}
    return pl.DataFrame([{name: value for name, value in asdict(run).items() if name != "timings"} | timings])


def state_words(run: Run) -> str:
    """When the run began and how it stands."""
    if run.finished_at is None:
        return f"{glyph(run.state)} {run.state} since {moment(run.started_at)}"
    took = duration((run.finished_at - run.started_at).total_seconds())
    return f"{glyph(run.state)} {run.state}, {took} by the clock"


def time_spent(timings: Timings) -> str:
    """One bar of a run's seconds, and what each part is."""
    seconds = asdict(timings)
    total = sum(seconds.values())
    if total <= 0:
        return '<div class="note">Not measured yet: a run writes its times when it ends or stops.</div>'
    rows = [
        [
            f'<span class="swatch" style="background:{_TIME_COLOURS[name]}"></span>{_TIME_WORDS[name]}',
            duration(spent),
            percent(spent / total),
        ]
        for name, spent in seconds.items()
    ]
    whole = parts.bar([(spent, _TIME_COLOURS[name]) for name, spent in seconds.items()], total, tall=True)
    table = parts.table(rows, numbers=2)
    return f'<div class="big">{duration(total)}</div><div style="margin:.45rem 0 .3rem">{whole}</div>{table}'


def trouble(run: Run, failures: pl.DataFrame) -> str:
    """Failures by cause, and the answers that could not be read."""
    unread = f"<b>{_plural(run.invalid, 'answer')}</b> could not be read" if run.invalid else "No answer was unreadable"
    invalid = f'<div class="note">{glyph("invalid")} {unread}.</div>'
    if failures.is_empty():
        none = (
            "No question failed."
            if run.failed == 0
            else f"{run.failed:,} questions failed; their reasons aren't stored yet."
        )
        return f'<div class="note">{none}</div>{invalid}'
    rows = [
        [
            f"{glyph('failed')} {escape(row['error'] or 'no reason was stored')}"
            f'<div class="note">{escape(row["image_path"])}</div>',
            f"{row['images']:,}",
            f"{row['questions']:,}",
        ]
        for row in failures.head(5).iter_rows(named=True)
    ]
    rest = f'<div class="note">and {_plural(failures.height - 5, "more cause")}</div>' if failures.height > 5 else ""
    return parts.table(rows, ["Cause, and one image", "Images", "Questions"], numbers=2) + rest + invalid


def subtasks_without_labels(cells: pl.DataFrame) -> str:
    """Where nothing says what is right: how many of each subtask's questions were answered."""
    if cells.is_empty():
        return '<div class="note">No prediction is stored yet.</div>'
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
    return (
        parts.table(
            [
                [
                    escape(row["subtask"]),
                    f"{row['answered']:,} of {row['n']:,}",
                    "–" if row["entropy"] is None else f"{row['entropy']:.2f}",
                ]
                for row in rows.iter_rows(named=True)
            ],
            ["Subtask", "Answered", "Mean entropy, nat"],
            numbers=2,
        )
        + f'<div class="note">{why}: nothing says which answers are right.</div>'
    )


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
    "attention_layers", "block_images", "float_range", "input_processes", "integer_range", "max_new_tokens",
    "memory_gib", "patch_cap", "patches_per_latent", "patience", "plateau", "published_step", "sigma", "sigma_decay",
    "step", "threads", "trust_radius",
)  # fmt: skip


def _fact(name: str, value: Any) -> str:
    return tone.from_record(value).in_words() or "none" if name == "tones" else _value(value)


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def facts(title: str, pairs: Mapping[str, str]) -> str:
    """Names and values in as many columns as there is room for."""
    lines = "".join(
        f'<div class="fact"><span>{escape(name.replace("_", " "))}</span><b>{escape(value)}</b></div>'
        for name, value in pairs.items()
    )
    return f'<div class="note" style="margin-top:.5rem"><b>{title}</b></div><div class="facts">{lines}</div>'


def caption(case: Mapping[str, Any], subtask: str | None) -> str:
    """Under a thumbnail: what was asked, or, among questions of one kind, what the image is; and the entropy.

    Args:
        case: a row of `shared.listed`.
        subtask: the kind the cases are filtered by.
    """
    what = (
        (case["defect"] or case["label"] or case["product"])
        if subtask
        else metrics.SHORT.get(case["subtask"], case["subtask"])
    )
    entropy = "" if case["settled_entropy"] is None else f" · {case['settled_entropy']:.2f}"
    return parts.plain(what, 24) + entropy
