"""What is true of a case: what the archive says, or what people settled where they did. A dimension of every selection.

    settlements -> `settled` (one row per settled case) -> `settled_facts` (the rows of those images)
    facts of all other images, as they are, and `settled_facts` -> `reviewed_facts`; so with predictions and cells

The view `settled` is the only reading of settlements. Under `reviewed` it replaces the archive's right answer; settled
cases that nobody can tell do not count, and where none of the options is right every answer is wrong. Where the
question was whether there is a defect, the image's label follows, on all rows of the image; and where that label is
another than the archive's, so does the right answer to the image's other detection questions, of whichever question
set: it is the option that claims what people settled. Everything else, and every case that nobody settled, is as the
archive says it. What counts then, and as what, is worked out by the words of
`facts.py`.

Settlements gather where a rule saw model and label disagree, so a reviewed rate differs from the archive's by
construction. `verified` says of each row that people settled which rule brought the case to them; it stands beside
every reviewed number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from warehouse.queries import alarm_rules, facts
from warehouse.queries.alarm_rules import AlarmRule

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Truth = Literal["archive", "reviewed"]
NONE_OF_THESE = "none of these"
"""Stands for the right answer where people settled that no option is right: no letter equals it."""

# One row per case of which a settlement stands: the newest that its own dispute did not take back, as a case may have
# been disputed several times. correct_answer is null where nobody can tell.
_SETTLED = f"""
    WITH of_dispute AS (
        SELECT * FROM settlements
        QUALIFY row_number() OVER (PARTITION BY image_id, question_id, dispute_id ORDER BY revision DESC) = 1
    ), standing AS (
        SELECT * FROM of_dispute WHERE NOT withdrawn
        QUALIFY row_number() OVER (PARTITION BY image_id, question_id ORDER BY revision DESC) = 1
    ), rule AS (SELECT dispute_id, first(reason ORDER BY weight DESC, reason) AS rule FROM dispute_reasons GROUP BY ALL)
    SELECT s.image_id, s.question_id, s.dispute_id, s.decision, s.right_answer, s.label, s.basis, s.author,
        s.settled_at, s.blinded, s.stratum,
        CASE s.decision WHEN 'unsure' THEN NULL WHEN 'correct' THEN coalesce(s.right_answer, d.answer)
            ELSE coalesce(s.right_answer, '{NONE_OF_THESE}') END AS correct_answer,
        coalesce(list_filter(d.options, lambda option: option.letter = s.right_answer)[1].text,
            CASE WHEN s.decision = 'wrong' THEN coalesce(s.right_answer, '{NONE_OF_THESE}') END) AS correct_text,
        coalesce(rule.rule, 'person') AS verified,
        s.label IS NOT NULL OR (s.decision = 'unsure' AND d.claims IS NOT NULL) AS labels
    FROM standing AS s LEFT JOIN disputes AS d USING (dispute_id) LEFT JOIN rule USING (dispute_id)
"""
# What the settled cases say of whole images: the newest one where several do.
_SETTLED_LABELS = """
    SELECT image_id, label, verified, basis FROM s WHERE labels
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY settled_at DESC, question_id) = 1
"""
# Images about which something was ever settled, and the others. Most are others: their rows are read as they are.
_SOME = "image_id IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL)"
_OTHERS = "image_id NOT IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL)"
# `s` is the settled case and `l` the image's settled label, where there are any. An open question has no option that
# people could settle on. `follows` are the image's other detection questions.
_REVIEWED = """
    WITH s AS MATERIALIZED (SELECT * FROM settled), l AS MATERIALIZED ({labels})
    SELECT t.* {exclude} REPLACE (
            CASE WHEN l.image_id IS NULL THEN t.label ELSE l.label END AS label,
            CASE WHEN l.image_id IS NULL OR l.label IS NOT DISTINCT FROM t.label THEN t.defect END AS defect,
            CASE WHEN {applies} THEN s.correct_answer WHEN {follows} THEN {follower}.letter
                ELSE t.correct_answer END AS correct_answer{replace}),
        CASE WHEN {applies} THEN s.verified WHEN {follows} THEN l.verified END AS verified,
        CASE WHEN {applies} THEN s.basis WHEN {follows} THEN l.basis END AS basis{more}
    FROM (SELECT *{rowid} FROM {table} WHERE {some}) AS t
    LEFT JOIN s USING (image_id, question_id) LEFT JOIN l USING (image_id)
"""
_APPLIES = "s.image_id IS NOT NULL AND ({choices} > 0 OR t.correct_answer IS NOT NULL)"
_FOLLOWS = """(s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND {choices} > 0
    AND {detection} AND (l.label IS NULL OR {follower} IS NOT NULL))"""


def _reviewed(table: str, choices: str, detection: str, follower: str, **more: str) -> str:
    """The rows of some images, by what people settled.

    Args:
        table: facts or predictions.
        choices: how many options a row of `t` has.
        detection: whether it asks if there is a defect.
        follower: the option that follows from the label `l`.
        more: parts of the statement that differ between the two.
    """
    applies = _APPLIES.format(choices=choices)
    follows = _FOLLOWS.format(choices=choices, detection=detection, follower=follower)
    parts = {"exclude": "", "replace": "", "more": "", "rowid": "", **more}
    parts = {name: text.format(applies=applies, follows=follows, follower=follower) for name, text in parts.items()}
    return _REVIEWED.format(
        labels=_SETTLED_LABELS, table=table, applies=applies, follows=follows, follower=follower, some=_SOME, **parts
    )


# An answer that claims the settled label stays right where several options claim it.
_OF_FACT = """(CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END)"""
_ANSWERED = "list_position(list_transform(t.options, lambda option: option.letter), t.answer)"
_OF_PREDICTION = f"""(t.options[CASE WHEN t.claims[{_ANSWERED}] = l.label THEN {_ANSWERED}
    ELSE list_position(t.claims, l.label) END])"""
_NOBODY = "NULL::VARCHAR AS verified, NULL::VARCHAR AS basis"
_BESIDE = "t.label AS archive_label, t.correct_answer AS archive_correct_answer"
VIEWS = {
    "settled": _SETTLED,
    "settled_facts": f"SELECT *, {facts.JUDGED} FROM ("
    + _reviewed(
        "facts", "t.choices", "t.detection", _OF_FACT, exclude="EXCLUDE (outcome, correct, retrieval)",
        replace=", CASE WHEN {applies} THEN s.correct_text WHEN {follows} THEN {follower}.text "
        "ELSE t.correct_text END AS correct_text",
    )
    + ")",
    "reviewed_facts": f"SELECT *, {_NOBODY} FROM facts WHERE {_OTHERS} "
    "UNION ALL BY NAME SELECT * FROM settled_facts",
    "reviewed_predictions": f"SELECT t.*, {_NOBODY}, {_BESIDE}, t.rowid AS rowid "
    f"FROM predictions AS t WHERE {_OTHERS} UNION ALL BY NAME "
    + "SELECT * EXCLUDE (place), place AS rowid FROM ("
    + _reviewed(
        "predictions", "len(t.options)", "t.claims IS NOT NULL", _OF_PREDICTION, more=f", {_BESIDE}",
        rowid=", rowid AS place",
    )
    + ")",
}  # fmt: skip
FACTS: dict[Truth, str] = {"archive": "facts", "reviewed": "reviewed_facts"}
"""The table, or view, that facts are read from where the answers call pictures defective; else see `facts_of`."""
PREDICTIONS: dict[Truth, str] = {"archive": "predictions", "reviewed": "reviewed_predictions"}
"""The same of predictions; both have a `rowid`, which orders rows within their block."""

# Cells add up over disjoint images, so those of the images that people settled something about are exchanged.
_OF_SOME = f"(SELECT * FROM facts WHERE {_SOME} AND {{where}})"
_AS_SETTLED = "(SELECT * FROM settled_facts WHERE {where})"
_TAKEN_OFF = ", ".join(f"-{name} AS {name}" for name in facts.SUMS)
_SUMMANDS = f"""
    SELECT * FROM cells WHERE {{where}}
    UNION ALL BY NAME SELECT * REPLACE ({_TAKEN_OFF}) FROM ({facts.CELLS.format(source=_OF_SOME)})
    UNION ALL BY NAME SELECT * FROM ({facts.CELLS.format(source=_AS_SETTLED)})
"""
_SUMS = ", ".join(f"sum({name})::{'DOUBLE' if name in facts.REAL else 'BIGINT'} AS {name}" for name in facts.SUMS)


def make_views(con: DuckDBPyConnection) -> None:
    """Make the views anew, in the caller's transaction: after a migration their tables have other columns."""
    for name, query in VIEWS.items():
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def facts_of(truth: Truth, alarm_rule: AlarmRule = "answers") -> str:
    """What facts are read from: a table, a view, or a statement in brackets."""
    signal = alarm_rules.of_signal(alarm_rule)
    return FACTS[truth] if signal is None else alarm_rules.with_alarms(FACTS[truth], signal)


def summands(truth: Truth, where: str = "true", alarm_rule: AlarmRule = "answers") -> str:
    """The statement that gives rows which add up to cells of runs: enough, and faster, where they are summed anyway.

    Args:
        truth: whose.
        where: which runs: a condition on run_id.
        alarm_rule: what calls pictures defective; by another than the answers facts are counted anew.
    """
    if alarm_rule != "answers":
        return facts.CELLS.format(source=f"(SELECT * FROM {facts_of(truth, alarm_rule)} WHERE {where})")
    return ("SELECT * FROM cells WHERE {where}" if truth == "archive" else _SUMMANDS).format(where=where)


def clustered_cells(truth: Truth, where: str = "true", among: str = "true", alarm_rule: AlarmRule = "answers") -> str:
    """The statement that gives cells of runs with `cluster_id`: null but for images that share one with another image.

    Those are in cells of their cluster alone. An image by itself is a cluster by itself, so the others' sums over
    images are sums over clusters; and squares over clusters that lie in several cells can be summed later.

    Args:
        truth: whose.
        where: which runs: a condition on run_id.
        among: which images may share a cluster: a condition on facts.
        alarm_rule: what calls pictures defective.
    """
    read = facts_of(truth, alarm_rule)
    shared = f"(SELECT t.* FROM (SELECT * FROM {read} WHERE {where}) AS t SEMI JOIN shared USING (run_id, cluster_id))"
    return f"""
        WITH shared AS MATERIALIZED (
            SELECT run_id, cluster_id
            FROM (SELECT DISTINCT run_id, cluster_id, image_id FROM {read} WHERE {where} AND {among})
            GROUP BY ALL HAVING count(*) > 1
        )
        SELECT NULL::VARCHAR AS cluster_id, {", ".join(facts.KEY)}, {_SUMS} FROM (
            {summands(truth, where, alarm_rule)}
            UNION ALL BY NAME SELECT * REPLACE ({_TAKEN_OFF}) FROM ({facts.CELLS.format(source=shared)})
        ) GROUP BY ALL HAVING sum(questions) > 0
        UNION ALL BY NAME SELECT * FROM ({facts.CLUSTER_CELLS.format(source=shared)})
    """


VERIFIED = """
    SELECT run_id, verified, basis, count(*) AS answers FROM settled_facts
    WHERE {where} AND verified IS NOT NULL AND correct IS NOT NULL GROUP BY ALL ORDER BY run_id, answers DESC, verified
"""
"""Of the answers that count, those that people settled, by the rule that disputed them and how people settled them."""
