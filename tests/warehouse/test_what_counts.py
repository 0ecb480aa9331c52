"""From stored predictions to facts and cells: what counts, as what, and every dimension, stated one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.mmad import DECLARED, SUBTASKS
from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import spool
from warehouse.identity import evidence_id
from warehouse.ingest import ingest
from warehouse.queries.facts import OUTCOMES, SHAPES
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.scoring import Option
from warehouse.store import Store
from workbench.analysis import cell_totals

OPTIONS = (Option("A", "Scratch."), Option("B", "Dent."))


def fact(**changes: Any) -> dict[str, object]:
    """The fact of one prediction, as it is stored."""
    return rows.facts_of(rows.prediction(0, 0, **{"options": OPTIONS, **changes})).row(0, named=True)


def test_letters_become_texts() -> None:
    found = fact(answer="B", correct_answer="A", status="answered")
    assert (found["answer_text"], found["correct_text"], found["choices"], found["correct_answer"]) == (
        "Dent.",
        "Scratch.",
        2,
        "A",
    )
    assert found["correct"] is False


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"answer": "A", "correct_answer": "A"}, True),
        ({"answer": None, "correct_answer": "A", "status": "invalid"}, False),
        ({"answer": None, "correct_answer": "A", "status": "failed", "error": "truncated"}, None),
        ({"answer": "A", "correct_answer": None}, None),
        ({"answer": "A thin line.", "correct_answer": None, "options": ()}, None),
    ],
)
def test_an_answer_is_judged_if_it_is_labelled_and_did_not_fail(changes: dict[str, object], right: bool | None) -> None:
    assert fact(**{"status": "answered", **changes})["correct"] is right


def test_evidence_is_told_apart_by_a_number(data: Path) -> None:
    store, texts = Store(data), rows.prediction(0, 0).descriptions
    store.open_run(rows.run())
    shown = (evidence_id("a", texts), evidence_id("a", texts), evidence_id("b", texts), None)
    made = [rows.prediction(0, 2 * place, evidence_id=name) for place, name in enumerate(shown)]
    spool.write_part(data, RUN, 0, made)
    ingest(store)
    one, same, other, unknown = Rollups(data).facts(Selection(RUN)).sort("image_id")["evidence"]
    assert one == same != other
    assert unknown is None


@pytest.mark.parametrize(
    ("captured", "night"),
    [
        (datetime(2025, 1, 4, 2, tzinfo=UTC), "2025-01-03"),
        (datetime(2025, 1, 3, 22, tzinfo=UTC), "2025-01-03"),
        (datetime(2025, 1, 3, 11, 59, tzinfo=UTC), "2025-01-02"),
    ],
)
def test_a_night_has_the_date_of_its_evening(captured: datetime, night: str) -> None:
    assert fact(captured_at=captured)["night"] == night


@pytest.mark.parametrize(
    ("label", "defect", "retrieved", "said"),
    [
        ("defective", "Scratch", "mvtec/bottle/scratch", "right"),
        ("defective", "scratch", "mvtec/bottle/good", "other entry"),
        ("good", None, "mvtec/bottle/good", "right"),
        ("good", None, "mvtec/nut/good", "other product"),
        ("good", None, None, "none"),
        (None, None, "mvtec/bottle/good", None),
        ("defective", None, "mvtec/bottle/good", None),
    ],
)
def test_retrieval_is_right_when_it_is_the_image_s_own_entry(
    label: str | None, defect: str | None, retrieved: str | None, said: str | None
) -> None:
    described = (rows.retrieved(retrieved),) if retrieved else ()
    found = fact(product="bottle", label=label, defect=defect, descriptions=described)
    assert (found["retrieval"], found["description"]) == (said, retrieved)


def test_confidence_and_entropy_are_those_of_the_answer_and_fall_into_bands() -> None:
    found = fact(option_probabilities={"A": 0.7, "B": 0.3}, entropy=(3.0, 0.5, 2.0), best_iteration=1)
    assert (found["confidence"], found["confidence_band"]) == (0.7, "0.7 to 0.9")
    assert (found["settled_entropy"], found["entropy_band"]) == (0.5, "0.5 to 1")


def test_bands_include_their_lower_edge_and_go_on_for_ever() -> None:
    entropies = ((), (0.0,), (0.25,), (3.9,), (4.0,), (99.0,))
    found = [fact(entropy=each, best_iteration=0 if each else None)["entropy_band"] for each in entropies]
    assert found == [None, "below 0.25", "0.25 to 0.5", "2 to 4", "4 and above", "4 and above"]


@pytest.mark.parametrize(
    ("entropy", "shape"),
    [
        ([], None),
        ([1.0, 0.5], None),
        ([0.3, 0.32, 0.31, 0.3], "flat-low"),
        ([3.0, 3.02, 3.0], "stuck-high"),
        ([3.0, 2.0, 1.0, 0.5], "falling"),
        ([3.0, 2.0, 1.0, 0.5, 0.52], "falling"),
        ([3.0, 2.0, 3.0, 2.0, 3.0], "oscillating"),
        ([3.0, 1.0, 1.0, 2.9], "late rise"),
        ([2.0, 2.5, 3.0], "stuck-high"),
        ([0.1, 0.3, 0.5], "flat-low"),
    ],
)
def test_a_trace_has_one_of_six_shapes(entropy: list[float], shape: str | None) -> None:
    assert fact(entropy=tuple(entropy), best_iteration=0 if entropy else None)["shape"] == shape


def plain_shape(entropy: tuple[float, ...]) -> str | None:
    """The shape as a loop finds it, by the words of its definition."""
    if len(entropy) < 3:
        return None
    moves = [after - before for before, after in pairwise(entropy) if abs(after - before) > 0.05]
    turns = sum((before > 0) != (after > 0) for before, after in pairwise(moves))
    range_ = max(entropy) - min(entropy)
    otherwise = "flat-low" if sum(entropy) / len(entropy) < 1 else "stuck-high"
    if range_ <= 0.1:
        return otherwise
    if turns >= 3:
        return "oscillating"
    if entropy[-1] - min(entropy) > range_ / 2 and entropy[0] - min(entropy) > 0.05:
        return "late rise"
    return "falling" if entropy[0] - entropy[-1] > 0.05 else otherwise


def test_the_shapes_of_a_thousand_traces_are_those_of_a_plain_loop() -> None:
    # Sums of 1/64 are exact, so no trace lies on an edge only because of rounding.
    draw, values = random.Random(5), (6 / 64, 9 / 64, 19 / 64, 58 / 64, 77 / 64, 2.0)
    traces = [tuple(draw.choices(values, k=draw.randrange(9))) for _ in range(1000)]
    found = rows.facts_of(
        *(rows.prediction(0, at, entropy=each, best_iteration=0 if each else None) for at, each in enumerate(traces))
    )
    assert found["shape"].to_list() == [plain_shape(each) for each in traces]
    assert set(found["shape"]) == {None, *SHAPES}


def test_every_way_a_prediction_ends_has_its_outcome() -> None:
    nobody_knows = {"correct_answer": None, "label": None}
    ends: dict[str, dict[str, Any]] = {
        "escape": {"answer": "B", "correct_answer": "A", "label": "defective"},
        "overkill": {"answer": "A"},
        "wrong": {"answer": "A", "subtask": "Object Analysis", "claims": None},
        "invalid": {"status": "invalid", "answer": None},
        "failed": {"status": "failed", "answer": None},
        "alarm": {"answer": "A", **nobody_knows},
        "right": {},
        "pass": {"answer": "B", **nobody_knows},
        "unlabelled": {"subtask": "Object Analysis", "claims": None, **nobody_knows},
    }
    found = rows.facts_of(*(rows.prediction(0, 0, **end) for end in ends.values()))
    assert tuple(found["outcome"]) == tuple(ends) == OUTCOMES


def test_a_wrong_detection_is_only_wrong_without_a_label_or_where_nothing_tells_what_it_claims() -> None:
    found = rows.facts_of(
        rows.prediction(0, 0, answer="A", label=None),
        rows.prediction(0, 0, answer="A", claims=("unknown", "unknown")),
        rows.prediction(0, 0, answer="A", claims=("cannot say", "good")),
        rows.prediction(0, 0, answer=None, status="invalid"),
    )
    assert found["outcome"].to_list() == ["wrong", "wrong", "wrong", "invalid"]
    assert found["claim"].to_list() == ["defective", None, "cannot say", "unreadable"]


ends = st.tuples(
    st.sampled_from(SUBTASKS),
    st.sampled_from(["answered", "invalid", "failed"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["A", "B", None]),
)


@pytest.mark.slow
@settings(max_examples=25)
@example([])
@given(st.lists(ends, max_size=160))
def test_accuracy_per_subtask_equals_a_plain_count(predictions: list[tuple[str, str, str, str | None]]) -> None:
    cells = rows.cells_of(
        *(
            rows.prediction(
                0, number, question_id=f"q{number}", subtask=subtask, status=status, correct_answer=correct,
                answer=answer if status == "answered" else None,
            )
            for number, (subtask, status, answer, correct) in enumerate(predictions)
        )
    )  # fmt: skip
    found = {
        row["subtask"]: (row["right"], row["n"]) for row in cell_totals.accuracy_by_subtask(cells, DECLARED).to_dicts()
    }
    plain: dict[str, tuple[int, int]] = {}
    for subtask, status, answer, correct in predictions:
        if status != "failed" and correct is not None:
            right, n = plain.get(subtask, (0, 0))
            plain[subtask] = (right + (status == "answered" and answer == correct), n + 1)
    assert found == plain


def test_accuracy_keeps_the_benchmark_order_and_knows_the_rate_of_guessing() -> None:
    four = tuple(Option(letter, letter) for letter in "ABCD")
    table = cell_totals.accuracy_by_subtask(
        rows.cells_of(rows.prediction(0, 1, options=four), rows.prediction(0, 0), rows.prediction(0, 2, options=four)),
        DECLARED,
    )
    assert table["subtask"].to_list() == ["Anomaly Detection", "Object Analysis"]
    assert table["chance"].to_list() == [0.375, 0.25]


def test_images_per_second_counts_images_not_questions() -> None:
    cells = rows.cells_of(
        rows.prediction(0, 0, seconds=0.5),
        rows.prediction(0, 1, seconds=0.25),
        rows.prediction(0, 2, seconds=0.75, status="failed", answer=None),
    )
    assert cell_totals.images_per_second(cells) == pytest.approx(2 / 1.5)
    assert cell_totals.images_per_second(cells.clear()) is None
