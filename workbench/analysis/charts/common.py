"""The charts of the pages as Plotly figures: numbers in, figure out; knows nothing of Streamlit or storage.

A figure speaks for itself: no legend, the last point or the row is labelled, units are in the ticks. Text from the
warehouse is escaped, because Plotly reads tags in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import polars as pl

from workbench import wording
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape


def options(
    p: Palette,
    texts: Mapping[str, str],
    before: Mapping[str, float],
    after: Mapping[str, float],
    answer: str | None,
    correct: str | None,
) -> go.Figure:
    """One row per option: its text, and its probability before (hollow) and after (filled) latent reasoning.

    Args:
        p: the palette.
        texts: letter to option text, in order.
        before: letter to probability.
        after: letter to probability.
        answer: the chosen letter.
        correct: the right letter, None without a label.
    """
    letters = list(texts)
    row = 43
    fig = theme.Draft(p, row * len(letters) + 26, margin={"l": 6, "r": 6, "t": 2, "b": 28})
    for place, letter in enumerate(letters):
        colour = (
            p.accent
            if letter == correct
            else p.escape
            if letter == answer and correct
            else p.ink
            if letter == answer
            else p.muted
        )
        strong = letter in (answer, correct)
        first, last = before.get(letter), after.get(letter)
        stated = texts[letter].rstrip(". ") or texts[letter]
        text = stated if len(stated) <= 42 else stated[:41].rstrip() + "…"
        label = f"{letter}&nbsp; {escape(text)}"
        fig.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=place - 0.32,
            text=f"<b>{label}</b>" if strong else label,
            font={"color": p.ink, "size": 12.5},
        )
        fig.add_shape(
            type="line", x0=0, x1=1, y0=place + 0.16, y1=place + 0.16, line={"color": p.grid, "width": 2}, layer="below"
        )
        if last is None:
            continue
        fig.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=place - 0.32,
            text=f"<b>{last:.2f}</b>",
            font={"color": colour, "size": 13},
        )
        y = place + 0.16
        hover = f"{escape(texts[letter])}<br>%{{meta}} %{{x:.3f}}<extra></extra>"
        if first is not None:
            fig.add_scatter(
                x=[first, last],
                y=[y, y],
                mode="lines",
                hoverinfo="skip",
                line={"color": theme.soft(colour, 0.38), "width": 5},
            )
            fig.add_scatter(
                x=[first],
                y=[y],
                mode="markers",
                meta="before",
                hovertemplate=hover,
                # Wider than the filled one, so that it shows where nothing changed.
                marker={"size": 15, "color": p.card, "line": {"color": colour, "width": 2}},
            )
        fig.add_scatter(
            x=[last], y=[y], mode="markers", meta="after", hovertemplate=hover, marker={"size": 10, "color": colour}
        )
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(
        range=[-0.015, 1.015], tickvals=[0, 0.5, 1], ticktext=["0", "0.5", "1"], showgrid=False, fixedrange=True
    )
    fig.update_yaxes(range=[len(letters) - 0.45, -0.6], visible=False, fixedrange=True)
    return fig.figure()


def trace(
    p: Palette,
    entropy: Sequence[float],
    token_entropy: Sequence[Sequence[float]],
    best: int | None,
    injected: Mapping[int, Sequence[int]],
) -> go.Figure:
    """Entropy over iterations: the mean thick, each think token thin, injections and the best iteration marked.

    Args:
        p: the palette.
        entropy: nats, from iteration 0.
        token_entropy: nats, per iteration and think token.
        best: the iteration the answer was read from.
        injected: iteration to the numbers of the patches accepted there.
    """
    fig = theme.Draft(p, 214, margin={"l": 38, "r": 14, "t": 22, "b": 26})
    steps = list(range(len(entropy)))
    seen = [*entropy, *(value for step in token_entropy for value in step)] or [0.0]
    height = max(max(seen) - min(seen), 0.2)  # a flat trace is drawn flat, not as its rounding
    floor = max(min(seen) - 0.2 * height, 0.0)  # entropy is never below zero
    for token in zip(*token_entropy, strict=True):
        fig.add_scatter(
            x=steps, y=token, mode="lines", hoverinfo="skip", line={"color": theme.soft(p.faint, 0.45), "width": 1}
        )
    for step, numbers in injected.items():
        fig.add_shape(
            type="line",
            x0=step,
            x1=step,
            yref="paper",
            y0=0,
            y1=1,
            layer="below",
            line={"color": p.accent, "width": 1, "dash": "2px,3px"},
        )
        span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        fig.add_annotation(x=step, y=1, yref="paper", yanchor="bottom", text=span, font={"color": p.accent})
    fig.add_scatter(
        x=steps,
        y=list(entropy),
        mode="lines+markers",
        line={"color": p.ink, "width": 2},
        marker={
            "size": [10 if step in injected else 5 for step in steps],
            "symbol": ["diamond" if step in injected else "circle" for step in steps],
            "color": [p.accent if step in injected else p.ink for step in steps],
        },
        hovertemplate="iteration %{x}<br>%{y:.3f} nat<extra></extra>",
    )
    if best is not None and best < len(entropy):
        fig.add_scatter(
            x=[best],
            y=[entropy[best]],
            mode="markers",
            hoverinfo="skip",
            marker={"size": 17, "symbol": "circle-open", "color": p.ink, "line": {"width": 1.5}},
        )
        last = best == len(entropy) - 1
        below = entropy[best] - floor >= 0.2 * height
        fig.add_annotation(
            x=best,
            y=entropy[best],
            text=f"<b>best {entropy[best]:.2f}</b>",
            font={"color": p.ink, "size": 12},
            yanchor="top" if below else "bottom",
            yshift=-9 if below else 9,
            xanchor="right" if last else "center",
            xshift=8 if last else 0,
        )
    fig.update_xaxes(
        tickvals=steps if len(steps) <= 12 else None,
        range=[-0.5, len(steps) - 0.5],
        title={"text": "iteration"},
        showgrid=False,
        fixedrange=True,
    )
    fig.update_yaxes(range=[floor, max(seen) + 0.1 * height], nticks=4, fixedrange=True)
    return fig.figure()


def accuracy(p: Palette, rows: pl.DataFrame, selected: str | None) -> go.Figure:
    """Accuracy per subtask with its interval, the guessing rate as a tick, n at the right; rows can be clicked.

    Args:
        p: the palette.
        rows: as `cell_totals.accuracy_by_subtask` gives them.
        selected: the subtask drawn as selected.
    """
    fig = theme.Draft(p, 34 * max(rows.height, 1) + 34, margin={"l": 8, "r": 104, "t": 4, "b": 26})
    names = rows["subtask"].to_list()
    labels = [escape(name) for name in names]
    for row in rows.iter_rows(named=True):
        colour = p.accent if row["subtask"] == selected else p.ink
        fig.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=12,
            y=escape(row["subtask"]),
            align="left",
            text=f"<b>{wording.percent(row['rate'])}</b>" + f"<span style='color:{p.muted}'>  n {row['n']:,.0f}</span>",
            font={"color": colour, "size": 12.5},
        )
    fig.add_scatter(
        x=[x for low, high in rows.select("low", "high").iter_rows() for x in (low, high, None)],
        y=[y for label in labels for y in (label, label, None)],
        mode="lines",
        hoverinfo="skip",
        line={"color": theme.soft(p.ink, 0.3), "width": 7},
    )
    fig.add_scatter(
        x=rows["chance"],
        y=labels,
        mode="markers",
        hoverinfo="none",
        marker={"symbol": "line-ns", "size": 13, "line": {"color": p.faint, "width": 1.5}},
    )
    fig.add_scatter(
        x=rows["rate"],
        y=labels,
        mode="markers",
        hoverinfo="none",
        marker={"size": 12, "color": [p.accent if name == selected else p.ink for name in names]},
    )
    # Invisible markers all along the rows make a row answer wherever it is pointed at or clicked.
    reach = [step / 16 for step in range(17)]
    fig.add_scatter(
        x=reach * rows.height,
        y=[label for label in labels for _ in reach],
        mode="markers",
        marker={"size": 26, "opacity": 0},
        customdata=[
            [row["subtask"], row["right"], row["n"], row["rate"], row["low"], row["high"], escape(row["subtask"])]
            for row in rows.iter_rows(named=True)
            for _ in reach
        ],
        hovertemplate="%{customdata[6]}<br>%{customdata[1]} of %{customdata[2]} right: %{customdata[3]:.1%}"
        "<br>95 % interval %{customdata[4]:.1%} to %{customdata[5]:.1%}<extra></extra>",
    )
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(
        range=[-0.01, 1.01],
        tickvals=[0, 0.25, 0.5, 0.75, 1],
        ticktext=["0", "25", "50", "75", "100 %"],
        fixedrange=True,
    )
    fig.update_yaxes(
        showgrid=False,
        fixedrange=True,
        tickfont={"color": p.ink, "size": 12.5},
        categoryorder="array",
        categoryarray=labels[::-1],
    )
    return fig.figure()
