"""From rewards of perturbed think tokens to a step: five ways to estimate the gradient, one way to walk along it.

And three controls at as many evaluations, which a step must beat to be worth its name.

Everything is relative to s, the rms of the embedding matrix, so that a model whose embeddings are all scaled by c walks
the same way, scaled by c.

    published   one sample, no baseline, raw step length           the paper's "REINFORCE-like" update
    mean        K samples against their mean                        (our default)
    loo         K samples, each against the mean of the others
    antithetic  K / 2 pairs of opposite samples
    autograd    the exact gradient through the frozen model; no samples

    still       control: no step; the same candidates stay around the start (eta = 0)
    random      control: no step; candidates anywhere within the trust radius (best of N K random think tokens)
    shuffled    control: `mean`, each candidate with another's reward; its step is as long and points nowhere

`loo` is `mean` times K / (K - 1); as our steps have a fixed length, the two walk alike, and both are kept because the
literature names both. With few samples every estimate is mostly noise: its cosine with the true gradient goes as
sqrt(K / (K + m d)).
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from workbench.model.method import Estimator, Method


def sample_count(method: Method) -> int:
    """Candidates per iteration: one where the estimator defines it so, else `samples`."""
    return 1 if method.estimator in ("published", "autograd") else method.samples


def perturbations(method: Method, key: str, iteration: int, shape: tuple[int, int], scale: float) -> Tensor:
    """The noise of one iteration of one question.

    Args:
        method: gives K, sigma, its decay and the seed.
        key: identifies the question and its picture. Seed, key and iteration alone decide the noise, so neither order
            nor batch nor resuming changes it.
        iteration: from 1.
        shape: (m, d).
        scale: s.

    Returns:
        (K, m, d) float32 on the CPU with standard deviation `deviation(...)`; zeros for `autograd`.
    """
    count = sample_count(method)
    if method.estimator == "autograd":
        return torch.zeros(count, *shape)
    digest = hashlib.sha256(f"{method.seed}/{key}/{iteration}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    drawn = count // 2 if method.estimator == "antithetic" else count
    noise = torch.empty(drawn, *shape).normal_(0.0, deviation(method, iteration, scale), generator=generator)
    return torch.cat([noise, -noise]) if method.estimator == "antithetic" else noise


def deviation(method: Method, iteration: int, scale: float) -> float:
    """Standard deviation of the noise at an iteration: sigma * decay^n * s; the trust radius for `random`."""
    if method.estimator == "random":
        return float(method.trust_radius * scale)
    return float(method.sigma * method.sigma_decay**iteration * scale)


def gradient(estimator: Estimator, noise: Tensor, rewards: Tensor, sigma: float) -> Tensor:
    """The score-function estimate of dR/dZ.

    Args:
        estimator: decides the baseline b_k.
        noise: (..., K, m, d), the perturbations, of any number of questions.
        rewards: (..., K), of the perturbed tokens.
        sigma: their standard deviation, in the embeddings' unit.

    Returns:
        (..., m, d): mean over k of (R_k - b_k) eps_k / sigma^2.
    """
    K = rewards.shape[-1]
    baseline: Tensor | float = 0.0
    if estimator == "shuffled":
        rewards = rewards.roll(1, -1)
    if estimator in ("mean", "shuffled"):
        baseline = rewards.mean(-1, keepdim=True)
    elif estimator == "loo":
        baseline = (rewards.sum(-1, keepdim=True) - rewards) / (K - 1)
    weights = (rewards - baseline) / (sigma * sigma)  # (..., K)
    return (weights[..., None, None] * noise).sum(-3) / K


def step(method: Method, z: Tensor, start: Tensor, slope: Tensor, scale: float) -> Tensor:
    """The think tokens after one update.

    All but `published` move every token by `step * s` (rms) along its slope and stay within `trust_radius * s` (rms) of
    the start; a token without slope stays. `published` adds its raw slope times `published_step * s^2`; `still` and
    `random` stay where they are.

    Args:
        method: gives estimator, step lengths and trust radius.
        z: (..., m, d), the tokens, of any number of questions.
        start: (..., m, d), where they began.
        slope: (..., m, d), the estimate.
        scale: s.

    Returns:
        (..., m, d).
    """
    if method.estimator in ("still", "random"):
        return z
    if method.estimator == "published":
        return z + method.published_step * scale**2 * slope
    root = math.sqrt(z.shape[-1])
    length: Tensor = slope.norm(dim=-1, keepdim=True)
    moved = z + torch.where(length > 0, slope / length.clamp_min(1e-38), slope) * (method.step * scale * root)
    away = moved - start
    distance: Tensor = away.norm(dim=-1, keepdim=True) / root
    shrink: Tensor = (method.trust_radius * scale / distance.clamp_min(1e-38)).clamp(max=1.0)
    return start + away * shrink
