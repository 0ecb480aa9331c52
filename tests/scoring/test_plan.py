"""The plan: every question once, an image's questions together, the same blocks every time."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.scoring.drawn import picture, scanned
from workbench.archive import question_file, questions, references
from workbench.archive.questions import Asked
from workbench.question_sets import INSPECTION, built_in
from workbench.scoring import plan


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """Four questions about each of 25 images of three products, one of them without references."""
    root = tmp_path_factory.mktemp("plan")
    for product, images in (("nut", 15), ("gear", 7), ("pin", 3)):
        if product != "pin":
            picture(root / f"DATA/{product}/train/good/0.png", images)
        for number in range(images):
            kind = "good" if number % 2 else "bent"
            picture(root / f"DATA/{product}/test/{kind}/{number}.png", 100 + number)
    scan = scanned(root)
    return questions.of_set(built_in(INSPECTION), scan, [], references.gather(scan)).items


def flat(made: plan.Plan) -> list[Asked]:
    return [item for block in made.blocks for item in block.asked]


def test_every_question_is_in_one_block_and_an_images_questions_in_the_same(asked: list[Asked]) -> None:
    made = plan.make(asked)
    assert made.planned == len(asked) == 100
    assert Counter(map(id, flat(made))) == Counter(map(id, asked))
    assert [block.number for block in made.blocks] == list(range(4))
    assert [len({item.entry.image_id for item in block.asked}) for block in made.blocks] == [8, 8, 8, 1]
    homes = {(item.entry.image_id, block.number) for block in made.blocks for item in block.asked}
    assert len(homes) == 25


def test_images_with_the_same_reference_stand_together(asked: list[Asked]) -> None:
    order = [item.reference_path for item in flat(plan.make(asked))]
    changes = sum(before != after for before, after in pairwise(order))
    assert changes == len(set(order)) - 1


def test_the_same_questions_make_the_same_plan_in_whatever_order_the_images_come(asked: list[Asked]) -> None:
    images = [asked[start : start + 4] for start in range(0, len(asked), 4)]
    random.Random(7).shuffle(images)
    shuffled = plan.make(item for image in images for item in image)
    assert shuffled == plan.make(asked)


def test_another_question_image_or_block_size_is_another_plan(asked: list[Asked]) -> None:
    identities = {
        plan.make(asked).identity,
        plan.make(asked[4:]).identity,
        plan.make(asked[:-1]).identity,
        plan.make(asked, images_per_block=7).identity,
    }
    assert len(identities) == 4


@pytest.mark.parametrize("limit", [0, 1, 5, 12, 99, 100, 1000])
def test_a_limit_takes_exactly_so_many_and_always_the_same(asked: list[Asked], limit: int) -> None:
    limited = plan.make(asked, limit=limit)
    assert limited.planned == min(limit, 100)
    assert limited == plan.make(asked, limit=limit)


def test_a_limit_takes_products_in_turn_and_both_kinds(asked: list[Asked]) -> None:
    some = flat(plan.make(asked, limit=48))
    assert Counter(item.entry.product for item in some) == {"gear": 20, "nut": 16, "pin": 12}
    assert {item.entry.label for item in some} == {"good", "defective"}
    assert len({item.question.subtask for item in some}) == 4


def test_nothing_asked_is_an_empty_plan() -> None:
    assert plan.make([]).blocks == ()


@pytest.mark.real_images
def test_the_real_photographs_are_planned_in_27_blocks(inspection_pack: Path) -> None:
    scan = scanned(inspection_pack)
    made = plan.make(question_file.read(inspection_pack / "mmad.json", scan, references.gather(scan)).items)
    assert (len(made.blocks), made.planned) == (27, 544)
