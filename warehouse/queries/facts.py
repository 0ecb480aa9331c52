"""What counts, and as what: one narrow row per prediction, and counts of them. Every surface reads its numbers here.

`facts` holds what is filtered, sorted and counted by, without question texts, traces and option lists: a tenth of a
prediction's bytes, and no list to unpack. `cells` holds counts per kind of image and subtask, with the sums that an
interval clustered by image needs, so an overview reads a few thousand rows of a run however many predictions it has.

Both are filled in the transaction that enters a part (`ledger.enter`), so they agree with `predictions` at any moment;
`rebuild` makes them anew after a migration. `rollups.py` reads them.

- A question counts where a right answer is known for it and it did not fail with its image: `correct` is then true or
  false, else null. An answer that could not be read is wrong, and is counted on its own as well.
- A detection answer that names a wrong option is an escape where it claims that a defective image has no defect, and
  overkill where it claims the defect of a good one. One that could not be read is neither: it is unreadable, and its
  share stands beside theirs, over the same questions. Without truth, what it claims is an alarm or a pass.
- What follows from the truth (`JUDGED`) is worked out from the archive's labels here, and from what people settled in
  `truth.py`, by the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from warehouse import schema
from warehouse.failures import FailureKind
from warehouse.records.scoring import Option, PredictionStatus

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Outcome = Literal["escape", "overkill", "wrong", "invalid", "failed", "alarm", "right", "pass", "unlabelled"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""Worst first: the order in which cases are looked at."""
Shape = Literal["flat-low", "falling", "oscillating", "late rise", "stuck-high"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""What a question's entropy did over the iterations; with fewer than three it has no shape.

| shape       | meaning                                                                     |
| ----------- | --------------------------------------------------------------------------- |
| flat-low    | hardly moved and was low all along: sure from the start                     |
| falling     | went down and stayed down                                                   |
| oscillating | turned at least three times by more than 0.05 nats                          |
| late rise   | went down, then ended more than half of its range above its lowest          |
| stuck-high  | hardly moved, or rose, and was never low                                    |

A move is more than 0.05 nats, low is below 1 nat: both are fixed, so that a shape means the same in every run of a
model. Models differ in how sure they are: compare shapes within a model.
"""
Retrieval = Literal["right", "other entry", "other product", "none"]
Claim = Literal["defective", "good", "cannot say", "unreadable"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One prediction as lists and charts need it."""

    run_id: str
    block: int
    image_id: str
    image_path: str
    cluster_id: str  # what intervals and tests take for independent, see `identity.cluster_id`
    dataset: str
    product: str
    label: str | None
    defect: str | None
    line: str | None
    camera: str | None
    lot: str | None
    night: str  # the evening's date, YYYY-MM-DD: of capture, else of scoring, noon to noon by the zone in ZONES
    question_id: str
    evidence_id: str | None  # what it was shown, see `identity.py`
    subtask: str
    question: str
    conditional: bool
    status: PredictionStatus
    error: str | None
    failure: FailureKind | None  # of failed ones
    answer: str | None
    correct_answer: str | None
    answer_text: str | None  # the option's words, its letter where they aren't known; an open answer is left out
    correct_text: str | None
    choices: int  # options offered; 0 of an open question, and where an answer file doesn't tell them
    outcome: Outcome  # claim x truth of a detection answer; "alarm" and "pass" without truth
    correct: bool | None  # None where the question does not count: no truth, or failed with its image
    confidence: float | None  # of the likeliest option, 0..1
    confidence_band: str | None  # such as "0.5 to 0.7"; fixed, so that a band means the same in every run
    first_entropy: float | None  # nats, before the loop
    settled_entropy: float | None  # nats, of the best iteration
    entropy_band: str | None  # such as "0.25 to 0.5"
    shape: Shape | None  # of the entropy's course, see SHAPES
    description: str | None  # the id of the text retrieved first
    description_product: str | None  # as is the next, what the id is put together from
    description_entry: str | None
    retrieval: Retrieval | None  # whether that text is the image's own; None where the label is unknown
    seconds: float
    detection: bool  # the question asks whether there is a defect: its options have claims, see `claims.py`
    claim: Claim | None  # what a detection answer says; None: no such answer, or nothing tells
    good_option: Option | None  # of a detection question's options the first that claims that there is no defect
    defective_option: Option | None  # and the first that claims one
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
    lot: str | None
    images: int
    questions: int
    answered: int
    invalid: int
    failed: int
    counted_images: int  # images with a counted question
    counted: int  # questions that are right or wrong: what a rate is over
    correct: int
    counted_detections: int  # of the counted those that ask whether there is a defect
    correct_detections: int
    escape: int
    overkill: int
    alarms: int  # detection answers without truth that claim a defect
    passes: int  # and those that claim that there is none
    chance: float  # summed over the counted: 1 / options offered, nothing where nobody knows the options
    entropies: int  # questions with a settled entropy
    entropy: float  # their sum, nats
    seconds: float  # sum
    counted_squared: int  # sum over images of n², n an image's counted questions
    counted_correct: int  # sum of n y, y an image's right answers
    correct_squared: int  # sum of y²
    unreadable: int  # detection answers, of those counted, that could not be read
    unclaimed: int  # detection answers of which nothing tells what they claim
    unlabelled_images: int  # images of which, without truth, a detection answer claims a defect or that there is none
    alarm_images: int  # of those the images that an answer calls defective
    alarm_probabilities: int  # alarms that state a probability of a defect
    alarm_probability: float  # their sum


KEY = ("run_id", "dataset", "product", "subtask", "label", "defect", "line", "camera", "lot")
SUMS = tuple(name for name in Cell.__dataclass_fields__ if name not in KEY)
"""A cell's counts and sums, which add up over cells of disjoint images."""
REAL = ("chance", "entropy", "seconds", "alarm_probability")  # sums that are no counts


def rebuild(con: DuckDBPyConnection) -> None:
    """Make facts and cells anew from the predictions, in the caller's transaction."""
    con.execute("DROP TABLE IF EXISTS facts; DROP TABLE IF EXISTS cells")
    made = FACTS.format(source="predictions", zones=f"({ZONES})")
    for table, record, rows in (("facts", Fact, made), ("cells", Cell, _OF_FACTS)):
        con.execute(schema.ddl(table, record))
        con.execute(f"INSERT INTO {table} BY NAME {rows}")


def of(predictions: pa.Table, zones: pa.Table | None = None) -> tuple[pa.Table, pa.Table]:
    """The facts of predictions, and their cells; made in a database of their own, so another thread can insert rows.

    Args:
        predictions: their rows.
        zones: as ZONES gives them; None: all by UTC.
    """
    import duckdb

    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("predictions", predictions)
        if zones is not None:
            con.register("zones", zones)
        made = FACTS.format(source="predictions", zones=BY_UTC if zones is None else "zones")
        con.execute(f"CREATE TABLE made AS {made}")
        return con.sql("FROM made").to_arrow_table(), con.sql(CELLS.format(source="made")).to_arrow_table()


def enter(con: DuckDBPyConnection, facts: pa.Table, cells: pa.Table) -> None:
    """Add facts to the facts and cells to the cells, in the caller's transaction."""
    con.register("new_facts", facts)
    con.register("new_cells", cells)
    con.execute("INSERT INTO facts BY NAME SELECT * FROM new_facts")
    con.execute(
        "MERGE INTO cells AS old USING new_cells AS new "
        f"ON {' AND '.join(f'old.{name} IS NOT DISTINCT FROM new.{name}' for name in KEY)} "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = old.{name} + new.{name}' for name in SUMS)} "
        "WHEN NOT MATCHED THEN INSERT BY NAME"
    )


# What follows from the truth: label, defect and correct_answer, whoever says them. Facts read them by `truth.py` too.
JUDGED = """
    CASE
        WHEN status <> 'answered' THEN status
        WHEN correct_answer IS NULL
            THEN CASE claim WHEN 'defective' THEN 'alarm' WHEN 'good' THEN 'pass' ELSE 'unlabelled' END
        WHEN answer = correct_answer THEN 'right'
        WHEN claim = 'good' AND label = 'defective' THEN 'escape'
        WHEN claim = 'defective' AND label = 'good' THEN 'overkill'
        ELSE 'wrong'
    END AS outcome,
    CASE WHEN correct_answer IS NOT NULL AND status <> 'failed'
        THEN coalesce(status = 'answered' AND answer = correct_answer, false) END AS correct,
    CASE
        WHEN label = 'good' IS NOT TRUE AND defect IS NULL THEN NULL
        WHEN description IS NULL THEN 'none'
        WHEN description_product <> product THEN 'other product'
        WHEN lower(description_entry) = CASE WHEN label = 'good' THEN 'good' ELSE lower(defect) END THEN 'right'
        ELSE 'other entry'
    END AS retrieval
"""
CLUSTER = "coalesce(cluster_id, content) AS cluster_id"
"""Of a prediction, see `identity.cluster_id`."""
ZONES = """
    SELECT run_id, any_value(timezone) AS zone
    FROM night_runs JOIN schedules ON schedules.name = night_runs.schedule
    WHERE timezone <> 'UTC' AND timezone IN (SELECT name FROM pg_timezone_names()) GROUP BY run_id
"""
"""By run, the time zone of the schedule that opened it; nights of all others are told by UTC."""
BY_UTC = "(SELECT NULL::VARCHAR AS run_id, NULL::VARCHAR AS zone)"
"""In the place of ZONES: no run has one."""
FACTS = f"""
    SELECT * EXCLUDE (moves, claims), {JUDGED}
    FROM (
        SELECT run_id, block, image_id, image_path, {CLUSTER}, dataset, product,
            label, defect, line, camera, lot,
            strftime(CASE WHEN zone IS NULL THEN coalesce(captured_at, created_at)::TIMESTAMP
                ELSE timezone(zone, coalesce(captured_at, created_at)) END - INTERVAL 12 HOUR, '%Y-%m-%d') AS night,
            question_id,
            evidence_id, subtask, question, conditional, status, error, failure,
            CASE WHEN len(options) > 0 OR len(answer) = 1 THEN answer END AS answer, correct_answer,
            CASE WHEN len(options) > 0 THEN list_filter(options, lambda o: o.letter = answer)[1].text
                WHEN len(answer) = 1 THEN answer END AS answer_text,
            CASE WHEN len(options) > 0 THEN list_filter(options, lambda o: o.letter = correct_answer)[1].text
                ELSE correct_answer END AS correct_text, len(options) AS choices,
            list_max(map_values(option_probabilities)) AS confidence,
            CASE WHEN confidence < 0.5 THEN 'below 0.5' WHEN confidence < 0.7 THEN '0.5 to 0.7'
                WHEN confidence < 0.9 THEN '0.7 to 0.9' WHEN confidence < 0.99 THEN '0.9 to 0.99'
                WHEN confidence IS NOT NULL THEN '0.99 and above' END AS confidence_band,
            entropy[1] AS first_entropy, entropy[best_iteration + 1] AS settled_entropy,
            CASE WHEN settled_entropy < 0.25 THEN 'below 0.25' WHEN settled_entropy < 0.5 THEN '0.25 to 0.5'
                WHEN settled_entropy < 1 THEN '0.5 to 1' WHEN settled_entropy < 2 THEN '1 to 2'
                WHEN settled_entropy < 4 THEN '2 to 4' WHEN settled_entropy IS NOT NULL THEN '4 and above' END
                AS entropy_band,
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
            descriptions[1].description_id AS description, descriptions[1].product AS description_product,
            descriptions[1].entry AS description_entry, seconds, claims IS NOT NULL AS detection,
            CASE
                WHEN claims IS NULL THEN NULL
                WHEN status = 'invalid' THEN 'unreadable'
                WHEN status = 'answered'
                    THEN nullif(claims[CASE WHEN len(options) > 0
                        THEN list_position(list_transform(options, lambda o: o.letter), answer)
                        WHEN len(answer) = 1 THEN ascii(answer) - 64 END], 'unknown')
            END AS claim, options[list_position(claims, 'good')] AS good_option,
            options[list_position(claims, 'defective')] AS defective_option,
            CASE WHEN len(claims) > 0 AND NOT list_contains(claims, 'unknown') THEN list_sum(list_transform(
                list_filter(range(1, len(options) + 1), lambda i: claims[i] = 'defective'),
                lambda i: option_probabilities[options[i].letter])) END AS defect_probability, claims, moves
        FROM (
            SELECT *, list_filter(list_transform(range(2, len(entropy) + 1), lambda i: entropy[i] - entropy[i - 1]),
                lambda move: abs(move) > 0.05) AS moves
            FROM {{source}} LEFT JOIN {{zones}} USING (run_id)
        )
    )
"""
# An image has one value of each facet, so grouping by image alone is enough and four times quicker.
_CELLS = """
    WITH per_image AS (
        SELECT run_id, image_id, subtask, any_value(cluster_id) AS cluster_id,
            any_value(dataset) AS dataset, any_value(product) AS product,
            any_value(label) AS label, any_value(defect) AS defect, any_value(line) AS line,
            any_value(camera) AS camera, any_value(lot) AS lot, count(*) AS questions,
            count(*) FILTER (status = 'answered') AS answered,
            count(*) FILTER (status = 'invalid') AS invalid,
            count(*) FILTER (status = 'failed') AS failed,
            count(correct) AS counted,
            count(*) FILTER (correct) AS correct,
            count(correct) FILTER (detection) AS counted_detections,
            count(*) FILTER (detection AND correct) AS correct_detections,
            count(*) FILTER (outcome = 'escape') AS escape,
            count(*) FILTER (outcome = 'overkill') AS overkill,
            count(*) FILTER (outcome = 'alarm') AS alarms,
            count(*) FILTER (outcome = 'pass') AS passes,
            coalesce(sum(1.0 / choices) FILTER (correct IS NOT NULL AND choices > 0), 0) AS chance,
            count(settled_entropy) AS entropies,
            coalesce(sum(settled_entropy), 0) AS entropy,
            sum(seconds) AS seconds,
            count(correct) FILTER (claim = 'unreadable') AS unreadable,
            count(*) FILTER (detection AND status = 'answered' AND claim IS NULL) AS unclaimed,
            count(defect_probability) FILTER (outcome = 'alarm') AS alarm_probabilities,
            coalesce(sum(defect_probability) FILTER (outcome = 'alarm'), 0) AS alarm_probability
        FROM {{source}} GROUP BY GROUPING SETS ((run_id, image_id, subtask), (run_id, image_id))
    )
    SELECT run_id, {more}dataset, product, subtask, label, defect, line, camera, lot, count(*) AS images,
        sum(questions)::BIGINT AS questions, sum(answered)::BIGINT AS answered, sum(invalid)::BIGINT AS invalid,
        sum(failed)::BIGINT AS failed, count(*) FILTER (counted > 0) AS counted_images,
        sum(counted)::BIGINT AS counted, sum(correct)::BIGINT AS correct,
        sum(counted_detections)::BIGINT AS counted_detections,
        sum(correct_detections)::BIGINT AS correct_detections, sum(escape)::BIGINT AS escape,
        sum(overkill)::BIGINT AS overkill, sum(alarms)::BIGINT AS alarms, sum(passes)::BIGINT AS passes,
        sum(chance) AS chance, sum(entropies)::BIGINT AS entropies, sum(entropy) AS entropy, sum(seconds) AS seconds,
        sum(counted * counted)::BIGINT AS counted_squared, sum(counted * correct)::BIGINT AS counted_correct,
        sum(correct * correct)::BIGINT AS correct_squared, sum(unreadable)::BIGINT AS unreadable,
        sum(unclaimed)::BIGINT AS unclaimed, count(*) FILTER (alarms + passes > 0) AS unlabelled_images,
        count(*) FILTER (alarms > 0) AS alarm_images, sum(alarm_probabilities)::BIGINT AS alarm_probabilities,
        sum(alarm_probability) AS alarm_probability
    FROM per_image GROUP BY run_id, {more}dataset, product, subtask, label, defect, line, camera, lot
"""
CELLS = _CELLS.format(more="")
CLUSTER_CELLS = _CELLS.format(more="cluster_id, ")
"""The cells of each cluster by itself: `Cell` and cluster_id."""
_OF_FACTS = CELLS.format(source="facts")
