"""In what order and in which blocks questions are asked: asked questions go in, a plan comes out.

A block is all questions of some images, and the smallest thing that is ever stored or done again. Images with the
same reference stand next to each other, so what is computed for a reference is used for all of them. The plan depends
on nothing but the questions and the two numbers below: a resumed run cuts the same blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice, zip_longest

from workbench.archive.questions import Asked

IMAGES_PER_BLOCK = 8  # small enough to be done again after a kill, large enough to batch over
GPU_IMAGES_PER_BLOCK = 32  # what keeps a GPU busy would be long on a CPU


@dataclass(frozen=True, slots=True)
class Block:
    """All questions of some images. `questions.located` fills in what the right answers need masks for."""

    number: int  # from 0
    asked: tuple[Asked, ...]  # image by image


@dataclass(frozen=True, slots=True)
class Plan:
    """Every question of a run, in blocks."""

    identity: str  # hash of the (image, question, reference) triples in their blocks
    blocks: tuple[Block, ...]

    @property
    def planned(self) -> int:
        """How many questions."""
        return sum(len(block.asked) for block in self.blocks)

    @property
    def zero_shot(self) -> bool:
        """Whether no question is asked beside a normal reference."""
        return all(asked.reference is None for block in self.blocks for asked in block.asked)


def make(items: Iterable[Asked], limit: int | None = None, images_per_block: int = IMAGES_PER_BLOCK) -> Plan:
    """The plan of these questions.

    Args:
        limit: only so many questions, of a mixture of products and kinds; the same ones every time.
    """
    images = [tuple(questions) for _, questions in groupby(items, key=lambda item: item.entry.image_id)]
    if limit is not None:
        images = _some(images, limit)
    images.sort(key=lambda questions: (questions[0].reference_path or "", questions[0].entry.path))
    blocks = tuple(
        Block(number, tuple(chain.from_iterable(images[start : start + images_per_block])))
        for number, start in enumerate(range(0, len(images), images_per_block))
    )
    identity = hashlib.sha256()
    for block in blocks:
        for item in block.asked:
            identity.update(f"{block.number} {item.entry.image_id} {item.seed_key}\n".encode())
    return Plan(identity.hexdigest()[:32], blocks)


def with_block_size(planned: Plan, images_per_block: int) -> Plan:
    """The same questions in blocks of another size."""
    return make(chain.from_iterable(block.asked for block in planned.blocks), images_per_block=images_per_block)


def _some(images: Sequence[tuple[Asked, ...]], limit: int) -> list[tuple[Asked, ...]]:
    """Whole images, taken in turn from each product in an order that mixes good and bad; the last one may be cut."""
    by_product: dict[tuple[str, str], list[tuple[Asked, ...]]] = {}
    for questions in sorted(images, key=lambda questions: _mixed(questions[0].entry.path)):
        entry = questions[0].entry
        by_product.setdefault((entry.dataset, entry.product), []).append(questions)
    turns = chain.from_iterable(zip_longest(*(by_product[product] for product in sorted(by_product))))
    kept = islice(chain.from_iterable(questions for questions in turns if questions), limit)
    return [tuple(questions) for _, questions in groupby(kept, key=lambda item: item.entry.image_id)]


def _mixed(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()
