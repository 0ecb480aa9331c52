"""Real clicks in a real browser: from Runs to a case, through its keys and toggles, and back by the address alone."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Dashboard, StoryDashboard
from tests.pages import seed

pytestmark = pytest.mark.browser


def address(page: Page) -> dict[str, str]:
    """The page's address as names and values."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def at_rest(page: Page) -> None:
    """Until the page is drawn, as a person waits; a click into the first run can be lost under that run's address.

    Before its first run a page is at rest too, so its title is waited for first.
    """
    page.locator("h1").first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def wait_for(page: Page, **expected: str | None) -> None:
    """Until the address holds these values; None means the name is gone."""
    page.wait_for_function(
        "expected => { const held = new URLSearchParams(location.search);"
        " return Object.entries(expected).every(([name, value]) => held.get(name) === value) }",
        arg=expected,
    )


def from_chart(card: Locator, script: str, argument: object = None) -> Any:
    """What the script makes of a card's first chart, as soon as that isn't null.

    A chart that is being drawn anew is gone, or has no data, for a moment.
    """
    whole = f"(plot, argument) => plot.data && plot._fullLayout ? ({script})(plot, argument) : null"
    for _ in range(150):
        value = card.locator(".js-plotly-plot").first.evaluate(whole, argument)
        if value is not None:
            return value
        card.page.wait_for_timeout(100)
    raise AssertionError(f"the chart never came to it: {script}")


def traces(page: Page) -> int:
    """How many lines and contours lie over the pictures."""
    return int(from_chart(page.locator(".st-key-card-pictures"), "plot => plot.data.length"))


def wait_for_traces(page: Page, count: int) -> None:
    """Until so many lines and contours lie over the pictures."""
    same = "(plot, count) => plot.data.length === count ? count : null"
    from_chart(page.locator(".st-key-card-pictures"), same, count)


def open_case(page: Page, dashboard: Dashboard, **filters: str) -> None:
    """The Case page at its first case."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    page.goto(f"{dashboard.url}/case?{query}")
    page.locator(".st-key-card-pictures .layer-below image, .st-key-card-pictures image").first.wait_for(
        state="attached"
    )


def test_a_run_and_a_case_are_opened_by_clicks_without_loading_the_page_again(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    at_rest(page)
    run = dashboard.seeded.run.run_id
    page.evaluate("window.stillHere = true")
    page.locator("[class*=st-key-link-run]").first.click()
    wait_for(page, run=run)
    page.locator("[class*=st-key-link-thumb] a").first.click()
    expect(page.locator("h1")).to_contain_text("plate ·")
    wait_for(page, run=run)
    assert set(address(page)) == {"run", "image", "question"}
    assert page.evaluate("window.stillHere")
    page.get_by_role("link", name="All cases").click()
    expect(page.locator("h1")).to_have_text("Gallery")
    wait_for(page, run=run)


def test_a_click_on_a_subtask_s_row_shows_its_cases_and_escape_shows_all_again(
    page: Page, dashboard: Dashboard
) -> None:
    page.goto(dashboard.url)
    row = page.locator(".st-key-card-accuracy .scatterlayer .trace").last.locator(".point").nth(17 + 3)
    row.wait_for(state="attached")
    box = row.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y, steps=4)
    page.mouse.click(x, y)
    wait_for(page, subtask="Defect Classification")
    expect(page.locator(".st-key-card-cases")).to_contain_text("showing 12 of 12")
    page.keyboard.press("Escape")
    wait_for(page, subtask=None)
    expect(page.locator(".st-key-card-cases")).to_contain_text("of 48")


def test_an_outcome_filters_the_cases_and_the_way_through_them(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    page.get_by_role("radio", name=re.compile("failed")).or_(
        page.get_by_role("button", name=re.compile("failed"))
    ).first.click()
    wait_for(page, outcome="failed")
    expect(page.locator(".st-key-card-cases")).to_contain_text("showing 4 of 4")
    page.locator("[class*=st-key-link-thumb] a").first.click()
    expect(page.locator(".under")).to_contain_text("case 1 of 4 under failed")
    expect(page.locator(".lead")).to_contain_text("Failed. truncated")


def test_the_keys_m_and_p_hide_and_show_mask_and_patches(page: Page, dashboard: Dashboard) -> None:
    open_case(page, dashboard, outcome="escape")
    everything = traces(page)
    page.keyboard.press("m")
    wait_for(page, mask="off")
    expect(page.locator(".st-key-card-pictures")).to_contain_text("mask hidden")
    wait_for_traces(page, everything - 2)
    page.keyboard.press("p")
    wait_for(page, patches="off")
    expect(page.locator(".st-key-card-pictures")).to_contain_text("patches hidden")
    page.get_by_role("button", name=re.compile("Mask")).click()
    wait_for(page, mask=None, patches="off")  # a click that is sent before the address has changed knows the old one
    page.get_by_role("button", name=re.compile("Patches")).click()
    wait_for(page, mask=None, patches=None)
    wait_for_traces(page, everything)


def test_j_and_k_go_to_the_next_case_and_back(page: Page, dashboard: Dashboard) -> None:
    open_case(page, dashboard)
    page.keyboard.press("j")
    expect(page.locator(".under")).to_contain_text("case 2 of 48")
    second = address(page)
    page.keyboard.press("j")
    expect(page.locator(".under")).to_contain_text("case 3 of 48")
    page.keyboard.press("k")
    expect(page.locator(".under")).to_contain_text("case 2 of 48")
    assert address(page) == second


def test_another_question_of_the_image_is_a_click_away(page: Page, dashboard: Dashboard) -> None:
    open_case(page, dashboard)
    image = page.locator("h1").inner_text()
    page.locator(".st-key-card-siblings").get_by_text(seed.QUESTIONS[2][1]).click()
    expect(page.locator(".st-key-card-options")).to_contain_text(seed.QUESTIONS[2][1])
    wait_for(page, question=seed.question_id(2))
    expect(page.locator("h1")).to_have_text(image)


def test_the_address_alone_restores_the_view(page: Page, dashboard: Dashboard) -> None:
    open_case(page, dashboard, outcome="wrong")
    page.keyboard.press("j")
    expect(page.locator(".under")).to_contain_text("case 2 of")
    page.keyboard.press("p")
    wait_for(page, patches="off")
    before = (page.locator("h1").inner_text(), page.locator(".lead").inner_text(), page.locator(".under").inner_text())
    page.goto("about:blank")
    page.go_back()
    expect(page.locator(".st-key-card-pictures")).to_contain_text("patches hidden")
    after = (page.locator("h1").inner_text(), page.locator(".lead").inner_text(), page.locator(".under").inner_text())
    assert after == before


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_both_pages_are_drawn_in_the_browser_s_own_mode(
    page: Page, dashboard: Dashboard, request: pytest.FixtureRequest
) -> None:
    dark = request.node.callspec.params["page"] == "dark"
    ground = "rgb(16, 20, 24)" if dark else "rgb(246, 247, 248)"
    text = "rgb(228, 232, 237)" if dark else "rgb(23, 32, 43)"
    for path, card in (("/", "accuracy"), ("/case", "trace")):
        page.goto(dashboard.url + path)
        label = page.locator(f".st-key-card-{card} .ytick text, .st-key-card-{card} .annotation-text").first
        label.wait_for(state="attached")
        assert page.locator(".stApp").evaluate("app => getComputedStyle(app).backgroundColor") == ground
        assert page.locator(".lead").evaluate("lead => getComputedStyle(lead).color") == text
    shown = page.locator(".st-key-card-trace .annotation-text").last.evaluate("text => getComputedStyle(text).fill")
    assert shown == text  # the figure too


def test_at_1024_nothing_is_wider_than_the_screen(page: Page, dashboard: Dashboard) -> None:
    page.set_viewport_size({"width": 1024, "height": 900})
    for path in ("/", "/case"):
        page.goto(dashboard.url + path)
        page.locator(".js-plotly-plot .main-svg").first.wait_for(state="attached")
        width, room = page.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
        assert width <= room


def test_at_1024_every_button_above_a_comparison_is_seen_whole(
    story_page: Page, story_dashboard: StoryDashboard
) -> None:
    story_page.set_viewport_size({"width": 1024, "height": 900})
    story_page.goto(story_dashboard.url + "/compare")
    last = story_page.locator(".st-key-controls button").last
    last.wait_for()
    edges = "button => [button, button.closest('[data-testid=stMainBlockContainer]')]"
    right, room = last.evaluate(edges + ".map(box => box.getBoundingClientRect().right)")
    assert right <= room
