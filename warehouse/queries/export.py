"""A run's rows as a file for other programs: Parquet and JSON Lines keep nested values, CSV holds them as JSON.

The file is written beside its place and renamed, so a reader never sees half of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from warehouse.errors import Refused, full_disk_named
from warehouse.queries import comparisons
from warehouse.queries.facts import CLUSTER
from warehouse.queries.truth import PREDICTIONS, Truth

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Exported = Literal["predictions", "patches", "runs", "measures", "comparisons"]

_COLUMNS: dict[Exported, str] = {
    "predictions": """
        run_id, image_id, image_path, dataset, product, label, defect, line, camera, captured_at,
        question_id, subtask, question, options, conditional, reference_path, answer, correct_answer, status, error,
        initial_option_probabilities, option_probabilities, entropy, token_entropy, reward, best_iteration,
        descriptions, knowledge_dropped, knowledge_cut, raw_text, rationale, seconds, content, block, created_at,
        claims, no_defect, oddity, evidence_id, failure, evidence, cluster_id, lot
    """,
    "patches": "run_id, image_id, question_id, iteration, row, col, x0, y0, x1, y1, score, accepted, block",
    "runs": """
        run_id, digest, settings, knowledge_version, started_at, finished_at, state, planned, answered, invalid, failed,
        host, device, versions, timings, model, demo, message, archive_id, plan,
        purpose, question_set, subtasks, evaluator, evaluator_version, capabilities, embedding_scale, passed_over
    """,
    "measures": """
        image_id, path AS image_path, content, width, height, white, brightness, contrast, sharpness, clipped_bright,
        clipped_dark, colour, red, green, blue, fill, centre_x, centre_y
    """,
    "comparisons": """
        run_id, image_id, path AS image_path, product, label, score, rank, normals, threshold, claim, why, rows,
        columns, area, marked, values, nearest, block
    """,
}
_TILE = ", tile.x0 AS tile_x0, tile.y0 AS tile_y0, tile.x1 AS tile_x1, tile.y1 AS tile_y1"  # in the whole picture
# What comparing the picture with normal ones came to, see `StoredComparison`; maps are exported on their own.
_COMPARED = ", score AS comparison_score, rank AS comparison_rank, claim AS comparison_claim"
_MEASURED = ", patches_hit, patches_chance, region_hit, region_chance, changed, changed_elsewhere"  # see `Grounding`
_REVIEWED = ", verified, basis, archive_label, archive_correct_answer"  # behind the columns of predictions
_ORDER: dict[Exported, str] = {
    "predictions": "block, t.rowid",
    "patches": "block, t.rowid",
    "runs": "started_at, run_id",
    "measures": "path, image_id",
    "comparisons": f"run_id, {comparisons.SUSPICION} DESC, path, image_id",
}
_OF_IMAGES = """(SELECT * FROM (SELECT DISTINCT run_id, image_id FROM facts)
    JOIN entries USING (image_id) LEFT JOIN measures USING (content)) AS t"""
_FORMATS = {".parquet": "PARQUET, COMPRESSION zstd", ".csv": "CSV, HEADER", ".jsonl": "JSON"}


def write(con: DuckDBPyConnection, table: Exported, run_id: str | None, output: Path, truth: Truth = "archive") -> int:
    """Rows written; of one run, or of all of them without a run_id. Only predictions have a truth to choose.

    Raises:
        Refused: there is no such run, or the file's name has another ending.
        DiskFull: nothing was written.
        FileNotFoundError: the file's folder is not there.
    """
    suffix = output.suffix.lower()
    if suffix not in _FORMATS:
        raise Refused(f"{output} ends in {suffix or 'nothing'}; name a file that ends in {', '.join(_FORMATS)}")
    if run_id is not None and not con.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchall():
        raise Refused(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")
    beside = _TILE + _MEASURED + _COMPARED if table == "predictions" else ""
    beside += _REVIEWED if table == "predictions" and truth == "reviewed" else ""
    names = _COLUMNS[table].replace("cluster_id", CLUSTER)
    source = f"{PREDICTIONS[truth]} AS t LEFT JOIN groundings USING (run_id, image_id, question_id)"
    source += " LEFT JOIN (SELECT image_id, tile FROM entries) USING (image_id)"
    source += " LEFT JOIN (SELECT run_id, image_id, score, rank, claim FROM comparisons) USING (run_id, image_id)"
    joined = {"measures": _OF_IMAGES, "comparisons": "comparisons AS t JOIN entries USING (image_id)"}
    source = source if table == "predictions" else joined.get(table, f"{table} AS t")
    selected = con.sql(
        f"SELECT {names}{beside} FROM {source} WHERE coalesce(run_id = $run, true) ORDER BY {_ORDER[table]}",
        params={"run": run_id},
    )
    columns = [
        f"to_json({name}) AS {name}" if suffix == ".csv" and kind.id in ("list", "struct", "map") else name
        for name, kind in zip(selected.columns, selected.types, strict=True)
    ]
    unfinished = output.with_name(f"{output.name}.tmp-{os.getpid()}")
    unfinished.touch()  # in words, if there is no such folder
    try:
        with full_disk_named(output.parent):
            target = str(unfinished).replace("'", "''")
            query = f"SELECT {', '.join(columns)} FROM selected"
            ((rows,),) = con.execute(f"COPY ({query}) TO '{target}' (FORMAT {_FORMATS[suffix]})").fetchall()
            unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return int(rows)
