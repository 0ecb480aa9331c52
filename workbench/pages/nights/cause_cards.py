"""What changed first, on Tonight: what to check, the command that scores again, pictures before and since."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup

from workbench.analysis import cause_words
from workbench.analysis.causes import Cause, Example
from workbench.archive import previews, run_views
from workbench.nights import reports
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


def _since(cause: Cause) -> str:
    return f"Since {cause.began:%H:%M}" if cause.began else "Tonight"


def _show_examples(now: Snapshot, examples: Sequence[Example], title: str, key: str) -> None:
    """Thumbnails, each a link to its case."""
    if not examples:
        return
    html(Markup('<div class="note"><b>{}</b></div>').format(title))
    archives, runs = reads.archives(now), {run.run_id: run for run in reads.runs(now)}
    entries = reads.entries(now, tuple(each.image_id for each in examples))
    with st.grid(6, min_column_width=80, gap=10) as grid:
        for place, example in enumerate(examples):
            entry, run = entries.get(example.image_id), runs.get(example.run_id)
            with grid.cell(), st.container(key=f"link-thumb-{key}-{place}", gap=None):
                if entry is None or run is None or entry.archive_id not in archives:
                    html(components.thumbnail(None, "unlabelled", pictures.UNREGISTERED))
                    continue
                root = archives[entry.archive_id].root
                view = run_views.of_run(run).of(entry).for_display
                shown = pictures.small(now.data, previews.locate(entry.path, root, [root]), view=view)
                html(components.thumbnail(shown.source, "unlabelled", shown.problem or ""))
                going = {"run": run.run_id, "image": example.image_id}
                question = {"question": example.question_id} if example.question_id else {}
                label = components.plain(example.image_path.rsplit("/", 1)[-1], 24)
                st.page_link(components.CASE, label=label, query_params=going | question)
