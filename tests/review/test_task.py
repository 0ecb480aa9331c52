"""A task's config and data pass Label Studio's own checks; boxes come back where they were; outlines hold the mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from warehouse.records.reviews import DefectBox
from warehouse.records.scoring import Option
from workbench.archive.view import View, Window
from workbench.errors import Malformed, UnreadableImage
from workbench.review import boxes, pictures
from workbench.review.labelstudio import task as labelstudio_task
from workbench.review.labelstudio.task import CaseForReview
from workbench.review.pictures import Folder, Web

CASE = CaseForReview(
    task_key="d.1",
    dispute_id="d",
    title="plate <b>",
    question="Where?",
    options=(Option("A", "Top, <i>left</i>."), Option("B", "Right.")),
    answer="A",
    probability=0.5,
    entropy=1.25,
    descriptions=(("drawn/plate/scratch", "A line."),),
    query="/data/local-files/?d=disputes/a.png",
    reference="/data/local-files/?d=disputes/b.png",
    window=Window(0, 0, 640, 480),
    patches=(DefectBox(32, 48, 64, 96),),
    outlines=(((10.0, 10.0), (20.0, 10.0), (15.0, 30.0)),),
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("drawn", [False, True])
def test_label_studios_own_checks_pass_config_task_and_prediction(drawn: bool) -> None:
    from label_studio_sdk.label_interface.interface import LabelInterface

    case = replace(CASE, answer_hidden=drawn)
    interface: Any = LabelInterface(labelstudio_task.DRAWN_CONFIG if drawn else labelstudio_task.CONFIG)
    interface.validate()
    task = labelstudio_task.task(case)
    assert interface.validate_task({"data": task["data"]})
    predictions = task["predictions"]
    assert isinstance(predictions, list)
    for region in predictions[0]["result"]:
        assert interface.validate_region(region)


def test_the_task_tells_neither_the_label_nor_why_it_is_asked() -> None:
    data = labelstudio_task.task(CASE)["data"]
    assert isinstance(data, dict)
    assert set(data) == {"key", "config", "title", "query", "reference", "asked", "choices", "knowledge"}
    assert "The model's answer: A Top, <i>left</i>. (probability 0.50, entropy 1.25 nat)" in data["asked"]


def test_a_drawn_case_is_judged_before_the_model_s_answer_is_shown() -> None:
    told = labelstudio_task.task(replace(CASE, answer_hidden=True))
    data, predictions = told["data"], told["predictions"]
    assert isinstance(data, dict)
    assert isinstance(predictions, list)
    assert data["asked"] == "Where?\n   A  Top, <i>left</i>.\n   B  Right."
    assert [choice["value"] for choice in data["choices"]] == [
        "A: Top, <i>left</i>.", "B: Right.", labelstudio_task.NONE_IS_RIGHT, labelstudio_task.CANNOT_TELL,
    ]  # fmt: skip
    assert "score" not in predictions[0]
    assert {region["from_name"] for region in predictions[0]["result"]} == {"outline"}
    assert "verdict" not in labelstudio_task.DRAWN_CONFIG
    assert "model" not in labelstudio_task.DRAWN_CONFIG


@pytest.mark.parametrize(
    ("said", "judged"),
    [("A: Top, <i>left</i>.", ("correct", "A")), ("B: Right.", ("wrong", "B")),
     (labelstudio_task.NONE_IS_RIGHT, ("wrong", None)), (labelstudio_task.CANNOT_TELL, ("unsure", None))],
)  # fmt: skip
def test_what_is_said_of_a_drawn_case_becomes_a_decision_about_the_hidden_answer(
    said: str, judged: tuple[str, str | None]
) -> None:
    result = [{"from_name": "right_option", "to_name": "query", "type": "choices", "value": {"choices": [said]}}]
    told = labelstudio_task.judgement(result, CASE.options, "A", CASE.window, labelstudio_task.DRAWN_VERSION)
    assert (told.decision, told.right_answer) == judged


@pytest.mark.parametrize("result", [[], [{"from_name": "right_option", "to_name": "query", "type": "choices",
                                          "value": {"choices": ["C: Left."]}}]])  # fmt: skip
def test_a_drawn_case_without_one_of_its_options_is_no_verdict(result: list[dict[str, object]]) -> None:
    with pytest.raises(Malformed, match="isn't one of this question's"):
        labelstudio_task.judgement(result, CASE.options, "A", CASE.window, labelstudio_task.DRAWN_VERSION)


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_boxes_survive_pixels_to_percent_to_pixels(width: int, height: int, corners: tuple[float, ...]) -> None:
    (x0, x1), (y0, y1) = sorted(corners[:2]), sorted(corners[2:])
    box = DefectBox(x0 * width, y0 * height, x1 * width, y1 * height)
    if box.x1 - box.x0 < 1e-6 or box.y1 - box.y0 < 1e-6:
        return
    whole = Window(0, 0, width, height)
    back = boxes.to_pixels(boxes.to_percent(box, whole), whole)
    assert (back.x0, back.y0, back.x1, back.y1) == pytest.approx((box.x0, box.y0, box.x1, box.y1), abs=1e-6)


def test_a_turned_box_becomes_the_upright_one_around_it_and_nonsense_is_refused() -> None:
    turned = boxes.to_pixels(boxes.PercentBox(50, 10, 20, 10, rotation=90), Window(0, 0, 200, 200))
    assert (turned.x0, turned.y0, turned.x1, turned.y1) == pytest.approx((80, 20, 100, 60))
    for box in (boxes.PercentBox(float("nan"), 0, 1, 1), boxes.PercentBox(0, 0, 0, 5), boxes.PercentBox(200, 0, 5, 5)):
        with pytest.raises(Malformed):
            boxes.to_pixels(box, Window(0, 0, 100, 100))


def test_an_outline_holds_its_part_of_the_mask() -> None:
    picture = Image.new("L", (120, 80))
    ImageDraw.Draw(picture).ellipse((20, 10, 60, 50), fill=255)
    ImageDraw.Draw(picture).rectangle((90, 60, 100, 70), fill=255)
    large, small = boxes.outlines(np.asarray(picture) > 0)
    assert min(x for x, _ in large) == pytest.approx(100 * 20 / 120, abs=1)
    assert max(y for _, y in large) == pytest.approx(100 * 51 / 80, abs=1.5)
    assert len(small) >= 4


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_or_large_picture_is_shown_upright_and_its_size_is_the_upright_one(
    tmp_path: Path, orientation: int
) -> None:
    size = (5200, 3400) if orientation == 1 else (300, 200)
    picture = Image.new("RGB", size, "#808080")
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.jpg", exif=exif, quality=40)
    upright = size[::-1] if orientation in (6, 8) else size

    shown = Folder(tmp_path, "/files").publish(tmp_path / "a.jpg", "a.jpg")

    assert shown.window.size == upright
    assert pictures.window_of(tmp_path / "a.jpg", View()) == Window(0, 0, *upright)
    with Image.open(tmp_path / shown.url.rpartition("/")[2]) as copy:
        assert copy.getexif().get(0x0112, 1) == 1
        assert copy.width / copy.height == pytest.approx(upright[0] / upright[1], abs=0.01)


def test_a_deep_grey_picture_becomes_one_a_browser_shows(tmp_path: Path) -> None:
    Image.fromarray((np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)).save(tmp_path / "deep.tif")
    shown = Folder(tmp_path, "/files").publish(tmp_path / "deep.tif", "deep.tif")
    assert shown.url.endswith(".jpg")


def test_pictures_on_a_server_keep_their_path_and_nothing_of_a_name_becomes_an_address(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = 'line a/<b>?x="1".png'
    assert Web("https://images.test/x/").publish(tmp_path / "a.png", path).url == (
        "https://images.test/x/line%20a/%3Cb%3E%3Fx%3D%221%22.png"
    )
    assert Folder(tmp_path, "/files").publish(tmp_path / "a.png", path).url.count("<") == 0


def test_what_lies_outside_its_archive_is_shown_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "private.png").touch()
    (tmp_path / "archive" / "link.png").symlink_to(tmp_path / "private.png")
    for path in ("../private.png", "link.png", str(tmp_path / "private.png")):
        with pytest.raises(UnreadableImage, match="outside its archive"):
            pictures.inside(tmp_path / "archive", path)
    assert pictures.inside(tmp_path / "archive", "a.png").name == "a.png"
