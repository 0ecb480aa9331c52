"""Questions of version 4 and older, whose identity held the reference's content, get today's identity and evidence.

Two places meet them: the step that brings a database up (`steps/questions.py`), and the ingest of a part that an older
program left in the spool. What a former question is called now is kept in `former_questions`, for addresses.

The reference's content was stored nowhere but in the identity. It is found among the entries of the run's archive: the
content under the row's reference path is the reference if the former identity follows from it. Where it doesn't - the
reference lies outside, or was replaced - the former identity stands for the reference in the evidence, so that
`identity.was_shown` still recognises the picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from warehouse import identity
from warehouse.records.scoring import RetrievedDescription

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.spool import Block


class Asked(NamedTuple):
    """A former question with the path of its reference."""

    former_id: str
    subtask: str
    question: str
    options: Sequence[Mapping[str, str]]  # letter, text
    reference_path: str | None


def question_id(former: Asked) -> str:
    """What the question is called now."""
    return identity.question_id(former.subtask, former.question, _texts(former))


def reference(former: Asked, contents: Iterable[str | None]) -> str | None:
    """What stands for the reference in the evidence: its content, the former identity, or nothing where there was none.

    Args:
        former: the question.
        contents: what the archive has, or had, under the reference's path.
    """
    if former.reference_path is None:
        return None
    texts = _texts(former)
    return next(
        (
            each
            for each in contents
            if each and identity.seed_key(former.subtask, former.question, texts, each) == former.former_id
        ),
        former.former_id,
    )


def renamed(con: DuckDBPyConnection, block: Block) -> Block:
    """A part of an older program with today's identities; what its questions were called is stored."""
    import pyarrow as pa

    predictions, patches = block.tables["predictions"], block.tables["patches"]
    columns = ("question_id", "subtask", "question", "options", "reference_path")
    rows = predictions.select([*columns, "descriptions"]).to_pylist()
    asked = [Asked(*(row[name] for name in columns)) for row in rows]
    contents: defaultdict[str | None, list[str]] = defaultdict(list)
    for path, content in con.execute(
        "SELECT path, content FROM entries JOIN runs USING (archive_id) WHERE run_id = ? "
        "AND path IN (SELECT unnest(?::VARCHAR[]))",
        [block.run_id, [each.reference_path for each in asked if each.reference_path]],
    ).fetchall():
        contents[path].append(content)
    # What somebody else's program answered: nobody knows what it was shown.
    is_import = bool(
        con.execute("SELECT 1 FROM runs WHERE run_id = ? AND purpose = 'import'", [block.run_id]).fetchall()
    )
    names = {each.former_id: question_id(each) for each in asked}
    evidence = [
        None
        if is_import
        else identity.evidence_id(
            reference(each, contents[each.reference_path]),
            [RetrievedDescription(**one) for one in row["descriptions"]],
        )
        for each, row in zip(asked, rows, strict=True)
    ]
    con.register("new_names", pa.table({"former_id": [*names], "question_id": [*names.values()]}))
    con.execute("INSERT INTO former_questions SELECT * FROM new_names ON CONFLICT DO NOTHING")
    con.unregister("new_names")
    predictions = _with(predictions, "question_id", [each.former_id for each in asked], names)
    place = predictions.schema.get_field_index("evidence_id")
    predictions = predictions.set_column(place, predictions.schema.field(place), pa.array(evidence, pa.string()))
    patches = _with(patches, "question_id", patches["question_id"].to_pylist(), names)
    return replace(block, tables={**block.tables, "predictions": predictions, "patches": patches}, is_former=False)


def _with(table: pa.Table, name: str, former: Sequence[str], names: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    place = table.schema.get_field_index(name)
    column = pa.array([names.get(each, each) for each in former], pa.string())
    return table.set_column(place, table.schema.field(place), column)


def _texts(asked: Asked) -> list[str]:
    return [option["text"] for option in asked.options]
