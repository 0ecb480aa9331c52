"""What calls a picture defective: its answers, or a saved threshold on a signal. A dimension of every selection.

    facts, scores of the signal, the thresholds that hold -> facts, as if answers claimed what the thresholds say

The rule `answers` is the default: a detection answer claims what it says. Under the name of a signal, detection answers
of pictures with a score, of a product and camera for which a threshold on that signal holds, claim a defect at or above
it and none below, through the option that claims so: claim, answer and its text are replaced where facts are read, and
what follows from them is worked out by the words of `facts.py`. Everything else is as it was answered: pictures without
a threshold or a score, questions that failed or could not be read, questions without an option for the claim. Nothing
is stored, so a threshold's next version, or going back to an earlier one, moves the alarms of every run.
"""

from __future__ import annotations

from typing import Literal, get_args

from warehouse.queries import facts
from warehouse.queries.signals import SIGNALS, SignalName

AlarmRule = Literal["answers", "defect probability", "comparison", "claim"]
ALARM_RULES: tuple[AlarmRule, ...] = get_args(AlarmRule)

# From the particular to the general: the first that is saved holds, also where its newest version says that the
# answers' own claims do.
_PLACES = (("t.product", "t.camera"), ("t.product", "''"), ("''", "t.camera"), ("''", "''"))
_NEWEST = """(SELECT * FROM thresholds WHERE signal = '{signal}'
    QUALIFY row_number() OVER (PARTITION BY product, camera ORDER BY version DESC) = 1)"""


def of_signal(rule: AlarmRule) -> SignalName | None:
    """The signal that a rule goes by; None where it goes by the answers."""
    return None if rule == "answers" else rule


def threshold_joins(signal: SignalName) -> str:
    """Joins that give `t`, which has product and camera, the thresholds that may hold for its rows: h0 to h3."""
    newest = _NEWEST.format(signal=signal)
    return " ".join(
        f"LEFT JOIN {newest} AS h{place} ON h{place}.product = {product} AND h{place}.camera = {camera}"
        for place, (product, camera) in enumerate(_PLACES)
    )


def threshold_column(column: str) -> str:
    """A column of the threshold that holds, after these joins; null where none is saved."""
    cases = " ".join(f"WHEN h{place}.version IS NOT NULL THEN h{place}.{column}" for place in range(len(_PLACES)))
    return f"CASE {cases} END"


def with_alarms(source: str, signal: SignalName) -> str:
    """Facts as if their detection answers claimed what the thresholds on a signal say: a statement in brackets.

    Args:
        source: the table, view or statement in brackets that facts are read from.
        signal: whose thresholds.
    """
    return _CALLED.format(
        source=source, scores=SIGNALS[signal].statement.format(some="true"), joins=threshold_joins(signal),
        threshold=threshold_column("value"), judged=facts.JUDGED,
    )  # fmt: skip


_CALLED = """(
    SELECT *, {judged} FROM (
        SELECT * EXCLUDE (is_alarm, meant, outcome, correct, retrieval) REPLACE (
            CASE WHEN meant IS NULL THEN claim WHEN is_alarm THEN 'defective' ELSE 'good' END AS claim,
            CASE WHEN meant IS NULL THEN answer ELSE meant.letter END AS answer,
            CASE WHEN meant IS NULL THEN answer_text ELSE meant.text END AS answer_text)
        FROM (
            SELECT *, CASE WHEN is_alarm AND claim = 'defective' OR NOT is_alarm AND claim = 'good' THEN NULL
                WHEN is_alarm THEN defective_option WHEN NOT is_alarm THEN good_option END AS meant
            FROM (
                SELECT t.*, CASE WHEN t.detection AND t.status = 'answered' THEN s.score >= {threshold} END AS is_alarm
                FROM {source} AS t LEFT JOIN ({scores}) AS s USING (run_id, image_id) {joins}
            )
        )
    )
)"""
