"""Disputes: how far they have come, what the budget brings, who agrees with whom, and the queue itself.

In the address: `state`, which disputes are listed; `reviews`, the budget on the slider; `run`, whose budget it is.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import polars as pl
import streamlit as st

from warehouse.review_records import STATES
from warehouse.store import Store
from workbench.analysis import dispute_charts
from workbench.pages import address, disputes_parts, parts, shared
from workbench.pages.parts import card, chart, header, html
from workbench.review import agreement, blinding, budget, desk, pull, push
from workbench.review.errors import REFUSALS, DeskRefused
from workbench.review.rules import BUDGET

SHOWN = 30  # rows of the queue

now = shared.snapshot()
queue = disputes_parts.queue(now)


def act(what: str) -> None:
    """Send or bring back; what came of it is told on the page."""
    store = Store(Path(now.data))
    try:
        if what == "push":
            told = push.push(store, desk.open_desk(store.data, patience=10.0), limit=BUDGET).said
        else:
            told = pull.pull(store, desk.open_desk(store.data, patience=10.0)).said
    except REFUSALS as error:
        told = f"Not done: {error}"
    st.session_state["disputes.told"] = told


def finding(counts: dict[str, int]) -> str:
    """The page's one sentence."""
    waiting = counts.get("open", 0) + counts.get("pushed", 0)
    head = f"<b>{waiting:,} of {queue.height:,} disputes wait for a verdict.</b>"
    if counts.get("conflict"):
        head += f" Reviewers disagree on {counts['conflict']}; these need another look."
    oldest = queue.filter(pl.col("state").is_in(["open", "pushed"]))["opened_at"].min()
    return head + (f" The oldest waits for {disputes_parts.age(oldest)}." if oldest is not None else "")  # type: ignore[arg-type]


def show_budget(run_id: str) -> None:
    """The slider and what it comes to."""
    with card("budget", "Review budget", "likeliest errors first; band: 90 % interval"):
        found = disputes_parts.curve(now, run_id)
        if found is None:
            html(f'<div class="note">Nothing to calibrate on yet: {escape(budget.TOO_FEW)}.</div>')
            return
        most = found.points[-1].reviews
        held = address.number("reviews", at_most=most) if "reviews" in st.query_params else min(BUDGET, most)
        st.session_state["disputes.reviews"] = held

        def slid() -> None:
            address.write(reviews=str(st.session_state["disputes.reviews"]))

        reviews = st.slider("Reviews", 0, max(most, 1), key="disputes.reviews", on_change=slid)
        point = budget.spend(found.points, reviews)
        sentence = (
            f"{point.reviews:,} reviews catch {point.caught:.0f} errors "
            f"({point.caught_low:.0f}–{point.caught_high:.0f}) and leave {point.missed:.0f} "
            f"({point.missed_low:.0f}–{point.missed_high:.0f}); "
            f"the least suspicious of them is wrong with a chance of {_chance(point.threshold)}."
        )
        html(f'<div class="note"><b>{sentence}</b> Calibrated on {escape(found.calibrated_on)}.</div>')
        chart(dispute_charts.budget(parts.ink(), found.points, reviews), "disputes.budget", sentence)


def _chance(share: float) -> str:
    return "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def show_audit(run_id: str) -> None:
    """What the random lane says of everything else."""
    with card("audit", "Audit lane", "a random sample of what no rule disputed"):
        found = disputes_parts.audited(now, run_id)
        if found is None:
            html('<div class="note">No cases were drawn at random for this run.</div>')
            return
        if told := blinding.left_out(disputes_parts.audit_left_out(now, run_id), "judged case"):
            html(f'<div class="note">{told} Those pictures are defective, so the rest says little of such ones.</div>')
        if not found.judged:
            html(f'<div class="note">No drawn case was judged yet; they stand for {found.population:,} cases.</div>')
        else:
            html(
                f"<div><b>{found.errors:,.0f} errors</b> ({found.low:,}–{found.high:,}, 90 %) among the "
                f'{found.population:,} cases that no rule disputed.</div><div class="note">{found.wrong} of '
                f"{found.judged} judged cases of the sample were wrong.</div>"
            )


def show_people() -> None:
    """Agreement and load."""
    with card("people", "Reviewers", "verdicts that stand"):
        said = disputes_parts.verdicts(now)
        if said.is_empty():
            html('<div class="note">No verdict has come home yet.</div>')
            return
        found = disputes_parts.agreed(now)
        if found.pairs:
            kappa = "" if found.cohen is None else f", Cohen's kappa {found.cohen:.2f}"
            alpha = "" if found.krippendorff is None else f", Krippendorff's alpha {found.krippendorff:.2f}"
            html(f"<div>Two people agree on <b>{found.same} of {found.pairs}</b>{kappa}{alpha}</div>")
        else:
            html('<div class="note">No case was judged by two people yet.</div>')
        if told := blinding.left_out(found.unblinded, "verdict"):
            html(f'<div class="note">{told}</div>')
        rows = [
            [
                escape(row["reviewer"]),
                f"{row['verdicts']:,}",
                f"{row['unsure']:,}",
                "–" if row["seconds"] is None else f"{row['seconds']:.0f} s",
            ]
            for row in agreement.load(said).head(8).iter_rows(named=True)
        ]
        html(f'<div class="wrap">{parts.table(rows, ["reviewer", "verdicts", "unsure", "median"], numbers=3)}</div>')


def show_aside() -> None:
    """What couldn't be used."""
    aside = disputes_parts.quarantined(now)
    if aside.is_empty():
        return
    with card("aside", "Put aside", "results that can't be a verdict; mended ones come in by themselves", fill=False):
        rows = [
            [f"task {row['task_id']}", escape(row["reason"]), disputes_parts.age(row["found_at"])]
            for row in aside.head(8).iter_rows(named=True)
        ]
        html(
            f'<div class="wrap">{parts.table(rows)}</div><div class="note">showing {len(rows)} of {aside.height}</div>'
        )


def show_queue(counts: dict[str, int]) -> None:
    """The disputes of a state, heaviest first; a click opens the case."""
    with card("queue", "Queue", "heaviest first, settled last", fill=False):
        chosen = st.query_params.get("state", "")
        names = ["all", *(name for name in STATES if counts.get(name))]
        st.session_state["disputes.state"] = chosen if chosen in names else "all"

        def choose() -> None:
            picked = st.session_state["disputes.state"]
            address.write(state=None if picked == "all" else picked)

        st.segmented_control("State", names, key="disputes.state", on_change=choose, label_visibility="collapsed")
        waiting_first = queue.sort(pl.col("state") == "settled", maintain_order=True)
        listed = queue.filter(state=chosen) if chosen in STATES else waiting_first
        if listed.height:
            html(disputes_parts.QUEUE_HEAD)
        with st.container(gap=None):
            for place, row in enumerate(listed.head(SHOWN).iter_rows(named=True)):
                with st.container(
                    key=f"link-row-dispute{place}",
                    horizontal=True,
                    vertical_alignment="center",
                    gap="small",
                    wrap=False,
                ):
                    target = {"run": row["run_id"], "image": row["image_id"], "question": row["question_id"]}
                    name = f"{disputes_parts.case_name(row)} · {row['question']}"
                    st.page_link(parts.CASE, label=parts.plain(name, 90), query_params=target, width="stretch")
                    st.html(disputes_parts.queue_cells(row), width="content")
        html(f'<div class="note">showing {min(SHOWN, listed.height)} of {listed.height:,}</div>')


if queue.is_empty():
    parts.instead(
        "Disputes",
        "Nothing is disputed.",
        "No answer waits for a person's judgement",
        "Rules open disputes over a run; a button on a case does it by hand.",
        "workbench disputes open --budget 40",
    )
counts = {row["state"]: row["len"] for row in queue.group_by("state").len().iter_rows(named=True)}
run_id = st.query_params.get("run") or queue.sort("opened_at", descending=True)["run_id"][0]
studio, refused = None, None
try:
    studio = desk.address_of(Path(now.data))
except DeskRefused as error:
    refused = str(error)
with header("Disputes", finding(counts), f"reviewers' desk: {escape(studio.url) if studio else 'none'}"):
    parts.export(
        "disputes",
        {
            "disputes": lambda: queue,
            "budget": lambda: disputes_parts.budget_rows(now, run_id),
            "verdicts": lambda: disputes_parts.verdicts(now),
        },
    )
    st.button("Bring verdicts home", key="disputes.pull", on_click=act, args=["pull"], disabled=studio is None)
    st.button(
        f"Send {BUDGET}", key="disputes.push", on_click=act, args=["push"], disabled=studio is None, type="primary"
    )
if told := st.session_state.pop("disputes.told", None):
    html(f'<div class="{"escape" if told.startswith("Not done") else "accent"}">{escape(told)}</div>')
if refused:
    html(f'<div class="escape">{escape(refused)}</div>')
elif studio is None:
    html('<div class="note">No Label Studio is known: <code>workbench labelstudio up</code> starts one here.</div>')

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(), card("funnel", "How far they have come", "disputes"):
        sentence = ", ".join(f"{counts.get(state, 0)} {state}" for state in STATES)
        chart(
            dispute_charts.funnel(parts.ink(), {state: counts.get(state, 0) for state in STATES}),
            "disputes.funnel",
            sentence,
        )
    with grid.cell(column_span=2):
        show_budget(run_id)
    with grid.cell():
        show_audit(run_id)
    with grid.cell(column_span=2):
        show_people()
show_queue(counts)
show_aside()
shared.follow(now, refresh=True)
