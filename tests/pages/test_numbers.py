"""What a page says can be recomputed from the files it exports, by a few lines of polars that know nothing of it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import around, story
from tests.pages.screen import case_links, opened, words
from tests.pages.story import Story
from workbench.pages.ui import components

pytestmark = pytest.mark.slow

Files = Mapping[str, pl.DataFrame]


def share(rows: pl.DataFrame, column: str = "right") -> float:
    """Of these rows, how many hold."""
    return float(rows[column].cast(pl.Float64).to_numpy().mean())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story, and all that the pages of nights, review and knowledge show beside it."""
    return around.surround(story.tell(tmp_path_factory.mktemp("story") / "data", drawn=12, copies=24))


@pytest.fixture(autouse=True)
def of_the_story(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(told.store.data))


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, pl.DataFrame]:
    """What the page opened last gives under Export, each CSV file read back."""
    kept: dict[str, pl.DataFrame] = {}

    def keep_all(name: str, frames: Mapping[str, Callable[[], pl.DataFrame]]) -> None:
        kept.clear()
        kept.update({what: pl.read_csv(io.BytesIO(components._csv(make()))) for what, make in frames.items()})

    monkeypatch.setattr(components, "export", keep_all)
    return kept


def figure(page: AppTest, key: str) -> dict[str, Any]:
    """One of the page's charts as the browser gets it."""
    found = [chart.proto for chart in page.main.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
    return dict(_plain(json.loads(found[0].spec)))


def charts(page: AppTest) -> list[str]:
    """The keys of the page's charts."""
    return [chart.proto.id.rsplit("-", 1)[-1] for chart in page.main.get("plotly_chart")]


def _plain(value: Any) -> Any:
    """Plotly sends columns of numbers as bytes; here they are lists again."""
    if isinstance(value, dict) and "bdata" in value:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def cell(text: str, name: str) -> str:
    """What stands beside a name in a small table of numbers."""
    return str(re.findall(rf">{re.escape(name)}</td><td class=\"right\">(.*?)</td>", text)[0])


def test_tonight_rates_changes_and_what_was_scored(files: Files) -> None:
    page = opened("workbench/pages/nights/tonight.py")
    text = words(page)
    newest = files["rates"].filter(pl.col("due_at") == files["rates"]["due_at"].max())
    for row in newest.iter_rows(named=True):
        scale, digits = (1, 2) if row["rate"] == "entropy" else (100, 1)
        assert f'<span class="big">{scale * row["tonight"]:.{digits}f}<small>' in text
        assert f"{scale * row['low']:.{digits}f}–{scale * row['high']:.{digits}f}, before" in text
    for row in files["changes"].iter_rows(named=True):
        assert f"{100 * row['tonight']:.1f} %</b>" in text
        assert row["in_words"].replace("<", "&lt;").replace(">", "&gt;") in text
    night = files["nights"].sort("due_at").row(-1, named=True)
    assert cell(text, "questions") == f"{night['questions']:,}"
    assert f"{night['disputes_waiting']}<small>cases wait for people · budget {night['review_budget']}" in text
    strip = figure(page, "tonight.strip")
    overkill = files["rates"].filter(rate="overkill").sort("due_at")["tonight"]
    drawn = next(trace["y"] for trace in strip["data"] if "error_y" in trace)
    assert drawn == pytest.approx((100 * overkill).to_list())


def test_runs_counts_rates_speed_and_seconds(files: Files) -> None:
    page = opened("workbench/pages/runs/runs.py")
    text, rows, run = words(page), files["answers"], files["run"].row(0, named=True)
    of_subtask = {name: share(part) for (name,), part in rows.group_by("subtask")}
    assert f"Mean accuracy {100 * float(np.mean(list(of_subtask.values()))):.0f} %" in text
    shown = figure(page, "runs.accuracy")
    drawn = next(trace for trace in shown["data"] if trace.get("marker", {}).get("size") == 12)
    assert dict(zip(drawn["y"], drawn["x"], strict=True)) == pytest.approx(of_subtask)
    assert f"{rows.filter(outcome='escape').height} escapes" in text
    assert f"{rows.filter(outcome='overkill').height} overkill" in text
    assert cell(text, "planned") == f"{run['planned']:,}"
    speed = rows["image_id"].n_unique() / rows["seconds"].sum()
    assert cell(text, "images per second") == f"{speed:.2g}"
    spent = sum(value for name, value in run.items() if name.endswith("_seconds"))
    assert f'<div class="big">{spent:.0f} s</div>' in text


def test_errors_each_cell_of_the_heat_map(files: Files) -> None:
    shown = figure(opened("workbench/pages/errors.py"), "errors.heat")
    rows = files["answers"].filter(pl.col("right").is_not_null())
    rate = {key: share(part) for key, part in rows.group_by("product", "subtask")}
    cells = [data for trace in shown["data"] for data in trace.get("customdata", []) if len(data) == 4]
    assert len(cells) == len(rate)
    numbers = {
        tuple(data[:2]): text
        for trace in shown["data"]
        for data, text in zip(trace.get("customdata", []), trace.get("text", []), strict=False)
    }
    assert numbers == {(subtask, product): f"{100 * value:.0f}" for (product, subtask), value in rate.items()}
    overall = share(rows)
    for subtask, product, _, said in cells:
        of_product = share(rows.filter(product=product))
        of_subtask = share(rows.filter(subtask=subtask))
        expected = min(1.0, max(0.0, of_product + of_subtask - overall))
        if "too few" not in said:
            assert said.startswith(f"{100 * rate[product, subtask]:.0f} % right, expected {100 * expected:.0f} %")


def test_errors_the_finding_and_the_planted_cause(files: Files) -> None:
    text = words(opened("workbench/pages/errors.py"))
    rows = files["answers"].filter(subtask="Anomaly Detection", product=story.PRODUCT)
    assert "The worst is <b>Anomaly Detection of drug capsule</b>" in text
    assert f"{100 * share(rows):.0f} % right where" in text
    page = opened("workbench/pages/errors.py", subtask="Anomaly Detection", product=story.PRODUCT, by="camera")
    first = figure(page, "errors.ranked.camera")["data"][-1]["customdata"][0]
    assert first[0] == story.CAMERA
    assert first[2] == pytest.approx(100 * share(files["answers"].filter(camera=story.CAMERA)))


def test_errors_the_ranked_slices_and_what_is_taken_for_what(files: Files) -> None:
    page = opened("workbench/pages/errors.py", by="product")
    rows = files["answers"]
    for name, _, rate, *_, images in figure(page, "errors.ranked.product")["data"][-1]["customdata"]:
        of_product = rows.filter(product=name)
        assert rate == pytest.approx(100 * share(of_product))
        assert images == of_product["image_id"].n_unique()
    page = opened("workbench/pages/errors.py", confused="Defect Classification")
    (confusions,) = [key for key in charts(page) if "errors.confusion" in key]
    marks = [data for trace in figure(page, confusions)["data"] for data in trace["customdata"]]
    assert len(marks) > 5
    for truth, answer, _, _, times, percent in marks:
        asked = rows.filter(correct_text=truth, subtask="Defect Classification")
        assert times == asked.filter(answer_text=answer).height
        assert percent == pytest.approx(100 * times / asked.height)


def test_gallery_counts_outcomes(files: Files) -> None:
    text = words(opened("workbench/pages/gallery.py", product=story.PRODUCT))
    rows = files["cases"]
    assert f"showing 60 of {rows.height:,}" in text
    for outcome, n in rows["outcome"].value_counts().iter_rows():
        assert f"{n:,} {outcome}" in text


def test_case_probabilities_entropy_margin_and_patches(files: Files) -> None:
    page = opened("workbench/pages/case/case.py", label="defective", subtask="Anomaly Detection")
    text = words(page)
    asked = page.query_params.get("question")
    rows = files["answers"]
    named = rows.filter(subtask="Anomaly Detection") if not asked else rows.filter(question_id=asked[0])
    row = named.row(0, named=True)
    after = json.loads(row["option_probabilities"])
    drawn = [trace["x"][0] for trace in figure(page, "case.options")["data"] if trace.get("meta") == "after"]
    assert sorted(drawn) == pytest.approx(sorted(after.values()))
    first, second = sorted(after.values(), reverse=True)[:2]
    assert cell(text, "Margin over the second") == f"{first - second:.2f}"
    entropy = json.loads(row["entropy"])
    assert f"From {entropy[0]:.2f} to {entropy[row['best_iteration']]:.2f} nat" in text
    accepted = files["patches"].filter("accepted")
    assert f"{accepted['on_mask'].sum()} of {accepted.height} injected patches" in text


def test_compare_each_difference_and_the_flips(files: Files) -> None:
    page = opened("workbench/pages/compare.py")
    rows = files["pairs"]
    (drawn,) = figure(page, "compare.forest")["data"]
    points = {subtask: x for (subtask, *_), x in zip(drawn["customdata"], drawn["x"], strict=True)}
    for (subtask,), part in rows.group_by("subtask"):
        change = int(part["right"].cast(pl.Int64).sum()) - int(part["old_right"].cast(pl.Int64).sum())
        assert points[subtask] == pytest.approx(change / part.height)
    lost = rows.filter("old_right", ~pl.col("right")).height
    won = rows.filter(~pl.col("old_right"), "right").height
    texts = " ".join(note["text"] for note in figure(page, "compare.flips")["layout"]["annotations"])
    assert f"<b>{lost:,}</b></span><br>↓ lost" in texts
    assert f"<b>{won:,}</b></span><br>↑ won" in texts


def test_compare_the_slice_where_b_loses_most_and_what_differs(files: Files) -> None:
    page = opened("workbench/pages/compare.py")
    text = words(page)
    rows = files["pairs"].filter(subtask="Anomaly Detection", product=story.PRODUCT)
    lost = rows.filter("old_right", ~pl.col("right")).height
    won = rows.filter(~pl.col("old_right"), "right").height
    points = f"−{100 * (lost - won) / rows.height:.1f} points, {lost} lost and {won} won of {rows.height} pairs"
    assert f"B loses most in Anomaly Detection of drug capsule: {points}" in text
    (first, *_) = figure(page, "compare.losses")["data"][-1]["customdata"]
    assert first[:2] == ["0", "Anomaly Detection of drug capsule"]
    assert files["slices"].row(0, named=True)["values"] == f"{story.PRODUCT} · Anomaly Detection"
    assert "A and B were made with the same settings." in text


def test_compare_the_macro_averages_beside_published_rows(files: Files) -> None:
    (drawn,) = figure(opened("workbench/pages/compare.py"), "compare.published")["data"]
    for name in ("answers of A", "answers of B"):
        rows = files[name]
        detection = pl.col("subtask") == "Anomaly Detection"
        sides = [share(part) for _, part in rows.filter(detection).group_by("label")]
        others = [share(part) for _, part in rows.filter(~detection).group_by("subtask")]
        macro = 100 * float(np.mean([np.mean(sides), *others]))
        assert f"<b> {macro:.1f}</b>" in drawn["text"]


def test_compare_a_region_bounds_what_is_exported_of_both_runs(files: Files) -> None:
    opened("workbench/pages/compare.py", region="-2,-2,-2,2,0,2,0,-2")
    of_a, of_b = (set(files[name]["image_id"]) for name in ("answers of A", "answers of B"))
    assert of_a == of_b
    opened("workbench/pages/compare.py")
    assert of_b < set(files["answers of B"]["image_id"])


def test_compare_a_flipped_case_leads_to_the_cases_flipped_with_it(told: Story, files: Files) -> None:
    page = opened("workbench/pages/compare.py")
    flips = [(link["base"], link["flip"]) for link in case_links(page)]
    assert set(flips) == {(told.before.run_id, "lost")}
    lost = files["pairs"].filter("old_right", ~pl.col("right")).height
    assert f"case 1 of {lost:,}" in words(opened("workbench/pages/case/case.py", **case_links(page)[0]))


def test_trust_the_errors_a_budget_catches(files: Files) -> None:
    text = words(opened("workbench/pages/trust.py", budget="100"))
    rows = files["answers"].filter(pl.col("right").is_not_null()).sort("entropy", descending=True)
    reviewed = int(cell(text, "Answers reviewed").split(" of")[0])
    assert 90 <= reviewed <= 100  # the curve has 400 thresholds
    caught = rows.head(reviewed).filter(~pl.col("right")).height
    wrong = rows.filter(~pl.col("right")).height
    assert f"{caught:,}<small>of {wrong:,} errors caught" in text
    sure = (rows["confidence"] - rows["right"].cast(pl.Float64)).to_numpy()
    assert cell(text, "Confidence − accuracy, 95 %").startswith(f"{sure.mean():+.3f} (".replace("-", "−"))
    assert cell(text, "Brier score") == f"{(sure**2).mean():.3f}"


def test_traces_shares_medians_and_hits(files: Files) -> None:
    page = opened("workbench/pages/traces.py")
    rows = files["traces"].with_columns(pl.col("entropy").str.json_decode(pl.List(pl.Float64)))
    shown = figure(page, "traces.multiples")
    texts = [note["text"] for note in shown["layout"]["annotations"]]
    medians = [trace for trace in shown["data"] if trace.get("mode") == "lines+markers"]
    shapes = [
        name for name in ("flat-low", "falling", "oscillating", "late rise", "stuck-high") if name in set(rows["shape"])
    ]
    for shape, text, drawn in zip(shapes, texts, medians, strict=True):
        part = rows.filter(shape=shape)
        assert f"{100 * (1 - share(part)):.0f} % wrong" in text
        assert drawn["y"][3] == pytest.approx(part["entropy"].list.get(3).median())
    worst = re.search(r"([\w-]+(?: rise)?) traces are (?:worse than the others:</b> )?wrong in (\d+) %", words(page))
    assert worst
    assert int(worst[2]) == round(100 * (1 - share(rows.filter(shape=worst[1].lower()))))
    accepted = files["patches"].filter("accepted")
    lift = accepted.filter("on_mask").height / float(accepted["chance"].to_numpy().sum())
    assert f"<b>{lift:.2f} times chance" in words(page)
    rates = next(trace for trace in figure(page, "traces.hits")["data"] if trace.get("mode") == "lines+markers")
    for iteration, rate in zip(rates["x"], rates["y"], strict=True):
        assert rate == pytest.approx(share(accepted.filter(iteration=iteration), "on_mask"))


def test_map_images_with_a_wrong_answer(files: Files) -> None:
    text = words(opened("workbench/pages/map.py"))
    rows = files["images"]
    wrong = rows.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height
    assert f"<b>{rows['image_id'].n_unique():,} images,</b> {wrong:,} with a wrong answer" in text


def test_map_a_region_is_held_against_what_passes_the_filters_alone(files: Files) -> None:
    text = words(opened("workbench/pages/map.py", outcome="escape", region="-2,-2,-2,2,2,2,2,-2"))
    rows = files["images"].filter("in_selection")
    percent = 100 * rows.filter(pl.col("outcome").is_in(["escape", "overkill", "wrong"])).height / rows.height
    assert f"<b>{rows.height:,} images in the region:</b> {percent:.0f} % have a wrong answer, 0 % of" in text


def test_ablation_each_arm_and_its_difference(files: Files) -> None:
    page = opened("workbench/pages/ablation.py")
    text = words(page)
    rows = files["answers"].filter(pl.col("right").is_not_null())
    for (arm,), part in rows.group_by("arm"):
        assert f"<td>{arm}</td>" in text
        assert f'<td class="right">{100 * share(part):.1f} (' in text
    key = ("image_id", "question_id")
    old, new = (rows.filter(arm=name).select(*key, "right") for name in ("plain", "knowledge"))
    both = new.join(old, on=key)
    change = (both["right"].cast(pl.Int64) - both["right_right"].cast(pl.Int64)).mean()
    assert figure(page, "ablation.forest")["data"][0]["x"][0] == pytest.approx(change)


def test_stress_each_arm_and_its_fall(files: Files) -> None:
    page = opened("workbench/pages/stress.py", measure="escape")
    text = words(page)
    arms, change = files["arms"], files["differences"].row(0, named=True)
    for row in arms.iter_rows(named=True):
        assert f'<td class="right">{100 * row["accuracy"]:.1f}</td>' in text
    assert figure(page, "stress.falls")["data"][0]["x"][-1] == pytest.approx(change["difference"])
    ends = [line["y"] for line in figure(page, "stress.panels")["data"] if len(line["y"]) == 2]
    assert ends == [pytest.approx(arms.sort("strength")["escape"].to_list())]
    assert change["difference"] == pytest.approx(arms["accuracy"][1] - arms["accuracy"][0], abs=0.05)  # paired or not


def test_disputes_states_budget_and_reviewers(files: Files) -> None:
    page = opened("workbench/pages/disputes/disputes.py", reviews="20")
    text, rows = words(page), files["disputes"]
    waiting = rows.filter(pl.col("state").is_in(["open", "pushed"])).height
    assert f"{waiting} of {rows.height} disputes wait for a verdict" in text
    bars = figure(page, "disputes.funnel")["data"][0]
    settled = dict(zip(bars["y"], bars["x"], strict=True))["settled"]
    assert settled == rows.filter(state="settled").height
    curve = files["budget"].sort("reviews")
    caught, left = (np.interp(20, curve["reviews"], curve[name]) for name in ("caught", "missed"))
    assert re.search(rf"The first 20 tasks catch {caught:.0f} errors \(\d+–\d+\) and leave {left:.0f} ", text)
    for (name,), said in files["verdicts"].group_by("reviewer"):
        assert cell(text, name).startswith(f"{said.height}")
    assert f"they stand for {files['budget']['audit_population'][0]:,} cases" in text


def test_knowledge_lift_tests_and_budget(files: Files) -> None:
    page = opened("workbench/pages/knowledge/knowledge.py", product=f"Drawn/{story.PRODUCT}", text=around.TEXT)
    text = words(page)
    lift = files["lift"].row(0, named=True)
    assert (lift["helped"] - lift["harmed"]) / lift["questions"] == pytest.approx(lift["lift"])
    assert 100 * lift["lift"] in [x for trace in figure(page, "knowledge.lift")["data"] for x in trace.get("x", [])]
    test = files["tests"].row(0, named=True)
    assert f"{test['won']}, {test['lost']} of {test['questions']:,} about {test['images']:,} images" in text
    assert f"{files['descriptions']['description_id'].n_unique()} descriptions" in text
    assert f"{files['descriptions'].height} revisions" in text


def test_health_each_finding(files: Files) -> None:
    text = words(opened("workbench/pages/nights/health.py"))
    rows = files["findings"]
    red, yellow = (rows.filter(state=state).height for state in ("red", "yellow"))
    assert f"{red or yellow} of {rows.height}" in text if red or yellow else f"All {rows.height} checks" in text
