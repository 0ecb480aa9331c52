"""The analyst's story, driven with a real mouse: from a night that fell to its cause in five clicks; and the ways to
hand on what one sees: a link, a file."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.browser.conftest import Seen, StoryDashboard
from tests.browser.test_pages import address, at_rest, from_chart, wait_for
from tests.pages import story

pytestmark = pytest.mark.browser
PAGES = (
    "Tonight", "Health", "Runs", "Errors", "Gallery", "Case", "Traces", "Compare", "Ablation", "Stress", "Trust",
    "Map", "Disputes", "Knowledge",
)  # fmt: skip


def click_mark(page: Page, chart: Locator, *names: str) -> None:
    """A real click on the mark of a chart whose customdata begins with these names."""
    chart.locator(".point").first.wait_for(state="attached")
    x, y = from_chart(
        chart,
        """(plot, names) => {
            for (const trace of plot.data) for (const [place, data] of (trace.customdata || []).entries())
                if (names.every((name, number) => data[number] === name)) {
                    const axis = plot._fullLayout, room = plot.getBoundingClientRect();
                    return [room.left + axis._size.l + axis.xaxis.d2p(trace.x[place]),
                            room.top + axis._size.t + axis.yaxis.d2p(trace.y[place])];
                }
            return null }""",
        list(names),
    )
    page.mouse.move(x - 12, y)
    page.mouse.move(x, y, steps=3)
    page.mouse.click(x, y)


def test_from_a_fallen_night_to_its_cause_in_five_clicks(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/compare")
    expect(page.locator(".lead")).to_contain_text("loses in detection")
    page.get_by_role("link", name="Errors", exact=True).first.click()  # 1: where?
    expect(page.locator(".lead")).to_contain_text("The worst is Anomaly Detection of drug capsule")
    click_mark(page, page.locator(".st-key-card-heat"), "Anomaly Detection", story.PRODUCT)  # 2: the red cell
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
            page.get_by_role("button", name=kind, exact=True).first.click()  # of the cases, before the measures
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


def test_a_square_of_the_flips_and_a_panel_of_the_traces_are_clicked(
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


def test_a_point_of_the_coverage_curve_sets_the_budget(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/trust")
    curve = page.locator(".st-key-card-coverage")
    curve.locator(".point").first.wait_for(state="attached")
    x, y = from_chart(
        curve,
        """plot => { const {_fullLayout: drawn, _fullData: data} = plot, room = plot.getBoundingClientRect();
            const middle = Math.floor(data[0].x.length / 2);
            return [room.left + drawn._size.l + drawn.xaxis.d2p(data[0].x[middle]),
                    room.top + drawn._size.t + drawn.yaxis.d2p(data[0].y[middle])] }""",
    )
    page.mouse.move(x - 12, y)
    page.mouse.move(x, y, steps=3)
    page.mouse.click(x, y)
    page.wait_for_function("() => new URLSearchParams(location.search).has('budget')")
    chosen = int(address(page)["budget"])
    assert chosen != 40  # where the slider stands when nobody asked
    expect(page.locator(".st-key-card-budget")).to_contain_text(f"{chosen:,} of")


def test_a_row_of_the_queue_opens_its_case(story_page: Page, story_dashboard: StoryDashboard) -> None:
    page = story_page
    page.goto(story_dashboard.url + "/disputes?state=open")
    row = page.locator("[class*=st-key-link-row-dispute]").first
    product, _, rest = row.locator("a").inner_text().partition(" · ")
    row.click()  # anywhere: the link is stretched over it
    expect(page.locator("h1")).to_have_text(f"{product} · {rest.split(' · ')[0]}")
    expect(page.locator(".st-key-card-review")).to_contain_text("disputed:")


def test_a_report_is_drawn_from_its_one_file(
    story_page: Page, story_dashboard: StoryDashboard, seen: Seen, tmp_path: Path
) -> None:
    told, page, file = story_dashboard.told, story_page, tmp_path / "report.html"
    against = ["--against", told.before.run_id, "-o", str(file), "--data", str(told.store.data)]
    result = CliRunner().invoke(app, ["report", told.last_night.run_id, *against])
    assert result.exit_code == 0, result.output
    page.goto(file.as_uri())
    flips = page.locator("figure", has_text="Answers that changed sides")
    expect(flips).to_contain_text("↓ lost")
    assert page.locator(".js-plotly-plot .main-svg").count() >= 8
    forest = page.locator("figure .js-plotly-plot").first
    forest.locator(".point").first.hover(force=True)
    expect(forest.locator(".hovertext")).to_contain_text("images")
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    seen.requests.clear()


WIDTHS = (1024, 1440)  # the narrow one first: what was laid out for a wide screen would be the easier case
STICKS_OUT = """() => {
    const out = [];
    for (const card of document.querySelectorAll('[class*=st-key-card]')) {
        const edge = card.getBoundingClientRect().right + 1;
        for (const part of card.querySelectorAll('.title, .note, .lead, td, th, a, button, code'))
            if (part.getBoundingClientRect().right > edge) out.push(card.className.match(/st-key-[\\w-]+/)[0]
                + ': ' + part.textContent.slice(0, 60));
    }
    return out }"""


FITS = f"""() => {{
    const main = document.querySelector('[data-testid=stMain]');
    return main.scrollWidth <= main.clientWidth && ({STICKS_OUT})().length === 0 }}"""


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_page_opens_in_light_and_dark_and_fits_the_screen(
    story_page: Page, story_dashboard: StoryDashboard, mode: Literal["light", "dark"]
) -> None:
    page = story_page
    page.emulate_media(color_scheme=mode)
    page.goto(story_dashboard.url)
    for path in PAGES:
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.get_by_test_id("stSidebar").get_by_role("link", name=path, exact=True).click()
        expect(page.locator("h1")).to_contain_text({"Case": "·", "Tonight": "Night of"}.get(path, path))
        page.locator("[class*=st-key-card]").first.wait_for()
        page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            at_rest(page)
            with suppress(PlaywrightTimeout):  # charts take a moment to follow; what doesn't fit is told below
                page.wait_for_function(FITS, timeout=10_000)
            wide, room = page.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
            assert wide <= room, (path, width)
            assert page.evaluate(STICKS_OUT) == [], (path, width)
        assert page.locator("[data-testid=stException]").count() == 0, path
        ink = page.locator(".lead").evaluate("lead => getComputedStyle(lead).color")
        assert ink == {"light": "rgb(23, 32, 43)", "dark": "rgb(228, 232, 237)"}[mode]


def test_the_default_page_has_a_name_in_the_address_too(story_page: Page, story_dashboard: StoryDashboard) -> None:
    story_page.goto(f"{story_dashboard.url}/home")
    expect(story_page.locator("h1")).to_have_text("Runs")
    assert story_page.get_by_role("dialog").count() == 0
    story_page.goto(f"{story_dashboard.url}/runs?run={story_dashboard.told.before.run_id}")
    expect(story_page.locator("h1")).to_have_text("Runs")
    expect(story_page.locator(".st-key-link-run-chosen-1")).to_contain_text("12 Jan 2026")
    assert story_page.get_by_role("dialog").count() == 0
