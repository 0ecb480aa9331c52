"""The plain model: the library's own forward over a whole sequence of token ids, nothing of ours but the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.model import tiny
from workbench.model.backbone import HubBackbone, ImageInput
from workbench.model.case import Case
from workbench.model.token_parts import Script, compose


def parts(script: Script, question: int = 0) -> tuple[Tensor, list[ImageInput]]:
    """A question's prompt as token ids (L,), and its pictures in order."""
    image = int(script.image_of_question[question])
    mine = (script.products[int(script.product_of_image[image])], script.images[image], script.questions[question])
    return torch.cat([part.ids for part in mine]), [part.image for part in mine if part.image]


def logits(body: HubBackbone, case: Case, suffix: Tensor) -> Tensor:
    """Logits (suffix, V) at the last tokens of [the case's prompt | suffix]."""
    ids, shown = parts(compose(body, [case]))
    whole = torch.cat([ids, suffix])[None]
    model = tiny.model(body)
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        out = model(
            input_ids=whole,
            attention_mask=torch.ones_like(whole),
            pixel_values=torch.cat([each.pixels for each in shown]),
            **_beside(model, shown, body.is_image(whole)),
        )
    last: Tensor = out.logits[0, -len(suffix) :]
    return last


def _beside(model: Any, shown: Sequence[ImageInput], visual: Tensor) -> dict[str, Tensor]:
    """What the family's own forward wants beside tokens and pixels."""
    if model.config.model_type == "internvl":
        return {}
    return {"image_grid_thw": torch.tensor([each.grid for each in shown]), "mm_token_type_ids": visual.int()}
