"""What a run's models are given beside the settings: published texts, normal pictures, the questions' declarations.

    a scan, the published normals, --references -> the normal pictures of each product, as the run sees pictures

The published normals of a product count; where it has none, those that the archive itself declares (its normal folders,
the references of its sidecar), else those of the folder given with --references. A picture that somebody retired counts
in none of these. What is chosen travels to every process of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from warehouse import identity
from warehouse.queries.settled_kinds import SettledKind
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
class SettledPicture:
    """A picture whose defect's kind people settled."""

    picture: PictureFile
    kind: str  # in the words of the option that is right


@dataclass(frozen=True, slots=True)
class RunResources:
    """See the module's opening lines."""

    descriptions: tuple[Description, ...] = ()
    subtasks: tuple[Subtask, ...] = ()  # as the question set declares them
    normals: tuple[PictureFile, ...] = ()
    pictures: tuple[PictureFile, ...] = ()  # the archive's own, where it is compared with itself
    settled: tuple[SettledPicture, ...] = ()  # by which a comparison answers of which kind a defect is
    # Pieces of which a case is settled, by `Picture.content`: none is judged by another picture of its own.
    settled_pieces: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled_identity(self) -> str | None:
        """A hash of the settled cases; None where there are none."""
        lines = sorted(
            f"{each.picture.normal.content}\0{each.picture.normal.piece}\0{each.kind}" for each in self.settled
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else None


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


def with_settled(
    resources: RunResources,
    kinds: Iterable[SettledKind],
    entries: Iterable[Entry],
    roots: Mapping[str, Path],
    views: RunViews,
) -> RunResources:
    """The resources with the settled cases, each picture once.

    Args:
        resources: of a run that answers by comparing.
        kinds: what people settled, the newest first.
        entries: of the run's archive.
        roots: of the registered archives, by their identity.
        views: how the run sees pictures.
    """
    settled: dict[str, SettledPicture] = {}
    for each in kinds:
        if root := roots.get(each.entry.archive_id):
            file = _file(each.entry, root / each.entry.path, identity.cluster_id(each.entry), views)
            settled.setdefault(file.normal.content, SettledPicture(file, each.kind))
    pieces = {each.picture.view.identity: each.picture.normal.piece or key for key, each in settled.items()}
    of_pieces = set(pieces.values())
    for entry in entries:
        if (piece := identity.cluster_id(entry)) in of_pieces:
            pieces[views.of(entry).identity] = piece
    return replace(resources, settled=tuple(settled.values()), settled_pieces=pieces)


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
        key = key_of(view)
        normal = Normal(key, entry.dataset, entry.product, None)
        files.append(PictureFile(normal, Path(reference.path), view, reference.content))
    return files


def _file(picture: Entry | PublishedNormal, path: Path, piece: str, views: RunViews) -> PictureFile:
    view = views.of_reference(picture, picture)
    normal = Normal(key_of(view), picture.dataset, picture.product, piece)
    return PictureFile(normal, path, view, picture.content)


def key_of(view: View) -> str:
    """What the bank calls a picture, by its pixels: those of a deep one depend on the range that it is seen with."""
    if view.tone == ALONE:
        return view.identity
    return hashlib.sha256(f"{view.identity} {view.tone}".encode()).hexdigest()
