"""`workbench score PICTURE`: one picture is scored as part of its archive, printed at once, and stored as any run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests import scored, unlabelled
from tests.archive.test_split_tables import visa
from tests.scored import Quiet
from tests.scoring.drawn import NOTHING_KNOWN, bottle, picture, remembered, scanned
from warehouse.store import Store
from workbench.archive import scan as archive
from workbench.errors import ArchiveError
from workbench.scoring import picture_answers, run
from workbench.settings import Support

NO_KNOWLEDGE = Support(knowledge="none")


def test_a_known_picture_is_what_its_archive_says_and_no_other_is_read(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    whole = scanned(tmp_path)
    picture(folder / "test/scratch/001.png", 50, (90, 60))  # new, and not asked for
    known, path = remembered(whole), "DATA/bottle/test/scratch/000.png"
    alone = archive.scan(tmp_path, known, picture=path)
    assert alone.entries == [entry for entry in whole.entries if entry.path == path]
    assert alone.references == whole.references
    assert alone.images_read == 0


def test_a_new_picture_of_a_known_archive_has_its_product_label_and_references(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    whole = scanned(tmp_path)
    picture(folder / "test/scratch/001.png", 50, (90, 60))
    alone = archive.scan(tmp_path, remembered(whole), picture="DATA/bottle/test/scratch/001.png")
    (entry,) = alone.entries
    assert (entry.product, entry.label, entry.defect) == ("bottle", "defective", "scratch")
    assert [one.path for one in alone.references] == [one.path for one in whole.references]


def test_a_normal_reference_is_scored_where_it_is_named(tmp_path: Path) -> None:
    bottle(tmp_path)
    path = "DATA/bottle/train/good/000.png"
    alone = archive.scan(tmp_path, remembered(scanned(tmp_path)), picture=path)
    assert [entry.path for entry in alone.entries] == [path]
    assert [entry.path for entry in alone.references] == ["DATA/bottle/train/good/001.png"]


def test_of_a_picture_in_no_archive_the_table_beside_it_tells_line_and_camera_and_no_sibling_is_listed(
    tmp_path: Path,
) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    (tmp_path / "images.csv").write_text("path,line,camera\na.png,line-a,A1\nb.png,line-a,A2\nc.png,line-a,A3\n")
    alone = archive.scan(tmp_path, NOTHING_KNOWN, picture="b.png")
    assert [(entry.path, entry.line, entry.camera) for entry in alone.entries] == [("b.png", "line-a", "A2")]
    assert alone.problems == []


def test_a_published_split_tells_a_pictures_label_mask_and_references(tmp_path: Path) -> None:
    visa(tmp_path / "VisA")
    whole = scanned(tmp_path)
    for entry in whole.registered:
        alone = archive.scan(tmp_path, remembered(whole), picture=entry.path)
        assert alone.entries == [entry]
        assert alone.references == [one for one in whole.references if one.path != entry.path]
        assert (alone.images_read, alone.problems) == (0, [])
    (tmp_path / "alone").mkdir()
    picture(tmp_path / "alone/a.png")
    (tmp_path / "alone/samples.csv").write_text("image_path,label_index,split\na.png,1,test\nb.png,0,train\n")
    (entry,) = archive.scan(tmp_path / "alone", NOTHING_KNOWN, picture="a.png").entries
    assert entry.label == "defective"


def test_a_picture_belongs_to_the_nearest_known_archive_else_to_its_folder(tmp_path: Path) -> None:
    file = picture(tmp_path / "plant" / "line" / "a.png")
    archives = [archive.identify(tmp_path), archive.identify(tmp_path / "plant")]
    assert archive.placed(file, archives) == (tmp_path / "plant", "line/a.png")
    assert archive.placed(file, []) == (tmp_path / "plant" / "line", "a.png")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", b"no picture", "not an image: its content is none of PNG"),
        ("empty.png", b"", "empty: the file has no bytes"),
        ("cut.png", None, "truncated|damaged"),
    ],
)
def test_what_is_no_picture_is_refused_before_anything_is_stored(
    tmp_path: Path, data_folder: Path, name: str, content: bytes | None, told: str
) -> None:
    file = tmp_path / name
    if content is None:
        Image.effect_noise((64, 64), 50).save(file)
        content = file.read_bytes()[:900]
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match=told) as error:
        scored.score(file, scored.quick(data_folder))
    assert "give a picture, or a folder of pictures" in str(error.value)
    assert Store(data_folder).runs().is_empty()
    assert Store(data_folder).archives() == []


@pytest.mark.slow
def test_one_picture_gets_the_answers_that_its_archives_run_gave_it(
    tmp_path: Path, data_folder: Path, drawn_archive: Path
) -> None:
    shutil.copytree(drawn_archive, tmp_path / "archive")
    settings = scored.quick(data_folder, NO_KNOWLEDGE, block_images=None)
    store, whole = Store(data_folder), scored.score(tmp_path / "archive", settings)
    masked = next(row for row in store.entries(whole.run.archive_id).to_dicts() if row["mask_path"])
    before = store.entries(whole.run.archive_id)
    alone = run.score(tmp_path / "archive" / masked["path"], settings, Quiet())
    names = ("question_id", "answer", "option_probabilities", "status", "evidence_id", "image_id")
    of_both = [
        store.predictions(run_id, masked["image_id"]).select(names).sort("question_id").to_dicts()
        for run_id in (whole.run.run_id, alone.run.run_id)
    ]
    assert of_both[0] == of_both[1]
    assert alone.run.planned == len(of_both[0]) > 0
    assert store.entries(whole.run.archive_id).equals(before)

    said = picture_answers.of_run(store, alone.run.run_id)
    assert said is not None
    assert said.label == "defective"
    assert [each.answer for each in said.answers if each.subtask == "Object Classification"] != [None]


@pytest.mark.slow
def test_the_command_prints_answer_probability_and_region_and_the_run_is_one_as_any(
    tmp_path: Path, data_folder: Path, photographs: Path
) -> None:
    folder = unlabelled.archive(tmp_path / "archive", unlabelled.some(photographs, 3))
    file = sorted(folder.glob("*/*.*"))[1]
    done = scored.workbench("score", file, "--json", data=data_folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    store = Store(data_folder)
    (case,) = [one for one in store.case(told["run_id"], _image(store)) if one.claims]
    said, claims = told["picture"], case.claims or ()
    assert said["claim"] == claims["AB".index(str(case.answer))]
    assert said["defect_probability"] == pytest.approx(case.option_probabilities["AB"[claims.index("defective")]])
    assert {each["subtask"] for each in said["answers"]} == set(store.predictions(told["run_id"])["subtask"])
    assert said["region"] in [each["answer"] for each in said["answers"] if each["subtask"] == "Defect Localization"]
    printed = scored.workbench("score", file, data=data_folder)
    words = " ".join(printed.stdout.split())
    assert words.startswith(f"{file.name} is called {said['claim']}, probability of a defect")
    assert str(said["region"]) in words
    assert store.runs().height == 2
    assert [archive.root for archive in store.archives()] == [str(file.parent)]
    assert store.entries(told["archive_id"])["path"].to_list() == [file.name]


def _image(store: Store) -> str:
    return str(store.predictions(str(store.runs()["run_id"][0]))["image_id"][0])
