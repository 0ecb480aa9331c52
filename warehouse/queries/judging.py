"""Storing judgements within one transaction, each with its row in the audit log; what `reviews.py` calls.

How a case came to be judged is worked out here, at the moment of judging: it was drawn for an audit lane (with the
chance of that draw), picked by a rule that reads no label, picked by its label, or a person volunteered.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from warehouse import schema
from warehouse.audit import Change, ChangeEntry
from warehouse.records.audit import Actor
from warehouse.records.judgements import Judgement

# What an edit may change, and what a settlement by vote rests on: verdicts that stand, given with the mask in sight.
_SAID = ("actor", "answer_kind", "answer", "boxes", "explanation", "better_description", "comment", "withdrawn")
_JUDGE = f"""
INSERT INTO judgements BY NAME
WITH newest AS (
    SELECT * FROM judgements QUALIFY row_number() OVER (PARTITION BY judgement_id ORDER BY revision DESC) = 1
), draws AS (
    SELECT drawn_at, len(cases) / nullif(population, 0) AS probability, unnest(cases, recursive := true)
    FROM audit_draws
), drawn AS (
    SELECT image_id, question_id, arg_max(probability, drawn_at) AS probability FROM draws GROUP BY ALL
), why AS (
    SELECT dispute_id, list(reason) AS reasons FROM dispute_reasons GROUP BY dispute_id
), evidence AS (
    SELECT run_id, image_id, question_id, any_value(evidence_id) AS evidence_id FROM predictions
    WHERE run_id IN (SELECT run_id FROM given) AND image_id IN (SELECT image_id FROM given) GROUP BY ALL
), unblinded AS (
    SELECT DISTINCT dispute_id FROM newest WHERE basis IS NULL AND NOT blinded AND NOT withdrawn
)
SELECT g.* EXCLUDE (place) REPLACE (
    coalesce(n.revision, 0) + row_number() OVER (PARTITION BY g.judgement_id ORDER BY g.place) AS revision,
    CASE
        WHEN drawn.image_id IS NOT NULL THEN 'audit'
        WHEN list_has_any(why.reasons, ['uncertain', 'contradiction', 'flip', 'elsewhere', 'comparison']) THEN 'rule'
        WHEN list_contains(why.reasons, 'label') THEN 'label'
        ELSE 'volunteered'
    END AS stratum,
    drawn.probability AS probability,
    evidence.evidence_id AS evidence_id,
    CASE WHEN g.basis IS NULL THEN g.blinded
        ELSE g.basis = 'person' OR g.dispute_id NOT IN (SELECT dispute_id FROM unblinded) END AS blinded
)
FROM given AS g LEFT JOIN newest AS n USING (judgement_id) LEFT JOIN drawn
    ON drawn.image_id = g.image_id AND drawn.question_id = g.question_id
LEFT JOIN why ON why.dispute_id = g.dispute_id LEFT JOIN evidence
    ON evidence.run_id = g.run_id AND evidence.image_id = g.image_id AND evidence.question_id = g.question_id
WHERE n.judgement_id IS NULL OR g.basis IS NOT NULL
    OR {" OR ".join(f"g.{name} IS DISTINCT FROM n.{name}" for name in _SAID)}
RETURNING actor, channel, basis, withdrawn, dispute_id, answer_kind, answer, revision
"""


def store(change: Change, judgements: Sequence[Judgement]) -> int:
    """How many were stored: those that are new or edited. The change's audit rows name each one's author.

    Several of one judgement, as of two disputes about one case, become its revisions in their order.
    """
    rows = schema.table(Judgement, judgements)
    change.con.register("given", rows.append_column("place", pa.array(range(len(rows)), pa.int64())))
    stored = change.con.execute(_JUDGE).fetchall()
    change.entries = []
    for author, channel, basis, withdrawn, dispute, kind, answer, revision in stored:
        by_vote = basis is not None and basis != "person"
        made, taken_back = ("settle", "withdraw settlement") if basis else ("judge", "withdraw judgement")
        details = {"answer": answer or kind, "basis": basis, "revision": revision, "stored_by": str(change.actor)}
        who = change.actor if by_vote else Actor(author, channel)
        change.entries.append(ChangeEntry(who, taken_back if withdrawn else made, dispute, details))
    return len(stored)
