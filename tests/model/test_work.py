"""What is fed to the model, counted by hooks on its modules, is what the engine says and what the arithmetic says."""

from __future__ import annotations

import pytest

from tests.model import probes, tiny
from tests.model.conftest import AnyEngine
from workbench.model import latent, prompt
from workbench.model.backbone import HubBackbone
from workbench.model.case import Reasoned
from workbench.model.compose import compose
from workbench.model.method import Method
from workbench.model.naive import NaiveEngine


def _rows(reasoned: Reasoned, method: Method, stub: int) -> list[int]:
    """Lengths of all rows one question needs, from what was recorded about it."""
    m, held = method.think_tokens, 0
    rows = [m]  # the start state
    for n in range(1, method.iterations + 1):
        rows += [held + m] * method.samples
        proposed = [patch for patch in reasoned.patches if patch.iteration == n]
        if proposed:
            rows.append(held + len(proposed) + m)
            held += sum(patch.accepted for patch in proposed)
    return [*rows, m + stub, held + m + stub]  # letters, before and after


def test_tokens_fed_to_the_decoder_are_those_the_arithmetic_says(body: HubBackbone, engine: AnyEngine) -> None:
    cases, method = tiny.block(), Method(iterations=3)
    with probes.watching(body) as seen:
        reasoned = latent.reason(engine, cases, method)
    script = compose(body, cases)
    stub = len(body.tokenize(prompt.stub_part(), {}))
    rows = [_rows(each, method, stub) for each in reasoned]
    parts = (*script.products, *script.images, *script.questions)
    once = sum(len(part.ids) for part in parts)
    if isinstance(engine, NaiveEngine):  # the whole prefix with every row
        expected = 0
        for i, lengths in enumerate(rows):
            image = int(script.image_of_question[i])
            mine = (script.products[int(script.product_of_image[image])], script.images[image], script.questions[i])
            expected += sum(length + sum(len(part.ids) for part in mine) for length in lengths)
    else:  # each part once, then the rows alone
        expected = once + sum(map(sum, rows))
        assert [len(script.products), len(script.images), len(script.questions)] == [3, 5, 11]
    assert engine.work.decoder_tokens == expected
    assert sum(call.tokens for call in seen.decoder) == expected


def test_the_vision_tower_sees_each_picture_once_in_one_call(body: HubBackbone, engine: AnyEngine) -> None:
    with probes.watching(body) as seen:
        latent.reason(engine, tiny.block(), Method(iterations=2))
    assert seen.vision == [6]  # four query pictures and two references
    assert (engine.work.vision_calls, engine.work.images) == (1, 6)


def test_zoomed_patches_are_counted_as_pictures(body: HubBackbone, engine: AnyEngine) -> None:
    with probes.watching(body) as seen:
        (reasoned,) = latent.reason(engine, [tiny.case(tiny.picture(3))], Method(iterations=2, injection="zoom"))
    zoomed = {(patch.row, patch.col) for patch in reasoned.patches}
    assert seen.vision == [1] * (1 + len(zoomed))
    assert (engine.work.vision_calls, engine.work.images) == (len(seen.vision), len(seen.vision))


@pytest.mark.parametrize("think_tokens", [0, 4])
def test_seconds_are_booked_where_they_were_spent(engine: AnyEngine, think_tokens: int) -> None:
    latent.reason(engine, [tiny.case(tiny.picture(3))], Method(iterations=1, think_tokens=think_tokens))
    timings = engine.work.timings
    assert timings.vision > 0
    assert timings.answer > 0
    assert (timings.prefill > 0) == (not isinstance(engine, NaiveEngine))
    assert timings.loop >= 0
