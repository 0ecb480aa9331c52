"""The normals of a product on the Knowledge page: where each stands, where it comes from, which look out of place.

What waits for a person comes first, then suspects, then what is published. Suspects are told from stored features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from warehouse import names
from warehouse.queries.curation import Curation
from warehouse.queries.normals import Normals
from warehouse.records.normals import Normal
from warehouse.store import Store
from workbench import wording
from workbench.archive import previews
from workbench.curation import normal_checks
from workbench.curation import normals as curation
from workbench.errors import REFUSALS
from workbench.pages.ui import components, pictures, reads
from workbench.pages.ui.components import card, html
from workbench.pages.ui.reads import Snapshot
from workbench.pages.ui.signed_in_actor import actor

SHOWN = 12
SUSPECT = "suspect"
_ORDER = ("proposed", SUSPECT, "published", "retired")
_BORDERS = {"proposed": "alarm", SUSPECT: "escape"}  # of a thumbnail; none of the others


@dataclass(frozen=True)
class ProductNormals:
    """The normals of one product."""

    normals: tuple[Normal, ...]
    reasons: Mapping[int, str]  # why one looks out of place, by number

    def standing(self, normal: Normal) -> str:
        """Its state, or that it is a suspect."""
        return SUSPECT if normal.number in self.reasons else normal.state

    @property
    def ordered(self) -> list[Normal]:
        """What waits first, then suspects, then what is published, then what was."""
        return sorted(self.normals, key=lambda each: (_ORDER.index(self.standing(each)), each.number))

    @property
    def summary(self) -> str:
        """How many stand where."""
        counts = Counter(each.state for each in self.normals)
        said = [f"{counts[state]} {state}" for state in ("published", "proposed", "retired") if counts[state]]
        suspected = wording.counted(len(self.reasons), SUSPECT)
        return ", ".join([*said, suspected] if self.reasons else said)


@st.cache_data(show_spinner=False, max_entries=8)
def products(now: Snapshot) -> dict[str, str]:
    """dataset/product -> how many normals it has, by name."""
    stored = Normals(Path(now.data)).in_state("proposed", "published", "retired")
    counts = Counter(names.join((each.dataset, each.product)) for each in stored)
    return {key: wording.counted(count, "normal") for key, count in sorted(counts.items())}


@st.cache_data(show_spinner=False, max_entries=16)
def of_product(now: Snapshot, key: str) -> ProductNormals:
    """A product's normals."""
    stored = Normals(Path(now.data)).in_state("proposed", "published", "retired")
    own = tuple(each for each in stored if names.join((each.dataset, each.product)) == key)
    version = Curation(Path(now.data)).version_names(1)
    found = dict(_suspects(now.data, version["version"][0] if version.height else "", _towers(now.data)))
    said = {each.path: each.reason for each in Normals(Path(now.data)).contradicted("published", "proposed")}
    found |= {each.number: said[each.path] for each in own if each.state != "retired" and each.path in said}
    return ProductNormals(own, {each.number: found[each.number] for each in own if each.number in found})


def show(now: Snapshot, key: str) -> None:
    """The card of a product's normals, with what can be done."""
    found = of_product(now, key)
    if not found.normals:
        with card("normals", "Normals", "good pictures that others are compared with", fill=False):
            html(Markup('<div class="note">None yet. What an archive declares as normal comes in with:</div>'))
            st.code("workbench knowledge normals import ARCHIVE", language="bash", wrap_lines=True)
        return
    with card("normals", "Normals", found.summary, fill=False):
        if said := st.session_state.pop("knowledge.normals.said", None):
            html(Markup('<div class="note" role="status"><b>{}</b></div>').format(said))
        shown = found.ordered[:SHOWN]
        if len(found.normals) > SHOWN:
            note = f"{SHOWN} of {wording.counted(len(found.normals), 'normal')}, what waits and what looks odd first."
            html(Markup('<div class="note">{}</div>').format(note))
        with st.grid("auto", min_column_width=112, gap=10):
            for normal in shown:
                with st.container(gap=None):
                    _picture(now, found, normal)
        _actions(now, found)


def _picture(now: Snapshot, found: ProductNormals, normal: Normal) -> None:
    archive = reads.archives(now).get(normal.archive_id)
    roots = [each.root for each in reads.archives(now).values()]
    path = previews.locate(normal.path, archive.root, roots) if archive else None
    view = normal_checks.newest_views(Store(Path(now.data))).of(normal).for_display
    picture = pictures.small(now.data, path, view=view)
    standing = found.standing(normal)
    html(components.thumbnail(picture.source, _BORDERS.get(standing, "unlabelled"), picture.problem or ""))
    why = found.reasons.get(normal.number) or f"{normal.origin}; {normal.author}: {normal.reason}"
    html(
        Markup('<div class="note" title="{}"><b>{}</b> {}<br>{}</div>').format(
            normal.path, normal.content[:8], standing, why[:110]
        )
    )


def _actions(now: Snapshot, found: ProductNormals) -> None:
    by_number = {each.number: each for each in found.ordered}

    def label(number: int) -> str:
        normal = by_number[number]
        return f"{normal.content[:8]} · {found.standing(normal)} · {normal.path}"

    with st.popover("Publish or retire"):
        st.selectbox("Normal", list(by_number), key="knowledge.normals.chosen", format_func=label)
        st.text_input("Reason", key="knowledge.normals.reason", placeholder="kept in the history")
        st.caption(
            "Published here, a normal is not checked; `workbench knowledge normals publish` asks pictures of known "
            "truth first."
        )
        with st.container(horizontal=True):
            st.button("Publish this normal", key="knowledge.normals.publish", on_click=_act, args=[now, "publish"])
            st.button("Retire this normal", key="knowledge.normals.retire", on_click=_act, args=[now, "retire"])
    if Normals(Path(now.data)).confirmed_good():
        st.button(
            "Propose what verdicts confirmed as good", key="knowledge.normals.propose", on_click=_act,
            args=[now, "propose"],
        )  # fmt: skip


def _act(now: Snapshot, what: str) -> None:
    """One change, said on the page, done or not."""
    store, asked, who = Store(Path(now.data)), st.session_state, actor()
    statements = Normals(store.data)
    changes: dict[str, Callable[[], str]] = {
        "publish": lambda: _published(store),
        "retire": lambda: _retired(statements),
        "propose": lambda: f"{wording.counted(curation.propose(store, actor=who).added, 'normal')} proposed.",
    }
    try:
        asked["knowledge.normals.said"] = changes[what]()
    except REFUSALS as error:
        asked["knowledge.normals.said"] = f"Not done: {error}"


def _published(store: Store) -> str:
    number, reason = st.session_state["knowledge.normals.chosen"], st.session_state["knowledge.normals.reason"]
    [normal] = [
        each for each in Normals(store.data).in_state("proposed", "published", "retired") if each.number == number
    ]
    curation.publish(store, [normal], reason, None, actor=actor())
    return f"Normal {normal.content[:8]} is published."


def _retired(statements: Normals) -> str:
    number, reason = st.session_state["knowledge.normals.chosen"], st.session_state["knowledge.normals.reason"]
    statements.retire([number], reason or "no reason given", actor=actor())
    return "It is retired; no run is compared with it any more."


def _towers(data: str) -> tuple[str, ...]:
    return tuple(each.name for each in normal_checks.stored_towers(Path(data)))


@st.cache_data(show_spinner="comparing normals", max_entries=8)
def _suspects(data: str, version: str, towers: tuple[str, ...]) -> list[tuple[int, str]]:  # noqa: ARG001 - a cache key
    """Of the published normals those that the others disown, by number, as far as features are stored."""
    if not towers:
        return []
    tower = normal_checks.StoredTower(towers[0])
    return [
        (each.normal.number, each.words)
        for each in normal_checks.Checks(Store(Path(data)), tower).suspects(only_stored=True)
    ]
