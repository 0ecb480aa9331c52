"""Trust's section Operating point: the address says what for, buttons save and go back, numbers are the command's."""

from __future__ import annotations

import json

import pytest

from tests.jobs.test_mmad_and_report import said
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.pages.seed import Seeded
from warehouse.queries.thresholds import Thresholds
from workbench.analysis import operating_report

PAGE = "workbench/pages/trust.py"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    return seed.seed(tmp_path_factory.mktemp("operating") / "data", images=48)


@pytest.fixture(autouse=True)
def _data(seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(seeded.store.data))


def test_the_section_says_what_the_command_prints(seeded: Seeded) -> None:
    page = opened(PAGE, prevalence="0.02", cost_escape="40")
    text = words(page)
    command = ("operate", seeded.run.run_id, "--data", seeded.store.data, "--prevalence", "0.02", "--cost-escape", "40")
    for line in said(*command).splitlines()[1:5]:
        assert line in text
    found = json.loads(said(*command, "--json"))
    assert operating_report.threshold_words(found["point"]["threshold"]) in text
    assert len(page.main.get("plotly_chart")) == 5


def test_a_threshold_is_saved_and_rolled_back_from_the_page(seeded: Seeded) -> None:
    page = opened(PAGE, threshold="0.75")
    assert "what is called defective is what answers claim" in words(page)
    page.text_input(key="operating.reason").set_value("line 3")
    page.button(key="operating.save").click().run()
    assert "Saved as version 1." in words(page)
    page.button(key="operating.rollback").click().run()
    versions = Thresholds(seeded.store.data).versions("defect probability")
    assert [(each.version, each.value, each.method) for each in versions] == [(2, None, "rollback"), (1, 0.75, "given")]
    assert versions[1].reason == "line 3"
    assert "line 3" in words(page)


def test_too_few_pieces_show_no_curve_and_say_why(seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    few = seed.seed(seeded.store.data.parent / "few", images=12)
    monkeypatch.setenv("WORKBENCH_DATA", str(few.store.data))
    page = opened(PAGE, signal="claim")
    assert "Not enough: fewer than 10 defective pieces have a score." in words(page)
    assert not [each for each in page.main.get("plotly_chart") if "operating" in each.proto.id]
