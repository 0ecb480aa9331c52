"""Alarm rules: what a saved threshold calls defective is worked out when facts are read, and nothing stored changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.rows import RUN
from tests.warehouse.test_truth import settle
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.facts import SUMS
from warehouse.queries.pieces import Pieces
from warehouse.queries.rollups import Rollups, Selection, sql
from warehouse.queries.scores import Scores
from warehouse.queries.signals import SignalName
from warehouse.queries.thresholds import Thresholds
from warehouse.queries.truth import Truth
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Option, Prediction
from warehouse.records.thresholds import Threshold
from warehouse.store import Store

Place = tuple[str, str]
OPTIONS = (Option("A", "Yes."), Option("B", "No."), Option("C", "I cannot say."))
CLAIMS = ("defective", "good", "cannot say")
NAMES = ("image_id", "question_id", "claim", "answer", "answer_text", "outcome", "right")


def save(data: Path, signal: SignalName, value: float | None, product: str = "", camera: str = "") -> Threshold:
    stated = Threshold(product, camera, signal, 0, value, "given", None, "{}", None, "", "", datetime.now(UTC))
    return Thresholds(data).save(stated, actor=ANN)


def answered(number: int) -> tuple[Prediction, StoredComparison | None]:
    """A detection answer of whatever kind about image `number`, and what comparing said of it."""
    draw = np.random.default_rng(number)
    label = (None, "good", "defective")[draw.integers(3)]
    chance = float(draw.integers(1, 9)) / 10
    asked = rows.prediction(
        0, 2 * number, options=OPTIONS, claims=CLAIMS, product=("bottle", "pcb")[draw.integers(2)],
        camera=(None, "a", "b")[draw.integers(3)], label=label, defect="crack" if label == "defective" else None,
        correct_answer={"good": "B", "defective": "A"}.get(label or ""), answer="ABC"[draw.integers(3)],
        status=("answered", "answered", "answered", "invalid")[draw.integers(4)],
        option_probabilities={} if draw.integers(4) == 0 else {"A": chance, "B": 1 - chance, "C": 0.0},
    )  # fmt: skip
    compared = rows.comparison(0, number, score=float(draw.integers(1, 9)) / 10)
    return asked, None if draw.integers(4) == 0 else compared


PICTURES = [answered(number) for number in range(90)]
BESIDE = [  # asks something else about each of them
    rows.prediction(
        0,
        2 * number + 1,
        answer="A",
        product=asked.product,
        camera=asked.camera,
        label=asked.label,
        defect=asked.defect,
    )
    for number, (asked, _) in enumerate(PICTURES)
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("alarm-rules")
    store = Store(data)
    store.open_run(rows.run())
    predictions = [each for pair in zip([asked for asked, _ in PICTURES], BESIDE, strict=True) for each in pair]
    compared = [comparison for _, comparison in PICTURES if comparison]
    spool.write_part(data, RUN, 0, predictions, (), (), (), compared)
    ingest(store)
    for asked in (PICTURES[3][0], PICTURES[4][0], PICTURES[11][0]):
        settle(data, asked, label="defective")
    for signal in ("defect probability", "comparison"):
        save(data, signal, 0.5, "bottle")
        save(data, signal, 0.8, "bottle", "a")
        save(data, signal, 0.1, "", "b")
    return data


def score(asked: Prediction, comparison: StoredComparison | None, signal: SignalName) -> float | None:
    if signal == "comparison":
        return comparison.score if comparison else None
    return asked.option_probabilities.get("A") if asked.status == "answered" else None


HOLDING: Mapping[Place, float] = {("bottle", "a"): 0.8, ("bottle", ""): 0.5, ("", "b"): 0.1}


def threshold_of(asked: Prediction) -> float | None:
    camera = asked.camera or ""
    order = ((asked.product, camera), (asked.product, ""), ("", camera), ("", ""))
    return next((HOLDING[place] for place in order if place in HOLDING), None)


def test_scores_of_a_camera_leave_out_pictures_of_none(stored: Path) -> None:
    images = {None: 0, "a": 0, "b": 0}
    for asked, _ in PICTURES:
        images[asked.camera] += 1
    assert images[None] > 0
    found = Scores(stored).of_runs([RUN], camera="a")
    assert (found["camera"].unique().to_list(), found.height) == (["a"], images["a"])


@pytest.mark.parametrize("signal", ["defect probability", "comparison"])
@pytest.mark.parametrize("truth", ["archive", "reviewed"])
def test_alarms_are_what_a_plain_count_over_scores_and_thresholds_says(
    stored: Path, signal: SignalName, truth: Truth
) -> None:
    as_answered = Rollups(stored).facts(Selection(RUN, truth=truth), (*NAMES, "label", "correct_answer"))
    by_rule = Rollups(stored).facts(Selection(RUN, truth=truth, alarm_rule=signal), NAMES)
    found = {row["image_id"]: row for row in by_rule.to_dicts() if row["question_id"] == "question-0"}
    plain = {row["image_id"]: row for row in as_answered.to_dicts() if row["question_id"] == "question-0"}
    moved = 0
    for asked, comparison in PICTURES:
        before, now = plain[asked.image_id], found[asked.image_id]
        value, threshold = score(asked, comparison, signal), threshold_of(asked)
        if asked.status != "answered" or value is None or threshold is None:
            assert {name: before[name] for name in NAMES} == now
            continue
        letter, claim = ("A", "defective") if value >= threshold else ("B", "good")
        if before["correct_answer"] is None:
            outcome = "alarm" if claim == "defective" else "pass"
        elif before["correct_answer"] == letter:
            outcome = "right"
        else:
            outcome = "overkill" if claim == "defective" else "escape"
        text = {"A": "Yes.", "B": "No."}[letter]
        right = None if before["correct_answer"] is None else outcome == "right"
        assert now == {
            "image_id": asked.image_id, "question_id": "question-0", "claim": claim, "answer": letter,
            "answer_text": text, "outcome": outcome, "right": right,
        }  # fmt: skip
        moved += before["claim"] != claim
    assert moved > 10
    others = (frame.filter(question_id="question-1").select(NAMES).sort(NAMES) for frame in (as_answered, by_rule))
    assert_frame_equal(*others)


@pytest.mark.parametrize("truth", ["archive", "reviewed"])
def test_every_count_is_of_the_same_alarms(stored: Path, truth: Truth) -> None:
    rule: AlarmRule = "comparison"
    chosen = Selection(RUN, truth=truth, alarm_rule=rule)
    rollups, store = Rollups(stored), Store(stored)
    facts, cells = rollups.facts(chosen), rollups.cells(chosen)
    alarms = facts.filter(outcome="alarm").height
    assert 0 < alarms != rollups.facts(Selection(RUN, truth=truth)).filter(outcome="alarm").height
    # Counted in SQL, in memory, by subtask, over all runs, by picture and by piece.
    in_memory = rollups.cells(Selection(RUN, truth=truth, alarm_rule=rule, ranges=(("entropy", 0.0, 9.0),)))
    order = [name for name in cells.columns if name not in SUMS]
    assert_frame_equal(cells.sort(order), in_memory.select(cells.columns).sort(order), check_dtypes=False)
    assert store.run_summary(RUN, truth, rule)["alarms"].sum() == alarms
    (total,) = store.run_totals(truth, rule).filter(run_id=RUN).to_dicts()
    assert (total["alarms"], total["escape"]) == (alarms, facts.filter(outcome="escape").height)
    assert store.called_defective(truth, RUN, rule)["alarm_images"].sum() == alarms
    assert rollups.alarm_counts([RUN], truth, rule)["alarm_images"].to_list() == [alarms]
    assert rollups.alarms(chosen, ("image_id",), 99).height == alarms
    pieces = Pieces(stored)
    assert pieces.of_runs([RUN], truth, rule).filter(outcome="alarm").height == alarms
    assert pieces.of_selection(chosen).filter(outcome="alarm").height == alarms
    repeated = Database(stored).frame(sql(chosen))
    assert_frame_equal(repeated.select("image_id", "outcome").sort("image_id", "outcome"),
                       facts.select("image_id", "outcome").sort("image_id", "outcome"))  # fmt: skip


def contents(data: Path) -> dict[str, str]:
    """Of everything that is stored about answers, a hash."""
    tables = ("predictions", "facts", "cells", "comparisons", "runs")
    rows_of = {table: Database(data).frame(f"SELECT * FROM {table} ORDER BY ALL").write_json() for table in tables}
    return {table: hashlib.sha256(text.encode()).hexdigest() for table, text in rows_of.items()}


def test_thresholds_move_alarms_forth_and_back_and_no_stored_answer_changes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open_run(rows.run())
    asked = [rows.prediction(0, 2 * number, label=None, correct_answer=None) for number in range(8)]
    spool.write_part(tmp_path, RUN, 0, asked, (), (), (), [rows.comparison(0, number) for number in range(8)])
    ingest(store)
    thresholds, chosen = Thresholds(tmp_path), Selection(RUN, alarm_rule="comparison")

    def alarms() -> int:
        return Rollups(tmp_path).facts(chosen).filter(outcome="alarm").height

    before = contents(tmp_path)
    assert alarms() == 0  # as answered: nothing is saved
    assert (thresholds.signals(), thresholds.changes()) == ([], 0)
    expected = []
    for value in (0.25 + 2 / 64, 0.25 + 5 / 64):  # scores are 0.25 and 64ths above it
        save(tmp_path, "comparison", value, "bottle")
        expected.append(alarms())
    thresholds.rollback("comparison", "bottle", "", 1, "too many escapes", actor=ANN)
    expected.append(alarms())
    thresholds.rollback("comparison", "bottle", "", 0, "back to the answers", actor=ANN)
    expected.append(alarms())
    assert expected == [6, 3, 6, 0]
    assert (thresholds.signals(), thresholds.changes()) == (["comparison"], 4)
    assert contents(tmp_path) == before
    # A product's rollback to its answers holds for it, whatever is saved for all products.
    save(tmp_path, "comparison", 0.0)
    assert alarms() == 0
    save(tmp_path, "comparison", 0.0, "bottle")
    assert alarms() == 8
    assert Rollups(tmp_path).facts(Selection(RUN)).filter(outcome="alarm").height == 0


def test_what_holds_is_said_by_product_and_camera(stored: Path) -> None:
    found = Thresholds(stored).in_force(RUN, "comparison")
    held = {(each.product, each.camera): (each.value, each.saved_product, each.saved_camera) for each in found}
    assert held == {
        ("bottle", None): (0.5, "bottle", ""),
        ("bottle", "a"): (0.8, "bottle", "a"),
        ("bottle", "b"): (0.5, "bottle", ""),
        ("pcb", None): (None, None, None),
        ("pcb", "a"): (None, None, None),
        ("pcb", "b"): (0.1, "", "b"),
    }
    assert sum(each.pictures for each in found) == len(PICTURES)
    assert sum(each.scored for each in found) == sum(comparison is not None for _, comparison in PICTURES)
    assert {each.version for each in found} == {1, None}


def test_runs_are_paired_by_the_same_rule(stored: Path) -> None:
    again = rows.run("20250104T220005123Z-a1b2c3d4")
    store = Store(stored)
    store.open_run(again)
    asked = [rows.prediction(0, 2 * number, again.run_id, answer="A") for number in range(3)]
    spool.write_part(stored, again.run_id, 0, asked)
    ingest(store)
    chosen = Selection(RUN, alarm_rule="comparison")
    pairs = Rollups(stored).pairs(again.run_id, chosen)
    facts = Rollups(stored).facts(chosen, NAMES).filter(question_id="question-0")
    right = dict(facts.select("image_id", "right").iter_rows())
    assert pairs.height > 0
    assert all(row["right"] == right[row["image_id"]] for row in pairs.to_dicts())
