"""The layout of a report: sections of sentences, figures and tables as one HTML file that asks nothing of a network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go
import plotly.io
import polars as pl
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import markup
from workbench.analysis.charts.theme import FONT, LIGHT


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    title: str
    sentences: Sequence[str] = ()
    figures: Sequence[tuple[str, go.Figure]] = ()  # caption, figure
    tables: Sequence[tuple[str, pl.DataFrame]] = ()
    pictures: Sequence[tuple[str, str]] = ()  # address, caption
    how: str = ""
    rates: Sequence[str] = ("rate", "low", "high", "share")  # columns shown as percentages
    points: Sequence[str] = ()  # columns of differences between shares, shown in points with their sign
    sizes: Sequence[str] = ()  # the same without a sign
    verbatim: Sequence[str] = ()  # columns of file names, shown as they are


class Cell(NamedTuple):
    """A table's cell as it is shown."""

    text: str
    number: bool = False  # stands to the right


def page(run: Run, against: Run | None, sections: Sequence[Section]) -> Markup:
    """A run's report: what it was, and the sections."""
    facts = {
        "run": run.run_id, "state": run.state, "started": f"{run.started_at:%Y-%m-%d %H:%M} UTC",
        "questions": f"{run.answered + run.invalid + run.failed:,} of {run.planned:,}",
        "knowledge": run.knowledge_version or str(json.loads(run.settings).get("knowledge", "none")),
        "baseline": against.run_id if against else "none",
    }  # fmt: skip
    model = "Embedded demo model" if run.demo else run.model.rstrip("/").rsplit("/", 1)[-1]
    return document(f"{model}, run of {run.started_at:%-d %B %Y}", facts, sections, run.demo)


def document(title: str, facts: Mapping[str, str], sections: Sequence[Section], demo: bool = False) -> Markup:
    """The whole file of any sections; Plotly's code is in it where one of them has a figure.

    Args:
        title: of the page, and its first heading.
        facts: what stands above the sections, by name.
        sections: in their order.
        demo: whether the embedded demo model answered, which is then said.
    """
    draws = any(section.figures for section in sections)
    return markup.render(
        "workbench.analysis",
        "report.html",
        title=title,
        facts=facts,
        demo=demo,
        sections=[_section(section, number) for number, section in enumerate(sections)],
        palette=LIGHT,
        font=Markup(FONT),  # noqa: S704  a constant of our own, with quotes
        plotly=Markup(get_plotlyjs()) if draws else "",  # noqa: S704  Plotly's own code
    )


def _section(section: Section, number: int) -> dict[str, object]:
    """A section as the template takes it."""
    return {
        "title": section.title,
        "sentences": [_MINUS.sub("−", sentence) for sentence in section.sentences],
        "figures": [
            (caption, _figure(figure, f"figure-{number}-{place}"))
            for place, (caption, figure) in enumerate(section.figures)
        ],
        "pictures": section.pictures,
        "tables": [_table(caption, frame, section) for caption, frame in section.tables if frame.height],
        "how": section.how,
    }


def _figure(figure: go.Figure, key: str) -> Markup:
    config = {"displayModeBar": False, "responsive": True}
    drawn = plotly.io.to_html(figure, include_plotlyjs=False, full_html=False, div_id=key, config=config)
    return Markup(drawn)  # noqa: S704  Plotly writes the figure as JSON in which < and > are escaped


def _table(caption: str, frame: pl.DataFrame, section: Section) -> dict[str, object]:
    columns_of = {"rate": section.rates, "points": section.points, "size": section.sizes, "verbatim": section.verbatim}
    kinds = {column: kind for kind, columns in columns_of.items() for column in columns}
    return {
        "caption": caption,
        "head": [Cell(name.replace("_", " "), kind.is_numeric()) for name, kind in frame.schema.items()],
        "rows": [
            [_cell(row[name], kinds.get(name, "")) for name in frame.columns] for row in frame.iter_rows(named=True)
        ],
    }


def _cell(value: object, kind: str) -> Cell:
    if value is None:
        return Cell("–", True)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(f"{value:,}", True)
    if isinstance(value, float):
        plain = f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
        points = wording.points(value) if value else "0.0"
        text = {"rate": wording.percent(value, 1), "points": points, "size": f"{100 * value:.1f}"}.get(kind, plain)
        return Cell(_MINUS.sub("−", text), True)
    return Cell(str(value) if kind == "verbatim" else str(value).replace("_", " ").rstrip("."))


_MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # a number's sign, not a hyphen within a name or a date
