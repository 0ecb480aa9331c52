"""The components of every page: header, card, chart, table, bar, thumbnail, empty state.

Streamlit's widgets first, then small pieces of HTML. The style sheet takes its colours from the palettes with CSS
`light-dark()`, so HTML needs not know the mode; Plotly does (`ink`). HTML is `Markup`, and nothing else is: a parameter
declared `str` is text and is escaped here, and `Markup("...").format(...)` escapes what it is given.
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
from pathlib import Path
from typing import Literal, NoReturn

import plotly.graph_objects as go
import polars as pl
import streamlit as st
from markupsafe import Markup, escape
from streamlit.delta_generator import DeltaGenerator

from warehouse.records.scoring import Run
from workbench.analysis.charts import theme
from workbench.analysis.missing_capabilities import Lack

ASSETS = Path(__file__).parents[1] / "assets"
TONIGHT = "workbench/pages/nights/tonight.py"
HEALTH = "workbench/pages/nights/health.py"
RUNS = "workbench/pages/runs/runs.py"
ERRORS = "workbench/pages/errors.py"
GALLERY = "workbench/pages/gallery.py"
CASE = "workbench/pages/case/case.py"
TRACES = "workbench/pages/traces.py"
COMPARE = "workbench/pages/compare.py"
ABLATION = "workbench/pages/ablation.py"
STRESS = "workbench/pages/stress.py"
TRUST = "workbench/pages/trust.py"
MAP = "workbench/pages/map.py"
DISPUTES = "workbench/pages/disputes/disputes.py"
KNOWLEDGE = "workbench/pages/knowledge/knowledge.py"
GLOSSARY = "workbench/pages/glossary.py"
FIRST_COMMAND = "workbench score ARCHIVE   # or, over a drawn archive: workbench demo"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$:^-])")


@cache
def style() -> Markup:
    """The style sheet with both palettes' colours as variables."""
    names = [field.name for field in dataclasses.fields(theme.Palette)]
    colours = "".join(
        f"--{name.replace('_', '-')}:light-dark({getattr(theme.LIGHT, name)},{getattr(theme.DARK, name)});"
        for name in names
    )
    ramp = zip(theme.diverging(theme.LIGHT), theme.diverging(theme.DARK), strict=True)
    colours += "".join(f"--d{place}:light-dark({light},{dark});" for place, (light, dark) in enumerate(ramp))
    sheet = (ASSETS / "style.css").read_text(encoding="utf-8")
    return Markup(f"<style>.stApp{{{colours}}}{sheet}</style>")  # noqa: S704  our own files, and no text within


def mode() -> theme.Mode:
    """Light or dark, as the browser shows it now."""
    return "dark" if st.context.theme.type == "dark" else "light"


def ink() -> theme.Palette:
    """The palette of the browser's mode."""
    return theme.palette(mode())


def html(body: Markup, width: Literal["stretch", "content"] = "stretch") -> None:
    """A piece of HTML. Text is refused by mypy, and escaped should it come here all the same."""
    st.html(escape(body), width=width)


def glyph(kind: str) -> Markup:
    """The shape of an outcome or a run state, in its colour."""
    shape, colour = theme.GLYPHS[kind]
    return Markup('<span class="{}" title="{}">{}</span>').format(colour, kind, shape)


def model_chip(run: Run) -> Markup:
    """Which model the numbers are from; the embedded one is named as what it is wherever they are shown."""
    name = "embedded demo model" if run.demo else run.model.rstrip("/").rsplit("/", 1)[-1]
    return Markup('<span class="chip">{}</span>').format(name)


def header(title: str, lead: Markup, under: str = "") -> DeltaGenerator:
    """The page's title as it is, one finding as a sentence, a line in grey; and the place to the right, for buttons."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(key="lead", gap="xxsmall", width="stretch"):
            st.title(plain(title, 90), anchor=False)
            html(Markup('<div class="lead">{}</div><div class="under">{}</div>').format(lead, under))
        return st.container(
            key="controls", horizontal=True, gap="xsmall", width="content", vertical_alignment="bottom", wrap=False
        )


@contextmanager
def card(key: str, title: str, note: str = "", fill: bool = True) -> Iterator[None]:
    """A white card; `note` is its unit or how to read it. `fill` makes it as high as its row."""
    with st.container(key=f"card-{key}", gap="xsmall", height="stretch" if fill else "content"):
        if title:
            html(Markup('<div class="title">{}<i>{}</i></div>').format(title, note))
        yield


def chart(figure: go.Figure, key: str, alt: str, on_click: Callable[..., None] | None = None, fields: int = 1) -> None:
    """A figure in our own template; `alt` is its sentence. A click hands `on_click` the first `fields` of the point's
    customdata, each a text.
    """
    config = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "reset"}
    if on_click is None:
        st.plotly_chart(figure, theme=None, key=key, alt=alt, config=config)
        return

    def pick() -> None:
        values = clicked(st.session_state[key], fields)
        if values:
            on_click(*values)

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


def clicked(
    event: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] | None, fields: int = 1
) -> tuple[str, ...]:
    """The first `fields` of the clicked point's customdata; empty when the click took a selection away.

    Streamlit hands customdata over as a list or, for some charts, as a dict of its places.
    """
    points = event["selection"]["points"] if event else []
    data = points[0].get("customdata") if points else None
    if isinstance(data, Mapping):
        data = list(data.values())
    elif not isinstance(data, list):
        data = [] if data is None else [data]
    return tuple(str(value) for value in data[:fields])


def export(name: str, frames: Mapping[str, Callable[[], pl.DataFrame]]) -> None:
    """The button that gives the view's rows as files; each frame is made when its button is pressed.

    Args:
        name: how the files are called.
        frames: what is in it, to what makes it.
    """
    with st.popover("Export", width="content"):
        for what, make in frames.items():
            html(Markup('<div class="note"><b>{}</b>, every row of this view</div>').format(what))
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


CLUSTERED = "; copies of one, and those of one piece, count once"
"""What stands behind the number of images that intervals and tests take for independent."""


def computed(what: Mapping[str, str], statement: str) -> None:
    """The button that says how the view's numbers were made: test, n and clusters in words, and the SQL of its rows."""
    with st.popover("How computed", width="content"):
        rows = [[Markup('<span class="muted">{}</span>').format(name), value] for name, value in what.items()]
        html(
            Markup('<div class="wrap" style="min-width:26rem;max-width:36rem">{}</div>').format(table(rows, numbers=0))
        )
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


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), numbers: int = 1) -> Markup:
    """A small table of cells, text or markup; the last columns, so many, are numbers. A wide one scrolls."""

    def line(cells: Sequence[str], opening: Markup, closing: Markup) -> Markup:
        marked = [opening.format(Markup()), opening.format(Markup(' class="right"'))]
        words = len(cells) - numbers
        body = [marked[at >= words] + cell + closing for at, cell in enumerate(cells)]
        return Markup("<tr>{}</tr>").format(Markup().join(body))

    lines = [line(head, Markup("<th{}>"), Markup("</th>"))] if head else []
    lines += [line(row, Markup("<td{}>"), Markup("</td>")) for row in rows]
    opening = Markup('<div style="overflow-x:auto"><table class="table">')
    return opening + Markup().join(lines) + Markup("</table></div>")


def bar(parts: Sequence[tuple[float, str]], whole: float, tall: bool = False) -> Markup:
    """Parts of a whole side by side, each a size and a CSS colour; what is missing stays empty."""
    shares = [(100 * size / whole, colour) for size, colour in parts if size > 0] if whole > 0 else []
    spans = Markup().join(
        Markup('<span style="width:{:.3f}%;background:{}"></span>').format(share, colour) for share, colour in shares
    )
    return Markup('<div class="bar{}">{}</div>').format(" tall" if tall else "", spans)


def thumbnail(source: str | None, outcome: str, reason: str = "", over: Markup | None = None) -> Markup:
    """A square picture with the outcome's border and badge, HTML over it; without a source the reason in its place."""
    inside = (
        Markup('<img loading="lazy" alt="" src="{}">{}').format(source, over or "")
        if source
        else Markup('<span class="reason">{}</span>').format(reason)
    )
    return Markup('<div class="frame {}">{}<b>{}</b></div>').format(outcome, inside, glyph(outcome))


def empty(title: str, why: str, command: str | None = None) -> None:
    """What is missing, why, and the next command."""
    with st.container(horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        html(
            Markup('<div style="text-align:center"><div class="title">{}</div><div class="note">{}</div></div>').format(
                title, why
            )
        )
        if command:
            st.code(command, language="bash", width="content")
        st.space("small")


def lacking(lack: Lack) -> None:
    """What the run can't show and why, and the command that would."""
    empty(lack.sentence, lack.instead, lack.command)


def instead(page: str, lead: str, title: str, why: str, command: str) -> NoReturn:
    """The page where there is nothing to show: what is missing, why, the next command; the script ends here."""
    header(page, escape(lead))
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
    lead = Markup("There is no run <b>{}</b> in this warehouse.").format(st.query_params["run"])
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
