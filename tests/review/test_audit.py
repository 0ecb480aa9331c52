"""The audit lane: a run's own answers against what people settled, whichever run's answer they judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.people import ANN, by
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import AuditCase, AuditDraw
from warehouse.records.scoring import Option
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import agreement, disputes

ONE, OTHER = "20250103T220005123Z-a1b2c3d4", "20250104T220005123Z-a1b2c3d4"


@pytest.mark.parametrize(
    ("decision", "right", "errors"),
    [("wrong", None, {ONE: (1, 0), OTHER: (1, 1)}), ("correct", None, {ONE: (1, 1), OTHER: (1, 0)}),
     ("unsure", None, {ONE: (0, 0), OTHER: (0, 0)})],
)  # fmt: skip
def test_another_run_s_verdict_counts_for_what_it_says_of_this_run_s_answer(
    data_folder: Path, decision: str, right: str | None, errors: dict[str, tuple[int, int]]
) -> None:
    """Both runs drew the case; one answered that there is no defect, the other that there is; the other was judged."""
    store, reviews = Store(data_folder), Reviews(data_folder)
    for run_id, answer in ((ONE, "B"), (OTHER, "A")):
        store.open_run(rows.run(run_id))
        asked = [rows.prediction(0, 2 * place, run_id, answer=answer, label=None) for place in range(8)]
        spool.write_part(data_folder, run_id, 0, asked)
        ingest(store)
        drawn = (AuditCase(asked[0].image_id, asked[0].question_id), AuditCase(asked[1].image_id, "question-0"))
        reviews.draw_audit(AuditDraw(run_id, 8, 0, drawn, rows.NOW), [], [], actor=ANN)
    disputes.open_by(store, OTHER, Key("image-0", "question-0"), actor=by("anna"))
    (dispute,) = reviews.queue()["dispute_id"]
    settled = agreement.settle_by(reviews, dispute, decision, right, "", actor=by("anna"))  # type: ignore[arg-type]

    assert settled.label == {"wrong": "good", "correct": "defective", "unsure": None}[decision]
    for run_id, (judged, wrong) in errors.items():
        estimate = disputes.audit_estimate(reviews, run_id)
        assert estimate is not None
        assert (estimate.population, estimate.judged, estimate.wrong) == (8, judged, wrong)


def test_where_none_of_the_options_is_right_every_run_s_answer_is_wrong(data_folder: Path) -> None:
    store, reviews = Store(data_folder), Reviews(data_folder)
    three = tuple(Option(letter, text) for letter, text in zip("ABC", ("Dent", "Hole", "Rust"), strict=True))
    for run_id, answer in ((ONE, "B"), (OTHER, "A")):
        store.open_run(rows.run(run_id))
        asked = rows.prediction(0, 1, run_id, answer=answer, subtask="Defect Classification", options=three, label=None)
        spool.write_part(data_folder, run_id, 0, [asked])
        ingest(store)
        reviews.draw_audit(AuditDraw(run_id, 4, 0, (AuditCase("image-0", "question-1"),), rows.NOW), [], [], actor=ANN)
    disputes.open_by(store, OTHER, Key("image-0", "question-1"), actor=by("anna"))
    agreement.settle_by(reviews, reviews.queue()["dispute_id"][0], "wrong", None, "", actor=by("anna"))
    estimates = [disputes.audit_estimate(reviews, run_id) for run_id in (ONE, OTHER)]
    assert [(one.judged, one.wrong) for one in estimates if one] == [(1, 1), (1, 1)]
