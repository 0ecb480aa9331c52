"""A warehouse of as many predictions as are asked for, made by SQL in minutes: what the pages' benchmark looks at.

Many runs of 50,000 predictions over the same images, 38 products and seven subtasks, and one run of a million; in one
product two cameras went bad last night. Whole traces and proposed patches for the newest predictions only, as after a
clean-up; thirty nights have their reports. The rows go through the statements that the ingester uses, so facts and
cells are what it would have kept.
"""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from benchmarks import invented
from tests.nights.calendars import schedule
from tests.people import ANN
from warehouse.database import Database, insert
from warehouse.queries import facts
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import Rollups
from warehouse.records.nights import MorningReport
from warehouse.records.scoring import Archive, ImageVector, Run
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.analysis.drift import Rate, Signal
from workbench.nights import reports
from workbench.nights.reports import Done, Morning
from workbench.question_sets import MMAD, built_in

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RUN_ROWS, BIG_RUN, WITH_TRACES = 50_000, 1_000_000, 500_000
PATTERNS, TOGETHER = 4, 20  # old runs that differ, those after them are copies; runs in one transaction
PRODUCTS, PICTURES, PATCHES, NIGHTS = 38, 200, 8, 30
FIRST = datetime(2026, 1, 1, 22, tzinfo=UTC)
SUBTASKS = built_in(MMAD).names


def fill(data: Path, predictions: int) -> list[str]:
    """Make the warehouse, or go on with it; comes back with the runs' names, newest first.

    Args:
        data: the data folder.
        predictions: of all runs together; from three million on, one run has a million of them.
    """
    store = Store(data)
    archive = Archive("archive", str((data / "archive").resolve()), "plant-07", FIRST)
    store.register_archive(archive)
    if not Path(archive.root).exists():
        draw(Path(archive.root))
    sizes = [BIG_RUN] if predictions >= 3 * BIG_RUN else []
    sizes += [min(RUN_ROWS, predictions)] * max(2, (predictions - sum(sizes)) // RUN_ROWS)
    traced = [sum(sizes[number:]) <= max(WITH_TRACES, size) for number, size in enumerate(sizes)]
    alike = [number for number, size in enumerate(sizes) if size == RUN_ROWS and not traced[number]]
    stored = set(store.runs()["run_id"])
    missing = [number for number in range(len(sizes)) if name(number) not in stored]
    for first in range(0, len(missing), TOGETHER):
        with Database(data)._transaction() as con:
            for number in missing[first : first + TOGETHER]:
                insert(con, "runs", invented_run(number, sizes[number]))
                if number in alike[PATTERNS:]:
                    copy(con, alike[number % PATTERNS], number)
                else:
                    invent(con, number, sizes[number], traced[number])
    names = [name(number) for number in range(len(sizes))][::-1]
    report(data, names)
    chance = random.Random(0)
    contents = [entry.content for entry in Rollups(data).images(names[0], 3000)]
    vectors = [[chance.gauss(0, 1) for _ in range(invented.DIM)] for _ in range(200)]
    Vectors(data).upsert_images(ImageVector(one, "encoder@1", tuple(chance.choice(vectors))) for one in contents)
    return names


def invent(con: DuckDBPyConnection, number: int, size: int, traced: bool) -> None:
    """A run's predictions, facts, cells, entries and, with traces, patches; in the caller's transaction."""
    values = {"run": name(number), "n": size, "number": number, "steps": 11}
    con.execute(_PREDICTIONS, values)
    con.execute(f"CREATE OR REPLACE TEMP TABLE new_facts AS {facts.FACTS.format(source='made', zones=facts.BY_UTC)}")
    con.execute("INSERT INTO facts BY NAME SELECT * FROM new_facts")
    con.execute(f"INSERT INTO cells BY NAME {facts.CELLS.format(source='new_facts')}")
    bare = "" if traced else "REPLACE ([] AS entropy, [] AS token_entropy, [] AS reward, NULL AS best_iteration)"
    con.execute(f"INSERT INTO predictions BY NAME SELECT * {bare} FROM made")
    con.execute(
        "INSERT INTO entries BY NAME SELECT DISTINCT ON (image_id) image_id, 'archive' AS archive_id, "
        "image_path AS path, content, 1 AS size, 1 AS mtime_ns, dataset, product, label, defect, "
        "CASE WHEN label = 'defective' THEN replace(image_path, '.png', '_mask.png') END AS mask_path, "
        "line, camera, created_at AS seen_at FROM made ANTI JOIN entries USING (image_id)"
    )
    if traced:
        con.execute(_PATCHES, [PATCHES])


def copy(con: DuckDBPyConnection, old: int, new: int) -> None:
    """The rows of one run again as another's, in its own night; in the caller's transaction."""
    night = f"{FIRST + timedelta(days=new):%Y-%m-%d}"
    for table, changed, values in (
        ("predictions", ", created_at + to_days(?::INTEGER) AS created_at", [new - old]),
        ("facts", ", ? AS night", [night]),
        ("cells", "", []),
    ):
        copied = f"SELECT * REPLACE (? AS run_id{changed}) FROM {table} WHERE run_id = ?"
        con.execute(f"INSERT INTO {table} {copied}", [name(new), *values, name(old)])


def name(number: int) -> str:
    """The name of a run: a night each."""
    return f"{FIRST + timedelta(days=number):%Y%m%dT%H%M%S}000Z-a1b2c3d4"


def invented_run(number: int, size: int) -> object:
    """A finished run as an Arrow table."""
    from warehouse import schema

    at = FIRST + timedelta(days=number)
    run = dataclasses.replace(
        invented.a_run(), run_id=name(number), started_at=at, finished_at=at + timedelta(hours=3), state="finished",
        planned=size, answered=size,
    )  # fmt: skip
    return schema.table(Run, [run])


def report(data: Path, names: list[str]) -> None:
    """A schedule and the morning reports of the newest runs' nights, each with a rate that changed."""
    ledger = Nights(data)
    ledger.keep_schedule(schedule(), replace=True, actor=ANN)
    for number, run_id in enumerate(names[:NIGHTS]):
        due = FIRST + timedelta(days=len(names) - 1 - number)
        rates = tuple(
            Rate(what, rate, 0.8 * rate, 1.2 * rate, 0.9 * rate, 7143, 200_000, 1.0)
            for what, rate in (("overkill", 0.02 + 0.001 * number), ("escape", 0.04), ("entropy", 0.4))
        )
        change = Signal("escape", "product", "product 18", 0.3, 0.04, None, 188, 5000, 1e-12, alarm=True)
        told = Morning(
            schedule=schedule().name, archive="/photos", due_at=due, state="finished", message=None, caught_up=0,
            model="embedded", demo=True, knowledge_version=None, run_ids=(run_id,), images=7143, questions=RUN_ROWS,
            invalid=0, failed=0, failed_images=0, quarantined=0, left=None, seconds=8123.0, images_per_second=0.9,
            baseline_nights=30, baseline_images=200_000, labelled=7143, rates=rates, truth=(), signals=287,
            changes=(change,), false_alarm_percent=5.0, failures=(), disputes_waiting=37, review_budget=40,
            steps=(Done("back up", "done", ""),),
        )  # fmt: skip
        ledger.keep_report(MorningReport(told.schedule, due, due, reports.as_json(told)))


def draw(root: Path) -> None:
    """A few pictures with masks, which all images share."""
    chance = random.Random(1)
    for number in range(PICTURES):
        picture = Image.new("RGB", (160, 160), tuple(chance.randrange(60, 200) for _ in range(3)))
        mask = Image.new("L", (160, 160))
        line = [chance.randrange(20, 140) for _ in range(4)]
        ImageDraw.Draw(picture).line(line, fill="white", width=3)
        ImageDraw.Draw(mask).line(line, fill=255, width=5)
        folder = root / f"{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number}.png")
        mask.save(folder / f"{number}_mask.png")


_LIST = ", ".join(f"'{subtask}'" for subtask in SUBTASKS)
_PREDICTIONS = f"""
CREATE OR REPLACE TEMP TABLE made AS
WITH drawn AS (
    SELECT i, i // 7 AS image, i % 7 AS kind, (i // 7) % {PRODUCTS} AS product_number,
        hash(i, $number) / 18446744073709551616.0 AS luck, hash(i // 7, 5) / 18446744073709551616.0 AS fate,
        hash(i, $number, 2) / 18446744073709551616.0 AS level, (hash(i, 3) % 4)::INTEGER AS place,
        (hash(i // 7, 4) % 4)::INTEGER AS flaw,
        TIMESTAMPTZ '2026-01-01 22:00:00+00' + to_days($number::INTEGER) AS moment
    FROM range($n) AS t(i)
), judged AS (
    SELECT *, chr(65 + CASE WHEN kind = 0 THEN (fate < 0.4)::INTEGER ELSE place END) AS truth,
        luck < 0.97 - 0.03 * kind - 0.004 * (product_number % 11)
            - CASE WHEN product_number = 17 AND kind = 0 AND image % 3 = 1 THEN 0.45 ELSE 0 END AS hit
    FROM drawn
)
SELECT $run AS run_id, image // 8 AS block, md5('image' || image) AS image_id,
    (image % 10) || '/' || (image % {PICTURES} // 10 * 10 + image % 10) || '.png' AS image_path,
    sha256('content' || image) AS content, 'set ' || (1 + product_number // 10) AS dataset,
    'product ' || lpad((1 + product_number)::VARCHAR, 2, '0') AS product,
    CASE WHEN fate < 0.4 THEN 'good' ELSE 'defective' END AS label,
    CASE WHEN fate >= 0.4 THEN ['scratch', 'dent', 'stain', 'crack'][1 + flaw] END AS defect,
    'line ' || (1 + image % 2) AS line, 'camera ' || (1 + image % 3) AS camera, NULL::TIMESTAMPTZ AS captured_at,
    md5('question' || kind || '-' || product_number) AS question_id, [{_LIST}][1 + kind] AS subtask,
    'What about ' || [{_LIST}][1 + kind] || '?' AS question,
    CASE WHEN kind = 0 THEN [{{'letter': 'A', 'text': 'Yes.'}}, {{'letter': 'B', 'text': 'No.'}}]
        ELSE [{{'letter': 'A', 'text': 'scratch'}}, {{'letter': 'B', 'text': 'dent'}},
              {{'letter': 'C', 'text': 'stain'}}, {{'letter': 'D', 'text': 'crack'}}] END AS options,
    false AS conditional, NULL AS reference_path,
    CASE WHEN hit THEN truth WHEN kind = 0 THEN chr(131 - ascii(truth)) ELSE chr(65 + (place + 1) % 4) END AS answer,
    truth AS correct_answer, 'answered' AS status, NULL AS error,
    map(['A', 'B'], [0.5, 0.5]) AS initial_option_probabilities,
    map(['A', 'B'], [0.6 + 0.39 * level, 0.4 - 0.39 * level]) AS option_probabilities,
    list_transform(range($steps), lambda k: greatest(0.02, (1.6 - level) * exp(-0.25 * k * (0.2 + hit::INTEGER))
        + 0.1 * sin(k * (1 + 5 * fate)) + (1 - hit::INTEGER) * 0.4)) AS entropy,
    list_transform(range($steps), lambda k: [1.0, 1.1, 0.9, 1.2]) AS token_entropy,
    list_transform(range($steps), lambda k: 0.1 * k) AS reward,
    $steps - 1 AS best_iteration,
    [{{'description_id': 'set/product ' || lpad((1 + product_number)::VARCHAR, 2, '0') || '/scratch',
       'revision': 1, 'rank': 1, 'score': 0.7, 'dataset': 'set',
       'product': 'product ' || lpad((1 + product_number)::VARCHAR, 2, '0'), 'entry': 'scratch'}}] AS descriptions,
    0 AS knowledge_dropped, false AS knowledge_cut, NULL AS raw_text, NULL AS rationale, 0.2 AS seconds,
    moment AS created_at, CASE WHEN kind = 0 THEN ['defective', 'good'] END AS claims,
    md5('evidence' || product_number) AS evidence_id, NULL AS oddity, NULL AS failure, NULL AS cluster_id, NULL AS lot
FROM judged
"""
_PATCHES = """
INSERT INTO patches SELECT run_id, block, image_id, question_id, 1 + p // 2, hash(image_id, p) % 10,
    hash(question_id, image_id, p) % 10, hash(question_id, image_id, p) % 10 * 16.0, hash(image_id, p) % 10 * 16.0,
    hash(question_id, image_id, p) % 10 * 16.0 + 16, hash(image_id, p) % 10 * 16.0 + 16, 0.1, p % 2 = 0
FROM made, range(?) AS t(p)
"""
