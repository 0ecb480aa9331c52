"""Version 5: the kind of a failure beside its text; with it, as the table is made anew once, the options that deny a
defect (`denials.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.migration_steps import denials
from warehouse.migration_steps.check_constraints import add_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KINDS = (
    "'vanished', 'replaced', 'permission denied', 'disk error', 'empty', 'not an image', 'unsupported', 'truncated', "
    "'damaged', 'too large', 'out of memory', 'poison', 'encoder refused', 'source failed', 'does not fit', "
    "'not finite', 'device out of memory', 'model failed', 'unknown'"
)
# What version 4 wrote before the colon, where it isn't the kind's own name.
_BEFORE_THE_COLON = {
    "replaced since the scan": "replaced",
    "can't be read": "disk error",
    "quarantined": "poison",
    "retrieval failed": "encoder refused",
    "a TIFF of signed 8-bit samples, which aren't read; save it unsigned": "unsupported",
    "the model's numbers are not finite; try --dtype float32": "not finite",
}


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older rows get the kind that their text names."""
    con.execute("CREATE TEMP TABLE kinds (error VARCHAR, kind VARCHAR)")
    texts = con.execute("SELECT DISTINCT error FROM predictions WHERE status = 'failed'").fetchall()
    for (text,) in texts:
        con.execute("INSERT INTO kinds VALUES (?, ?)", [text, kind_of(text)])
    of_row = "(SELECT any_value(kind) FROM kinds WHERE kinds.error IS NOT DISTINCT FROM rows_before.error)"
    add_columns(
        con,
        "predictions",
        {"failure": f"VARCHAR CHECK (failure IN ({_KINDS}))", "no_defect": "VARCHAR[]"},
        {"failure": f"CASE WHEN status = 'failed' THEN {of_row} END", "no_defect": denials.NO_DEFECT},
    )
    con.execute("DROP TABLE kinds")


def kind_of(text: str | None) -> str:
    """The kind that a text of version 4 names."""
    said = (text or "").removeprefix("its reference is ")
    head, _, rest = said.partition(":")
    if head == "the model failed":
        return "device out of memory" if rest.strip() == "out of memory" else "model failed"
    if head in _BEFORE_THE_COLON:
        return _BEFORE_THE_COLON[head]
    if "fit a context of" in said:
        return "does not fit"
    return head if f"'{head}'" in _KINDS.split(", ") else "unknown"
