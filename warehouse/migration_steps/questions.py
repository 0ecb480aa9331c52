"""Version 5: a question is what is asked; what it was shown is the evidence of its prediction.

Every key that names a question is rewritten. Questions that differed in their reference alone fall together: their
disputes of one image keep their names, which Label Studio's tasks hold, and are numbered in the order of their opening;
their settlements are revisions of one case in the order of settling, those of a dispute that was withdrawn first, so
that taking back one verdict doesn't take back the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse import former_questions
from warehouse.former_questions import Asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ASKED = """
    SELECT DISTINCT p.question_id, p.subtask, p.question, p.options, p.reference_path, r.archive_id, e.content
    FROM predictions AS p LEFT JOIN runs AS r USING (run_id)
    LEFT JOIN entries AS e ON e.archive_id = r.archive_id AND e.path = p.reference_path
"""
_SETTLEMENTS = """
    CREATE TABLE settlements (
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        dispute_id VARCHAR NOT NULL,
        decision VARCHAR NOT NULL CHECK (decision IN ('correct', 'wrong', 'unsure')),
        right_answer VARCHAR,
        label VARCHAR,
        basis VARCHAR NOT NULL CHECK (basis IN ('single', 'agreed', 'majority', 'person')),
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        withdrawn BOOLEAN NOT NULL,
        settled_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (image_id, question_id, revision)
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    import pyarrow as pa

    con.execute("ALTER TABLE predictions ADD COLUMN evidence_id VARCHAR")
    con.execute(
        "CREATE TABLE former_questions (former_id VARCHAR NOT NULL, question_id VARCHAR NOT NULL, "
        "PRIMARY KEY (former_id))"
    )
    names: dict[str, str] = {}
    shown: dict[tuple[str, str | None, str | None], str | None] = {}  # question, archive, path -> reference
    for row in con.execute(_ASKED).fetchall():
        asked, archive_id, content = Asked(*row[:5]), row[5], row[6]
        names[asked.former_id] = former_questions.question_id(asked)
        key = (asked.former_id, archive_id, asked.reference_path)
        found = former_questions.reference(asked, [content])
        if shown.get(key) in (None, asked.former_id):  # a path had several contents, one of which was shown
            shown[key] = found
    of_disputes = con.execute("SELECT DISTINCT question_id, subtask, question, options FROM disputes").fetchall()
    for former_id, subtask, question, options in of_disputes:
        asked = Asked(former_id, subtask, question, options, None)
        names.setdefault(asked.former_id, former_questions.question_id(asked))
    text = pa.string()
    keys = list(shown)
    con.register("names", pa.table({"former_id": pa.array(names, text), "question_id": pa.array(names.values(), text)}))
    con.register(
        "shown",
        pa.table(
            {
                "former_id": pa.array([key[0] for key in keys], text),
                "archive_id": pa.array([key[1] for key in keys], text),
                "reference_path": pa.array([key[2] for key in keys], text),
                "reference": pa.array(shown.values(), text),
            }
        ),
    )
    con.execute("INSERT INTO former_questions SELECT * FROM names")
    con.execute(
        """
        UPDATE predictions SET evidence_id = left(sha256(array_to_string(list_prepend(coalesce(s.reference, ''),
            list_transform(descriptions, lambda d: d.description_id || '@' || d.revision)), chr(10))), 32)
        FROM shown AS s, (
            SELECT DISTINCT p.run_id, r.archive_id FROM predictions AS p LEFT JOIN runs AS r USING (run_id)
        ) AS r
        WHERE predictions.run_id = r.run_id AND s.archive_id IS NOT DISTINCT FROM r.archive_id
        AND predictions.question_id = s.former_id
        AND predictions.reference_path IS NOT DISTINCT FROM s.reference_path
        """
    )
    # What somebody else's program answered: nobody knows what it was shown.
    con.execute(
        "UPDATE predictions SET evidence_id = NULL FROM runs WHERE runs.run_id = predictions.run_id "
        "AND runs.device = 'elsewhere'"
    )
    for table in ("predictions", "patches", "verdicts", "disputes"):
        con.execute(
            f"UPDATE {table} SET question_id = n.question_id FROM names AS n WHERE {table}.question_id = n.former_id"
        )
    _number_disputes(con)
    con.execute(
        """
        UPDATE audit_draws SET cases = c.cases FROM (
            SELECT d.run_id, list({'image_id': d.image_id, 'question_id': coalesce(n.question_id, d.question_id)}
                ORDER BY d.place) AS cases
            FROM (
                SELECT run_id, unnest(cases).image_id AS image_id, unnest(cases).question_id AS question_id,
                    generate_subscripts(cases, 1) AS place
                FROM audit_draws
            ) AS d LEFT JOIN names AS n ON n.former_id = d.question_id GROUP BY d.run_id
        ) AS c WHERE audit_draws.run_id = c.run_id
        """
    )
    _number_settlements(con)
    con.unregister("names")
    con.unregister("shown")


def _number_disputes(con: DuckDBPyConnection) -> None:
    con.execute(
        "UPDATE disputes SET number = n.number FROM (SELECT dispute_id, row_number() OVER "
        "(PARTITION BY image_id, question_id ORDER BY opened_at, number, dispute_id) AS number FROM disputes) AS n "
        "WHERE disputes.dispute_id = n.dispute_id AND disputes.number <> n.number"
    )


def _number_settlements(con: DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE TEMP TABLE renumbered AS
        SELECT s.* REPLACE (
            coalesce(n.question_id, s.question_id) AS question_id,
            row_number() OVER (
                PARTITION BY s.image_id, coalesce(n.question_id, s.question_id)
                ORDER BY s.is_taken_back DESC, s.moment, s.question_id, s.revision
            ) AS revision
        ) FROM (
            SELECT *, arg_max(withdrawn, revision) OVER (PARTITION BY image_id, question_id) AS is_taken_back,
                max(settled_at) OVER (PARTITION BY image_id, question_id ORDER BY revision) AS moment
            FROM settlements
        ) AS s LEFT JOIN names AS n ON n.former_id = s.question_id
        """
    )
    con.execute("DROP TABLE settlements")
    con.execute(_SETTLEMENTS)
    con.execute("INSERT INTO settlements BY NAME SELECT * EXCLUDE (is_taken_back, moment) FROM renumbered")
    con.execute("DROP TABLE renumbered")
