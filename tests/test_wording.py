"""Shares, p-values and counts are written by `workbench.wording` alone, everywhere the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import wording

ROOT = Path(__file__).resolve().parent.parent
P_VALUES = {"p", "q", "p_value", "p_better", "p_worse"}
NOUNS = "image|picture|question|answer|case|run|night|pair|trace|task|piece|verdict|dispute|slice|arm|text"
ALWAYS_SEVERAL = re.compile(r"[A-Z_]+(\.[A-Z_]+)*|\w+\.[A-Z_]+")  # a constant such as FEWEST


def f_strings() -> Iterator[tuple[str, ast.JoinedStr]]:
    """Every f-string of the rooms and commands, and where it is."""
    for room in ("workbench", "jobs"):
        for file in sorted((ROOT / room).rglob("*.py")):
            if file.name == "wording.py" or "model" in file.parts or "embedded" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def faults(text: ast.JoinedStr) -> Iterator[str]:
    """What an f-string writes by itself."""
    for value, following in zip(text.values, [*text.values[1:], ast.Constant("")], strict=True):
        if not isinstance(value, ast.FormattedValue):
            continue
        spec = ast.unparse(value.format_spec).strip("f'\"") if value.format_spec else ""
        after = str(following.value) if isinstance(following, ast.Constant) else ""
        said = ast.unparse(value.value)
        if spec.endswith("%") or (re.search(r"\.\d$|\.\d*f?$", spec) and spec and after.startswith(" %")):
            yield f"a share: {said}"
        if spec and re.split(r"[.\[]", said.rstrip("]'\""))[-1].strip("'\"") in P_VALUES:
            yield f"a p-value: {said}"
        if isinstance(value.value, ast.IfExp) and isinstance(value.value.body, ast.Constant):
            ends = {value.value.body.value, ast.unparse(value.value.orelse).strip("'")}
            if "" in ends and ends & {"s", "es"}:
                yield f"a count: {said}"
        if re.match(rf" (?:{NOUNS})s\b", after) and not ALWAYS_SEVERAL.fullmatch(said) and "wording." not in said:
            yield f"a count: {said}{after}"


def test_no_page_report_or_command_writes_a_share_a_p_value_or_a_count_by_itself() -> None:
    assert [(place, fault) for place, text in f_strings() for fault in faults(text)] == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ('f"{rate:.1%}"', "a share"),
        ('f"{100 * rate:.0f} % right"', "a share"),
        ("f\"q {row['q']:.3f}\"", "a p-value"),
        ('f"{each.p_value:.2g}"', "a p-value"),
        ('f"{run.images:,} images failed"', "a count"),
        ("f\"{n} case{'' if n == 1 else 's'}\"", "a count"),
    ],
)
def test_the_rule_above_sees_each_kind(code: str, kind: str) -> None:
    text = ast.parse(code, mode="eval").body
    assert isinstance(text, ast.JoinedStr)
    assert [fault.partition(":")[0] for fault in faults(text)] == [kind]


def test_shares_have_one_style() -> None:
    assert (wording.percent(0.125, 1), wording.percent(1), wording.percent(-0.04)) == ("12.5 %", "100 %", "-4 %")
    assert wording.percent_interval(0.091, 0.148) == "9–15 %"
    assert (wording.level(0.95), wording.level(0.99286)) == ("95 %", "99.29 %")


@given(st.floats(0, 1))
def test_a_p_value_is_never_written_as_nothing(p: float) -> None:
    said = wording.p_value(p)
    assert said in (f"p {wording.p_number(p)}", f"p = {wording.p_number(p)}")
    assert "0.000" not in said


@given(st.one_of(st.floats(0, 1), st.floats(0.049, 0.051)), st.integers(3, 5))
def test_a_p_value_is_written_on_its_side_of_five_percent(p: float, digits: int) -> None:
    said = wording.p_number(p, digits)
    assert (said.startswith("<") or float(said) < wording.ALPHA) == (p < wording.ALPHA)


def test_intervals_of_shares_are_introduced_and_written_alike() -> None:
    for place, text in f_strings():
        said = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in text.values)
        assert "95 %: {}" not in said, place
        assert not re.search(r"95 % interval \{\} %? ?to \{\} %", said), place


def test_a_p_value_beside_a_small_level_has_more_digits() -> None:
    assert [wording.p_number(p, 4) for p in (0.00004, 0.0001, 0.03125)] == ["< 0.0001", "0.0001", "0.0312"]


@given(st.integers(0, 5000))
def test_one_is_one(n: int) -> None:
    assert wording.counted(n, "picture").endswith("picture") == (n == 1)
    assert wording.counted(n, "patch", "patches").replace(",", "").split() == [str(n), "patch" if n == 1 else "patches"]
