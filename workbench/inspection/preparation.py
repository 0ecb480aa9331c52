"""Everything that is settled before a run's first block: what is asked of which images, by which model, with what.

Cheap checks come first: a bad archive, question file or reference folder is told before any model is loaded. The
warehouse gets to know the archive and its entries here, so that the dashboard may show them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from warehouse import claims
from warehouse.records import Archive, Description, Entry, KnowledgeVersion
from warehouse.store import Store
from workbench import settings as configuration
from workbench.inspection import (
    archive,
    crew,
    images,
    models,
    plan,
    question_file,
    questions,
    references,
    retrieval,
    tone,
)
from workbench.inspection.crew import Crew
from workbench.inspection.errors import ArchiveError, NothingNew, QuestionsError, in_groups
from workbench.inspection.part import Part
from workbench.inspection.plan import Plan
from workbench.inspection.questions import QuestionSet
from workbench.inspection.tone import Tones
from workbench.model import prompt
from workbench.settings import Facts, Settings

INSPECTION = "inspection"
PROTOCOL = "inspection:1"  # raise with the wording or the options of the inspection protocol
SHOWN = 3  # products


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that could begin."""

    archive: Archive
    settings: Settings  # with device, dtype and size of blocks settled
    plan: Plan
    crew: Crew
    facts: Facts
    digest: str
    notes: tuple[str, ...]  # what a person should know
    waiting: int = 0  # files that may still be being written: another pass takes them
    any_size: bool = False  # nobody said how large blocks are

    def in_blocks_of(self, images: int) -> Prepared:
        """The same run cut otherwise."""
        settings = replace(self.settings, work=replace(self.settings.work, block_images=images))
        return replace(self, plan=plan.recut(self.plan, images), settings=settings)


def prepare(
    root: Path, settings: Settings, store: Store, step: Callable[[str], None], part: Part | None = None
) -> Prepared:
    """The run of these settings over the archive below `root`, or over a part of it.

    Args:
        step: is told what is being done.

    Raises:
        NothingNew: the part is empty.
        InspectionError: the archive, its questions or retrieval's encoder can't be used.
        BackboneError: the model can't be loaded.
    """
    step(f"scanning {root}")
    archive_id = archive.identify(root).archive_id
    known = store.entries(archive_id)
    scan = archive.scan(
        root,
        known,
        settings.work.sidecar,
        lambda images: step(f"scanning {root}: {images:,} images"),
        settle_seconds=part.settle_seconds if part else 0.0,
        again=store.failed_paths(archive_id),
    )
    if part and known.height and not scan.registered and not scan.waiting:
        raise ArchiveError(f"{root} is empty, but {known.height:,} images were there: is its disk mounted?")
    chosen = None if part is None else part.choose(scan)
    version, descriptions = store.published_knowledge()
    file = _question_file(scan.archive, settings)
    asked = _questions(scan, settings, file, descriptions, chosen)
    if not asked.items and part is None:
        raise _nothing_to_ask(root, scan, file, asked)
    store.register_archive(scan.archive)
    found = questions.registered(scan, asked)
    store.upsert_entries(scan.archive.archive_id, archive.changed(found, known) if part else found)
    if not asked.items:
        raise NothingNew(f"{root} has no image that isn't scored yet", len(scan.waiting))
    any_size = settings.work.block_images is None
    machine = models.placed(settings.machine)
    together = settings.work.block_images or models.block_images(machine)
    settings = replace(settings, machine=machine, work=replace(settings.work, block_images=together))
    planned = plan.make(asked.items, settings.work.limit, together)
    tones = tones_of(scan, settings)
    notes = tuple(_notes(scan, asked, planned, settings, version, descriptions, store, tones))
    asked_from = hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file else PROTOCOL

    # Last: a crew may be processes, and nobody would end them if something failed after this.
    answering = crew.gather(settings, descriptions, step)
    used = version if settings.support.knowledge != "none" else None
    facts = Facts(
        weights=answering.weights,
        dtype=settings.machine.dtype,
        prompt=prompt.VERSION,
        questions=asked_from,
        knowledge_version=used.version if used else None,
        encoder=answering.encoder,
        tones=tones.stated(),
    )
    return Prepared(
        archive=scan.archive,
        settings=settings,
        plan=planned,
        crew=answering,
        facts=facts,
        digest=configuration.digest(settings, facts),
        notes=notes,
        waiting=len(scan.waiting),
        any_size=any_size,
    )


def tones_of(scan: archive.Scan, settings: Settings) -> Tones:
    """The ranges that the archive's deep pictures are seen with, from the settings or from a sample."""
    root, support = Path(scan.archive.root), settings.support
    return tone.choose(
        scan.registered, lambda entry: images.brightness(root / entry.path), support.integer_range, support.float_range
    )


def _question_file(found: Archive, settings: Settings) -> Path | None:
    """The file to ask from; None for the inspection protocol."""
    named = settings.work.questions
    if named is None:
        own = Path(found.root) / "mmad.json"
        return own if own.is_file() else None
    return None if named == INSPECTION else Path(named)


def _questions(
    scan: archive.Scan,
    settings: Settings,
    file: Path | None,
    descriptions: list[Description],
    chosen: Sequence[Entry] | None,
) -> QuestionSet:
    """The questions about all images, or about the chosen ones; references are looked for among all in either case."""
    support = settings.support
    normal = references.gather(scan, support.references, settings.method.seed) if support.shots else None
    if file is None:
        asked = scan if chosen is None else replace(scan, entries=list(chosen))
        return questions.inspection(asked, descriptions, normal)
    if chosen is None:
        return question_file.read(file, scan, normal, support.templates)
    wanted = {entry.image_id: entry for entry in chosen}
    here = {entry.image_id for entry in scan.registered}
    gone = [entry for image_id, entry in wanted.items() if image_id not in here]
    found = question_file.read(file, replace(scan, entries=[*scan.entries, *gone]), normal, support.templates)
    return replace(found, items=[item for item in found.items if item.entry.image_id in wanted])


def _nothing_to_ask(root: Path, scan: archive.Scan, file: Path | None, asked: QuestionSet) -> Exception:
    left_out = f"; left out: {in_groups(scan.problems)}" if scan.problems else ""
    if not scan.registered and scan.problems:
        return ArchiveError(f"nothing below {root} can be used as an image{left_out}")
    if not scan.registered:
        return ArchiveError(f"{root} holds no images; give the folder that has them, at any depth")
    if file is None:
        return ArchiveError(f"{root} holds normal reference images only; there is nothing to inspect{left_out}")
    why = f": {asked.problems[0].path}: {asked.problems[0].reason}" if asked.problems else ""
    return QuestionsError(f"{file} has no usable question about the {len(scan.registered)} images below {root}{why}")


def _notes(
    scan: archive.Scan,
    asked: QuestionSet,
    planned: Plan,
    settings: Settings,
    version: KnowledgeVersion | None,
    descriptions: list[Description],
    store: Store,
    tones: Tones,
) -> Iterable[str]:
    items = [each for block in planned.blocks for each in block.asked]
    if settings.support.knowledge != "none" and version is None:
        yield "no knowledge is published: scored without any (workbench knowledge import FILE)"
    if settings.support.knowledge == "product" and version is not None:
        known = retrieval.ByProduct(descriptions)
        missing = sorted({f"{e.dataset}/{e.product}" for e in (each.entry for each in items) if not known.of(e)})
        if missing:
            yield f"no knowledge about {', '.join(missing[:SHOWN])}{' and others' if len(missing) > SHOWN else ''}"
    if settings.support.shots:
        bare = len({each.entry.image_id for each in items if each.reference is None})
        if bare:
            yield f"images without a normal reference, asked zero-shot: {bare} (--references DIR)"
        distinct = len({each.reference for each in items if each.reference})
        if distinct:  # each is read once while memory lasts; MMAD has nearly one per image
            images = len({each.entry.image_id for each in items if each.reference})
            yield f"images with a normal reference: {images}; distinct references: {distinct}"
    if tones != Tones():
        yield f"pictures deeper than 8 bit are seen in the range {tones.in_words()}"
    for problems, place in ((scan.problems, "in the archive"), (asked.problems, "in the question file")):
        if problems:
            yield f"left out {place}: {in_groups(problems)}"
    yield from scan.notes
    unclear = [each.question for each in items if claims.unclear(each.claims)]
    if unclear:
        options = " / ".join(option.text for option in unclear[0].options)
        yield (
            f"detection questions of which nothing tells which option claims a defect: {len(unclear)}, such as "
            f"“{unclear[0].question}” ({options}); their answers count as neither alarm, escape nor overkill (labels "
            "that agree with the answer key tell, or plain words for options)"
        )
    conflicts = store.conflicts(scan.archive.archive_id)
    if len(conflicts):
        contents = conflicts["content"].n_unique()
        yield f"images that lie in the archive under different labels: {contents}, such as {conflicts['path'][0]}"
