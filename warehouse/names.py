"""The name of a knowledge text, `dataset/product/entry`, put together and taken apart: here and nowhere else.

A product or a defect may have a slash in its own name, as part numbers do (`4711/02`); within a text's name it is
written `%2F`, so that there are always three parts. A name without a slash is its own text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from warehouse import bounded

if TYPE_CHECKING:
    import pyarrow as pa

_SLASH = "%2F"


def join(parts: Iterable[str]) -> str:
    """The parts as one name, between slashes."""
    return "/".join(part.replace("/", _SLASH) for part in parts)


def split(name: str) -> tuple[str, ...]:
    """The parts of a name, as they were before `join`."""
    return tuple(part.replace(_SLASH, "/") for part in name.split("/"))


def problem(parts: Iterable[str]) -> str | None:
    """Why these parts can't be a name; None where they can."""
    for part in parts:
        try:
            bounded.name(part)
        except ValueError as error:
            return f"{part[:80]!r} can't be a part of a description's name: {error}"
        if part.strip() in (".", "..") or _SLASH in part:
            return f"{part!r} can't be a part of a description's name"
    return None


def declare(predictions: pa.Table, descriptions: pa.Field) -> pa.Table:
    """Predictions whose retrieved texts all have data set, product and entry: an older version's parts have ids alone.

    Args:
        descriptions: the column as it is today.
    """
    import pyarrow as pa

    at = predictions.schema.get_field_index(descriptions.name)
    if at < 0 or not pa.types.is_list(kind := predictions.schema.field(at).type):
        return predictions
    if not pa.types.is_struct(kind.value_type) or [field.name for field in kind.value_type] != _BEFORE:
        return predictions
    rows = [
        [
            dict(zip(("dataset", "product", "entry"), _three(each["description_id"]), strict=True), **each)
            for each in row
        ]
        for row in predictions.column(at).to_pylist()
    ]
    return predictions.set_column(at, descriptions, pa.array(rows, descriptions.type))


_BEFORE = ["description_id", "revision", "rank", "score"]  # what version 4 stored of a retrieved text


def _three(name: str) -> tuple[str, ...]:
    return ("", "", "", *split(name))[-3:]


def readable(parts: Iterable[str]) -> str:
    """Parts as a page shows them."""
    return " / ".join(parts).replace("_", " ")
