"""What was understood of an archive before any model looks at it: a scan goes in, counts and examples come out.

The pictures' bytes are not read: what they are called, where they lie and what a table says of them is all that counts
here. Only a layout whose labels stand in its masks has these decoded, and of TIFFs the pages are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from warehouse.records.scoring import Entry, PassedOver
from workbench import wording
from workbench.archive import layout, tiff_pages
from workbench.archive import scan as archive
from workbench.archive.layout_table import Layout
from workbench.archive.problems import Problem, account
from workbench.archive.sidecar import ISO, Times

_READERS = 8  # threads; on a network disk most of the time is spent waiting
EXAMPLES = 3  # pictures of each kind
NO_LABEL = "without a label"


@dataclass(frozen=True, slots=True)
class Kind:
    """Pictures of one product that are meant alike."""

    dataset: str
    product: str
    label: str  # good, the defect's type, "defective" where none is known, NO_LABEL; "reference" for normals
    pictures: int
    masks: int
    examples: tuple[str, ...]  # paths


@dataclass(frozen=True, slots=True)
class Overview:
    """What an archive holds, as its names and tables say."""

    root: str
    pictures: int  # to score
    references: int
    layouts: Mapping[str, int]  # pictures by the layout they lie in
    kinds: tuple[Kind, ...]  # by data set, product and label
    orphan_masks: int
    lines: Mapping[str, int]
    cameras: Mapping[str, int]
    lots: Mapping[str, int]
    pieces: int  # that a serial names
    timed: int  # pictures whose time is known
    first: datetime | None
    last: datetime | None
    notes: tuple[str, ...]  # how words were read as labels
    passed_over: tuple[PassedOver, ...]

    def as_json(self) -> dict[str, object]:
        """For one JSON document."""
        return asdict(self)

    def table(self) -> pl.DataFrame:
        """One row for each kind: data_set, product, label, pictures, masks."""
        columns = ("data_set", "product", "label", "pictures", "masks")
        rows = [(kind.dataset, kind.product, kind.label, kind.pictures, kind.masks) for kind in self.kinds]
        return pl.DataFrame(rows, schema=dict.fromkeys(columns[:3], pl.String) | dict.fromkeys(columns[3:], pl.Int64),
                            orient="row")  # fmt: skip

    def sentences(self) -> list[str]:
        """The rest, each a sentence."""
        scored, normal = wording.counted(self.pictures, "picture"), wording.counted(self.references, "reference")
        said = [f"{scored} to score, {normal}."]
        said += [
            f"Layout {name}: {wording.counted(count, 'picture')}." for name, count in self.layouts.items() if count
        ]
        for what, found in (("line", self.lines), ("camera", self.cameras), ("lot", self.lots)):
            if found:
                some = list(found.items())[:8]
                named = ", ".join(f"{name} ({wording.counted(count, 'picture')})" for name, count in some)
                more = ", ..." if len(found) > 8 else ""
                said.append(f"{wording.counted(len(found), what)}: {named}{more}.")
        if self.first and self.last:
            known = wording.counted(self.timed, "picture")
            said.append(f"Times of {known}: {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC.")
        elif self.pictures:
            said.append("No picture has a time: an images.csv with captured_at, or its file's name, can say it.")
        if self.orphan_masks:
            said.append(f"{wording.counted(self.orphan_masks, 'mask')} of no picture.")
        return [*said, *(f"{note[0].upper()}{note[1:]}." for note in self.notes)]


def of_folder(
    root: Path, sidecar_file: Path | None = None, layouts: Sequence[Layout] = (), times: Times = ISO
) -> Overview:
    """What the archive below `root` holds.

    Args:
        root: its folder.
        sidecar_file: instead of the archive's own images.csv, images.jsonl or images.xlsx.
        layouts: one's own, looked for before the project's.
        times: how the sidecar's are meant where they don't say it themselves.

    Raises:
        ArchiveError: the folder or the sidecar can't be used at all.
    """
    found = archive.scan(root, pl.DataFrame(), sidecar_file, read_content=lambda _: "", layouts=layouts, times=times)
    moments = [entry.captured_at for entry in found.entries if entry.captured_at]
    return Overview(
        root=found.archive.root,
        pictures=len(found.entries),
        references=len(found.references),
        layouts=dict(found.layouts),
        kinds=_kinds(found.registered, {entry.path for entry in found.references}),
        orphan_masks=sum(problem.kind == layout.ORPHAN for problem in found.problems),
        lines=_counted(entry.line for entry in found.entries),
        cameras=_counted(entry.camera for entry in found.entries),
        lots=_counted(entry.lot for entry in found.entries),
        pieces=len({(entry.product, entry.serial, entry.lot) for entry in found.entries if entry.serial}),
        timed=len(moments),
        first=min(moments, default=None),
        last=max(moments, default=None),
        notes=found.notes,
        passed_over=account([*found.problems, *_further_pages(Path(found.archive.root), found.registered)]),
    )


def _kinds(entries: Sequence[Entry], references: set[str]) -> tuple[Kind, ...]:
    by_kind: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        label = "reference" if entry.path in references else entry.defect or entry.label or NO_LABEL
        by_kind.setdefault((entry.dataset, entry.product, label), []).append(entry)
    kinds = []
    for (dataset, product, label), found in sorted(by_kind.items()):
        step = max(1, len(found) // EXAMPLES)  # from the beginning, the middle and the end of the folder
        examples = tuple(entry.path for entry in found[::step][:EXAMPLES])
        masks = sum(entry.mask_path is not None for entry in found)
        kinds.append(Kind(dataset, product, label, len(found), masks, examples))
    return tuple(kinds)


def _further_pages(root: Path, entries: Sequence[Entry]) -> Iterator[Problem]:
    """The TIFFs with pages behind their first."""
    paths = [entry.path for entry in entries if entry.path.lower().endswith((".tif", ".tiff"))]
    with ThreadPoolExecutor(_READERS) as readers:
        for path, pages in zip(paths, readers.map(lambda path: _pages(root / path), paths), strict=True):
            if pages:
                yield Problem(path, "pages behind the first aren't looked at")


def _pages(file: Path) -> int:
    try:
        with file.open("rb") as opened:
            return tiff_pages.further_pages(opened)
    except OSError:
        return 0


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    return dict(Counter(name for name in names if name).most_common())
