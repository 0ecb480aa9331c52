"""Disputes: how far they have come, what the budget brings, who agrees with whom, and the queue itself.

In the address: `state`, which disputes are listed; `reviews`, the budget on the slider; `run`, whose budget it is.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.records.reviews import STATES
from warehouse.store import Store
from workbench import wording
from workbench.analysis.charts import disputes
from workbench.errors import REFUSALS, ServerRefused
from workbench.pages.disputes import widgets
from workbench.pages.ui import address, components, reads
from workbench.pages.ui.components import card, chart, header, html
from workbench.pages.ui.signed_in_actor import actor
from workbench.review import agreement, blinding, budget
from workbench.review.labelstudio import configuration, pull, push
from workbench.review.rules import BUDGET

SHOWN = 30  # rows of the queue

now = reads.snapshot()
queue = widgets.queue(now)


def act(what: str) -> None:
    """Send or bring back; what came of it is told on the page."""
    store, who = Store(Path(now.data)), actor()
    try:
        if what == "push":
            told = push.push(store, configuration.connect(store.data, patience=10.0), limit=BUDGET, actor=who).summary
        else:
            told = pull.pull(store, configuration.connect(store.data, patience=10.0), actor=who).summary
    except REFUSALS as error:
        st.session_state["disputes.refused"] = f"Not done: {error}"
        return
    st.session_state["disputes.told"] = told


def finding(counts: dict[str, int]) -> Markup:
    """The page's one sentence."""
    waiting = counts.get("open", 0) + counts.get("pushed", 0)
    wait = "waits" if waiting == 1 else "wait"
    head = Markup("<b>{:,} of {} {} for a verdict.</b>").format(waiting, wording.counted(queue.height, "dispute"), wait)
    if counts.get("conflict"):
        head += f" Reviewers disagree on {counts['conflict']}; these need another look."
    oldest = queue.filter(pl.col("state").is_in(["open", "pushed"]))["opened_at"].min()
    return head + (f" The oldest waits for {widgets.age(oldest)}." if oldest is not None else "")  # type: ignore[arg-type]


def show_budget(run_id: str) -> None:
    """The slider and what it comes to."""
    with card("budget", "Review budget", "the tasks that are sent next, in their order; band: 90 % interval"):
        found = widgets.curve(now, run_id)
        if found is None:
            if queue.filter(run_id=run_id).is_empty():
                html(Markup('<div class="note">Nothing is forecast: no case of this run was disputed.</div>'))
            else:
                html(Markup('<div class="note">Not calibrated: {}.</div>').format(budget.TOO_FEW))
            return
        most = found.points[-1].reviews
        held = address.number("reviews", at_most=most) if "reviews" in st.query_params else min(BUDGET, most)
        st.session_state["disputes.reviews"] = held

        def slid() -> None:
            address.write(reviews=str(st.session_state["disputes.reviews"]))

        reviews = st.slider("Tasks", 0, max(most, 1), key="disputes.reviews", on_change=slid)
        point = budget.spend(found.points, reviews)
        sentence = (
            f"The first {wording.counted(point.reviews, 'task')} catch {point.caught:.0f} errors "
            f"({point.caught_low:.0f}–{point.caught_high:.0f}) and leave {point.missed:.0f} "
            f"({point.missed_low:.0f}–{point.missed_high:.0f}); "
            f"of those not drawn at random, the least suspicious is wrong with a chance of {_chance(point.threshold)}."
        )
        html(Markup('<div class="note"><b>{}</b> Calibrated on {}.</div>').format(sentence, found.calibrated_on))
        chart(disputes.budget(components.ink(), found, reviews), "disputes.budget", sentence)


def _chance(share: float) -> str:
    return "over 99 %" if share > 0.99 else wording.percent(share)


def show_audit(run_id: str) -> None:
    """What the random lane says of everything else."""
    with card("audit", "Audit lane", "a random sample of what no rule disputed"):
        found = widgets.audited(now, run_id)
        if found is None:
            html(Markup('<div class="note">No cases were drawn at random for this run.</div>'))
            return
        if told := blinding.left_out(widgets.audit_left_out(now, run_id), "judged case"):
            html(
                Markup(
                    '<div class="note">{} Those pictures are defective, so the rest says little of such ones.</div>'
                ).format(told)
            )
        if not found.judged:
            html(
                Markup('<div class="note">No drawn case was judged yet; they stand for {}.</div>').format(
                    wording.counted(found.population, "case")
                )
            )
        else:
            html(
                Markup(
                    "<div><b>{:,.0f} errors</b> ({:,}–{:,}, 90 %) among the "
                    '{:,} cases that no rule disputed.</div><div class="note">{} of '
                    "{} judged cases of the sample were wrong.</div>"
                ).format(
                    found.errors,
                    found.low,
                    found.high,
                    found.population,
                    found.wrong,
                    found.judged,
                )
            )


def show_people() -> None:
    """Agreement and load."""
    with card("people", "Reviewers", "verdicts that stand"):
        said = widgets.verdicts(now)
        if said.is_empty():
            html(Markup('<div class="note">No verdict has been fetched yet.</div>'))
            return
        found = widgets.agreed(now)
        html(Markup('<div class="{}">{}</div>').format("" if found.pairs else "note", agreement.in_words(found)))
        if told := blinding.left_out(found.unblinded, "verdict"):
            html(Markup('<div class="note">{}</div>').format(told))
        rows = [
            [
                row["reviewer"],
                f"{row['verdicts']:,}",
                f"{row['unsure']:,}",
                "–" if row["seconds"] is None else f"{row['seconds']:.0f} s",
            ]
            for row in agreement.load(said).head(8).iter_rows(named=True)
        ]
        html(
            Markup('<div class="wrap">{}</div>').format(
                components.table(rows, ["reviewer", "verdicts", "unsure", "median"], numbers=3)
            )
        )


def show_aside() -> None:
    """What couldn't be used."""
    aside = widgets.quarantined(now)
    if aside.is_empty():
        return
    with card("aside", "Put aside", "results that can't be a verdict; mended ones come in by themselves", fill=False):
        rows = [
            [f"task {row['task_id']}", row["reason"], widgets.age(row["found_at"])]
            for row in aside.head(8).iter_rows(named=True)
        ]
        html(
            Markup('<div class="wrap">{}</div><div class="note">showing {} of {}</div>').format(
                components.table(rows),
                len(rows),
                aside.height,
            )
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
            html(widgets.QUEUE_HEAD)
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
                    name = f"{widgets.case_name(row)} · {row['question']}"
                    st.page_link(
                        components.CASE, label=components.plain(name, 90), query_params=target, width="stretch"
                    )
                    html(widgets.queue_cells(row), width="content")
        html(Markup('<div class="note">showing {} of {:,}</div>').format(min(SHOWN, listed.height), listed.height))


if queue.is_empty():
    components.instead(
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
    studio = configuration.address_of(Path(now.data))
except ServerRefused as error:
    refused = str(error)
with header("Disputes", finding(counts), f"Label Studio: {studio.url if studio else 'not connected'}"):
    components.export(
        "disputes",
        {
            "disputes": lambda: queue,
            "budget": lambda: widgets.budget_rows(now, run_id),
            "verdicts": lambda: widgets.verdicts(now),
        },
    )
    st.button("Fetch verdicts", key="disputes.pull", on_click=act, args=["pull"], disabled=studio is None)
    st.button(
        f"Send {BUDGET}", key="disputes.push", on_click=act, args=["push"], disabled=studio is None, type="primary"
    )
if told := st.session_state.pop("disputes.told", None):
    html(Markup('<div class="accent">{}</div>').format(told))
if not_done := st.session_state.pop("disputes.refused", None):
    html(Markup('<div class="escape">{}</div>').format(not_done))
if refused:
    html(Markup('<div class="escape">{}</div>').format(refused))
elif studio is None:
    html(
        Markup(
            '<div class="note">No Label Studio is set up: <code>workbench labelstudio up</code> starts one here.</div>'
        )
    )

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(), card("funnel", "By state", "disputes"):
        sentence = ", ".join(f"{counts.get(state, 0)} {state}" for state in STATES)
        chart(
            disputes.funnel(components.ink(), {state: counts.get(state, 0) for state in STATES}),
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
reads.follow(now, refresh=True)
