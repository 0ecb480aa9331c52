"""Runs of which every answer is right, or wrong, or of one picture: pages say so and claim nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs import surfaces
from tests.pages.screen import opened, words
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.store import Store

ANSWERS = {"all right": "A", "all wrong": "B"}
PAGES = ("runs/runs", "errors", "gallery", "traces", "trust", "compare")


def score(data: Path, answer: str, images: int = 24) -> None:
    """Two runs over labelled pictures, all answered alike."""
    store = Store(data)
    for run_id in ("run-1", "run-2"):
        store.open_run(rows.run(run_id, digest=run_id, plan=run_id))
        predictions = [
            rows.prediction(
                0, 0, run_id, image_id=f"{number}", image_path=f"{number}.png", label="defective", correct_answer="A",
                answer=answer, claims=("defective", "good"), product=("pcb", "screw")[number % 2], camera="A1",
                content=f"{number}", cluster_id=f"{number}",
            )
            for number in range(images)
        ]  # fmt: skip
        spool.write_part(data, run_id, 0, predictions)
        ingest(store)
        store.close_run(run_id, "finished")


@pytest.mark.parametrize("kind", ANSWERS)
def test_where_all_answers_are_alike_no_page_claims_a_difference(data_folder: Path, kind: str) -> None:
    score(data_folder, ANSWERS[kind])
    said = {name: surfaces.plain(words(opened(f"workbench/pages/{name}.py"))) for name in PAGES}
    lead = {"all right": "No answer is wrong:", "all wrong": "Not enough evidence that a slice has more than its share"}
    assert lead[kind] in said["errors"]
    assert "Not enough evidence that B and A differ" in said["compare"]
    assert not [name for name, text in said.items() if " nan" in text.lower() or " inf " in text.lower()]
    assert not [name for name, text in said.items() if "worse than expected" in text or "is better than" in text]


def test_of_one_picture_nothing_is_compared(data_folder: Path) -> None:
    score(data_folder, "B", images=1)
    said = {name: surfaces.plain(words(opened(f"workbench/pages/{name}.py"))) for name in PAGES}
    assert "No slice can be judged" in said["errors"]
    assert "Not enough evidence that B and A differ" in said["compare"]
