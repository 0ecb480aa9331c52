"""How a report looks: sections of sentences, figures and tables as one HTML file that asks nothing of a network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
import plotly.io
import polars as pl
from plotly.offline import get_plotlyjs

from warehouse.records import Run
from workbench.analysis import intervals
from workbench.analysis.look import FONT, LIGHT


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    title: str
    sentences: Sequence[str] = ()
    figures: Sequence[tuple[str, go.Figure]] = ()  # caption, figure
    tables: Sequence[tuple[str, pl.DataFrame]] = ()
    how: str = ""
    rates: Sequence[str] = ("rate", "low", "high", "share")  # columns shown as percentages
    points: Sequence[str] = ()  # columns of differences between shares, shown in points with their sign
    sizes: Sequence[str] = ()  # the same without a sign


def page(run: Run, against: Run | None, sections: Sequence[Section]) -> str:
    """The whole file: Plotly's own code, a style sheet, and the sections."""
    facts = {
        "run": run.run_id, "state": run.state, "started": f"{run.started_at:%Y-%m-%d %H:%M} UTC",
        "questions": f"{run.answered + run.invalid + run.failed:,} of {run.planned:,}",
        "knowledge": run.knowledge_version or str(json.loads(run.settings).get("knowledge", "none")),
        "baseline": against.run_id if against else "none",
    }  # fmt: skip
    head = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    demo = "<p class=demo>Answered by the embedded demo model: not a measurement of the method.</p>" if run.demo else ""
    body = "".join(_section(section, number) for number, section in enumerate(sections))
    model = "Embedded demo model" if run.demo else run.model.rstrip("/").rsplit("/", 1)[-1]
    title = escape(f"{model}, run of {run.started_at:%-d %B %Y}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main><h1>{title}</h1><dl>{head}</dl>{demo}{body}</main></body></html>\n"
    )


def _section(section: Section, number: int) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    parts += [f"<p class=say>{escape(_MINUS.sub('−', sentence))}</p>" for sentence in section.sentences]
    for place, (caption, figure) in enumerate(section.figures):
        drawn = plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id=f"figure-{number}-{place}",
            config={"displayModeBar": False, "responsive": True},
        )
        parts.append(f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>")
    parts += [_table(caption, frame, section) for caption, frame in section.tables if frame.height]
    if section.how:
        parts.append(f"<details><summary>How was this computed?</summary><p>{escape(section.how)}</p></details>")
    return "".join(parts) + "</section>"


def _table(caption: str, frame: pl.DataFrame, section: Section) -> str:
    head = "".join(
        f"<th{' class=number' if kind.is_numeric() else ''}>{escape(name.replace('_', ' '))}</th>"
        for name, kind in frame.schema.items()
    )
    named = {"rate": section.rates, "points": section.points, "size": section.sizes}
    kinds = {column: kind for kind, columns in named.items() for column in columns}
    rows = "".join(
        "<tr>" + "".join(_cell(row[name], kinds.get(name, "")) for name in frame.columns) + "</tr>"
        for row in frame.iter_rows(named=True)
    )
    return (
        f"<div class=table><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(value: object, kind: str) -> str:
    if value is None:
        return "<td class=number>–</td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f"<td class=number>{value:,}</td>"
    if isinstance(value, float):
        plain = f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
        points = intervals.in_points(value) if value else "0.0"
        text = {"rate": f"{100 * value:.1f} %", "points": points, "size": f"{100 * value:.1f}"}.get(kind, plain)
        return f"<td class=number>{_MINUS.sub('−', text)}</td>"
    return f"<td>{escape(str(value).replace('_', ' ').rstrip('.'))}</td>"


_MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # a number's sign, not a hyphen within a name or a date
_STYLE = f"""
body {{ margin: 0; background: {LIGHT.tint}; color: {LIGHT.ink}; font: 15px/1.5 {FONT} }}
main {{ max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px }}
h1 {{ font-size: 22px; margin: 0 0 10px; overflow-wrap: anywhere }}
h2 {{ font-size: 17px; margin: 0 0 10px }}
dl {{ display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 0 0 18px }}
dt {{ color: {LIGHT.muted}; font-size: 12.5px }}
dd {{ margin: 0 }}
section {{ background: {LIGHT.card}; border: 1px solid {LIGHT.line}; border-radius: 8px; padding: 18px 20px;
  margin: 0 0 16px }}
.say {{ margin: 0 0 6px; max-width: 84ch }}
.demo {{ background: {LIGHT.tint_bad}; padding: 8px 12px; border-radius: 6px }}
figure {{ margin: 14px 0 0 }}
figcaption, caption {{ color: {LIGHT.muted}; font-size: 12.5px; text-align: left; padding: 10px 0 4px }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 13px; width: 100% }}
th {{ text-align: left; color: {LIGHT.muted}; font-weight: 600; vertical-align: bottom; font-size: 12px }}
th, td {{ padding: 5px 12px 5px 0; border-bottom: 1px solid {LIGHT.grid} }}
td:not(.number) {{ min-width: 6em }}
td:nth-child(2):not(.number) {{ min-width: 11em }}
tbody tr:last-child td {{ border-bottom: 0 }}
.number {{ text-align: right; font-variant-numeric: tabular-nums }}
td.number {{ white-space: nowrap }}
details {{ margin-top: 12px; color: {LIGHT.muted}; font-size: 13px }}
@media print {{ body {{ background: none }} section {{ break-inside: avoid }} }}
"""
