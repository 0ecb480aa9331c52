"""Measures taken while a scan reads files: paths go in, their contents come out, and what was measured is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from warehouse.records.measures import Measures
from warehouse.records.scoring import Entry
from workbench.archive import measures
from workbench.archive.view import View, Window
from workbench.errors import ReplacedImage


class Measuring:
    """Measures pictures where their bytes are read for their hash, each content once; shared by a scan's readers."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._found: dict[str, Measures] = {}

    @property
    def measures(self) -> list[Measures]:
        """What was measured, one of each content."""
        return list(self._found.values())

    def read(self, files: Sequence[Path]) -> list[str | Exception]:
        """The SHA-256 of each file's bytes, measured on the way, or why it can't be read.

        Of a large file that changes meanwhile nothing is measured.
        """
        contents: list[str | Exception] = []
        small: dict[str, bytes] = {}
        for file in files:
            try:
                contents.append(self._read(file, small))
            except Exception as error:  # noqa: BLE001 - whatever one file raises, the others are read
                contents.append(error)
        self._keep(measures.measure_together(small))
        return contents

    def _read(self, file: Path, small: dict[str, bytes]) -> str:
        with file.open("rb", buffering=0) as opened:
            if os.fstat(opened.fileno()).st_size > measures.LARGE:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
                self.measure_known(file, content)
                return content
            data = opened.read()
        content = hashlib.sha256(data).hexdigest()
        if content in self._found:
            pass
        elif len(data) <= measures.SMALL:
            small[content] = data
        else:
            self._keep([measures.measure(data, content)])
        return content

    def measure_known(self, file: Path, content: str | None) -> None:
        """Measure a file that holds what it held."""
        if content is not None and content not in self._found and (found := measures.measure_known(file, content)):
            self._keep([found])

    def measure_tiles(self, file: Path, parts: Iterable[Entry]) -> None:
        """Measure the tiles of a large picture; nothing of a file that holds another one by now."""
        tiles = {
            part.content: View(part.tile.content, tile=Window(part.tile.x0, part.tile.y0, part.tile.x1, part.tile.y1))
            for part in parts
            if part.tile and part.content not in self._found
        }
        contents = {view.content for view in tiles.values()}
        for content in filter(None, contents):
            with suppress(ReplacedImage):
                self._keep(measures.measure_tiles(file, content, tiles))

    def _keep(self, measured: Iterable[Measures]) -> None:
        self._found.update((each.content, each) for each in measured)
