"""A block's files opened so that one which kills its process is found: all at once ahead, or one by one after a death.

What is being opened is written down first (`crash_counts.py`): a block's files in one line, as long as nobody died over
one of them. After a death they are opened one at a time, with nothing else going on, so that the next one has one name
on it. A picture that was opened once in this process is cleared, so that a reference which many blocks share holds up
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from warehouse.failures import POISON
from workbench.archive import questions
from workbench.archive.questions import Asked
from workbench.archive.run_views import RunViews
from workbench.scoring import block as blocks
from workbench.scoring import crash_counts
from workbench.scoring.block import OpenedBlock, ReferencePictures
from workbench.scoring.crash_counts import MOST, AtWork, opening
from workbench.scoring.input_pipeline import File, Opened
from workbench.scoring.plan import Block


class Opening:
    """See the module's opening lines."""

    def __init__(self, at_work: AtWork, references: ReferencePictures) -> None:
        self._at_work, self._references = at_work, references
        self._cleared: set[str] = set()

    def is_suspect(self, deaths: Mapping[str, int]) -> bool:
        """Whether a block with such deaths is to be opened, and answered, while nothing else goes on."""
        return bool(deaths.keys() - self._cleared)

    def together(self, block: Block) -> OpenedBlock:
        """The block with its pictures; for one that isn't suspect."""
        with self._at_work.on(crash_counts.files_of(block)):
            return blocks.open_block(block, self._references)

    def alone(self, block: Block, deaths: Mapping[str, int]) -> OpenedBlock:
        """The same, file by file; those that died `MOST` times are passed over."""

        def pictures(files: Sequence[File]) -> list[Opened]:
            return [self._alone(file, deaths) for file in files]

        def located(questions: Sequence[Asked], root: Path, views: RunViews) -> list[Asked]:
            return [self._located(item, root, views, deaths) for item in questions]

        return blocks.open_block(block, replace(self._references, opener=pictures), located)

    def _alone(self, file: File, deaths: Mapping[str, int]) -> Opened:
        name = opening(file.view.content or "")
        if deaths.get(name, 0) >= MOST:
            return POISON
        with self._at_work.on([name]):
            (opened,) = self._references.opener([file])
        self._cleared.add(name)
        return opened

    def _located(self, item: Asked, root: Path, views: RunViews, deaths: Mapping[str, int]) -> Asked:
        name = opening(item.entry.mask_path or "")
        if not item.entry.mask_path or deaths.get(name, 0) >= MOST:
            return item
        with self._at_work.on([name]):
            (located,) = questions.located([item], root, views)
        return located
