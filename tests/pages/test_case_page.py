"""The Case page over a real warehouse: every way a question can end, what may be shown, and the way on from there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.pages import seed
from tests.pages.screen import case_links, opened, words
from warehouse.database import Database
from workbench.pages.ui import pictures

CASE = "workbench/pages/case/case.py"


def figures(page: AppTest) -> list[dict[str, object]]:
    """The page's charts as the browser gets them."""
    return [json.loads(chart.proto.spec) for chart in page.main.get("plotly_chart")]


def shown_pictures(page: AppTest) -> list[str]:
    """The data URIs of the first chart."""
    layout = figures(page)[0]["layout"]
    assert isinstance(layout, dict)
    return [image["source"] for image in layout.get("images", [])]


def in_order(seeded: seed.Seeded, **filters: str) -> pl.DataFrame:
    return seed.worst_first(seeded).filter(**filters)


def at(case: dict[str, str]) -> dict[str, str]:
    return {"image": case["image_id"], "question": case["question_id"]}


def test_an_empty_warehouse_tells_the_first_command(data_folder: Path) -> None:
    page = opened(CASE)
    assert "Nothing has been scored yet." in words(page)
    assert "workbench score ARCHIVE" in page.code[0].value


def test_without_an_address_the_worst_case_of_the_newest_run_is_shown(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    first = in_order(seeded).row(0, named=True)
    page = opened(CASE)
    assert page.title[0].value == f"plate · {'/'.join(first['image_path'].split('/')[-2:])}"
    assert "case 1 of 48" in words(page)
    assert "embedded demo model" in words(page)


def test_a_wrong_detection_on_a_defective_image_is_called_an_escape(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    case = in_order(seeded, outcome="escape").row(0, named=True)
    text = words(opened(CASE, **at(case)))
    assert "<b>Escape.</b>" in text
    assert "the model said <b>B No</b>; the label says <b>A Yes</b>" in text
    assert "injected patches touch" in text
    assert "chance for its area is" in text


def test_a_case_shows_query_reference_and_evidence_and_three_charts(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    page = opened(CASE, **at(in_order(seeded, label="defective").row(0, named=True)))
    assert len(figures(page)) == 3
    query, reference, evidence = shown_pictures(page)
    assert query.startswith("data:image/jpeg;base64,")
    assert query == evidence != reference


def test_what_is_not_there_has_no_button(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    good = in_order(seeded, label="good").row(0, named=True)
    bad = in_order(seeded, label="defective").row(0, named=True)
    keys = [{str(button.key) for button in opened(CASE, **at(case)).button} for case in (good, bad)]
    assert ["case.mask" in some for some in keys] == [False, True]
    assert all("case.patches" in some for some in keys)


def test_the_toggles_live_in_the_address(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    page = opened(CASE, **at(in_order(seeded, outcome="escape").row(0, named=True)))
    page.button(key="case.mask").click().run()
    page.button(key="case.patches").click().run()
    assert (page.query_params["mask"], page.query_params["patches"]) == ("off", "off")
    assert "mask hidden" in words(page)
    assert "patches hidden" in words(page)
    page.button(key="case.mask").click().run()
    assert "mask" not in page.query_params
    assert "mask hidden" not in words(page)


def test_among_many_predictions_a_piece_s_history_waits_for_a_click(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = seed.seed(data_folder)
    case = at(in_order(seeded, outcome="escape").row(0, named=True))
    assert "history.show" not in {button.key for button in opened(CASE, **case).button}
    monkeypatch.setattr("workbench.pages.case.links.SEARCHED_AT_ONCE", 1)
    page = opened(CASE, **case)
    page.button(key="history.show").click().run()
    assert page.query_params["history"] in ("shown", ["shown"])
    assert "history.show" not in {button.key for button in page.button}


def test_next_and_previous_walk_the_filtered_list_and_stop_at_its_ends(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    cases = in_order(seeded, outcome="wrong", subtask="Defect Classification")
    assert cases.height >= 2
    first, second = cases.row(0, named=True), cases.row(1, named=True)
    page = opened(CASE, outcome="wrong", subtask="Defect Classification", **at(first))
    assert page.button(key="case.Previous").disabled
    page.button(key="case.Next").click().run()
    assert page.query_params["image"] == second["image_id"]
    assert f"case 2 of {cases.height} under Defect Classification, wrong" in words(page)
    page.button(key="case.Previous").click().run()
    assert page.query_params["image"] == first["image_id"]


def test_the_image_s_other_questions_can_be_opened(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    case = in_order(seeded).row(0, named=True)
    page = opened(CASE, **at(case))
    asked = set()
    for place in range(len(seed.QUESTIONS)):
        page.button(key=f"case.{place}").click().run()
        asked.add(page.query_params["question"])
        assert page.query_params["image"] == case["image_id"]
    assert len(asked) == len(seed.QUESTIONS)


def test_a_failed_case_shows_its_reason_and_no_chart_of_a_loop_that_never_ran(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    page = opened(CASE, **at(in_order(seeded, outcome="failed").row(0, named=True)))
    assert "<b>Failed.</b> truncated: the file ends before the picture does" in words(page)
    assert "There was no latent reasoning about this question." in words(page)
    assert len(figures(page)) == 1  # the pictures


def test_an_invalid_answer_is_shown_as_it_was_written(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    page = opened(CASE, **at(in_order(seeded, outcome="invalid").row(0, named=True)))
    assert "<b>Invalid.</b> The answer names none of the options." in words(page)
    assert "It looks &lt;i&gt;fine&lt;/i&gt; to me." in words(page)


def test_retrieved_texts_are_cards_with_rank_revision_score_and_words(data_folder: Path) -> None:
    seed.seed(data_folder)
    text = words(opened(CASE))
    assert "<b>1&ensp;plate / scratch</b>" in text
    assert "0.71" in text
    assert "A dark &lt;b&gt;round&lt;/b&gt; spot with a soft edge." in text


def test_evidence_of_another_source_is_a_card_with_score_words_and_regions(data_folder: Path) -> None:
    seed.seed(data_folder, images=2)
    with Database(data_folder)._transaction() as con:
        con.execute(
            "UPDATE predictions SET evidence = [{'source': 'settled cases', 'version': 'v1', "
            "'words': 'Was a <b>dent</b>.', 'regions': [{'x0': 1, 'y0': 2, 'x1': 3, 'y1': 4}], 'score': 0.25}]"
        )
    text = words(opened(CASE))
    assert "<b>settled cases</b>" in text
    assert "0.25" in text
    assert "Was a &lt;b&gt;dent&lt;/b&gt;." in text
    assert "1 region of the picture" in text


def test_an_unknown_case_and_an_unknown_run_are_said(data_folder: Path) -> None:
    seed.seed(data_folder)
    assert "There is no such case in this run." in words(opened(CASE, image="nobody"))
    assert "There is no run <b>nobody</b> in this warehouse." in words(opened(CASE, run="nobody"))


def test_filters_that_make_no_sense_are_left_out_or_leave_nothing_to_walk(data_folder: Path) -> None:
    seed.seed(data_folder)
    assert "case 1 of 48," in words(opened(CASE, outcome="nonsense"))
    assert "not among the 0 cases" in words(opened(CASE, subtask="nonsense"))


def test_a_file_s_name_is_shown_as_it_is(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 1, at=seed.STARTED + timedelta(hours=1))
    prediction = replace(seed.a_case(run.run_id, seeded.entries[0], 0)[0], image_path="plate/:red[a]/*b*_$c$.png")
    seed.store_run(seeded.store, run, [prediction], [])
    assert opened(CASE).title[0].value == r"plate · \:red\[a\]/\*b\*\_\$c\$.png"


def test_an_open_question_s_answer_is_shown_in_its_own_words(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 1, at=seed.STARTED + timedelta(hours=1))
    answered = seed.unlabelled(seed.a_case(run.run_id, seeded.entries[0], 3)[0])
    prediction = replace(
        answered, options=(), answer="A bright scratch.", option_probabilities={}, initial_option_probabilities={}
    )
    seed.store_run(seeded.store, run, [prediction], [])
    text = words(opened(CASE))
    assert "<b>No label.</b>" in text
    assert "the model said <b>A bright scratch</b>" in text
    assert "An open question" in text


def test_a_picture_that_vanished_is_said_in_its_place(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    case = in_order(seeded, outcome="escape").row(0, named=True)
    (Path(seeded.archive.root) / case["image_path"]).unlink()
    page = opened(CASE, **at(case))
    assert "vanished" in json.dumps(figures(page)[0])
    assert len(shown_pictures(page)) == 1  # the reference is still there


def test_another_picture_is_not_shown_for_the_one_that_was_scored(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    case, other = in_order(seeded, outcome="escape").row(0, named=True), seeded.entries[0]
    file, root = Path(seeded.archive.root) / case["image_path"], Path(seeded.archive.root)
    assert len(case_links(opened("workbench/pages/gallery.py"))) == 48  # their thumbnails are kept now
    whole, times = file.read_bytes(), file.stat()
    file.write_bytes((root / other.path).read_bytes())
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    page = opened(CASE, **at(case))
    assert pictures.NO_LONGER in json.dumps(figures(page)[0])
    assert len(shown_pictures(page)) == 1  # the reference
    assert "on the mask" not in words(page)  # it isn't this picture's
    assert words(opened("workbench/pages/gallery.py")).count(pictures.NO_LONGER) == 4  # one for each of its questions

    file.write_bytes(whole)
    assert len(shown_pictures(opened(CASE, **at(case)))) == 3
    assert pictures.NO_LONGER not in words(opened("workbench/pages/gallery.py"))

    (root / "plate/train/good/000.png").write_bytes((root / other.path).read_bytes())
    page = opened(CASE, **at(case))
    assert "no longer the reference that was shown" in json.dumps(figures(page)[0])
    assert len(shown_pictures(page)) == 2


def test_a_picture_over_which_processes_died_is_not_opened(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 1, at=seed.STARTED + timedelta(hours=1))
    error = "quarantined: 2 processes died over it"
    seed.store_run(seeded.store, run, [seed.failed(seed.a_case(run.run_id, seeded.entries[0], 0)[0], error)], [])
    page = opened(CASE)
    assert error in json.dumps(figures(page)[0])
    assert len(shown_pictures(page)) == 1  # the reference
    assert error in words(opened("workbench/pages/gallery.py"))


@pytest.mark.parametrize("way", ["above", "absolute", "link"])
def test_an_image_outside_every_registered_archive_is_not_shown(data_folder: Path, way: str) -> None:
    seeded = seed.seed(data_folder)
    secret = data_folder / "secret.png"
    Image.new("RGB", (20, 20), "red").save(secret)
    link = Path(seeded.archive.root) / "plate" / "test" / "good" / "link.png"
    link.symlink_to(secret)
    path = {"above": "../secret.png", "absolute": str(secret), "link": "plate/test/good/link.png"}[way]
    run = seed.a_run(seeded.archive.archive_id, 1, at=seed.STARTED + timedelta(hours=1))
    prediction = replace(seed.a_case(run.run_id, seeded.entries[0], 0)[0], image_path=path, reference_path=path)
    seed.store_run(seeded.store, run, [prediction], [])
    page = opened(CASE)
    assert shown_pictures(page) == []
    assert json.dumps(figures(page)[0]).count(pictures.UNREGISTERED) == 3
    assert case_links(opened("workbench/pages/runs/runs.py"))  # the list stays usable
    assert pictures.UNREGISTERED in words(opened("workbench/pages/runs/runs.py"))


def test_an_archive_that_is_not_registered_shows_nothing(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run("0" * 16, 1, at=seed.STARTED + timedelta(hours=1))
    seed.store_run(seeded.store, run, [seed.a_case(run.run_id, seeded.entries[0], 0)[0]], [])
    assert shown_pictures(opened(CASE)) == []


def test_references_are_shown_from_the_folder_that_their_own_run_was_given(data_folder: Path, tmp_path: Path) -> None:
    seeded = seed.seed(data_folder)
    folder = tmp_path / "normals"
    folder.mkdir()
    shutil.copyfile(Path(seeded.archive.root) / "plate/train/good/000.png", folder / "plate.png")
    for hours, references, expected in ((1, str(folder), 3), (2, None, 2)):
        at_hour = seed.STARTED + timedelta(hours=hours)
        run = seed.a_run(seeded.archive.archive_id, 1, at=at_hour, settings=json.dumps({"references": references}))
        prediction = replace(seed.a_case(run.run_id, seeded.entries[0], 0)[0], reference_path=str(folder / "plate.png"))
        seed.store_run(seeded.store, run, [prediction], [])
        assert len(shown_pictures(opened(CASE))) == expected


def test_zero_shot_shows_no_reference(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 1, at=seed.STARTED + timedelta(hours=1), knowledge_version=None)
    prediction = replace(seed.a_case(run.run_id, seeded.entries[0], 0)[0], reference_path=None, descriptions=())
    seed.store_run(seeded.store, run, [prediction], [])
    page = opened(CASE)
    assert "Query and evidence, zero-shot" in words(page)
    assert len(shown_pictures(page)) == 2
    assert "The run used no knowledge." in words(page)
