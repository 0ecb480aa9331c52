"""Normals in an export: with states and provenance, there and back, in another data folder and of moved pictures."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.curation.test_normals import RUST
from tests.people import ANN, by
from tests.scoring import compared
from warehouse.queries.curation import Curation
from warehouse.queries.normals import Normals
from warehouse.records.normals import Normal
from warehouse.store import Store
from workbench.archive import image_decoding, normal_files
from workbench.curation import normals
from workbench.errors import KnowledgeError, UnreadableImage
from workbench.settings import Settings, Work


def workbench(data: Path, *words: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*map(str, words), "--data", str(data)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    root = tmp_path / "plates"
    for number in range(4):
        compared.plate(root / "bolt" / "train" / "good" / f"{number}.png", "bolt", number)
    compared.plate(root / "bolt" / "test" / "good" / "0.png", "bolt", 9)
    return root


@pytest.fixture
def curated(tmp_path: Path, plates: Path) -> Path:
    """A text; two published normals, one retired, one proposed by verdict."""
    data = tmp_path / "curated"
    store, known = Store(data), Normals(data)
    Curation(data).take({RUST: "Brown spots."}, "first", actor=ANN)
    normals.import_archive(store, plates, Settings(work=Work(data=data)), publish=False, actor=ANN)
    proposed = known.in_state("proposed")
    known.publish([each.number for each in proposed[:3]], "they are even", actor=by("bob"))
    known.retire([proposed[0].number], "scratched", actor=by("bob"))
    return data


def stands(data: Path) -> list[Normal]:
    return [replace(each, number=0) for each in Normals(data).standing()]


@pytest.mark.parametrize("name", ["texts.json", "texts.csv", "texts"])
def test_an_export_read_into_another_data_folder_has_all_of_it_and_exports_the_same(
    tmp_path: Path, curated: Path, plates: Path, name: str
) -> None:
    other, first, second = tmp_path / "other", tmp_path / "first" / name, tmp_path / "second" / name
    for file in (first, second):
        file.parent.mkdir()
    assert "4 normals written to" in workbench(curated, "knowledge", "export", "-o", first)

    said = workbench(other, "knowledge", "import", first, "--archive", plates)
    workbench(other, "knowledge", "export", "-o", second)

    assert "2 normals published (4 new, 0 changed, 0 unchanged)" in said
    assert [each.state for each in stands(other)].count("published") == 2
    assert sorted(map(repr, stands(other))) == sorted(map(repr, stands(curated)))
    written = {
        folder: {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (first.parent, second.parent)
    }
    assert written[first.parent] == written[second.parent]
    assert len(written[first.parent]) == 2
    versions = [Curation(data).published()[0] for data in (curated, other)]
    names = [each.version for each in versions if each]
    assert names[0] == names[1]

    again = workbench(other, "knowledge", "import", first)
    assert "(0 new, 0 changed, 4 unchanged)" in again
    assert Curation(other).published()[0] == versions[1]


@pytest.mark.parametrize("name", ["texts.json", "texts"])
def test_normals_without_any_text_go_there_and_back_alone(tmp_path: Path, plates: Path, name: str) -> None:
    data, other, output = tmp_path / "one", tmp_path / "other", tmp_path / name
    normals.import_archive(Store(data), plates, Settings(work=Work(data=data)), actor=ANN)
    said = workbench(data, "knowledge", "export", "-o", output)
    assert said.splitlines() == [f"4 normals written to {normal_files.beside(output)}"]
    assert "4 normals published" in workbench(other, "knowledge", "import", output, "--archive", plates)
    assert stands(other) == stands(data)

    Normals(data).retire([each.number for each in Normals(data).published()], "another lens", actor=ANN)
    drafts = workbench(tmp_path / "third", "knowledge", "import", output, "--archive", plates, "--draft")
    assert "proposed or retired: 4 normals (4 new" in drafts
    assert Normals(tmp_path / "third").published() == []


def test_pictures_that_lie_elsewhere_by_now_are_found_by_their_content_and_missing_ones_are_told(
    tmp_path: Path, curated: Path, plates: Path
) -> None:
    workbench(curated, "knowledge", "export", "-o", tmp_path / "all.normals.jsonl")
    moved = tmp_path / "moved" / "plates"
    shutil.move(plates, moved)
    (moved / "bolt" / "train" / "good" / "3.png").unlink()
    other = tmp_path / "other"

    nothing = workbench(other, "knowledge", "import", tmp_path / "all.normals.jsonl")
    assert "0 normals published (0 new" in nothing
    assert "no archive that is registered here holds it; give the one that does with --archive" in nothing

    said = workbench(other, "knowledge", "import", tmp_path / "all.normals.jsonl", "--archive", moved)
    assert "(3 new" in said
    assert "left out: bolt/train/good/3.png" in said
    here = {archive.archive_id for archive in Store(other).archives()}
    assert {each.archive_id for each in stands(other)} == here
    assert {(each.content, each.state, each.author, each.reason, each.created_at) for each in stands(other)} == {
        (each.content, each.state, each.author, each.reason, each.created_at)
        for each in stands(curated)
        if not each.path.endswith("3.png")
    }


def test_what_somebody_retired_stays_retired_and_what_the_file_retires_is_retired(
    tmp_path: Path, curated: Path
) -> None:
    known = Normals(curated)
    workbench(curated, "knowledge", "export", "-o", tmp_path / "before.normals.jsonl")
    first, second = known.published()
    known.retire([first.number], "another lens", actor=ANN)
    workbench(curated, "knowledge", "export", "-o", tmp_path / "after.normals.jsonl")

    assert "1 left retired" in workbench(curated, "knowledge", "import", tmp_path / "before.normals.jsonl")
    assert [each.number for each in known.published()] == [second.number]
    known.publish([first.number], "it was the old lens", actor=ANN)
    assert "1 changed" in workbench(curated, "knowledge", "import", tmp_path / "after.normals.jsonl")
    assert [each.number for each in known.published()] == [second.number]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "at the line"),
        ('{"content": "a"}', "at content"),
        ('{"content": "%s", "dataset": "", "product": "p"}' % ("a" * 64), "at dataset"),
    ],
)
def test_a_line_that_is_no_normal_is_refused_with_its_place(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "bad.normals.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(KnowledgeError, match=rf"bad\.normals\.jsonl, line 2 is no normal: {reason}"):
        normal_files.read(tmp_path / "bad.normals.jsonl")


@pytest.mark.parametrize("path", ["/dev/zero", "../../etc/passwd", "bolt/../../x.png", "C:\\x.png"])
@pytest.mark.parametrize("origin", ["normal folder", "sidecar reference", "verdict"])
def test_a_line_whose_path_leaves_its_archive_is_refused(tmp_path: Path, curated: Path, path: str, origin: str) -> None:
    file = tmp_path / "foreign.normals.jsonl"
    workbench(curated, "knowledge", "export", "-o", file)
    line = json.loads(file.read_text().splitlines()[0]) | {"path": path, "origin": origin}
    file.write_text(json.dumps(line))
    before = stands(curated)
    with pytest.raises(KnowledgeError, match="stay inside it"):
        normal_files.read(file)
    assert stands(curated) == before


def test_a_reference_that_is_no_file_here_is_left_out_and_opening_a_pipe_or_device_waits_for_nothing(
    tmp_path: Path, curated: Path
) -> None:
    file, pipe = tmp_path / "foreign.normals.jsonl", tmp_path / "pipe.png"
    os.mkfifo(pipe)
    workbench(curated, "knowledge", "export", "-o", file)
    first = json.loads(file.read_text().splitlines()[0])
    places = ["/dev/zero", str(pipe), str(tmp_path / "nothing.png")]
    lines = [
        first | {"path": place, "origin": "references folder", "content": f"{n:064x}"} for n, place in enumerate(places)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    done = normals.import_file(Store(curated), file, actor=ANN)
    assert (done.added, [each.path for each in done.left_out]) == (0, places)
    for place in places[:2]:
        with pytest.raises(UnreadableImage, match="it is no file"):
            image_decoding.read(Path(place), "0" * 64)
