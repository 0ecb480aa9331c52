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
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    # log_softmax adds up its denominator one term after another on a CPU: 1e-5 off at 152,064 tokens. `sum` goes by
    # pairs, which is good to 1e-7.
    behind = wide - wide.detach().amax(-1, keepdim=True)  # log P, but for log Z
    shares = behind.exp()
    total = shares.sum(-1)  # Z
    return total.log() - (shares * behind).sum(-1) / total


def reward(entropies: Tensor) -> Tensor:
    """R = 1 - mean entropy over the think tokens, in nats.

    Args:
        entropies: (..., m), m >= 1.

    Returns:
        (...), at most 1.

    Source: Reason-IAD (arXiv 2602.09850), the entropy reward.
    """
    return 1 - entropies.mean(-1)
