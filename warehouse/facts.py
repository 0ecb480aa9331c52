"""What the pages are painted from: one narrow row per prediction, and counts of them, kept by the ingester.

`facts` holds what pages filter, sort and count by, without question texts, traces and option lists: a tenth of a
prediction's bytes, and no list to unpack. `cells` holds counts per kind of image and subtask, with the sums that an
interval clustered by image needs, so an overview reads a few thousand rows of a run however many predictions it has.

Both are filled in the transaction that enters a part (`ledger.enter`), so they agree with `predictions` at any moment;
`rebuild` makes them anew in a warehouse that was brought up from an older version. `rollups.py` reads them.

A detection answer that names a wrong option is an escape where it claims that a defective image has no defect, and
overkill where it claims the defect of a good one. One that could not be read is neither: it is unreadable, and its
share stands beside theirs, over the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from warehouse import schema
from warehouse.records import PredictionStatus

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Outcome = Literal["escape", "overkill", "wrong", "invalid", "failed", "right", "unlabelled"]
Shape = Literal["flat-low", "falling", "oscillating", "late rise", "stuck-high"]
Retrieval = Literal["right", "other entry", "other product", "none"]
Claim = Literal["defective", "good", "cannot say", "unreadable"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One prediction as lists and charts need it."""

    run_id: str
    block: int
    image_id: str
    image_path: str
    dataset: str
    product: str
    label: str | None
    defect: str | None
    line: str | None
    camera: str | None
    night: str  # the evening's date, YYYY-MM-DD: of capture, else of scoring, noon to noon UTC
    question_id: str
    asked: str  # md5 of subtask, question and option texts, one a line: the question whatever its reference
    subtask: str
    question: str
    conditional: bool
    status: PredictionStatus
    error: str | None
    answer: str | None
    correct_answer: str | None
    answer_text: str | None  # the option's words, its letter where they aren't known; an open answer is left out
    correct_text: str | None
    choices: int  # options offered; 0 of an open question, and where an answer file doesn't tell them
    outcome: Outcome  # see `analysis.metrics.outcomes`
    confidence: float | None  # of the likeliest option, 0..1
    first_entropy: float | None  # nats, before the loop
    settled_entropy: float | None  # nats, of the best iteration
    shape: Shape | None  # of the entropy's course, see `analysis.shapes`; None with fewer than three iterations
    description: str | None  # the id of the text retrieved first
    retrieval: Retrieval | None  # whether that text is the image's own; None where the label is unknown
    seconds: float
    claim: Claim | None  # what a detection answer says, see `claims.py`; None: no such answer, or nothing tells
    defect_probability: float | None  # of the options that claim the defect together; None where one's claim is unknown


@dataclass(frozen=True, slots=True)
class Cell:
    """Counts over the predictions of one run, one kind of image and one subtask.

    An image belongs to one cell per subtask, so sums of cells of one subtask, and of the cells of all subtasks
    (`subtask` None), are sums over images: intervals clustered by image need no rows.
    """

    run_id: str
    dataset: str
    product: str
    subtask: str | None  # None: all subtasks together
    label: str | None
    defect: str | None
    line: str | None
    camera: str | None
    images: int
    questions: int
    answered: int
    invalid: int
    failed: int
    judged: int  # images with a counted question
    counted: int  # questions that are labelled, not failed: what a rate is over
    correct: int
    escape: int
    overkill: int
    chance: float  # summed over the counted: 1 / options offered, nothing where nobody knows the options
    entropies: int  # questions with a settled entropy
    entropy: float  # their sum, nats
    seconds: float  # sum
    nn: int  # sum over images of n², n an image's counted questions
    ny: int  # sum of n y, y an image's right answers
    yy: int  # sum of y²
    unreadable: int  # detection answers, of those counted, that could not be read
    unclaimed: int  # detection answers of which nothing tells what they claim


def rebuild(con: DuckDBPyConnection) -> None:
    """Make facts and cells anew from the predictions, in the caller's transaction."""
    con.execute("DROP TABLE IF EXISTS facts; DROP TABLE IF EXISTS cells")
    for table, record, rows in (("facts", Fact, FACTS.format(source="predictions")), ("cells", Cell, _OF_FACTS)):
        con.execute(schema.ddl(table, record))
        con.execute(f"INSERT INTO {table} BY NAME {rows}")


def of(predictions: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The facts of predictions, and their cells; made in a database of their own, so another thread can insert rows."""
    import duckdb

    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("predictions", predictions)
        con.execute(f"CREATE TABLE made AS {FACTS.format(source='predictions')}")
        return con.sql("FROM made").to_arrow_table(), con.sql(CELLS.format(source="made")).to_arrow_table()


def enter(con: DuckDBPyConnection, facts: pa.Table, cells: pa.Table) -> None:
    """Add facts to the facts and cells to the cells, in the caller's transaction."""
    con.register("new_facts", facts)
    con.register("new_cells", cells)
    con.execute("INSERT INTO facts BY NAME SELECT * FROM new_facts")
    con.execute(
        "MERGE INTO cells AS old USING new_cells AS new "
        f"ON {' AND '.join(f'old.{name} IS NOT DISTINCT FROM new.{name}' for name in _KEY)} "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = old.{name} + new.{name}' for name in _SUMS)} "
        "WHEN NOT MATCHED THEN INSERT BY NAME"
    )


_KEY = ("run_id", "dataset", "product", "subtask", "label", "defect", "line", "camera")
_SUMS = tuple(name for name in Cell.__dataclass_fields__ if name not in _KEY)

# The same words as `workbench/analysis/facts.py` and `shapes.py` say in polars; a test holds them together.
FACTS = """
    SELECT run_id, block, image_id, image_path, dataset, product, label, defect, line, camera,
        strftime(coalesce(captured_at, created_at) - INTERVAL 12 HOUR, '%Y-%m-%d') AS night, question_id,
        md5(concat_ws(chr(10), subtask, question, array_to_string(list_transform(options, lambda o: o.text), chr(10))))
            AS asked,
        subtask, question, conditional, status, error,
        CASE WHEN len(options) > 0 OR len(answer) = 1 THEN answer END AS answer, correct_answer,
        CASE WHEN len(options) > 0 THEN list_filter(options, lambda o: o.letter = answer)[1].text
            WHEN len(answer) = 1 THEN answer END AS answer_text,
        CASE WHEN len(options) > 0 THEN list_filter(options, lambda o: o.letter = correct_answer)[1].text
            ELSE correct_answer END AS correct_text, len(options) AS choices,
        CASE
            WHEN status <> 'answered' THEN status
            WHEN correct_answer IS NULL THEN 'unlabelled'
            WHEN answer = correct_answer THEN 'right'
            WHEN claim = 'good' AND label = 'defective' THEN 'escape'
            WHEN claim = 'defective' AND label = 'good' THEN 'overkill'
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
            WHEN replace(string_split(descriptions[1].description_id, '/')[-2], '%2F', '/') <> product
                THEN 'other product'
            WHEN lower(replace(string_split(descriptions[1].description_id, '/')[-1], '%2F', '/'))
                = CASE WHEN label = 'good' THEN 'good' ELSE lower(defect) END THEN 'right'
            ELSE 'other entry'
        END AS retrieval,
        seconds, claim,
        CASE WHEN len(claims) > 0 AND NOT list_contains(claims, 'unknown') THEN list_sum(list_transform(
            list_filter(range(1, len(options) + 1), lambda i: claims[i] = 'defective'),
            lambda i: option_probabilities[options[i].letter])) END AS defect_probability
    FROM (
        SELECT *, list_filter(list_transform(range(2, len(entropy) + 1), lambda i: entropy[i] - entropy[i - 1]),
            lambda move: abs(move) > 0.05) AS moves,
            CASE
                WHEN subtask <> 'Anomaly Detection' THEN NULL
                WHEN status = 'invalid' THEN 'unreadable'
                WHEN status = 'answered'
                    THEN nullif(claims[CASE WHEN len(options) > 0
                        THEN list_position(list_transform(options, lambda o: o.letter), answer)
                        WHEN len(answer) = 1 THEN ascii(answer) - 64 END], 'unknown')
            END AS claim
        FROM {source}
    )
"""
# An image has one value of each facet, so grouping by image alone is enough and four times quicker.
CELLS = """
    WITH per_image AS (
        SELECT run_id, image_id, subtask, any_value(dataset) AS dataset, any_value(product) AS product,
            any_value(label) AS label, any_value(defect) AS defect, any_value(line) AS line,
            any_value(camera) AS camera, count(*) AS questions,
            count(*) FILTER (status = 'answered') AS answered,
            count(*) FILTER (status = 'invalid') AS invalid,
            count(*) FILTER (status = 'failed') AS failed,
            count(*) FILTER (correct_answer IS NOT NULL AND status <> 'failed') AS counted,
            count(*) FILTER (outcome = 'right') AS correct,
            count(*) FILTER (outcome = 'escape') AS escape,
            count(*) FILTER (outcome = 'overkill') AS overkill,
            coalesce(sum(1.0 / choices) FILTER (correct_answer IS NOT NULL AND status <> 'failed' AND choices > 0), 0)
                AS chance,
            count(settled_entropy) AS entropies,
            coalesce(sum(settled_entropy), 0) AS entropy,
            sum(seconds) AS seconds,
            count(*) FILTER (claim = 'unreadable' AND correct_answer IS NOT NULL) AS unreadable,
            count(*) FILTER (subtask = 'Anomaly Detection' AND status = 'answered' AND claim IS NULL) AS unclaimed
        FROM {source} GROUP BY GROUPING SETS ((run_id, image_id, subtask), (run_id, image_id))
    )
    SELECT run_id, dataset, product, subtask, label, defect, line, camera, count(*) AS images,
        sum(questions)::BIGINT AS questions, sum(answered)::BIGINT AS answered, sum(invalid)::BIGINT AS invalid,
        sum(failed)::BIGINT AS failed, count(*) FILTER (counted > 0) AS judged, sum(counted)::BIGINT AS counted,
        sum(correct)::BIGINT AS correct,
        sum(escape)::BIGINT AS escape, sum(overkill)::BIGINT AS overkill, sum(chance) AS chance,
        sum(entropies)::BIGINT AS entropies, sum(entropy) AS entropy, sum(seconds) AS seconds,
        sum(counted * counted)::BIGINT AS nn, sum(counted * correct)::BIGINT AS ny,
        sum(correct * correct)::BIGINT AS yy, sum(unreadable)::BIGINT AS unreadable,
        sum(unclaimed)::BIGINT AS unclaimed
    FROM per_image GROUP BY run_id, dataset, product, subtask, label, defect, line, camera
"""
_OF_FACTS = CELLS.format(source="facts")
