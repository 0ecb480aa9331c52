"""A reviewer's way in a real browser, on Label Studio's own page: look, draw, judge, submit; and the verdict.

With WORKBENCH_PICTURES=docs/images the screens are kept there.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN, by
from tests.review.conftest import Studio
from warehouse import schema
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.reviews import Verdict
from warehouse.records.scoring import Archive, Option, Prediction
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.archive.questions import question_of
from workbench.review import disputes
from workbench.review.labelstudio import push, server
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.pull import pull

pytestmark = [pytest.mark.labelstudio, pytest.mark.browser, pytest.mark.slow]

MARKUP = '<img src=x onerror="window.hacked=1">'
TEAL = (11, 122, 117)  # the patches' colour in the labelling config


@pytest.fixture
def page(studio_server: Studio, chromium_browser: Browser) -> Iterator[Page]:
    """A tab of a reviewer who is logged in."""
    tab = chromium_browser.new_page(viewport={"width": 1440, "height": 1100})
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{studio_server.url}/user/login/")
    tab.fill("input[name=email]", server.USER)
    tab.fill("input[name=password]", studio_server.password)
    tab.click("button[type=submit]")
    tab.wait_for_url(lambda url: "login" not in url)
    yield tab
    tab.context.close()


def one_case(data: Path) -> tuple[Store, Prediction]:
    """A warehouse with a single wrong answer about a scratched plate; its options and question hold markup."""
    store, entries = Store(data), seed.draw_archive(data / "archive", 2)
    archive = Archive(entries[0].archive_id, str((data / "archive").resolve()), "plates", seed.STARTED)
    store.register_archive(archive)
    store.upsert_entries(archive.archive_id, entries)
    seed.store_knowledge(store)
    run = seed.a_run(archive.archive_id, 1)
    plain, patches = seed.a_case(run.run_id, entries[1], 0)
    question, texts = f"Is there any defect? {MARKUP}", ("Yes.", "No.", MARKUP)
    identity = question_of(plain.subtask, question, texts).question_id
    patches = [replace(patch, question_id=identity) for patch in patches]
    asked = replace(
        plain,
        question_id=identity,
        question=question,
        options=tuple(Option(letter, text) for letter, text in zip("ABC", texts, strict=True)),
        answer="B",
        correct_answer="B",  # as a mislabelled image would have it
        label="good",
    )
    seed.store_run(store, run, [asked], patches)
    disputes.open_by(store, run.run_id, Key(asked.image_id, asked.question_id), actor=by("anna"))
    return store, asked


def keep(page: Page, name: str) -> None:
    """The screen as a picture, where somebody asked for it."""
    folder = os.environ.get("WORKBENCH_PICTURES")
    if folder:
        Image.open(io.BytesIO(page.screenshot())).convert("P", palette=Image.Palette.ADAPTIVE).save(
            Path(folder) / f"{name}.png", optimize=True
        )


@dataclass(frozen=True)
class Painted:
    """How the query picture is painted: found from the scratch in it, not from what Label Studio says."""

    left: float  # of the picture's first pixel, on the screen
    top: float
    scale: float  # screen pixels per picture pixel

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.scale, self.top + y * self.scale


def painted(page: Page, plate: Path) -> tuple[Painted, list[float]]:
    """How the query is painted, and where the patches' outlines stand together, in the picture's own pixels."""
    element = page.locator(".konvajs-content").first
    place = element.bounding_box()
    assert place
    pixels = np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)
    shown, own = bright(pixels), bright(np.asarray(Image.open(plate).convert("RGB")).astype(int))
    scale = (shown[2] - shown[0]) / (own[2] - own[0])
    left, top = ((shown[at] + shown[at + 2] - scale * (own[at] + own[at + 2])) / 2 for at in (0, 1))
    rows, columns = np.nonzero((abs(pixels - TEAL) < 24).all(2))
    ends = (columns.min() - left, rows.min() - top, columns.max() + 1 - left, rows.max() + 1 - top)
    return Painted(place["x"] + left, place["y"] + top, scale), [float(end) / scale for end in ends]


def bright(pixels: NDArray[np.int_]) -> tuple[int, int, int, int]:
    """The box of the scratch, which is all that is bright in a plate; the element's rim may show a tool's edge."""
    rows, columns = np.nonzero(pixels[:, : int(0.95 * pixels.shape[1])].min(2) > 165)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_reviewer_judges_a_case_and_the_verdict_comes_home(
    data_folder: Path, studio_server: Studio, page: Page
) -> None:
    store, asked = one_case(data_folder)
    connection = Connection(studio_server.client(), studio_server.folder())
    push.push(store, connection, limit=1, audit_share=0.0, actor=ANN)
    reviews = Reviews(data_folder)
    (task,) = reviews.tasks()
    (project,) = reviews.projects()

    # 1. The task opens, both pictures load, the patches stand where the model's patches are.
    page.goto(f"{studio_server.url}/projects/{project.project_id}/data?task={task.task_id}")
    page.get_by_text("Query: draw defects here").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.lsf-main-view img, .lsf-main-content img')]"
        ".filter(img => img.naturalWidth === 168).length >= 2"
    )
    page.wait_for_function("() => window.Htx.annotationStore.selected.regionStore.regions.length >= 4")
    page.wait_for_timeout(1000)  # the canvas is painted a moment after its store is filled
    accepted = store.patches(asked.run_id, asked.image_id, asked.question_id).filter("accepted")
    expected = [accepted[name].min() for name in ("x0", "y0")] + [accepted[name].max() for name in ("x1", "y1")]
    picture, stands = painted(page, data_folder / "archive" / asked.image_path)
    assert stands == pytest.approx(expected, abs=2.0)

    # 2. What came from outside is text.
    assert page.get_by_text(MARKUP, exact=False).first.is_visible()
    assert page.evaluate("window.hacked") is None

    # 3. The reviewer draws a box, judges and submits.
    page.locator(".lsf-label").filter(has_text="Defect").first.click()
    drawn = (130.0, 20.0, 158.0, 52.0)  # pixels of the picture, clear of patches and mask
    ends = [picture.on_screen(*drawn[:2]), picture.on_screen(*drawn[2:])]
    page.mouse.move(*ends[0])
    page.mouse.down()
    page.mouse.move(*ends[1], steps=8)
    page.mouse.up()
    form = page.locator(".lsf-main-view")  # the table beside it shows the task's data, too
    form.get_by_text("Wrong", exact=False).first.click()
    form.get_by_text("Which option is right?").wait_for()
    form.get_by_text("A: Yes.").first.click()
    form.get_by_text("Misleads", exact=False).first.click()
    form.get_by_placeholder("A better description").fill("A scratch is <i>bright</i>.")
    form.get_by_placeholder("Comment").fill("seen at once")
    keep(page, "labelstudio-task")
    page.get_by_role("button", name="Submit").click()
    end = time.monotonic() + 60
    while not (remote := connection.studio.task(task.task_id)) or not remote.annotations:
        assert time.monotonic() < end
        time.sleep(0.3)

    # 4. The verdict is home, on the Case page and in the metrics.
    assert pull(store, connection, actor=ANN).verdicts == 1
    (verdict,) = schema.records(Verdict, reviews.verdicts())
    assert (verdict.decision, verdict.right_answer, verdict.explanation) == ("wrong", "A", "misleads")
    assert (verdict.better_description, verdict.comment) == ("A scratch is <i>bright</i>.", "seen at once")
    (box,) = verdict.boxes
    assert [box.x0, box.y0, box.x1, box.y1] == pytest.approx(drawn, abs=1.5)

    said = words(
        opened("workbench/pages/case/case.py", run=asked.run_id, image=asked.image_id, question=asked.question_id)
    )
    assert "<b>wrong</b>, A is right" in said
    assert "A scratch is &lt;i&gt;bright&lt;/i&gt;." in said

    for truth, outcome in (("archive", "right"), ("reviewed", "escape")):
        selection = Selection(asked.run_id, truth=truth)  # type: ignore[arg-type]
        assert Rollups(store.data).facts(selection, ("outcome",))["outcome"].to_list() == [outcome]
