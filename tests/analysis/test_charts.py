"""Figures hold what they were given: no value is lost, nothing from the warehouse becomes markup."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from tests.warehouse import rows
from warehouse.queries.facts import OUTCOMES
from workbench.analysis import cell_totals
from workbench.analysis.charts import case_figure, common, compare, errors, nights
from workbench.analysis.charts import theme as look
from workbench.analysis.charts.case_figure import PatchMark, Picture

PALETTES = [look.LIGHT, look.DARK]
SOURCE = "data:image/png;base64,AAAA"
QUERY = Picture("Query", SOURCE, 120, 90)
BOX = (30.0, 30.0, 60.0, 60.0)


def drawn(figure: go.Figure) -> str:
    """The figure as the browser gets it."""
    return str(figure.to_json())


def values(trace: go.Scatter, axis: str) -> list[float]:
    return [float(value) for value in getattr(trace, axis)]


@pytest.mark.parametrize("palette", PALETTES)
def test_the_trace_shows_every_iteration_marks_injections_and_the_best(palette: look.Palette) -> None:
    figure = common.trace(
        palette, (1.5, 1.0, 0.4, 0.5), ((1.6, 1.4), (1.1, 0.9), (0.5, 0.3), (0.6, 0.4)), 2, {1: [1, 2]}
    )
    tokens, mean, best = figure.data[:2], figure.data[2], figure.data[3]
    assert [values(token, "y") for token in tokens] == [[1.6, 1.1, 0.5, 0.6], [1.4, 0.9, 0.3, 0.4]]
    assert values(mean, "y") == [1.5, 1.0, 0.4, 0.5]
    assert mean.marker.symbol[1] == "diamond"
    assert (values(best, "x"), values(best, "y")) == ([2.0], [0.4])
    assert [note.text for note in figure.layout.annotations] == ["1–2", "<b>best 0.40</b>"]


def test_the_axis_of_entropy_never_runs_below_zero() -> None:
    for entropy in ((1.2, 0.01), (0.0, 0.0), (0.3, 0.31)):
        figure = common.trace(look.LIGHT, entropy, tuple((value,) for value in entropy), 1, {})
        low, high = figure.layout.yaxis.range
        assert 0 <= low <= min(entropy) < high
        (best,) = figure.layout.annotations
        assert best.yanchor == ("bottom" if entropy[1] - low < 0.2 * max(max(entropy) - min(entropy), 0.2) else "top")


@pytest.mark.parametrize("palette", PALETTES)
def test_options_show_before_hollow_and_after_filled(palette: look.Palette) -> None:
    figure = common.options(palette, {"A": "Yes", "B": "No"}, {"A": 0.2, "B": 0.8}, {"A": 0.6, "B": 0.4}, "A", "B")
    before = [trace for trace in figure.data if trace.meta == "before"]
    after = [trace for trace in figure.data if trace.meta == "after"]
    assert [values(trace, "x") for trace in before] == [[0.2], [0.8]]
    assert [values(trace, "x") for trace in after] == [[0.6], [0.4]]
    assert all(trace.marker.color == palette.card for trace in before)
    assert [trace.marker.color for trace in after] == [palette.escape, palette.accent]


def test_an_option_s_text_is_cut_and_never_markup() -> None:
    figure = common.options(look.LIGHT, {"A": "<script>" + "x" * 80}, {}, {"A": 1.0}, "A", None)
    label = figure.layout.annotations[0].text
    assert "<script" not in label
    assert label.endswith("…</b>")


def test_a_small_difference_keeps_the_sign_that_its_word_has() -> None:
    said = [compare._points(share) for share in (0.0003, -0.0003, 0.0, 0.021)]
    assert said == ["+0.03", look.minus("-0.03"), "0.0", "+2.1"]


def test_a_slice_s_chart_can_be_clicked_by_its_name() -> None:
    cases = pl.DataFrame(
        {
            "subtask": ["Anomaly Detection", "Object Analysis"],
            "n": [10, 4],
            "right": [8, 1],
            "rate": [0.8, 0.25],
            "low": [0.49, 0.05],
            "high": [0.94, 0.7],
            "chance": [0.5, 0.25],
        }
    )
    figure = common.accuracy(look.LIGHT, cases, "Object Analysis")
    dots, reach = figure.data[-2:]
    assert values(dots, "x") == [0.8, 0.25]
    assert list(dots.marker.color) == [look.LIGHT.ink, look.LIGHT.accent]
    assert {(name, row[0]) for name, row in zip(reach.y, reach.customdata, strict=True)} == {
        ("Anomaly Detection", "Anomaly Detection"),
        ("Object Analysis", "Object Analysis"),
    }
    assert (min(reach.x), max(reach.x)) == (0, 1)
    assert reach.hoverinfo != "skip"  # which would take the clicks away as well


def test_evidence_shows_three_linked_pictures_and_one_the_less_without_a_reference() -> None:
    reference = Picture("Normal reference", SOURCE, 120, 90)
    three = case_figure.figure(look.LIGHT, QUERY, reference, None, ())
    two = case_figure.figure(look.LIGHT, QUERY, None, None, ())
    one = case_figure.figure(look.LIGHT, QUERY, None, None, (), with_evidence=False)
    assert len(one.layout.images) == 1
    assert (len(three.layout.images), len(two.layout.images)) == (3, 2)
    assert (three.layout.xaxis2.matches, three.layout.xaxis3.matches, three.layout.yaxis3.matches) == ("x", "x", "y")
    assert tuple(three.layout.yaxis.range) == (90, 0)


def test_a_picture_that_is_not_there_is_said_in_its_place() -> None:
    gone = Picture("Query", None, 1, 1, "vanished: <b>gone</b>")
    figure = case_figure.figure(
        look.LIGHT, gone, None, np.ones((2, 2), dtype=np.bool_), [PatchMark(BOX, 1, 0.1, 1, None)]
    )
    assert len(figure.layout.images) == 0
    assert "vanished: &lt;b&gt;gone&lt;/b&gt;" in [note.text for note in figure.layout.annotations]
    assert not any(isinstance(trace, go.Contour) for trace in figure.data)


def test_the_mask_s_outline_is_closed_where_it_meets_the_image_s_edge() -> None:
    mask = np.zeros((3, 4), dtype=np.bool_)
    mask[0, 3] = True
    figure = case_figure.figure(look.LIGHT, QUERY, None, mask, ())
    outline = next(trace for trace in figure.data if isinstance(trace, go.Contour))
    z = np.array(outline.z)
    assert z.shape == (5, 6)
    assert z[0].sum() == z[-1].sum() == z[:, 0].sum() == z[:, -1].sum() == 0
    assert (outline.x0 + outline.dx * 4, outline.y0 + outline.dy) == (105.0, 15.0)  # the centre of that mask pixel


def test_accepted_patches_are_numbered_and_dashed_off_the_mask_and_proposed_ones_are_not() -> None:
    patches = [
        PatchMark(BOX, 1, 0.3, 1, True),
        PatchMark((60.0, 30.0, 90.0, 60.0), 1, 0.2, 2, False),
        PatchMark((0.0, 0.0, 30.0, 30.0), 2, 0.1, None, None),
    ]
    figure = case_figure.figure(look.LIGHT, QUERY, None, None, patches)
    numbers = [trace.text for trace in figure.data if trace.mode == "markers+text"]
    assert [list(one) for one in numbers] == [["<b>1</b>", "<b>2</b>"]]
    dashed = [trace for trace in figure.data if trace.mode == "lines" and trace.line.dash == "3px,2px"]
    assert [trace.x[0] for trace in dashed] == [60.0]


@pytest.mark.parametrize("palette", PALETTES)
def test_every_figure_survives_the_way_to_the_browser(palette: look.Palette) -> None:
    empty = cell_totals.accuracy_by_subtask(rows.cells_of(), ())
    for figure in (
        common.trace(palette, (), (), None, {}),
        common.trace(palette, (0.0,), ((0.0,),), 0, {}),
        common.options(palette, {}, {}, {}, None, None),
        common.accuracy(palette, empty, None),
        case_figure.figure(palette, QUERY, None, None, ()),
    ):
        assert json.loads(drawn(figure))["layout"]["height"] > 0


def test_the_widgets_theme_and_the_palettes_are_the_same_colours() -> None:
    import tomllib

    config = Path(__file__).parents[2] / "workbench" / "pages" / "assets" / "config.toml"
    theme = tomllib.loads(config.read_text(encoding="utf-8"))["theme"]
    for mode, palette in (("light", look.LIGHT), ("dark", look.DARK)):
        colours = theme[mode]
        assert colours["primaryColor"] == colours["greenColor"] == palette.accent
        assert (colours["textColor"], colours["borderColor"]) == (palette.ink, palette.line)
        assert (colours["redColor"], colours["blueColor"], colours["grayColor"]) == (
            palette.escape,
            palette.overkill,
            palette.muted,
        )


def test_every_outcome_and_run_state_has_a_shape_of_its_own() -> None:
    kinds = [*OUTCOMES, "running", "finished", "stopped", "cancelled"]
    shapes = [look.GLYPHS[kind][0] for kind in kinds]
    assert len(set(shapes)) == len(shapes)


def test_a_click_on_a_slice_or_a_cell_gives_its_values_whatever_they_contain() -> None:
    subtask, product, camera = "Typ | Ort, A", "a|b · c", "<b>links</b>|rechts"
    numbers = {"rate": [0.5], "low": [0.3], "high": [0.7], "expected": [0.6], "difference": [-0.1], "n": [40]}
    rows = pl.DataFrame({**numbers, "detectable": [0.1], "q": [0.01], "images": [40]})
    ranked = errors.ranked(look.LIGHT, rows, [(product, camera)], (product, camera))
    assert {tuple(row[:2]) for row in ranked.data[-1].customdata} == {(product, camera)}
    cells = rows.with_columns(
        dataset=pl.lit("set"), subtask=pl.lit(subtask), product=pl.lit(product), enough=pl.lit(True)
    )
    heat = errors.heat(look.LIGHT, cells, set(), (subtask, product), ())
    assert {tuple(row[:2]) for trace in heat.data for row in trace.customdata} == {(subtask, product)}
    counts = pl.DataFrame({"truth": [subtask], "answer": [camera], "n": [3], "share": [1.0], "hit": [False]})
    mistaken = errors.confusion(look.LIGHT, counts)
    marks = [tuple(row[:2]) for trace in mistaken.data for row in trace.customdata]
    assert marks == [(subtask, camera)]


@pytest.mark.parametrize(
    ("evenings", "named"),
    [
        (["18 21:00", "19 03:00", "19 21:00"], ["18 Jan", "19 Jan<br>03:00", "19 Jan<br>21:00"]),
        (["19 21:00"], ["19 Jan"]),
        ([f"{day} 21:00" for day in range(10, 27)], [f"{day} Jan" for day in range(10, 27, 2)]),
    ],
)
def test_the_strip_names_a_night_once_and_under_its_mark(evenings: list[str], named: list[str]) -> None:
    nights_of = [datetime.fromisoformat(f"2026-01-{evening}") for evening in evenings]
    strands = [
        nights.Strand(name, [nights.Point(at, 0.1, 0.05, 0.2, 0.1, 100, False) for at in nights_of], True)
        for name in ("overkill", "escape")
    ]
    axis = nights.strip(look.LIGHT, strands).layout.xaxis
    assert list(reversed(axis.ticktext)) == named
    assert set(axis.tickvals) <= set(nights_of)
