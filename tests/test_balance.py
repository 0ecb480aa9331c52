"""The units that workers are given name what is there, and what shares a server is one unit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import balance

ROOT = Path(__file__).resolve().parent.parent
MODULES = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/test_*.py")}


def test_whatever_talks_to_label_studio_or_drives_the_dashboard_is_one_unit() -> None:
    studio = {
        name
        for name, text in MODULES.items()
        if re.search(r"^from tests.review.conftest import .*\bStudio\b", text, re.M)
    }
    browser = {name for name in MODULES if name.startswith("tests/browser/")}
    assert {balance.unit(f"{name}::test") for name in studio} == {balance.LABELSTUDIO}
    assert {balance.unit(f"{name}::test") for name in browser} == {balance.BROWSER}
    assert balance.unit("tests/test_balance.py::test") == "tests/test_balance.py"


def test_every_module_with_seconds_is_there() -> None:
    named = set(balance.SECONDS) - {balance.LABELSTUDIO, balance.BROWSER}
    assert named - set(MODULES) == set()


def test_the_longest_units_come_first_and_the_others_stay_in_order() -> None:
    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid = nodeid

    names = [
        "tests/a/test_b.py::one",
        "tests/test_kills.py::one",
        "tests/a/test_a.py::one",
        "tests/browser/test_pages.py::one",
    ]
    items = [Item(name) for name in names]
    balance.longest_first(items)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == [names[3], names[1], names[0], names[2]]


def test_what_units_took_is_told_as_the_seconds_are_written() -> None:
    took = {"tests/a/test_a.py": 3.0, "tests/test_kills.py": 30.4, balance.BROWSER: 258.2, "tests/a/test_b.py": 4.0}
    said = balance.told(took)
    assert said == ["BROWSER: 258,", '"tests/test_kills.py": 30,', "# 2 shorter ones: 7"]


@pytest.mark.parametrize("nodeid", ["tests/review/test_kills.py::test_a", "tests/review/test_kills.py::test_a[x::y]"])
def test_a_parameter_with_colons_changes_no_unit(nodeid: str) -> None:
    assert balance.unit(nodeid) == balance.LABELSTUDIO
