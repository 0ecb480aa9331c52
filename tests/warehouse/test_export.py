"""A run's rows in files that other programs read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import schema, spool
from warehouse.errors import Refused
from warehouse.ingest import ingest
from warehouse.queries import export
from warehouse.queries.export import Exported
from warehouse.records.scoring import Patch, Prediction, Run
from warehouse.store import Store

NAMED = {
    "predictions": "run_id image_id image_path dataset product label question_id subtask question answer "
    "correct_answer status error initial_option_probabilities option_probabilities entropy token_entropy "
    "reward best_iteration descriptions raw_text rationale seconds",
    "patches": "run_id image_id question_id iteration row col x0 y0 x1 y1 score accepted",
    "runs": "run_id digest settings knowledge_version started_at finished_at state planned answered invalid failed "
    "host device versions timings",
}
READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    "parquet": lambda file: pl.read_parquet(file),
    "csv": lambda file: pl.read_csv(file),
    "jsonl": lambda file: pl.read_ndjson(file),
}
AWKWARD = rows.prediction(
    0,
    0,
    question='Is there, "really",\na défaut — 缺陷?',
    label=None,
    correct_answer=None,
    descriptions=(),
    option_probabilities={},
    rationale='{"not": json',
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run of two blocks, and another run that must not leak into its files."""
    data = tmp_path_factory.mktemp("data")
    store = Store(data)
    store.open_run(rows.run())
    store.open_run(rows.run("other"))
    spool.write_part(data, RUN, 0, [AWKWARD, rows.prediction(0, 1)], [rows.patch(0, 1)])
    rows.write_part(data, 1)
    rows.write_part(data, 0, run_id="other")
    ingest(store)
    return store


def test_a_record_is_exported_with_every_column_it_has() -> None:
    for table, record in (("predictions", Prediction), ("patches", Patch), ("runs", Run)):
        columns = [name.strip() for name in export._COLUMNS[table].split(",")]  # type: ignore[index]
        assert sorted(columns) == sorted(field.name for field in dataclasses.fields(record))


@pytest.mark.parametrize("table", ["predictions", "patches", "runs"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_format_has_the_named_columns_and_this_run_alone(
    exported: Store, tmp_path: Path, table: Exported, suffix: str
) -> None:
    file = tmp_path / f"it's a file.{suffix}"
    written = exported.export(table, RUN, file)

    frame = READ[suffix](file)
    assert set(NAMED[table].split()) <= set(frame.columns)
    assert frame["run_id"].unique().to_list() == [RUN]
    assert frame.height == written == {"predictions": 8, "patches": 7, "runs": 1}[table]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("it's")] == [file.name]


def test_parquet_gives_back_the_very_records(exported: Store, tmp_path: Path) -> None:
    exported.export("predictions", RUN, tmp_path / "p.parquet")
    exported.export("patches", RUN, tmp_path / "q.parquet")

    predictions = schema.records(Prediction, pl.read_parquet(tmp_path / "p.parquet"))
    stored = [AWKWARD, rows.prediction(0, 1), *(rows.prediction(1, number) for number in range(6))]
    assert predictions == [dataclasses.replace(one, cluster_id=one.content) for one in stored]
    patches = schema.records(Patch, pl.read_parquet(tmp_path / "q.parquet"))
    assert patches == [rows.patch(0, 1), *(rows.patch(1, number) for number in range(6))]


def test_json_lines_give_back_every_value(exported: Store, tmp_path: Path) -> None:
    exported.export("predictions", RUN, tmp_path / "p.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines() if line]
    assert len(lines) == 8
    assert lines[0]["question"] == AWKWARD.question
    assert (lines[0]["label"], lines[0]["descriptions"], lines[0]["option_probabilities"]) == (None, [], {})
    assert lines[1]["option_probabilities"] == {"A": 0.125, "B": 0.875}
    assert lines[1]["token_entropy"] == [[1.0, 2.0], [1.0, 1.5], [1.0, 1.0]]
    assert lines[1]["options"] == [{"letter": "A", "text": "Yes."}, {"letter": "B", "text": "No."}]
    assert datetime.fromisoformat(lines[1]["created_at"]) == rows.NOW


def test_csv_holds_nested_values_as_json(exported: Store, tmp_path: Path) -> None:
    exported.export("predictions", RUN, tmp_path / "p.csv")

    first, second = pl.read_csv(tmp_path / "p.csv").head(2).to_dicts()
    assert first["question"] == AWKWARD.question
    assert first["rationale"] == AWKWARD.rationale
    assert (first["label"], json.loads(first["descriptions"])) == (None, [])
    assert json.loads(second["option_probabilities"]) == {"A": 0.125, "B": 0.875}
    assert json.loads(second["descriptions"])[0]["description_id"] == "drawn/bottle/crack"
    assert json.loads(second["reward"]) == [-0.5, -0.25, 0.0]


def test_without_a_run_everything_is_written(exported: Store, tmp_path: Path) -> None:
    assert exported.export("runs", None, tmp_path / "runs.jsonl") == 2
    assert exported.export("predictions", None, tmp_path / "predictions.parquet") == 14


def test_a_run_that_is_not_there_and_a_file_of_another_kind_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no run nowhere"):
        store.export("runs", "nowhere", tmp_path / "runs.csv")
    with pytest.raises(Refused, match=r"ends in \.xlsx; name a file that ends in \.parquet, \.csv, \.jsonl"):
        store.export("runs", RUN, tmp_path / "runs.xlsx")
    assert not (tmp_path / "runs.csv").exists()
