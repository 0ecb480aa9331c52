"""Version 4: what the options of detection questions claim, with predictions and disputes; settled labels follow.

Labels that people settled were read from the first letters of an answer ("NOK" as no), so some say the opposite of what
was meant. What was settled is the option, which is stored too: the label is worked out from it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.claims import Questions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ASKED = """
    CREATE TEMP TABLE asked AS
    SELECT row_number() OVER () AS number, * FROM (
        SELECT run_id, question, options, correct_answer, label, count(*) AS images
        FROM predictions WHERE subtask = 'Anomaly Detection' GROUP BY ALL
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    import pyarrow as pa

    for table in ("predictions", "disputes"):
        con.execute(f"ALTER TABLE {table} ADD COLUMN claims VARCHAR[]")
    con.execute(_ASKED)
    rows = con.execute("SELECT number, run_id, question, options, correct_answer, label, images FROM asked").fetchall()
    runs: dict[str, Questions] = {}
    for _, run_id, question, options, correct, label, images in rows:
        texts = {option["letter"]: option["text"] for option in options}
        runs.setdefault(run_id, Questions()).add(question, list(texts.values()), texts.get(correct), label, images)
    claims = [list(runs[row[1]].claims(row[2], [option["text"] for option in row[3]])) for row in rows]
    claimed = pa.table(
        {"number": pa.array([row[0] for row in rows], pa.int64()), "claims": pa.array(claims, pa.list_(pa.string()))}
    )
    con.register("claimed", claimed)
    con.execute(
        "UPDATE predictions SET claims = c.claims FROM asked AS a JOIN claimed AS c USING (number) "
        "WHERE predictions.subtask = 'Anomaly Detection' AND predictions.run_id = a.run_id "
        "AND predictions.question = a.question AND predictions.options = a.options "
        "AND predictions.correct_answer IS NOT DISTINCT FROM a.correct_answer "
        "AND predictions.label IS NOT DISTINCT FROM a.label"
    )
    con.execute(
        "UPDATE disputes SET claims = p.claims FROM predictions AS p WHERE p.claims IS NOT NULL "
        "AND disputes.run_id = p.run_id AND disputes.image_id = p.image_id AND disputes.question_id = p.question_id"
    )
    con.execute(
        "UPDATE settlements SET label = CASE WHEN s.claim IN ('defective', 'good') THEN s.claim END FROM ("
        "SELECT dispute_id, unnest(claims) AS claim, unnest(options).letter AS letter FROM disputes "
        "WHERE subtask = 'Anomaly Detection' AND claims IS NOT NULL) AS s "
        "WHERE settlements.dispute_id = s.dispute_id AND settlements.right_answer = s.letter"
    )
    con.unregister("claimed")
    con.execute("DROP TABLE asked")
