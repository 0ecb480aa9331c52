"""Averages of averages with their intervals, and ranks that hold together: against plainer ways to the same number."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tests.mmad import DECLARED, SUBTASKS
from workbench.analysis import cluster_robust, intervals, leaderboard, macro

DETECTION = SUBTASKS[0]


def answers(runs: int, images: int = 60, seed: int = 0, ease: tuple[float, ...] = ()) -> pl.DataFrame:
    """Two data sets, images of unequal numbers of questions and of their own difficulty, a column per run."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 8, images)
    image = np.repeat(np.arange(images), count)
    place = np.concatenate([rng.permutation(len(SUBTASKS))[:k] for k in count])
    level = rng.standard_normal(images)[image] + 0.3 * place
    chance = [1 / (1 + np.exp(-(level + (ease[run] if ease else 0.5)))) for run in range(runs)]
    return pl.DataFrame(
        {
            "cluster_id": image.astype(str),
            "question_id": place.astype(str),
            "dataset": np.where(image % 3 == 0, "one", "two"),
            "subtask": np.array(SUBTASKS)[place],
            "label": np.where(image % 2 == 0, "good", "defective"),
            **{f"run {run}": rng.random(len(image)) < chance[run] for run in range(runs)},
        }
    )


def average(rows: pl.DataFrame, run: str) -> float:
    """The macro average in a few lines of polars."""
    side = pl.when(pl.col("subtask") == DETECTION).then("label")
    by_cell = rows.group_by("dataset", "subtask", side=side).agg(pl.col(run).mean())
    by_subtask = by_cell.group_by("dataset", "subtask").agg(pl.col(run).mean())
    return float(by_subtask.group_by("dataset").agg(pl.col(run).mean())[run].mean())  # type: ignore[arg-type]


def build(rows: pl.DataFrame) -> leaderboard.Leaderboard:
    return leaderboard.build(rows, [name for name in rows.columns if name.startswith("run ")], DECLARED)


def test_the_average_and_each_measure_recompute_from_the_rows() -> None:
    rows = answers(3)
    board = build(rows)
    for row in board.ranking.iter_rows(named=True):
        assert row["accuracy"] == pytest.approx(average(rows, row["run_id"]))
    for row in board.cells.filter(pl.col("side").is_not_null(), pl.col("dataset").is_not_null()).iter_rows(named=True):
        same = [pl.col(name) == row[name] for name in ("dataset", "subtask")]
        own = rows.filter(*same, pl.col("label") == row["side"])[row["run_id"]]
        assert (row["n"], row["accuracy"]) == (len(own), pytest.approx(own.mean()))


def test_the_interval_of_a_single_cell_is_that_of_every_other_page() -> None:
    rows = answers(1).filter(pl.col("subtask") == SUBTASKS[3], pl.col("dataset") == "two")
    found = build(rows).ranking.row(0, named=True)
    plain = intervals.rates(rows.rename({"run 0": "right"})).row(0, named=True)
    assert [found[name] for name in ("accuracy", "low", "high")] == pytest.approx(
        [plain[name] for name in ("rate", "low", "high")]
    )


def test_the_error_of_the_average_is_that_of_resampled_images() -> None:
    rows = answers(1, images=400)
    found = build(rows).cells.row(0, named=True)
    groups = rows.partition_by("cluster_id")
    rng = np.random.default_rng(1)
    resampled = [
        average(pl.concat([groups[place] for place in rng.integers(0, len(groups), len(groups))]), "run 0")
        for _ in range(150)
    ]
    assert found["se"] == pytest.approx(np.std(resampled), rel=0.2)


def test_every_measure_s_interval_is_that_of_its_images_one_by_one() -> None:
    """1,100 images, some with copies in the other data set, whose cells are then those of both."""
    rows = answers(3, images=1100, ease=(2.0, 0.5, 9.0)).with_columns(
        cluster_id=pl.when(pl.col("cluster_id").cast(pl.Int64) % 7 == 0)
        .then((pl.col("cluster_id").cast(pl.Int64) // 35).cast(pl.String))
        .otherwise("cluster_id")
    )
    design, runs = macro.design(rows, {DETECTION}), [f"run {number}" for number in range(3)]
    right = rows.select(runs).cast(pl.Float64).to_numpy()
    found = macro.estimate(design, right).partition_by("run", include_key=False)
    accuracy = [[right[design.cell == cell, run].mean() for cell in range(len(design.sizes))] for run in range(3)]
    for place, weights in enumerate(design.weights):
        for run in range(3):
            share, hit = (weights / design.sizes)[design.cell], right[:, run]
            sizes, rights, beyond = (
                np.bincount(design.image, each, design.images)
                for each in (share, share * hit, share * (hit - np.array(accuracy[run])[design.cell]))
            )
            plain = cluster_robust.weighted(
                np.array(weights @ accuracy[run]),
                np.array((beyond**2).sum()),
                cluster_robust.effective(sizes.sum(), (sizes**2).sum()),
                cluster_robust.rarer(
                    sizes.sum(), rights.sum(), (sizes**2).sum(), (sizes * rights).sum(), (rights**2).sum()
                ),
            )
            row = found[run].row(place, named=True)
            assert (row["n"], row["images"]) == ((weights[design.cell] > 0).sum(), (sizes > 0).sum())
            assert [row["accuracy"], row["effective"], row["se"] ** 2, row["low"], row["high"]] == pytest.approx(
                [float(each) for each in (plain.value, plain.effective, plain.variance, plain.low, plain.high)]
            )


def test_p_of_all_pairs_is_that_of_the_largest_statistics_written_out() -> None:
    rows = answers(5, images=120, ease=(0.0, 0.4, 0.8, 1.2, 0.4))
    board, design = build(rows), macro.design(rows, {DETECTION})
    images = macro.contributions(design, rows.select(f"run {run}" for run in range(5)).cast(pl.Float64).to_numpy())
    pairs = list(itertools.combinations(range(5), 2))
    gains = [images[:, one] - images[:, other] for one, other in pairs]
    seen = [abs(gain.sum()) / np.sqrt((gain**2).sum()) for gain in gains]
    order = sorted(range(len(pairs)), key=lambda pair: -seen[pair])
    rng = np.random.default_rng(0)
    sizes = [500] * 3 + [499]
    signs = np.concatenate([2 * rng.integers(0, 2, (n, len(images)), dtype=np.int8) - 1 for n in sizes])
    flipped = np.array([np.abs(signs @ gain) / np.sqrt((gain**2).sum()) for gain in gains])
    ps, last = {}, 0.0
    for rank, pair in enumerate(order):
        largest = flipped[order[rank:]].max(0)
        last = max(last, (1 + int((largest >= seen[pair] - 1e-6).sum())) / 2000)
        ps[pairs[pair]] = last
    assert 0 < min(ps.values()) < 0.05 < max(ps.values())
    for row in board.pairs.iter_rows(named=True):
        assert row["p"] == pytest.approx(ps[int(row["run_id"][-1]), int(row["other"][-1])], abs=0.001)


def test_p_of_two_runs_is_that_of_all_signs_written_out() -> None:
    rows = answers(2, images=11, ease=(2.5, -0.5))
    design = macro.design(rows, {DETECTION})
    gains = macro.contributions(design, rows.select("run 0", "run 1").cast(pl.Float64).to_numpy())
    gain = gains[:, 0] - gains[:, 1]
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(gain))))
    exact = float((np.abs(signs @ gain) >= abs(gain.sum()) - 1e-9).mean())
    found = build(rows).pairs.row(0, named=True)
    assert found["difference"] == pytest.approx(average(rows, "run 0") - average(rows, "run 1"))
    assert found["p"] == pytest.approx(exact, abs=0.03)


@pytest.mark.slow
def test_equal_runs_are_ranked_wrongly_no_oftener_than_promised() -> None:
    trials = 200
    least = [build(answers(6, images=60, seed=seed)).pairs["p"].to_numpy().min() for seed in range(trials)]
    wrong = sum(bool(p < 0.05) for p in least)
    assert wrong <= stats.binom.ppf(0.999, trials, 0.05)


def test_a_better_run_is_first_for_certain_and_equal_ones_share_their_ranks() -> None:
    board = build(answers(4, images=400, ease=(0.5, 0.5, 3.0, 0.5)))
    best, *others = board.ranking.iter_rows(named=True)
    assert (best["run_id"], best["rank"], best["rank_low"], best["rank_high"]) == ("run 2", 1, 1, 1)
    assert {(row["rank_low"], row["rank_high"]) for row in others} == {(2, 4)}


def test_ranks_recompute_from_the_pairs() -> None:
    board = build(answers(5, images=300, ease=(0.0, 0.4, 0.8, 1.6, 3.0)))
    sure = board.pairs.filter(pl.col("p") < 0.05)
    for row in board.ranking.iter_rows(named=True):
        gain = [*sure.filter(run_id=row["run_id"])["difference"], *-sure.filter(other=row["run_id"])["difference"]]
        above, below = sum(each < 0 for each in gain), sum(each > 0 for each in gain)
        assert (row["rank_low"], row["rank_high"]) == (1 + above, 5 - below)


def test_the_same_run_twice_and_one_run_alone_and_none() -> None:
    twice = answers(1).with_columns(pl.col("run 0").alias("run 1"))
    assert build(twice).pairs["p"].to_list() == [1.0]
    assert build(twice).ranking["rank"].to_list() == [1, 1]
    alone = build(answers(1))
    assert alone.ranking.select("rank", "rank_low", "rank_high").row(0) == (1, 1, 1)
    nothing = build(twice.clear())
    assert nothing.ranking.is_empty()
    assert nothing.cells.columns == alone.cells.columns
    assert nothing.pairs.columns == alone.pairs.columns


def test_fewer_than_six_images_that_differ_tell_no_runs_apart() -> None:
    rows = answers(1, images=50).with_columns(pl.lit(True).alias("run 0"))
    for images in (5, 6):
        lost = pl.col("cluster_id").cast(pl.Int64) < images
        board = build(rows.with_columns(pl.when(lost).then(False).otherwise("run 0").alias("run 1")))
        assert (board.pairs["p"][0] < 0.05) == (images == 6)
