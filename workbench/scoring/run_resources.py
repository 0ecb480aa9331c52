"""What a run's models are given beside the settings: published texts, normal pictures, the questions' declarations.

    a scan, the published normals, --references -> the normal pictures of each product, as the run sees pictures

The published normals of a product count; where it has none, those that the archive itself declares (its normal folders,
the references of its sidecar), else those of the folder given with --references. A picture that somebody retired counts
in none of these. What is chosen travels to every process of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse import identity
from warehouse.records.normals import Normal as PublishedNormal
from warehouse.records.questions import Subtask
from warehouse.records.scoring import Description, Entry
from workbench.archive import references
from workbench.archive.run_views import RunViews
from workbench.archive.scan import Scan
from workbench.archive.tone_range import ALONE
from workbench.archive.view import View
from workbench.comparison.normal_bank import Normal

Product = tuple[str, str]  # data set and product


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture to compare with: what it is, and how its pixels are had."""

    normal: Normal
    path: Path
    view: View
    content: str  # of the picture as the warehouse knows it: of its file, or its tile


@dataclass(frozen=True, slots=True)
class RunResources:
    """See the module's opening lines."""

    descriptions: tuple[Description, ...] = ()
    subtasks: tuple[Subtask, ...] = ()  # as the question set declares them
    normals: tuple[PictureFile, ...] = ()
    pictures: tuple[PictureFile, ...] = ()  # the archive's own, where it is compared with itself


def normals_of(
    scan: Scan,
    published: Iterable[PublishedNormal],
    retired: Collection[str],
    roots: Mapping[str, Path],
    folder: Path | None,
    views: RunViews,
) -> tuple[PictureFile, ...]:
    """The normal pictures that a run over the archive compares with.

    Args:
        scan: of the archive.
        published: the published normals, of whatever archive.
        retired: contents of pictures that are no normals any more.
        roots: of the registered archives, by their identity.
        folder: normal pictures by product, or for all, as given with --references.
        views: how the run sees pictures.

    Raises:
        ArchiveError: a picture of the folder can't be read.
    """
    found: dict[Product, list[PictureFile]] = {}
    for normal in published:
        if root := roots.get(normal.archive_id):
            file = _file(normal, root / normal.path, normal.piece, views)
            found.setdefault((normal.dataset, normal.product), []).append(file)
    declared = {key: files for key, files in _declared(scan, views).items() if key not in found}
    products = {(entry.dataset, entry.product): entry for entry in scan.entries}
    for key, entry in products.items() if folder else ():
        if key not in found and key not in declared:
            declared[key] = _of_folder(folder, entry, views)  # type: ignore[arg-type]
    allowed = (file for files in declared.values() for file in files if file.content not in retired)
    return (*(file for files in found.values() for file in files), *allowed)


def pictures_of(entries: Iterable[Entry], root: Path, views: RunViews) -> tuple[PictureFile, ...]:
    """The pictures of an archive, as they are compared with each other."""
    return tuple(_file(entry, root / entry.path, identity.cluster_id(entry), views) for entry in entries)


def products_without(normals: Sequence[PictureFile], entries: Iterable[Entry]) -> list[str]:
    """The products among the entries of which there is no normal, by name."""
    known = {(each.normal.dataset, each.normal.product) for each in normals}
    return sorted({"/".join(key) for key in {(each.dataset, each.product) for each in entries} - known})


def _declared(scan: Scan, views: RunViews) -> dict[Product, list[PictureFile]]:
    """The archive's normal folders, and the references that its sidecar names, by product."""
    root = Path(scan.archive.root)
    named = {entry.reference_path for entry in scan.entries if entry.reference_path}
    taken = [entry for entry in scan.references if entry.label == "good"]
    taken += [entry for entry in scan.registered if entry.path in named and entry.label != "defective"]
    found: dict[Product, dict[str, PictureFile]] = {}
    for entry in taken:
        file = _file(entry, root / entry.path, identity.cluster_id(entry), views)
        found.setdefault((entry.dataset, entry.product), {})[file.normal.content] = file
    return {key: list(files.values()) for key, files in found.items()}


def _of_folder(folder: Path, entry: Entry, views: RunViews) -> list[PictureFile]:
    files = []
    for reference in references.of_folder(folder, entry.product):
        view = views.of_reference(reference, entry)
        key = _key(view)
        normal = Normal(key, entry.dataset, entry.product, None)
        files.append(PictureFile(normal, Path(reference.path), view, reference.content))
    return files


def _file(picture: Entry | PublishedNormal, path: Path, piece: str, views: RunViews) -> PictureFile:
    view = views.of_reference(picture, picture)
    normal = Normal(_key(view), picture.dataset, picture.product, piece)
    return PictureFile(normal, path, view, picture.content)


def _key(view: View) -> str:
    """What tells the picture's pixels apart: those of a deep one depend on the range that it is seen with."""
    if view.tone == ALONE:
        return view.identity
    return hashlib.sha256(f"{view.identity} {view.tone}".encode()).hexdigest()
