"""Once people settled kinds of defects, a comparison answers of which kind a defect is, and says why where it can't."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import scored
from tests.people import ANN
from tests.scoring import compared
from warehouse import schema
from warehouse.queries import settled_kinds
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import Dispute
from warehouse.records.scoring import Prediction, Run
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.model.method import Method
from workbench.review import agreement, disputes
from workbench.settings import Machine, Settings, Support, Work

KINDS = ("stain", "scratch")  # a striped square, a white one
EACH = 7  # of which five are settled
ASKED = "Defect Classification"


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.tower(tmp_path_factory.mktemp("tower") / "tiny")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six normals, a good plate and seven with each kind of square, of no place in particular."""
    root = tmp_path_factory.mktemp("kinds") / "archive"
    rng = np.random.default_rng(11)
    for number in range(6):
        compared.plate(root / "nut" / "train" / "good" / f"{number:03d}.png", "nut", number)
    compared.plate(root / "nut" / "test" / "good" / "000.png", "nut", 50)
    for kind in KINDS:
        for number in range(EACH):
            file = root / "nut" / "test" / kind / f"{number:03d}.png"
            compared.plate(file, "nut", 100 + 10 * number + len(kind))
            pixels = np.asarray(Image.open(file)).copy()
            top, left = 14 * rng.integers(0, 7, 2)
            pixels[top : top + 28, left : left + 28] = 255
            if kind == "stain":
                pixels[top : top + 28 : 2, left : left + 28] = 0
            Image.fromarray(pixels).save(file)
    asked = {str(file.relative_to(root)): questions(file) for file in sorted(root.glob("nut/test/*/*.png"))}
    (root / "mmad.json").write_text(json.dumps(asked))
    return root


def questions(file: Path) -> dict[str, object]:
    """Whether there is a defect, and of which kind, its options in an order of the picture's own."""
    kind, number = file.parent.name, int(file.stem)
    texts = ["Scratch.", "Stain.", "Dent.", "No defect."]
    options = dict(zip("ABCD", texts[number % 4 :] + texts[: number % 4], strict=True))
    right = "No defect." if kind == "good" else f"{kind.capitalize()}."
    return {
        "conversation": [
            {
                "Question": "Is there any defect in the object?",
                "Answer": "B" if kind == "good" else "A",
                "Options": {"A": "Yes.", "B": "No."},
                "type": "Anomaly Detection",
            },
            {
                "Question": "What kind of defect is it?",
                "Answer": next(letter for letter, text in options.items() if text == right),
                "Options": options,
                "type": ASKED,
            },
        ]
    }


def settings(data: Path, tower: Path) -> Settings:
    chosen = Support(compare=str(tower), compare_side=compared.SIDE)
    return Settings(support=chosen, machine=Machine(model="compare"), work=Work(data=data, block_images=16))


def asked_run(root: Path, data: Path) -> Run:
    """A run of a model, which is asked for kinds that nobody settled yet."""
    plain = replace(scored.quick(data), method=Method(think_tokens=0, iterations=0, injection="none"))
    return scored.score(root, plain).run


def kinds_of(data: Path, run: Run) -> dict[str, tuple[str | None, str]]:
    """By path, the words of the option that was answered, and what was said."""
    found = {}
    for each in schema.records(Prediction, Store(data).predictions(run.run_id)):
        if each.subtask == ASKED:
            words = {option.letter: option.text for option in each.options}
            found[each.image_path.removeprefix("nut/test/")] = (words.get(each.answer or ""), each.raw_text or "")
    return found


def settle(data: Path, run: Run, paths: Iterable[str], kind: str) -> None:
    """People say what kind of defect these pictures show."""
    store, reviews = Store(data), Reviews(data)
    asked = {
        each.image_path.removeprefix("nut/test/"): each
        for each in schema.records(Prediction, store.predictions(run.run_id))
        if each.subtask == ASKED
    }
    for path in paths:
        case = asked[path]
        letter = next(option.letter for option in case.options if option.text.casefold().startswith(kind))
        disputes.open_by(store, run.run_id, Key(case.image_id, case.question_id), actor=ANN)
        (dispute,) = [each for each in schema.records(Dispute, reviews.queue()) if each.image_id == case.image_id]
        decision = "correct" if case.answer == letter else "wrong"
        agreement.settle_by(reviews, dispute.dispute_id, decision, letter, "", actor=ANN)  # type: ignore[arg-type]


def test_the_nearest_settled_cases_answer_of_which_kind_a_defect_is(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    chosen = settings(data_folder, tower)
    first = scored.score(plates, chosen)
    before, asks = first.run, asked_run(plates, data_folder)
    assert kinds_of(data_folder, before) == {}
    assert before.planned == 2 * EACH + 1  # one question a picture
    assert any(
        note.startswith("not asked, as nobody settled the kind of a defect yet")
        and note.endswith(f": {ASKED} (15 questions)")
        for note in first.notes
    ), first.notes

    settle(data_folder, asks, [f"scratch/{number:03d}.png" for number in range(5)], "scratch")
    alone = scored.score(plates, chosen)
    assert any("fewer than two kinds of defects have 4 settled pieces each (5 “" in note for note in alone.notes)
    assert {answer for answer, _ in kinds_of(data_folder, alone.run).values()} <= {None, "No defect."}

    settle(data_folder, asks, [f"stain/{number:03d}.png" for number in range(5)], "stain")
    outcome = scored.score(plates, chosen)

    # What was settled is in the run's identity; what compares, and so which scores can be set side by side, is not.
    assert len({each.digest for each in (before, alone.run, outcome.run)}) == 3
    assert {each.evaluator_version for each in (before, alone.run, outcome.run)} == {before.evaluator_version}
    assert any("of 10 settled pieces, each judged by the others, " in note for note in outcome.notes), outcome.notes
    found = kinds_of(data_folder, outcome.run)
    named = [path for path, (answer, _) in found.items() if answer and not path.startswith("good")]
    assert len(named) >= 11  # of 14, the last two of each kind never settled
    for path, (answer, said) in found.items():
        if path in named:
            assert (answer or "").casefold() == f"{path.split('/')[0]}."
            assert said.startswith("the 3 nearest settled defects are “")
        elif not path.startswith("good"):
            assert said.startswith(("its nearest settled defects disagree", "its defect is less like")), said
    assert found["good/000.png"] == ("No defect.", "the picture is called good")
    again = scored.score(plates, chosen, again=False)
    assert (again.run.run_id, again.images) == (outcome.run.run_id, 0)


def test_what_people_settled_as_good_or_took_back_tells_no_kind(plates: Path, data_folder: Path) -> None:
    run = asked_run(plates, data_folder)
    settle(data_folder, run, ["stain/000.png", "stain/001.png"], "stain")
    settle(data_folder, run, ["good/000.png"], "no defect")
    reviews = Reviews(data_folder)
    taken_back = next(each for each in schema.records(Dispute, reviews.queue()) if "stain/001" in each.image_path)
    agreement.reopen(reviews, taken_back.dispute_id, "not sure", actor=ANN)
    found = settled_kinds.newest(data_folder, 10)
    assert [(each.entry.path, each.kind) for each in found] == [("nut/test/stain/000.png", "Stain.")]
