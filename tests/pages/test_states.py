"""Every page over every kind of run there is: none, one answer, failures only, no labels, no masks, less told, many
products, two models, still running. None breaks, and none claims what its run can't tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.pages import seed
from tests.pages.screen import opened, words
from warehouse.records.scoring import Archive, Capabilities, Entry, Prediction, Run
from warehouse.store import Store

pytestmark = pytest.mark.slow

PAGES = ("runs/runs", "errors", "gallery", "case/case", "traces", "compare", "trust", "map")
KINDS = ("one answer", "failures only", "no labels", "no masks", "38 products", "another model", "running")
# What answered, of runs whose answers carry less than a local engine's.
TOLD_BY: dict[str, dict[str, Any]] = {
    "answer file": {"evaluator": "answer file", "capabilities": Capabilities(False, False, False, False)},
    "no think tokens": {"capabilities": Capabilities(True, attention=False, latents=False, text=True)},
}


@dataclass(frozen=True)
class Kinds:
    """A warehouse with one run of each kind."""

    data: Path
    runs: dict[str, Run]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    data = tmp_path_factory.mktemp("kinds") / "data"
    seeded = seed.seed(data, images=4)
    bare = [replace(entry, image_id=f"bare-{entry.image_id}", mask_path=None) for entry in seeded.entries]
    seeded.store.upsert_entries(seeded.archive.archive_id, bare)
    runs = {}
    for number, kind in enumerate((*KINDS, *TOLD_BY), 1):
        run = seed.a_run(
            seeded.archive.archive_id,
            16,
            "running" if kind == "running" else "finished",
            seed.STARTED + timedelta(hours=number),
            model="Qwen/Qwen2.5-VL-7B" if kind == "another model" else "embedded",
            demo=kind != "another model",
            **TOLD_BY.get(kind, {}),
        )
        runs[kind] = run
        _store(seeded.store, run, kind, [*(bare if kind == "no masks" else seeded.entries)])
    return Kinds(data, runs)


def _store(store: Store, run: Run, kind: str, entries: list[Entry]) -> None:
    made = [seed.a_case(run.run_id, entry, question) for entry in entries for question in range(4)]
    predictions, patches = [prediction for prediction, _ in made], [patch for _, some in made for patch in some]
    if kind == "one answer":
        predictions, patches = predictions[:1], []
    elif kind == "failures only":
        predictions, patches = [seed.failed(one, "truncated") for one in predictions], []
    elif kind == "no labels":
        predictions = [seed.unlabelled(one) for one in predictions]
    elif kind == "answer file":
        predictions, patches = [_imported(one) for one in predictions], []
    elif kind == "no think tokens":
        predictions, patches = [_plain(one) for one in predictions], []
    elif kind == "38 products":
        predictions = [
            replace(
                one, product=f"product {number:02}", dataset=f"set {number % 4}", image_id=f"{number}-{one.image_id}"
            )
            for number in range(38)
            for one in predictions
        ]
    seed.store_run(store, run, predictions, patches)


def _imported(prediction: Prediction) -> Prediction:
    """As an answer file of the benchmark has it: letters, and nothing that led to them."""
    return replace(
        prediction, initial_option_probabilities={}, option_probabilities={}, entropy=(), token_entropy=(), reward=(),
        best_iteration=None, descriptions=(), reference_path=None,
    )  # fmt: skip


def _plain(prediction: Prediction) -> Prediction:
    """As a model answers without think tokens: probabilities, and no course."""
    return replace(prediction, entropy=(), token_entropy=(), reward=(), best_iteration=None)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_warehouse_tells_the_first_command(page: str, data_folder: Path) -> None:
    shown = opened(f"workbench/pages/{page}.py")
    assert "Nothing has been scored yet." in words(shown)
    assert "workbench score ARCHIVE" in shown.code[0].value
    assert not data_folder.exists()  # looking changes nothing


@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_over_every_kind_of_run(page: str, kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    for kind, run in kinds.runs.items():
        text = words(opened(f"workbench/pages/{page}.py", run=run.run_id))
        assert "nan" not in text.lower().replace("unan", ""), kind
        assert not re.search(r">(True|False|None)<", text), kind
        assert f"data folder {kinds.data.name}<" in text
        if kind == "no labels" and page in ("errors", "trust"):
            assert "No labelled answer here" in text or "Nothing to judge" in text
        if kind == "failures only" and page == "gallery":
            assert "16 failed" in text


SAID = "There is no {}: what answered this run (answer file) gives none."
LEFT_OUT = "There is no {}: the run&#39;s settings left that out."
COURSE, PROBABILITY = "course of entropy over iterations", "probability of each option"


@pytest.mark.parametrize(
    ("page", "kind", "sentences", "charts"),
    [
        ("traces", "answer file", [SAID.format(COURSE), "workbench score ARCHIVE --model MODEL"], 0),
        ("traces", "no think tokens", [LEFT_OUT.format(COURSE), "workbench score ARCHIVE --think-tokens 4"], 0),
        ("trust", "answer file", [SAID.format(f"{PROBABILITY} and no {COURSE}")], 0),
        ("trust", "no think tokens", [LEFT_OUT.format(COURSE)], 1),
        ("map", "answer file", ["An answer file brings no pictures"], 0),
        (
            "case/case",
            "answer file",
            [SAID.format(COURSE), SAID.format(PROBABILITY), SAID.format("patch that")[:20]],
            1,
        ),
        (
            "case/case",
            "no think tokens",
            [LEFT_OUT.format(COURSE), LEFT_OUT.format("patch that the model looked at")],
            2,
        ),
    ],
)
def test_what_a_run_cannot_tell_is_said_in_a_sentence_and_never_drawn_empty(
    page: str, kind: str, sentences: list[str], charts: int, kinds: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    shown = opened(f"workbench/pages/{page}.py", run=kinds.runs[kind].run_id)
    text = words(shown).replace("'", "&#39;")
    assert [each for each in sentences if each not in text] == []
    assert len(shown.main.get("plotly_chart")) == charts


def test_trust_gives_no_auroc_where_it_says_that_entropy_cannot_warn(
    kinds: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    text = words(opened("workbench/pages/trust.py", run=kinds.runs["no think tokens"].run_id))
    assert "<b>Entropy can" in text
    assert re.search(r"AUROC, 95 %</td><td[^>]*>–</td>", text)


@pytest.mark.parametrize("page", PAGES)
def test_filters_that_leave_nothing_break_no_page(page: str, kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    run = kinds.runs["38 products"].run_id
    opened(f"workbench/pages/{page}.py", run=run, product="nobody", entropy="9-10", flip="won", region="0,0,1,0,1,1")


def test_an_address_that_makes_no_sense_is_left_out(kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    nonsense = dict.fromkeys(("outcome", "entropy", "flip", "region", "from", "by", "budget", "base"), "<b>")
    for page in PAGES:
        shown = opened(f"workbench/pages/{page}.py", run=kinds.runs["another model"].run_id, **nonsense)
        assert "<b></b>" not in words(shown)


def test_no_markup_of_an_address_reaches_a_page(kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(kinds.data))
    for page in PAGES:
        for name in ("shape", "subtask", "product", "question"):
            address = {"run": kinds.runs["another model"].run_id, name: "<u>x</u>"}
            shown = opened(f"workbench/pages/{page}.py", **address)
            assert not [one for one in shown.main.get("html") if "<u>x" in one.proto.body], (page, name)


def test_one_run_has_nothing_to_be_compared_with(data_folder: Path) -> None:
    seed.seed(data_folder, images=2)
    assert "a comparison needs two" in words(opened("workbench/pages/compare.py"))


def test_a_run_is_compared_with_one_of_its_own_archive_or_the_page_names_the_other(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    other = Archive("other", str(data_folder / "other"), "nuts", seed.STARTED)
    seeded.store.register_archive(other)
    rows = seeded.store.case(seeded.run.run_id, seeded.entries[0].image_id)

    def run(archive_id: str, hours: int) -> Run:
        made = seed.a_run(archive_id, len(rows), "finished", seed.STARTED + timedelta(hours=hours))
        seed.store_run(seeded.store, made, [replace(each, run_id=made.run_id) for each in rows], [])
        return made

    apart = run("other", -1)
    assert "A is a run of another archive, nuts:" in words(opened("workbench/pages/compare.py", run=seeded.run.run_id))
    run(seeded.archive.archive_id, 1)  # later than the run, and yet nearer to it than one of another archive
    text = words(opened("workbench/pages/compare.py", run=seeded.run.run_id))
    assert "another archive" not in text
    text = words(opened("workbench/pages/compare.py", run=seeded.run.run_id, base=apart.run_id))
    assert "A is a run of another archive, nuts:" in text


def test_a_page_follows_a_run_that_writes(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2, state="running")
    before = words(opened("workbench/pages/gallery.py"))
    more = [replace(seed.a_case(seeded.run.run_id, seeded.entries[0], 0)[0], block=1, image_id="later")]
    from warehouse import spool
    from warehouse.ingest import ingest

    spool.write_part(data_folder, seeded.run.run_id, 1, more, [], [], [])
    ingest(seeded.store)
    after = words(opened("workbench/pages/gallery.py"))
    assert ("showing 8 of 8" in before, "showing 9 of 9" in after) == (True, True)


def test_errors_claims_nothing_where_no_slice_can_be_judged(data_folder: Path) -> None:
    seed.seed(data_folder, images=8)
    said = words(opened("workbench/pages/errors.py"))
    assert "No slice can be judged:</b> none has 10 effective images" in said
    assert "worse than expected" not in said
