"""Calls by a saved threshold on pages and in commands: said in one line, as answered by default, and back again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.jobs import surfaces
from tests.jobs.test_mmad_and_report import said
from tests.pages.screen import opened, words
from tests.people import ANN
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.thresholds import Thresholds
from warehouse.records.thresholds import Threshold
from warehouse.store import Store

BY = "Called defective by comparison, not by the answers: pcb at or above 0.5 (version 1)."
KEPT = "4 of 16 pictures keep their answers: 4 without a threshold (nut)."
PAGES = ("gallery", "errors", "runs/runs", "traces", "map")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over sixteen pictures without a label: two are called defective by their answers, five by the threshold."""
    folder = tmp_path_factory.mktemp("alarm-rule") / "data"
    store = Store(folder)
    store.open_run(rows.run("run-1"))
    predictions, compared = [], []
    for number in range(16):
        product = "pcb" if number < 12 else "nut"
        asked = rows.prediction(
            0, 0, "run-1", image_id=f"{product}-{number}", image_path=f"{product}/{number}.png", label=None,
            correct_answer=None, answer="A" if number in (3, 13) else "B", product=product,
        )  # fmt: skip
        predictions.append(asked)
        score = 0.5 + number / 64 if number in (0, 1, 2, 4) else 0.25
        compared.append(rows.comparison(0, 0, "run-1", image_id=asked.image_id, score=score))
    spool.write_part(folder, "run-1", 0, predictions, (), (), (), compared)
    ingest(store)
    store.close_run("run-1", "finished")
    now = datetime.now(UTC)
    saved = Threshold("pcb", "", "comparison", 0, 0.5, "given", None, "{}", None, "", "line 3", now)
    Thresholds(folder).save(saved, actor=ANN)
    return folder


@pytest.fixture(autouse=True)
def _data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(data))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_counts_by_the_thresholds_and_says_which(name: str) -> None:
    page = opened(f"workbench/pages/{name}.py")
    text = surfaces.plain(words(page))
    assert "2 of 16 pictures without a label were called defective" in text
    assert "not by the answers" not in text
    page.selectbox(key="choose.alarms").select("comparison").run()
    assert not page.exception
    assert page.query_params["alarms"] == "comparison"
    text = surfaces.plain(words(page))
    assert "5 of 16 pictures without a label were called defective" in text
    assert f"{BY} {KEPT}" in text
    page.selectbox(key="choose.alarms").select("answers").run()
    assert "alarms" not in page.query_params
    assert "2 of 16 pictures without a label were called defective" in surfaces.plain(words(page))


def test_a_case_says_what_its_threshold_calls_it_and_what_was_answered() -> None:
    page = opened("workbench/pages/case/case.py", image="pcb-0", question="question-0", alarms="comparison")
    text = surfaces.plain(words(page))
    assert "Called defective. Its saved threshold calls it defective by comparison; asked" in text
    assert "the model said B No" in text
    assert BY in text
    same = opened("workbench/pages/case/case.py", image="nut-13", question="question-0", alarms="comparison")
    assert "Its saved threshold" not in surfaces.plain(words(same))


def test_trust_goes_by_the_answers_and_says_so() -> None:
    text = surfaces.plain(words(opened("workbench/pages/trust.py", alarms="comparison")))
    assert "judged by the answers, whatever calls pictures defective" in text
    assert BY not in text


def test_commands_count_by_the_thresholds_and_say_which(data: Path, tmp_path: Path) -> None:
    plain, by_rule = (
        json.loads(said("runs", "--data", data, "--json", *more)) for more in ((), ("--alarms", "comparison"))
    )
    assert [row["called_defective"]["defective"] for row in (*plain, *by_rule)] == [2, 5]
    assert "alarm_rule" not in plain[0]
    assert by_rule[0]["alarm_rule"] == "comparison"
    assert by_rule[0]["thresholds"].startswith(BY)
    assert f"run-1 {BY}" in " ".join(said("runs", "--data", data, "--alarms", "comparison").split())
    file = tmp_path / "report.html"
    said("report", "run-1", "-o", file, "--alarms", "comparison", "--data", data)
    text = surfaces.plain(file.read_text(encoding="utf-8"))
    assert "5 of 16 pictures without a label were called defective" in text
    assert BY in text


def test_a_rule_without_a_threshold_keeps_the_answers_and_says_so(data: Path) -> None:
    text = surfaces.plain(words(opened("workbench/pages/gallery.py", alarms="claim")))
    assert "No threshold on claim holds for this run: pictures are called what their answers say." in text
    assert "2 of 16 pictures without a label were called defective" in text
    assert Thresholds(data).changes() == 1


def test_a_list_that_goes_by_scores_shows_and_filters_them() -> None:
    def scores(page: AppTest) -> list[str]:
        captions = [link.proto.label for link in page.main.get("page_link")]
        return [caption.split(" ")[0] for caption in captions if re.match(r"\d\.\d{3} ", caption)]

    assert scores(opened("workbench/pages/gallery.py")) == []
    page = opened("workbench/pages/gallery.py", score="0.5-1")
    assert scores(page) == ["0.500", "0.516", "0.531", "0.562"]
    assert "chip.score" in [button.key for button in page.button]
    assert page.selectbox(key="measures.name").options[0] == "score"
