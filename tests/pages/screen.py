"""Opening a page as a browser would, without one: what stands on it and where its links lead."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

# What the installed packages bring is looked up once a process, as a server does; an AppTest would each time it runs.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

APP = Path(__file__).parents[2] / "streamlit_app.py"


def opened(page: str, **address: str) -> AppTest:
    """The page at an address, run once without an exception."""
    st.cache_data.clear()  # a process of many warehouses; a server has one
    app = AppTest.from_file(str(APP), default_timeout=300)
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(page)
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def words(page: AppTest) -> str:
    """All HTML, titles and code of the page, sidebar included."""
    html = [element.proto.body for element in (*page.main.get("html"), *page.sidebar.get("html"))]
    return "\n".join([*(title.value for title in page.title), *html, *(code.value for code in page.code)])


def case_links(page: AppTest) -> list[dict[str, str]]:
    """The addresses of the page's links to cases, in order."""
    addresses = [dict(parse_qsl(link.proto.query_string)) for link in page.main.get("page_link")]
    return [address for address in addresses if "image" in address]


def run_buttons(page: AppTest) -> list[str]:
    """The runs that a click would open, in order."""
    keys = [str(button.key) for button in page.button]
    return [key.removeprefix("runs.") for key in keys if key.startswith("runs.2")]
