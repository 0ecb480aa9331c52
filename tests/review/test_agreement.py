"""How far two blind reviewers agree: on correct, wrong or unsure, beyond chance, with an interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import krippendorff
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from workbench.review import agreement

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DECISIONS = ("correct", "wrong", "unsure")


def verdicts(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    """Of dispute, slot, reviewer and decision; given one after another."""
    return pl.DataFrame(
        [
            {"dispute_id": dispute, "slot": slot, "reviewer": reviewer, "decision": decision,
             "judged_at": NOW + timedelta(minutes=place), "unblinded": False}
            for place, (dispute, slot, reviewer, decision) in enumerate(rows)
        ],
        schema={"dispute_id": pl.String, "slot": pl.Int64, "reviewer": pl.String, "decision": pl.String,
                "judged_at": pl.Datetime(time_zone="UTC"), "unblinded": pl.Boolean},
    )  # fmt: skip


def two_people(cases: int, seed: int = 0, people: tuple[str, ...] = ("anna", "ben")) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(cases):
        first = rng.choice(DECISIONS, p=(0.6, 0.3, 0.1))
        second = first if rng.random() < 0.8 else rng.choice(DECISIONS)
        pair = rng.permutation(list(people))[:2]
        rows += [(f"d{place}", 1, str(pair[0]), str(first)), (f"d{place}", 2, str(pair[1]), str(second))]
    return verdicts(*rows)


def test_kappa_of_two_named_people_is_scikit_learn_s_whoever_had_which_slot() -> None:
    given = two_people(60)
    found = agreement.agreement(given)
    wide = given.pivot("reviewer", index="dispute_id", values="decision")
    assert found.people == ("anna", "ben")
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(cohen_kappa_score(wide["anna"], wide["ben"]))
    assert found.kappa.low < found.kappa.value < found.kappa.high
    assert found.low < found.same / 60 < found.high
    assert "anna and ben say the same of" in agreement.in_words(found)


def test_with_three_people_there_is_alpha_alone() -> None:
    given = two_people(60, people=("anna", "ben", "carl"))
    found = agreement.agreement(given)
    codes = given.with_columns(code=pl.col("decision").replace_strict({name: at for at, name in enumerate(DECISIONS)}))
    ratings = codes.pivot("dispute_id", index="reviewer", values="code").drop("reviewer").to_numpy().astype(float)
    assert (found.people, found.kappa) == (None, None)
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(krippendorff.alpha(ratings, level_of_measurement="nominal"))
    assert found.alpha.low < found.alpha.value < found.alpha.high


def test_two_who_call_an_answer_wrong_agree_whichever_option_each_names() -> None:
    given = verdicts(("a", 1, "anna", "wrong"), ("a", 2, "ben", "wrong")).with_columns(
        right_answer=pl.Series(["B", "C"])
    )
    assert agreement.agreement(given).same == 1


def test_few_cases_give_counts_and_no_coefficient() -> None:
    found = agreement.agreement(two_people(agreement.LEAST_PAIRS - 1))
    assert (found.kappa, found.alpha) == (None, None)
    assert f"Agreement beyond chance takes {agreement.LEAST_PAIRS} cases." in agreement.in_words(found)


def test_third_looks_and_one_person_s_second_verdict_stand_apart() -> None:
    given = verdicts(
        ("a", 1, "anna", "wrong"), ("a", 2, "ben", "correct"), ("a", 3, "carl", "correct"),
        ("b", 1, "anna", "wrong"), ("b", 2, "anna", "wrong"),
    )  # fmt: skip
    found = agreement.agreement(given)
    assert (found.pairs, found.same, found.third_looks, found.people) == (1, 0, 1, ("anna", "ben"))
    assert "1 third look" in agreement.in_words(found)


def test_where_all_say_one_thing_no_coefficient_is_told_and_the_reason_is() -> None:
    rows = [(f"d{place}", slot, name, "wrong") for place in range(30) for slot, name in ((1, "anna"), (2, "ben"))]
    found = agreement.agreement(verdicts(*rows))
    assert (found.same, found.kappa, found.alpha) == (30, None, None)
    assert "chance would agree as well" in agreement.in_words(found)


def test_no_verdict_is_no_agreement() -> None:
    found = agreement.agreement(verdicts())
    assert (found.pairs, found.same, found.alpha) == (0, 0, None)
    assert agreement.in_words(found) == "No case was judged by two people yet."
