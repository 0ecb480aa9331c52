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
from warehouse.queries import settled_kinds
from warehouse.queries.knowledge_used import KnowledgeUsed
from warehouse.queries.measures import PictureMeasures
from warehouse.queries.normals import Normals
from warehouse.records.questions import Subtask
from warehouse.records.scoring import Archive, Description, Entry, KnowledgeVersion, PassedOver
from warehouse.store import Store
from workbench import question_sets, wording
from workbench import settings as configuration
from workbench.archive import (
    image_decoding,
    layout_table,
    question_file,
    questions,
    references,
    registered_sets,
    run_views,
    tiles,
    tone_range,
)
from workbench.archive import scan as archive
from workbench.archive.measures import KNOWN_AT_ONCE
from workbench.archive.picture_memory import PIXEL_LIMIT
from workbench.archive.problems import Problem, account, in_sentence
from workbench.archive.questions import QuestionList
from workbench.archive.run_views import RunViews
from workbench.archive.sidecar import Times
from workbench.archive.tiles import Tiling
from workbench.archive.tone_range import Tones
from workbench.errors import ArchiveError, NothingNew, QuestionsError, SettingsError
from workbench.model import prompt
from workbench.question_sets import QuestionSet
from workbench.scoring import (
    answerable,
    evidence,
    executor_factory,
    like_references,
    models,
    plan,
    retrieval,
    run_comparer,
    run_resources,
)
from workbench.scoring.executor import Executor
from workbench.scoring.like_references import LikePlan
from workbench.scoring.own_tower import EarlyModel
from workbench.scoring.plan import Plan
from workbench.scoring.run_resources import PictureFile, RunResources
from workbench.scoring.subset import Part
from workbench.settings import COMPARE, OWN_TOWER, SWAPPED, Facts, Settings

PROTOCOL = "inspection:1"  # in digests, instead of the built-in set's version: raise it when that set changes
SHOWN = 3  # products
MOST_SETTLED = 1000  # cases by which the kind of a defect is told, the newest


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that could begin."""

    archive: Archive
    settings: Settings  # with device, dtype and size of blocks settled
    plan: Plan
    executor: Executor
    facts: Facts
    digest: str
    question_set: str  # its name
    subtasks: tuple[Subtask, ...]  # as the set declares them
    notes: tuple[str, ...]  # what a person should know
    passed_over: tuple[PassedOver, ...] = ()  # of the archive and the questions
    waiting: int = 0  # files that may still be being written: another pass takes them
    any_size: bool = False  # nobody said how large blocks are

    def in_blocks_of(self, images: int) -> Prepared:
        """The same run cut otherwise."""
        settings = replace(self.settings, work=replace(self.settings.work, block_images=images))
        return replace(self, plan=plan.with_block_size(self.plan, images), settings=settings)


def prepare(
    root: Path, settings: Settings, store: Store, step: Callable[[str], None], part: Part | None = None
) -> Prepared:
    """The run of these settings over the archive below `root`, or over a part of it.

    Args:
        root: the archive's folder; or one picture, which is scored alone, as part of the archive that it lies in.
        step: is told what is being done.

    Raises:
        NothingNew: the part is empty.
        WorkbenchError: the archive, its questions or retrieval's encoder can't be used.
        BackboneError: the model can't be loaded.
    """
    step(f"scanning {root}")
    settings = models.effective(settings)
    if settings.method.region_picture and not {COMPARE, SWAPPED} & settings.support.shows:
        raise SettingsError("region_picture shows what a comparison marks; give --evidence texts,compare")
    picture = None
    if root.is_file():
        root, picture = archive.placed(root, store.archives())
    archive_id, measures = archive.identify(root).archive_id, PictureMeasures(store.data)
    known = store.entries(archive_id)
    scan = archive.scan(
        root,
        known,
        settings.work.sidecar,
        lambda images: step(f"scanning {root}: {wording.counted(images, 'image')}"),
        settle_seconds=part.settle_seconds if part else 0.0,
        again=store.failed_paths(archive_id),
        picture=picture,
        layouts=layout_table.from_settings(settings.work.layouts),
        times=Times(settings.work.day_first, settings.work.time_zone),
        tiling=tiling_of(settings),
        unmeasured=measures.missing(archive_id, KNOWN_AT_ONCE),
    )
    if picture is None:  # one that is named is scored wherever it lies
        scan = references.set_aside(scan, settings.support.references)
    if part and known.height and not scan.registered and not scan.waiting:
        raise ArchiveError(f"{root} is empty, but held {wording.counted(known.height, 'image')}: is its disk mounted?")
    chosen = part.choose(scan) if part else scan.entries if picture else None
    version, descriptions = store.published_knowledge()
    declared, file = chosen_set(store.data, Path(scan.archive.root), settings.work.questions)
    asked = _questions(scan, settings, declared, file, descriptions, chosen)
    if picture:
        asked = replace(asked, problems=[one for one in asked.problems if one.path.endswith(picture)])
    if picture and file and not asked.items:
        why = f" ({asked.problems[0].reason})" if asked.problems else ""
        raise QuestionsError(
            f"{file} has no usable question about {picture}{why}; `--questions inspection` asks its own"
        )
    if not asked.items and part is None:
        raise _nothing_to_ask(root, scan, file, asked)
    store.register_archive(scan.archive)
    measures.store(scan.measures)
    found = questions.registered(scan, asked)
    store.upsert_entries(scan.archive.archive_id, archive.changed(found, known) if part or picture else found)
    if not asked.items:
        raise NothingNew(f"{root} has no image that isn't scored yet", len(scan.waiting), _passed_over(scan, asked))
    any_size = settings.work.block_images is None
    machine = models.placed(settings.machine)
    together = settings.work.block_images or models.block_images(machine)
    settings = replace(settings, machine=machine, work=replace(settings.work, block_images=together))
    views = views_of(scan, settings)
    resources = _resources(scan, settings, declared, version, descriptions, store, views)
    not_asked: tuple[str, ...] = ()
    if settings.machine.model == COMPARE:
        asked, not_asked = answerable.by_comparing(asked, declared.subtasks, resources)
    planned = plan.make(asked.items, settings.work.limit, together)
    alike, early = LikePlan(planned), EarlyModel()
    if models.likens_references(settings):
        load_tower = early.tower if settings.support.compare == OWN_TOWER else run_comparer.load_named_tower
        alike = like_references.replan(planned, settings, resources, Path(scan.archive.root), views, step, load_tower)
    planned = alike.plan
    notes = (*_notes(scan, asked, planned, settings, version, descriptions, store, views), *not_asked, *alike.notes)
    asked_from = _asked_from(declared, file)

    # Last: an executor may be processes, and nobody would end them if something failed after this.
    used = KnowledgeUsed(store.data).name(
        version, texts=settings.support.knowledge != "none", normals=models.compares(settings)
    )
    executor = executor_factory.create(settings, resources, step, early)
    facts = Facts(
        weights=executor.declaration.version,
        dtype=settings.machine.dtype,
        prompt=prompt.VERSION,
        questions=asked_from,
        knowledge_version=used,
        encoder=executor.encoder,
        sources={name: it for name, it in executor.source_versions.items() if name != evidence.KNOWLEDGE} or None,
        tones=views.tones.stated(),
        views=views.stated(),
        settled=resources.settled_identity,
    )
    return Prepared(
        archive=scan.archive,
        settings=settings,
        plan=planned,
        executor=executor,
        facts=facts,
        digest=configuration.digest(settings, facts),
        question_set=declared.name,
        subtasks=declared.subtasks,
        notes=(*notes, *executor.notes, *_without_normals(settings, resources, planned)),
        passed_over=_passed_over(scan, asked),
        waiting=len(scan.waiting),
        any_size=any_size,
    )


def _resources(
    scan: archive.Scan,
    settings: Settings,
    declared: QuestionSet,
    version: KnowledgeVersion | None,
    descriptions: Sequence[Description],
    store: Store,
    views: RunViews,
) -> RunResources:
    """What the run's models are given; pictures only where pictures are compared."""
    resources = RunResources(tuple(descriptions), declared.subtasks)
    compares = models.compares(settings)
    if not compares and not models.likens_references(settings):
        return resources
    roots = {each.archive_id: Path(each.root) for each in store.archives()}
    known, folder = Normals(store.data), settings.support.references
    published = known.of_version(version.version) if version else []  # of the moment of the texts
    normals = run_resources.normals_of(scan, published, known.retired_contents(), roots, folder, views)
    pictures: tuple[PictureFile, ...] = ()
    if compares and (not normals or SWAPPED in settings.support.shows):
        pictures = run_resources.pictures_of(scan.entries, Path(scan.archive.root), views)
    resources = replace(resources, normals=normals, pictures=pictures)
    asks_kinds = any(each.about == "defect type" and each.kind == "choice" for each in declared.subtasks)
    if settings.machine.model != COMPARE or not normals or not asks_kinds:
        return resources
    kinds = settled_kinds.newest(store.data, MOST_SETTLED)
    return run_resources.with_settled(resources, kinds, scan.entries, roots, views)


def _without_normals(settings: Settings, resources: RunResources, planned: Plan) -> Iterable[str]:
    """The products that are compared with normal pictures of other products, for want of their own."""
    if not models.compares(settings) or not resources.normals:
        return
    entries = (each.entry for block in planned.blocks for each in block.asked)
    if missing := run_resources.products_without(resources.normals, entries):
        named = f"{', '.join(missing[:SHOWN])}{' and others' if len(missing) > SHOWN else ''}"
        yield f"products without a normal picture: {named}; their pictures are compared with those of other products"


def views_of(scan: archive.Scan, settings: Settings) -> RunViews:
    """How the archive's pictures are seen: regions of interest from the settings, the ranges of deep pictures from
    there or from a sample.

    Raises:
        SettingsError: a view of the settings can't be read.
    """
    root, support, table = Path(scan.archive.root), settings.support, run_views.from_settings(settings.support.views)
    tones = tone_range.choose(
        scan.registered,
        lambda entry: image_decoding.brightness(root / entry.path),
        support.integer_range,
        support.float_range,
        table.tone,
    )
    return RunViews(tones, table.regions, tiles.RULE if any(entry.tile for entry in scan.entries) else None)


def tiling_of(settings: Settings) -> Tiling:
    """Which pictures are inspected in tiles.

    Raises:
        SettingsError: a view of the settings can't be read.
    """
    return Tiling(settings.work.tiled_above or PIXEL_LIMIT, run_views.from_settings(settings.support.views))


def chosen_set(data: Path, root: Path, named: str | None) -> tuple[QuestionSet, Path | None]:
    """The question set to ask, and the file that brings its questions; None where the set brings them.

    Args:
        data: the data folder, whose registered sets are known by name.
        root: the archive.
        named: a set's name, or an mmad.json; None: the archive's own mmad.json, else the inspection protocol.

    Raises:
        QuestionsError: there is no such set and no such file; the file declares a set that is not registered; or the
            set asks the questions of the archive's mmad.json, and there is none.
    """
    own = root / "mmad.json"
    if named is None:
        named = question_sets.MMAD if own.is_file() else question_sets.INSPECTION
    declared = registered_sets.set_or_file(data, named)
    if declared is None:
        return question_sets.built_in(question_sets.MMAD), Path(named)
    if declared.has_own_questions:
        return declared, None
    if not own.is_file():
        raise QuestionsError(f"the question set {named} asks what an mmad.json says, and {root} has none at its root")
    return declared, own


def _asked_from(declared: QuestionSet, file: Path | None) -> str:
    """What the questions came from: the file, the set's version, or both. Built-in sets change with the program."""
    built_in = {question_sets.MMAD: "", question_sets.INSPECTION: PROTOCOL}
    version = built_in.get(declared.name, declared.version)
    content = hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file else ""
    return "+".join(filter(None, (content, version)))


def _questions(
    scan: archive.Scan,
    settings: Settings,
    declared: QuestionSet,
    file: Path | None,
    descriptions: list[Description],
    entries: Sequence[Entry] | None,
) -> QuestionList:
    """The questions about all images, or about some entries; references are looked for among all in either case."""
    support = settings.support
    normal = references.gather(scan, support.references, settings.method.seed) if support.shots else None
    if file is None:
        asked = scan if entries is None else replace(scan, entries=list(entries))
        return questions.of_set(declared, asked, descriptions, normal)
    if entries is None:
        return question_file.read(file, scan, normal, support.templates, declared)
    wanted = {entry.image_id: entry for entry in entries}
    here = {entry.image_id for entry in scan.registered}
    gone = [entry for image_id, entry in wanted.items() if image_id not in here]
    whole = replace(scan, entries=[*scan.entries, *gone])
    found = question_file.read(file, whole, normal, support.templates, declared)
    return replace(found, items=[item for item in found.items if item.entry.image_id in wanted])


def _passed_over(scan: archive.Scan, asked: QuestionList) -> tuple[PassedOver, ...]:
    """What the archive and the questions hold that isn't used."""
    outside = "asks about images outside the folder that was given"
    records = [Problem("the question file", outside, unit="record", count=asked.elsewhere)] if asked.elsewhere else []
    return account([*scan.problems, *asked.problems, *records])


def _nothing_to_ask(root: Path, scan: archive.Scan, file: Path | None, asked: QuestionList) -> Exception:
    left_out = f"; left out: {in_sentence(account(scan.problems))}" if scan.problems else ""
    if not scan.registered and scan.problems:
        return ArchiveError(f"nothing below {root} can be used as an image{left_out}")
    if not scan.registered:
        return ArchiveError(f"{root} holds no images; give the folder that has them, at any depth")
    if file is None and not asked.problems:
        return ArchiveError(f"{root} holds normal reference images only; there is nothing to inspect{left_out}")
    why = f": {asked.problems[0].path}: {asked.problems[0].reason}" if asked.problems else ""
    asks = file or "the question set"
    return QuestionsError(
        f"{asks} has no usable question about the {wording.counted(len(scan.registered), 'image')} below {root}{why}"
    )


def _notes(
    scan: archive.Scan,
    asked: QuestionList,
    planned: Plan,
    settings: Settings,
    version: KnowledgeVersion | None,
    descriptions: list[Description],
    store: Store,
    views: RunViews,
) -> Iterable[str]:
    items = [each for block in planned.blocks for each in block.asked]
    if planned.planned < len(asked.items):
        some, every = (len({each.entry.image_id for each in questions}) for questions in (items, asked.items))
        yield (
            f"--limit counts questions, not images: asked {planned.planned:,} of "
            f"{wording.counted(len(asked.items), 'question')}, "
            f"about {some:,} of {wording.counted(every, 'image')}"
        )
    if settings.support.knowledge != "none" and not descriptions:
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
    if views.tones != Tones():
        yield f"pictures deeper than 8 bit are seen in the range {views.tones.in_words()}"
    if views.regions:
        yield f"regions of interest: {run_views.in_words(views.stated())}"
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
