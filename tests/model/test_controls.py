"""The controls of the latent loop: what a step must beat spends as many evaluations and walks nowhere."""

from __future__ import annotations

import pytest
import torch

from workbench.model import estimators
from workbench.model.method import Method

SHAPE = (4, 16)
SCALE = 0.7


@pytest.mark.parametrize("control", ["still", "random"])
def test_without_a_step_the_tokens_stay_where_they_are(control: str) -> None:
    z, slope = torch.randn(2, *SHAPE)
    method = Method(estimator=control)  # type: ignore[arg-type]
    assert torch.equal(estimators.step(method, z, torch.zeros(SHAPE), slope, SCALE), z)


def test_random_tokens_are_drawn_as_wide_as_the_trust_radius_at_every_iteration() -> None:
    method = Method(estimator="random", samples=64, trust_radius=0.5)
    for iteration in (1, 10):
        noise = estimators.perturbations(method, "a question", iteration, SHAPE, SCALE)
        assert noise.shape == (64, *SHAPE)
        assert float(noise.pow(2).mean().sqrt()) == pytest.approx(0.5 * SCALE, rel=0.05)


def test_shuffled_rewards_give_each_candidate_anothers_and_a_step_as_long() -> None:
    noise, rewards = torch.randn(4, *SHAPE), torch.tensor([0.1, 0.2, 0.4, 0.8])
    shuffled = estimators.gradient("shuffled", noise, rewards, 0.1)
    torch.testing.assert_close(shuffled, estimators.gradient("mean", noise, rewards.roll(1), 0.1))
    start = torch.zeros(SHAPE)
    steps = [
        estimators.step(Method(estimator=name), start, start, estimators.gradient(name, noise, rewards, 0.1), SCALE)
        for name in ("mean", "shuffled")
    ]
    assert float(steps[0].norm()) == pytest.approx(float(steps[1].norm()), rel=1e-4)


def test_a_control_that_compares_samples_needs_two() -> None:
    with pytest.raises(ValueError, match="samples must be at least 2"):
        Method(estimator="shuffled", samples=1)
