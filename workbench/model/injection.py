"""The proposal of patches to inject: those the think tokens attend to most, or that differ most from normal pictures.

A comparison's map proposes like one more think token. It does not move from iteration to iteration, so each of its
patches is offered once, the most different first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from workbench.model.backbone import ImageInput
from workbench.model.case import Case
from workbench.model.method import Method

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


def most_different(difference: NDArray[np.float32], image: ImageInput, most: int) -> tuple[list[int], list[float]]:
    """The visual tokens over the most different parts of the picture.

    A token has the map's value at its middle, between patches of the map by bilinear interpolation, or that of the
    patches whose middles it covers, whichever is largest.

    Args:
        difference: (rows, cols) over the whole picture.
        image: the picture as the model sees it.
        most: how many tokens.

    Returns:
        Tokens by falling score, the first of equal ones first, and scores: shares of the sum over all tokens.
    """
    rows, cols = difference.shape
    boxes = np.array([image.place(token)[2] for token in range(image.tokens)])  # (n, 4)
    edges = boxes / np.tile(image.size, 2) * [cols, rows, cols, rows]  # in patches of the map
    middles = (edges[:, :2] + edges[:, 2:]) / 2 - 0.5  # x, y
    values = ndimage.map_coordinates(difference, middles.T[::-1], order=1, mode="nearest").clip(0)  # (n,)
    first, behind = np.ceil(edges[:, :2] - 0.5).astype(int), np.ceil(edges[:, 2:] - 0.5).astype(int)
    for token, ((left, top), (right, bottom)) in enumerate(zip(first, behind, strict=True)):
        if right > left and bottom > top:
            values[token] = max(values[token], difference[top:bottom, left:right].max())
    shares = values / max(float(values.sum()), 1e-12)
    order = np.argsort(-shares, kind="stable")[:most]
    return order.tolist(), shares[order].tolist()


def offers(cases: Sequence[Case], image_of: Callable[[int], ImageInput], method: Method) -> list[dict[int, float]]:
    """By case what its comparison may propose: visual tokens and scores, the most different first.

    Args:
        cases: without a map there is nothing to offer.
        image_of: the query picture of a case, by its place.
        method: whose iterations bound how many can be offered.
    """
    if not method.proposes_by_comparison:
        return [{} for _ in cases]
    found: dict[str, dict[int, float]] = {}  # by picture
    for index, case in enumerate(cases):
        if case.query.key not in found and case.difference is not None:
            most = method.iterations * method.patches_per_latent
            found[case.query.key] = dict(zip(*most_different(case.difference, image_of(index), most), strict=True))
    return [dict(found.get(case.query.key, {})) for case in cases]


def propose_beside(
    look: Look, different: dict[int, float], injected: Collection[int], method: Method, room: int
) -> list[Proposal]:
    """As `propose`, with what the comparison still offers beside what is looked at, or in its stead.

    Args:
        look: of a question, by `most_looked_at`.
        different: of the same by `offers`; what is proposed is taken out.
        injected: visual tokens injected already.
        method: who proposes, and how many each.
        room: most proposals to return.
    """
    if different:
        offered = list(different), list(different.values())
        look = [offered] if method.proposals == "comparison" else [*look, offered]
    proposed = propose(look, injected, method.patches_per_latent, room)
    for each in proposed:
        different.pop(each.token, None)
    return proposed


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
