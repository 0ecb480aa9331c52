"""A question file of MMAD's schema: what can be asked is asked, each other record is a problem with its reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import ascii_uppercase
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mmad import SUBTASKS
from tests.scoring.drawn import bottle, mask, picture, scanned
from warehouse import bounded, claim_words
from workbench.archive import labels, question_file, questions, references
from workbench.archive.questions import Asked, QuestionList
from workbench.errors import QuestionsError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

GOOD = "DATA/bottle/test/good/000.png"
SCRATCHED = "DATA/bottle/test/scratch/000.png"
DETECT: dict[str, Json] = {
    "Question": "Is there any defect in the object?",
    "Options": {"A": "Yes.", "B": "No."},
    "Answer": "B",
    "type": "Anomaly Detection",
    "annotation": True,
}


def conversation(**changes: Json) -> dict[str, Json]:
    return {name: value for name, value in (DETECT | changes).items() if value is not None}


def record(*conversations: Json, **more: Json) -> dict[str, Json]:
    return {"conversation": list(conversations), **more}


def asked(archive: Path, content: object, root: Path | None = None, shots: int = 1) -> QuestionList:
    file = archive / "mmad.json"
    file.write_text(json.dumps(content))
    scan = scanned(root or archive)
    return question_file.read(file, scan, references.gather(scan) if shots else None)


def problems(found: QuestionList) -> list[tuple[str, str]]:
    return [(problem.path, problem.reason) for problem in found.problems]


def test_a_record_becomes_a_question_with_its_template_as_the_reference(tmp_path: Path) -> None:
    bottle(tmp_path)
    template = "DATA/bottle/train/good/001.png"
    found = asked(tmp_path, {GOOD: record(DETECT, random_templates=[template], similar_templates=[])})
    (item,) = found.items
    assert problems(found) == []
    assert item.entry.path == GOOD
    assert (item.question.subtask, item.question.question) == ("Anomaly Detection", DETECT["Question"])
    assert [(option.letter, option.text) for option in item.question.options] == [("A", "Yes."), ("B", "No.")]
    assert item.correct_answer == "B"
    assert item.reference_path == template
    assert item.question.conditional is False


@pytest.mark.parametrize("kind", ["Object Structure", "Object Details", "Object Analysis"])
def test_objects_structure_and_details_are_object_analysis(tmp_path: Path, kind: str) -> None:
    bottle(tmp_path)
    (item,) = asked(tmp_path, {GOOD: record(conversation(type=kind))}).items
    assert item.question.subtask == "Object Analysis"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Question": None}, "question 1: Question: Field required"),
        ({"Options": None}, "question 1: Options: Field required"),
        ({"Answer": None}, "question 1: Answer: Field required"),
        ({"type": None}, "question 1: type: Field required"),
        ({"Answer": "C"}, "question 1: the right answer 'C' is not among the options A, B"),
        ({"Answer": "Maybe."}, "question 1: the right answer 'Maybe.' is not among the options A, B"),
        ({"Options": {"A": "Yes."}}, "question 1: Options: Dictionary should have at least 2 items"),
        ({"Options": {"A": "Yes.", "B": 2}}, "question 1: Options.B: Input should be a valid string"),
        ({"Options": ["Yes.", "No."]}, "question 1: Options: Input should be a valid dictionary"),
        ({"Question": ""}, "question 1: Question: String should have at least 1 character"),
        ({"type": "Defect Counting"}, "question 1: 'Defect Counting' is none of the subtasks Anomaly Detection,"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why_and_the_rest_is_asked(
    tmp_path: Path, changes: dict[str, Json], words: str
) -> None:
    bottle(tmp_path)
    other = conversation(Question="Another?")
    found = asked(tmp_path, {GOOD: record(conversation(**changes), other), SCRATCHED: record(DETECT)})
    assert [(item.entry.path, item.question.question) for item in found.items] == [
        (GOOD, "Another?"),
        (SCRATCHED, DETECT["Question"]),
    ]
    ((path, reason),) = problems(found)
    assert path == GOOD
    assert reason.startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "conversation: Field required"),
        ({"conversation": "none"}, "conversation: Input should be a valid list"),
        ([], "Input should be a valid dictionary"),
        (None, "Input should be a valid dictionary"),
        ({"conversation": [], "random_templates": [3]}, "random_templates.0: Input should be a valid string"),
    ],
)
def test_an_image_whose_record_is_malformed_is_left_out(tmp_path: Path, content: Json, words: str) -> None:
    bottle(tmp_path)
    found = asked(tmp_path, {GOOD: content, SCRATCHED: record(DETECT)})
    assert [item.entry.path for item in found.items] == [SCRATCHED]
    ((path, reason),) = problems(found)
    assert (path, reason.startswith(words)) == (GOOD, True), reason


def test_an_image_that_is_not_in_the_archive_is_a_problem(tmp_path: Path) -> None:
    bottle(tmp_path)
    found = asked(tmp_path, {"DATA/bottle/test/good/999.png": record(DETECT), GOOD: record(DETECT)})
    assert len(found.items) == 1
    assert problems(found) == [
        ("DATA/bottle/test/good/999.png", "the question file asks about it, but the archive has no such image")
    ]


def test_the_same_question_twice_is_asked_once(tmp_path: Path) -> None:
    bottle(tmp_path)
    found = asked(tmp_path, {GOOD: record(DETECT, DETECT)})
    assert len(found.items) == 1
    assert problems(found) == [(GOOD, "question 2: the same question is asked twice")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "isn't JSON"),
        (b"\xff\xfe", "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"[]", "must be an object keyed by image path"),
    ],
)
def test_a_file_that_is_no_question_file_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    bottle(tmp_path)
    (tmp_path / "mmad.json").write_bytes(content)
    with pytest.raises(QuestionsError, match=words):
        question_file.read(tmp_path / "mmad.json", scanned(tmp_path), None)


def test_a_question_file_that_is_not_there_says_which(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match=r"absent\.json can't be read: No such file"):
        question_file.read(tmp_path / "absent.json", scanned(tmp_path), None)


@pytest.mark.parametrize("below", ["DATA", "DATA/bottle"])
def test_a_part_of_the_data_root_can_be_scored_with_the_whole_file(tmp_path: Path, below: str) -> None:
    bottle(tmp_path)
    template = "DATA/bottle/train/good/001.png"
    content = {GOOD: record(DETECT, random_templates=[template]), "OTHER/nut/test/good/000.png": record(DETECT)}
    found = asked(tmp_path, content, root=tmp_path / below)
    (item,) = found.items
    assert f"{below}/{item.entry.path}" == GOOD
    assert f"{below}/{item.reference_path}" == template
    assert (found.elsewhere, found.problems) == (1, [])


def test_a_template_that_is_absent_is_said_and_another_reference_taken(tmp_path: Path) -> None:
    bottle(tmp_path)
    found = asked(tmp_path, {GOOD: record(DETECT, random_templates=["MVTec-AD/bottle/train/good/7.png"])})
    assert found.items[0].reference_path in {f"DATA/bottle/train/good/{name}.png" for name in ("000", "001")}
    assert problems(found) == [
        (GOOD, "the archive has no template MVTec-AD/bottle/train/good/7.png; another reference is taken")
    ]


def test_the_nearest_template_can_be_asked_for(tmp_path: Path) -> None:
    bottle(tmp_path)
    lists: dict[str, Json] = {
        f"{kind}_templates": [f"DATA/bottle/train/good/{name}.png"]
        for kind, name in (("random", "000"), ("similar", "001"))
    }
    (tmp_path / "mmad.json").write_text(json.dumps({GOOD: record(DETECT, **lists)}))
    scan = scanned(tmp_path)
    found = question_file.read(tmp_path / "mmad.json", scan, references.gather(scan), templates="similar")
    assert found.items[0].reference_path == "DATA/bottle/train/good/001.png"


def test_without_references_nothing_is_shown_whatever_the_file_says(tmp_path: Path) -> None:
    bottle(tmp_path)
    content = {GOOD: record(DETECT, random_templates=["DATA/bottle/train/good/001.png"])}
    assert asked(tmp_path, content, shots=0).items[0].reference is None


@pytest.mark.parametrize("place", ["masks/a.png", "DATA/bottle/masks/a.png"])
def test_the_files_mask_is_found_from_the_product_or_the_data_root(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "DATA/bottle"
    picture(folder / "a.png", 1)
    mask(folder / "masks/a.png", (0, 0, 9, 9))
    found = asked(tmp_path, {"DATA/bottle/a.png": record(DETECT, mask_path=place)})
    assert found.items[0].entry.mask_path == "DATA/bottle/masks/a.png"
    known = {entry.path: entry.mask_path for entry in questions.registered(scanned(tmp_path), found)}
    assert known["DATA/bottle/a.png"] == "DATA/bottle/masks/a.png"


def test_a_mask_outside_the_archive_or_absent_is_none(tmp_path: Path) -> None:
    picture(tmp_path / "archive/a.png", 1)
    mask(tmp_path / "secret.png", (0, 0, 9, 9))
    for place in ("../secret.png", str(tmp_path / "secret.png"), "absent.png", ""):
        found = asked(tmp_path / "archive", {"a.png": record(DETECT, mask_path=place)})
        (item,) = found.items
        assert item.entry.mask_path is None
        absent = f"the question file gives it the mask {place}, which isn't in the archive"
        assert (("a.png", absent) in problems(found)) == bool(place)


def test_a_questions_identity_is_what_is_asked_and_its_seed_follows_from_the_reference_too(tmp_path: Path) -> None:
    def item(shots: int = 1, /, **changes: Json) -> Asked:
        (found,) = asked(tmp_path, {GOOD: record(conversation(**changes))}, shots=shots).items
        return found

    def identity(**changes: Json) -> str:
        return item(**changes).question.question_id

    bottle(tmp_path)
    same = identity()
    assert identity(Answer="A") == same, "the right answer isn't shown"
    assert identity(Options={"X": "Yes.", "Y": "No."}, Answer="X") == same, "letters are issued anew"
    others = {
        identity(Question="Any?"),
        identity(type="Object Analysis"),
        identity(Options={"A": "No.", "B": "Yes."}),
    }
    assert len(others | {same}) == 4
    assert item(0).question == item().question
    assert item(0).seed_key != item().seed_key


@pytest.mark.parametrize("answer", ["b", "B.", "(B)", "No.", "Answer: B"])
def test_a_dressed_right_answer_is_read(tmp_path: Path, answer: str) -> None:
    bottle(tmp_path)
    (item,) = asked(tmp_path, {GOOD: record(conversation(Answer=answer))}).items
    assert item.correct_answer == "B"


@pytest.mark.parametrize("before", ["", "./", "C:/pictures/", "/mnt/nas/", "../"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_images_and_templates_are_found_however_their_paths_are_written(
    tmp_path: Path, before: str, slash: str
) -> None:
    bottle(tmp_path)
    paths = ("DATA/bottle/train/good/000.png", GOOD)
    template, image = ((before + path).replace("/", slash) for path in paths)
    found = asked(tmp_path, {image: record(DETECT, random_templates=[template])})
    (item,) = found.items
    assert (item.entry.path, item.reference_path, found.problems, found.elsewhere) == (GOOD, paths[0], [], 0)


def test_names_that_stand_twice_are_told_and_a_question_with_one_is_not_asked(tmp_path: Path) -> None:
    bottle(tmp_path)
    one, other = json.dumps(record(DETECT)), json.dumps(record(conversation(Question="Another?")))
    twice = one.replace('"B": "No."', '"A": "No."')
    (tmp_path / "mmad.json").write_text(f'{{"{GOOD}": {one}, "{GOOD}": {other}, "{SCRATCHED}": {twice}}}')
    scan = scanned(tmp_path)
    found = question_file.read(tmp_path / "mmad.json", scan, None)
    assert [(item.entry.path, item.question.question) for item in found.items] == [(GOOD, DETECT["Question"])]
    assert [(each.path, each.reason) for each in found.problems] == [
        (GOOD, f"'{GOOD}' stands there twice; the first one counts"),
        (SCRATCHED, "question 1: 'A' stands there twice; the first one counts"),
    ]


def test_two_spellings_of_one_image_are_told_and_the_first_counts(tmp_path: Path) -> None:
    bottle(tmp_path)
    other = GOOD.replace("/", "\\")
    found = asked(tmp_path, {GOOD: record(DETECT), other: record(conversation(Question="Another?"))})
    assert [item.question.question for item in found.items] == [DETECT["Question"]]
    assert [each.reason for each in found.problems] == [f"{GOOD} has its questions already; the first ones count"]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@given(
    st.lists(texts, min_size=2, max_size=26),
    st.lists(texts, min_size=26, max_size=26, unique_by=bounded.same_name),
    st.integers(0, 25),
)
def test_letters_are_reissued_in_order_and_the_answer_stays_the_same_text(
    tmp_path_factory: pytest.TempPathFactory, options: list[str], letters: list[str], right: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "letters"
    if not folder.exists():
        bottle(folder)
    right %= len(options)
    named: dict[str, Json] = dict(zip(letters, options, strict=False))
    (item,) = asked(folder, {GOOD: record(conversation(Options=named, Answer=letters[right]))}).items
    assert [option.text for option in item.question.options] == options
    assert [option.letter for option in item.question.options] == list(ascii_uppercase[: len(options)])
    assert item.correct_answer == ascii_uppercase[right]


@pytest.mark.real_images
def test_the_real_photographs_544_questions_are_all_asked(inspection_pack: Path) -> None:
    scan = scanned(inspection_pack)
    found = question_file.read(inspection_pack / "mmad.json", scan, references.gather(scan))
    assert (len(found.items), found.problems, found.elsewhere) == (544, [], 0)
    assert len({item.entry.image_id for item in found.items}) == 211
    assert len({(item.entry.image_id, item.question.question_id) for item in found.items}) == 544
    assert all(item.reference for item in found.items)
    for item in found.items:
        if item.question.subtask == "Anomaly Detection":
            (right,) = (option.text for option in item.question.options if option.letter == item.correct_answer)
            assert right == ("No." if item.entry.label == "good" else "Yes.")


json_texts = st.text(st.characters(), max_size=5) | st.sampled_from([GOOD, "A", "Yes.", "\ud800", "a" * 300, "a\0b"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=6,
)
shaped_questions = st.fixed_dictionaries(
    {},
    optional={
        "Question": json_texts | json_values,
        "Options": st.dictionaries(st.sampled_from("ABCDE"), json_texts) | json_values,
        "Answer": st.sampled_from("ABCDE") | json_values,
        "type": st.sampled_from(SUBTASKS) | json_values,
    },
)
shaped_records = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.lists(shaped_questions, max_size=3) | json_values,
        "random_templates": st.lists(json_texts, max_size=2) | json_values,
        "mask_path": json_texts | json_values,
    },
)


@given(st.dictionaries(st.sampled_from([GOOD, SCRATCHED]) | json_texts, shaped_records | json_values, max_size=3))
def test_whatever_a_file_says_is_asked_or_a_problem_that_can_be_printed_and_stored(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "anything"
    if not folder.exists():
        bottle(folder)
    found = asked(folder, content)
    for item in found.items:
        assert item.question.options
        item.question.question.encode()
        "".join(option.text for option in item.question.options).encode()
    for problem in found.problems:
        f"{problem.path}: {problem.reason}".encode()


@pytest.mark.parametrize("meaning", ["good", "defective"])
def test_no_word_of_the_table_of_labels_claims_the_opposite_as_an_option(meaning: labels.Meaning) -> None:
    words = [" ".join(word.split()) for word in re.split(r"[,|]", labels._WORDS[meaning])]
    read = {word: claim_words.read(word, "State?").claim for word in words}
    assert set(read.values()) <= {meaning, "unknown"}
    assert sum(claim == meaning for claim in read.values()) > 0.8 * len(words)


def test_an_unlabelled_image_s_options_claim_what_they_claim_of_others_that_are_asked_the_same(tmp_path: Path) -> None:
    bottle(tmp_path)
    unlabelled = picture(tmp_path / "DATA/bottle/test/unknown/000.png").relative_to(tmp_path).as_posix()
    colours = conversation(Question="Which lamp is lit?", Options={"A": "Red", "B": "Blue"}, Answer="A")
    turned = colours | {"Options": {"A": "Blue", "B": "Red"}}
    other = conversation(type="Object Analysis")
    found = asked(
        tmp_path, {SCRATCHED: record(colours), unlabelled: record(colours, turned, other), GOOD: record(other)}
    )
    assert problems(found) == []
    assert [item.claims for item in found.items] == [
        ("defective", "good"), ("defective", "good"), ("good", "defective"), None, None,
    ]  # fmt: skip


def test_a_template_that_is_the_picture_itself_or_labelled_defective_and_options_that_say_the_same_are_told(
    tmp_path: Path,
) -> None:
    bottle(tmp_path)
    own, defective = record(DETECT, random_templates=[GOOD]), record(DETECT, random_templates=[SCRATCHED])
    found = asked(tmp_path, {GOOD: own})
    assert found.items[0].reference_path == "DATA/bottle/train/good/000.png"
    assert problems(found) == [(GOOD, f"its template {GOOD} is the picture itself; another reference is taken")]
    assert problems(asked(tmp_path, {GOOD: defective})) == [(GOOD, f"its template {SCRATCHED} is labelled defective")]
    twice = record(conversation(Options={"A": "Yes.", "B": "yes. "}))
    assert problems(asked(tmp_path, {GOOD: twice})) == [
        (GOOD, "question 1: two of its options say the same; nobody can tell them apart")
    ]
