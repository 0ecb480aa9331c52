"""Entropy of the next-token distributions at the think tokens, and the reward made of it."""

from __future__ import annotations

import torch
from torch import Tensor


def entropy(logits: Tensor) -> Tensor:
    """Entropy of each next-token distribution over the full vocabulary, in nats.

    Args:
        logits: (..., V).

    Returns:
        (...), float32 at least, in 0 .. log V.

    Source: Reason-IAD (arXiv 2602.09850), the confidence of a latent token; H = -sum P log P.
    """
    log_p = torch.log_softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return -(log_p.exp() * log_p).sum(-1)


def reward(entropies: Tensor) -> Tensor:
    """R = 1 - mean entropy over the think tokens, in nats.

    Args:
        entropies: (..., m), m >= 1.

    Returns:
        (...), at most 1.

    Source: Reason-IAD (arXiv 2602.09850), the entropy reward.
    """
    return 1 - entropies.mean(-1)
