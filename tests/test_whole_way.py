"""The whole way, as a person goes it: draw, import, score, look at what is stored, export, and do it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests import scored
from tests.mmad import SUBTASKS
from tests.scored import workbench
from warehouse.store import Store

pytestmark = pytest.mark.slow

READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    "parquet": pl.read_parquet,
    "csv": pl.read_csv,
    "jsonl": pl.read_ndjson,
}
QUESTIONS = 56  # eight images with a defect, all seven subtasks each


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, drawn_archive: Path) -> Path:
    """A data folder with the drawn archive's knowledge imported and one run over it."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    imported = workbench("knowledge", "import", drawn_archive / "domain_knowledge.json", data=folder)
    assert imported.returncode == 0, imported.stderr
    assert "30 texts published (30 new" in imported.stdout
    done = workbench("score", drawn_archive, "--json", data=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "finished"
    return folder


def test_every_question_is_stored_with_its_whole_trace(data: Path) -> None:
    rows = scored.stored(data).predictions
    assert len(rows) == QUESTIONS
    assert set(rows["subtask"]) == set(SUBTASKS)
    assert set(rows["status"]) == {"answered"}
    for row in rows.iter_rows(named=True):
        letters = {option["letter"] for option in row["options"]}
        assert row["answer"] in letters
        assert row["correct_answer"] in letters
        for chances in (row["initial_option_probabilities"], row["option_probabilities"]):
            assert set(chances) == letters
            assert sum(chances.values()) == pytest.approx(1)
        assert len(row["entropy"]) == len(row["reward"]) == len(row["token_entropy"]) == 3  # iteration 0 and two more
        assert row["reward"] == pytest.approx([1 - entropy for entropy in row["entropy"]])
        assert {len(tokens) for tokens in row["token_entropy"]} == {4}
        assert 0 <= row["best_iteration"] <= 2
        assert [found["rank"] for found in row["descriptions"]] == [1, 2, 3]
        assert row["reference_path"].endswith(".png")


def test_the_run_says_what_it_was(data: Path) -> None:
    run = Store(data).runs().row(0, named=True)
    settings = json.loads(run["settings"])
    assert run["demo"]
    assert run["planned"] == run["answered"] == QUESTIONS
    assert (settings["knowledge"], settings["shots"], settings["iterations"]) == ("retrieved", 1, 2)
    assert settings["facts"]["encoder"].startswith("embedded@")
    assert run["knowledge_version"] == settings["facts"]["knowledge_version"]
    assert run["timings"]["loop"] > 0


def test_patches_lie_inside_their_image_and_accepted_ones_have_vectors(data: Path) -> None:
    stored = scored.stored(data)
    contents = dict(stored.predictions.select("image_id", "content").iter_rows())
    patches = stored.patches
    assert patches.filter((pl.col("x0") < 0) | (pl.col("x1") <= pl.col("x0")) | (pl.col("x1") > 504)).is_empty()
    accepted = {
        (contents[row["image_id"]], row["row"], row["col"]) for row in patches.filter("accepted").iter_rows(named=True)
    }
    kept = {(key[1], key[3], key[4]) for key in stored.vectors if key[0].startswith("patches")}
    assert kept == accepted


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_run_is_exported(data: Path, tmp_path: Path, suffix: str) -> None:
    run_id = Store(data).runs()["run_id"][0]
    file = tmp_path / f"predictions.{suffix}"
    done = workbench("export", "predictions", "--run", run_id, "-o", file, data=data)
    assert done.returncode == 0, done.stderr
    read = READ[suffix](file)
    assert len(read) == QUESTIONS
    assert read["answer"].to_list() == scored.stored(data).predictions["answer"].to_list()


def test_a_second_pass_that_need_not_begin_again_does_no_work(data: Path, drawn_archive: Path) -> None:
    before = scored.stored(data)
    outcome = scored.score(drawn_archive, scored.quick(data), again=False)
    assert (outcome.images, outcome.run.state) == (0, "finished")
    assert scored.stored(data).predictions.equals(before.predictions)


def test_deleted_vectors_are_brought_back(data: Path, tmp_path: Path) -> None:
    before = scored.vectors(data)
    (data / "vectors").rename(tmp_path / "vectors")
    done = workbench("reindex", data=data)
    assert done.returncode == 0, done.stdout + done.stderr
    after = scored.vectors(data)
    assert after.keys() == before.keys()
    for key, vector in before.items():
        assert after[key] == pytest.approx(vector, abs=2e-3)
    again = workbench("reindex", data=data)
    assert "encoded 0 texts, 0 images, 0 patches" in again.stdout
