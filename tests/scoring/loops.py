"""Loops over files that others wrote, each with an item that raises in its midst; `tests/test_loops.py` lists them."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.people import ANN
from tests.planted import Nth, Odd, raising
from tests.scoring.drawn import NOTHING_KNOWN, bottle, mask, picture, reasons, scanned
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.archive import (
    image_decoding,
    knowledge_files,
    question_file,
    questions,
    regions,
    sidecar,
    unchanged_files,
)
from workbench.archive import scan as archive
from workbench.archive.view import View
from workbench.errors import KnowledgeError
from workbench.model.case import Picture
from workbench.question_sets import INSPECTION, built_in
from workbench.scoring import answer_file, input_pipeline, models, reindex, retrieval
from workbench.settings import Settings


def items_of_a_listing(data: Path, patch: pytest.MonkeyPatch) -> object:
    for name in ("a/x.png", "b/x.png", "c.png", "d.png", "e.png"):
        picture(data / name)
    patch.setattr(archive, "of_stat", raising(unchanged_files.of_stat, lambda path, _: path == "c.png"))
    listing = os.scandir

    def broken(folder: Path) -> object:
        if Path(folder).name == "b":
            raise Odd("planted")
        return listing(folder)

    patch.setattr(os, "scandir", broken)
    read = raising(archive.content_of, lambda file: file.name == "d.png")
    found = archive.scan(data, NOTHING_KNOWN, read_content=read)  # type: ignore[arg-type]
    return [entry.path for entry in found.entries], sorted(reasons(found).items())


def rows_of_a_sidecar(data: Path, patch: pytest.MonkeyPatch) -> object:
    for name in "abc":
        picture(data / f"{name}.png")
    (data / "images.csv").write_text("path,label\na.png,good\nb.png,odd\nc.png,dent\n")
    planted = raising(sidecar.Row.model_validate, lambda raw, **_: raw["label"] == "odd")
    patch.setattr(sidecar.Row, "model_validate", planted)
    found = scanned(data)
    return [entry.defect or entry.label for entry in found.entries], reasons(found)


def asked_of(data: Path) -> list[tuple[str, str]]:
    """Which questions of a file of six are asked."""
    bottle(data / "root")
    one = {"Options": {"A": "Yes.", "B": "No."}, "Answer": "A", "type": "Anomaly Detection"}
    names = ("good/000.png", "scratch/000.png")
    file = {
        f"DATA/bottle/test/{name}": {"conversation": [{**one, "Question": word} for word in ("One?", "Two?", "Three?")]}
        for name in names
    }
    (data / "mmad.json").write_text(json.dumps(file))
    found = question_file.read(data / "mmad.json", scanned(data / "root"), None)
    assert found.problems
    return [(item.entry.path.split("/")[3], item.question.question) for item in found.items]


def questions_of_a_file(data: Path, patch: pytest.MonkeyPatch) -> object:
    planted = raising(question_file._asked, lambda entry, raw, *_: entry.label == "good" and raw["Question"] == "Two?")
    patch.setattr(question_file, "_asked", planted)
    return asked_of(data)


def records_of_a_question_file(data: Path, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(question_file, "_with_mask", raising(question_file._with_mask, lambda it, *_: it.label == "good"))
    return asked_of(data)


def records_of_an_answer_file(data: Path, patch: pytest.MonkeyPatch) -> object:
    one = {"question": "Any?", "question_type": "Anomaly Detection", "correct_answer": "A", "gpt_answer": "B"}
    data.mkdir()
    (data / "a.json").write_text(json.dumps([{**one, "image": f"D/p/test/good/{name}.png"} for name in "abc"]))
    patch.setattr(answer_file, "_given", raising(answer_file._given, lambda record, *_: record.image.endswith("b.png")))
    found = answer_file.read(data / "a.json")
    return [given.image[-5] for given in found.answers], [(each.path, each.reason) for each in found.problems[-1:]]


def entries_of_a_knowledge_file(data: Path, patch: pytest.MonkeyPatch) -> object:
    """A file is the whole truth about its data sets: one with an entry that can't be used withdraws nothing."""
    store, file = Store(data / "data"), data / "k.json"
    for entry in ({"good": "Even.", "rust": "Red."}, {"good": "Changed.", "rust": ["Red."]}):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"D": {"nut": entry}}))
        refused = (
            pytest.raises(KnowledgeError, match="D / nut / rust") if entry["good"] == "Changed." else nullcontext()
        )
        with refused:
            knowledge_files.import_file(store, file, actor=ANN)
    return sorted(each.text for each in store.published_knowledge()[1])


def masks_of_a_block(data: Path, patch: pytest.MonkeyPatch) -> object:
    folder = bottle(data)
    for name in ("001", "002"):
        picture(folder / f"test/scratch/{name}.png", 50 + int(name), (90, 60))
        mask(folder / f"ground_truth/scratch/{name}_mask.png", (70, 0, 90, 10))
    scan = scanned(data)
    asked = questions.of_set(built_in(INSPECTION), scan, [], None).items
    patch.setattr(regions, "region_of", raising(regions.region_of, Nth(2)))
    found = questions.located(asked, data)
    return [item.correct_answer for item in found if item.entry.mask_path and len(item.question.options) == 9]


def pictures_of_a_block(data: Path, patch: pytest.MonkeyPatch) -> object:
    files = [picture(data / f"{name}.png", shade) for name, shade in (("a", 10), ("b", 20), ("c", 30), ("d", 40))]
    patch.setattr(
        image_decoding, "load", raising(image_decoding.load, lambda content: content == files[1].read_bytes())
    )

    class Pictures:
        def prepare(self, key: str, image: object) -> object:  # noqa: ARG002 - as a backbone's
            if key == archive.content_of(files[2]):
                raise Odd("planted")  # and again when the question is composed, where its picture fails alone
            return "ready"

    asked = [input_pipeline.File(file, View(archive.content_of(file))) for file in files]
    opened = input_pipeline.open_here(asked, Pictures())  # type: ignore[arg-type]
    return [each.ready if isinstance(each, Picture) else each.text for each in opened]


def pictures_encoded_anew(data: Path, patch: pytest.MonkeyPatch) -> object:
    for name, shade in (("a", 10), ("b", 20), ("c", 30)):
        picture(data / f"{name}.png", shade)
    entries = scanned(data).entries
    patch.setattr(
        reindex, "_scored", lambda *_: iter([(entry, data / entry.path, View(entry.content)) for entry in entries])
    )
    patch.setattr(retrieval, "encode_image", raising(retrieval.encode_image, Nth(2)))
    store, done = Store(data / "warehouse"), reindex.Reindexed()
    reindex._images(store, Vectors(store.data), models.load_encoder(Settings()), [], done)
    return done.images, [told.rpartition(": ")[2] for told in done.left_out]
