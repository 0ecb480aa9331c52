"""Rates over clusters of unequal size: against CR2 written out, and where clusters are too few to say anything."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from workbench.analysis import cluster_robust, intervals

Values = NDArray[np.float64]


def cr2(sizes: list[int], right: Values) -> tuple[float, float]:
    """CR2's variance of a mean and Satterthwaite's degrees of freedom, by matrices (Bell and McCaffrey 2002)."""
    total = sum(sizes)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    hat = np.full((total, total), 1 / total)
    residual_maker = np.eye(total) - hat
    residual = residual_maker @ right
    variance, columns = 0.0, []
    for number in range(len(sizes)):
        own = cluster == number
        values, vectors = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        root = vectors @ np.diag([value**-0.5 if value > 1e-9 else 0.0 for value in values]) @ vectors.T
        weights = root @ np.full(own.sum(), 1 / total)
        variance += float(weights @ residual[own]) ** 2
        columns.append(residual_maker[:, own] @ weights)
    values = np.linalg.eigvalsh(np.stack(columns, axis=1).T @ np.stack(columns, axis=1))
    return variance, float(values.sum() ** 2 / (values**2).sum())


def estimate(sizes: list[int], rights: Values) -> cluster_robust.Rates:
    """Of one group of clusters with so many right answers each."""
    return of_sums(np.array(sizes, float), rights[None])


def of_sums(n: Values, rights: Values) -> cluster_robust.Rates:
    """Of groups of clusters: the last axis is the clusters."""
    n, nn, nr, rr = np.broadcast_to(n, rights.shape), n * n + 0 * rights, n * rights, rights * rights
    return cluster_robust.ratio(n.sum(-1), rights.sum(-1), nn.sum(-1), nr.sum(-1), rr.sum(-1))


def test_with_clusters_of_one_size_the_variance_is_cr2_s_and_so_are_the_degrees_of_freedom() -> None:
    rng = np.random.default_rng(0)
    sizes = [4] * 9
    right = (rng.random(36) < 0.6).astype(float)
    variance, degrees = cr2(sizes, right)
    found = estimate(sizes, right.reshape(9, 4).sum(1))
    assert found.variance[0] == pytest.approx(variance)
    assert found.effective[0] - 1 == pytest.approx(degrees)


@given(st.lists(st.integers(1, 12), min_size=2, max_size=10))
def test_the_degrees_of_freedom_are_never_more_than_satterthwaite_s(sizes: list[int]) -> None:
    _, degrees = cr2(sizes, np.zeros(sum(sizes)))
    assert estimate(sizes, np.zeros(len(sizes))).effective[0] - 1 <= degrees + 1e-9


def test_the_variance_of_independent_questions_is_unbiased_however_unequal_the_clusters_are() -> None:
    rng = np.random.default_rng(1)
    sizes = np.array([1, 1, 1, 2, 3, 5, 8, 13, 21])
    rights = rng.binomial(sizes, 0.7, (20_000, len(sizes))).astype(float)
    found = of_sums(sizes.astype(float), rights)
    assert found.variance.mean() == pytest.approx(0.7 * 0.3 / sizes.sum(), rel=0.03)


def test_thirty_images_of_one_question_and_one_of_fifty_are_too_few_to_say_anything() -> None:
    image = [*range(30), *[30] * 50]
    facts = pl.DataFrame({"cluster_id": image, "right": [number % 3 > 0 for number in range(80)]})
    row = intervals.rates(facts).row(0, named=True)
    assert row["effective"] == pytest.approx(80**2 / (30 + 50**2))
    assert (row["low"], row["high"]) == (0.0, 1.0)


def test_an_interval_is_wilson_s_of_one_question_an_image_with_t() -> None:
    found = estimate([1] * 40, np.array([1.0] * 33 + [0.0] * 7))
    z, rate = special.stdtrit(39, 0.975), 33 / 40
    # 7 images with the rarer answer scatter as independent ones do but for 40 / 39, and one more stands beside them.
    n = 40 * 8 / (7 * 40 / 39 + 1)
    for end in (found.low[0], found.high[0]):
        assert abs(end - rate) == pytest.approx(z * np.sqrt(end * (1 - end) / n))


def test_errors_that_few_images_have_widen_the_interval() -> None:
    spread, gathered = np.full(40, 5.0), np.full(40, 5.0)
    spread[:20] -= 1
    gathered[:4] -= 5
    apart, together = estimate([5] * 40, spread), estimate([5] * 40, gathered)
    assert apart.value[0] == together.value[0]
    assert together.high[0] - together.low[0] > 1.8 * (apart.high[0] - apart.low[0])
