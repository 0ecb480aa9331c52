"""`workbench leaderboard`: runs of a warehouse in, every number out, and each can be worked out again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.jobs.test_mmad_and_report import said
from tests.pages import seed
from tests.pages.seed import Seeded
from warehouse.errors import Refused
from warehouse.queries.rollups import Rollups, Selection
from warehouse.store import Store
from workbench.analysis import cell_totals

IDS = ("20250105T220005123Z-a1b2c3d4", "20250106T220005123Z-a1b2c3d4")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A run, a copy of it with other answers, and one that asked another set."""
    found = seed.seed(tmp_path_factory.mktemp("board") / "data", images=12)
    cases = [case for entry in found.entries for case in found.store.case(found.run.run_id, entry.image_id)]
    other = replace(found.run, run_id=IDS[0], plan="other", model="other")
    answers = [replace(case, run_id=IDS[0], answer="A" if case.status == "answered" else None) for case in cases]
    seed.store_run(found.store, other, answers[3:], [])
    foreign = replace(found.run, run_id=IDS[1], plan="foreign", question_set="inspection")
    seed.store_run(found.store, foreign, [replace(case, run_id=IDS[1]) for case in cases], [])
    return found


def board(seeded: Seeded, *words: str | Path) -> str:
    return said("leaderboard", seeded.run.run_id, IDS[0], "--data", seeded.store.data, *words)


def test_every_number_of_the_file_recomputes_from_the_exported_answers(seeded: Seeded, tmp_path: Path) -> None:
    stated = json.loads(board(seeded, "--csv", tmp_path / "board.csv", "--json"))
    table = pl.read_csv(tmp_path / "board.csv", infer_schema_length=None)
    frames = []
    for run_id in (seeded.run.run_id, IDS[0]):
        said("export", "predictions", "--run", run_id, "-o", tmp_path / "p.parquet", "--data", seeded.store.data)
        rows = pl.read_parquet(tmp_path / "p.parquet").filter(
            pl.col("correct_answer").is_not_null(), pl.col("status") != "failed"
        )
        right = (pl.col("answer") == pl.col("correct_answer")).fill_null(False)
        frames.append(rows.with_columns(right=right & (pl.col("status") == "answered")))
    shared = [rows.join(other, on=["image_id", "question_id"], how="semi") for rows, other in (frames, frames[::-1])]
    assert stated["questions"] == shared[0].height
    cells = table.filter(pl.col("dataset").is_not_null(), pl.col("subtask").is_not_null())
    for row in cells.filter(pl.col("side").is_null()).iter_rows(named=True):
        rows = shared[row["run_id"] == IDS[0]]
        own = rows.filter(dataset=row["dataset"], subtask=row["subtask"])
        sides = own.group_by("label").agg(pl.col("right").mean())["right"].mean()
        expected = sides if row["subtask"] == "Anomaly Detection" else own["right"].mean()
        assert (row["n"], row["accuracy"]) == (own.height, pytest.approx(expected))
    for row in stated["ranking"]:
        rows = table.filter(run_id=row["run_id"]).filter(pl.col("rank").is_not_null())
        assert rows.select("rank", "accuracy", "low", "high").row(0) == pytest.approx(
            tuple(row[name] for name in ("rank", "accuracy", "low", "high"))
        )
        assert row["seconds_per_image"] == pytest.approx(
            frames[row["run_id"] == IDS[0]]["seconds"].sum() / 12, rel=0.35
        )


def test_one_run_has_the_average_that_the_pages_show(seeded: Seeded) -> None:
    alone = json.loads(said("leaderboard", seeded.run.run_id, "--data", seeded.store.data, "--json"))
    cells = Rollups(seeded.store.data).cells(Selection(seeded.run.run_id))
    assert 100 * alone["ranking"][0]["accuracy"] == pytest.approx(cell_totals.average(cells, seeded.run.subtasks))


def test_the_table_names_its_scorer_and_a_drawn_run_stands_beside_no_published_row(seeded: Seeded) -> None:
    text = " ".join(board(seeded).split())
    assert "strict scorer" in text
    assert "±" in text
    assert "published rows are left out: the embedded demo model answers drawn pictures" in text
    assert "Human expert" not in text
    assert "judged questions of a run are left out" in text


def test_runs_of_other_sets_and_runs_that_are_not_there_are_refused(seeded: Seeded) -> None:
    with pytest.raises(Refused, match="asked different question sets, inspection, mmad"):
        board(seeded, IDS[1])
    with pytest.raises(Refused, match="`workbench runs` lists them"):
        board(seeded, "none")


def test_runs_without_a_shared_question_are_refused(tmp_path: Path) -> None:
    found = seed.seed(tmp_path / "data", images=2)
    case = seed.unlabelled(found.store.case(found.run.run_id, found.entries[0].image_id)[0])
    run = replace(found.run, run_id=IDS[0], plan="other")
    seed.store_run(Store(tmp_path / "data"), run, [replace(case, run_id=IDS[0])], [])
    with pytest.raises(Refused, match="share no judged question"):
        said("leaderboard", found.run.run_id, IDS[0], "--data", tmp_path / "data")
