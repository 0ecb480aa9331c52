"""Answer files of MMAD's scripts: read, scored, and stored as runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.scoring.drawn import bottle, scanned
from warehouse import spool
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.scoring import Capabilities, Prediction
from warehouse.store import Store
from workbench.analysis import mmad
from workbench.archive import image_paths
from workbench.errors import AnswersError
from workbench.scoring import answer_file, reindex
from workbench.scoring.answer_file import Given

GOOD, BAD = "DATA/bottle/test/good/000.png", "DATA/bottle/test/scratch/000.png"
YES_NO = {"A": "Yes.", "B": "No."}
KINDS = {"A": "Dent.", "B": "Scratch.", "C": "Hole."}


def answer(
    image: str, kind: str, said: str | None, correct: str = "A", options: Mapping[str, str] = YES_NO
) -> dict[str, object]:
    lines = "".join(f"{letter}. {text}\n" for letter, text in options.items())
    return {
        "image": image,
        "question": {"type": "text", "text": f"Question 1: About {kind}? \n{lines}", "options": dict(options)},
        "question_type": kind,
        "correct_answer": correct,
        "gpt_answer": said,
    }


ANSWERS = [
    answer(GOOD, "Anomaly Detection", "B", "B"),
    answer(GOOD, "Object Structure", "C", "A", KINDS),
    answer(BAD, "Anomaly Detection", "I am not sure", "A"),
    answer(BAD, "Defect Classification", "B", "B", KINDS),
    answer(BAD, "Defect Localization", "E", "B", KINDS),
]


def written(path: Path, answers: Sequence[object] = ANSWERS) -> Path:
    path.write_text(json.dumps(list(answers)))
    return path


def test_an_answer_keeps_its_question_without_number_and_options(tmp_path: Path) -> None:
    first, second, *_ = answer_file.read(written(tmp_path / "a.json")).answers
    assert first == Given(GOOD, "Anomaly Detection", "About Anomaly Detection?", ("Yes.", "No."), "B", "B")
    assert (second.subtask, second.options, second.letter) == ("Object Analysis", tuple(KINDS.values()), "C")


def test_options_are_read_from_the_text_where_they_are_nowhere_else(tmp_path: Path) -> None:
    plain = {**ANSWERS[0], "question": "Question 1: Is there any defect? \nA. Yes.\nB. No.\n"}
    (given,) = answer_file.read(written(tmp_path / "a.json", [plain])).answers
    assert (given.question, given.options) == ("Is there any defect?", ("Yes.", "No."))


def test_a_question_file_gives_what_the_answers_lack(tmp_path: Path) -> None:
    bare = [{**each, "question": None} for each in ANSWERS[:2]]
    questions = tmp_path / "mmad.json"
    asked = [
        {"Question": "Any defect?", "Options": YES_NO, "Answer": "B", "type": "Anomaly Detection"},
        {"Question": "How many?", "Options": {"A": "One", "B": "Two"}, "Answer": "A", "type": "Object Details"},
    ]
    questions.write_text(json.dumps({GOOD: {"conversation": asked}}))
    with_file = answer_file.read(written(tmp_path / "a.json", bare), questions).answers
    assert [(one.question, one.options) for one in with_file] == [
        ("Any defect?", ("Yes.", "No.")),
        ("How many?", ("One", "Two")),
    ]
    without = answer_file.read(tmp_path / "a.json").answers
    assert [(one.question, one.options, one.letter) for one in without] == [
        ("Question 1", (), "B"),
        ("Question 2", (), "C"),
    ]


def test_an_answer_means_a_letter_that_is_offered_or_an_option_s_very_text_and_is_never_guessed() -> None:
    def meant(said: str) -> str | None:
        return Given(GOOD, "Anomaly Detection", "Any defect?", ("Yes.", "No."), "B", said).letter

    assert [meant(each) for each in ("A", " B ", "no", "C", "yes, there is", "")] == ["A", "B", "B", None, None, None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "isn't JSON"),
        ("{}", "must be a list of answers"),
        ("[]", "no usable answer"),
        ('[{"image": "a/b.png", "question_type": "Poetry"}]', "none of the subtasks"),
        ("[1]", "answer 1"),
    ],
)
def test_what_is_no_answer_file_is_refused_in_words(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(AnswersError, match=said):
        answer_file.read(tmp_path / "a.json")


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="No such file"):
        answer_file.read(tmp_path / "a.json")


def test_a_stored_file_scores_as_the_file_itself_does(tmp_path: Path) -> None:
    file, store = answer_file.read(written(tmp_path / "a.json")), Store(tmp_path / "data")
    run = answer_file.store(store, file, "some-model").run
    stored = mmad.answers(store.predictions(run.run_id), verbatim=answer_file.is_imported(run))
    for scorer in ("official", "strict"):
        assert mmad.as_frame(mmad.score(stored, scorer)).equals(
            mmad.as_frame(mmad.score(answer_file.as_answers(file), scorer))
        )
    assert (run.model, run.state, run.answered, run.invalid, run.failed) == ("some-model", "finished", 3, 2, 0)


def test_a_stored_file_declares_letters_alone_unless_some_answer_is_in_words(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    letters = answer_file.store(store, answer_file.read(written(tmp_path / "a.json", ANSWERS[:2])), "some-model").run
    words = answer_file.store(store, answer_file.read(written(tmp_path / "a.json")), "some-model").run

    assert (letters.evaluator, letters.evaluator_version) == ("answer file", letters.plan)
    assert letters.capabilities == Capabilities(False, False, False, text=False)
    assert words.capabilities == Capabilities(False, False, False, text=True)


def test_a_stored_file_can_be_sliced_without_traces_and_without_its_images(tmp_path: Path) -> None:
    file, store = answer_file.read(written(tmp_path / "a.json")), Store(tmp_path / "data")
    imported = answer_file.store(store, file, "some-model")
    found = Rollups(store.data).facts(Selection(imported.run.run_id)).sort("image_path", "question")
    assert imported.known_images == 0
    assert set(found["dataset"]) == {"DATA"}
    assert set(found["product"]) == {"bottle"}
    assert found.select("label", "defect").unique().sort("label").rows() == [("defective", "scratch"), ("good", None)]
    assert found["right"].to_list() == [True, False, False, True, False]
    assert found.select("shape", "confidence", "entropy", "description").null_count().row(0) == (5, 5, 5, 5)


def test_images_of_a_registered_archive_are_found_whatever_part_of_the_path_its_root_is(tmp_path: Path) -> None:
    file, store, scan = (
        answer_file.read(written(tmp_path / "a.json")),
        Store(tmp_path / "data"),
        scanned(bottle(tmp_path)),
    )
    store.register_archive(scan.archive)
    store.upsert_entries(scan.archive.archive_id, scan.registered)
    imported = answer_file.store(store, file, "some-model")
    assert imported.known_images == 2
    assert imported.run.archive_id == scan.archive.archive_id
    stored = store.predictions(imported.run.run_id)
    assert set(stored["image_id"]) == {entry.image_id for entry in scan.entries}
    assert set(stored["product"]) == {"bottle"}


def test_a_file_is_stored_once_under_a_name_and_again_under_another(tmp_path: Path) -> None:
    file, store = answer_file.read(written(tmp_path / "a.json")), Store(tmp_path / "data")
    first, again, other = (answer_file.store(store, file, name) for name in ("one", "one", "two"))
    assert (first.already, again.already, other.already) == (False, True, False)
    assert first.run.run_id == again.run.run_id
    assert store.runs().height == 2


def test_an_imported_run_has_no_vectors_to_make_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    answer_file.store(store, answer_file.read(written(tmp_path / "a.json")), "some-model")
    assert reindex.reindex(store, lambda _: None) == reindex.Reindexed()


def test_an_import_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_file, "BLOCK", 2)
    file, store = answer_file.read(written(tmp_path / "a.json")), Store(tmp_path / "data")
    write, calls = spool.write_part, []

    def once(data: Path, run_id: str, block: int, predictions: list[Prediction]) -> Path:
        calls.append(block)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(data, run_id, block, predictions)

    monkeypatch.setattr(spool, "write_part", once)
    with pytest.raises(KeyboardInterrupt):
        answer_file.store(store, file, "one")
    run = answer_file.store(store, file, "one").run
    assert calls == [0, 1, 1, 2]  # the first part is kept
    assert store.runs().height == 1
    assert store.predictions(run.run_id)["image_path"].to_list() == [one.image for one in file.answers]


def test_of_several_answers_to_a_question_the_first_counts_read_directly_and_stored(tmp_path: Path) -> None:
    again = [{**ANSWERS[0], "gpt_answer": "A"}, ANSWERS[1]]
    file = answer_file.read(written(tmp_path / "a.json", [*ANSWERS, *again]))
    once = answer_file.read(written(tmp_path / "b.json"))
    store = Store(tmp_path / "data")
    imported = answer_file.store(store, file, "one")
    assert [problem.reason for problem in imported.problems] == [
        "the same question is answered twice: About Anomaly Detection?; 2 answers of the file are to a question "
        "answered before, 1 of them says something else; the first one counts"
    ]
    assert imported.answers == 5
    stored = mmad.answers(store.predictions(imported.run.run_id), verbatim=True)
    direct = answer_file.as_answers(file)
    strict = mmad.score(answer_file.as_answers(once), "strict")
    assert mmad.score(direct, "strict") == mmad.score(stored, "strict") == strict
    assert mmad.score(direct, "official").questions == 7, "as MMAD's script counts them"


@pytest.mark.parametrize("key", ["b", "B.", "No.", "(B)"])
def test_a_dressed_key_is_read_and_one_that_cannot_be_read_is_told_and_not_judged(tmp_path: Path, key: str) -> None:
    file = answer_file.read(written(tmp_path / "a.json", [answer(GOOD, "Anomaly Detection", "B", key)]))
    assert file.problems == []
    assert mmad.score(answer_file.as_answers(file), "strict").micro == 100
    broken = [answer(GOOD, "Anomaly Detection", "B", "B"), answer(BAD, "Anomaly Detection", "B", "A or B")]
    file = answer_file.read(written(tmp_path / "b.json", broken))
    assert [each.reason for each in file.problems] == [
        "its right answer 'A or B' is no option of: About Anomaly Detection?; it isn't judged"
    ]
    store = Store(tmp_path / "data")
    stored = mmad.answers(store.predictions(answer_file.store(store, file, "one").run.run_id), verbatim=True)
    for scorer in ("strict", "official"):
        direct = mmad.score(answer_file.as_answers(file), scorer)
        assert direct == mmad.score(stored, scorer)
        assert direct.questions == {"strict": 1, "official": 2}[scorer]


@pytest.mark.parametrize("before", ["./", "D:\\work\\", "/mnt/nas/x/", "\\\\server\\share\\", "../", "file:///C:/a/"])
def test_an_image_s_path_is_read_alike_however_it_is_written(tmp_path: Path, before: str) -> None:
    def rewritten(image: str) -> str:
        return before + (image.replace("/", "\\") if "\\" in before else image)

    other = [{**each, "image": rewritten(str(each["image"]))} for each in ANSWERS]
    files = [answer_file.read(written(tmp_path / name, rows)) for name, rows in (("a", ANSWERS), ("b", other))]
    assert files[0].answers == files[1].answers
    assert files[1].problems == []


@pytest.mark.parametrize("image", ["/a.png", "D:\\x\\y.png", "", "..", "/mnt/x/y/z.png"])
def test_a_path_whose_data_set_nobody_can_tell_is_told_and_makes_no_data_set(tmp_path: Path, image: str) -> None:
    file = answer_file.read(written(tmp_path / "a.json", [*ANSWERS, {**ANSWERS[0], "image": image}]))
    assert len(file.answers) == len(ANSWERS)
    assert "write paths as DATASET/product/.../file" in file.problems[0].reason
    assert set(answer_file.as_answers(file)["dataset"]) == {"DATA"}


def test_options_that_stand_in_another_order_keep_their_letters_and_other_letters_are_told(tmp_path: Path) -> None:
    turned = answer(GOOD, "Anomaly Detection", "B", "B", {"B": "No.", "A": "Yes."})
    assert answer_file.read(written(tmp_path / "a.json", [turned])).answers == [
        answer_file.read(written(tmp_path / "b.json", ANSWERS[:1])).answers[0]
    ]
    plain = {**ANSWERS[0], "question": "Question 1: About Anomaly Detection? \nB. No.\nA. Yes.\n"}
    (found,) = answer_file.read(written(tmp_path / "c.json", [plain])).answers
    assert found.options == ("Yes.", "No.")
    late = answer(GOOD, "Anomaly Detection", "B", "B", {"B": "Yes.", "C": "No."})
    file = answer_file.read(written(tmp_path / "d.json", [late, *ANSWERS]))
    assert len(file.answers) == len(ANSWERS)
    assert [problem.reason.split(":")[0] for problem in file.problems][-1] == "its options are lettered B, C"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("s3://bucket/x/MVTec-AD/bottle/test/good/1.png", "MVTec-AD/bottle/test/good/1.png"),
        ("https://host/x/ours/bottle/test/good/1.png", "ours/bottle/test/good/1.png"),
        ("data/mmad/DS-MVTec/bottle/image/good/1.png", "DS-MVTec/bottle/image/good/1.png"),
        ("https://host/1.png", None),
    ],
)
def test_an_address_or_a_folder_before_a_published_data_set_makes_no_data_set(image: str, expected: str | None) -> None:
    assert image_paths.below_data_root(image) == expected


def test_a_name_that_stands_twice_in_an_answer_is_told(tmp_path: Path) -> None:
    text = (
        written(tmp_path / "a.json").read_text().replace('"gpt_answer": "B"', '"gpt_answer": "B", "gpt_answer": "A"', 1)
    )
    (tmp_path / "a.json").write_text(text)
    file = answer_file.read(tmp_path / "a.json")
    assert file.answers[0].said == "B"
    assert [(each.path, each.reason) for each in file.problems] == [
        ("answer 1", "'gpt_answer' stands there twice; the first one counts")
    ]


def test_runs_of_the_same_questions_pair_with_an_imported_one(tmp_path: Path) -> None:
    better = [{**each, "gpt_answer": each["correct_answer"]} for each in ANSWERS]
    store = Store(tmp_path / "data")
    frames = [
        Rollups(store.data).facts(Selection(answer_file.store(store, answer_file.read(file), file.stem).run.run_id))
        for file in (written(tmp_path / "a.json"), written(tmp_path / "b.json", better))
    ]
    shared = frames[0].join(frames[1], on=("image_id", "question_id"))
    assert shared.select(pl.col("right").sum(), pl.col("right_right").sum()).row(0) == (2, 5)
