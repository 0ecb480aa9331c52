"""The embedded model in bfloat16 gives the answers it gives in float32, on questions drawn from its own world."""

from __future__ import annotations

import pytest

from benchmarks import devices
from workbench.model.method import Method

IMAGES = 12


@pytest.mark.slow
def test_bfloat16_and_float32_agree_on_the_drawn_archive() -> None:
    blocks = [devices.asked([image]) for image in range(IMAGES)]
    one, other = (devices.answered(blocks, "cpu", dtype, Method(iterations=3)) for dtype in ("float32", "bfloat16"))
    found = devices.compared(one, other)
    print(found)
    assert len(one) > 60
    assert found.same_answer >= 0.98 * len(one)
    assert all(each.status == "answered" for each in (*one, *other))
    assert 0 < found.start_reward_apart_at_most < 0.1  # it is another arithmetic, and nearly the same


def test_control_other_pictures_answers_are_not_alike() -> None:
    method = Method(iterations=1, samples=2)
    cases = devices.asked([0, 1])
    answers = devices.answered([cases], "cpu", "float32", method)
    half = min(sum(case.seed_key.startswith(f"{image}-") for case in cases) for image in (0, 1))
    assert devices.compared(answers[:half], answers[-half:]).same_answer < half
    assert devices.compared(answers, answers).same_patches == len(answers)
