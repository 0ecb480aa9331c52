"""The checkpoint that ships, on pictures of its own world: both engines agree on real questions with knowledge."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.model.agreement import agreement
from workbench import embedded
from workbench.embedded import draw, drawn_world, questions
from workbench.model import backbone, latent
from workbench.model.backbone import HubBackbone
from workbench.model.case import Case, Picture
from workbench.model.method import Estimator, Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine


@pytest.fixture(scope="module")
def shipped() -> HubBackbone:
    """The embedded demo model, in float32."""
    return backbone.load(embedded.CHECKPOINT)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """All that can be asked about a damaged piece and a good one, each beside a good piece of its product."""
    rng = np.random.default_rng(7)
    made = []
    for i, (product, good) in enumerate([("hex nut", False), ("circuit board", True)]):
        shown, normal = (draw.draw(rng, product, good=flag) for flag in (good, True))
        query, reference = (Picture(f"{i}{n}", Image.fromarray(each.image)) for n, each in enumerate((shown, normal)))
        texts = tuple(drawn_world.knowledge_text(product, entry) for entry in drawn_world.PRODUCTS[product].defects[:3])
        for subtask in questions.SUBTASKS:
            asked = questions.ask(rng, subtask, shown.facets, drawn_world.RELEASED_FACTS)
            if asked is not None:
                options = tuple(zip(questions.LETTERS, asked.options, strict=False))
                made.append(Case(subtask, query, reference, texts, asked.question, options))
    assert len(made) == 7 + 3
    return made


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["mean", "autograd"])
def test_the_shipped_model_answers_alike_through_both_engines(
    shipped: HubBackbone, cases: list[Case], estimator: Estimator
) -> None:
    method = Method(iterations=2, estimator=estimator)
    found = agreement(
        latent.reason(SegmentedEngine(shipped), cases, method),
        latent.reason(NaiveEngine(shipped), cases, method),
    )
    assert found.reward < 1e-4
    assert found.log_probability < 1e-4


def test_the_shipped_model_looks_with_the_layers_its_folder_names(shipped: HubBackbone) -> None:
    assert set(shipped.attention_layers) < set(range(shipped.layers))
