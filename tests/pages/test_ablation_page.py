"""The page Ablation: what to do without one; each arm against its baseline, the demo model named."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.pages import screen, seed
from warehouse.queries.experiments import Experiments
from warehouse.records.experiments import Arm
from warehouse.store import Store
from workbench.pages.ui import components


def _arm(name: str, place: int, run_id: str, archive_id: str, baseline: str | None = None) -> Arm:
    at = datetime(2026, 1, 5, 22, place, tzinfo=UTC)
    return Arm("0123456789abcdef", "ablation", archive_id, place, name, "main", None, baseline, run_id, at)


def test_without_an_ablation_the_page_says_how_to_run_one(data_folder: Path) -> None:
    seed.seed(data_folder, images=2)
    assert "workbench ablate ARCHIVE" in screen.words(screen.opened(components.ABLATION))


def test_an_arm_is_shown_beside_its_baseline_with_its_accuracy(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=4)
    store = Store(data_folder)
    run = store.run(seeded.run.run_id)
    assert run is not None
    for place, name in enumerate(("plain", "knowledge <b>")):
        Experiments(data_folder).keep(_arm(name, place, run.run_id, run.archive_id, "plain" if place else None))
    page = screen.opened(components.ABLATION)
    said = screen.words(page)
    assert "Not enough evidence that this arm differs from its baseline." in said
    assert "knowledge &lt;b&gt;" in said
    assert "2 arms over" in said
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in said.split("<tr>") if row.startswith("<td")]
    flips = {cells[0]: cells[-2:] for cells in rows if len(cells) == 10}
    assert flips == {"plain": ["–", "–"], "knowledge &lt;b&gt;": ["0", "0"]}  # a baseline has none of its own


def test_arms_without_think_tokens_have_no_course_and_the_page_says_so(data_folder: Path) -> None:
    run = seed.seed(data_folder, images=2).run
    Experiments(data_folder).keep(_arm("plain", 0, run.run_id, run.archive_id))
    seed.without_think_tokens(data_folder)
    said = screen.words(screen.opened(components.ABLATION))
    assert "There is no course of entropy over iterations" in said
    assert "workbench score ARCHIVE --think-tokens 4" in said


def test_an_address_with_an_unknown_experiment_shows_the_newest(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    run = Store(data_folder).run(seeded.run.run_id)
    assert run is not None
    old = _arm("plain", 0, run.run_id, run.archive_id)
    Experiments(data_folder).keep(old)
    Experiments(data_folder).keep(
        replace(old, experiment="f" * 16, arm="newest", finished_at=datetime(2026, 2, 1, tzinfo=UTC))
    )
    page = screen.opened(components.ABLATION, experiment="nobody", run="kept")
    assert "newest" in screen.words(page)
    assert "shared.drawn" in page.session_state  # its charts take the other colours when the theme is switched

    page.selectbox(key="ablation.which").set_value(old.experiment).run()
    assert "newest" not in screen.words(page)
    assert page.query_params == {"run": "kept", "experiment": old.experiment}
    page.query_params["experiment"] = "f" * 16  # a link, or Back
    page.run()
    assert "newest" in screen.words(page)


def test_a_family_of_arms_is_chosen_by_the_address(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    run = Store(data_folder).run(seeded.run.run_id)
    assert run is not None
    first = _arm("plain", 0, run.run_id, run.archive_id)
    for arm in (first, replace(first, arm="another", place=1, family="layers")):
        Experiments(data_folder).keep(arm)
    page = screen.opened(components.ABLATION, run="kept")
    page.segmented_control[0].set_value("layers").run()
    assert page.query_params == {"run": "kept", "family": "layers"}
    assert "<td>another</td>" in screen.words(page)
    page.query_params["family"] = "main"
    page.run()
    assert "<td>plain</td>" in screen.words(page)
