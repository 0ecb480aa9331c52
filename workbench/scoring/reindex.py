"""The vector index made again from what is true: texts from the warehouse, images and patches from the archives' files.

Only what is missing is encoded, with the encoder and the model that the runs name; delete DATA/vectors first to have
everything anew. What can't be had any more - a file gone or changed, a model that isn't the one that was used - is
said, never replaced by something similar: a vector of other weights would be silently wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import polars as pl

from warehouse import schema
from warehouse.records.scoring import Entry, ImageVector, PatchVector, Run
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.archive import image_decoding
from workbench.archive.run_views import of_run
from workbench.archive.view import View
from workbench.errors import BackboneError, EncoderError, ReplacedImage, UnknownRun, UnreadableImage
from workbench.model.backbone import Backbone
from workbench.model.case import Picture
from workbench.model.embedder import Encoder
from workbench.scoring import answer_file, local_evaluator, models, retrieval
from workbench.settings import Machine, Settings, Support

AT_ONCE = 32  # images in one write


@dataclass(slots=True)
class Reindexed:
    """What was encoded, and what could not be."""

    texts: int = 0
    images: int = 0
    patches: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Used:
    """What a run used, as its record says it."""

    run: Run
    machine: Machine
    encoder: str | None  # as the user named it
    encoder_name: str | None  # with its weights; None when nothing was retrieved
    weights: str


def reindex(store: Store, step: Callable[[str], None]) -> Reindexed:
    """Encode every vector that the stored runs need and the index lacks."""
    done = Reindexed()
    vectors = Vectors(store.data)
    stored = (store.run(run_id) for run_id in store.runs()["run_id"])
    used = [_used(run) for run in stored if run and not answer_file.is_imported(run)]
    for name in sorted({each.encoder_name for each in used if each.encoder_name}):
        step(f"texts and images with {name}")
        runs = [each for each in used if each.encoder_name == name]
        if encoder := _encoder(runs[0], done):
            _texts(store, vectors, encoder, runs, done)
            _images(store, vectors, encoder, runs, done)
    for machine, weights in dict.fromkeys((each.machine, each.weights) for each in used):
        step(f"patches with {machine.model}")
        runs = [each for each in used if (each.machine, each.weights) == (machine, weights)]
        _patches(store, vectors, runs, done)
    return done


def images_of_run(store: Store, run_id: str, encoder: str | None, step: Callable[[str], None]) -> Reindexed:
    """Encode the images of one run that the index lacks, also where the run retrieved nothing: Map draws them.

    Args:
        store: where the run is.
        run_id: a run over an archive.
        encoder: the image encoder; None takes the run's, else its model's own, else the default one.
        step: told what is done.

    Raises:
        EncoderError: it can't be loaded.
        UnknownRun: there is no such run, or its answers were imported and brought no picture.
    """
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")
    if answer_file.is_imported(run):
        raise UnknownRun(f"run {run_id} is an answer file without pictures; score its archive: workbench score ARCHIVE")
    done, used = Reindexed(), _used(run)
    support = Support(encoder=encoder or used.encoder)
    loaded = models.load_encoder(Settings(support=support, machine=used.machine))
    step(f"images of {run_id} with {loaded.name}")
    _images(store, Vectors(store.data), loaded, [used], done)
    return done


def _used(run: Run) -> _Used:
    settings = json.loads(run.settings)
    facts = settings["facts"]
    machine = models.placed(
        Machine(model=run.model, dtype=facts["dtype"], max_image_tokens=settings["max_image_tokens"])
    )
    return _Used(run, machine, settings["encoder"], facts["encoder"], facts["weights"])


def _encoder(used: _Used, done: Reindexed) -> Encoder | None:
    """The encoder the run used, if it can be had unchanged."""
    try:
        encoder = models.load_encoder(Settings(support=Support(encoder=used.encoder), machine=used.machine))
    except EncoderError as error:
        done.left_out.append(str(error))
        return None
    if encoder.name != used.encoder_name:
        done.left_out.append(f"vectors of {used.encoder_name}: the encoder is now {encoder.name}")
        return None
    return encoder


def _texts(store: Store, vectors: Vectors, encoder: Encoder, runs: Sequence[_Used], done: Reindexed) -> None:
    versions = {each.run.knowledge_version for each in runs if each.run.knowledge_version}
    descriptions = {(d.description_id, d.revision): d for version in versions for d in store.knowledge(version)}
    before = len(vectors.text_windows(encoder.name))
    retrieval.text_index([descriptions[key] for key in sorted(descriptions)], encoder, vectors)
    done.texts += len(vectors.text_windows(encoder.name)) - before


def _images(store: Store, vectors: Vectors, encoder: Encoder, runs: Sequence[_Used], done: Reindexed) -> None:
    for batch in _batches(_scored(store, runs, done)):
        known = vectors.image_vectors([view.identity for _, _, view in batch], encoder.name)
        wanted = (item for item in batch if item[2].identity not in known)
        new = [vector for item in wanted if (vector := _image_vector(*item[1:], encoder, done))]
        if new:
            vectors.upsert_images(new)
            done.images += len(new)


def _image_vector(path: Path, view: View, encoder: Encoder, done: Reindexed) -> ImageVector | None:
    """The picture encoded; None, said, where it can't be had or the encoder doesn't take it."""
    picture = _picture(path, view, done)
    if picture is None:
        return None
    try:
        return ImageVector(view.identity, encoder.name, tuple(retrieval.encode_image(picture, encoder).tolist()))
    except Exception as error:  # noqa: BLE001 - whatever one picture does to the encoder, the others are encoded
        done.left_out.append(f"{path}: {encoder.name} doesn't take it: {error!r}")
        return None


def _patches(store: Store, vectors: Vectors, runs: Sequence[_Used], done: Reindexed) -> None:
    accepted = pl.concat(
        [store.patches(each.run.run_id).filter(pl.col("accepted")).select("image_id", "row", "col") for each in runs]
    ).unique(maintain_order=True)
    if accepted.is_empty():
        return
    places = {
        str(image_id): [(int(row), int(col)) for _, row, col in rows.iter_rows()]
        for (image_id,), rows in accepted.group_by("image_id", maintain_order=True)
    }
    name = local_evaluator.patch_encoder(runs[0].run.model, runs[0].weights)
    body: Backbone | None = None
    wanted = (scored for scored in _scored(store, runs, done) if scored[0].image_id in places)
    for batch in _batches(wanted):
        known = vectors.patch_places({view.identity for _, _, view in batch}, name)
        new: list[PatchVector] = []
        for entry, path, view in batch:
            missing = [at for at in places[entry.image_id] if (view.identity, *at) not in known]
            picture = _picture(path, view, done) if missing else None
            if picture is None:
                continue
            if body is None and (body := _backbone(runs[0], done)) is None:
                return
            new += _patch_vectors(picture, missing, body, name)
            known |= {(view.identity, *at) for at in missing}
        if new:
            vectors.upsert_patches(new)
            done.patches += len(new)


def _backbone(used: _Used, done: Reindexed) -> Backbone | None:
    """The model the run used, if it can be had unchanged."""
    try:
        evaluator = models.load_evaluator(used.machine)
    except BackboneError as error:
        done.left_out.append(f"patches of {used.machine.model}: {error}")
        return None
    if evaluator.weights != used.weights:
        done.left_out.append(f"patches of {used.machine.model}: its weights are no longer {used.weights}")
        return None
    return evaluator.backbone


def _patch_vectors(
    picture: Picture, places: Sequence[tuple[int, int]], body: Backbone, name: str
) -> Iterator[PatchVector]:
    inputs = body.prepare(picture.key, picture.image)
    tokens = body.encode([inputs])[0].tokens  # (n, d)
    for row, col in places:
        yield PatchVector(picture.key, name, row, col, tuple(tokens[inputs.token(row, col)].float().tolist()))


def _scored(store: Store, runs: Sequence[_Used], done: Reindexed) -> Iterator[tuple[Entry, Path, View]]:
    """Every entry that the runs could show to a model, once, with its file and how it was seen."""
    seen: set[str] = set()
    for each in runs:
        found = store.archive(each.run.archive_id)
        root = Path(found.root) if found else Path()
        entries = {entry.image_id: entry for entry in schema.records(Entry, store.entries(each.run.archive_id))}
        views = of_run(each.run)
        index = store.prediction_index(each.run.run_id).filter(pl.col("status") != "failed")
        for image_id, path in index.select("image_id", "image_path").unique(maintain_order=True).iter_rows():
            if image_id in seen:
                continue
            seen.add(image_id)
            if entry := entries.get(image_id):
                yield entry, root / path, views.of(entry)
            else:
                done.left_out.append(f"{root / path}: the file has changed since it was scored")


def _picture(path: Path, view: View, done: Reindexed) -> Picture | None:
    """The picture, if the file still holds what was scored."""
    try:
        return Picture(view.identity, image_decoding.open_image(path, view))
    except ReplacedImage:
        reason = "the file has changed since it was scored"
    except UnreadableImage as error:
        reason = str(error)
    done.left_out.append(f"{path}: {reason}")
    return None


def _batches(found: Iterator[tuple[Entry, Path, View]]) -> Iterator[list[tuple[Entry, Path, View]]]:
    while batch := list(islice(found, AT_ONCE)):
        yield batch
