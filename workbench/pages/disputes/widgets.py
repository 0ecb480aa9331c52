"""What pages show of disputes: cached reads, the Case page's review card, and small pieces of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import BudgetCurve
from warehouse.records.scoring import Prediction
from workbench import wording
from workbench.pages.ui import components
from workbench.pages.ui.reads import Snapshot
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


def state(name: str) -> Markup:
    """A state's shape in its colour, with its name."""
    shape, colour = STATE_GLYPHS[name]
    return Markup('<span class="{}">{}</span> {}').format(colour, shape, name)


QUEUE_HEAD = Markup(
    '<div class="row note queue-head"><span>case and question</span><span class="queue">'
    "<span>why</span><span>weight</span><span>state</span><span>waits</span></span></div>"
)


def case_name(row: Mapping[str, Any]) -> str:
    """What people call the disputed image: product, folder and file."""
    folder_and_file = "/".join(PurePosixPath(row["image_path"]).parts[-2:])
    return f"{row['product'].replace('_', ' ')} · {folder_and_file}"


def queue_cells(row: Mapping[str, Any]) -> Markup:
    """The right half of a row of the queue: reasons, weight, state and age, in columns of one width."""
    why = ", ".join(row["reasons"] or [])
    return Markup(
        '<span class="note queue"><span title="{}">{}</span><span class="number">{:.2f}</span>'
        "<span>{}</span><span>{}</span></span>"
    ).format(
        why,
        why,
        row["weight"],
        state(row["state"]),
        age(row["opened_at"]),
    )


def age(since: datetime) -> str:
    """How long ago, in the largest unit of which it is at least one."""
    seconds = (datetime.now(UTC) - since).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "< 1 min"


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
    with components.card("review", "Review", "what people say of this answer"):
        for row in mine.sort("number").iter_rows(named=True):
            reasons = ", ".join(row["reasons"] or [])
            components.html(
                Markup('<div class="note"><b>{}</b>&ensp;disputed: {}</div>').format(state(row["state"]), reasons)
            )
            components.html(Markup('<div class="note">{}</div>').format(Markup("<br>").join(row["notes"] or [])))
        said = verdicts(now).filter(image_id=here[0], question_id=here[1])
        if said.height:
            components.html(
                Markup('<div class="wrap">{}</div>').format(
                    components.table([_verdict(row) for row in said.iter_rows(named=True)])
                )
            )
        for row in history(now, here[0]).filter(question_id=here[1]).iter_rows(named=True):
            components.html(Markup('<div class="note">{}</div>').format(_settlement(row)))
        if found:
            components.html(
                Markup('<div class="note"><b>Settled cases most like it</b>&ensp;likeness at the right</div>')
            )
        for place, other in enumerate(found):
            with st.container(
                key=f"link-row-settled{place}", horizontal=True, vertical_alignment="center", gap="small", wrap=False
            ):
                address = {"run": other.run_id, "image": other.image_id, "question": other.question_id}
                label = components.plain(f"{other.image_path.rpartition('/')[2]} · {other.question}", 90)
                st.page_link(components.CASE, label=label, query_params=address, width="stretch")
                right = f" → {other.right_answer}" if other.right_answer else ""
                said_of = f"{other.answer} {other.decision}{right}"
                components.html(
                    Markup('<span class="note sibling number">{} · {:.2f}</span>').format(said_of, other.likeness),
                    width="content",
                )


def _verdict(row: dict[str, object]) -> list[str]:
    right = f", {row['right_answer']} is right" if row["decision"] == "wrong" and row["right_answer"] else ""
    words: list[str] = [Markup("<b>{}</b>{}").format(str(row["decision"]), right)]
    words += [f"the texts: {row['explanation']}"] if row["explanation"] else []
    words += ["given with the mask shown; in no estimate"] if row["unblinded"] else []
    drawn = row["boxes"]
    if isinstance(drawn, list) and drawn:
        words.append(f"{wording.counted(len(drawn), 'box', 'boxes')} drawn")
    for name in ("comment", "better_description"):
        words += [f"“{row[name]}”"] if row[name] else []
    at = row["judged_at"]
    return [
        Markup("<br>").join(words),
        Markup('<span class="note">{}<br>{:%Y-%m-%d %H:%M}</span>').format(str(row["reviewer"]), at)
        if isinstance(at, datetime)
        else "",
    ]


def _settlement(row: dict[str, object]) -> str:
    at = row["settled_at"]
    when = f"{at:%Y-%m-%d %H:%M}" if isinstance(at, datetime) else ""
    if row["withdrawn"]:
        return f"taken back {when}: {row['reason']}"
    right = f", {row['right_answer']} is right" if row["right_answer"] else ""
    said = f"{row['decision']}{right}, by {row['author']}"
    return f"settled {when} ({row['basis']}): {said}"
