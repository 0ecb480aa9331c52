"""Views on the judgements: verdicts, settlements, and what counts instead of the archive's labels.

A view is derived, like facts: it is made anew when a database is created or brought up, and a step may drop it.

| view        | one row per | says |
| ----------- | ----------- | ---- |
| verdicts    | revision of one person's opinion | what it comes to about the answer that was shown |
| settlements | revision of what is held to be true about a case | the same, how it was settled, and by whom |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a judgement says about the answer that its author was shown.
_DECISION = """
    CASE
        WHEN answer_kind = 'cannot tell' THEN 'unsure'
        WHEN answer_kind IN ('option', 'text') AND answer IS NOT DISTINCT FROM shown_answer THEN 'correct'
        ELSE 'wrong'
    END AS decision
"""

VIEWS = {
    "verdicts": f"""
        SELECT judgement_id AS verdict_id, revision, dispute_id, slot, run_id, image_id, question_id,
            actor AS reviewer, {_DECISION}, answer AS right_answer, boxes, explanation, better_description, comment,
            seconds, judged_at, stored_at, withdrawn AS deleted, NOT blinded AS unblinded
        FROM judgements WHERE basis IS NULL
    """,
    "settlements": f"""
        SELECT image_id, question_id, revision, dispute_id, {_DECISION}, answer AS right_answer, label, basis,
            actor AS author, reason, withdrawn, judged_at AS settled_at, blinded, stratum, probability
        FROM judgements WHERE basis IS NOT NULL
    """,
}


def create(con: DuckDBPyConnection) -> None:
    """Make all views inside the caller's transaction, in the place of older ones."""
    for statement in statements():
        con.execute(statement)


def statements() -> list[str]:
    """The statements that make the views."""
    return [f"CREATE OR REPLACE VIEW {name} AS {query.strip()}" for name, query in VIEWS.items()]
