"""What a run and a night passed over is stored with them, and told alike on every surface."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from jobs.__main__ import app
from tests.archive import plants
from tests.nights.archives import Nightly, settled
from tests.pages.screen import opened, words
from warehouse.store import Store
from workbench.archive import problems
from workbench.nights import deliver, morning
from workbench.nights.reports import Morning
from workbench.nights.step_runner import Context, Step

OF_THE_SCAN = {
    "2 folders, such as #recycle: a file server's or system's own: 1 #recycle, 1 @eaDir",
    "3 files, such as Thumbs.db: no picture by its name: 2 .db, 1 .ini",
    "1 file, Flansch/NOK/film.avi: of a kind that isn't read: 1 .avi",
    "1 mask, Flansch/NOK/0777_mask.bmp: a mask of no picture",
}
PAGES = "1 file, Flansch/OK/0001.tif: pages behind the first aren't looked at"


def test_a_run_and_its_night_say_what_they_passed_over_and_so_does_a_night_without_anything_new(
    tmp_path: Path, data_folder: Path
) -> None:
    root = plants.network_share(tmp_path / "share")
    (root / "Flansch/alt").unlink()
    for file in root.rglob("*"):
        if file.is_file():
            settled(file)
    reports: list[Morning] = []

    def report(context: Context) -> str:
        reports.append(morning.report(context))
        morning.keep(context, reports[-1])
        return ""

    nightly = Nightly(data_folder, root, (Step("report", report),))
    nightly.keep()
    nightly.night()
    nightly.night()

    store = Store(data_folder)
    [run_id] = store.runs()["run_id"]
    run = store.run(run_id)
    assert run is not None
    assert run.passed_over is not None
    assert {problems.in_words(kind) for kind in run.passed_over} == {*OF_THE_SCAN, PAGES}
    first, second = reports
    assert first.passed_over == run.passed_over
    assert second.images == 0
    assert {problems.in_words(kind) for kind in second.passed_over or ()} == OF_THE_SCAN
    for said in (*OF_THE_SCAN, PAGES):
        assert f"- passed over: {said}" in deliver.text(first)
    assert "pages behind the first aren&#39;t looked at" in deliver.html(first)

    [listed] = json.loads(CliRunner().invoke(app, ["runs", "--json"]).stdout)
    assert {each["example"] for each in listed["passed_over"]} == {each.example for each in run.passed_over}
    runs_page = words(opened("workbench/pages/runs/runs.py"))
    tonight = words(opened("workbench/pages/nights/tonight.py"))
    for kind in run.passed_over:
        assert kind.example in runs_page
    assert "no picture by its name: 2 .db, 1 .ini" in tonight

    scored = CliRunner().invoke(
        app, ["score", str(root), "--knowledge", "none", "--iterations", "1", "--samples", "2", "--limit", "2"]
    )
    for said in OF_THE_SCAN:
        assert f"passed over: {said}" in scored.stdout
