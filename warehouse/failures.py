"""What kind of failure an error text tells of, and which kinds decide something.

A failed prediction's error begins with its kind and a colon; a reference's failure fails the question, and is of the
same kind. Whoever decides by an error asks here, in Python or in SQL.
"""

from __future__ import annotations

VANISHED = "vanished"
REPLACED = "replaced since the scan"
DENIED = "permission denied"
NOT_READ = "can't be read"  # a disk or network share in trouble
QUARANTINED = "quarantined"
MODEL = "the model failed"
RETRIEVAL = "retrieval failed"
# They say nothing about the picture that was to be scored: it is scored again when its file can be had.
NOT_THE_IMAGES_FAULT = frozenset({VANISHED, REPLACED, DENIED, NOT_READ})
# They say nothing about the file: a scan has no reason to look whether it changed.
NOT_THE_FILES_FAULT = frozenset({MODEL, RETRIEVAL})

OF_THE_REFERENCE = "its reference is "


def kind(error: object) -> str:
    """The kind of an error or its text; "" for None, the whole text where it names no kind."""
    return "" if error is None else str(error).removeprefix(OF_THE_REFERENCE).partition(":")[0]


def kind_sql(column: str) -> str:
    """The same as an SQL expression over a column of error texts; null for null."""
    return f"split_part(regexp_replace({column}, '^{OF_THE_REFERENCE}', ''), ':', 1)"
