"""The pictures of README and docs/story.md, taken anew: `python -m tests.browser.story_pictures docs/images`."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import PATIENCE, ROOT, serving
from tests.pages import story
from warehouse.store import Store

CELL = f"subtask=Anomaly%20Detection&product={story.PRODUCT}"
WIDE, NARROW = (1440, 880), (1200, 750)  # pixels


def take(page: Page, address: str, size: tuple[int, int], file: Path) -> None:
    """One screen as a picture, once everything is drawn."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    page.locator(".js-plotly-plot").first.wait_for(state="attached")
    page.wait_for_timeout(4000)  # figures are drawn after the script has ended
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(file, optimize=True)


def demo_case(data: Path) -> str:
    """The address of the demo's answer whose entropy fell the most, right and about a defect of a hex nut."""
    store = Store(data)
    run_id = store.runs()["run_id"][0]
    fallen = pl.col("entropy").list.first() - pl.col("entropy").list.get(pl.col("best_iteration"))
    right = store.predictions(run_id).filter(
        pl.col("product") == "hex_nut", pl.col("defect").is_not_null(), pl.col("answer") == pl.col("correct_answer")
    )
    image, question = right.sort(fallen, "image_path", descending=True).select("image_id", "question_id").row(0)
    return f"case?run={run_id}&image={image}&question={question}"


def main(folder: Path) -> None:
    """Score the demo, tell the story, and take the pictures of both."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        demo, told = Path(name) / "demo", Path(name) / "story"
        demo.mkdir()
        command = [sys.executable, "-m", "jobs", "demo", "--no-serve", "--data", str(demo / "data")]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        story.tell(told / "data", drawn=12, copies=24)
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(PATIENCE)
        with serving(demo) as url:
            take(page, f"{url}/{demo_case(demo / 'data')}", WIDE, folder / "case.png")
        with serving(told) as url:
            take(page, f"{url}/errors", NARROW, folder / "story-errors.png")
            take(page, f"{url}/errors?{CELL}", NARROW, folder / "story-cell.png")
            take(page, f"{url}/case?{CELL}&retrieval=other%20product", NARROW, folder / "story-case.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
