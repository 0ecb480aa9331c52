"""Answers whose options nobody knows: judged by their letters, paired and compared like any others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tests.mmad import DECLARED, SUBTASKS
from warehouse.queries.rollups import Rollups, Selection
from warehouse.store import Store
from workbench.analysis import cell_totals, compare, confusion
from workbench.scoring import answer_file

FIVE = {letter: f"Option {letter}" for letter in "ABCDE"}


def record(image: str, question: str, said: str, right: str, options: bool, subtask: str = SUBTASKS[2]) -> object:
    return {
        "image": image, "question": {"text": question, "options": FIVE if options else {}}, "question_type": subtask,
        "correct_answer": right, "gpt_answer": said,
    }  # fmt: skip


def imported(store: Store, folder: Path, name: str, records: Sequence[object]) -> str:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(records))
    read = answer_file.read(file)
    assert read.problems == []
    return answer_file.store(store, read, name).run.run_id


def test_answers_without_options_are_judged_by_letter_whatever_was_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    said = ("A", "E", "B.", "nothing", "(C)")
    rows = [record(f"D/p/test/bent/{n}.png", "Where?", letter, "B", options=False) for n, letter in enumerate(said)]
    run = imported(store, tmp_path, "one", rows)
    found = Rollups(store.data).facts(Selection(run)).sort("image_path")
    assert found["right"].to_list() == [False, False, True, False, False]
    assert found["question_id"].n_unique() == 1, "no option is made up from what was said"
    assert found["choices"].to_list() == [0] * 5
    assert found["answer_text"].to_list() == ["A", "E", "B", None, "C"]
    assert confusion.by_option(found).select("answer", "n").sort("answer").rows() == [
        ("(not read)", 1), ("A", 1), ("B", 1), ("C", 1), ("E", 1),
    ]  # fmt: skip
    cells = Rollups(store.data).cells(Selection(run))
    assert cell_totals.accuracy_by_subtask(cells, DECLARED).select("n", "right", "chance").row(0) == (5, 1, None)


@pytest.mark.slow
@pytest.mark.real_images
def test_two_real_models_differ_by_as_much_with_five_options_as_with_none(robustmad: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    tables = []
    for options in (False, True):
        runs = []
        for model in ("Qwen2_5_VL_3B_Instruct", "MiniCPM_V_4"):
            given = json.loads((robustmad / f"{model}.json").read_text())
            rows = [_real(one, options) for one in given]
            runs.append(imported(store, tmp_path, f"{model}, {options}", rows))
        old, new = (Rollups(store.data).facts(Selection(run)) for run in runs)
        pairs = compare.pair(old, new)
        assert (pairs.frame.height, pairs.only_old, pairs.only_new) == (4510, 0, 0)
        as_pages_do = Rollups(store.data).pairs(runs[0], Selection(runs[1]))
        tables.append([*(compare.table(pairs.frame, by) for by in ((), ("subtask",))), compare.table(as_pages_do)])
    for without, with_five in zip(*tables, strict=True):
        assert_frame_equal(without, with_five)
    assert 100 * tables[0][0]["difference"][0] == pytest.approx(1.397, abs=1e-3)


def _real(one: Mapping[str, str], options: bool) -> object:
    """Misleading questions ask some general ones again, so they are another subtask."""
    subtask = SUBTASKS[5] if one["robustness_category"].startswith("General") else SUBTASKS[6]
    return record(one["image_path"], one["question"], one["raw_response"], one["answer"], options, subtask)
