"""Noise, estimates and steps: relative to the embeddings, seeded by question, and in the direction they claim."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.model import estimators
from workbench.model.method import Estimator, Method

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
SHAPE = (4, 64)


def _normal(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_noise_is_sigma_of_the_embeddings_rms() -> None:
    method = Method(samples=64, sigma=0.1, sigma_decay=0.95)
    scale = 0.02
    for n in (1, 5, 10):
        noise = estimators.perturbations(method, "q", n, SHAPE, scale)
        assert float(noise.std()) == pytest.approx(0.1 * 0.95**n * scale, rel=0.02)
        assert float(noise.mean()) == pytest.approx(0, abs=1e-4 * scale * 10)


def test_seed_question_and_iteration_alone_decide_the_noise() -> None:
    method = Method()
    drawn = estimators.perturbations(method, "image/question", 3, SHAPE, 1.0)
    torch.manual_seed(123)  # the global generator plays no part
    assert torch.equal(drawn, estimators.perturbations(method, "image/question", 3, SHAPE, 1.0))
    others = [
        estimators.perturbations(method, "image/question", 4, SHAPE, 1.0),
        estimators.perturbations(method, "image/other", 3, SHAPE, 1.0),
        estimators.perturbations(Method(seed=1), "image/question", 3, SHAPE, 1.0),
    ]
    for other in others:
        assert abs(torch.nn.functional.cosine_similarity(drawn.flatten(), other.flatten(), dim=0)) < 0.15


def test_each_estimator_draws_as_many_samples_as_it_is_defined_by() -> None:
    counts = {
        estimator: len(estimators.perturbations(Method(estimator=estimator, samples=6), "q", 1, SHAPE, 1.0))
        for estimator in ESTIMATORS
    }
    assert counts == {"published": 1, "autograd": 1} | dict.fromkeys(
        ("mean", "loo", "antithetic", "still", "random", "shuffled"), 6
    )


def test_antithetic_samples_come_in_opposite_pairs_and_autograd_has_no_noise() -> None:
    pairs = estimators.perturbations(Method(estimator="antithetic", samples=6), "q", 1, SHAPE, 1.0)
    assert torch.equal(pairs[:3], -pairs[3:])
    assert not estimators.perturbations(Method(estimator="autograd"), "q", 1, SHAPE, 1.0).any()


@given(st.integers(2, 9), st.integers(0, 1000), st.floats(0.01, 2))
def test_estimates_are_the_weighted_sums_they_are_defined_as(K: int, seed: int, sigma: float) -> None:
    noise, rewards = _normal((K, 2, 3), seed) * sigma, _normal((K,), seed + 1)
    baselines: dict[Estimator, list[float]] = {
        "published": [0.0] * K,
        "antithetic": [0.0] * K,
        "mean": [float(rewards.mean())] * K,
        "loo": [float(torch.cat([rewards[:k], rewards[k + 1 :]]).mean()) for k in range(K)],
    }
    for estimator in baselines:
        expected = torch.zeros(2, 3)
        for k in range(K):
            expected += (rewards[k] - baselines[estimator][k]) * noise[k] / sigma**2 / K
        estimate = estimators.gradient(estimator, noise, rewards, sigma)
        torch.testing.assert_close(estimate, expected, atol=1e-4 / sigma, rtol=1e-4)


@pytest.mark.parametrize("estimator", ["mean", "loo", "antithetic"])
def test_many_samples_find_the_gradient_of_a_known_reward_and_shuffled_rewards_find_nothing(
    estimator: Estimator,
) -> None:
    method = Method(estimator=estimator, samples=4096)
    sigma = estimators.deviation(method, 1, 1.0)
    true = _normal(SHAPE, 1)
    noise = estimators.perturbations(method, "q", 1, SHAPE, 1.0)
    rewards = -4 + (noise * true).sum((1, 2)) - 0.01 * noise.square().sum((1, 2))
    cosine = torch.nn.functional.cosine_similarity
    found = estimators.gradient(estimator, noise, rewards, sigma)
    assert cosine(found.flatten(), true.flatten(), dim=0) > 0.9
    assert float(found.norm()) == pytest.approx(float(true.norm()), rel=0.15)
    shuffled = rewards[torch.randperm(4096, generator=torch.Generator().manual_seed(0))]
    lost = estimators.gradient(estimator, noise, shuffled, sigma)
    assert abs(cosine(lost.flatten(), true.flatten(), dim=0)) < 0.25  # 4 standard deviations at m * d = 256


def test_a_step_has_its_length_whatever_the_slope_and_a_token_without_slope_stays() -> None:
    method = Method(step=0.05, trust_radius=0.5)
    scale, start = 0.3, _normal(SHAPE, 0)
    for size in (1e-12, 1.0, 1e12):
        slope = _normal(SHAPE, 1) * size
        slope[2] = 0
        moved = estimators.step(method, start, start, slope, scale) - start
        assert torch.allclose(moved.norm(dim=-1) / 8, torch.tensor([0.015, 0.015, 0, 0.015]), rtol=1e-3)
        along = torch.nn.functional.cosine_similarity(moved, slope / size, dim=-1)
        assert torch.allclose(along[[0, 1, 3]], torch.ones(3), atol=1e-4)


def test_the_published_step_adds_its_raw_slope() -> None:
    method = Method(estimator="published", published_step=1e-3)
    z, slope = _normal(SHAPE, 0), _normal(SHAPE, 1) * 100
    moved = estimators.step(method, z, torch.zeros(SHAPE), slope, 0.5)
    torch.testing.assert_close(moved, z + 1e-3 * 0.25 * slope)


@given(st.floats(0.01, 2), st.floats(0.05, 1), st.integers(1, 60))
def test_tokens_stay_within_the_trust_radius_of_their_start(step: float, radius: float, steps: int) -> None:
    method = Method(step=step, trust_radius=radius)
    scale, start = 0.2, _normal(SHAPE, 0)
    z, slope = start, _normal(SHAPE, 1)
    for _ in range(steps):
        z = estimators.step(method, z, start, slope, scale)
    distance = (z - start).norm(dim=-1) / 8
    expected = min(radius, step * steps) * scale
    assert torch.allclose(distance, torch.full((4,), expected), rtol=1e-2)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("c", [0.01, 100.0])
def test_scaling_all_embeddings_scales_noise_and_step_alike(estimator: Estimator, c: float) -> None:
    method = Method(estimator=estimator)
    start, rewards = _normal(SHAPE, 0) * 0.02, torch.tensor([-0.71, -0.7, -0.72, -0.69])

    def walk(factor: float) -> torch.Tensor:
        """Where one iteration leads, as a share of the scaled start; the rewards are what they are."""
        scale = 0.02 * factor
        noise = estimators.perturbations(method, "q", 1, SHAPE, scale)
        if estimator == "autograd":
            slope = _normal(SHAPE, 3) / factor
        else:
            sigma = estimators.deviation(method, 1, scale)
            slope = estimators.gradient(estimator, noise, rewards[: len(noise)], sigma)
        moved = estimators.step(method, start * factor, start * factor, slope, scale)
        share: torch.Tensor = (moved - start * factor) / (start * factor).norm()
        return share

    torch.testing.assert_close(walk(c), walk(1.0), rtol=1e-3, atol=1e-6)
    if estimator in ("still", "random"):
        assert not walk(1.0).any()
    else:
        assert 1e-3 < float(walk(1.0).norm()) < 0.2
    assert math.isclose(estimators.deviation(method, 1, c), c * estimators.deviation(method, 1, 1.0))
