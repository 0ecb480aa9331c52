"""Version 5: verdicts and settlements become judgements, each an absolute answer.

What was decided about a run's answer is turned into the answer that is right: the run's own where it was correct, the
one that was named where it was wrong, none of the options where none was named. Every revision comes along.

How a case came to be judged follows from what opened its dispute: drawn for an audit lane, picked by a rule that reads
no label, picked by its label, or volunteered by a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = """
    CREATE TABLE judgements (
        judgement_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        dispute_id VARCHAR NOT NULL,
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        answer_kind VARCHAR NOT NULL CHECK (
            answer_kind IN ('option', 'text', 'none', 'cannot tell')
        ),
        answer VARCHAR,
        label VARCHAR CHECK (label IN ('good', 'defective')),
        boxes STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)[] NOT NULL,
        explanation VARCHAR CHECK (explanation IN ('supports', 'irrelevant', 'misleads')),
        better_description VARCHAR,
        comment VARCHAR,
        seconds DOUBLE,
        actor VARCHAR NOT NULL,
        channel VARCHAR NOT NULL CHECK (
            channel IN ('command line', 'dashboard', 'Label Studio', 'schedule', 'program')
        ),
        basis VARCHAR CHECK (basis IN ('single', 'agreed', 'majority', 'person')),
        reason VARCHAR NOT NULL,
        run_id VARCHAR,
        shown_answer VARCHAR,
        evidence_id VARCHAR,
        slot BIGINT,
        blinded BOOLEAN NOT NULL,
        stratum VARCHAR NOT NULL CHECK (stratum IN ('audit', 'rule', 'label', 'volunteered')),
        probability DOUBLE,
        judged_at TIMESTAMPTZ NOT NULL,
        stored_at TIMESTAMPTZ NOT NULL,
        withdrawn BOOLEAN NOT NULL,
        project_key VARCHAR,
        PRIMARY KEY (judgement_id, revision)
    )
"""
# By case and dispute, how it came to be judged.
_CASES = """
    CREATE TEMP TABLE judged_cases AS
    WITH draws AS (
        SELECT drawn_at, len(cases) / nullif(population, 0) AS probability, unnest(cases, recursive := true)
        FROM audit_draws
    ), drawn AS (
        SELECT image_id, question_id, arg_max(probability, drawn_at) AS probability FROM draws GROUP BY ALL
    ), why AS (SELECT dispute_id, list(reason) AS reasons FROM dispute_reasons GROUP BY dispute_id)
    SELECT DISTINCT cases.*, drawn.probability, d.run_id, d.answer AS shown_answer, evidence.evidence_id,
        coalesce(len(d.options), 1) AS options,
        CASE
            WHEN drawn.image_id IS NOT NULL THEN 'audit'
            WHEN list_has_any(why.reasons, ['uncertain', 'contradiction', 'flip', 'elsewhere']) THEN 'rule'
            WHEN list_contains(why.reasons, 'label') THEN 'label'
            ELSE 'volunteered'
        END AS stratum
    FROM (
        SELECT image_id, question_id, dispute_id FROM verdicts UNION
        SELECT image_id, question_id, dispute_id FROM settlements
    ) AS cases
    LEFT JOIN drawn USING (image_id, question_id) LEFT JOIN why USING (dispute_id)
    LEFT JOIN disputes AS d USING (dispute_id)
    LEFT JOIN (
        SELECT run_id, image_id, question_id, any_value(evidence_id) AS evidence_id FROM predictions
        WHERE run_id IN (SELECT run_id FROM disputes) GROUP BY ALL
    ) AS evidence
    ON evidence.run_id = d.run_id AND evidence.image_id = cases.image_id AND evidence.question_id = cases.question_id
"""
# Of `v`, a verdict or settlement, and `c`, its case.
_ANSWER = """
    CASE
        WHEN v.decision = 'unsure' THEN 'cannot tell'
        WHEN v.decision = 'correct' AND c.options = 0 THEN 'text'
        WHEN v.decision = 'wrong' AND v.right_answer IS NULL THEN 'none'
        ELSE 'option'
    END AS answer_kind,
    CASE v.decision WHEN 'correct' THEN coalesce(v.right_answer, c.shown_answer) ELSE v.right_answer END AS answer,
    CASE
        WHEN v.decision = 'correct' THEN coalesce(v.right_answer, c.shown_answer)
        WHEN c.shown_answer IS DISTINCT FROM v.right_answer THEN c.shown_answer
    END AS shown_answer
"""
_VERDICTS = f"""
    INSERT INTO judgements BY NAME
    SELECT v.verdict_id AS judgement_id, v.revision, v.dispute_id, v.image_id, v.question_id, {_ANSWER},
        NULL AS label, v.boxes, v.explanation, v.better_description, v.comment, v.seconds, v.reviewer AS actor,
        CASE WHEN starts_with(v.verdict_id, 'ls-') THEN 'Label Studio' ELSE 'dashboard' END AS channel,
        NULL AS basis, '' AS reason, v.run_id, v.slot, NOT v.unblinded AS blinded, c.evidence_id,
        c.stratum, c.probability, v.judged_at, v.stored_at, v.deleted AS withdrawn,
        nullif(regexp_extract(v.verdict_id, '^ls-([^-]+)-', 1), '') AS project_key
    FROM verdicts AS v JOIN judged_cases AS c USING (image_id, question_id, dispute_id)
"""
_SETTLEMENTS = f"""
    INSERT INTO judgements BY NAME
    WITH unblinded AS (
        SELECT DISTINCT dispute_id FROM
            (SELECT * FROM verdicts QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY revision DESC) = 1)
        WHERE unblinded AND NOT deleted
    )
    SELECT 'settled ' || v.image_id || ' ' || v.question_id AS judgement_id, v.revision, v.dispute_id, v.image_id,
        v.question_id, {_ANSWER},
        CASE WHEN v.label IN ('good', 'defective') THEN v.label END AS label, [] AS boxes, v.author AS actor,
        CASE v.basis WHEN 'person' THEN 'command line' ELSE 'program' END AS channel, v.basis, v.reason, c.run_id,
        c.evidence_id,
        v.basis = 'person' OR v.dispute_id NOT IN (SELECT dispute_id FROM unblinded) AS blinded,
        c.stratum, c.probability, v.settled_at AS judged_at, v.settled_at AS stored_at, v.withdrawn
    FROM settlements AS v JOIN judged_cases AS c USING (image_id, question_id, dispute_id)
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    for statement in (
        _TABLE,
        _CASES,
        _VERDICTS,
        _SETTLEMENTS,
        "DROP TABLE judged_cases",
        "DROP TABLE verdicts",
        "DROP TABLE settlements",
    ):
        con.execute(statement)
