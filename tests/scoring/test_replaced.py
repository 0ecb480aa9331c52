"""A file that is swapped, deleted or brought back around a run: never another picture under a content, vectors too."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests import scored
from tests.people import ANN
from tests.scored import Quiet
from tests.scoring.drawn import picture
from warehouse import schema
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.archive import image_decoding, knowledge_files
from workbench.archive.high_bit_depth import Deep
from workbench.archive.scan import content_of
from workbench.archive.view import View
from workbench.errors import ReplacedImage
from workbench.review.pictures import Folder, Web
from workbench.scoring import reindex, replay, run

REPLACED = "replaced since the scan: the file holds another picture now"


def swap(file: Path, other: Path) -> None:
    """Another picture's bytes, under the file's own times."""
    times = file.stat()
    file.write_bytes(other.read_bytes())
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


class AfterTheScan(Quiet):
    """Something happens to the archive when it was scanned and nothing is opened yet."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens = happens

    def begin(self, images: int, images_done: int) -> None:
        super().begin(images, images_done)
        self.happens()


def errors(data: Path, run_id: str) -> dict[str, set[str | None]]:
    rows = Store(data).predictions(run_id)
    found: dict[str, set[str | None]] = {}
    for path, error in rows.select("image_path", "error").iter_rows():
        found.setdefault(path, set()).add(error)
    return found


@pytest.mark.slow
def test_no_answer_and_no_vector_is_of_another_picture(tmp_path: Path, drawn_archive: Path) -> None:
    root, data, undisturbed = tmp_path / "archive", tmp_path / "data", tmp_path / "undisturbed"
    shutil.copytree(drawn_archive, root)
    asked = json.loads((root / "mmad.json").read_text())
    swapped, deleted, good, *_, other = sorted(asked)
    before = {path: (root / path).read_bytes() for path in (swapped, deleted)}
    for folder in (data, undisturbed):
        knowledge_files.import_file(Store(folder), root / "domain_knowledge.json", actor=ANN)
    calm = scored.score(root, scored.quick(undisturbed, limit=21)).run

    def happens() -> None:
        swap(root / swapped, root / other)
        (root / deleted).unlink()

    stormy = run.score(root, scored.quick(data, limit=21), AfterTheScan(happens)).run
    assert errors(data, stormy.run_id) == {
        swapped: {REPLACED},
        deleted: {"vanished: the file was there when the archive was scanned"},
        good: {None},
    }
    stored = scored.vectors(data)
    assert {key[1] for key in stored if not key[0].startswith("texts")} == {content_of(root / good)}

    # Everything is back: scored as if nothing had happened.
    for path, whole in before.items():
        (root / path).write_bytes(whole)
    again = scored.score(root, scored.quick(data, limit=21)).run
    assert (again.answered + again.invalid, again.failed) == (calm.answered + calm.invalid, 0)
    assert scored.vectors(data) == scored.vectors(undisturbed)

    # Asked again after the file was swapped; after its reference was.
    store = Store(data)
    replayed = replay.load(store, again.run_id)
    rows = store.predictions(again.run_id)
    sources = replayed.sources(store.published_knowledge()[1])
    items = replay.stored_questions(store, replayed.run, rows)
    assert len(items) == 21
    swap(root / swapped, root / other)
    done = replay.answer(replayed, items, 0, sources)
    assert {each.image_path: each.error for each in done.predictions} == {swapped: REPLACED, deleted: None, good: None}
    assert content_of(root / swapped) not in {each.content for each in done.patch_vectors}
    reference = schema.records(Prediction, rows.filter(image_path=good))[0].reference_path
    assert reference is not None
    swap(root / reference, root / other)
    done = replay.answer(replayed, items, 0, sources)
    of_good = {each.error for each in done.predictions if each.image_path == good}
    assert of_good == {f"its reference is {REPLACED}"}
    run.score(root, scored.quick(data, limit=1), Quiet())  # now the warehouse knows the other reference
    assert good not in {item.entry.path for item in replay.stored_questions(store, replayed.run, rows)}

    # An index made anew from the files.
    shutil.rmtree(data / "vectors")
    done_again = reindex.reindex(store, lambda _: None)
    assert f"{root / swapped}: the file has changed since it was scored" in done_again.left_out
    encoder = Vectors(data).counts().filter(kind="images")["encoder"][0]
    there = {content_of(root / path) for path in (deleted, good)}
    gone = hashlib.sha256(before[swapped]).hexdigest()
    assert set(Vectors(data).image_vectors([gone, *there], encoder)) == there


def test_a_file_swapped_between_reading_and_decoding_is_the_picture_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = picture(tmp_path / "a.png", 10), picture(tmp_path / "b.png", 200)
    content, load = content_of(file), image_decoding.load

    def late(data: bytes) -> Image.Image | Deep:
        shutil.copyfile(other, file)
        return load(data)

    monkeypatch.setattr(image_decoding, "load", late)
    assert image_decoding.open_image(file, View(content)).getpixel((0, 0)) == (10, 10, 10)
    with pytest.raises(ReplacedImage):
        image_decoding.open_image(file, View(content))


@pytest.mark.parametrize("data", [b"", b"half", b"another picture"])
def test_bytes_that_are_not_the_rows_are_a_replaced_picture_whatever_they_are(tmp_path: Path, data: bytes) -> None:
    file = picture(tmp_path / "a.png")
    content = content_of(file)
    file.write_bytes(data)
    with pytest.raises(ReplacedImage, match=REPLACED):
        image_decoding.open_image(file, View(content))


def test_reviewers_get_the_picture_that_was_scored_or_none(tmp_path: Path) -> None:
    folder, web = Folder(tmp_path / "served", "/files"), Web("https://images.test")
    folder.path.mkdir()
    file = picture(tmp_path / "a.png", 10)
    content = content_of(file)
    shown = folder.publish(file, "a.png", View(content))
    assert (folder.path / shown.url.rpartition("/")[2]).read_bytes() == file.read_bytes()
    picture(file, 200)
    for place in (folder, web):
        with pytest.raises(ReplacedImage):
            place.publish(file, "a.png", View(content))
    assert len(list(folder.path.iterdir())) == 1
