"""What the truth `reviewed` costs: the same reads of facts as archive truth, in a warehouse of a million predictions.

    python -m benchmarks.truth [--predictions 1000000] [--settled 500] [--output benchmarks/results/truth.json]

The warehouse is that of the pages' benchmark (`invented_warehouse.py`). People settled some cases of its newest run, of
every subtask. Every read opens the database anew, as a page's does. Archive and reviewed take turns, and the shortest
of five counts, in seconds of CPU, as wall time on a busy machine says little.

Exit 1 where a read of reviewed truth takes more than twice the time of archive truth and a tenth of a second more,
where the totals of all runs take more than a second, or where reviewed truth moves an answer that nobody settled. The
totals of archive truth are counted beforehand; those of the settled images are counted anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import invented_warehouse, machine
from tests.people import ANN
from tests.warehouse.judging import stored
from warehouse import claims, schema
from warehouse.database import Database
from warehouse.queries.kept_runs import Read
from warehouse.queries.reviews import Reviews, dispute_id
from warehouse.queries.truth import FACTS, Truth
from warehouse.records.reviews import Dispute, DisputeReason, Settlement
from warehouse.records.scoring import Prediction
from warehouse.store import Store

TIMES = 5
FACTOR, SLACK = 2.0, 0.1  # reviewed may take so many times as long as archive, and so many seconds more
TOTALS, LONGEST = "totals of all runs", 1.0  # seconds


def main() -> int:
    """Fill the warehouse, settle cases, time each read, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--settled", type=int, default=500)
    parser.add_argument("--data", type=Path, help="a warehouse that an earlier call made")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or Path(folder)
        newest = invented_warehouse.fill(data, args.predictions)[0]
        settle(data, newest, args.settled)
        times = {name: measured(read) for name, read in reads(data, newest).items()}
        moved = changed(data)
        settled = Store(data).settled_changes()
    bounds = {name: LONGEST if name == TOTALS else FACTOR * each["archive"] + SLACK for name, each in times.items()}
    passed = moved == 0 and all(each["reviewed"] <= bounds[name] for name, each in times.items())
    machine.report(
        {
            "predictions": args.predictions, "settled": settled, "answers_moved_unsettled": moved,
            "cpu_seconds": times, "passed": passed,
        },
        args.output,
    )  # fmt: skip
    return 0 if passed else 1


def reads(data: Path, run_id: str) -> dict[str, Callable[[Truth], object]]:
    """Reads by name, each under a truth: of the newest run, and of all runs."""
    store, database = Store(data), Database(data)
    by_outcome = "SELECT subtask, outcome, count(*), avg(settled_entropy) FROM {} WHERE {} GROUP BY ALL"
    return {
        "outcomes of a run, SQL": lambda truth: database.frame(by_outcome.format(FACTS[truth], f"run_id = '{run_id}'")),
        "outcomes of all runs, SQL": lambda truth: database.frame(by_outcome.format(FACTS[truth], "true")),
        "a run's columns, as pages keep them": lambda truth: Read(data).columns(run_id, truth),
        "summary of a run": lambda truth: store.run_summary(run_id, truth),
        TOTALS: store.run_totals,
        "50 predictions": lambda truth: store.predictions(run_id, limit=50, truth=truth),
    }


def measured(read: Callable[[Truth], object]) -> dict[str, float]:
    """The shortest of some turns of each truth, in seconds of CPU."""
    taken: dict[Truth, list[float]] = {"archive": [], "reviewed": []}
    for _ in range(TIMES):
        for truth, seconds in taken.items():
            start = time.process_time()
            read(truth)
            seconds.append(time.process_time() - start)
    return {truth: round(min(seconds), 3) for truth, seconds in taken.items()}


def changed(data: Path) -> int:
    """How many answers that nobody settled count otherwise under reviewed truth."""
    found = Database(data).frame(
        "SELECT count(*) AS n FROM reviewed_facts AS r JOIN facts AS f USING (run_id, image_id, question_id) "
        "WHERE r.verified IS NULL AND r.correct IS DISTINCT FROM f.correct"
    )
    return int(found["n"][0])


def settle(data: Path, run_id: str, count: int) -> None:
    """People settle so many cases of a run, spread over its images: the archive's right answer was the wrong option."""
    reviews, index = Reviews(data), Store(data).prediction_index(run_id)
    if reviews.settlements().height:
        return
    cases = index.gather_every(max(1, index.height // count)).head(count).select("image_id", "question_id")
    with Database(data).reading() as con:
        con.register("chosen", cases)
        rows = con.sql(
            f"SELECT p.* FROM predictions AS p SEMI JOIN chosen USING (image_id, question_id) WHERE run_id = '{run_id}'"
        ).pl()
    disputes, reasons, settlements = [], [], []
    for of in schema.records(Prediction, rows):
        letters = [option.letter for option in of.options]
        right = letters[(letters.index(of.correct_answer or "A") + 1) % len(letters)]
        claim = claims.of_letter(of.claims, letters, right)
        dispute = Dispute(
            dispute_id(of.image_id, of.question_id, 1), of.image_id, of.question_id, 1, run_id, of.image_path,
            of.product, of.subtask, of.question, of.options, of.answer, of.correct_answer, 1.0, 0.5, None, 1,
            of.created_at, of.claims,
        )  # fmt: skip
        disputes.append(dispute)
        reasons.append(DisputeReason(dispute.dispute_id, "label", 0.5, 0.5, "", "rules", of.created_at))
        settlements.append(
            Settlement(
                of.image_id,
                of.question_id,
                1,
                dispute.dispute_id,
                "correct" if of.answer == right else "wrong",
                right,
                claim if claim in ("good", "defective") else None,
                "single",
                "ann",
                "",
                False,
                of.created_at,
            )
        )
    reviews.open(disputes, reasons, actor=ANN)
    reviews.judge(stored(settlements), actor=ANN)


if __name__ == "__main__":
    sys.exit(main())
