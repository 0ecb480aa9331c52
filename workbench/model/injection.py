"""The proposal of patches to inject: those the think tokens attend to most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

Look = Sequence[tuple[Sequence[int], Sequence[float]]]  # by think token: visual tokens and attention to them, falling


@dataclass(frozen=True, slots=True)
class Proposal:
    """A patch of the query picture some think token looks at."""

    token: int  # index among the picture's visual tokens
    score: float  # the looking token's attention


def most_looked_at(attention: Tensor, most: int) -> list[Look]:
    """What each think token attends to most.

    Args:
        attention: (Q, m, n), from think tokens to the query picture's visual tokens; below 0 where there is none.
        most: of each; as many as it may name besides those that may be injected.

    Returns:
        By question.
    """
    top = torch.topk(attention, min(most, attention.shape[-1]))
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return [list(zip(tokens, scores, strict=True)) for tokens, scores in pairs]


def propose(look: Look, injected: Collection[int], per_latent: int, room: int) -> list[Proposal]:
    """The patches each think token attends to most among those not injected, best first.

    Args:
        look: of a question, by `most_looked_at`.
        injected: visual tokens injected already.
        per_latent: patches each think token may name, p.
        room: most proposals to return.

    Returns:
        Distinct patches by falling score (the highest of the tokens that named it), at most `room`.
    """
    best: dict[int, float] = {}
    for tokens, scores in look:
        free = (
            (token, score) for token, score in zip(tokens, scores, strict=True) if score >= 0 and token not in injected
        )
        for token, score in islice(free, per_latent):
            best[token] = max(score, best.get(token, 0.0))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [Proposal(token, score) for token, score in ranked[: max(room, 0)]]
