"""How far two outcomes of the same cases are from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.model.case import Reasoned

NEAR_TIE = 1e-3  # an option's lead below this may turn with rounding


@dataclass(frozen=True, slots=True)
class Agreement:
    """Largest differences over all cases; answers, patches and decisions were found equal."""

    reward: float  # nats, of any iteration
    log_probability: float  # of any option, before and after
    score: float  # attention of any proposed patch
    near_ties: int  # cases whose best two options are closer than NEAR_TIE


def agreement(ours: Sequence[Reasoned], theirs: Sequence[Reasoned]) -> Agreement:
    """Asserts the same answers, patches and decisions; returns how far the floats are apart."""
    rewards, chances, scores = [0.0], [0.0], [0.0]
    near_ties = 0
    for one, other in zip(ours, theirs, strict=True):
        tie = lead(one) < NEAR_TIE
        near_ties += tie
        assert tie or one.answer == other.answer
        assert one.status == other.status
        assert one.best_iteration == other.best_iteration
        assert _decisions(one) == _decisions(other)
        assert [(p.row, p.col) for p in one.accepted_features] == [(p.row, p.col) for p in other.accepted_features]
        assert one.raw_text == other.raw_text
        assert one.rationale == other.rationale
        assert (one.knowledge_dropped, one.knowledge_cut) == (other.knowledge_dropped, other.knowledge_cut)
        for a, b in zip(one.iterations, other.iterations, strict=True):
            rewards += [abs(x - y) for x, y in zip(a.token_entropy, b.token_entropy, strict=True)]
            rewards.append(abs(a.reward - b.reward))
        for before, after in (
            (one.initial_option_probabilities, other.initial_option_probabilities),
            (one.option_probabilities, other.option_probabilities),
        ):
            assert list(before) == list(after)
            chances += [abs(math.log(before[letter]) - math.log(after[letter])) for letter in before]
        scores += [abs(a.score - b.score) for a, b in zip(one.patches, other.patches, strict=True)]
    found = Agreement(max(rewards), max(chances), max(scores), near_ties)
    print(f"{len(ours)} cases: {found}")
    return found


def _decisions(reasoned: Reasoned) -> list[tuple[int, int, int, tuple[float, float, float, float], bool]]:
    return [(p.iteration, p.row, p.col, p.box, p.accepted) for p in reasoned.patches]


def lead(reasoned: Reasoned) -> float:
    """How far the likeliest option is ahead of the next."""
    ranked = sorted(reasoned.option_probabilities.values(), reverse=True)
    return ranked[0] - ranked[1] if len(ranked) > 1 else 1.0
