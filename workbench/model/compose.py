"""From cases to token parts: what is the same for several cases is made once.

Both engines start from a `Script`, so they read exactly the same tokens. Parts are identified by what they contain:
images of one reference share their product part, questions of one picture share their image part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.model import prompt
from workbench.model.backbone import Backbone, BackboneError, ImageFeatures, ImageInput
from workbench.model.case import Case, Picture
from workbench.model.prompt import FittedKnowledge, Part, Slot

RESERVED = 8  # a context's share (1/8) kept free of knowledge, for the question, the latents and the answer


@dataclass(frozen=True, slots=True)
class TokenPart:
    """One part of a prompt as the model reads it."""

    ids: Tensor  # (L,)
    positions: Tensor  # (3, L)
    after: int  # position of the next token
    image: ImageInput | None


@dataclass(frozen=True, slots=True)
class Script:
    """All parts of some cases, and which case uses which."""

    products: tuple[TokenPart, ...]
    images: tuple[TokenPart, ...]
    questions: tuple[TokenPart, ...]  # one per case, in the cases' order
    product_of_image: Tensor  # (images,)
    image_of_question: Tensor  # (questions,)
    knowledge: tuple[FittedKnowledge, ...]  # one per image part
    pictures: tuple[Picture, ...]  # the query picture of each image part


def compose(backbone: Backbone, cases: Sequence[Case]) -> Script:
    """The cases' prompts as shared parts.

    Raises:
        BackboneError: a picture alone is too large for the model's context.
    """
    prepared: dict[str, ImageInput] = {}
    products: dict[str | None, TokenPart] = {}
    images: dict[tuple[str, str | None, tuple[str, ...]], TokenPart] = {}
    product_of_image: list[int] = []
    fitted: list[FittedKnowledge] = []
    pictures: list[Picture] = []
    questions: list[TokenPart] = []
    image_of_question: list[int] = []

    def ready(picture: Picture) -> ImageInput:
        if picture.key not in prepared:
            prepared[picture.key] = backbone.prepare(picture.key, picture.image)
        return prepared[picture.key]

    for case in cases:
        reference = case.reference.key if case.reference else None
        if reference not in products:
            shown = ready(case.reference) if case.reference else None
            products[reference] = _part(backbone, prompt.product_part(shown is not None), shown, Slot.REFERENCE, 0)
        product = products[reference]
        key = (case.query.key, reference, case.knowledge)
        if key not in images:
            kept = _fit(backbone, case, product, ready(case.query))
            images[key] = _part(backbone, prompt.image_part(kept.texts), ready(case.query), Slot.QUERY, product.after)
            product_of_image.append(list(products).index(reference))
            fitted.append(kept)
            pictures.append(case.query)
        image_of_question.append(list(images).index(key))
        asked = prompt.question_part(case.question, case.options)
        questions.append(_part(backbone, asked, None, None, images[key].after))
    return Script(
        products=tuple(products.values()),
        images=tuple(images.values()),
        questions=tuple(questions),
        product_of_image=torch.tensor(product_of_image),
        image_of_question=torch.tensor(image_of_question),
        knowledge=tuple(fitted),
        pictures=tuple(pictures),
    )


def encode_images(backbone: Backbone, script: Script) -> dict[str, ImageFeatures]:
    """Features of every distinct picture of the script by its key, in one call of the vision tower."""
    inputs = {part.image.key: part.image for part in (*script.products, *script.images) if part.image}
    return dict(zip(inputs, backbone.encode(list(inputs.values())), strict=True))


def _part(backbone: Backbone, part: Part, image: ImageInput | None, slot: Slot | None, start: int) -> TokenPart:
    ids = backbone.tokenize(part, {slot: image} if slot and image else {})
    positions, after = backbone.positions(ids, [image] if image else [], start)
    return TokenPart(ids, positions, after, image)


def _fit(backbone: Backbone, case: Case, product: TokenPart, query: ImageInput) -> FittedKnowledge:
    """The knowledge the context has room for; decided by picture alone, so that all its questions share it."""
    bare = backbone.tokenize(prompt.image_part(()), {Slot.QUERY: query})
    room = backbone.context - backbone.context // RESERVED - len(product.ids) - len(bare)
    if room < 0:
        raise BackboneError(
            f"{len(product.ids) + len(bare)} tokens of pictures don't fit a context of {backbone.context}; "
            "set a lower max_image_tokens"
        )
    block = ("Knowledge:\n",)

    def count(text: str) -> int:
        return len(backbone.tokenize((f"- {text.strip()}\n",), {}))

    return prompt.fit_knowledge(case.knowledge, count, room - len(backbone.tokenize(block, {})))
