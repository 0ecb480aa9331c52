"""One dashboard over a seeded warehouse and one Chromium, for all browser tests; what either complains of is kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.pages import around, seed, story

ROOT = Path(__file__).parents[2]
PATIENCE = 90_000  # milliseconds; a loaded machine is slow, not wrong


@dataclass
class Dashboard:
    """The running server and what it shows."""

    url: str
    seeded: seed.Seeded
    log: Path


@dataclass
class Seen:
    """What a page asked for and complained of."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """`workbench serve` on a free port of this machine."""
    folder = tmp_path_factory.mktemp("dashboard")
    seeded = seed.seed(folder / "data")
    with serving(folder) as url:
        yield Dashboard(url, seeded, folder / "server.log")


@dataclass
class StoryDashboard:
    """The running server over the drawn story."""

    url: str
    told: story.Story
    log: Path


@pytest.fixture(scope="session")
def story_dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoryDashboard]:
    """The same over two nights with a cause to be found, and all that stands around them: no page is empty."""
    folder = tmp_path_factory.mktemp("story")
    told = around.surround(story.tell(folder / "data", drawn=12, copies=24))
    with serving(folder) as url:
        yield StoryDashboard(url, told, folder / "server.log")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server over `folder/data`; its output goes to `folder/server.log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    command = [sys.executable, "-m", "jobs", "serve", "--data", str(folder / "data"), "--port", str(port)]
    # The server starts from a folder that isn't the project's, as it does when installed.
    with log.open("w") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    raise AssertionError(f"the dashboard did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def context(chromium_browser: Browser) -> BrowserContext:
    """One cache for all tests: Streamlit's scripts are read once."""
    return chromium_browser.new_context(viewport={"width": 1440, "height": 900})


@pytest.fixture
def seen() -> Seen:
    """What the test's page asks for and complains of."""
    return Seen()


@pytest.fixture
def page(context: BrowserContext, dashboard: Dashboard, seen: Seen, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab, dark where the test asks for it; nothing it does may leave this machine or break."""
    with _watched(context, dashboard, seen) as tab:
        tab.emulate_media(color_scheme=getattr(request, "param", "light"))
        yield tab


@pytest.fixture
def story_page(context: BrowserContext, story_dashboard: StoryDashboard, seen: Seen) -> Iterator[Page]:
    """A fresh tab for the story."""
    with _watched(context, story_dashboard, seen) as tab:
        tab.emulate_media(color_scheme="light")
        yield tab


@contextmanager
def _watched(context: BrowserContext, server: Dashboard | StoryDashboard, seen: Seen) -> Iterator[Page]:
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)

    def note_request(asked: Request) -> None:
        seen.requests.append(asked.url)

    def note_message(message: ConsoleMessage) -> None:
        # Streamlit looks for its own base path on a sub-page, twice in vain.
        if message.type == "error" and "404" not in message.text:
            seen.complaints.append(message.text)

    tab.on("request", note_request)
    tab.on("console", note_message)
    tab.on("pageerror", lambda error: seen.complaints.append(str(error)))
    yield tab
    outside = [url for url in seen.requests if not url.startswith((server.url, "data:", "blob:"))]
    tracebacks = tab.locator("[data-testid=stException]").count()
    tab.close()
    assert outside == []
    assert seen.complaints == []
    assert tracebacks == 0
    assert "Traceback" not in server.log.read_text()
