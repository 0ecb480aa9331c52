"""Which option of a question names a product or a kind, in any script and however its letters are composed."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.comparison.comparison import Comparison
from workbench.comparison.defect_kinds import DefectKinds, SettledDefect
from workbench.model.case import Case, Picture
from workbench.scoring.compare_evaluator import _of_kind, names
from workbench.scoring.settled_defects import SettledDefects

WORDS = st.sampled_from(["scratch", "Kühlkörper", "Ärger", "螺丝", "划痕", "裂纹", "гайка", "болт", "कील", "برغي"])


@given(WORDS, WORDS, st.sampled_from(["NFC", "NFD", "NFKD"]))
def test_a_product_is_named_by_its_own_word_alone_however_that_is_written(one: str, other: str, form: str) -> None:
    written = unicodedata.normalize(form, one.upper())  # type: ignore[arg-type]
    assert names(f"A {written}.", one)
    assert names(f"A {written}.", other) == (one == other)


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        ((("A", "裂纹"), ("B", "划痕。")), "B"),
        ((("A", "裂纹"), ("B", "Good.")), None),  # of the two only one has no Latin letter
        ((("A", "+"), ("B", "Good.")), None),
    ],
)
def test_a_kind_is_answered_by_the_option_that_names_it_and_by_no_other(
    options: tuple[tuple[str, str], ...], letter: str | None
) -> None:
    axes = np.eye(2, dtype=np.float32)
    settled = [
        SettledDefect(f"{kind} {n}", kind, axes[at]) for at, kind in enumerate(("划痕", "裂纹")) for n in range(8)
    ]
    known = SettledDefects("", DefectKinds(settled), {})
    black = np.zeros((2, 2), np.float32)
    found = Comparison(black, 1.0, (), None, 0, None, "defective", None, None, "top left", axes[0])
    case = Case("seed", Picture("0" * 64, Image.new("RGB", (8, 8))), None, (), "Of which kind is it?", options)
    assert _of_kind(case, found, known)[0] == letter
