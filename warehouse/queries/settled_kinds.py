"""Pictures of which people settled what kind of defect they show: what a comparison answers that question by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse import schema
from warehouse.database import Database
from warehouse.records.scoring import Entry

# A settlement that names the right option of a question about the defect's type, unless the option denies a defect or
# people settled that the picture is good; of several about one picture the newest.
_KINDS = """
    WITH declared AS (SELECT run_id, unnest(subtasks, recursive := true) FROM runs), named AS (
        SELECT s.image_id, s.settled_at, s.question_id,
            list_filter(d.options, lambda option: option.letter = s.correct_answer)[1].text AS settled_kind
        FROM settled AS s JOIN disputes AS d USING (dispute_id)
        JOIN declared AS t ON t.run_id = d.run_id AND t.name = d.subtask
        WHERE t.about = 'defect type' AND t.kind = 'choice'
            AND NOT list_contains(coalesce(d.no_defect, []), s.correct_answer)
            AND s.image_id NOT IN (SELECT image_id FROM settled WHERE label = 'good')
    )
    SELECT e.*, n.settled_kind FROM named AS n JOIN entries AS e USING (image_id) WHERE n.settled_kind IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY n.settled_at DESC, n.question_id) = 1
    ORDER BY n.settled_at DESC, image_id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class SettledKind:
    """A picture and the kind of its defect, in the words of the option that is right."""

    entry: Entry
    kind: str


def newest(data: Path, at_most: int) -> list[SettledKind]:
    """The pictures that were settled last, the newest first."""
    rows = Database(data).frame(_KINDS, [at_most])
    return [
        SettledKind(entry, kind) for entry, kind in zip(schema.records(Entry, rows), rows["settled_kind"], strict=True)
    ]
