"""The gate holds both answers of a test against the truth that every reviewed number goes by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.warehouse import rows
from tests.warehouse.test_truth import scored, settle
from warehouse.queries.curation import Curation
from warehouse.records.curation import GateAttempt
from warehouse.store import Store
from workbench.curation import trial

OLD, NEW = "20250104T220005123Z-a1b2c3d4", "20250105T220005123Z-a1b2c3d4"


def test_a_settled_label_counts_for_the_image_s_other_detection_questions_in_a_test_too(data_folder: Path) -> None:
    settled = rows.prediction(0, 0)  # good, and called good
    another = replace(settled, question_id="another", answer="B")
    other_image = rows.prediction(0, 2, answer="A")
    scored(data_folder, [settled, another, other_image])
    settle(data_folder, settled, label="defective")
    for run_id, answer in ((OLD, "B"), (NEW, "A")):
        scored(data_folder, [replace(each, run_id=run_id, answer=answer) for each in (another, other_image)], run_id)

    store = Store(data_folder)
    attempt = GateAttempt(
        "d/p/e", 1, "d/p", 1, 0.01, 0.02, None, None, "k", rows.RUN, "gate:1", (settled.image_id,),
        (other_image.image_id,), "ann", rows.NOW,
    )  # fmt: skip
    found = trial.pairs(store, attempt.affected, attempt.elsewhere, OLD, NEW).sort("group").rows()
    assert found == [
        (settled.content, "affected", False, True),  # people hold it to be defective
        (other_image.content, "elsewhere", True, False),
    ]
    for run_id in (rows.RUN, OLD, NEW):
        reviewed = store.predictions(run_id, truth="reviewed").drop_nulls("correct_answer")
        truths = Curation(data_folder).truths(run_id, reviewed["image_id"]).drop("cluster_id")
        assert sorted(truths.rows()) == sorted(reviewed.select("image_id", "question_id", "correct_answer").rows())
