"""Why a question has no answer: a closed set of kinds, stored beside the text that a person reads.

The kind decides - what is scored again, what is read again, what is not opened - and the text never does. A failure
of a reference fails the question with the reference's kind; its text says whose failure it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import pyarrow as pa

FailureKind = Literal[
    "vanished",  # the file is gone since the scan
    "replaced",  # the file holds other bytes than those that were scanned
    "permission denied",
    "disk error",  # a disk or network share in trouble
    "empty",
    "not an image",
    "unsupported",  # an image of a kind that isn't read
    "truncated",
    "damaged",
    "too large",
    "out of memory",  # this computer's, while the picture was opened
    "poison",  # processes died over it, and it is passed over
    "encoder refused",  # retrieval failed on the picture
    "source failed",  # as did an evidence source without an encoder
    "does not fit",  # question and pictures are longer than the model's context, or of a shape it doesn't take
    "not finite",  # the model's numbers
    "device out of memory",
    "model failed",
    "unknown",  # stored by an older version with a text that names no kind
]

# They say nothing about the picture that was to be scored: it is scored again when its file can be had.
NOT_THE_IMAGES_FAULT: tuple[FailureKind, ...] = ("vanished", "replaced", "permission denied", "disk error")
# They say nothing about the file: a scan has no reason to look whether it changed.
NOT_THE_FILES_FAULT: tuple[FailureKind, ...] = (
    "encoder refused",
    "source failed",
    "does not fit",
    "not finite",
    "device out of memory",
    "model failed",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question has no answer."""

    kind: FailureKind
    text: str  # the reason in words, without the path, so that equal reasons can be counted

    def of_reference(self) -> Failure:
        """The same where it is the question's reference that failed."""
        return replace(self, text=f"{_OF_THE_REFERENCE}{self.text}")


VANISHED = Failure("vanished", "vanished: the file was there when the archive was scanned")
REPLACED = Failure("replaced", "replaced since the scan: the file holds another picture now")
DENIED = Failure("permission denied", "permission denied: the file can't be read")
POISON = Failure("poison", "quarantined: 2 processes died over it")
OUT_OF_MEMORY = Failure("out of memory", "out of memory: this computer has too little left to open it")

_OF_THE_REFERENCE = "its reference is "
# What the versions before the fifth wrote before the colon, where it isn't the kind's own name.
_BEFORE_THE_COLON: dict[str, FailureKind] = {
    "replaced since the scan": "replaced",
    "can't be read": "disk error",
    "quarantined": "poison",
    "retrieval failed": "encoder refused",
    "a TIFF of signed 8-bit samples, which aren't read; save it unsigned": "unsupported",
    "the model's numbers are not finite; try --dtype float32": "not finite",
}


def of_text(text: str | None) -> FailureKind:
    """The kind of a failure that was stored as its text alone: by version 4 of the tables and by its spool's parts."""
    said = (text or "").removeprefix(_OF_THE_REFERENCE)
    head, _, rest = said.partition(":")
    if head == "the model failed":
        return "device out of memory" if rest.strip() == "out of memory" else "model failed"
    if head in _BEFORE_THE_COLON:
        return _BEFORE_THE_COLON[head]
    if "fit a context of" in said:
        return "does not fit"
    return next((kind for kind in get_args(FailureKind) if kind == head), "unknown")


def declare(predictions: pa.Table) -> pa.Table:
    """Predictions whose failed rows all have a kind: parts that an older version wrote have the text alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.and_(pc.equal(predictions["status"], "failed"), pc.is_null(predictions["failure"]))
    if not pc.any(bare).as_py():
        return predictions
    kinds = [
        of_text(error) if is_bare else kind
        for is_bare, kind, error in zip(
            bare.to_pylist(), predictions["failure"].to_pylist(), predictions["error"].to_pylist(), strict=True
        )
    ]
    at = predictions.schema.get_field_index("failure")
    return predictions.set_column(at, predictions.schema.field(at), pa.array(kinds, pa.string()))
