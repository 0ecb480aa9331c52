"""What a page says can be recomputed from the file it exports, by a few lines of polars that know nothing of it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import story
from tests.pages.screen import opened, words
from tests.pages.story import Story
from warehouse import rollups
from warehouse.rollups import Rollups, Selection
from workbench.pages import parts, shared


def share(rows: pl.DataFrame) -> float:
    """Of these questions, how many were answered rightly."""
    return float(rows["right"].cast(pl.Float64).to_numpy().mean())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return story.tell(tmp_path_factory.mktemp("story") / "data", drawn=12, copies=24)


@pytest.fixture(autouse=True)
def of_the_story(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(told.store.data))


def exported(told: Story, **facets: str) -> pl.DataFrame:
    """The CSV that the Export button gives, read back."""
    selection = Selection(told.last_night.run_id, tuple(facets.items()))
    return pl.read_csv(io.BytesIO(parts._csv(shared.export(shared.snapshot(), selection, rollups.ANALYSED))))


def figure(page: AppTest, key: str) -> dict[str, Any]:
    """One of the page's charts as the browser gets it."""
    found = [chart.proto for chart in page.main.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
    return dict(json.loads(found[0].spec))


def test_errors_each_cell_of_the_heat_map(told: Story) -> None:
    rows = exported(told).filter(pl.col("right").is_not_null())
    rate = {key: share(part) for key, part in rows.group_by("product", "subtask")}
    shown = figure(opened("workbench/pages/errors.py"), "errors.heat")
    cells = [data for trace in shown["data"] for data in trace.get("customdata", []) if len(data) == 3]
    assert len(cells) == len(rate)
    overall = share(rows)
    for name, _, said in cells:
        subtask, product = name.split("|")
        of_product = share(rows.filter(product=product))
        of_subtask = share(rows.filter(subtask=subtask))
        expected = min(1.0, max(0.0, of_product + of_subtask - overall))
        if "too few" not in said:
            assert said.startswith(f"{100 * rate[product, subtask]:.0f} % right, expected {100 * expected:.0f} %")


def test_errors_the_finding_and_the_planted_cause(told: Story) -> None:
    text = words(opened("workbench/pages/errors.py"))
    rows = exported(told, subtask="Anomaly Detection", product=story.PRODUCT)
    assert "The worst is Anomaly Detection of <b>drug capsule</b>" in text
    assert f"{100 * share(rows):.0f} % right where" in text
    cut = figure(
        opened("workbench/pages/errors.py", subtask="Anomaly Detection", product=story.PRODUCT, by="camera"),
        "errors.ranked.camera",
    )
    first = cut["data"][-1]["customdata"][0]
    assert first[0] == story.CAMERA
    assert first[1] == pytest.approx(100 * share(rows.filter(camera=story.CAMERA)))


def test_runs_and_gallery_count_outcomes(told: Story) -> None:
    rows = exported(told)
    mean = float(np.mean([share(part) for _, part in rows.group_by("subtask")]))
    assert f"Mean accuracy {100 * mean:.0f} %" in words(opened("workbench/pages/runs.py"))
    text = words(opened("workbench/pages/gallery.py", product=story.PRODUCT))
    of_product = exported(told, product=story.PRODUCT)
    assert f"showing 60 of {of_product.height:,}" in text
    for outcome, n in of_product["outcome"].value_counts().iter_rows():
        assert f"{n:,} {outcome}" in text


def test_compare_each_difference_and_the_flips(told: Story) -> None:
    pairs = shared.pairs_export(shared.snapshot(), told.before.run_id, Selection(told.last_night.run_id))
    rows = pl.read_csv(io.BytesIO(parts._csv(pairs)))
    page = opened("workbench/pages/compare.py")
    shown = figure(page, "compare.forest")
    points = {data["customdata"][0][0]: data["x"][0] for data in shown["data"]}
    for (subtask,), part in rows.group_by("subtask"):
        change = int(part["right"].cast(pl.Int64).sum()) - int(part["old_right"].cast(pl.Int64).sum())
        assert points[subtask] == pytest.approx(change / part.height)
    lost = rows.filter("old_right", ~pl.col("right")).height
    won = rows.filter(~pl.col("old_right"), "right").height
    texts = " ".join(note["text"] for note in figure(page, "compare.flips")["layout"]["annotations"])
    assert f"<b>{lost:,}</b></span><br>↓ lost" in texts
    assert f"<b>{won:,}</b></span><br>↑ won" in texts


def test_trust_the_errors_a_budget_catches(told: Story) -> None:
    rows = exported(told).filter(pl.col("right").is_not_null()).sort("entropy", descending=True)
    text = words(opened("workbench/pages/trust.py", budget="100"))
    reviewed = int(text.split('<td>Answers reviewed</td><td class="right">')[1].split(" of")[0])
    assert 90 <= reviewed <= 100  # the curve has 400 thresholds
    caught = rows.head(reviewed).filter(~pl.col("right")).height
    wrong = rows.filter(~pl.col("right")).height
    assert f"{caught:,}<small>of {wrong:,} errors caught" in text


def test_traces_shares_medians_and_hits(told: Story) -> None:
    found = Rollups(told.store.data).traces(Selection(told.last_night.run_id))
    rows = pl.read_csv(io.BytesIO(parts._csv(found))).with_columns(
        pl.col("entropy").str.json_decode(pl.List(pl.Float64))
    )
    shown = figure(opened("workbench/pages/traces.py"), "traces.multiples")
    texts = [note["text"] for note in shown["layout"]["annotations"]]
    medians = [trace for trace in shown["data"] if trace.get("mode") == "lines+markers"]
    shapes = [
        name for name in ("flat-low", "falling", "oscillating", "late rise", "stuck-high") if name in set(rows["shape"])
    ]
    for shape, text, drawn in zip(shapes, texts, medians, strict=True):
        part = rows.filter(shape=shape)
        assert f"{100 * (1 - share(part)):.0f} % wrong" in text
        assert drawn["y"][3] == pytest.approx(part["entropy"].list.get(3).median())


def test_map_images_with_a_wrong_answer(told: Story) -> None:
    rows = exported(told)
    wrong = rows.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"]))["image_id"].n_unique()
    assert f"<b>{rows['image_id'].n_unique():,} images,</b> {wrong:,} with a wrong answer" in words(
        opened("workbench/pages/map.py")
    )
