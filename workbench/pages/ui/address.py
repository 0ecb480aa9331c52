"""The address is the state: run, baseline and filters are read from it and written to it, so a link restores the view.

`run`, `base` and one name per facet (`subtask`, `product`, ..., see `warehouse.queries.rollups.FACETS`; "none" where
the warehouse holds nothing); `entropy`, `confidence` and measures of the picture (`brightness`, ...) as from-to; `flip`
against the base; `region` is a polygon drawn on the Map; `order=likeliest defect` looks at the likeliest defects first,
`order=most suspicious` at the highest scores beside normal pictures; `truth=reviewed` holds answers against what people
settled, where they did, instead of the archive; `alarms` names a signal whose saved thresholds call pictures defective
instead of their answers; `count=piece` counts and lists pieces, not pictures.
What an address says is checked here: what makes no sense is left out.

Streamlit keeps one address per session, while two runs of a session may overlap: a look of `reads.follow`, sent before
a click, may begin in the old thread after the click's run has begun in its own, and it sets the session's address back
to the one it was sent with. So a change is made to what its own run was asked with (`asked`), never to what the session
holds at that moment; else the filters that were there would vanish with the click that adds one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, get_args
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from warehouse.queries.alarm_rules import ALARM_RULES, AlarmRule
from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import FACETS, RANGES, SUSPICIOUS, Flip, Order, Selection
from warehouse.queries.run_notes import LATEST
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Run
from workbench.pages.ui import components
from workbench.settings import COMPARE

WORDS = {
    "answer_text": "answer",
    "correct_text": "truth",
    "confidence_band": "confidence",
    "entropy_band": "entropy",
    "letter": "right letter",
    "description": "description",
    "clipped_bright": "clipped at the top",
    "clipped_dark": "black pixels",
    "fill": "object's share",
    "centre_x": "object from the left",
    "centre_y": "object from the top",
}
T = TypeVar("T")
KEPT = (
    "run",
    "base",
    "truth",
    "alarms",
    "order",
    "count",
    "flip",
    "region",
    *FACETS,
    *RANGES,
)  # what goes along from page to page


def word(facet: str) -> str:
    """A facet's name for people."""
    return WORDS.get(facet, facet)


def chosen_run(runs: Sequence[Run]) -> Run | None:
    """The run the address names, by its id, the beginning of it or `latest`, else the newest; None when it names one
    that isn't there, or several."""
    named = st.query_params.get("run")
    if named in (None, LATEST):
        return runs[0] if runs else None
    begun = [run for run in runs if run.run_id.startswith(named)]
    exact = [run for run in begun if run.run_id == named]
    return next(iter(exact or begun), None) if exact or len(begun) == 1 else None


def base_run(runs: Sequence[Run], run: Run) -> Run | None:
    """What the run is compared with; None when there is no other.

    The address's `base`; else of the runs of the same archive, or if it has none of all, the newest finished one before
    the run, else the newest.
    """
    others, base = [one for one in runs if one.run_id != run.run_id], st.query_params.get("base")
    named = next((one for one in others if one.run_id == base), None)
    candidates = [one for one in others if one.archive_id == run.archive_id] or others
    before = [one for one in candidates if one.started_at < run.started_at and one.state == "finished"]
    return named or next(iter([*before, *candidates]), None)


def selection(run: Run, base: Run | None = None, images: tuple[str, ...] | None = None) -> Selection:
    """The run's predictions that the address's filters let through."""
    address = st.query_params
    facets = tuple((name, address[name]) for name in FACETS if name in address)
    if address.get("outcome") not in (None, *OUTCOMES):
        facets = tuple(one for one in facets if one[0] != "outcome")
    ranges = tuple((name, *ends) for name in RANGES if (ends := range_of(name)))
    flip = address.get("flip")
    return Selection(
        run.run_id,
        facets,
        ranges,
        flip if flip in get_args(Flip) and base else None,  # type: ignore[arg-type]
        base.run_id if base and flip in get_args(Flip) else None,
        images,
        truth(),
        order(run),
        alarm_rule(),
    )


def order(run: Run) -> Order:
    """What a list of the run's cases begins with: what the address says, such as `order=likeliest defect`, else the
    usual: the most suspicious picture where comparing alone answered, for it leaves questions of every picture open; in
    other runs the worst outcome.
    """
    named = st.query_params.get("order")
    return named if named in get_args(Order) else usual_order(run)  # type: ignore[return-value]


def usual_order(run: Run) -> Order:
    """What a list of the run's cases begins with where the address says nothing."""
    return SUSPICIOUS if run.model == COMPARE else "worst"


def truth() -> Truth:
    """What is right and wrong goes by: the archive, unless the address says `truth=reviewed`."""
    return "reviewed" if st.query_params.get("truth") == "reviewed" else "archive"


def alarm_rule() -> AlarmRule:
    """What calls pictures defective: their answers, unless `alarms` names a signal with thresholds."""
    named = st.query_params.get("alarms")
    return next((rule for rule in ALARM_RULES if rule == named), "answers")


def by_piece() -> bool:
    """Whether counts and lists go by piece (`count=piece`), not by picture."""
    return st.query_params.get("count") == "piece"


def without(selection: Selection, *names: str) -> Selection:
    """The selection with these facets open: what a chart shows that lets one choose among them."""
    return replace(selection, facets=tuple(one for one in selection.facets if one[0] not in names))


_EMBEDDING = ("embed", "embed_options")  # Streamlit's own: how a page is shown within another


def asked() -> dict[str, str]:
    """The address that this run was asked with, and what it has changed since."""
    context = get_script_run_ctx()
    text = context.query_string if context else ""
    return {name: value for name, value in parse_qsl(text, keep_blank_values=True) if name not in _EMBEDDING}


def settle() -> None:
    """Read this run's own address from here on, whatever another run of the session has made of it."""
    own = asked()
    if st.query_params.to_dict() != own:
        st.query_params.from_dict(own)


def write(**what: str | None) -> None:
    """Change the address; None takes a name out."""
    own = asked()
    changed = {name: value for name, value in {**own, **what}.items() if value is not None}
    if changed != own or changed != st.query_params.to_dict():
        st.query_params.from_dict(changed)


def choose(label: str, offered: Sequence[T], value: T, key: str, pick: Callable[[T], None], **how: Any) -> None:
    """A list to choose from. The address decides what is chosen, the widget follows: a link or Back changes it too.

    Args:
        label: the list's name.
        offered: what there is.
        value: what the address says.
        key: the widget's.
        pick: puts a choice into the address.
        how: else for `st.selectbox`.
    """
    st.session_state[key] = value
    st.selectbox(label, offered, key=key, on_change=lambda: pick(st.session_state[key]), **how)


def put(**what: str | None) -> None:
    """Write filters to the address; None takes one out. A list begins anew.

    Writing twice is writing once: a chart may report a click again when it is drawn anew.
    """
    write(**{**what, "from": None})


def clear() -> None:
    """Take every filter out; run, baseline, truth and alarm rule stay."""
    put(**{name: None for name in KEPT if name not in ("run", "base", "truth", "alarms", "order", "count")})


def going(**what: str | None) -> dict[str, str]:
    """The address to go on with: run, baseline and filters, and what is new."""
    held = {name: value for name, value in st.query_params.items() if name in KEPT}
    more: Mapping[str, str | None] = {**held, **what}
    return {name: value for name, value in more.items() if value is not None}


def chips() -> None:
    """The filters that are set, each with a button that takes it out; Escape takes out all. Nothing without filters."""
    address = st.query_params
    held = [name for name in (*FACETS, *RANGES, "flip", "region") if name in address]
    if not held:
        return
    with st.container(key="chips", horizontal=True, gap="xsmall", vertical_alignment="center"):
        for name in held:
            value = "drawn" if name == "region" else address[name]
            label = f"{word(name)}: {value}" if len(value) <= 40 else f"{word(name)}: {value[:39]}…"
            st.button(f"{components.plain(label)} ✕", key=f"chip.{name}", on_click=put, kwargs={name: None})
        st.button("Clear filters", key="chip.all", shortcut="Escape", type="tertiary", on_click=clear)


def polygon(text: str) -> list[tuple[float, float]]:
    """The corners of `region`; empty when it makes no sense."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    if len(numbers) < 6 or len(numbers) % 2 or not all(abs(number) < 1e6 for number in numbers):
        return []
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def number(name: str, at_most: int) -> int:
    """A whole number of the address, 0 where there is none that makes sense."""
    text = st.query_params.get(name, "")
    return min(int(text), at_most) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def range_of(name: str) -> tuple[float, float] | None:
    """From and to of one of RANGES; None where the address names none that makes sense."""
    low, _, high = st.query_params.get(name, "").partition("-")
    try:
        ends = float(low), float(high)
    except ValueError:
        return None
    return ends if ends[0] <= ends[1] < math.inf else None  # of no number neither holds
