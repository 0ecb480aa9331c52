"""What text used to decide is stored as columns: a run's purpose, and the parts of a retrieved text's id."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import duckdb
import pyarrow as pa
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import migrations, schema, spool
from warehouse.ingest import ingest
from warehouse.migration_steps import run_purposes
from warehouse.records.scoring import Prediction, RunPurpose
from warehouse.store import Store

SCHEMAS = Path(__file__).parent / "schemas"


def test_runs_of_version_4_get_the_purpose_they_were_opened_for() -> None:
    con = duckdb.connect()
    con.execute((SCHEMAS / "004.sql").read_text(encoding="utf-8"))
    con.execute("DELETE FROM night_runs; DELETE FROM arms")
    old = dict.fromkeys(get_args(RunPurpose), "'plan' AS plan")
    old["gate"] = "'gate:plan' AS plan"
    old["import"] = """'{"imported": "answer file", "knowledge": "unknown"}' AS settings"""
    for purpose, changed in old.items():
        con.execute(f"INSERT INTO runs SELECT * REPLACE ('{purpose}' AS run_id, {changed}) FROM (FROM runs LIMIT 1)")
    for run_id, purpose in (("golden", "golden"), ("night", "archive"), ("rescore", "rescore")):
        con.execute("INSERT INTO night_runs VALUES ('s', now(), ?, ?)", [run_id, purpose])
    for purpose, kind, family in (("ablation", "ablation", "main"), ("stress", "stress", "blur"),
                                  ("explain", "stress", "deletion")):  # fmt: skip
        con.execute("INSERT INTO arms VALUES ($1, $2, 'a', 0, $1, $3, NULL, NULL, $1, now())", [purpose, kind, family])
    migrations.migrate(con)
    names = ", ".join(f"'{purpose}'" for purpose in old)
    found = dict(con.execute(f"SELECT run_id, purpose FROM runs WHERE run_id IN ({names})").fetchall())
    assert found == {purpose: purpose for purpose in old}
    assert ", ".join(f"'{each}'" for each in get_args(RunPurpose)) == run_purposes._PURPOSES


def test_a_list_of_runs_leaves_out_those_of_a_test_whatever_their_plan_is_called(data: Path) -> None:
    store = Store(data)
    for run_id, purpose in (("a", "gate"), ("b", "score"), ("c", "golden")):
        store.open_run(rows.run(run_id, purpose=purpose))
    assert store.runs()["run_id"].to_list() == ["c", "b"]
    with pytest.raises(Exception, match="CHECK"):
        store.open_run(rows.run("d", purpose="else"))


def test_retrieved_texts_of_version_4_get_the_parts_of_their_ids() -> None:
    con = duckdb.connect()
    con.execute((SCHEMAS / "004.sql").read_text(encoding="utf-8"))
    texts = (
        "[{'description_id': 'line/4711%2F02/Scratch', 'revision': 1, 'rank': 1, 'score': 0.5}, "
        "{'description_id': 'odd', 'revision': 1, 'rank': 2, 'score': NULL}]"
    )
    con.execute(f"UPDATE predictions SET descriptions = {texts}")
    migrations.migrate(con)
    ((shown,),) = con.execute("SELECT descriptions FROM predictions").fetchall()
    assert [tuple(each.values()) for each in shown] == [
        ("line/4711%2F02/Scratch", 1, 1, 0.5, "line", "4711/02", "Scratch"),
        ("odd", 1, 2, None, "", "", "odd"),
    ]


def test_a_part_of_version_4_is_ingested_with_the_parts_of_the_ids(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = schema.arrow(Prediction)
    old_text = pa.struct([*today.field("descriptions").type.value_type][:4])
    old = [
        pa.field("descriptions", pa.list_(old_text), nullable=False) if field.name == "descriptions" else field
        for field in today
        if field.name != "failure"
    ]
    whole = schema.table

    def as_version_4(record: type, records: list[object]) -> pa.Table:
        made = whole(record, records)
        if record is not Prediction:
            return made
        texts = [[{name: each[name] for name in ("description_id", "revision", "rank", "score")} for each in row]
                 for row in made["descriptions"].to_pylist()]  # fmt: skip
        at = made.schema.get_field_index("descriptions")
        made = made.set_column(at, old[at], pa.array(texts, old[at].type))
        return made.drop_columns(["failure"])

    with monkeypatch.context() as patched:
        patched.setattr(schema, "table", as_version_4)
        spool.write_part(data, RUN, 0, [rows.prediction(0, 0, descriptions=(rows.retrieved("a/b%2Fc/d"),))])
    ingest(store)
    (stored,) = schema.records(Prediction, store.predictions(RUN))
    assert stored.descriptions == (rows.retrieved("a/b%2Fc/d"),)
