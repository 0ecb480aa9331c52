"""Nothing judged, nothing shared, nothing asked: every table is empty with its columns, every number says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest

from tests.analysis import invented
from tests.mmad import DECLARED
from warehouse.queries.shared import SharedAnswers
from workbench.analysis import (
    ablation,
    alarms,
    bias,
    calibration,
    compare,
    confusion,
    drift,
    error_concentration,
    intervals,
    leaderboard,
    loss_by_slice,
    mmad,
    slice_discovery,
    slices,
    stress,
    traces,
    worsened,
)

FULL = invented.facts().with_columns(outcome=pl.lit("right"), label=pl.lit("good"))
NO_HITS = pl.DataFrame(schema={"row": pl.UInt32, "run": pl.UInt16, "patches_hit": pl.Boolean, "region_hit": pl.Boolean})
SHARED = SharedAnswers(pl.DataFrame(), pl.DataFrame(), NO_HITS)
STUDY = ablation.Study((), {}, {}, {}, (), {}, demo=False, subtasks=tuple(DECLARED), shared=SHARED)
PAIRS = compare.pair(FULL, FULL).frame
TABLES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "rates": lambda facts: intervals.rates(facts, ("product",)),
    "slices": lambda facts: slices.table(facts, ("product",)),
    "heat map": slices.heat,
    "discovered slices": slice_discovery.find,
    "position bias": bias.by_position,
    "confusion": confusion.by_option,
    "defects": confusion.by_defect,
    "shapes": traces.by_shape,
    "alarms by shape": lambda facts: alarms.by_group(facts, ("shape",)),
    "stress by camera": lambda facts: stress.by(facts, "camera"),
    "where errors are": lambda facts: error_concentration.table(
        {cut: intervals.rates(facts, cut) for cut in error_concentration.CUTS}, intervals.rates(facts)
    ),
}
OF_PAIRS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "differences": lambda pairs: compare.table(pairs, ("subtask",)),
    "flips": compare.flips,
    "where B loses": lambda pairs: loss_by_slice.table(pairs, cuts=(("product",), ("subtask",))),
    "arms": lambda pairs: compare.together(
        pl.DataFrame({"arm": ["one"] * (pairs.height > 0)}, schema={"arm": pl.String}), [pairs] if pairs.height else []
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_without_an_answer_a_table_is_empty_and_has_its_columns(name: str) -> None:
    full, empty = TABLES[name](FULL), TABLES[name](FULL.clear())
    assert (empty.height, empty.columns) == (0, full.columns)
    nothing_judged = TABLES[name](FULL.with_columns(right=pl.lit(None, pl.Boolean)))
    assert nothing_judged.columns == full.columns


@pytest.mark.parametrize("name", OF_PAIRS)
def test_without_a_pair_a_comparison_is_empty_and_has_its_columns(name: str) -> None:
    full, empty = OF_PAIRS[name](PAIRS), OF_PAIRS[name](PAIRS.clear())
    assert (empty.height, empty.columns) == (0, full.columns)


def test_without_an_arm_a_study_s_tables_are_empty_and_have_their_columns() -> None:
    assert ablation.arms(STUDY).is_empty()
    assert ablation.differences(STUDY).columns == ["arm", "family", "level", "baseline", *compare.COLUMNS]
    assert stress.falls(STUDY).columns == ["condition", "strength", "method", *compare.COLUMNS]
    assert {"condition", "strength", "method", "n", "accuracy", "fall", "hit"} <= set(stress.table(STUDY).columns)
    assert ablation.convergence(STUDY, "seed").is_empty()


def test_without_an_answer_numbers_say_that_they_are_none() -> None:
    facts = FULL.clear()
    (row,) = intervals.rates(facts).to_dicts()
    assert (row["n"], row["rate"], row["low"], row["high"]) == (0, None, 0.0, 1.0)
    assert math.isnan(intervals.bootstrap(intervals.per_cluster(facts)).value)
    assert calibration.scores(facts).lacking == calibration.warning(facts).lacking == "answers"
    assert compare.verdict(compare.Pairs(PAIRS.clear(), 0, 0)).word == "not enough evidence"
    assert not bias.verdict(bias.by_position(facts)).flagged
    nights = facts.with_columns(tonight=pl.lit(True), night=pl.lit(0), alarm=pl.lit(True))
    assert drift.signals(nights) == []
    assert drift.standardised(nights, "alarm") is None
    assert worsened.find(nights) is None
    answers = facts.select("cluster_id", "dataset", "subtask", "label", one="right")
    assert leaderboard.build(answers, ["one"], DECLARED).ranking.is_empty()
    assert mmad.score(pl.DataFrame(schema=mmad.ANSWERS), "strict").questions == 0
