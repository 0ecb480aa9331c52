"""From cases to token parts: what is the same for several cases is made once.

Both engines start from a `Script`, so they read exactly the same tokens. Parts are identified by what they contain:
images of one reference share their product part, questions of one picture share their image part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.errors import BackboneError, Failure
from workbench.model import prompt
from workbench.model.backbone import Backbone, ImageInput
from workbench.model.case import Case, Picture
from workbench.model.prompt import FittedKnowledge, Order, Part, Slot

RESERVED = 8  # a context's share (1/8) kept free of knowledge, for the question


@dataclass(frozen=True, slots=True)
class TokenPart:
    """One part of a prompt as the model reads it."""

    ids: Tensor  # (L,)
    positions: Tensor  # (3, L)
    after: int  # position of the next token
    image: ImageInput | None

    @property
    def key(self) -> str:
        """What the part is made of: its picture and its tokens."""
        tokens = hashlib.sha256(self.ids.cpu().numpy().tobytes()).hexdigest()
        return f"{self.image.key if self.image else ''}/{tokens}"


@dataclass(frozen=True, slots=True)
class Script:
    """All parts of some cases, and which case uses which.

    Products and images stand in the order of the tree: images of one product are neighbours. Questions stand in the
    cases' own order; `order` has them in the tree's.
    """

    products: tuple[TokenPart, ...]
    images: tuple[TokenPart, ...]
    questions: tuple[TokenPart, ...]  # one per case, in the cases' order
    product_of_image: Tensor  # (images,) ascending
    image_of_question: Tensor  # (questions,)
    knowledge: tuple[FittedKnowledge, ...]  # one per image part
    pictures: tuple[Picture, ...]  # the query picture of each image part
    cases: tuple[int, ...]  # which of the cases each question is: those that can't be asked are left out
    misfits: dict[int, Failure]  # cases that can't be asked, and why
    behind: int  # most tokens that may follow a question

    @property
    def order(self) -> list[int]:
        """The questions, those of one image next to each other, in the images' order."""
        return sorted(range(len(self.questions)), key=lambda question: int(self.image_of_question[question]))

    @property
    def inputs(self) -> dict[str, ImageInput]:
        """Every distinct picture by its key."""
        parts = (*self.products, *self.images, *self.questions)
        return {part.image.key: part.image for part in parts if part.image}

    def take(self, questions: Sequence[int]) -> Script:
        """These questions alone, with the parts they need."""
        of_question = self.image_of_question[list(questions)]
        images, image_of_question = torch.unique(of_question, return_inverse=True)  # sorted: the tree's order is kept
        products, product_of_image = torch.unique(self.product_of_image[images], return_inverse=True)
        return Script(
            products=tuple(self.products[i] for i in products),
            images=tuple(self.images[i] for i in images),
            questions=tuple(self.questions[i] for i in questions),
            product_of_image=product_of_image,
            image_of_question=image_of_question,
            knowledge=tuple(self.knowledge[i] for i in images),
            pictures=tuple(self.pictures[i] for i in images),
            cases=tuple(self.cases[i] for i in questions),
            misfits={},
            behind=self.behind,
        )


def compose(backbone: Backbone, cases: Sequence[Case], behind: int = 0, order: Order = "segments") -> Script:
    """The cases' prompts as shared parts.

    Args:
        behind: tokens that will follow a question; its prompt must leave the context room for them.
        order: of the prompt's parts; see `prompt.py`.
    """
    prepared: dict[str, ImageInput] = {}
    products: dict[_ProductKey, TokenPart] = {}
    images: dict[_ImageKey, TokenPart] = {}
    product_of: dict[_ImageKey, _ProductKey] = {}
    fitted: dict[_ImageKey, FittedKnowledge] = {}
    pictures: dict[_ImageKey, Picture] = {}
    questions: dict[int, TokenPart] = {}
    misfits: dict[int, Failure] = {}

    def ready(picture: Picture) -> ImageInput:
        if picture.key not in prepared:
            prepared[picture.key] = picture.ready or backbone.prepare(picture.key, picture.image)
        return prepared[picture.key]

    def product_with(case: Case, texts: tuple[str, ...]) -> _ProductKey:
        key = _ProductKey(case.reference.key if case.reference else None, texts)
        if key not in products:
            shown = ready(case.reference) if case.reference else None
            part = prompt.product_part(shown is not None, order, texts)
            products[key] = _part(backbone, part, shown, Slot.REFERENCE, 0)
        return key

    for index, case in _by_reference(cases):
        key = _ImageKey.of(case)
        try:
            if key not in images:
                bare = product_with(case, ())
                shown = behind + (ready(case.region).tokens if case.region else 0)
                fitted[key] = _fit(backbone, case, products[bare], ready(case.query), shown, order)
                product_of[key] = product_with(case, fitted[key].texts) if order == "mmad" else bare
                part = prompt.image_part(fitted[key].texts, order)
                after = products[product_of[key]].after
                images[key] = _part(backbone, part, ready(case.query), Slot.QUERY, after)
                pictures[key] = case.query
            region = ready(case.region) if case.region else None
            asked = prompt.question_part(case.question, case.options, order, region is not None)
            question = _part(backbone, asked, region, Slot.REGION, images[key].after)
            _check_room(backbone.context, (products[product_of[key]], images[key], question), behind)
            questions[index] = question
        except (BackboneError, ValueError) as error:  # ValueError: a processor refuses a picture's shape
            misfits[index] = Failure("does not fit", str(error))
    used = [key for key in products if key in product_of.values()]
    keys = sorted(images, key=lambda key: used.index(product_of[key]))
    whole = Script(
        products=tuple(products[key] for key in used),
        images=tuple(images[key] for key in keys),
        questions=tuple(questions[index] for index in sorted(questions)),
        product_of_image=torch.tensor([used.index(product_of[key]) for key in keys], dtype=torch.long),
        image_of_question=torch.tensor(
            [keys.index(_ImageKey.of(cases[index])) for index in sorted(questions)], dtype=torch.long
        ),
        knowledge=tuple(fitted[key] for key in keys),
        pictures=tuple(pictures[key] for key in keys),
        cases=tuple(sorted(questions)),
        misfits=misfits,
        behind=behind,
    )
    return replace(whole.take(range(len(whole.questions))), misfits=misfits) if misfits else whole


class _ProductKey(NamedTuple):
    """What a product part is made of."""

    reference: str | None
    knowledge: tuple[str, ...]  # in MMAD's order; else it stands in the image part


class _ImageKey(NamedTuple):
    """What an image part is made of."""

    query: str
    reference: str | None
    knowledge: tuple[str, ...]
    region: str | None  # which stands with the question, and takes room that texts would have

    @staticmethod
    def of(case: Case) -> _ImageKey:
        reference, region = (each.key if each else None for each in (case.reference, case.region))
        return _ImageKey(case.query.key, reference, case.knowledge, region)


def _by_reference(cases: Sequence[Case]) -> list[tuple[int, Case]]:
    """The cases with their places, by reference and then by picture, each in the order of first use."""
    references: dict[str | None, int] = {}
    images: dict[_ImageKey, int] = {}
    keys = [_ImageKey.of(case) for case in cases]
    for key in keys:
        references.setdefault(key.reference, len(references))
        images.setdefault(key, len(images))
    return sorted(enumerate(cases), key=lambda item: (references[keys[item[0]].reference], images[keys[item[0]]]))


def _check_room(context: int, parts: Sequence[TokenPart], behind: int) -> None:
    tokens = sum(len(part.ids) for part in parts) + behind
    if tokens > context:
        raise BackboneError(
            f"{tokens} tokens, {len(parts[-1].ids)} of them the question, don't fit a context of {context}; "
            "ask a shorter question or set a lower max_image_tokens"
        )


def _part(backbone: Backbone, part: Part, image: ImageInput | None, slot: Slot | None, start: int) -> TokenPart:
    ids = backbone.tokenize(part, {slot: image} if slot and image else {})
    positions, after = backbone.positions(ids, [image] if image else [], start)
    return TokenPart(ids, positions, after, image)


def _fit(
    backbone: Backbone, case: Case, product: TokenPart, query: ImageInput, behind: int, order: Order
) -> FittedKnowledge:
    """The knowledge the context has room for; decided by picture alone, so that all its questions share it."""
    bare = backbone.tokenize(prompt.image_part((), order), {Slot.QUERY: query})
    room = backbone.context - backbone.context // RESERVED - behind - len(product.ids) - len(bare)
    if room < 0:
        raise BackboneError(
            f"{len(product.ids) + len(bare)} tokens of pictures don't fit a context of {backbone.context}; "
            "set a lower max_image_tokens"
        )
    block = ("Knowledge:\n",)

    def count(text: str) -> int:
        return len(backbone.tokenize((prompt.knowledge_line(text),), {}))

    return prompt.fit_knowledge(case.knowledge, count, room - len(backbone.tokenize(block, {})))
