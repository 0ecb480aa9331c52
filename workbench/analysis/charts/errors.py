"""The charts of the Errors page: heat map, ranked slices, confusion. Frames in, figure out.

The heat map is drawn as square markers, because the cells of Plotly's own can't be clicked in Streamlit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import plotly.graph_objects as go
import polars as pl

from warehouse.records.questions import Subtask
from workbench import wording
from workbench.analysis import subtasks as declared_subtasks
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape

COLUMNS_AT_LEAST = 9  # a heat map of few products keeps its squares together
MANY = 24  # products; more of them have the page's whole width
LEAST_ACCURACY = 0.3  # at which, and below, a colour is full
_REACH = 0.2  # points/100 at which a colour is full
_LEGIBLE = 16  # pixels of a cell that holds a number


def heat(
    p: Palette,
    cells: pl.DataFrame,
    significant: Collection[tuple[str, str]],
    selected: tuple[str | None, str | None],
    declared: Sequence[Subtask],
    expectation: bool = False,
) -> go.Figure:
    """Subtasks by products, each cell its accuracy as a number and a colour; a click gives subtask and product.

    Args:
        p: the palette.
        cells: dataset, product, subtask, n, images, rate, expected, difference, enough.
        significant: (product, subtask) of the slices with a ring: they survive the false-discovery control.
        selected: subtask and product of the address; None where open.
        declared: the run's subtasks, in their order.
        expectation: colour and number are accuracy less what was expected, in points.
    """
    places, heads = _columns(cells)
    subtasks = declared_subtasks.names_in_order(cells["subtask"], declared)
    # Beside each other on the narrowest screen too; many products have the page's whole width.
    size = max(9, min(25, (500 if len(places) <= MANY else 960) // max(len(places), 1)))
    steep = len(places) > 8
    top = (84 if steep else 40) + (20 if heads else 0)
    fig = theme.Draft(p, 31 * len(subtasks) + top + 10, margin={"l": 8, "r": 8, "t": top, "b": 4})
    shown = cells.filter(pl.col("product").is_in(list(places)))
    for enough in (False, True):
        rows = shown.filter(pl.col("enough") == enough).to_dicts()
        if not rows:
            continue
        marker = {"symbol": "square", "size": size, "line": {"width": 0}, "color": p.tint}
        text = [_number(row, expectation, size) if not expectation else "·" for row in rows]
        colour: str | list[str] = p.faint
        if enough:
            ring = [(row["product"], row["subtask"]) in significant for row in rows]
            marker |= {
                "color": [row["difference"] if expectation else row["rate"] for row in rows],
                "cmin": -_REACH if expectation else LEAST_ACCURACY,
                "cmax": _REACH if expectation else 1.0,
                "colorscale": theme.scale(theme.diverging(p) if expectation else theme.diverging(p)[:4]),
                "line": {
                    "color": [p.ink if one else "rgba(0,0,0,0)" for one in ring],
                    "width": [2 * one for one in ring],
                },
            }
            text = [_number(row, expectation, size) for row in rows]
            on_full = "#FFFFFF" if p is theme.LIGHT else "#101418"
            full = (abs(row["difference"]) > 0.11 if expectation else row["rate"] < 0.55 for row in rows)
            colour = [on_full if one else p.ink for one in full]
        fig.add_scatter(
            x=[places[row["product"]] for row in rows],
            y=[escape(row["subtask"]) for row in rows],
            mode="markers+text",
            text=text,
            textfont={"size": 11 if size >= 23 else 9, "color": colour},
            marker=marker,
            customdata=[[row["subtask"], row["product"], *_cell_words(row)] for row in rows],
            hovertemplate="<b>%{customdata[2]}</b><br>%{customdata[3]}<extra></extra>",
        )
    subtask, product = selected
    if subtask in subtasks or product in places:
        marks = [
            (places[name], one)
            for name in ([product] if product in places else places)
            for one in ([subtask] if subtask in subtasks else subtasks)
            if name is not None and one is not None
        ]
        fig.add_scatter(
            x=[x for x, _ in marks],
            y=[escape(y) for _, y in marks],
            mode="markers",
            hoverinfo="none",
            customdata=[[y, name] for name in places for x, y in marks if x == places[name]],
            marker={"symbol": "square-open", "size": size + 4, "color": p.accent, "line": {"width": 2.5}},
        )
    for text_, middle in heads:
        fig.add_annotation(
            x=middle,
            y=1,
            yref="paper",
            yanchor="bottom",
            yshift=top - 22,
            text=f"<b>{text_}</b>",
            font={"color": p.ink},
        )
    last = max(places.values(), default=0.0)
    fig.update_xaxes(
        side="top",
        showgrid=False,
        fixedrange=True,
        tickvals=list(places.values()),
        ticktext=[_short(name, 16) if steep else _short(name, 22).replace(" ", "<br>", 1) for name in places],
        tickangle=-90 if len(places) > MANY else -38 if steep else 0,
        range=[-0.7, max(last + 0.7, COLUMNS_AT_LEAST if len(places) < COLUMNS_AT_LEAST else 0)],
        tickfont={"size": 11 if len(places) <= MANY else 10},
    )
    fig.update_yaxes(
        showgrid=False,
        fixedrange=True,
        categoryorder="array",
        categoryarray=[escape(name) for name in reversed(subtasks)],
        tickfont={"color": p.ink, "size": 12.5},
        range=[-0.6, len(subtasks) - 0.4],
    )
    return fig.figure()


def ranked(
    p: Palette, rows: pl.DataFrame, names: Sequence[tuple[str, ...]], selected: tuple[str, ...] | None
) -> go.Figure:
    """Slices under each other: accuracy with its interval, what was expected as a tick; a click gives the slice's
    values.

    Args:
        p: the palette.
        rows: rate, low, high, expected, difference, n, detectable, q; worst first.
        names: of the slices, as they are shown and clicked: a value of each dimension that is crossed, at most two.
        selected: the values of the chosen one.
    """
    fig = theme.Draft(p, 40 * max(len(names), 1) + 44, margin={"l": 8, "r": 92, "t": 4, "b": 34})
    first = len(names[0]) if names else 1  # a click's values come first, then what hovering shows
    low_end = min([*rows["low"].to_list(), *rows["expected"].drop_nulls().to_list(), 1.0])
    colours, symbols = [], []
    for place, (name, row) in enumerate(zip(names, rows.iter_rows(named=True), strict=True)):
        sure = row["q"] is not None and row["q"] < 0.05
        worse = (row["difference"] or 0) < 0
        colour = p.accent if name == selected or (sure and not worse) else p.escape if sure else p.muted
        colours.append(colour)
        symbols.append(("triangle-left" if worse else "triangle-right") if sure else "circle")
        points = "–" if row["difference"] is None else theme.minus(f"{100 * row['difference']:+.0f}")
        reach = "" if row["detectable"] is None else f"<br>shows ≥ {100 * row['detectable']:.0f}"
        fig.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=12, y=place, align="left",
            text=f"<b>{points}</b><span style='color:{p.muted}'>  n {row['n']:,}{reach}</span>",
            font={"color": colour if sure else p.ink, "size": 12},
        )  # fmt: skip
    for colour in dict.fromkeys(colours):
        ends = enumerate(rows.select("low", "high").iter_rows())
        fig.add_lines(
            [(low, place, high, place) for place, (low, high) in ends if colours[place] == colour],
            {"color": theme.soft(colour, 0.38), "width": 6},
        )
    fig.add_lines(
        [(x, place - 0.34, x, place + 0.34) for place, x in enumerate(rows["expected"]) if x is not None],
        {"color": p.ink, "width": 1.5, "dash": "2px,2px"},
    )
    fig.add_scatter(
        x=rows["rate"],
        y=list(range(rows.height)),
        mode="markers",
        hoverinfo="none",
        marker={
            "size": 11,
            "symbol": symbols,
            "color": [p.card if one == "circle" else colour for one, colour in zip(symbols, colours, strict=True)],
            "line": {"color": colours, "width": 2},
        },
    )
    fig.add_scatter(
        x=[low_end + (1 - low_end) * step / 12 for step in range(13)] * len(names),
        y=[place for place in range(len(names)) for _ in range(13)],
        mode="markers",
        marker={"size": 30, "opacity": 0},
        customdata=[
            [
                *name,
                escape(", ".join(name)),
                100 * row["rate"],
                100 * (row["expected"] or row["rate"]),
                100 * row["low"],
                100 * row["high"],
                row["images"],
            ]
            for name, row in zip(names, rows.iter_rows(named=True), strict=True)
            for _ in range(13)
        ],
        hovertemplate=f"<b>%{{customdata[{first}]}}</b><br>%{{customdata[{first + 1}]:.1f}} % right, "
        f"expected %{{customdata[{first + 2}]:.1f}} %<br>95 % interval %{{customdata[{first + 3}]:.1f}} to "
        f"%{{customdata[{first + 4}]:.1f}} %, %{{customdata[{first + 5}]}} images<extra></extra>",
    )
    fig.update_traces(cliponaxis=False)
    ticks = [tick / 100 for tick in range(0, 101, 20 if low_end < 0.5 else 10) if tick / 100 >= low_end - 0.2]
    fig.update_xaxes(
        range=[max(low_end - 0.03, -0.02), 1.01], tickvals=ticks,
        ticktext=[f"{100 * tick:.0f}" for tick in ticks], fixedrange=True, title={"text": "accuracy, %"},
    )  # fmt: skip
    fig.update_yaxes(
        range=[len(names) - 0.4, -0.6], showgrid=False, fixedrange=True, tickvals=list(range(len(names))),
        ticktext=[_two_lines(p, name) for name in names], tickfont={"color": p.ink, "size": 12.5},
    )  # fmt: skip
    return fig.figure()


def confusion(p: Palette, counts: pl.DataFrame, most: int = 8) -> go.Figure:
    """What is taken for what: rows are the truth, columns the answer, area the share; a click gives truth and answer.

    Args:
        p: the palette.
        counts: truth, answer, n, share, hit; as `confusion.by_option` gives them.
        most: rows at most, the truths most often mistaken; columns are theirs and what they are mistaken for.
    """
    truths = _mistaken(counts, most)
    of_them = counts.filter(pl.col("truth").is_in(truths), ~pl.col("hit"))
    answers = [*truths, *(name for name in _frequent(of_them, "answer", most) if name not in truths)][: most + 4]
    rows = counts.filter(pl.col("truth").is_in(truths), pl.col("answer").is_in(answers)).to_dicts()
    steep = len(answers) > 5
    below = 74 if steep else 44
    fig = theme.Draft(p, 30 * len(truths) + below + 20, margin={"l": 8, "r": 8, "t": 8, "b": below})
    for right in (True, False):
        some = [row for row in rows if row["hit"] == right]
        if not some:
            continue
        fig.add_scatter(
            x=[answers.index(row["answer"]) for row in some],
            y=[truths.index(row["truth"]) for row in some],
            mode="markers+text",
            text=[f"{100 * row['share']:.0f}" if row["share"] >= (0.12 if right else 0.2) else "" for row in some],
            textfont={"size": 11, "color": p.ink if right else p.card},
            marker={
                "symbol": "circle" if right else "square",
                "size": [5 + 23 * row["share"] ** 0.5 for row in some],
                "color": theme.soft(p.faint, 0.3) if right else p.escape,
                "line": {"width": 0},
            },
            customdata=[
                [
                    row["truth"],
                    row["answer"],
                    escape(row["truth"]),
                    escape(row["answer"]),
                    row["n"],
                    100 * row["share"],
                ]
                for row in some
            ],
            hovertemplate="<b>%{customdata[2]}</b> answered as <b>%{customdata[3]}</b>"
            "<br>%{customdata[4]} times, %{customdata[5]:.0f} %<extra></extra>",
        )
    fig.update_xaxes(
        tickvals=list(range(len(answers))), ticktext=[_short(name, 14) for name in answers],
        tickangle=-38 if steep else 0,
        range=[-0.7, max(len(answers), 5) - 0.3], showgrid=False, fixedrange=True, title={"text": "answer"},
    )  # fmt: skip
    fig.update_yaxes(
        tickvals=list(range(len(truths))), ticktext=[_short(name, 22) for name in truths], showgrid=True,
        range=[len(truths) - 0.4, -0.6], fixedrange=True, tickfont={"color": p.ink, "size": 12},
    )  # fmt: skip
    return fig.figure()


def _columns(cells: pl.DataFrame) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Where each product stands, data sets apart, and the data sets' names over their middles if there are several."""
    places: dict[str, float] = {}
    heads: list[tuple[str, float]] = []
    at = 0.0
    for (dataset,), group in cells.sort("dataset", "product").group_by("dataset", maintain_order=True):
        names = [name for name in group["product"].unique(maintain_order=True) if name not in places]
        for name in names:
            places[name] = at
            at += 1
        if names:
            heads.append((escape(str(dataset)), at - (len(names) + 1) / 2))
            at += 0.5
    return places, heads if len(heads) > 1 else []


def _number(row: dict[str, object], expectation: bool, size: int) -> str:
    """A cell's number: its accuracy in percent, or its points from expectation where they can be seen as a colour."""
    if size < (23 if expectation else _LEGIBLE):
        return ""
    if not expectation:
        return f"{100 * float(str(row['rate'])):.0f}"
    difference = float(str(row["difference"]))
    return theme.minus(f"{100 * difference:+.0f}") if abs(difference) >= 0.04 else ""


def _about(row: dict[str, object]) -> str:
    questions, images = (int(str(row[name])) for name in ("n", "images"))
    return f"{wording.counted(questions, 'question')} about {wording.counted(images, 'image')}"


def _cell_words(row: dict[str, object]) -> tuple[str, str]:
    rate, expected, difference = (float(str(row[name])) for name in ("rate", "expected", "difference"))
    title = f"{escape(str(row['product']))} · {escape(str(row['subtask']))}"
    if not row["enough"]:
        return title, f"{_about(row)}: too few to say"
    words = (
        f"{wording.percent(rate)} right, expected {wording.percent(expected)}: "
        f"{100 * difference:+.0f} points, n {row['n']}"
    )
    return title, theme.minus(words)


def _mistaken(counts: pl.DataFrame, most: int) -> list[str]:
    """The truths with the most wrong answers; those without any only where there is room."""
    wrong = pl.col("n").filter(~pl.col("hit")).sum()
    named = counts.drop_nulls("truth").group_by("truth").agg(wrong.alias("wrong"), pl.col("n").sum())
    return named.sort("wrong", "n", "truth", descending=[True, True, False])["truth"].head(most).to_list()


def _frequent(counts: pl.DataFrame, column: str, most: int) -> list[str]:
    named = counts.drop_nulls(column).group_by(column).agg(pl.col("n").sum())
    return named.sort("n", column, descending=[True, False])[column].head(most).to_list()


def _two_lines(p: Palette, name: tuple[str, ...]) -> str:
    first, *others = name
    below = f"<br><span style='color:{p.muted};font-size:11px'>{escape(' · '.join(others))}</span>" if others else ""
    return _short(first, 26) + below


def _short(name: str, at_most: int) -> str:
    name = name.replace("_", " ").rstrip(".")
    return escape(name if len(name) <= at_most else name[: at_most - 1].rstrip() + "…")
