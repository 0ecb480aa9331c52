"""The table of known layouts: rows of `layouts.toml`, or of one's own settings, go in; compiled patterns come out.

What a row may say stands at the top of `layouts.toml`. Knows nothing of archives.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from warehouse import bounded
from workbench.archive.problems import because
from workbench.errors import SettingsError

LabelSource = Literal["kind", "none", "has mask", "marked in mask"]
Role = Literal["query", "reference", "mask", "aside"]

_FIELDS = {
    "kind": "[^/]+", "good": "[^/]+", "bad": "[^/]+", "verdict": "[^/]+", "any": "[^/]+", "serial": "[^/]+",
    "camera": "[^/]+?", "line": "[^/]+?", "lot": "[^/]+?", "time": r"\d{8}[T_-]?\d{6}", "split": "[^/]+",
}  # fmt: skip
_SHARED = (
    "kind",
    "serial",
    "camera",
    "line",
    "lot",
    "time",
    "split",
)  # what a mask shares with its picture
_PICTURE = re.compile(r"\{picture[:}]")
_PARTS = re.compile(r"\{(\w+)(?::((?:[^{}]|\{\d+(?:,\d*)?\})*))?\}|([_ -]+)|([^{}_ -]+)")


class Row(BaseModel):
    """One layout as a table says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(bounded.name)]
    source: str = ""
    also: tuple[str, ...] = ()  # data sets that lie alike
    tells: tuple[str | tuple[str, ...], ...] = Field(min_length=1)
    normals: tuple[str, ...] = ()
    pictures: tuple[str, ...] = Field(min_length=1)
    masks: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    label: LabelSource = "kind"
    good: tuple[str, ...] = ()
    pairs: bool = False
    leaves_others: bool = False
    scores_others: bool = False
    hint: str = ""

    @field_validator("normals", "pictures", "masks", "aside")
    @classmethod
    def _name_a_picture(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if len(_PICTURE.findall(pattern)) != 1:
                raise ValueError(f"{pattern!r} must have {{picture}} in it, once")
            Pattern.of(pattern)
        return patterns

    @field_validator("tells")
    @classmethod
    def _compile(cls, tells: tuple[str | tuple[str, ...], ...]) -> tuple[str | tuple[str, ...], ...]:
        for each in tells:
            for pattern in (each,) if isinstance(each, str) else each:
                Tell.of(pattern)
        return tells


@dataclass(frozen=True, slots=True)
class Pattern:
    """Folders by their names, then what is below them with the file's name."""

    folders: tuple[re.Pattern[str], ...]
    below: re.Pattern[str] | None  # None: all of it is the picture's name
    types: frozenset[str]  # of files, in lower case without a dot; empty for all

    @classmethod
    def of(cls, pattern: str) -> Pattern:
        """Compile what a row says.

        Raises:
            ValueError: it isn't a pattern, with the reason.
        """
        bare, types = _types(pattern)
        parts = bare.split("/")
        at = next(place for place, part in enumerate(parts) if _PICTURE.search(part))
        folders = tuple(_compiled(part) for part in parts[:at])
        below = "/".join(parts[at:])
        return cls(folders, None if below == "{picture}" else _compiled(below), types)

    def below_of(self, folder: Sequence[str]) -> dict[str, str] | None:
        """What the first of a folder's names say, where they fit."""
        if len(folder) < len(self.folders):
            return None
        said: dict[str, str] = {}
        for pattern, name in zip(self.folders, folder, strict=False):
            found = pattern.fullmatch(name)
            if found is None:
                return None
            said |= found.groupdict()
        return said


@dataclass(frozen=True, slots=True)
class Tell:
    """Folders, the last of them perhaps a file's name, whose presence tells a layout."""

    names: tuple[re.Pattern[str], ...]
    is_file: bool
    types: frozenset[str]

    @classmethod
    def of(cls, pattern: str) -> Tell:
        """Compile what a row says; what has {picture} or {time} in its last part is a file.

        Raises:
            ValueError: it isn't a pattern, with the reason.
        """
        bare, types = _types(pattern)
        *folders, last = bare.split("/")
        is_file = bool(types) or _PICTURE.search(last) is not None or "{time" in last
        names = tuple(_compiled(part.replace("{picture", "{any")) for part in (*folders, last))
        return cls(names, is_file, types)


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout, ready to be looked for."""

    name: str
    tells: tuple[tuple[Tell, ...], ...]  # any of these, all of one
    patterns: tuple[tuple[Role, Pattern], ...]  # the first that fits says what a picture is
    label: LabelSource
    good: frozenset[str]
    pairs: bool
    leaves_others: bool  # what it has no place for is read as if it weren't there
    scores_others: bool  # beside normals, where there is nothing else to score, what it has no place for is scored
    hint: str  # what to do with a picture that it has no place for
    shared: tuple[str, ...]  # fields that a mask has in common with its picture, beside its name


def layout_of(row: Row) -> Layout:
    """A row with its patterns compiled."""
    roles: list[tuple[Role, tuple[str, ...]]] = [
        ("mask", row.masks), ("aside", row.aside), ("reference", row.normals), ("query", row.pictures)
    ]  # fmt: skip
    of_masks, of_pictures = " ".join(row.masks), " ".join((*row.normals, *row.pictures))
    shared = tuple(each for each in _SHARED if all(_has(each, text) for text in (of_masks, of_pictures)))
    tells = tuple(
        tuple(Tell.of(pattern) for pattern in ((each,) if isinstance(each, str) else each)) for each in row.tells
    )
    patterns = tuple((role, Pattern.of(pattern)) for role, all_written in roles for pattern in all_written)
    good = frozenset(kind.casefold() for kind in row.good)
    return Layout(
        row.name, tells, patterns, row.label, good, row.pairs, row.leaves_others, row.scores_others, row.hint, shared
    )


@cache
def public_layouts() -> tuple[Layout, ...]:
    """The project's own table."""
    table = tomllib.loads(Path(__file__).with_name("layouts.toml").read_text(encoding="utf-8"))
    return tuple(layout_of(Row.model_validate(row)) for row in table["layout"])


def from_settings(file: Path | None) -> tuple[Layout, ...]:
    """The `[[layout]]` rows of a TOML file, which come before the project's own; none without a file.

    Raises:
        SettingsError: the file can't be read, or a row isn't a layout, with the reason.
    """
    if file is None:
        return ()
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("layout", [])
        return tuple(layout_of(Row.model_validate(row)) for row in (rows if isinstance(rows, list) else [rows]))
    except OSError as error:
        raise SettingsError(f"cannot read the layouts in {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(
            f"{file}, [[layout]]: {because(error)}; docs/archives.md tells how one is written"
        ) from error


def _has(field: str, patterns: str) -> bool:
    if field == "kind" and "{verdict" in patterns:
        return True
    return f"{{{field}}}" in patterns or f"{{{field}:" in patterns


def _types(pattern: str) -> tuple[str, frozenset[str]]:
    """A pattern without the file types at its end, and those."""
    ending = PurePosixPath(re.sub(r"\{[^{}]*\}", "x", pattern)).suffix
    if not ending or not re.fullmatch(r"\.[a-zA-Z0-9|]+", ending):
        return pattern, frozenset()
    return pattern[: -len(ending)], frozenset(ending[1:].lower().split("|"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression of one pattern, or of the parts of it that are left."""
    try:
        return re.compile(_expression_of_any(re.split(r"\|(?![^{}]*\})", pattern)), re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r}: {error}") from error


def _expression_of_any(options: Sequence[str]) -> str:
    """Alternatives share what stands before them: `{picture}_mask|_gt` is `{picture}` and either end."""
    first, *rest = options
    field = first.rfind("}") + 1
    return f"{_expression(first[:field])}(?:{'|'.join(map(_expression, (first[field:], *rest)))})"


def _expression(pattern: str) -> str:
    found, end = [], 0
    for part in _PARTS.finditer(pattern):
        if part.start() != end:
            break
        end = part.end()
        field, expression, apart, literal = part.groups()
        if field == "picture":
            found.append(f"(?P<picture>{expression or '.+?'})")
        elif field == "any":
            found.append(f"(?:{expression or _FIELDS[field]})")
        elif field:
            if field not in _FIELDS:
                raise ValueError(f"{{{field}}} is no field; there are {', '.join(sorted({*_FIELDS, 'picture'}))}")
            found.append(f"(?P<{field}>{expression or _FIELDS[field]})")
        else:
            found.append("[ _-]*" if apart else re.escape(literal))
    if end != len(pattern):
        raise ValueError(f"{pattern!r} can't be read from {pattern[end:]!r} on")
    return "".join(found)
