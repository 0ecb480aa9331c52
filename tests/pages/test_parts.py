"""The pieces every page is made of, where they decide something."""

from __future__ import annotations

import pytest

from workbench.pages.ui import components


@pytest.mark.parametrize("data", [["Object Analysis", 3], {"0": "Object Analysis", "1": 3}, "Object Analysis"])
def test_a_click_names_its_point_however_streamlit_hands_it_over(data: object) -> None:
    assert components.clicked({"selection": {"points": [{"customdata": data}]}}) == ("Object Analysis",)


def test_a_click_gives_each_of_its_values_whatever_they_contain() -> None:
    event = {"selection": {"points": [{"customdata": ["Typ | Ort", "A|B", "72 % right"]}]}}
    assert components.clicked(event, 2) == ("Typ | Ort", "A|B")


@pytest.mark.parametrize("points", [[], [{}], [{"customdata": None}], [{"customdata": []}], [{"customdata": {}}]])
def test_a_click_that_takes_a_selection_away_names_nothing(points: list[dict[str, object]]) -> None:
    assert components.clicked({"selection": {"points": points}}) == ()


def test_a_label_is_cut_and_shows_markdown_as_it_is() -> None:
    assert components.plain("a *b* [c](d) :red[e] $f$") == r"a \*b\* \[c\](d) \:red\[e\] \$f\$"
    assert components.plain("x" * 80, 10) == "xxxxxxxxx…"


def test_a_bar_s_parts_are_shares_of_the_whole() -> None:
    assert "width:25.000%" in components.bar([(1, "red"), (0, "blue")], 4)
    assert "blue" not in components.bar([(1, "red"), (0, "blue")], 4)
    assert "<span" not in components.bar([(1, "red")], 0)


def test_every_colour_of_both_palettes_reaches_the_style_sheet() -> None:
    assert "--accent:light-dark(#0B7A75,#3DB8B0)" in components.style()
    assert "--tint-bad:light-dark(#FBEDE6,#3A2118)" in components.style()
