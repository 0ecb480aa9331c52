"""`workbench operate`: a run in, its operating point out, and every number recomputes from the exported scores."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.jobs.test_mmad_and_report import said
from tests.pages import seed
from tests.pages.seed import Seeded
from warehouse.errors import Refused


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    return seed.seed(tmp_path_factory.mktemp("operate") / "data", images=80)


def operate(seeded: Seeded, *words: str | Path) -> str:
    return said("operate", seeded.run.run_id, "--data", seeded.store.data, *words)


def test_every_number_recomputes_from_the_exported_scores(seeded: Seeded, tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    words = ("--prevalence", "0.01", "--cost-escape", "500", "-o", file, "--json")
    found = json.loads(operate(seeded, *words))
    rows = pl.read_parquet(file).filter(pl.col("defective").is_not_null(), pl.col("score").is_not_null())
    ranking, own, point = found["ranking"], found["point"]["on_its_own"], found["point"]
    assert (ranking["images"], ranking["defective"]) == (rows.height, rows["defective"].sum())
    assert ranking["auroc"]["value"] == pytest.approx(roc_auc_score(rows["defective"], rows["score"]))
    weight = rows.select(
        pl.when("defective").then(0.01 / pl.col("defective").sum()).otherwise(0.99 / (~pl.col("defective")).sum())
    )
    expected = average_precision_score(rows["defective"], rows["score"], sample_weight=weight.to_series())
    assert ranking["average_precision"]["value"] == pytest.approx(expected)
    called = pl.lit(False) if point["threshold"] is None else pl.col("score") >= point["threshold"]
    escape = rows.filter("defective").select((~called).mean()).item()
    overkill = rows.filter(~pl.col("defective")).select(called.mean()).item()
    assert (own["escape"]["value"], own["overkill"]["value"]) == pytest.approx((escape, overkill))
    assert own["cost"] == pytest.approx(0.01 * 500 * escape + 0.99 * overkill)
    assert sum(row["cost"] for row in found["causes"]) == pytest.approx(own["cost"])
    by_fold = pl.DataFrame({"fold": range(5), "at": point["fold_thresholds"]}, schema_overrides={"at": pl.Float64})
    elsewhere = rows.join(by_fold, on="fold").with_columns(
        wrong=(pl.col("score") >= pl.col("at").fill_null(float("inf"))) != pl.col("defective")
    )
    escape, overkill = (elsewhere.filter(pl.col("defective") == kind)["wrong"].mean() for kind in (True, False))
    stated = (point["elsewhere"]["escape"]["value"], point["elsewhere"]["overkill"]["value"])
    assert stated == pytest.approx((escape, overkill))


def test_the_words_say_where_the_prevalence_is_from_and_what_is_not_enough(seeded: Seeded, tmp_path: Path) -> None:
    text = operate(seeded)
    assert "this set's own share: no drawn cases were judged" in text
    assert "On other pieces than it was chosen on: escape" in text
    assert "2-point loss of escape shows on" in text
    assert "prevalence 0.1 %, as stated" in operate(seeded, "--prevalence", "0.001")
    few = seed.seed(tmp_path / "few", images=12)
    assert "Not enough: fewer than 10 defective pieces have a score." in operate(few)


def test_defects_are_sized_by_their_masks(seeded: Seeded, tmp_path: Path) -> None:
    found = json.loads(operate(seeded, "-o", tmp_path / "scores.csv", "--json"))
    rows = pl.read_csv(tmp_path / "scores.csv", infer_schema_length=None).filter("defective")
    areas = rows["defect_area"]
    assert areas.null_count() == 0
    assert 0 < areas.min() < areas.max() < 0.2  # type: ignore[operator]
    sizes = found["by_size"]
    assert sum(row["n"] for row in sizes) == rows["score"].len() - rows["score"].null_count()
    assert sizes[0]["smallest"] == areas.filter(rows["score"].is_not_null()).min()
    contrasts = rows["defect_contrast"]
    assert contrasts.null_count() == 0
    assert 0 <= contrasts.min() < contrasts.max() < 1  # type: ignore[operator]
    assert sum(row["n"] for row in found["by_defect_contrast"]) == sum(row["n"] for row in sizes)


def test_claims_are_a_signal_where_answers_carry_no_probability(seeded: Seeded) -> None:
    found = json.loads(operate(seeded, "--signal", "claim", "--threshold", "1", "--json"))
    nights = found["point"]["on_its_own"]
    totals = seeded.store.run_totals().row(0, named=True)
    rows = found["ranking"]
    assert nights["escape"]["value"] * rows["defective"] == pytest.approx(totals["escape"])
    assert nights["overkill"]["value"] * (rows["images"] - rows["defective"]) == pytest.approx(totals["overkill"])


def test_what_makes_no_sense_is_refused(seeded: Seeded) -> None:
    with pytest.raises(Refused, match="has no picture of this product and camera"):
        operate(seeded, "--product", "nut")
    with pytest.raises(Refused, match="there is no run nothing"):
        said("operate", "nothing", "--data", seeded.store.data)


@pytest.mark.parametrize("option", ["--threshold", "--cost-escape", "--cost-overkill", "--prevalence"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_numbers_that_are_none_are_refused(option: str, value: str) -> None:
    done = CliRunner().invoke(app, ["operate", "nothing", option, value, "--save"])
    assert done.exit_code == 2, done.output


def test_a_product_is_named_as_names_are_compared(seeded: Seeded) -> None:
    name = seeded.store.entries(seeded.run.archive_id)["product"][0]
    found = [json.loads(operate(seeded, "--product", each, "--json")) for each in (name, f" {name} ")]
    assert found[0]["ranking"]["images"] > 0
    assert found[0] == found[1] | {"product": name}
