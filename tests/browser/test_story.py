"""The analyst's story, driven with a real mouse: from a night that fell to its cause in five clicks; and the ways to
hand on what one sees: a link, a file."""

from __future__ import annotations

import io
import re

import polars as pl
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import StoryDashboard
from tests.browser.test_pages import address, wait_for
from tests.pages import story

pytestmark = pytest.mark.browser
PAGES = ("Runs", "Errors", "Gallery", "Case", "Traces", "Compare", "Trust", "Map")


def click_mark(page: Page, chart: Locator, name: str) -> None:
    """A real click on the mark of a chart whose customdata begins with this name."""
    chart.locator(".point").first.wait_for(state="attached")
    spot = chart.locator(".js-plotly-plot").first.evaluate(
        """(plot, name) => {
            for (const trace of plot.data) for (const [place, data] of (trace.customdata || []).entries())
                if (data[0] === name) {
                    const axis = plot._fullLayout, room = plot.getBoundingClientRect();
                    return [room.left + axis._size.l + axis.xaxis.d2p(trace.x[place]),
                            room.top + axis._size.t + axis.yaxis.d2p(trace.y[place])];
                }
            return null }""",
        name,
    )
    assert spot, name
    x, y = spot
    page.mouse.move(x - 12, y)
    page.mouse.move(x, y, steps=3)
    page.mouse.click(x, y)


def test_from_a_fallen_night_to_its_cause_in_five_clicks(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/compare")
    expect(page.locator(".lead")).to_contain_text("loses in detection")
    page.get_by_role("link", name="Errors", exact=True).first.click()  # 1: where?
    expect(page.locator(".lead")).to_contain_text("The worst is Anomaly Detection of drug capsule")
    click_mark(page, page.locator(".st-key-card-heat"), f"Anomaly Detection|{story.PRODUCT}")  # 2: the red cell
    wait_for(page, subtask="Anomaly Detection", product=story.PRODUCT)
    ranked = page.locator(".st-key-card-ranked")
    expect(ranked).to_contain_text("other product")  # the cut that divides the cell most
    click_mark(page, ranked, "other product")  # 3: where another product's text was retrieved
    wait_for(page, retrieval="other product", subtask="Anomaly Detection", product=story.PRODUCT)
    expect(page.locator(".st-key-chips")).to_contain_text("retrieval: other product")
    page.locator(".st-key-card-cases [class*=st-key-link-thumb] a").first.click()  # 4: one of them
    expect(page.locator("h1")).to_contain_text("drug capsule")
    expect(page.locator(".st-key-card-texts")).to_contain_text("good")
    page.get_by_role("link", name="Open in Knowledge").first.click()  # 5: the text that misled it
    wait_for(page, text=story.WRONG_TEXT)
    expect(page.locator("h1")).to_contain_text("Knowledge")


def test_a_copied_link_shows_the_same_view_to_somebody_else(
    story_page: Page, story_dashboard: StoryDashboard, context: BrowserContext
) -> None:
    page = story_page
    page.goto(f"{story_dashboard.url}/errors?product={story.PRODUCT}&by=camera")
    click_mark(page, page.locator(".st-key-card-ranked"), story.CAMERA)
    wait_for(page, camera=story.CAMERA)
    expect(page.locator(".st-key-chips")).to_contain_text(f"camera: {story.CAMERA}")
    browser = context.browser
    assert browser
    other = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        fresh = other.new_page()
        fresh.set_default_timeout(90_000)
        fresh.goto(page.url)
        for place in (".lead", ".st-key-chips", ".st-key-card-cases .title"):
            shown = page.locator(place).first.text_content() or ""
            expect(fresh.locator(place).first).to_have_text(shown, timeout=90_000)
    finally:
        other.close()


def test_what_is_exported_is_what_is_shown(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(f"{story_dashboard.url}/gallery?product={story.PRODUCT}&outcome=wrong")
    title = page.locator(".st-key-card-cases .title")
    expect(title).to_contain_text("showing")
    total = int(re.findall(r"of ([\d,]+)", title.inner_text())[0].replace(",", ""))
    for kind, read in (("CSV", pl.read_csv), ("Parquet", pl.read_parquet)):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind, exact=True).click()
        rows = read(io.BytesIO(waiting.value.path().read_bytes()))
        assert rows.height == total
        assert set(rows["product"]) == {story.PRODUCT}
        assert set(rows["outcome"]) == {"wrong"}
        page.keyboard.press("Escape")
        page.goto(page.url)


def test_a_lasso_on_the_map_leads_to_the_gallery(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/map")
    plot = page.locator(".st-key-card-map .js-plotly-plot .nsewdrag").first
    box = plot.bounding_box()
    assert box
    left, top, wide, high = box["x"], box["y"], box["width"], box["height"]
    page.mouse.move(left + 5, top + 5)
    page.mouse.down()
    for x, y in ((0.5, 0.01), (0.5, 0.5), (0.5, 0.98), (0.01, 0.98), (0.01, 0.02)):
        page.mouse.move(left + x * wide, top + y * high, steps=4)
    page.mouse.up()
    expect(page.locator(".lead")).to_contain_text("images in the region")
    page.get_by_role("link", name="Open in Gallery").click()
    expect(page.locator("h1")).to_have_text("Gallery")
    expect(page.locator(".st-key-chips")).to_contain_text("region: drawn")
    assert len(address(page)["region"].split(",")) >= 6


def test_a_point_of_the_coverage_curve_and_a_square_of_the_flips_are_clicked(
    story_page: Page, story_dashboard: StoryDashboard
) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/compare")
    click_mark(page, page.locator(".st-key-card-flips"), "won")
    wait_for(page, flip="won")
    expect(page.locator(".st-key-card-flipped .title")).to_contain_text("Won")
    page.goto(story_dashboard.url + "/traces")
    panel = page.locator(".st-key-card-multiples .xy").first
    panel.wait_for(state="attached")
    click_mark(page, page.locator(".st-key-card-multiples"), "flat-low")
    wait_for(page, shape="flat-low")


@pytest.mark.parametrize("width", [1440, 1024])
def test_every_page_opens_in_light_and_dark_and_fits_the_screen(
    story_page: Page, story_dashboard: StoryDashboard, width: int
) -> None:
    page = story_page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if width == 1024 else "light")
    page.goto(story_dashboard.url)
    for path in PAGES:
        page.get_by_test_id("stSidebar").get_by_role("link", name=path, exact=True).click()
        expect(page.locator("h1")).to_contain_text("·" if path == "Case" else path)
        page.locator("[class*=st-key-card]").first.wait_for()
        page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        wide, room = page.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
        assert wide <= room, path
        assert page.locator("[data-testid=stException]").count() == 0, path
