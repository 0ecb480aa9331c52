"""The charts of the Compare page: forest plot, slopes, flips, published rows. Frames in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go
import polars as pl

from workbench import wording
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape

SYMBOL = {"better": "triangle-right", "worse": "triangle-left"}
FLIPS = (
    ("right", "right", "kept"),
    ("right", "wrong", "lost"),
    ("wrong", "right", "won"),
    ("wrong", "wrong", "still wrong"),
)


def _colour(p: Palette, word: str) -> str:
    return {"better": p.accent, "worse": p.escape}.get(word, p.muted)


def forest(p: Palette, rows: pl.DataFrame) -> go.Figure:
    """The paired difference per subtask with its interval; grey: differences this many pairs cannot show.

    Args:
        p: the palette.
        rows: `compare.table` by subtask, in the order to show.
    """
    rows = rows.reverse()
    labels = [escape(name) for name in rows["subtask"]]
    fig = theme.Draft(p, 40 * max(rows.height, 1) + 60, margin={"l": 8, "r": 222, "t": 26, "b": 28})
    ends = [abs(value) for name in ("low", "high", "difference") for value in rows[name].drop_nulls()]
    ends += rows["detectable"].drop_nulls().to_list()
    reach = min(max([0.02, *ends]) * 1.12, 1.0)
    colours = [_colour(p, word) for word in rows["word"]]
    for place, row in enumerate(rows.iter_rows(named=True)):
        colour = colours[place]
        if row["detectable"] is not None:
            wide = min(row["detectable"], reach)
            fig.add_shape(
                type="rect", x0=-wide, x1=wide, y0=place - 0.34, y1=place + 0.34, line={"width": 0}, layer="below",
                fillcolor=theme.soft(p.faint, 0.15),
            )  # fmt: skip
        for text, shift, align, ink in (
            (f"<b>{_points(row['difference'])}</b>", 12, "left", colour),
            (f"{100 * row['rate_old']:.1f} → {100 * row['rate_new']:.1f}", 142, "right", p.ink),
            (f"{row['n']:,}", 214, "right", p.muted),
        ):
            fig.add_annotation(
                x=1, xref="paper", xanchor=align, xshift=shift, y=place, text=text, font={"color": ink, "size": 12.5}
            )
    for colour in dict.fromkeys(colours):
        found = enumerate(rows.select("low", "high").iter_rows())
        fig.add_lines(
            [(low, at, high, at) for at, (low, high) in found if colours[at] == colour and low is not None],
            {"color": colour, "width": 3},
        )
    fig.add_scatter(
        x=rows["difference"],
        y=list(range(rows.height)),
        mode="markers",
        marker={
            "color": [colour if colour != p.muted else p.card for colour in colours],
            "size": 12,
            "symbol": [SYMBOL.get(word, "circle") for word in rows["word"]],
            "line": {"color": colours, "width": 2},
        },
        customdata=rows.select(
            pl.Series("label", labels), "word", 100 * pl.col("detectable").fill_null(0), "p", "images"
        ).rows(),
        hovertemplate="<b>%{customdata[0]}</b>: %{customdata[1]}<br>p %{customdata[3]:.3g}"
        ", %{customdata[4]:,} images<br>smallest to be noticed %{customdata[2]:.1f} points<extra></extra>",
    )
    for text, shift, align in (("points", 12, "left"), ("A → B, %", 142, "right"), ("pairs", 214, "right")):
        fig.add_annotation(
            x=1, xref="paper", xanchor=align, xshift=shift, y=1, yref="paper", yanchor="bottom", text=text
        )
    for text, anchor, shift in (("← A better", "right", -6), ("B better →", "left", 6)):
        fig.add_annotation(x=0, y=1, yref="paper", yanchor="bottom", xanchor=anchor, xshift=shift, text=text)
    fig.add_shape(type="line", x0=0, x1=0, yref="paper", y0=0, y1=1, line={"color": p.muted, "width": 1})
    step = next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if reach / step <= 4), 0.5)
    ticks = [place * step for place in range(-4, 5) if abs(place * step) <= reach]
    fig.update_xaxes(
        range=[-reach, reach], tickvals=ticks, ticktext=[_tick(tick, ticks) for tick in ticks], fixedrange=True
    )
    fig.update_yaxes(
        showgrid=False, fixedrange=True, tickvals=list(range(rows.height)), ticktext=labels,
        tickfont={"color": p.ink, "size": 12.5}, range=[-0.6, rows.height - 0.4],
    )  # fmt: skip
    return fig.figure()


def losses(p: Palette, rows: pl.DataFrame, names: Sequence[str]) -> go.Figure:
    """The slices where the new run loses, under each other; a click gives the slice's place among them.

    Args:
        p: the palette.
        rows: of `loss_by_slice.table`: difference, rate_old, rate_new, lost, gained, n, q, only_old, only_new.
        names: of the slices, as a sentence names them.
    """
    fig = theme.Draft(p, 38 * max(rows.height, 1) + 34, margin={"l": 8, "r": 258, "t": 22, "b": 6})
    reach = max([0.02, *(-rows["difference"])]) * 1.1
    heads = (("points", 12, "left"), ("A → B, %", 132, "right"), ("lost, won of pairs", 250, "right"))
    for text, shift, align in heads:
        fig.add_annotation(
            x=1, xref="paper", xanchor=align, xshift=shift, y=1, yref="paper", yanchor="bottom", text=text
        )
    for place, row in enumerate(rows.iter_rows(named=True)):
        alone = (row["only_old"] or 0, row["only_new"] or 0)
        apart = (
            f"<br><span style='font-size:11px'>only A {alone[0]:,}, only B {alone[1]:,}</span>" if any(alone) else ""
        )
        for text, shift, align, ink in (
            (f"<b>{_points(row['difference'])}</b>", 12, "left", p.escape),
            (f"{100 * row['rate_old']:.1f} → {100 * row['rate_new']:.1f}", 132, "right", p.ink),
            (f"{row['lost']:,}, {row['gained']:,} of {row['n']:,}{apart}", 250, "right", p.muted),
        ):
            fig.add_annotation(
                x=1, xref="paper", xanchor=align, xshift=shift, y=place, text=text, align="right",
                font={"color": ink, "size": 12.5},
            )  # fmt: skip
    fig.add_lines(
        [(0, place, loss, place) for place, loss in enumerate(rows["difference"])],
        {"color": theme.soft(p.escape, 0.45), "width": 5},
    )
    fig.add_scatter(
        x=rows["difference"],
        y=list(range(rows.height)),
        mode="markers",
        marker={"color": p.escape, "size": 12, "symbol": "triangle-left"},
        customdata=[
            [str(place), escape(name), q, images]
            for place, (name, q, images) in enumerate(zip(names, rows["q"], rows["images"], strict=True))
        ],
        hovertemplate="<b>%{customdata[1]}</b><br>q %{customdata[2]:.2g}, %{customdata[3]:,} images<extra></extra>",
    )
    fig.update_xaxes(range=[-reach, 0], visible=False, fixedrange=True)
    fig.update_yaxes(
        showgrid=False, fixedrange=True, tickvals=list(range(rows.height)), ticktext=[escape(name) for name in names],
        tickfont={"color": p.ink, "size": 12.5}, range=[rows.height - 0.4, -0.6],
    )  # fmt: skip
    return fig.figure()


def slopes(p: Palette, rows: pl.DataFrame, old: str, new: str, short: Mapping[str, str]) -> go.Figure:
    """Accuracy before and after, one line per subtask.

    Args:
        p: the palette.
        rows: `compare.table` by subtask.
        old: the baseline's name.
        new: the run's name.
        short: subtasks' names for captions.
    """
    fig = theme.Draft(p, 396, margin={"l": 44, "r": 128, "t": 26, "b": 8})
    at = _spread(rows["rate_new"].to_list(), 0.055 * max(_span(rows), 0.2))
    for row, y in zip(rows.iter_rows(named=True), at, strict=True):
        colour = _colour(p, row["word"])
        fig.add_scatter(
            x=[0, 1],
            y=[row["rate_old"], row["rate_new"]],
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": "solid" if row["word"] in SYMBOL else "dot"},
            marker={"size": 8, "color": [p.card, colour], "line": {"color": colour, "width": 2}},
            customdata=[[escape(row["subtask"]), row["word"]]] * 2,
            hovertemplate="<b>%{customdata[0]}</b> %{y:.1%}<br>%{customdata[1]}<extra></extra>",
        )
        name = short.get(row["subtask"], row["subtask"])
        fig.add_annotation(
            x=1, y=y, xanchor="left", xshift=10, font={"color": colour, "size": 12},
            text=f"<b>{100 * row['rate_new']:.0f}</b> {escape(name)}",
        )  # fmt: skip
    for x, name in ((0, old), (1, new)):
        fig.add_annotation(
            x=x, y=1, yref="paper", yanchor="bottom", text=f"<b>{escape(name)}</b>", font={"color": p.ink}
        )
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(range=[-0.04, 1.04], visible=False, fixedrange=True)
    shown = [*rows["rate_old"], *rows["rate_new"], *at]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    room = 0.06 * max(high - low, 0.05)
    fig.update_yaxes(**theme.percents(low - room, high + room), range=[low - room, high + room], fixedrange=True)
    return fig.figure()


def flips(p: Palette, counts: dict[tuple[str, str], int], highlighted: str | None) -> go.Figure:
    """The flips matrix; a click gives "lost", "won", "kept" or "still wrong".

    Args:
        p: the palette.
        counts: (was, now) to pairs.
        highlighted: the flip drawn as selected.
    """
    fig = theme.Draft(p, 322, margin={"l": 32, "r": 8, "t": 32, "b": 8})
    total = max(sum(counts.values()), 1)
    places = {"right": 0, "wrong": 1}
    for was, now, word in FLIPS:
        x, y, n = places[now], 1 - places[was], counts.get((was, now), 0)
        strong = {"lost": p.escape, "won": p.accent}.get(word)
        fig.add_shape(
            type="rect", x0=x - 0.47, x1=x + 0.47, y0=y - 0.46, y1=y + 0.46, layer="below",
            fillcolor=theme.soft(strong, 0.18) if strong else p.tint,
            line={"color": p.accent if word == highlighted else theme.soft(strong, 0.5) if strong else p.grid,
                  "width": 3 if word == highlighted else 1},
        )  # fmt: skip
        glyph = {"lost": "↓ ", "won": "↑ "}.get(word, "")
        fig.add_annotation(
            x=x, y=y, font={"color": strong or p.ink, "size": 13},
            text=f"<span style='font-size:25px'><b>{n:,}</b></span><br>{glyph}{word} · {wording.percent(n / total, 1)}",
        )  # fmt: skip
    # Invisible markers over the squares take the click, wherever it is.
    grid = [-0.3, 0.0, 0.3]
    spots = [(places[now] + dx, 1 - places[was] + dy, word) for was, now, word in FLIPS for dx in grid for dy in grid]
    fig.add_scatter(
        x=[x for x, _, _ in spots],
        y=[y for _, y, _ in spots],
        mode="markers",
        hoverinfo="none",
        marker={"symbol": "square", "size": 44, "opacity": 0},
        unselected={"marker": {"opacity": 0}},
        selected={"marker": {"opacity": 0}},
        customdata=[[word] for _, _, word in spots],
    )
    names = {"side": "top", "tickvals": [0, 1], "ticktext": ["<b>B right</b>", "<b>B wrong</b>"]}
    fig.update_xaxes(**names, showgrid=False, range=[-0.5, 1.5], tickfont={"color": p.ink}, fixedrange=True)
    fig.update_yaxes(
        tickvals=[0, 1], ticktext=["<b>A wrong</b>", "<b>A right</b>"], tickangle=-90, showgrid=False,
        range=[-0.5, 1.5], tickfont={"color": p.ink}, fixedrange=True,
    )  # fmt: skip
    return fig.figure()


@dataclass(frozen=True, slots=True)
class Row:
    """One average beside others."""

    name: str
    value: float  # percent
    own: int  # 0 published, 1 the baseline, 2 the run
    setting: str = ""  # how it was measured

    @property
    def title(self) -> str:
        """Name and setting as a sentence writes them."""
        return f"{self.name}, {self.setting}" if self.setting else self.name


def published(p: Palette, rows: Sequence[Row]) -> go.Figure:
    """Our averages among published ones, highest first."""
    rows = sorted(rows, key=lambda row: row.value)
    fig = theme.Draft(p, 34 * len(rows) + 40, margin={"l": 8, "r": 44, "t": 6, "b": 26})
    low = min((row.value for row in rows), default=0.0)
    start = max(0.0, 5 * (low // 5) - 2)
    colours = [(p.faint, p.ink, p.accent)[row.own] for row in rows]
    for colour in dict.fromkeys(colours):
        fig.add_lines(
            [(start, place, row.value, place) for place, row in enumerate(rows) if colours[place] == colour],
            {"color": theme.soft(colour, 0.4), "width": 1.5},
        )
    fig.add_scatter(
        x=[row.value for row in rows],
        y=list(range(len(rows))),
        mode="markers+text",
        text=[f"<b> {row.value:.1f}</b>" if row.own else f" {row.value:.1f}" for row in rows],
        textposition="middle right",
        textfont={"color": [c if row.own else p.muted for c, row in zip(colours, rows, strict=True)], "size": 12.5},
        marker={
            "size": [11 if row.own else 8 for row in rows],
            "color": colours,
            "symbol": ["circle" if row.own else "diamond" for row in rows],
        },
        customdata=[[escape(row.title)] for row in rows],
        hovertemplate="%{customdata[0]} %{x:.2f} %<extra></extra>",
    )
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(range=[start, 100], fixedrange=True, ticksuffix=" %", nticks=5)
    fig.update_yaxes(
        showgrid=False, fixedrange=True, tickvals=list(range(len(rows))), ticktext=[_named(p, row) for row in rows],
        tickfont={"color": p.ink, "size": 12}, range=[-0.6, len(rows) - 0.4],
    )  # fmt: skip
    return fig.figure()


def _named(p: Palette, row: Row) -> str:
    """The name, and below it in grey the setting."""
    return f"{escape(row.name)}<br><span style='color:{p.muted};font-size:11px'>{escape(row.setting)}</span>"


def _points(difference: float) -> str:
    return theme.minus(wording.points(difference)) if difference else "0.0"


def _tick(tick: float, ticks: Sequence[float]) -> str:
    text = "0" if abs(tick) < 1e-9 else theme.minus(f"{100 * tick:+.0f}")
    return f"{text} points" if tick == max(ticks) else text


def _span(rows: pl.DataFrame) -> float:
    values = [*rows["rate_old"], *rows["rate_new"]]
    return max(values) - min(values) if values else 0.0


def _spread(values: Sequence[float], gap: float) -> list[float]:
    """Where labels stand beside these values: as near as they may, at least `gap` apart."""
    order = sorted(range(len(values)), key=values.__getitem__)
    at = list(values)
    for before, here in pairwise(order):
        at[here] = max(at[here], at[before] + gap)
    shift = sum(at[i] - values[i] for i in order) / max(len(order), 1)
    return [y - shift for y in at]
