"""An operating point's page of numbers: groups of one kind, prevalences, nights, and words that don't say too much."""

from __future__ import annotations

import polars as pl
import pytest

from tests.analysis import drawn_scores
from workbench.analysis import operating_report
from workbench.analysis.intervals import Estimate
from workbench.analysis.operating_point import Aim

SCORES = drawn_scores.scores(40, 60).with_columns(
    claim=pl.when(pl.col("score") > 1).then(pl.lit("defective")).otherwise(pl.lit("good")),
    night=pl.lit("2025-01-03"),
    contrast=pl.lit(0.2),
)


def test_a_group_of_one_kind_has_that_kind_s_rate_alone() -> None:
    rows = SCORES.filter((pl.col("product") == "screw") | pl.col("defective"))
    table = operating_report.by_group(rows, 1.0, 0.5)
    pcb = table.filter(product="pcb").row(0, named=True)
    assert pcb["escape"] is not None
    assert (pcb["overkill"], pcb["auroc"], pcb["lacking"]) == (None, None, "defective pieces")
    own = SCORES.filter(product="screw", camera="A1").filter(~pl.col("defective"))
    screw = table.filter(product="screw", camera="A1").row(0, named=True)
    assert screw["overkill"] == pytest.approx((own["score"] >= 1).mean())


def test_a_stated_prevalence_comes_before_the_audited_one_and_that_before_the_set_s() -> None:
    audited = Estimate(0.002, 0.001, 0.004)
    found = [operating_report.prevalence(SCORES, *each) for each in ((0.1, audited), (None, audited), (None, None))]
    assert [(each.value, each.basis) for each in found[:2]] == [(0.1, "stated"), (0.002, "audited")]
    assert (found[2].value, found[2].basis) == (SCORES["defective"].mean(), "set")
    assert "from drawn cases that people judged (0.1 to 0.4 %)" in found[1].sentence


def test_nights_are_counted_by_what_answers_and_thresholds_call() -> None:
    other = SCORES.with_columns(night=pl.lit("2025-01-04"), score=pl.col("score") + 10)
    table = operating_report.on_nights(pl.concat([SCORES, other]), 2.0)
    claimed, called = SCORES["score"] > 1, SCORES["score"] >= 2
    assert table.rows() == [
        ("2025-01-04", SCORES.height, claimed.sum(), SCORES.height, claimed.sum()),
        ("2025-01-03", SCORES.height, claimed.sum(), called.sum(), (claimed & called).sum()),
    ]


def test_without_labels_only_what_would_be_called_is_said() -> None:
    rows = SCORES.with_columns(defective=pl.lit(None, pl.Boolean))
    at = operating_report.prevalence(rows, 0.001, None)
    report = operating_report.build(rows, "claim", at, Aim("given", threshold=1.0))
    assert (report.ranking.lacking, report.parts, report.groups.height) == ("scored pictures", None, 0)
    assert report.unlabelled == SCORES.height
    assert report.unlabelled_called == (SCORES["score"] >= 1).sum()
    called = f"Of {SCORES.height} pictures without a label {report.unlabelled_called} would be called defective."
    said = operating_report.sentences(report)
    assert said[0] == "No picture with a label has a score; prevalence 0.1 %, as stated."
    not_enough = "Not enough: no picture has both a label and a score."
    assert said[1:] == [not_enough, operating_report.LABELS_COME_FROM, called]


def test_too_few_to_choose_a_threshold_by_fill_no_table_as_if_all_escaped() -> None:
    few = SCORES.filter("defective").head(3)
    at = operating_report.prevalence(few, 0.001, None)
    chosen = operating_report.build(few, "claim", at, Aim("cost"), nights=few)
    assert (chosen.point.lacking, chosen.point.threshold) == ("defective pieces", None)
    assert [each.height for each in (chosen.groups, chosen.causes, chosen.by_contrast, chosen.nights)] == [0, 0, 0, 0]
    named = operating_report.build(few, "claim", at, Aim("given", threshold=1.0), nights=few)
    assert (named.groups.height, named.nights.height) == (1, 1)


def test_without_labels_the_prevalence_is_no_share_of_the_set() -> None:
    rows = SCORES.with_columns(defective=pl.lit(None, pl.Boolean))
    at = operating_report.prevalence(rows, None, None)
    assert (at.value, at.basis) == (0.5, "assumed")
    assert "assumed: no picture has a label" in at.sentence
