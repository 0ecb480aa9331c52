"""Knowledge files become revisions and a published version; nothing is ever overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.people import ANN
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.errors import KnowledgeError


def written(folder: Path, content: object) -> Path:
    file = folder / "knowledge.json"
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


PLATE = {"Drawn": {"plate": {"good": "Even.", "rust": "Brown spots."}}}


def test_an_import_publishes_every_text_as_its_first_revision(store: Store, tmp_path: Path) -> None:
    done = knowledge_files.import_file(store, written(tmp_path, PLATE), actor=ANN)
    version, texts = store.published_knowledge()
    assert (done.published, done.added, done.changed, done.unchanged) == (2, 2, 0, 0)
    assert version is not None
    assert version.version == done.version
    assert [(d.description_id, d.revision, d.text) for d in texts] == [
        ("Drawn/plate/good", 1, "Even."),
        ("Drawn/plate/rust", 1, "Brown spots."),
    ]


def test_the_same_import_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    first = knowledge_files.import_file(store, written(tmp_path, PLATE), actor=ANN)
    stamp = store.stamp()
    again = knowledge_files.import_file(store, written(tmp_path, PLATE), actor=ANN)
    assert (again.version, again.unchanged, again.added + again.changed) == (first.version, 2, 0)
    assert store.stamp() == stamp


def test_a_changed_text_is_a_new_revision_in_a_new_version(store: Store, tmp_path: Path) -> None:
    first = knowledge_files.import_file(store, written(tmp_path, PLATE), actor=ANN)
    changed = knowledge_files.import_file(
        store, written(tmp_path, {"Drawn": {"plate": {"good": "Even.", "rust": "Red spots."}}}), actor=ANN
    )
    assert (changed.changed, changed.unchanged) == (1, 1)
    assert first.version is not None
    assert changed.version != first.version
    assert [(d.revision, d.text) for d in store.published_knowledge()[1]] == [(1, "Even."), (2, "Red spots.")]
    assert [d.text for d in store.knowledge(first.version)] == ["Even.", "Brown spots."]


def test_a_file_is_the_whole_truth_about_its_data_sets_and_no_others(store: Store, tmp_path: Path) -> None:
    knowledge_files.import_file(store, written(tmp_path, PLATE | {"VisA": {"pcb": {"good": "Clean."}}}), actor=ANN)
    done = knowledge_files.import_file(store, written(tmp_path, {"Drawn": {"plate": {"good": "Even."}}}), actor=ANN)
    assert done.withdrawn == 1
    assert [d.description_id for d in store.published_knowledge()[1]] == ["Drawn/plate/good", "VisA/pcb/good"]


def test_going_back_to_an_old_text_publishes_its_wording_again(store: Store, tmp_path: Path) -> None:
    for text in ("One.", "Two.", "One."):
        knowledge_files.import_file(store, written(tmp_path, {"Drawn": {"plate": {"good": text}}}), actor=ANN)
    [published] = store.published_knowledge()[1]
    assert (published.revision, published.text) == (3, "One.")


def test_mvtec_stands_for_ds_mvtec(store: Store, tmp_path: Path) -> None:
    knowledge_files.import_file(store, written(tmp_path, {"MVTec": {"bottle": {"good": "Round."}}}), actor=ANN)
    assert store.published_knowledge()[1][0].description_id == "DS-MVTec/bottle/good"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "knowledge.json is not {dataset: {product: {entry: text}}}: at the file"),
        ({"Drawn": {"plate": "Even."}}, "at Drawn / plate"),
        ({"Drawn": {"plate": {"good": 3}}}, "at Drawn / plate / good"),
        ({"Drawn": {"plate": {"good": " "}}}, "at Drawn / plate / good"),
        ({}, "holds no texts"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_the_place(
    store: Store, tmp_path: Path, content: object, words: str
) -> None:
    with pytest.raises(KnowledgeError) as caught:
        knowledge_files.import_file(store, written(tmp_path, content), actor=ANN)
    assert words in str(caught.value)
    assert store.published_knowledge() == (None, [])


def test_an_absent_or_broken_file_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"cannot read the knowledge file .*absent\.json: No such file"):
        knowledge_files.import_file(store, tmp_path / "absent.json", actor=ANN)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(KnowledgeError, match=r"broken\.json is not"):
        knowledge_files.import_file(store, tmp_path / "broken.json", actor=ANN)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"D": {"a": {"x": "One."}, "a": {"y": "Two."}}}', "in D, 'a' stands twice"),
        ('{"D": {"a": {"x": "One."}}, "D ": {"b": {"y": "Two."}}}', "in the outermost object, 'D ' stands twice"),
        ('{"D": {"a": {"Rust": "One.", "rust": "Two."}}}', "in D / a, 'rust' stands twice"),
        ('{"D": {"Geh\u00e4use": {"x": "1."}, "Geha\u0308use": {"x": "2."}}}', "use' stands twice"),
        ('{"MVTec": {"a": {"x": "One."}}, "DS-MVTec": {"a": {"x": "Two."}}}', "MVTec and DS-MVTec are one name"),
    ],
)
def test_a_name_that_stands_twice_is_refused_and_nothing_is_withdrawn(
    store: Store, tmp_path: Path, content: str, words: str
) -> None:
    first = knowledge_files.import_file(
        store, written(tmp_path, {"D": {"a": {"x": "Old."}, "b": {"y": "Old."}}}), actor=ANN
    )
    (tmp_path / "knowledge.json").write_text(content, encoding="utf-8")
    with pytest.raises(KnowledgeError) as caught:
        knowledge_files.import_file(store, tmp_path / "knowledge.json", actor=ANN)
    assert words in str(caught.value)
    version, texts = store.published_knowledge()
    assert version is not None
    assert (version.version, [d.text for d in texts]) == (first.version, ["Old.", "Old."])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("D,a,rust,Brown spots, thin.", "line 3: 5 cells where the header has 4; a text with a comma in it stands in"),
        ("D,a,rust", "line 3: 3 cells where the header has 4"),
        ("D,a, good ,Again.", "line 3: D / a / good is there twice"),
        ("D,A,good,Again.", "D / a and D / A are one name"),
        ('D,a,rust,"Brown" spots', "is not CSV"),
    ],
)
def test_a_table_in_which_a_text_could_be_cut_or_lost_is_refused_with_its_line(
    tmp_path: Path, rows: str, words: str
) -> None:
    file = tmp_path / "texts.csv"
    file.write_text(f"Dataset, product,entry,text\nD,a,good,Even.\n{rows}\n")
    with pytest.raises(KnowledgeError) as caught:
        knowledge_files.read(file)
    assert words in str(caught.value)
    file.write_text('Dataset, product,entry,text\nD,a,good,"Even, thin."\n,,,\n')
    assert knowledge_files.read(file) == {("D", "a", "good"): "Even, thin."}


def test_a_folder_is_read_whole_or_refused(tmp_path: Path) -> None:
    for name in ("D/a/good.md", "D/a/Rust.MD", "D/@eaDir/a/good.md", ".git/a/b.md"):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text("Even.")
    assert list(knowledge_files.read(tmp_path / "texts")) == [("D", "a", "Rust"), ("D", "a", "good")]
    (tmp_path / "texts/D/a/dent.txt").write_text("Deep.")
    with pytest.raises(KnowledgeError, match=r"dent\.txt isn't read: a text's file ends in \.md"):
        knowledge_files.read(tmp_path / "texts")
    (tmp_path / "texts/D/a/dent.txt").rename(tmp_path / "texts/D/a/rust.md")
    with pytest.raises(KnowledgeError, match=r"D / a / Rust and D / a / rust are one name"):
        knowledge_files.read(tmp_path / "texts")
    (tmp_path / "texts/D/a/rust.md").unlink()
    (tmp_path / "texts/D/b").symlink_to(tmp_path / "texts/D/a")
    with pytest.raises(KnowledgeError, match=r"is a link to a folder and isn't followed"):
        knowledge_files.read(tmp_path / "texts")


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a%2Fb"])
def test_a_name_that_no_file_or_list_can_show_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KnowledgeError, match="can't be a part of a description's name"):
        knowledge_files.read(written(tmp_path, {"Drawn": {"plate": {name: "Even."}}}))


@pytest.mark.parametrize("product", [".5 mm drill", "__MACOSX"])
def test_a_folder_holds_no_text_that_its_import_would_pass_over(store: Store, tmp_path: Path, product: str) -> None:
    knowledge_files.import_file(
        store, written(tmp_path, {"Drawn": {**PLATE["Drawn"], product: {"good": "Even."}}}), actor=ANN
    )
    texts = store.published_knowledge()[1]
    with pytest.raises(KnowledgeError, match="would be passed over on import"):
        knowledge_files.write(texts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert knowledge_files.write(texts, tmp_path / "out.json") == 3
