"""The transaction that makes ingest exactly-once: the rows of parts, their ledger entries and their runs' counts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse import claims, failures, former_questions, spool
from warehouse.errors import Refused
from warehouse.queries import facts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Counts:
    """What was added."""

    parts: int
    predictions: int
    patches: int


def enter(con: DuckDBPyConnection, blocks: Sequence[spool.Block]) -> Counts:
    """Rows added from those blocks that aren't in the ledger yet. The caller's transaction makes it all or nothing.

    Raises:
        Refused: a part holds rows of another part, or its run is not in the warehouse.
    """
    stored = set(con.execute("SELECT run_id, block FROM ledger").fetchall())
    new = [block for block in blocks if (block.run_id, block.number) not in stored]
    if not new:
        return Counts(0, 0, 0)
    runs, numbers = [block.run_id for block in new], [block.number for block in new]
    known = {run_id for (run_id,) in con.execute("SELECT run_id FROM runs").fetchall()}
    if unknown := set(runs) - known:
        raise Refused(f"the warehouse has no run {', '.join(sorted(unknown))}")

    con.execute("SET threads = 1")  # a second one appends the same rows twice: on its own, then in order
    con.register("new_parts", pa.table({"run_id": runs, "block": numbers}))
    new = [former_questions.renamed(con, block) if block.is_former else block for block in new]
    rows = {table: spool.rows(new, table) for table in ("predictions", "patches", "comparisons")}
    detecting = con.execute(
        "SELECT run_id, s.name FROM (SELECT run_id, unnest(subtasks) AS s FROM runs WHERE list_contains(?, run_id)) "
        "WHERE s.detects",
        [runs],
    ).fetchall()
    rows["predictions"] = failures.declare(claims.declare(rows["predictions"], detecting))
    zones = con.sql(facts.ZONES).to_arrow_table()
    with ThreadPoolExecutor(1) as beside:
        made = beside.submit(facts.of, rows["predictions"], zones)
        for table, added in rows.items():
            con.register(f"new_{table}", added)
            con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_{table}")
        facts.enter(con, *made.result())

    con.execute(
        """
        CREATE TEMP TABLE counted AS
        SELECT run_id, block, count(*) AS predictions, 0 AS patches,
            count(*) FILTER (status = 'answered') AS answered,
            count(*) FILTER (status = 'invalid') AS invalid,
            count(*) FILTER (status = 'failed') AS failed
        FROM new_predictions GROUP BY run_id, block
        UNION ALL
        SELECT run_id, block, 0, count(*), 0, 0, 0 FROM new_patches GROUP BY run_id, block
        """
    )
    strangers = con.execute("SELECT run_id, block FROM counted ANTI JOIN new_parts USING (run_id, block)").fetchall()
    if strangers:
        raise Refused(f"a part holds rows of another run or block: {sorted(strangers)[:5]}")
    con.execute(
        """
        INSERT INTO ledger
        SELECT run_id, block, coalesce(sum(predictions), 0), coalesce(sum(patches), 0), ?
        FROM new_parts LEFT JOIN counted USING (run_id, block) GROUP BY run_id, block
        """,
        [datetime.now(UTC)],
    )
    con.execute(
        """
        UPDATE runs SET
            answered = runs.answered + new.answered,
            invalid = runs.invalid + new.invalid,
            failed = runs.failed + new.failed
        FROM (
            SELECT run_id, sum(answered)::BIGINT AS answered, sum(invalid)::BIGINT AS invalid,
                sum(failed)::BIGINT AS failed
            FROM counted GROUP BY run_id
        ) AS new
        WHERE runs.run_id = new.run_id
        """
    )
    totals = con.execute("SELECT coalesce(sum(predictions), 0), coalesce(sum(patches), 0) FROM counted").fetchall()
    return Counts(len(new), int(totals[0][0]), int(totals[0][1]))
