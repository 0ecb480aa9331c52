"""Normal pictures in and through their states: from an archive, from verdicts, to published and back.

    an archive's `train/good`, its sidecar's references, a folder of references -> `import_archive` -> published
    cases that people settled as good though a run called them defective -> `propose` -> proposed
    a proposed or retired one, by a person -> `publish`; any -> `retire`
    what `workbench knowledge export` wrote, here or elsewhere -> `import_file`, each where it stood

What an archive declares as normal is published at once, as there is nothing yet to hold it against; the history says
so. Whoever opens a normal checks its bytes, as of every picture. Which published ones look out of place, and what
publishing one would do, is said by `normal_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from warehouse.bounded import same_name
from warehouse.identity import cluster_id
from warehouse.queries.normals import LeftOut, Normals, TakenNormals
from warehouse.records.audit import Actor
from warehouse.records.normals import Normal, NormalOrigin
from warehouse.records.scoring import Entry, KnowledgeVersion
from warehouse.store import Store
from workbench import wording
from workbench.archive import layout_table, normal_files, references
from workbench.archive import scan as archive
from workbench.archive.image_decoding import SUFFIXES
from workbench.archive.scan import Scan, content_of
from workbench.archive.sidecar import Times
from workbench.curation.normal_checks import Checks
from workbench.errors import ArchiveError, CannotPublish
from workbench.scoring import prepare_run
from workbench.settings import Settings

_NOT_STORED = datetime(1970, 1, 1, tzinfo=UTC)  # of a row that `Normals.take` dates
FOLDER: NormalOrigin = "normal folder"
SIDECAR: NormalOrigin = "sidecar reference"
REFERENCES: NormalOrigin = "references folder"
_NOWHERE = "no archive that is registered here holds it; give the one that does with --archive"


@dataclass(frozen=True, slots=True)
class Declared:
    """What an archive and a folder beside it call normal."""

    archive: str  # its root
    normals: tuple[Normal, ...]
    left_out: tuple[LeftOut, ...]


def import_archive(store: Store, root: Path, settings: Settings, publish: bool = True, *, actor: Actor) -> TakenNormals:
    """What an archive declares as normal, published, or proposed; the archive is registered, so that they can be seen.

    Args:
        store: whose knowledge grows.
        root: the archive's folder.
        settings: its sidecar, layouts, times and the folder of references.
        publish: False leaves new ones proposed.
        actor: who imports.

    Raises:
        ArchiveError: the archive or the folder of references can't be read, or declares no normal picture.
    """
    known = store.entries(archive.identify(root).archive_id)
    scanned = _scan(root, known, settings)
    declared = of_scan(scanned, settings.support.references)
    if not declared.normals:
        why = f": {declared.left_out[0].path}: {declared.left_out[0].reason}" if declared.left_out else ""
        raise ArchiveError(
            f"{root} declares no normal picture{why}; put good ones into PRODUCT/train/good, name one in the sidecar's "
            "column `reference`, or give a folder with --references"
        )
    _register(store, scanned, known)
    taken = Normals(store.data).take(declared.normals, f"declared by {scanned.archive.name}", publish, actor=actor)
    left_out = (*declared.left_out, *taken.left_out)
    return replace(taken, left_out=left_out)


def import_file(store: Store, file: Path, publish: bool = True, *, actor: Actor) -> TakenNormals:
    """The normals that an export holds, each where it stood, by whom and when.

    A picture is taken where it lay if its archive is registered here, else where an archive that is holds the same
    content, under the names that it has there; one that none holds is left out.

    Raises:
        KnowledgeError: the file can't be read.
    """
    normals, here = Normals(store.data), {each.archive_id for each in store.archives()}
    named = normal_files.read(file)
    elsewhere = normals.entries_of(
        each.content for each in named if each.archive_id not in here or each.origin == REFERENCES
    )
    placed: dict[str, Normal] = {}
    left_out: list[LeftOut] = []
    for each in named:
        entry = elsewhere.get(each.content)
        if each.content in placed:
            left_out.append(LeftOut(each.path, "the file names its content twice"))
        elif each.archive_id in here and (each.origin != REFERENCES or Path(each.path).is_file()):
            placed[each.content] = each
        elif entry is not None:
            there = _of_entry(entry, entry.product, each.origin, each.judgement_id)
            placed[each.content] = replace(
                there, state=each.state, author=each.author, reason=each.reason, created_at=each.created_at
            )
        else:
            left_out.append(LeftOut(each.path, _NOWHERE))
    taken = normals.adopt(placed.values(), f"imported from {file.name}", publish, actor=actor)
    return replace(taken, left_out=(*left_out, *taken.left_out))


def register(store: Store, root: Path, settings: Settings) -> None:
    """Make an archive's pictures known, so that normals can be found among them; nothing becomes a normal by it.

    Raises:
        ArchiveError: it can't be read.
    """
    known = store.entries(archive.identify(root).archive_id)
    _register(store, _scan(root, known, settings), known)


def _scan(root: Path, known: pl.DataFrame, settings: Settings) -> Scan:
    found = archive.scan(
        root,
        known,
        settings.work.sidecar,
        layouts=layout_table.from_settings(settings.work.layouts),
        times=Times(settings.work.day_first, settings.work.time_zone),
        tiling=prepare_run.tiling_of(settings),
    )
    return references.set_aside(found, settings.support.references)


def _register(store: Store, scanned: Scan, known: pl.DataFrame) -> None:
    store.register_archive(scanned.archive)
    store.upsert_entries(scanned.archive.archive_id, archive.changed(scanned.registered, known))


def of_scan(scanned: Scan, folder: Path | None = None) -> Declared:
    """The normals that a scanned archive declares: `train/good`, what its sidecar names as a reference, and, for
    products of which it has none of its own, a folder's: DIR/product/*, and DIR/* where there is but one product.

    Raises:
        ArchiveError: the folder can't be read.
    """
    normals = [_of_entry(each, each.product, FOLDER) for each in scanned.references if each.label == "good"]
    taken = {each.path for each in normals}
    served: dict[str, set[tuple[str, str]]] = {}
    for entry in scanned.entries:
        if entry.reference_path is not None:
            served.setdefault(entry.reference_path, set()).add((entry.dataset, entry.product))
    left_out: list[LeftOut] = []
    for entry in scanned.registered:
        products = served.get(entry.path, set())
        if entry.path in taken or not products:
            continue
        if entry.label == "defective":
            left_out.append(LeftOut(entry.path, "its archive says that it is defective"))
        elif len(products) > 1 and (entry.dataset, entry.product) not in products:
            names = ", ".join(sorted(product for _, product in products))
            left_out.append(LeftOut(entry.path, f"it is named as the reference of several products: {names}"))
        else:
            own = (entry.dataset, entry.product) in products
            normals.append(_of_entry(entry, entry.product if own else min(products)[1], SIDECAR))
    have = {(each.dataset, each.product) for each in normals}
    bare = sorted({(entry.dataset, entry.product) for entry in scanned.entries} - have)
    if folder is not None and bare:
        found, strange = _of_folder(folder, scanned.archive.archive_id, bare)
        normals += found
        left_out += strange
    return Declared(scanned.archive.root, tuple(normals), tuple(left_out))


def propose(store: Store, *, actor: Actor) -> TakenNormals:
    """Cases that people settled as good and a run had called defective, as proposed normals. None is published.

    A picture that its archive or other people call defective, or of whose piece another picture is, is left out, with
    the reason.
    """
    normals = Normals(store.data)
    confirmed = normals.confirmed_good()
    people = sorted({each.author for each in confirmed})
    who = people[0] if len(people) == 1 else wording.counted(len(people), "reviewer")
    pictures = [_of_entry(each.entry, each.entry.product, "verdict", each.judgement_id) for each in confirmed]
    return normals.take(pictures, f"overkill that {who} settled as good", publish=False, actor=actor)


def publish(
    store: Store, pictures: Sequence[Normal], reason: str | None, checks: Checks | None, *, actor: Actor
) -> KnowledgeVersion:
    """The published set with these normals in it, live for the next run.

    Args:
        store: whose knowledge it is.
        pictures: proposed or retired ones.
        reason: why; needed where the check says that a defect would be passed, or wasn't made.
        checks: ask what publishing would do; None: they aren't asked.
        actor: who publishes.

    Raises:
        CannotPublish: the check speaks against it, or wasn't made, and no reason is given.
        Refused: somebody says that one is defective, or another picture of its piece.
    """
    said = reason.strip() if reason else ""
    effect = checks.effect(pictures) if checks else None
    if effect is not None and effect.harmful:
        if not said:
            raise CannotPublish(f"{_called(pictures)}: {effect.words}; publish it all the same with --reason")
        said = f"against the check ({effect.words}): {said}"
    elif effect is not None:
        said = f"{said}; {effect.words}" if said else effect.words
    elif not said:
        raise CannotPublish(f"{_called(pictures)} was not checked; say why it is published with --reason")
    return Normals(store.data).publish([each.number for each in pictures], said, actor=actor)


def named(store: Store, names: Sequence[str]) -> list[Normal]:
    """The normals that these first digits of contents, or paths, name.

    Raises:
        CannotPublish: a name says nothing.
        Refused: there is no such normal, or there are several.
    """
    if not names:
        raise CannotPublish("name a normal by the first digits of its content; `workbench knowledge normals list`")
    normals = Normals(store.data)
    return [normals.named(name) for name in names]


def _called(chosen: Sequence[Normal]) -> str:
    return f"normal {chosen[0].content[:12]}" if len(chosen) == 1 else wording.counted(len(chosen), "normal")


def _of_entry(entry: Entry, product: str, origin: NormalOrigin, judgement_id: str | None = None) -> Normal:
    return Normal(
        number=0,
        content=entry.content,
        dataset=entry.dataset,
        product=product,
        piece=cluster_id(entry),
        archive_id=entry.archive_id,
        path=entry.path,
        state="proposed",
        origin=origin,
        judgement_id=judgement_id,
        author="",
        reason="",
        created_at=_NOT_STORED,
        tile=entry.tile,
        camera=entry.camera,
    )


def _of_folder(
    folder: Path, archive_id: str, products: Sequence[tuple[str, str]]
) -> tuple[list[Normal], list[LeftOut]]:
    try:
        by_name = {same_name(item.name): item for item in folder.iterdir() if item.is_dir()}
        found: list[Normal] = []
        bare: list[tuple[str, str]] = []
        for dataset, product in products:
            own = list(_pictures(by_name[same_name(product)])) if same_name(product) in by_name else []
            found += [_of_file(file, archive_id, dataset, product) for file in own]
            bare += [] if own else [(dataset, product)]
        loose = list(_pictures(folder)) if bare else []
        if len(bare) == 1:
            found += [_of_file(file, archive_id, *bare[0]) for file in loose]
            loose = []
        names = ", ".join(product for _, product in bare)
        why = f"nothing tells of which product it is: put it into a folder named as one of {names}"
        return found, [LeftOut(str(file), why) for file in loose]
    except OSError as error:
        raise ArchiveError(f"the references in {folder} can't be read: {error.strerror or error}") from error


def _pictures(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file():
            yield file.resolve()


def _of_file(file: Path, archive_id: str, dataset: str, product: str) -> Normal:
    content = content_of(file)
    return Normal(
        0, content, dataset, product, content, archive_id, str(file), "proposed", REFERENCES, None, "", "", _NOT_STORED
    )
