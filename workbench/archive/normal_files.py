"""Normals in a file and out of it: a line of JSON each, with where it stands, where it lies and where it comes from.

    knowledge.json, knowledge.csv -> knowledge.normals.jsonl beside it;   a folder of texts -> normals.jsonl in it

Pictures stay where they are: a line names an archive, a path in it, and the picture's content, by which it is found in
other archives too. Knows nothing of the warehouse.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from warehouse import bounded
from warehouse.records.normals import Normal, NormalOrigin, NormalState
from warehouse.records.scoring import Tile
from workbench.archive import knowledge_files, text_files
from workbench.archive.problems import printable
from workbench.errors import KnowledgeError

ENDING = f".{knowledge_files.NORMALS}"
_Content = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, AfterValidator(bounded.name)]
_Words = Annotated[str, StringConstraints(max_length=bounded.LONGEST_PATH), AfterValidator(bounded.line)]


class _Tile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    content: _Content
    x0: int
    y0: int
    x1: int
    y1: int


class _Line(BaseModel):
    """What a line must hold."""

    model_config = ConfigDict(extra="forbid")

    content: _Content
    dataset: _Name
    product: _Name
    piece: _Words
    archive_id: _Name
    path: _Words
    state: NormalState
    origin: NormalOrigin
    judgement_id: _Words | None = None
    author: _Words
    reason: _Words
    created_at: AwareDatetime
    tile: _Tile | None = None
    camera: _Name | None = None

    @model_validator(mode="after")
    def _stays_in_its_archive(self) -> _Line:
        """Only pictures of a folder of references lie elsewhere."""
        if self.origin != "references folder":
            bounded.path(self.path)
        return self


def beside(texts: Path) -> Path:
    """The file of normals that goes with a file or folder of texts, or with itself."""
    if texts.name.endswith(".jsonl"):
        return texts
    if texts.suffix.lower() in (".json", ".csv"):
        return texts.with_name(f"{texts.stem}{ENDING}")
    return texts / knowledge_files.NORMALS


def write(normals: Sequence[Normal], file: Path) -> int:
    """How many normals were written; without any, a file of earlier ones goes, which an import would bring back.

    Args:
        normals: any, in any order.
        file: as `beside` names it.

    Raises:
        KnowledgeError: it can't be written.
    """
    ordered = sorted(normals, key=lambda each: (each.dataset, each.product, each.path, each.content))
    lines = [json.dumps(_line(each), ensure_ascii=False) for each in ordered]
    try:
        if lines:
            file.parent.mkdir(parents=True, exist_ok=True)
            knowledge_files.put(file, "\n".join(lines) + "\n")
        else:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise KnowledgeError(f"cannot write {file}: {error.strerror}") from None
    return len(lines)


def read(file: Path) -> list[Normal]:
    """The file's normals, in its order.

    Raises:
        KnowledgeError: it can't be read, or a line has another shape.
    """
    try:
        lines = text_files.read(file).text.split("\n")
    except OSError as error:
        raise KnowledgeError(f"cannot read the file of normals {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise KnowledgeError(f"{file} is not UTF-8 text: {error}") from None
    return [_read(file, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _line(normal: Normal) -> dict[str, object]:
    said = asdict(normal)
    del said["number"]  # a warehouse's own
    return {**said, "created_at": normal.created_at.astimezone(UTC).isoformat()}


def _read(file: Path, number: int, text: str) -> Normal:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " / ".join(map(str, first["loc"])) or "the line"
        raise KnowledgeError(
            f"{file}, line {number} is no normal: at {printable(where)}: {first['msg']}; `workbench knowledge export` "
            "writes such files"
        ) from None
    tile = Tile(**line.tile.model_dump()) if line.tile else None
    return Normal(
        0, line.content, line.dataset, line.product, line.piece, line.archive_id, line.path, line.state, line.origin,
        line.judgement_id, line.author, line.reason, line.created_at, tile, line.camera,
    )  # fmt: skip
