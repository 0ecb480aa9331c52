"""The control of an ablation shows what comparing said of another picture: never of the same, nor of a copy of it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workbench.archive.view import View
from workbench.comparison import Normal
from workbench.scoring.compare_source import _others
from workbench.scoring.run_resources import PictureFile


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["bolt", "nut"])), max_size=20))
def test_the_other_picture_is_another_of_the_product(drawn: list[tuple[int, str]]) -> None:
    files = [
        PictureFile(
            Normal(f"{number:064x}", "d", product), Path(f"{place}.png"), View(f"{number:064x}"), f"{number:064x}"
        )
        for place, (number, product) in enumerate(drawn)
    ]
    for product in ("bolt", "nut"):
        ours = [file for file in files if file.normal.product == product]
        contents = {file.content for file in ours}
        found = _others(ours)
        assert set(found) == (contents if len(contents) > 1 else set())
        assert all(other.content != content and other.content in contents for content, other in found.items())
        assert {key: each.content for key, each in _others(ours[::-1]).items()} == {
            key: each.content for key, each in found.items()
        }
