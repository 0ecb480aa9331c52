"""Right for the right reason: planted rows, chance against drawing at random, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.warehouse import rows
from warehouse.queries.shared import SharedAnswers
from warehouse.records.scoring import Capabilities
from workbench.analysis import intervals, option_region, right_reason
from workbench.analysis.patches import Hits, hits
from workbench.question_sets import built_in

NO_PATCHES = Capabilities(probabilities=True, attention=False, latents=False, text=True)


def measured(run_id: str = "one", **columns: Sequence[object]) -> pl.DataFrame:
    """Rows as `Groundings.of_runs` reads them, a picture each."""
    n = len(next(iter(columns.values())))
    plain: dict[str, Sequence[object]] = {
        "run_id": [run_id] * n, "image_id": list(range(n)), "cluster_id": list(range(n)), "question_id": list(range(n)),
        "subtask": ["Anomaly Detection"] * n, "right": [True] * n, "patches_hit": [None] * n,
        "patches_chance": [None] * n, "region_hit": [None] * n, "region_chance": [None] * n, "changed": [None] * n,
        "changed_elsewhere": [None] * n,
    }  # fmt: skip
    schema = dict.fromkeys(("right", "patches_hit", "region_hit", "changed", "changed_elsewhere"), pl.Boolean)
    chances = {"patches_chance": pl.Float64(), "region_chance": pl.Float64()}
    return pl.DataFrame({**plain, **columns}, schema_overrides={**schema, **chances})


def shared(*of_runs: pl.DataFrame) -> SharedAnswers:
    """The questions that all of these runs have, each right, with what was measured of them."""
    names = ("one", "two")[: len(of_runs)]
    questions = of_runs[0].select("image_id", "cluster_id")
    for rows_of_run in of_runs[1:]:
        questions = questions.join(rows_of_run, on="image_id", how="semi")
    places = questions.with_row_index("row")
    hits = [
        rows_of_run.join(places, on="image_id").select(
            "row", pl.lit(run, pl.UInt16).alias("run"), "patches_hit", "patches_chance", "region_hit", "region_chance"
        )
        for run, rows_of_run in enumerate(of_runs)
    ]
    return SharedAnswers(
        questions.with_columns(pl.lit(value=True).alias(name) for name in names), questions, pl.concat(hits)
    )


@given(st.integers(1, 7), st.data())
def test_chance_is_the_share_of_all_choices_of_as_many_patches_that_hit(cells: int, data: st.DataObject) -> None:
    touched = data.draw(st.integers(0, cells))
    count = data.draw(st.integers(1, cells))
    choices = list(combinations(range(cells), count))
    expected = sum(any(place < touched for place in choice) for choice in choices) / len(choices)
    assert Hits((), touched, cells).any_chance(count) == pytest.approx(expected)


def test_chance_of_patches_is_that_of_a_random_selector_on_real_masks() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60), bool)
    mask[10:35, 18:22] = True  # across cells, thinner than one
    grid = [(10.0 * col, 10.0 * row, 10.0 * col + 10, 10.0 * row + 10) for row in range(6) for col in range(6)]
    for count in (1, 3, 8):
        drawn = [[grid[i] for i in rng.permutation(36)[:count]] for _ in range(2000)]
        share = np.mean([any(hits(mask, boxes, (0, 0, 60, 60)).on_mask) for boxes in drawn])
        chance = hits(mask, drawn[0], (0, 0, 60, 60)).any_chance(count)
        assert share == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 2000))


def test_right_answers_that_point_at_the_defect_are_counted_beside_accuracy_and_chance() -> None:
    found = measured(
        right=[True, True, True, False, True],
        patches_hit=[True, True, False, True, False],
        patches_chance=[0.5, 0.25, 0.25, 0.5, 0.0],
    )
    reason = right_reason.of(found)
    assert reason is not None
    assert (reason.pointer, reason.n, reason.images) == ("patches", 5, 5)
    assert (reason.rate.value, reason.right, reason.chance) == pytest.approx((2 / 5, 4 / 5, 1.0 / 5))
    plain = intervals.rates(right_reason.with_reason(found, "patches"), value="right_reason").row(0, named=True)
    assert (reason.rate.low, reason.rate.high) == (plain["low"], plain["high"])
    assert "40.0 % of 5 questions" in right_reason.sentence(reason)
    assert "as many random patches would give 20.0 %; right are 80.0 %" in right_reason.sentence(reason)
    assert "workbench explain RUN" in right_reason.painted_sentence(reason, "RUN")


def test_a_random_pointer_is_as_often_right_for_the_right_reason_as_chance_says() -> None:
    rng, n = np.random.default_rng(1), 4000
    chance, right = rng.choice([0.1, 0.4, 0.9], n), rng.random(n) < 0.7
    found = measured(
        right=right.tolist(), patches_hit=(rng.random(n) < chance).tolist(), patches_chance=chance.tolist()
    )
    reason = right_reason.of(found)
    assert reason is not None
    assert reason.rate.value == pytest.approx(reason.chance, abs=4 * np.sqrt(0.25 / n))


def test_painting_out_counts_right_answers_at_the_defect_that_change_beside_painting_elsewhere() -> None:
    found = measured(
        right=[True, True, True, False, True],
        patches_hit=[True, True, False, True, True],
        patches_chance=[0.5] * 5,
        changed=[True, False, True, True, None],
        changed_elsewhere=[False, True, True, True, None],
    )
    reason = right_reason.of(found)
    assert reason is not None
    assert reason.painting is not None
    assert reason.painting.n == 4
    assert (reason.painting.rate.value, reason.painting.chance) == (1 / 4, 1 / 4)
    assert "25.0 % of 4 questions" in right_reason.painted_sentence(reason, "RUN")
    by_region = right_reason.of(found.with_columns(region_hit=True, region_chance=0.5), "region")
    assert by_region is not None
    assert by_region.painting is None  # patches were painted out, not the region


def test_a_run_without_patches_goes_by_the_region_it_names_and_runs_by_what_all_have() -> None:
    one = measured("one", patches_hit=[True, True, True], patches_chance=[0.5] * 3, region_hit=[True, True, False],
                   region_chance=[0.25] * 3)  # fmt: skip
    two = measured("two", region_hit=[True, False], region_chance=[0.25, 0.5])
    assert right_reason.pointer(one) == "patches"
    assert right_reason.pointer(two) == "region"
    by, table = right_reason.over_shared_questions(shared(one, two), ["one", "two"])
    assert by == "region"
    of_runs = {row["run_id"]: (row["n"], row["rate"], row["chance"]) for row in table.iter_rows(named=True)}
    assert of_runs == {"one": (2, 1.0, 0.25), "two": (2, 0.5, 0.375)}  # of the two questions that both have
    by, pairs = right_reason.pairs(two, one)
    assert (by, pairs["old_right"].to_list(), pairs["right"].to_list()) == ("region", [True, False], [True, True])
    assert "A 50.0 %, B 100.0 %" in right_reason.comparison(two, one, "A", "B")
    assert "not enough evidence, over 2 questions" in right_reason.comparison(two, one, "A", "B")


def test_a_planted_difference_is_called_by_the_sign_flips_of_all_comparisons() -> None:
    old = measured(patches_hit=[False] * 12 + [True] * 12, patches_chance=[0.2] * 24)
    new = measured(patches_hit=[True] * 24, patches_chance=[0.2] * 24)
    said = right_reason.comparison(old, new, "A", "B")
    assert "A 50.0 %, B 100.0 % (by chance 20.0 % and 20.0 %); +50.0 points" in said
    assert ", better, over 24 questions about 24 images." in said


def test_nothing_measured_is_no_number_but_a_reason_and_a_command() -> None:
    empty = measured(right=[])
    assert right_reason.of(empty) is None
    assert right_reason.by_subtask(empty, built_in("mmad").subtasks).is_empty()
    assert right_reason.over_shared_questions(shared(empty), ["one"])[1].is_empty()
    assert right_reason.comparison(empty, empty, "A", "B") == ""
    lack = right_reason.lack(rows.run())
    assert lack.command == f"workbench explain {rows.RUN}"
    no_region = tuple(each for each in rows.run().subtasks if each.kind != "region")
    told = right_reason.lack(rows.run(capabilities=NO_PATCHES, subtasks=no_region))
    assert "carry no patch" in told.sentence


def test_an_option_names_a_third_or_a_ninth_of_the_picture() -> None:
    third = 1 / 3
    assert option_region.region("Top.") == pytest.approx((0, 0, 1, third))
    assert option_region.region("on the left side") == pytest.approx((0, 0, third, 1))
    assert option_region.region("Center.") == pytest.approx((third, third, 2 * third, 2 * third))
    assert option_region.region("Top center.") == pytest.approx((third, 0, 2 * third, third))
    assert option_region.of_option("mask", 8, "Feld 9") == pytest.approx((2 * third, 2 * third, 1, 1))
    assert option_region.of_option("key", 8, "Feld 9") is None
