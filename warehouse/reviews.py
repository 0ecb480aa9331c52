"""Disputes and what people said about them: every statement over their tables.

Facts only are stored: that a case was disputed and why, that a task was sent, what a reviewer said and when, what was
settled. The state of a dispute is worked out from them when it is asked for (`queue`), so no state can disagree with
its facts. Verdicts and settlements are never changed: an edit or a withdrawal is a further revision, and the label an
archive came with stays in `predictions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import phases, schema
from warehouse.database import Database, insert
from warehouse.records import Entry, Prediction
from warehouse.review_records import (
    AuditDraw,
    BudgetCurve,
    Dispute,
    DisputeReason,
    Pulled,
    QuarantinedResult,
    ReviewProject,
    ReviewTask,
    Settlement,
    Verdict,
)

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection


def dispute_id(image_id: str, question_id: str, number: int) -> str:
    """The identity of the `number`-th dispute about a case."""
    return hashlib.sha256(f"{image_id}\n{question_id}\n{number}".encode()).hexdigest()[:24]


def task_key(dispute: str, slot: int) -> str:
    """The identity of a dispute's task for a reviewer slot: what makes pushing idempotent."""
    return f"{dispute}.{slot}"


# One row per dispute: the class's columns, its reasons, what happened to it, and the state that follows.
_QUEUE = """
WITH why AS (
    SELECT dispute_id, list(reason ORDER BY weight DESC, reason) AS reasons, sum(weight) AS weight,
        list(note ORDER BY weight DESC, reason) AS notes
    FROM dispute_reasons GROUP BY dispute_id
), sent AS (
    SELECT dispute_id, count(*) AS tasks, min(sent_at) AS sent_at FROM review_tasks GROUP BY dispute_id
), said AS (
    SELECT * FROM verdicts QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY revision DESC) = 1
), judged AS (
    SELECT dispute_id, count(*) AS verdicts, count(DISTINCT reviewer) AS reviewers,
        count(DISTINCT decision || coalesce(right_answer, '')) FILTER (decision <> 'unsure') AS opinions,
        max(judged_at) AS judged_at
    FROM said WHERE NOT deleted GROUP BY dispute_id
), settled AS (
    SELECT * FROM settlements QUALIFY row_number() OVER (PARTITION BY dispute_id ORDER BY revision DESC) = 1
)
SELECT d.*, why.reasons, why.notes, coalesce(why.weight, 0) AS weight,
    coalesce(sent.tasks, 0) AS tasks, sent.sent_at,
    coalesce(judged.verdicts, 0) AS verdicts, coalesce(judged.reviewers, 0) AS reviewers, judged.judged_at,
    settled.decision, settled.right_answer, settled.basis, settled.author, settled.settled_at,
    CASE
        WHEN settled.dispute_id IS NOT NULL AND NOT settled.withdrawn THEN 'settled'
        WHEN judged.opinions > 1 THEN 'conflict'
        WHEN judged.verdicts > 0 THEN 'judged'
        WHEN sent.tasks > 0 THEN 'pushed'
        ELSE 'open'
    END AS state
FROM disputes AS d
LEFT JOIN why USING (dispute_id) LEFT JOIN sent USING (dispute_id) LEFT JOIN judged USING (dispute_id)
LEFT JOIN settled ON settled.dispute_id = d.dispute_id
"""


# What the rules look at, one row per prediction of a run.
_CASES = """
SELECT p.image_id, p.image_path, p.product, p.label, p.question_id, p.subtask, p.question, p.status,
    list_transform(p.options, lambda option: option.letter) AS letters,
    list_transform(p.options, lambda option: option.text) AS texts,
    p.answer, p.correct_answer, p.claims,
    list_extract(p.entropy, 1) AS first_entropy, list_extract(p.entropy, p.best_iteration + 1) AS entropy,
    list_reverse_sort(map_values(p.option_probabilities)) AS ranked,
    map_extract(p.option_probabilities, p.answer)[1] AS probability,
    map_extract(p.initial_option_probabilities, p.answer)[1] AS first_probability,
    list_max(map_values(p.initial_option_probabilities)) AS first_highest,
    earlier.answer AS earlier_answer,
    patch.x AS patch_x, patch.y AS patch_y, coalesce(patch.n, 0) AS patches
FROM predictions AS p
LEFT JOIN (
    SELECT image_id, question_id, any_value(answer) AS answer FROM predictions
    WHERE run_id = ? AND status = 'answered' GROUP BY image_id, question_id
) AS earlier USING (image_id, question_id)
LEFT JOIN (
    SELECT image_id, question_id, avg((x0 + x1) / 2) AS x, avg((y0 + y1) / 2) AS y, count(*) AS n
    FROM patches WHERE run_id = ? AND accepted GROUP BY image_id, question_id
) AS patch USING (image_id, question_id)
WHERE p.run_id = ? ORDER BY p.block, p.rowid
"""


class Reviews:
    """Disputes, tasks, verdicts and settlements of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._database = Database(data)

    # Opening.

    def open(self, disputes: Iterable[Dispute], reasons: Iterable[DisputeReason], reopen: bool = False) -> int:
        """How many reasons were added; nothing is opened twice for the same entry, question and reason.

        A case whose dispute isn't settled gets the reasons it lacks. A settled one is left alone unless `reopen`,
        which starts its next dispute.

        Args:
            disputes: with `number` 1; what number they really get is worked out here.
            reasons: by the `dispute_id` of those.
        """
        with self._database.writing() as con:
            return _open(con, disputes, reasons, reopen)

    def draw_audit(self, draw: AuditDraw, disputes: Sequence[Dispute], reasons: Sequence[DisputeReason]) -> bool:
        """Store a run's audit draw with its disputes; False when the run has one already, which then stays."""
        with self._database.writing() as con:
            con.register("draw", schema.table(AuditDraw, [draw]))
            stored = con.execute(
                "INSERT INTO audit_draws BY NAME SELECT * FROM draw ON CONFLICT (run_id) DO NOTHING"
            ).fetchall()
            if stored == [(1,)]:
                _open(con, disputes, reasons)
        return bool(stored == [(1,)])

    # Sending.

    def projects(self) -> list[ReviewProject]:
        """All projects that weren't given up, by slot."""
        return self._database.records(
            ReviewProject, "SELECT * FROM review_projects WHERE lost_at IS NULL ORDER BY slot, created_at"
        )

    def plan_project(self, project: ReviewProject) -> None:
        """Store that a project is about to be made."""
        with self._database.writing() as con:
            insert(con, "review_projects", schema.table(ReviewProject, [project]))

    def found_project(self, project_key: str, project_id: int) -> None:
        """Store the id a project got from its server."""
        with self._database.writing() as con:
            con.execute("UPDATE review_projects SET project_id = ? WHERE project_key = ?", [project_id, project_key])

    def give_up_project(self, project_key: str, at: datetime) -> int:
        """How many unjudged tasks went with a project that is gone; they will be sent again. Verdicts stay."""
        with self._database.writing() as con:
            con.execute("UPDATE review_projects SET lost_at = ? WHERE project_key = ?", [at, project_key])
            gone = con.execute(
                "DELETE FROM review_tasks AS t WHERE project_key = ? AND NOT EXISTS (SELECT 1 FROM verdicts AS v "
                "WHERE v.dispute_id = t.dispute_id AND v.slot = t.slot)",
                [project_key],
            ).fetchall()
        return int(gone[0][0])

    def record_tasks(self, tasks: Sequence[ReviewTask]) -> None:
        """Store that tasks exist on the server; the one stored first stays."""
        phases.at("before-record")
        with self._database.writing() as con:
            con.register("sent", schema.table(ReviewTask, tasks))
            con.execute("INSERT INTO review_tasks BY NAME SELECT * FROM sent ON CONFLICT (task_key) DO NOTHING")
        phases.at("after-record")

    def tasks(self, project_key: str | None = None) -> list[ReviewTask]:
        """The tasks of a project, or all."""
        return self._database.records(
            ReviewTask, "SELECT * FROM review_tasks WHERE ? IN ('', project_key) ORDER BY task_key", [project_key or ""]
        )

    def forget_tasks(self, task_keys: Sequence[str]) -> None:
        """Take out tasks that somebody deleted on the server; they will be sent again."""
        with self._database.writing() as con:
            con.execute("DELETE FROM review_tasks WHERE list_contains(?, task_key)", [list(task_keys)])

    # Verdicts.

    def store_pulled(self, project_key: str, pulled: Pulled) -> int:
        """How many verdicts were new or edited. One transaction with the project's mark: pulling again adds nothing."""
        with self._database.writing() as con:
            added = _add_verdicts(con, pulled.verdicts)
            con.register("aside", schema.table(QuarantinedResult, pulled.quarantined))
            con.execute("INSERT INTO quarantined_results BY NAME SELECT * FROM aside ON CONFLICT DO NOTHING")
            con.execute(
                "UPDATE review_projects SET pulled_until = greatest(pulled_until, ?) WHERE project_key = ?",
                [pulled.until, project_key],
            )
            phases.at("before-verdicts")
        phases.at("after-verdicts")
        return added

    def add_verdicts(self, verdicts: Sequence[Verdict]) -> int:
        """How many verdicts were new or edited: for those given in the dashboard or at the command line."""
        with self._database.writing() as con:
            return _add_verdicts(con, verdicts)

    def verdicts(self, history: bool = False) -> pl.DataFrame:
        """The newest revision of every verdict that stands, or every revision, in the order they were given."""
        only = "" if history else "QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY revision DESC) = 1"
        stands = "" if history else "WHERE NOT deleted"
        return self._database.frame(
            f"SELECT * FROM (SELECT * FROM verdicts {only}) {stands} ORDER BY judged_at, verdict_id, revision"
        )

    def quarantined(self) -> pl.DataFrame:
        """Annotations that couldn't be used, newest first."""
        return self._database.frame("SELECT * FROM quarantined_results ORDER BY found_at DESC, result_id")

    def forget_quarantined(self, project_key: str, annotations: Sequence[int]) -> None:
        """Forget what was put aside of these annotations: they aren't on the server any more."""
        with self._database.writing() as con:
            con.execute(
                "DELETE FROM quarantined_results WHERE project_key = ? AND list_contains(?::BIGINT[], annotation_id)",
                [project_key, list(annotations)],
            )

    def forget_untold(self, project_key: str, annotations: Sequence[int]) -> None:
        """Forget that the server couldn't tell these annotations: it can by now, or they are gone."""
        with self._database.writing() as con:
            con.execute(
                "DELETE FROM quarantined_results WHERE project_key = ? AND untold "
                "AND list_contains(?::BIGINT[], annotation_id)",
                [project_key, list(annotations)],
            )

    # Settling.

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store settlements as the next revision of their case."""
        with self._database.writing() as con:
            con.register("agreed", schema.table(Settlement, settlements))
            con.execute(
                "INSERT INTO settlements BY NAME SELECT a.* REPLACE (1 + coalesce((SELECT max(s.revision) "
                "FROM settlements AS s WHERE s.image_id = a.image_id AND s.question_id = a.question_id), 0) "
                "AS revision) FROM agreed AS a"
            )

    def settlements(self, image_id: str | None = None) -> pl.DataFrame:
        """Every revision of every settlement, or of one image's, oldest first."""
        return self._database.frame(
            "SELECT * FROM settlements WHERE ? IN ('', image_id) ORDER BY settled_at, image_id, question_id, revision",
            [image_id or ""],
        )

    def overrides(self) -> pl.DataFrame:
        """What counts instead of the archive's labels: the newest settlement of each case, withdrawn ones left out.

        image_id, question_id, dispute_id, decision, right_answer, label, basis, author, settled_at.
        """
        return self._database.frame(
            "SELECT image_id, question_id, dispute_id, decision, right_answer, label, basis, author, settled_at FROM "
            "(SELECT * FROM settlements QUALIFY row_number() OVER "
            "(PARTITION BY image_id, question_id ORDER BY revision DESC) = 1) WHERE NOT withdrawn "
            "ORDER BY image_id, question_id"
        )

    def audited(self, run_id: str) -> pl.DataFrame:
        """The cases of a run's audit draw of which people settled what is right, whichever run's answer they judged.

        image_id, question_id, dispute_id, basis (of the settlement), answer (the run's own), right_answer (none of the
        options where null), wrong.
        """
        return self._database.frame(
            """
            WITH drawn AS (SELECT unnest(cases, recursive := true) FROM audit_draws WHERE run_id = $run),
            settled AS (
                SELECT * FROM settlements QUALIFY row_number() OVER
                (PARTITION BY image_id, question_id ORDER BY revision DESC) = 1
            )
            SELECT image_id, question_id, s.dispute_id, s.basis, f.answer, s.right_answer,
                f.answer IS DISTINCT FROM s.right_answer AS wrong
            FROM drawn JOIN settled AS s USING (image_id, question_id)
            JOIN (SELECT image_id, question_id, answer FROM facts WHERE run_id = $run AND status = 'answered') AS f
            USING (image_id, question_id)
            WHERE NOT s.withdrawn AND s.decision <> 'unsure' ORDER BY image_id, question_id
            """,
            {"run": run_id},
        )

    def settled_cases(self) -> pl.DataFrame:
        """Settled disputes with their picture's content, newest first: to be put beside a case under review.

        image_id, question_id, run_id, image_path, question, answer, decision, right_answer, content.
        """
        return self._database.frame(
            f"SELECT q.image_id, q.question_id, q.run_id, q.image_path, q.question, q.answer, q.decision, "
            f"q.right_answer, e.content FROM ({_QUEUE}) AS q JOIN entries AS e USING (image_id) "
            "WHERE q.state = 'settled' ORDER BY q.settled_at DESC, q.dispute_id"
        )

    # Looking.

    def cases(self, run_id: str, earlier_run_id: str | None = None) -> pl.DataFrame:
        """What the rules look at, one row per prediction of a run, in the plan's order.

        image_id, image_path, product, label, question_id, subtask, question, status, letters and texts (of the
        options), answer, correct_answer, claims (of the options, see `claims.py`), first_entropy and entropy (nats,
        before the loop and at its best), ranked (option probabilities, highest first), probability and
        first_probability (of the answer, after and before), first_highest, earlier_answer (in the run named), patch_x
        and patch_y (middle of the accepted patches, in pixels), patches (how many were accepted).
        """
        return self._database.frame(_CASES, [earlier_run_id or "", run_id, run_id])

    def queue(self, run_id: str | None = None, image_id: str | None = None) -> pl.DataFrame:
        """Every dispute with reasons, weight, tasks, verdicts, settlement and state; heaviest first.

        Beside the columns of `Dispute`: reasons and notes (lists, heaviest first), weight, tasks, sent_at, verdicts,
        reviewers, judged_at, decision, right_answer, basis, author, settled_at, state (see `STATES`).
        """
        return self._database.frame(
            f"SELECT * FROM ({_QUEUE}) WHERE ? IN ('', run_id) AND ? IN ('', image_id) "
            "ORDER BY weight DESC, dispute_id",
            [run_id or "", image_id or ""],
        )

    def reasons(self) -> list[DisputeReason]:
        """Every reason of every dispute."""
        return self._database.records(DisputeReason, "SELECT * FROM dispute_reasons ORDER BY dispute_id, reason")

    def material(self, disputes: Sequence[Dispute]) -> tuple[list[Prediction], pl.DataFrame, list[Entry]]:
        """What a reviewer is shown of these: their predictions, accepted patches and entries, from one moment.

        The patches' columns: run_id, image_id, question_id, x0, y0, x1, y1 (pixels), in the order of acceptance.
        """
        among = "run_id IN (SELECT run_id FROM asked) AND image_id IN (SELECT image_id FROM asked)"
        key = "(run_id, image_id, question_id)"
        with self._database.reading() as con:
            con.register("asked", schema.table(Dispute, disputes))
            predictions = con.sql(f"SELECT p.* FROM predictions AS p SEMI JOIN asked USING {key} WHERE {among}").pl()
            patches = con.sql(
                "SELECT run_id, image_id, question_id, x0, y0, x1, y1 FROM patches AS p "
                f"SEMI JOIN asked USING {key} WHERE accepted AND {among} ORDER BY block, p.rowid"
            ).pl()
            entries = con.sql("SELECT e.* FROM entries AS e SEMI JOIN asked USING (image_id)").pl()
        return schema.records(Prediction, predictions), patches, schema.records(Entry, entries)

    def store_curve(self, curve: BudgetCurve) -> None:
        """Store what reviewing a run would bring, instead of what was stored before."""
        with self._database.writing() as con:
            con.register("made", schema.table(BudgetCurve, [curve]))
            con.execute("INSERT OR REPLACE INTO budget_curves BY NAME SELECT * FROM made")

    def curve(self, run_id: str) -> BudgetCurve | None:
        """What reviewing a run's likeliest errors would bring."""
        found = self._database.records(BudgetCurve, "SELECT * FROM budget_curves WHERE run_id = ?", [run_id])
        return found[0] if found else None

    def audit_draw(self, run_id: str) -> AuditDraw | None:
        """A run's audit draw."""
        found = self._database.records(AuditDraw, "SELECT * FROM audit_draws WHERE run_id = ?", [run_id])
        return found[0] if found else None


def _open(
    con: DuckDBPyConnection, disputes: Iterable[Dispute], reasons: Iterable[DisputeReason], reopen: bool = False
) -> int:
    asked = {dispute.dispute_id: dispute for dispute in disputes}
    con.register("asked", schema.table(Dispute, asked.values()))
    known = {
        (image, question): (number, settled)
        for image, question, number, settled in con.execute(
            f"SELECT q.image_id, q.question_id, q.number, q.state = 'settled' FROM ({_QUEUE}) AS q "
            "SEMI JOIN asked USING (image_id, question_id) ORDER BY q.number"
        ).fetchall()
    }
    fresh: list[Dispute] = []
    renamed: dict[str, str] = {}
    for old, dispute in asked.items():
        number, settled = known.get((dispute.image_id, dispute.question_id), (0, True))
        if number and settled and not reopen:
            continue
        renamed[old] = dispute_id(dispute.image_id, dispute.question_id, number + settled)
        if settled:
            fresh.append(replace(dispute, dispute_id=renamed[old], number=number + 1))
    insert(con, "disputes", schema.table(Dispute, fresh))
    kept = [replace(row, dispute_id=renamed[row.dispute_id]) for row in reasons if row.dispute_id in renamed]
    con.register("given", schema.table(DisputeReason, kept))
    added = con.execute(
        "INSERT INTO dispute_reasons BY NAME SELECT * FROM given ON CONFLICT (dispute_id, reason) DO NOTHING"
    ).fetchall()
    return int(added[0][0])


def _add_verdicts(con: DuckDBPyConnection, verdicts: Sequence[Verdict]) -> int:
    """Store those that differ from the newest revision of theirs; `stored_at` isn't a difference."""
    con.register("given", schema.table(Verdict, verdicts))
    told = ("reviewer", "decision", "right_answer", "boxes", "explanation", "better_description", "comment", "deleted")
    differs = " OR ".join(f"g.{name} IS DISTINCT FROM n.{name}" for name in told)
    added = con.execute(
        "INSERT INTO verdicts BY NAME SELECT g.* REPLACE (1 + coalesce(n.revision, 0) AS revision) FROM given AS g "
        "LEFT JOIN (SELECT * FROM verdicts QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY revision DESC) "
        f"= 1) AS n USING (verdict_id) WHERE n.verdict_id IS NULL OR {differs}"
    ).fetchall()
    return int(added[0][0])
