"""The one reader of text files that people and their tools wrote: bytes go in, text and its encoding come out.

Excel, instruments and editors write UTF-8, UTF-16 or the code page of their Windows. A byte order mark says which; else
UTF-8 is what decodes as UTF-8, UTF-16 what has a zero in every other byte, and the rest Windows-1252, the code page of
western Europe. What is UTF-8 in one place and isn't in another was damaged, and is refused rather than read half wrong.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEVERAL_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NEVER = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")  # no text of Windows-1252 has these
_BEGINNING = 16  # bytes of a file, where a table has its header and JSON its first bracket
WINDOWS = "Windows-1252"


@dataclass(frozen=True, slots=True)
class Text:
    """What a file says, and how it was written."""

    text: str
    encoding: str

    @property
    def note(self) -> str | None:
        """What a person should see where the encoding is a guess."""
        guessed = f"it isn't UTF-8 and was read as {WINDOWS}; save it as UTF-8 if letters look wrong"
        return guessed if self.encoding == WINDOWS else None


def read(file: Path) -> Text:
    """The file's text.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it isn't text in any of the encodings.
    """
    return decode(file.read_bytes())


def decode(data: bytes) -> Text:
    """The text of a file's bytes.

    Raises:
        UnicodeDecodeError: they aren't text in any of the encodings.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Text(data.decode(encoding), encoding)
    even, odd = data[:_BEGINNING:2].count(0), data[1:_BEGINNING:2].count(0)
    if len(data) > 3 and len(data) % 2 == 0 and max(even, odd) > max(2, 3 * min(even, odd)):
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        return Text(data.decode(encoding), encoding)
    try:
        return Text(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        if _SEVERAL_BYTES.search(data) or _NEVER.search(data):
            raise
        return Text(data.decode("cp1252"), WINDOWS)


def separator(text: str, column: str) -> str:
    """What stands between the cells of a table: the one of `,`, `;`, tab and `|` that its header shows.

    Args:
        text: the table's; only its first line is read.
        column: a name that the header has; where no separator shows it, the comma is taken.
    """
    header = text.partition("\n")[0].rstrip("\r")
    for sign in (",", ";", "\t", "|"):
        try:
            names = next(csv.reader([header], delimiter=sign, strict=True), [])
        except csv.Error:
            continue
        if column in ["_".join(name.strip().casefold().split()) for name in names]:
            return sign
    return ","
