"""The reward is the full-vocabulary entropy of every think token, and of nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.model import probes, tiny
from tests.model.conftest import AnyEngine
from workbench.model import latent, reward
from workbench.model.backbone import HubBackbone
from workbench.model.engine import Rows
from workbench.model.method import Method

LOG_V = math.log(tiny.VOCABULARY)


@given(st.integers(0, 2**31), st.integers(2, 300), st.floats(0.01, 50))
def test_entropy_is_that_of_the_categorical_distribution(seed: int, vocabulary: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, vocabulary, generator=generator) * spread
    expected = torch.distributions.Categorical(logits=logits).entropy()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(reward.entropy(logits), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("vocabulary", [2, 384, 152_064])
def test_uniform_logits_give_one_less_log_v_and_a_certain_token_gives_one(vocabulary: int) -> None:
    uniform = torch.full((4, vocabulary), 0.7)
    certain = torch.zeros(4, vocabulary)
    certain[:, 1] = 1e4
    assert float(reward.reward(reward.entropy(uniform))) == pytest.approx(1 - math.log(vocabulary), abs=1e-4)
    assert float(reward.reward(reward.entropy(certain))) == 1.0


def test_entropy_of_bfloat16_logits_is_computed_in_float32() -> None:
    logits = torch.randn(5, 384, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert reward.entropy(logits).dtype == torch.float32
    assert torch.equal(reward.entropy(logits), reward.entropy(logits.float()))


def _certain(except_for: int | None) -> Any:
    """Last hidden states that make every next token certain, but uniform at one place counted from the end."""

    def change(out: Any) -> Any:
        hidden: Tensor = out.last_hidden_state * 1e5
        if except_for is not None:
            hidden[:, -except_for] = 0
        out.last_hidden_state = hidden
        return out

    return change


def test_each_think_token_counts_by_log_v_over_m_and_no_other_place_counts(
    body: HubBackbone, engine: AnyEngine
) -> None:
    m, patches, behind = 4, 2, 3
    prefix = probes.read(engine, [tiny.case(tiny.picture(3), tiny.picture(1))])
    z = body.latent_start(m)
    row = torch.cat([prefix.visual_tokens(0)[:patches], z, z[:behind]])  # [patches][Z][something behind Z]
    rows = Rows(torch.tensor([0]), (row,), torch.arange(patches, patches + m)[None])

    def measure(uniform_at: int | None) -> float:
        language_model = tiny.model(body).model.language_model
        with torch.no_grad(), probes.rewriting(language_model, _certain(uniform_at)):
            return float(reward.reward(engine.evaluate(prefix, rows, reward.entropy).values[0]))

    assert measure(None) == pytest.approx(1.0, abs=1e-5)
    for place_from_end in range(1, len(row) + 1):
        is_think_token = behind < place_from_end <= behind + m
        expected = 1 - LOG_V / m if is_think_token else 1.0
        assert measure(place_from_end) == pytest.approx(expected, abs=1e-5), place_from_end


def test_the_recorded_reward_is_that_of_all_think_tokens(body: HubBackbone, engine: AnyEngine) -> None:
    case = tiny.case(tiny.picture(3), tiny.picture(1))
    language_model = tiny.model(body).model.language_model
    with probes.rewriting(language_model, _certain(2)):
        (start,) = latent.reason(engine, [case], Method(iterations=0))[0].iterations
    assert start.token_entropy == pytest.approx((0, 0, LOG_V, 0), abs=1e-4)
    assert start.entropy == pytest.approx(LOG_V / 4, abs=1e-4)
    assert start.reward == 1 - start.entropy
