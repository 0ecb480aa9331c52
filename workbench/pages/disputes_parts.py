"""What pages show of disputes: cached reads, the Case page's review card, and small pieces of HTML.

Everything that comes from the warehouse or from a reviewer is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import streamlit as st

from warehouse.records import Prediction
from warehouse.review_records import BudgetCurve
from warehouse.reviews import Reviews
from workbench.pages import parts
from workbench.pages.shared import Snapshot
from workbench.review import agreement, disputes, neighbours
from workbench.review.agreement import Agreement
from workbench.review.budget import AuditEstimate
from workbench.review.neighbours import Settled

STATE_GLYPHS = {
    "open": ("○", "muted"),
    "pushed": ("◐", "overkill"),
    "judged": ("◑", "other"),
    "conflict": ("✕", "escape"),
    "settled": ("●", "accent"),
}


@st.cache_data(show_spinner=False, max_entries=8)
def queue(now: Snapshot) -> pl.DataFrame:
    """Every dispute, heaviest first (see `Reviews.queue`)."""
    return Reviews(Path(now.data)).queue()


@st.cache_data(show_spinner=False, max_entries=8)
def verdicts(now: Snapshot) -> pl.DataFrame:
    """Verdicts that stand, in the order they were given."""
    return Reviews(Path(now.data)).verdicts()


@st.cache_data(show_spinner=False, max_entries=8)
def quarantined(now: Snapshot) -> pl.DataFrame:
    """Results put aside, newest first."""
    return Reviews(Path(now.data)).quarantined()


@st.cache_data(show_spinner=False, max_entries=8)
def agreed(now: Snapshot) -> Agreement:
    """How far blind reviewers agree."""
    return agreement.agreement(verdicts(now))


@st.cache_data(show_spinner=False, max_entries=8)
def curve(now: Snapshot, run_id: str) -> BudgetCurve | None:
    """What reviewing a run would bring."""
    return Reviews(Path(now.data)).curve(run_id)


@st.cache_data(show_spinner=False, max_entries=8)
def audited(now: Snapshot, run_id: str) -> AuditEstimate | None:
    """The errors among a run's undisputed cases."""
    return disputes.audit_estimate(Reviews(Path(now.data)), run_id)


@st.cache_data(show_spinner=False, max_entries=8)
def audit_left_out(now: Snapshot, run_id: str) -> int:
    """The judged cases of the audit lane that don't count."""
    return disputes.audit_left_out(Reviews(Path(now.data)), run_id)


@st.cache_data(show_spinner=False, max_entries=64)
def history(now: Snapshot, image_id: str) -> pl.DataFrame:
    """Every revision of every settlement of an image."""
    return Reviews(Path(now.data)).settlements(image_id)


@st.cache_data(show_spinner=False, max_entries=8)
def settled(now: Snapshot) -> pl.DataFrame:
    """Settled disputes with their picture's content, newest first."""
    return Reviews(Path(now.data)).settled_cases()


@st.cache_data(show_spinner=False, max_entries=64)
def alike(now: Snapshot, image_id: str, question_id: str, content: str) -> list[Settled]:
    """The nearest settled cases."""
    return neighbours.nearest(Path(now.data), settled(now), image_id, question_id, content)


def budget_rows(now: Snapshot, run_id: str) -> pl.DataFrame:
    """What so many reviews of a run would bring, and what its random lane says, for export."""
    found, lane = curve(now, run_id), audited(now, run_id)
    told = {f"audit_{name}": value for name, value in asdict(lane).items()} if lane else {}
    return pl.DataFrame([{**asdict(point), **told} for point in found.points] if found else [])


def state(name: str) -> str:
    """A state's shape in its colour, with its name."""
    shape, colour = STATE_GLYPHS[name]
    return f'<span class="{colour}">{shape}</span> {name}'


QUEUE_HEAD = (
    '<div class="row note queue-head"><span>case and question</span><span class="queue">'
    "<span>why</span><span>weight</span><span>state</span><span>waits</span></span></div>"
)


def case_name(row: Mapping[str, Any]) -> str:
    """What people call the disputed image: product, folder and file."""
    folder_and_file = "/".join(PurePosixPath(row["image_path"]).parts[-2:])
    return f"{row['product'].replace('_', ' ')} · {folder_and_file}"


def queue_cells(row: Mapping[str, Any]) -> str:
    """The right half of a row of the queue: reasons, weight, state and age, in columns of one width."""
    why = escape(", ".join(row["reasons"] or []))
    return (
        f'<span class="note queue"><span title="{why}">{why}</span><span class="number">{row["weight"]:.2f}</span>'
        f"<span>{state(row['state'])}</span><span>{age(row['opened_at'])}</span></span>"
    )


def age(since: datetime) -> str:
    """How long ago, in the largest unit that is at least one."""
    seconds = (datetime.now(UTC) - since).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "now"


def has_review(now: Snapshot, prediction: Prediction) -> bool:
    """Whether there is anything for `show_review`: a dispute of this answer, or settled cases like it."""
    here = (prediction.image_id, prediction.question_id)
    mine = queue(now).filter(image_id=here[0], question_id=here[1])
    return not mine.is_empty() or bool(alike(now, *here, prediction.content))


def show_review(now: Snapshot, prediction: Prediction) -> None:
    """The Case page's card: what people said of this answer, what was settled, and the most alike settled cases."""
    here = (prediction.image_id, prediction.question_id)
    mine = queue(now).filter(image_id=here[0], question_id=here[1])
    found = alike(now, here[0], here[1], prediction.content)
    with parts.card("review", "Review", "what people say of this answer"):
        for row in mine.sort("number").iter_rows(named=True):
            reasons = ", ".join(row["reasons"] or [])
            parts.html(f'<div class="note"><b>{state(row["state"])}</b>&ensp;disputed: {escape(reasons)}</div>')
            parts.html(f'<div class="note">{"<br>".join(escape(note) for note in row["notes"] or [])}</div>')
        said = verdicts(now).filter(image_id=here[0], question_id=here[1])
        if said.height:
            parts.html(f'<div class="wrap">{parts.table([_verdict(row) for row in said.iter_rows(named=True)])}</div>')
        for row in history(now, here[0]).filter(question_id=here[1]).iter_rows(named=True):
            parts.html(f'<div class="note">{_settlement(row)}</div>')
        if found:
            parts.html('<div class="note"><b>Settled cases most like it</b>&ensp;likeness at the right</div>')
        for place, other in enumerate(found):
            with st.container(
                key=f"link-row-settled{place}", horizontal=True, vertical_alignment="center", gap="small", wrap=False
            ):
                address = {"run": other.run_id, "image": other.image_id, "question": other.question_id}
                label = parts.plain(f"{other.image_path.rpartition('/')[2]} · {other.question}", 90)
                st.page_link(parts.CASE, label=label, query_params=address, width="stretch")
                right = f" → {escape(other.right_answer)}" if other.right_answer else ""
                said_of = f"{escape(str(other.answer))} {escape(other.decision)}{right}"
                st.html(f'<span class="note sibling number">{said_of} · {other.likeness:.2f}</span>', width="content")


def _verdict(row: dict[str, object]) -> list[str]:
    right = (
        f", {escape(str(row['right_answer']))} is right" if row["decision"] == "wrong" and row["right_answer"] else ""
    )
    words = [f"<b>{escape(str(row['decision']))}</b>{right}"]
    words += [f"the texts: {escape(str(row['explanation']))}"] if row["explanation"] else []
    words += ["with the mask in sight; in no estimate"] if row["unblinded"] else []
    drawn = row["boxes"]
    if isinstance(drawn, list) and drawn:
        words.append(f"{len(drawn)} box{'es' if len(drawn) > 1 else ''} drawn")
    for name in ("comment", "better_description"):
        words += [f"“{escape(str(row[name]))}”"] if row[name] else []
    at = row["judged_at"]
    return [
        f"{'<br>'.join(words)}",
        f'<span class="note">{escape(str(row["reviewer"]))}, {at:%Y-%m-%d %H:%M}</span>'
        if isinstance(at, datetime)
        else "",
    ]


def _settlement(row: dict[str, object]) -> str:
    at = row["settled_at"]
    when = f"{at:%Y-%m-%d %H:%M}" if isinstance(at, datetime) else ""
    if row["withdrawn"]:
        return f"taken back {when}: {escape(str(row['reason']))}"
    right = f", {escape(str(row['right_answer']))} is right" if row["right_answer"] else ""
    said = f"{escape(str(row['decision']))}{right}, by {escape(str(row['author']))}"
    return f"settled {when} ({escape(str(row['basis']))}): {said}"
