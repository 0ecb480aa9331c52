"""The gradient of the reward through the real model: exact, estimated, and walked along."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from tests.model import probes, tiny
from tests.model.conftest import ENGINES, AnyEngine
from workbench.model import backbone, estimators, latent, reward
from workbench.model.backbone import HubBackbone
from workbench.model.case import Case
from workbench.model.engine import Rows
from workbench.model.method import Estimator, Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
CASE = tiny.case(tiny.picture(7, 56, 56), options=tiny.YES_NO, knowledge=(), question="Is it?")
m = 2


def _slope(engine: AnyEngine, case: Case, z: Tensor, injected: tuple[int, ...] = ()) -> tuple[float, Tensor]:
    """R and dR/dZ at these think tokens behind these patches."""
    prefix = probes.read(engine, [case])
    leaf = z.clone().requires_grad_(True)
    row = torch.cat([prefix.visual_tokens(0)[list(injected)].to(z), leaf])
    at = torch.arange(len(injected), len(row))[None]
    measured = reward.reward(engine.evaluate(prefix, Rows(torch.tensor([0]), (row,), at), reward.entropy).values[0])
    (slope,) = torch.autograd.grad(measured, [leaf])
    return measured.item(), slope


@pytest.fixture
def double(body: HubBackbone, folders: dict[str, Path]) -> HubBackbone:
    """The same model in float64."""
    doubled = backbone.load(body.name)
    tiny.model(doubled).double()
    doubled.dtype = torch.float64
    return doubled


@pytest.mark.parametrize("kind", ENGINES)
def test_autograd_equals_finite_differences_in_float64(kind: str, double: HubBackbone) -> None:
    engine = ENGINES[kind](double)
    case = tiny.case(tiny.picture(3), tiny.picture(1))
    z = double.latent_start(m).double()
    measured, slope = _slope(engine, case, z, injected=(3, 1))
    prefix = probes.read(engine, [case])
    patches = prefix.visual_tokens(0)[[3, 1]]

    def measure(at: Tensor) -> float:
        rows = Rows(torch.tensor([0]), (torch.cat([patches, at]),), torch.tensor([[2, 3]]))
        with torch.no_grad():
            return float(reward.reward(engine.evaluate(prefix, rows, reward.entropy).values[0]))

    assert measure(z) == pytest.approx(measured, abs=1e-12)
    generator = torch.Generator().manual_seed(0)
    # Normalisation layers of the library round to float32 inside, which this step drowns.
    h = 1e-3
    for _ in range(12):
        direction = torch.randn(z.shape, generator=generator, dtype=torch.float64)
        direction /= direction.norm()
        difference = (measure(z + h * direction) - measure(z - h * direction)) / (2 * h)
        assert difference == pytest.approx(float((slope * direction).sum()), abs=2e-3 * float(slope.norm()))


def test_the_gradient_of_both_engines_is_the_same(body: HubBackbone) -> None:
    for case in (CASE, tiny.case(tiny.picture(3), tiny.picture(1))):
        z = body.latent_start(4)
        for injected in ((), (2,), (1, 3, 0)):
            _, shared = _slope(SegmentedEngine(body), case, z, injected)
            _, plain = _slope(NaiveEngine(body), case, z, injected)
            difference = float((shared - plain).norm() / plain.norm())
            print(f"relative difference of the gradients {difference:.1e}")
            assert difference < 1e-5


def _estimates(engine: AnyEngine, method: Method) -> dict[str, float]:
    """Cosine with the exact gradient of the estimate made of the rewards as they are, of shuffled ones, and of one."""
    body = engine.backbone
    prefix, start = probes.read(engine, [CASE]), body.latent_start(m)
    noise = estimators.perturbations(method, "any", 1, (m, tiny.HIDDEN), body.embedding_scale)
    K = len(noise)
    rows = Rows(torch.zeros(K, dtype=torch.long), tuple(start + noise), torch.arange(m).expand(K, -1))
    with torch.no_grad():
        rewards = reward.reward(engine.evaluate(prefix, rows, reward.entropy).values)
    _, exact = _slope(engine, CASE, start)
    sigma = estimators.deviation(method, 1, body.embedding_scale)
    shuffled = rewards[torch.randperm(K, generator=torch.Generator().manual_seed(0))]
    made = {
        "measured": estimators.gradient(method.estimator, noise, rewards, sigma),
        "shuffled": estimators.gradient(method.estimator, noise, shuffled, sigma),
        "published": estimators.gradient("published", noise[:1], rewards[:1], sigma),
    }
    return {name: float(cosine_similarity(each.flatten(), exact.flatten(), dim=0)) for name, each in made.items()}


def _check_estimates(found: dict[str, float]) -> None:
    assert found["measured"] > 0.9
    assert abs(found["shuffled"]) < 0.35  # 4 standard deviations at m * d = 128
    assert abs(found["published"]) < 0.35  # one sample knows next to nothing


@pytest.mark.parametrize("estimator", ["mean", "loo", "antithetic"])
def test_many_samples_estimate_the_exact_gradient_and_shuffled_rewards_estimate_nothing(
    body: HubBackbone, estimator: Estimator
) -> None:
    found = _estimates(SegmentedEngine(body), Method(samples=4096, sigma=0.02, estimator=estimator))
    print(estimator, found)
    _check_estimates(found)


@pytest.mark.slow
@pytest.mark.slow
def test_many_samples_through_the_naive_engine_estimate_the_exact_gradient(bodies: dict[str, HubBackbone]) -> None:
    _check_estimates(_estimates(NaiveEngine(bodies["qwen2_5_vl"]), Method(samples=4096, sigma=0.02)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_loop_steps_along_the_estimate_made_of_its_own_rewards(
    body: HubBackbone, engine: AnyEngine, estimator: Estimator
) -> None:
    method = Method(iterations=2, think_tokens=m, estimator=estimator, injection="none")
    noting = probes.NotingEngine(engine)
    latent.reason(noting, [CASE], method)
    _, first, second, _ = noting.asked
    start, scale = body.latent_start(m), body.embedding_scale
    nats = torch.log(torch.tensor(float(tiny.VOCABULARY)))
    key = f"{CASE.query.key}/{CASE.seed_key}"
    noise = [estimators.perturbations(method, key, n, (m, tiny.HIDDEN), scale) for n in (1, 2)]
    if estimator == "autograd":
        _, slope = _slope(engine, CASE, start)
        slope = slope / nats
    else:
        rewards = 1 - (1 - reward.reward(first.values)) / nats
        slope = estimators.gradient(estimator, noise[0], rewards, estimators.deviation(method, 1, scale))
    expected = estimators.step(method, start, start, slope, scale)
    walked = torch.stack([row.detach() for row in second.rows.embeddings]) - noise[1]
    torch.testing.assert_close(walked, expected.expand_as(walked), atol=1e-4 * scale, rtol=1e-4)
    assert (float((expected - start).norm()) > 0) == (estimator not in ("still", "random"))


def test_the_exact_gradient_raises_the_reward_within_the_trust_radius(body: HubBackbone, engine: AnyEngine) -> None:
    method = Method(iterations=12, think_tokens=m, estimator="autograd", injection="none", trust_radius=0.12)
    noting = probes.NotingEngine(engine)
    (reasoned,) = latent.reason(noting, [CASE], method)
    rewards = [each.reward for each in reasoned.iterations[1:]]
    assert max(rewards) > rewards[0] + 0.01
    assert reasoned.best_iteration == 1 + rewards.index(max(rewards))
    root, scale = tiny.HIDDEN**0.5, body.embedding_scale
    walked = [asked.rows.embeddings[0].detach() for asked in noting.asked[1:-1]]
    for before, after in itertools.pairwise(walked[:3]):
        assert torch.allclose((after - before).norm(dim=-1) / root, torch.tensor(0.05 * scale), rtol=1e-3)
    away = torch.stack(walked) - body.latent_start(m)
    assert float((away.norm(dim=-1) / root).max()) == pytest.approx(0.12 * scale, rel=1e-3)


def test_the_noise_is_a_tenth_of_the_start_token(body: HubBackbone, engine: AnyEngine) -> None:
    noting = probes.NotingEngine(engine)
    latent.reason(noting, [CASE], Method(iterations=1, samples=8, sigma=0.1, sigma_decay=1.0))
    start = body.latent_start(4)
    shares = [float((row - start).norm() / start.norm()) for row in noting.asked[1].rows.embeddings]
    assert len(shares) == 8
    assert all(share == pytest.approx(0.1, rel=0.25) for share in shares)
