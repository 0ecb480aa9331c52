"""The shape of an entropy trace: six words for what a question's uncertainty did over the iterations.

| shape       | meaning                                                                     |
| ----------- | --------------------------------------------------------------------------- |
| flat-low    | hardly moved and was low all along: sure from the start                     |
| falling     | went down and stayed down                                                   |
| oscillating | turned at least TURNS times by more than STEP                               |
| late rise   | went down, then ended more than half of its range above its lowest          |
| stuck-high  | hardly moved, or rose, and was never low                                    |

STEP is what counts as a move at all, LOW what counts as low; both in nats and fixed, so that a shape means the same in
every run of a model. Models differ in how sure they are: compare shapes within a model.
"""

from __future__ import annotations

import polars as pl

SHAPES = ("flat-low", "falling", "oscillating", "late rise", "stuck-high")
STEP = 0.05  # nats
LOW = 1.0  # nats
TURNS = 3
SHORTEST = 3  # iterations that make a shape


def shape(entropy: pl.Expr) -> pl.Expr:
    """The shape of each trace; null for one with fewer than three values.

    Args:
        entropy: lists of nats, one value per iteration from 0.
    """
    moves = entropy.list.eval(pl.element().diff().drop_nulls())
    turns = moves.list.eval(
        (pl.element().filter(pl.element().abs() > STEP).sign().diff().drop_nulls() != 0).sum()
    ).list.first()
    first, last, lowest, highest = entropy.list.first(), entropy.list.last(), entropy.list.min(), entropy.list.max()
    rest = pl.when(entropy.list.mean() < LOW).then(pl.lit("flat-low")).otherwise(pl.lit("stuck-high"))
    return (
        pl.when(entropy.list.len() < SHORTEST)
        .then(None)
        .when(highest - lowest <= 2 * STEP)
        .then(rest)
        .when(turns >= TURNS)
        .then(pl.lit("oscillating"))
        .when((last - lowest > (highest - lowest) / 2) & (first - lowest > STEP))
        .then(pl.lit("late rise"))
        .when(first - last > STEP)
        .then(pl.lit("falling"))
        .otherwise(rest)
    )
