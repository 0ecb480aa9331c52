"""What leads Tonight: what changed first, with pictures before and since, and what was found, the surest first."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup

from warehouse.queries.alarm_rules import AlarmRule
from warehouse.records.scoring import Entry, Run
from workbench.analysis import alarms, cause_words
from workbench.analysis.alarms import Picture
from workbench.analysis.causes import Cause, Example
from workbench.archive import previews, run_views
from workbench.nights import page_links, reports
from workbench.nights.reports import Morning
from workbench.pages.ui import components, pictures, reads
from workbench.pages.ui.components import card, html
from workbench.pages.ui.reads import Snapshot


def show(now: Snapshot, report: Morning) -> None:
    """A card for each cause; nothing without any."""
    for place, cause in enumerate(report.causes):
        with card(f"cause-{place}", cause_words.group(cause), cause_words.kind(cause), fill=False):
            html(Markup('<div class="note">Check {}.</div>').format(cause_words.CHECKS[cause.kind]))
            _show_examples(now, cause.examples_before, "Before", f"{place}-before")
            _show_examples(now, cause.examples_now, _since(cause), f"{place}-now")
            html(Markup('<div class="note">When it is mended, score its pictures again:</div>'))
            st.code(reports.scoring_again(report, cause), language="bash", wrap_lines=True)


def show_found(now: Snapshot, report: Morning) -> None:
    """The pictures that are called defective, by a saved threshold where there is one; nothing without any."""
    found = report.called_defective
    if found is None or not found.called:
        return
    note = f"the surest {len(found.pictures)} of {found.called:,}"
    with card("found", "What was found", note, fill=False):
        html(Markup('<div class="note">{} {}</div>').format(components.glyph("alarm"), found.sentence))
        pictures_of = [(Example(*_key(each)), _caption(each)) for each in found.pictures]
        _show_pictures(now, pictures_of, "found", "alarm", found.rule)


def _key(picture: Picture) -> tuple[str, str, str, str]:
    return picture.run_id, picture.image_id, picture.question_id, picture.image_path


def _caption(picture: Picture) -> str:
    """Its product and camera, and the probability of a defect."""
    where = " ".join(filter(None, (picture.product.replace("_", " "), picture.camera)))
    sure = picture.defect_probability
    return where if sure is None else f"{where} · {alarms.probability(sure)}"


def _since(cause: Cause) -> str:
    return f"Since {cause.began:%H:%M}" if cause.began else "Tonight"


def _show_examples(now: Snapshot, examples: Sequence[Example], title: str, key: str) -> None:
    if examples:
        html(Markup('<div class="note"><b>{}</b></div>').format(title))
        named = [(each, each.image_path.rsplit("/", 1)[-1]) for each in examples]
        _show_pictures(now, named, key, "unlabelled")


def _show_pictures(
    now: Snapshot, captioned: Sequence[tuple[Example, str]], key: str, outcome: str, rule: AlarmRule = "answers"
) -> None:
    """Thumbnails with captions, each a link to its case."""
    runs = {run.run_id: run for run in reads.runs(now)}
    entries = reads.entries(now, tuple(each.image_id for each, _ in captioned))
    with st.grid(6, min_column_width=96, gap=10) as grid:
        for place, (example, caption) in enumerate(captioned):
            with grid.cell(), st.container(key=f"link-thumb-{key}-{place}", gap=None):
                shown = _small(now, entries.get(example.image_id), runs.get(example.run_id))
                html(components.thumbnail(shown.source, outcome, shown.problem or ""))
                case = page_links.case(example.run_id, example.image_id, example.question_id, rule)
                st.page_link(components.CASE, label=components.plain(caption, 40), query_params=case)


def _small(now: Snapshot, entry: Entry | None, run: Run | None) -> pictures.Shown:
    """A picture as its run saw it; only what lies in a registered archive."""
    archives = reads.archives(now)
    if entry is None or run is None or entry.archive_id not in archives:
        return pictures.Shown.nothing(pictures.UNREGISTERED)
    root = archives[entry.archive_id].root
    view = run_views.of_run(run).of(entry).for_display
    return pictures.small(now.data, previews.locate(entry.path, root, [root]), view=view)
