"""Disputes and what people said about them: every statement over their tables.

Facts only are stored: that a case was disputed and why, that a task was sent, what a reviewer said and when, what was
settled. The state of a dispute is worked out from them when it is asked for (`queue`), so no state can disagree with
its facts. Judgements are never changed: an edit or a withdrawal is a further revision, and the label an archive came
with stays in `predictions`. Verdicts and settlements are views on the judgements (`views.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import kill_points, schema
from warehouse.audit import Change, Flow
from warehouse.database import Database, insert
from warehouse.queries import judging
from warehouse.records.audit import Actor
from warehouse.records.judgements import Judgement, Pulled
from warehouse.records.reviews import (
    AuditDraw,
    BudgetCurve,
    Dispute,
    DisputeReason,
    QuarantinedResult,
    ReviewProject,
    ReviewTask,
)
from warehouse.records.scoring import Entry, Prediction, Tile

if TYPE_CHECKING:
    import polars as pl


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
    settled.stratum, settled.blinded,
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
SELECT p.image_id, coalesce(p.cluster_id, p.content) AS cluster_id, p.image_path, p.product, p.label,
    p.question_id, p.subtask, p.question, p.status,
    declared.kind, declared.about, declared.scorer,
    list_transform(p.options, lambda option: option.letter) AS letters,
    list_transform(p.options, lambda option: option.text) AS texts,
    p.answer, p.correct_answer, p.claims, p.no_defect,
    list_extract(p.entropy, 1) AS first_entropy, list_extract(p.entropy, p.best_iteration + 1) AS entropy,
    list_reverse_sort(map_values(p.option_probabilities)) AS ranked,
    map_extract(p.option_probabilities, p.answer)[1] AS probability,
    map_extract(p.initial_option_probabilities, p.answer)[1] AS first_probability,
    list_max(map_values(p.initial_option_probabilities)) AS first_highest,
    earlier.answer AS earlier_answer,
    patch.x AS patch_x, patch.y AS patch_y, coalesce(patch.n, 0) AS patches,
    compared.claim AS compared_claim, compared.score AS compared_score, compared.rank AS compared_rank,
    compared.normals AS compared_normals
FROM predictions AS p
LEFT JOIN (SELECT * FROM comparisons WHERE run_id = ?) AS compared USING (image_id)
LEFT JOIN (
    SELECT unnest(subtasks, recursive := true) FROM runs WHERE run_id = ?
) AS declared ON declared.name = p.subtask
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

    def open(
        self, disputes: Iterable[Dispute], reasons: Iterable[DisputeReason], reopen: bool = False, *, actor: Actor
    ) -> int:
        """How many reasons were added; nothing is opened twice for the same entry, question and reason.

        A case whose dispute isn't settled gets the reasons it lacks. A settled one is left alone unless `reopen`,
        which starts its next dispute.

        Args:
            disputes: with `number` 1; what number they really get is worked out here.
            reasons: by the `dispute_id` of those.
        """
        with self._database.changing(actor, "open disputes", "") as change:
            added = _open(change, disputes, reasons, reopen)
            change.happened = added > 0
        return added

    def draw_audit(
        self, draw: AuditDraw, disputes: Sequence[Dispute], reasons: Sequence[DisputeReason], *, actor: Actor
    ) -> bool:
        """Store a run's audit draw with its disputes; False when the run has one already, which then stays."""
        with self._database.changing(actor, "draw audit lane", draw.run_id) as change:
            con = change.con
            con.register("draw", schema.table(AuditDraw, [draw]))
            stored = con.execute(
                "INSERT INTO audit_draws BY NAME SELECT * FROM draw ON CONFLICT (run_id) DO NOTHING"
            ).fetchall()
            change.happened = stored == [(1,)]
            if change.happened:
                _open(change, disputes, reasons)
                change.subject = draw.run_id
                change.details["population"] = draw.population
        return bool(stored == [(1,)])

    # Sending.

    def projects(self) -> list[ReviewProject]:
        """All projects that weren't given up, by slot."""
        return self._database.records(
            ReviewProject, "SELECT * FROM review_projects WHERE lost_at IS NULL ORDER BY slot, created_at"
        )

    def plan_project(self, project: ReviewProject, *, actor: Actor) -> None:
        """Store that a project is about to be made."""
        with self._database.changing(actor, "make review project", project.project_key) as change:
            change.details.update(server=project.server, slot=project.slot)
            insert(change.con, "review_projects", schema.table(ReviewProject, [project]))

    def found_project(self, project_key: str, project_id: int) -> None:
        """Store the id a project got from its server."""
        with self._database.flowing(Flow.REVIEW_SERVER) as con:
            con.execute("UPDATE review_projects SET project_id = ? WHERE project_key = ?", [project_id, project_key])

    def give_up_project(self, project_key: str, at: datetime, *, actor: Actor) -> int:
        """How many unjudged tasks went with a project that is gone; they will be sent again. Verdicts stay."""
        with self._database.changing(actor, "give up review project", project_key) as change:
            con = change.con
            con.execute("UPDATE review_projects SET lost_at = ? WHERE project_key = ?", [at, project_key])
            gone = con.execute(
                "DELETE FROM review_tasks AS t WHERE project_key = ? AND NOT EXISTS (SELECT 1 FROM verdicts AS v "
                "WHERE v.dispute_id = t.dispute_id AND v.slot = t.slot)",
                [project_key],
            ).fetchall()
            change.details["tasks"] = gone[0][0]
        return int(gone[0][0])

    def record_tasks(self, tasks: Sequence[ReviewTask], *, actor: Actor) -> None:
        """Store that tasks exist on the server; the one stored first stays."""
        kill_points.at("before-record")
        projects = ", ".join(sorted({task.project_key for task in tasks}))
        with self._database.changing(actor, "send review tasks", projects) as change:
            change.con.register("sent", schema.table(ReviewTask, tasks))
            ((added,),) = change.con.execute(
                "INSERT INTO review_tasks BY NAME SELECT * FROM sent ON CONFLICT (task_key) DO NOTHING"
            ).fetchall()
            change.details["tasks"] = added
            change.happened = added > 0
        kill_points.at("after-record")

    def tiles(self) -> dict[str, Tile]:
        """Of disputed images those that are a part of a picture, by image_id."""
        found = self._database.records(
            Entry, "SELECT * FROM entries WHERE tile IS NOT NULL AND image_id IN (SELECT image_id FROM disputes)"
        )
        return {entry.image_id: entry.tile for entry in found if entry.tile}

    def tasks(self, project_key: str | None = None) -> list[ReviewTask]:
        """The tasks of a project, or all."""
        return self._database.records(
            ReviewTask, "SELECT * FROM review_tasks WHERE ? IN ('', project_key) ORDER BY task_key", [project_key or ""]
        )

    # Verdicts.

    def store_pulled(self, project_key: str, pulled: Pulled, *, actor: Actor) -> int:
        """How many verdicts were new or edited. One transaction with the project's mark: pulling again adds nothing.

        Args:
            actor: who pulls; each verdict's own change is its reviewer's, through Label Studio.
        """
        with self._database.changing(actor, "pull verdicts", project_key) as change:
            con = change.con
            added = judging.store(change, pulled.judgements)
            con.register("aside", schema.table(QuarantinedResult, pulled.quarantined))
            con.execute("INSERT INTO quarantined_results BY NAME SELECT * FROM aside ON CONFLICT DO NOTHING")
            con.execute(
                "UPDATE review_projects SET pulled_until = greatest(pulled_until, ?) WHERE project_key = ?",
                [pulled.until, project_key],
            )
            kill_points.at("before-verdicts")
        kill_points.at("after-verdicts")
        return added

    def judge(self, judgements: Sequence[Judgement], *, actor: Actor) -> int:
        """How many judgements were new or edited; a settlement is always the next revision of its case.

        What differs from a judgement's newest revision in the time of storing alone is no edit. Revision, stratum,
        probability, and of a settlement by vote whether it was blinded, are worked out here.

        Args:
            judgements: opinions and settlements.
            actor: who stores them; each judgement names its own author.
        """
        with self._database.changing(actor, "judge", "") as change:
            return judging.store(change, judgements)

    def opinions(self) -> list[Judgement]:
        """The newest revision of every person's opinion, withdrawn ones too."""
        return self._database.records(
            Judgement,
            "SELECT * FROM judgements WHERE basis IS NULL "
            "QUALIFY row_number() OVER (PARTITION BY judgement_id ORDER BY revision DESC) = 1 ORDER BY judgement_id",
        )

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
        with self._database.flowing(Flow.REVIEW_SERVER) as con:
            con.execute(
                "DELETE FROM quarantined_results WHERE project_key = ? AND list_contains(?::BIGINT[], annotation_id)",
                [project_key, list(annotations)],
            )

    def forget_untold(self, project_key: str, annotations: Sequence[int]) -> None:
        """Forget that the server couldn't tell these annotations: it can by now, or they are gone."""
        with self._database.flowing(Flow.REVIEW_SERVER) as con:
            con.execute(
                "DELETE FROM quarantined_results WHERE project_key = ? AND untold "
                "AND list_contains(?::BIGINT[], annotation_id)",
                [project_key, list(annotations)],
            )

    # Settlements.

    def settlements(self, image_id: str | None = None) -> pl.DataFrame:
        """Every revision of every settlement, or of one image's, oldest first."""
        return self._database.frame(
            "SELECT * FROM settlements WHERE ? IN ('', image_id) ORDER BY settled_at, image_id, question_id, revision",
            [image_id or ""],
        )

    def overrides(self) -> pl.DataFrame:
        """What counts instead of the archive's labels: the newest settlement of each case, withdrawn ones left out.

        image_id, question_id, dispute_id, decision, right_answer, correct_answer (`truth.NONE_OF_THESE` where no option
        is right, null where nobody can tell), label, basis, author, settled_at.
        """
        return self._database.frame(
            "SELECT image_id, question_id, dispute_id, decision, right_answer, correct_answer, label, basis, author, "
            "settled_at FROM settled ORDER BY image_id, question_id"
        )

    def audited(self, run_id: str) -> pl.DataFrame:
        """The cases of a run's audit draw of which people settled what is right, whichever run's answer they judged.

        A case that somebody volunteered to judge is left out: people volunteer where they see an error.

        image_id, question_id, dispute_id, basis (of the settlement), blinded (its reviewers didn't see the mask),
        answer (the run's own), right_answer (none of the options where null), wrong.
        """
        return self._database.frame(
            """
            WITH drawn AS (SELECT unnest(cases, recursive := true) FROM audit_draws WHERE run_id = $run)
            SELECT image_id, question_id, s.dispute_id, s.basis, s.blinded, f.answer, s.right_answer,
                f.answer <> s.correct_answer AS wrong
            FROM drawn JOIN settled AS s USING (image_id, question_id)
            JOIN (SELECT image_id, question_id, answer FROM facts WHERE run_id = $run AND status = 'answered') AS f
            USING (image_id, question_id)
            WHERE s.correct_answer IS NOT NULL AND s.stratum <> 'volunteered' ORDER BY image_id, question_id
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

        image_id, cluster_id, image_path, product, label, question_id, subtask, question, status, kind, about and
        scorer (as the question set declares the subtask), letters and texts (of the options), answer,
        correct_answer, claims (of the options, see `claims.py`), no_defect (letters of the options that deny a defect),
        first_entropy and entropy (nats, before the loop and at its best), ranked (option
        probabilities, highest first), probability and first_probability (of the answer, after and before),
        first_highest, earlier_answer (in the run named), patch_x and patch_y (middle of the accepted patches, in
        pixels), patches (how many were accepted), compared_claim, compared_score, compared_rank and compared_normals
        (what comparing the picture with normals said, see `records/comparisons.py`; null where nothing was compared).
        """
        return self._database.frame(_CASES, [run_id, run_id, earlier_run_id or "", run_id, run_id])

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
        with self._database.flowing(Flow.MEASURED) as con:
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


def _open(change: Change, disputes: Iterable[Dispute], reasons: Iterable[DisputeReason], reopen: bool = False) -> int:
    con = change.con
    asked = {dispute.dispute_id: dispute for dispute in disputes}
    con.register("asked", schema.table(Dispute, asked.values()))
    known = {
        (image, question): (name, number, settled)
        for image, question, name, number, settled in con.execute(
            f"SELECT q.image_id, q.question_id, q.dispute_id, q.number, q.state = 'settled' FROM ({_QUEUE}) AS q "
            "SEMI JOIN asked USING (image_id, question_id) ORDER BY q.number"
        ).fetchall()
    }
    fresh: list[Dispute] = []
    renamed: dict[str, str] = {}
    for old, dispute in asked.items():
        name, number, settled = known.get((dispute.image_id, dispute.question_id), ("", 0, True))
        if number and settled and not reopen:
            continue
        if settled:
            name = dispute_id(dispute.image_id, dispute.question_id, number + 1)
            fresh.append(replace(dispute, dispute_id=name, number=number + 1))
        renamed[old] = name
    insert(con, "disputes", schema.table(Dispute, fresh))
    kept = [replace(row, dispute_id=renamed[row.dispute_id]) for row in reasons if row.dispute_id in renamed]
    con.register("given", schema.table(DisputeReason, kept))
    added = con.execute(
        "INSERT INTO dispute_reasons BY NAME SELECT * FROM given ON CONFLICT (dispute_id, reason) DO NOTHING"
    ).fetchall()
    change.subject = ", ".join(sorted({dispute.run_id for dispute in asked.values()}))
    change.details.update(disputes=len(fresh), reasons=added[0][0])
    return int(added[0][0])
