"""What every page is made of: header, card, chart, table, bar, thumbnail, empty state.

Streamlit's widgets first, then small pieces of HTML. The style sheet takes its colours from the palettes with CSS
`light-dark()`, so HTML needs not know the mode; Plotly does (`ink`). Whatever comes from the warehouse passes `escape`
before it becomes HTML.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import NoReturn

import plotly.graph_objects as go
import polars as pl
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from warehouse.records import Run
from workbench.analysis import look

ASSETS = Path(__file__).parent / "assets"
TONIGHT = "workbench/pages/tonight.py"
HEALTH = "workbench/pages/health.py"
RUNS = "workbench/pages/runs.py"
ERRORS = "workbench/pages/errors.py"
GALLERY = "workbench/pages/gallery.py"
CASE = "workbench/pages/case.py"
TRACES = "workbench/pages/traces.py"
COMPARE = "workbench/pages/compare.py"
ABLATION = "workbench/pages/ablation.py"
STRESS = "workbench/pages/stress.py"
TRUST = "workbench/pages/trust.py"
MAP = "workbench/pages/map.py"
DISPUTES = "workbench/pages/disputes.py"
KNOWLEDGE = "workbench/pages/knowledge.py"
FIRST_COMMAND = "workbench score ARCHIVE   # or, over a drawn archive: workbench demo"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$:^-])")


@cache
def style() -> str:
    """The style sheet with both palettes' colours as variables."""
    names = [field.name for field in dataclasses.fields(look.Palette)]
    colours = "".join(
        f"--{name.replace('_', '-')}:light-dark({getattr(look.LIGHT, name)},{getattr(look.DARK, name)});"
        for name in names
    )
    ramp = zip(look.diverging(look.LIGHT), look.diverging(look.DARK), strict=True)
    colours += "".join(f"--d{place}:light-dark({light},{dark});" for place, (light, dark) in enumerate(ramp))
    return f"<style>.stApp{{{colours}}}{(ASSETS / 'style.css').read_text(encoding='utf-8')}</style>"


def mode() -> look.Mode:
    """Light or dark, as the browser shows it now."""
    return "dark" if st.context.theme.type == "dark" else "light"


def ink() -> look.Palette:
    """The palette of the browser's mode."""
    return look.palette(mode())


def html(body: str) -> None:
    """A piece of HTML; its author escapes what isn't markup."""
    st.html(body)


def glyph(kind: str) -> str:
    """The shape of an outcome or a run state, in its colour."""
    shape, colour = look.GLYPHS[kind]
    return f'<span class="{colour}" title="{kind}">{shape}</span>'


def model_chip(run: Run) -> str:
    """Which model the numbers are from; the embedded one is named as what it is wherever they are shown."""
    name = "embedded demo model" if run.demo else run.model.rstrip("/").rsplit("/", 1)[-1]
    return f'<span class="chip">{escape(name)}</span>'


def header(title: str, lead: str, under: str = "") -> DeltaGenerator:
    """The page's title as it is, one finding as a sentence, a line in grey; and the place to the right, for buttons."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(key="lead", gap="xxsmall", width="stretch"):
            st.title(plain(title, 90), anchor=False)
            html(f'<div class="lead">{lead}</div><div class="under">{under}</div>')
        return st.container(horizontal=True, gap="xsmall", width="content", vertical_alignment="bottom", wrap=False)


@contextmanager
def card(key: str, title: str, note: str = "", fill: bool = True) -> Iterator[None]:
    """A white card; `note` is its unit or how to read it. `fill` makes it as high as its row."""
    with st.container(key=f"card-{key}", gap="xsmall", height="stretch" if fill else "content"):
        if title:
            html(f'<div class="title">{title}<i>{note}</i></div>')
        yield


def chart(figure: go.Figure, key: str, alt: str, on_click: Callable[[str], None] | None = None) -> None:
    """A figure in our own template; `alt` is its sentence. A click hands `on_click` the point's customdata[0]."""
    config = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "reset"}
    if on_click is None:
        st.plotly_chart(figure, theme=None, key=key, alt=alt, config=config)
        return

    def pick() -> None:
        what = clicked(st.session_state[key])
        if what is not None:
            on_click(what)

    figure.update_layout(clickmode="event+select")
    st.plotly_chart(figure, theme=None, key=key, alt=alt, config=config, on_select=pick, selection_mode="points")


def toggle(label: str, shortcut: str, key: str, on: bool, flip: Callable[[str], None], what: str) -> None:
    """A button with a key that shows or hides something, tinted while it is shown; `flip` gets `what`."""
    with st.container(key=f"toggle-{'on' if on else 'off'}-{what}", width="content"):
        st.button(label, shortcut=shortcut, key=key, on_click=flip, args=[what])


def lassoed(event: Mapping[str, Mapping[str, Sequence[Mapping[str, Sequence[float]]]]] | None) -> str | None:
    """The corners of the drawn shape as "x,y,x,y,...", thinned to what an address holds; None when nothing is drawn."""
    drawn = event["selection"].get("lasso") or event["selection"].get("box") if event else None
    if not drawn:
        return None
    xs, ys = drawn[0]["x"], drawn[0]["y"]
    if len(xs) == 2:  # a box's two corners
        xs, ys = [xs[0], xs[1], xs[1], xs[0]], [ys[0], ys[0], ys[1], ys[1]]
    step = -(-len(xs) // 32)
    return ",".join(f"{x:.3f},{y:.3f}" for x, y in zip(xs[::step], ys[::step], strict=True))


def clicked(event: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] | None) -> str | None:
    """customdata[0] of the clicked point; None when the click took a selection away.

    Streamlit hands customdata over as a list or, for some charts, as a dict of its places.
    """
    points = event["selection"]["points"] if event else []
    data = points[0].get("customdata") if points else None
    if isinstance(data, Mapping):
        data = next(iter(data.values()), None)
    elif isinstance(data, list):
        data = data[0] if data else None
    return None if data is None else str(data)


def export(name: str, frames: Mapping[str, Callable[[], pl.DataFrame]]) -> None:
    """The button that gives the view's rows as files; each frame is made when its button is pressed.

    Args:
        name: how the files are called.
        frames: what is in it, to what makes it.
    """
    with st.popover("Export", width="content"):
        for what, make in frames.items():
            html(f'<div class="note"><b>{escape(what)}</b>, every row of this view</div>')
            file = f"{name}-{what}".replace(" ", "-")
            with st.container(horizontal=True, gap="xsmall"):
                for kind, write in (("CSV", _csv), ("Parquet", _parquet)):
                    st.download_button(
                        kind,
                        data=_written(make, write),
                        file_name=f"{file}.{kind.lower()}",
                        key=f"export.{file}.{kind}",
                        on_click="ignore",
                    )


def computed(what: Mapping[str, str], statement: str) -> None:
    """The button that says how the view's numbers were made: test, n and clusters in words, and the SQL of its rows."""
    with st.popover("How computed", width="content"):
        rows = [[f'<span class="muted">{escape(name)}</span>', escape(value)] for name, value in what.items()]
        html(f'<div class="wrap" style="min-width:26rem;max-width:36rem">{table(rows, numbers=0)}</div>')
        st.code(statement, language="sql", wrap_lines=True)


def _written(make: Callable[[], pl.DataFrame], write: Callable[[pl.DataFrame], bytes]) -> Callable[[], bytes]:
    """A file that is made when it is asked for."""
    return lambda: write(make())


def _csv(frame: pl.DataFrame) -> bytes:
    """Lists become JSON, as in `workbench export`."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    plain_columns = [
        pl.Series(name, [None if value is None else json.dumps(value) for value in frame[name].to_list()], pl.String)
        for name in nested
    ]
    return frame.with_columns(plain_columns).write_csv().encode()


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), numbers: int = 1) -> str:
    """A small table of HTML cells; the last columns, so many, are numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        words, figures = cells[: len(cells) - numbers], cells[len(cells) - numbers :]
        return (
            "<tr>"
            + "".join(f"<{tag}>{cell}</{tag}>" for cell in words)
            + "".join(f'<{tag} class="right">{cell}</{tag}>' for cell in figures)
            + "</tr>"
        )

    body = (line(head, "th") if head else "") + "".join(line(row, "td") for row in rows)
    return f'<table class="table">{body}</table>'


def bar(parts: Sequence[tuple[float, str]], whole: float, tall: bool = False) -> str:
    """Parts of a whole side by side, each a size and a CSS colour; what is missing stays empty."""
    shares = [(100 * size / whole, colour) for size, colour in parts if size > 0] if whole > 0 else []
    spans = "".join(f'<span style="width:{share:.3f}%;background:{colour}"></span>' for share, colour in shares)
    return f'<div class="bar{" tall" if tall else ""}">{spans}</div>'


def thumbnail(source: str | None, outcome: str, reason: str = "", over: str = "") -> str:
    """A square picture with the outcome's border and badge, HTML over it; without a source the reason in its place."""
    inside = (
        f'<img loading="lazy" alt="" src="{source}">{over}'
        if source
        else f'<span class="reason">{escape(reason)}</span>'
    )
    return f'<div class="frame {outcome}">{inside}<b>{glyph(outcome)}</b></div>'


def empty(title: str, why: str, command: str | None = None) -> None:
    """What is missing, why, and the next command."""
    with st.container(horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        html(f'<div style="text-align:center"><div class="title">{title}</div><div class="note">{why}</div></div>')
        if command:
            st.code(command, language="bash", width="content")
        st.space("small")


def instead(page: str, lead: str, title: str, why: str, command: str) -> NoReturn:
    """The page where there is nothing to show: what is missing, why, the next command; the script ends here."""
    header(page, lead)
    with card("none", "", fill=False):
        empty(title, why, command)
    st.stop()


def need_run(page: str, runs: Sequence[Run], run: Run | None) -> Run:
    """The run, or the page that says what to do without one."""
    if run is not None:
        return run
    if not runs:
        why = "A run appears here as soon as an archive is being scored."
        instead(page, "Nothing has been scored yet.", "The warehouse is empty", why, FIRST_COMMAND)
    lead = f"There is no run <b>{escape(st.query_params['run'])}</b> in this warehouse."
    why = "It may belong to another data folder."
    instead(page, lead, "The address names a run that isn't stored", why, "workbench runs")


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Names by key, those that are equal with the beginning of their key: a list tells its choices apart by name."""
    often = Counter(names.values())
    return {key: name if often[name] == 1 else f"{name} ({key[:4]})" for key, name in names.items()}


def plain(text: str, at_most: int = 60) -> str:
    """Text as a label shows it: cut, and with everything escaped that Markdown would read."""
    cut = text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"
    return _MARKDOWN.sub(r"\\\1", cut)
