"""Thresholds in versions: saved, rolled back, killed, and never changing an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.jobs.test_mmad_and_report import said
from tests.pages import seed
from tests.pages.seed import Seeded
from tests.people import ANN
from warehouse.errors import Refused
from warehouse.queries.audit import Audit
from warehouse.queries.thresholds import Thresholds
from warehouse.records.thresholds import Threshold

SIGNAL = "defect probability"


def threshold(value: float, product: str = "", camera: str = "") -> Threshold:
    return Threshold(product, camera, SIGNAL, 0, value, "given", None, "{}", None, "", "why", datetime.now(UTC))


def test_versions_count_up_by_product_camera_and_signal_and_the_newest_comes_first(tmp_path: Path) -> None:
    thresholds = Thresholds(tmp_path)
    assert thresholds.versions(SIGNAL) == []
    for value in (0.3, 0.4):
        thresholds.save(threshold(value), actor=ANN)
    thresholds.save(threshold(0.9, "pcb", "A1"), actor=ANN)
    assert [(each.version, each.value, each.author) for each in thresholds.versions(SIGNAL)] == [
        (2, 0.4, "ann"),
        (1, 0.3, "ann"),
    ]
    assert [(each.version, each.value) for each in thresholds.versions(SIGNAL, "pcb", "A1")] == [(1, 0.9)]
    assert thresholds.versions(SIGNAL, "pcb") == []


def test_rolling_back_is_a_version_of_its_own_and_0_gives_the_answers_their_claims_back(tmp_path: Path) -> None:
    thresholds = Thresholds(tmp_path)
    for value in (0.3, 0.4):
        thresholds.save(threshold(value), actor=ANN)
    thresholds.rollback(SIGNAL, "", "", 1, "too many alarms", actor=ANN)
    thresholds.rollback(SIGNAL, "", "", 0, "still", actor=ANN)
    found = thresholds.versions(SIGNAL)
    assert [(each.version, each.value, each.method) for each in found] == [
        (4, None, "rollback"),
        (3, 0.3, "rollback"),
        (2, 0.4, "given"),
        (1, 0.3, "given"),
    ]
    assert json.loads(found[1].details) == {"version": 1}
    rows = Audit(tmp_path).rows(subject=f"{SIGNAL} of all products")
    assert [row.action for row in rows] == ["roll back threshold"] * 2 + ["save threshold"] * 2
    for version, message in ((9, "there is no version 9"), (0, "has the value that holds already")):
        with pytest.raises(Refused, match=message):
            thresholds.rollback(SIGNAL, "", "", version, "", actor=ANN)
    assert len(thresholds.versions(SIGNAL)) == 4


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    return seed.seed(tmp_path_factory.mktemp("thresholds") / "data", images=48)


def stored(seeded: Seeded) -> pl.DataFrame:
    """Everything that a run stored about its answers."""
    return seeded.store.predictions(seeded.run.run_id)


def test_the_command_saves_and_rolls_back_and_no_stored_answer_changes(seeded: Seeded) -> None:
    before, totals = stored(seeded), seeded.store.run_totals()
    words = ("operate", seeded.run.run_id, "--data", seeded.store.data, "--author", "ann")
    first = json.loads(said(*words, "--overkill-at-most", "0.2", "--save", "--reason", "line 3", "--json"))
    said(*words, "--threshold", "0.9", "--save")
    text = said(*words, "--rollback", "1", "--reason", "too many escapes")
    assert "saved as version 3" in text
    versions = Thresholds(seeded.store.data).versions(SIGNAL)
    assert [each.method for each in versions] == ["rollback", "given", "overkill"]
    assert versions[0].value == versions[2].value == first["point"]["threshold"]
    assert versions[1].value == 0.9
    details = json.loads(versions[2].details)
    assert (details["limit"], details["prevalence"], details["truth"]) == (0.2, first["aim"]["prevalence"], "archive")
    assert (versions[2].run_id, versions[2].reason) == (seeded.run.run_id, "line 3")
    assert_frame_equal(stored(seeded), before)
    assert_frame_equal(seeded.store.run_totals(), totals)


def test_a_threshold_that_nothing_speaks_for_is_not_saved(seeded: Seeded, tmp_path: Path) -> None:
    few = seed.seed(tmp_path / "few", images=12)
    with pytest.raises(Refused, match="not enough: fewer than 10 defective pieces have a score; name one with"):
        said("operate", few.run.run_id, "--data", few.store.data, "--save")
    with pytest.raises(Refused, match="nothing would be called defective"):
        said("operate", seeded.run.run_id, "--data", seeded.store.data, "--cost-escape", "0", "--save")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_is_no_number_is_refused_and_leaves_nothing(tmp_path: Path, value: float) -> None:
    with pytest.raises(Refused, match="which nothing can be held against"):
        Thresholds(tmp_path).save(threshold(value), actor=ANN)
    assert Thresholds(tmp_path).versions(SIGNAL) == []
    assert Audit(tmp_path).rows() == []
