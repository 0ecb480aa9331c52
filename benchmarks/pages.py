"""How long each page takes over a warehouse of ten million predictions, on the server and in Chromium.

    python -m benchmarks.pages [--predictions N] [--data FOLDER] [--output benchmarks/results/pages.json]

The warehouse is made in a temporary folder (`invented_warehouse.py`), or taken from --data if it was kept. Server times
are one script run from start to end, in a process that runs the pages without a browser (Streamlit's AppTest), with
nothing else beside it: `first` with empty caches, `again` with the caches of the first, `click` with filters that were
not asked for before; each over the pages' own addresses. `million` are clicks in a run of a million predictions.
Chromium times are from the click's or key's event until the page's elements stop changing. Memory is the dashboard's
server after all, the run of a million included. `worst` holds each promise against the slowest page.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks import invented_warehouse, machine

ROOT = Path(__file__).parents[1]
PAGES = ("tonight", "health", "runs", "errors", "gallery", "case", "traces", "compare", "trust", "map")
CLICKS = (
    {"subtask": "Anomaly Detection"}, {"product": "product 18"}, {"night": "2026-01-01", "line": "line 2"},
    {"camera": "camera 2"}, {"outcome": "escape"}, {"label": "good", "line": "line 1"}, {"defect": "dent"},
    {"shape": "stuck-high"}, {"confidence_band": "0.7 to 0.9"}, {"entropy": "0.2-0.8"}, {"label": "defective"},
    {"subtask": "Object Analysis", "camera": "camera 1"}, {"retrieval": "other entry"}, {"letter": "C"},
    {"answer_text": "stain"}, {"dataset": "set 2", "outcome": "wrong"}, {"entropy_band": "below 0.25"},
    {"product": "product 05", "subtask": "Defect Analysis"}, {"outcome": "right", "line": "line 1"},
    {"confidence": "0.9-1.0", "camera": "camera 3"},
)  # fmt: skip
TURNS = 8  # how often every page is opened in Chromium
Times = dict[str, dict[str, dict[str, int]]]


def main() -> None:
    """Make the warehouse, time every page, print and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=10_000_000)
    parser.add_argument("--data", type=Path, help="a warehouse made before, or where to keep it")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or Path(folder) / "data"
        began = time.perf_counter()
        invented_warehouse.fill(data, args.predictions)  # one that was kept is only completed
        filled = time.perf_counter() - began
        from warehouse.store import Store

        runs = Store(data).runs()
        server = on_the_server(data, runs["run_id"][0], big_run(runs))
        chromium, mebibytes = in_chromium(data, big_run(runs))
        figures = {
            "predictions": int(runs["answered"].sum()),
            "runs": runs.height,
            "warehouse_megabytes": round((data / "warehouse.duckdb").stat().st_size / 1e6),
            "seconds_to_make_it": round(filled),
            "server_milliseconds": server,
            "chromium_milliseconds": chromium,
            "server_mebibytes": mebibytes,
            "worst": worst(server, chromium, mebibytes),
        }
    sys.stderr.write(table(server, chromium))
    machine.report(figures, args.output)


def worst(server: Times, chromium: dict[str, Any], mebibytes: int) -> dict[str, dict[str, object]]:
    """Each promise beside the slowest page's 95th percentile, by the clock."""
    promises = (("again", "warm paint", 1000), ("click", "click", 300), ("million", "click among a million", 700))
    found: dict[str, dict[str, object]] = {}
    for kind, words, limit in promises:
        measured = [(times[kind]["p95"], page) for page, times in server.items() if kind in times]
        slowest, page = max(measured, default=(0, ""))
        found[f"{words}, server, ms"] = {"measured": slowest, "page": page, "limit": limit, "held": slowest <= limit}
    painted = {**chromium["pages"], "heat map click": chromium["heat map click"], "next case": chromium["next case"]}
    slowest, page = max((times["p95"], page) for page, times in painted.items())
    found["settled paint, Chromium, ms"] = {"measured": slowest, "page": page, "limit": 700, "held": slowest <= 700}
    found["server's memory, MiB"] = {"measured": mebibytes, "limit": 1536, "held": mebibytes <= 1536}
    return found


def table(server: Times, chromium: dict[str, Any]) -> str:
    """Page by time: 95th percentiles in milliseconds by the clock."""
    kinds = ("first", "again", "click", "million")
    lines = ["page      " + "".join(f"{kind:>9}" for kind in (*kinds, "Chromium"))]
    for page, times in server.items():
        shown = [str(times[kind]["p95"]) if kind in times else "-" for kind in kinds]
        lines.append(f"{page:<10}" + "".join(f"{one:>9}" for one in (*shown, str(chromium["pages"][page]["p95"]))))
    return "\n".join(lines) + "\n"


def big_run(runs: object) -> str | None:
    """The run of a million predictions, if there is one."""
    import polars as pl

    assert isinstance(runs, pl.DataFrame)
    found = runs.filter(pl.col("answered") >= invented_warehouse.BIG_RUN)
    return found["run_id"][0] if found.height else None


def on_the_server(data: Path, newest: str, big: str | None) -> Times:
    """Milliseconds of one script run, by page and kind."""
    os.environ["WORKBENCH_DATA"] = str(data)
    import streamlit as st

    run_page(PAGES[0], {})  # imports
    found: Times = {}
    for page in PAGES:
        kinds: dict[str, list[tuple[float, float]]] = {"first": [], "again": [], "click": []}
        for _ in range(3):
            st.cache_data.clear()
            st.cache_resource.clear()
            kinds["first"].append(run_page(page, {"run": newest}))
            kinds["again"] += [run_page(page, {"run": newest}) for _ in range(4)]
        kinds["click"] = [run_page(page, {"run": newest, **click}) for click in CLICKS]
        if big:
            run_page(page, {"run": big})
            kinds["million"] = [run_page(page, {"run": big, **click}) for click in CLICKS]
        found[page] = {kind: both(times) for kind, times in kinds.items()}
        sys.stderr.write(f"{page}: {found[page]}\n")
    return found


def run_page(page: str, address: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of one run of a page's script: by the clock, and of this process's processors meanwhile."""
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
    from streamlit.testing.v1 import AppTest

    from workbench.pages.ui import components

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(getattr(components, page.upper()))
    took: list[tuple[float, float]] = []
    original = ScriptRunner._run_script

    def timed(self: ScriptRunner, rerun_data: object) -> None:
        wall, processors = time.perf_counter(), time.process_time()
        original(self, rerun_data)  # type: ignore[arg-type]
        took.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processors)))

    ScriptRunner._run_script = timed  # type: ignore[method-assign]
    try:
        app.run()
    finally:
        ScriptRunner._run_script = original  # type: ignore[method-assign]
    assert not app.exception, app.exception[0].stack_trace
    return took[-1]


def both(times: list[tuple[float, float]]) -> dict[str, int]:
    """The clock's summary, and the processors' 95th percentile: on a busy machine the two differ."""
    return summary([wall for wall, _ in times]) | {"processor_p95": summary([used for _, used in times])["p95"]}


def summary(times: list[float]) -> dict[str, int]:
    """The median and the 95th percentile, which of few is the largest."""
    cuts = quantiles(times, n=20, method="inclusive") if len(times) > 1 else [times[0]] * 19
    return {"median": round(cuts[9]), "p95": round(cuts[18]), "n": len(times)}


@contextmanager
def dashboard(data: Path) -> Iterator[tuple[str, int]]:
    """The running server's address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jobs", "serve", "--data", str(data), "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url, server.pid
    finally:
        server.terminate()
        server.wait(timeout=30)


# When somebody clicked or pressed a key; when elements last changed: a fragment that finds nothing new changes none.
_WATCH = """() => { window.__acted = 0; if (window.__watch) return; window.__watch = true;
    for (const kind of ['click', 'keydown'])
        window.addEventListener(kind, event => { window.__acted ||= event.timeStamp }, true);
    new MutationObserver(() => { window.__changed = performance.now() })
        .observe(document.body, {childList: true, subtree: true}) }"""
_QUIET = """() => { const app = document.querySelector('[data-testid=stApp]');
    const still = !app || app.getAttribute('data-test-script-state') !== 'running';
    const drawn = window.__acted && window.__changed > window.__acted;
    return still && drawn && performance.now() - window.__changed > 500 }"""


def settled(page: Page, act: object) -> float:
    """Milliseconds from an act, a click or a key, until elements stop changing."""
    assert callable(act)
    page.wait_for_timeout(300)
    page.evaluate(_WATCH)
    act()
    page.wait_for_function(_QUIET, polling=50)
    return float(page.evaluate("window.__changed - window.__acted"))


def in_chromium(data: Path, big: str | None) -> tuple[dict[str, Any], int]:
    """Milliseconds to settled paint by page and for clicks, and the server's memory afterwards in MiB."""
    from tests.browser import chromium

    path = chromium.find()
    assert path, chromium.MISSING
    found: dict[str, Any] = {}
    with dashboard(data) as (url, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{url}/map")  # the last of PAGES: a click on the page one is on changes nothing
        page.locator(".js-plotly-plot").first.wait_for(state="attached")
        page.wait_for_timeout(3000)
        names = [name.capitalize() for name in PAGES]
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(TURNS + 1):
            for name in names:
                took = settled(page, page.get_by_role("link", name=name, exact=True).first.click)
                if turn:  # the first turn warms
                    times[name].append(took)
        found["pages"] = {name.lower(): summary(taken) for name, taken in times.items()}
        page.get_by_role("link", name="Errors", exact=True).first.click()
        page.wait_for_timeout(2000)
        found["heat map click"] = summary([settled(page, lambda at=at: click_cell(page, at)) for at in range(22)][2:])
        page.get_by_role("link", name="Case", exact=True).first.click()
        page.wait_for_timeout(2000)
        found["next case"] = summary([settled(page, lambda: page.keyboard.press("j")) for _ in range(22)][2:])
        for name in ("errors", "compare", "trust") if big else ():
            page.goto(f"{url}/{name}?run={big}&label=good")
            page.locator(".js-plotly-plot").first.wait_for(state="attached")
            page.wait_for_timeout(2000)
        mebibytes = round(psutil.Process(pid).memory_info().rss / 2**20)
        browser.close()
    return found, mebibytes


def click_cell(page: Page, at: int) -> None:
    """A click on one of the heat map's squares."""
    squares = page.locator(".st-key-errors-heat .scatterlayer .point, .st-key-card-heat .scatterlayer .point")
    box = squares.nth(at * 5).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)


if __name__ == "__main__":
    main()
