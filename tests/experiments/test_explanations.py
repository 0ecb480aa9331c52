"""Explanations held against masks: pointing, deletion, and whether words say what answer and mask say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests import scored
from tests.scored import Quiet
from tests.warehouse import rows
from warehouse import spool
from warehouse.errors import WorkbenchError
from warehouse.ingest import ingest
from warehouse.queries.groundings import Groundings
from warehouse.store import Store
from workbench.analysis import option_region, subtasks
from workbench.archive.scan import content_of
from workbench.archive.view import Window
from workbench.experiments import ablation, explanations
from workbench.experiments.study_results import read_study
from workbench.settings import Settings, Work

GRID = [(x, y, x + 10.0, y + 10.0) for y in (0.0, 10.0, 20.0) for x in (0.0, 10.0, 20.0)]


def test_the_patches_that_most_questions_accepted_are_painted_out() -> None:
    boxes = [GRID[0], GRID[4], GRID[4], GRID[8], GRID[8], GRID[8], GRID[2]]
    assert explanations.most_accepted(boxes, 3) == [GRID[8], GRID[4], GRID[0]]


def test_random_patches_are_as_many_others_of_the_same_grid() -> None:
    rng = np.random.default_rng(0)
    taken = GRID[:3]
    chosen = [box for _ in range(200) for box in explanations.other_patches(Window(0, 0, 30, 30), taken, rng)]
    assert set(chosen) == set(GRID[3:])
    assert len(chosen) == 600


@pytest.mark.parametrize(
    ("asked", "told", "again"),
    [("wareneingang", None, "wareneingang"), ("wareneingang", "mine", "mine"), ("mmad", None, None),
     ("inspection", None, None)],
)  # fmt: skip
def test_painted_images_are_asked_the_run_s_own_questions(asked: str, told: str | None, again: str | None) -> None:
    run = rows.run(question_set=asked, model="a-model")
    settings = explanations.asked_as(run, Settings(work=Work(questions=told)))
    assert (settings.work.questions, settings.machine.model) == (again, "a-model")


def test_painting_changes_the_boxes_and_nothing_else() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (30, 30, 3), dtype=np.uint8)
    after = np.asarray(explanations.painted(Image.fromarray(pixels), [GRID[4]]))
    assert (after[10:20, 10:20] == after[10, 10]).all()
    untouched = np.ones((30, 30), bool)
    untouched[10:20, 10:20] = False
    assert (after[untouched] == pixels[untouched]).all()


@pytest.mark.parametrize(
    ("words", "defect", "where"),
    [
        ("The sample shows a small dark line, a scratch, at the top left.", True, "top left"),
        ("The sample shows no defect; it looks like the normal sample.", False, None),
        ("It is round.", None, None),
        ("A dent at the bottom right of the plate", True, "bottom right"),
        ("damage in the center", True, "center"),
    ],
)
def test_what_words_claim(words: str, defect: bool | None, where: str | None) -> None:
    assert explanations.says_defect(words) is defect
    assert explanations.says_where(words) == where


@pytest.mark.slow
def test_a_run_is_pointed_and_asked_again_with_patches_painted_out(drawn_archive: Path, data_folder: Path) -> None:
    settings = scored.quick(data_folder, limit=30)
    run = scored.score(drawn_archive, settings).run
    pointed = explanations.pointing(data_folder, run.run_id)
    assert pointed.height
    accepted = Store(data_folder).patches(run.run_id).filter("accepted").height
    assert 0 < pointed["patches"].sum() <= accepted
    assert ((pointed["hits"] >= 0) & (pointed["hits"] <= pointed["patches"])).all()
    assert ((pointed["expected"] > 0) & (pointed["expected"] < pointed["patches"])).all()
    text = explanations.report(settings, run.run_id, Quiet())
    assert "| intact |" in text
    assert "| accepted painted out |" in text
    assert "| random painted out |" in text
    assert "none was written" in text


@pytest.mark.slow
def test_the_region_that_an_answer_names_is_painted_out_where_the_run_has_no_patches(
    drawn_archive: Path, data_folder: Path
) -> None:
    settings = ablation.changed(scored.quick(data_folder, limit=20), ablation.NO_LOOP)
    run = scored.score(drawn_archive, settings).run
    assert not run.capabilities.attention
    text = explanations.report(settings, run.run_id, Quiet())
    assert "by the region it names" in text
    assert "the region named of each image painted out" in text
    assert "And painting it out changes the answer" in text

    store = Store(data_folder)
    answered = store.predictions(run.run_id).filter(pl.col("answer").is_not_null())
    regions = {}
    for row in answered.filter(pl.col("subtask") == "Defect Localization").to_dicts():
        words = next(option["text"] for option in row["options"] if option["letter"] == row["answer"])
        if (region := option_region.region(words)) is not None:
            regions[row["image_path"]] = region
    copies = {arm: next((data_folder / "stress").glob(f"*/{arm}")) for arm in ("intact", "accepted", "random")}
    assert regions
    for path, (x0, y0, x1, y1) in regions.items():
        intact, painted, elsewhere = (np.asarray(Image.open(copies[arm] / path).convert("RGB")) for arm in copies)
        height, width = intact.shape[:2]
        inside = np.zeros((height, width), bool)
        inside[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = True
        assert (painted[~inside] == intact[~inside]).all(), path
        assert len(np.unique(painted[inside], axis=0)) == 1, path
        assert (elsewhere[inside] == intact[inside]).all(), path
        assert (elsewhere != intact).any(), path

    arms = read_study(data_folder, "stress", copies["intact"].parent.name).arms
    before, after, beside = (
        {(path, question): answer for path, question, answer in store.predictions(arm.run_id)
         .select("image_path", "question_id", "answer").iter_rows()}
        for arm in arms
    )  # fmt: skip
    of_run = store.predictions(run.run_id).filter(
        pl.col("label") == "defective", pl.col("image_path").is_in(list(regions)),
        ~pl.col("subtask").is_in(subtasks.about_the_object(run.subtasks)),
    )  # fmt: skip
    by_hand = [
        (subtask, after[key] != before[key], beside[key] != before[key])
        for subtask, *names in of_run.select("subtask", "image_path", "question_id").iter_rows()
        for key in [(names[0], names[1])]
    ]
    stored = Groundings(data_folder).of_runs([run.run_id]).filter(pl.col("changed").is_not_null())
    assert sorted(stored.select("subtask", "changed", "changed_elsewhere").iter_rows()) == sorted(by_hand)
    assert any(changed for _, changed, _ in by_hand)


def test_boxes_are_held_against_the_picture_as_it_is_shown_upright(tmp_path: Path) -> None:
    store, root = Store(tmp_path / "data"), tmp_path / "photos"
    root.mkdir()
    lying = Image.Exif()
    lying[0x0112] = 6  # a quarter turn: stored 40 x 20, shown 20 x 40
    Image.new("RGB", (40, 20)).save(root / "cup.png", exif=lying)
    mask = Image.new("L", (20, 40))
    mask.paste(255, (10, 30, 20, 40))
    mask.save(root / "mask.png")
    asked = rows.prediction(0, 0, label="defective")
    store.register_archive(rows.archive(root=str(root)))
    content = content_of(root / "cup.png")
    entry = rows.entry(
        0, image_id=asked.image_id, path="cup.png", content=content, mask_path="mask.png", label="defective"
    )
    store.upsert_entries("archive", [entry])
    store.open_run(rows.run())
    patches = [rows.patch(0, 0, x0=x, y0=y, x1=x + 10, y1=y + 10) for x, y in ((10.0, 30.0), (0.0, 0.0))]
    spool.write_part(store.data, rows.RUN, 0, [asked], patches)
    ingest(store)

    found = explanations.pointing(store.data, rows.RUN)

    assert found.rows() == [(asked.image_id, "cup.png", 2, 1, 2 / 8)]
    Image.new("RGB", (40, 20), "red").save(root / "cup.png")
    assert explanations.pointing(store.data, rows.RUN).is_empty()  # the mask says nothing of another picture


def test_a_run_without_an_archive_is_refused(data_folder: Path) -> None:
    Store(data_folder).open_run(rows.run(archive_id="imported"))
    with pytest.raises(WorkbenchError, match="over images that no registered archive holds"):
        explanations.report(scored.quick(data_folder), rows.RUN, Quiet())


def test_an_unknown_run_is_refused(data_folder: Path) -> None:
    with pytest.raises(WorkbenchError, match="there is no run nobody; `workbench runs` shows them"):
        explanations.report(scored.quick(data_folder), "nobody", Quiet())
