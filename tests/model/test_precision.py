"""The embedded model in bfloat16 gives the answers it gives in float32, on questions drawn from its own world."""

from __future__ import annotations

import pytest

from workbench import embedded
from workbench.embedded import full_method, world
from workbench.embedded.questions import LETTERS
from workbench.model import backbone, latent
from workbench.model.case import Case
from workbench.model.method import Method
from workbench.model.segments import SegmentedEngine

IMAGES, SEED = 12, 20260101


def _cases(number: int) -> list[Case]:
    """All that can be asked about a drawn image, with its reference and its product's first texts."""
    drawing, reference, choices = full_method.drawn(SEED, number)
    query, product = full_method.picture(drawing), drawing.facets.product
    texts = tuple(world.knowledge_text(product, entry) for entry in world.PRODUCTS[product].defects[:3])
    return [
        Case(
            f"{number}-{i}", query, reference, texts, choice.question, tuple(zip(LETTERS, choice.options, strict=False))
        )
        for i, choice in enumerate(choices)
    ]


@pytest.mark.slow
def test_bfloat16_and_float32_agree_on_the_drawn_archive() -> None:
    method = Method(iterations=3)
    answers = {}
    for dtype in ("float32", "bfloat16"):
        engine = SegmentedEngine(backbone.load(embedded.CHECKPOINT, dtype=dtype))
        answers[dtype] = [each for n in range(IMAGES) for each in latent.reason(engine, _cases(n), method)]
    pairs = list(zip(answers["float32"], answers["bfloat16"], strict=True))
    same = sum(one.answer == other.answer for one, other in pairs)
    print(f"{same} of {len(pairs)} answers alike")
    assert len(pairs) > 60
    assert same >= 0.98 * len(pairs)
    assert all(each.status == "answered" for pair in pairs for each in pair)
    apart = [abs(a.iterations[0].reward - b.iterations[0].reward) for a, b in pairs]
    assert 0 < max(apart) < 0.1  # it is another arithmetic, and nearly the same
