"""Version 2: one narrow row per prediction and counts of them, filled from the predictions that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES = """
CREATE TABLE facts (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    night VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    asked VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    conditional BOOLEAN NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('answered', 'invalid', 'failed')),
    error VARCHAR,
    answer VARCHAR,
    correct_answer VARCHAR,
    answer_text VARCHAR,
    correct_text VARCHAR,
    choices BIGINT NOT NULL,
    outcome VARCHAR NOT NULL
        CHECK (outcome IN ('escape', 'overkill', 'wrong', 'invalid', 'failed', 'right', 'unlabelled')),
    confidence DOUBLE,
    first_entropy DOUBLE,
    settled_entropy DOUBLE,
    shape VARCHAR CHECK (shape IN ('flat-low', 'falling', 'oscillating', 'late rise', 'stuck-high')),
    description VARCHAR,
    retrieval VARCHAR CHECK (retrieval IN ('right', 'other entry', 'other product', 'none')),
    seconds DOUBLE NOT NULL
);
CREATE TABLE cells (
    run_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    subtask VARCHAR,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    invalid BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    judged BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    correct BIGINT NOT NULL,
    escape BIGINT NOT NULL,
    overkill BIGINT NOT NULL,
    chance DOUBLE NOT NULL,
    entropies BIGINT NOT NULL,
    entropy DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL,
    nn BIGINT NOT NULL,
    ny BIGINT NOT NULL,
    yy BIGINT NOT NULL
);
"""
_FACTS = """
    SELECT run_id, block, image_id, image_path, dataset, product, label, defect, line, camera,
        strftime(coalesce(captured_at, created_at) - INTERVAL 12 HOUR, '%Y-%m-%d') AS night, question_id,
        md5(concat_ws(chr(10), subtask, question, array_to_string(list_transform(options, lambda o: o.text), chr(10))))
            AS asked,
        subtask, question, conditional, status, error,
        CASE WHEN len(options) > 0 THEN answer END AS answer, correct_answer,
        list_filter(options, lambda o: o.letter = answer)[1].text AS answer_text,
        list_filter(options, lambda o: o.letter = correct_answer)[1].text AS correct_text, len(options) AS choices,
        CASE
            WHEN status <> 'answered' THEN status
            WHEN correct_answer IS NULL THEN 'unlabelled'
            WHEN answer = correct_answer THEN 'right'
            WHEN subtask = 'Anomaly Detection' AND label = 'defective' THEN 'escape'
            WHEN subtask = 'Anomaly Detection' AND label = 'good' THEN 'overkill'
            ELSE 'wrong'
        END AS outcome,
        list_max(map_values(option_probabilities)) AS confidence,
        entropy[1] AS first_entropy, entropy[best_iteration + 1] AS settled_entropy,
        CASE
            WHEN len(entropy) < 3 THEN NULL
            WHEN list_max(entropy) - list_min(entropy) <= 0.1
                THEN CASE WHEN list_avg(entropy) < 1.0 THEN 'flat-low' ELSE 'stuck-high' END
            WHEN len(list_filter(range(2, len(moves) + 1), lambda i: sign(moves[i]) <> sign(moves[i - 1]))) >= 3
                THEN 'oscillating'
            WHEN entropy[-1] - list_min(entropy) > (list_max(entropy) - list_min(entropy)) / 2
                AND entropy[1] - list_min(entropy) > 0.05 THEN 'late rise'
            WHEN entropy[1] - entropy[-1] > 0.05 THEN 'falling'
            WHEN list_avg(entropy) < 1.0 THEN 'flat-low'
            ELSE 'stuck-high'
        END AS shape,
        descriptions[1].description_id AS description,
        CASE
            WHEN label = 'good' IS NOT TRUE AND defect IS NULL THEN NULL
            WHEN len(descriptions) = 0 THEN 'none'
            WHEN string_split(descriptions[1].description_id, '/')[-2] <> product THEN 'other product'
            WHEN lower(string_split(descriptions[1].description_id, '/')[-1])
                = CASE WHEN label = 'good' THEN 'good' ELSE lower(defect) END THEN 'right'
            ELSE 'other entry'
        END AS retrieval,
        seconds
    FROM (
        SELECT *, list_filter(list_transform(range(2, len(entropy) + 1), lambda i: entropy[i] - entropy[i - 1]),
            lambda move: abs(move) > 0.05) AS moves
        FROM predictions
    )
"""
_CELLS = """
    WITH per_image AS (
        SELECT run_id, image_id, subtask, any_value(dataset) AS dataset, any_value(product) AS product,
            any_value(label) AS label, any_value(defect) AS defect, any_value(line) AS line,
            any_value(camera) AS camera, count(*) AS questions,
            count(*) FILTER (status = 'answered') AS answered,
            count(*) FILTER (status = 'invalid') AS invalid,
            count(*) FILTER (status = 'failed') AS failed,
            count(*) FILTER (correct_answer IS NOT NULL AND status <> 'failed' AND choices > 0) AS counted,
            count(*) FILTER (outcome = 'right' AND choices > 0) AS correct,
            count(*) FILTER (outcome = 'escape') AS escape,
            count(*) FILTER (outcome = 'overkill') AS overkill,
            coalesce(sum(1.0 / choices) FILTER (correct_answer IS NOT NULL AND status <> 'failed' AND choices > 0), 0)
                AS chance,
            count(settled_entropy) AS entropies,
            coalesce(sum(settled_entropy), 0) AS entropy,
            sum(seconds) AS seconds
        FROM facts GROUP BY GROUPING SETS ((run_id, image_id, subtask), (run_id, image_id))
    )
    SELECT run_id, dataset, product, subtask, label, defect, line, camera, count(*) AS images,
        sum(questions)::BIGINT AS questions, sum(answered)::BIGINT AS answered, sum(invalid)::BIGINT AS invalid,
        sum(failed)::BIGINT AS failed, count(*) FILTER (counted > 0) AS judged, sum(counted)::BIGINT AS counted,
        sum(correct)::BIGINT AS correct,
        sum(escape)::BIGINT AS escape, sum(overkill)::BIGINT AS overkill, sum(chance) AS chance,
        sum(entropies)::BIGINT AS entropies, sum(entropy) AS entropy, sum(seconds) AS seconds,
        sum(counted * counted)::BIGINT AS nn, sum(counted * correct)::BIGINT AS ny,
        sum(correct * correct)::BIGINT AS yy
    FROM per_image GROUP BY run_id, dataset, product, subtask, label, defect, line, camera
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    con.execute(_TABLES)
    con.execute(f"INSERT INTO facts BY NAME {_FACTS}")
    con.execute(f"INSERT INTO cells BY NAME {_CELLS}")
