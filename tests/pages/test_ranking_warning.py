"""An archive that was ranked against itself: pages and summaries warn where many pictures are, or may be, defective."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pages.screen import opened, words
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.comparisons import Comparisons
from warehouse.records.comparisons import RankedArchive
from warehouse.store import Store
from workbench.analysis import suspicion

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "comparison.json"
SIX_OF_TEN = "60 % of the 10 pictures are defective: this order is good while few are; on real photographs its AUROC"


def ranked(data: Path, defective: int, labelled: int = 10, **values: Any) -> None:
    """Ten pictures of a run, the first ones defective and the last ones without a label."""
    store = Store(data)
    store.register_archive(rows.archive())
    store.upsert_entries("archive", [rows.entry(number) for number in range(10)])
    store.open_run(rows.run())
    labels = ["defective" if n < defective else "good" if n < labelled else None for n in range(10)]
    plain: dict[str, Any] = {"rank": None, "normals": 0, "threshold": None, "claim": "cannot say", "nearest": ()}
    spool.write_part(
        data,
        rows.RUN,
        0,
        [rows.prediction(0, 2 * n, label=label) for n, label in enumerate(labels)],
        comparisons=[rows.comparison(0, n, **{**plain, **values}) for n in range(10)],
    )
    ingest(store)


def test_what_comparing_answered_is_listed_by_suspicion_and_says_what_is_beyond_it(data_folder: Path) -> None:
    ranked(data_folder, defective=6)
    assert "worst outcome first" in words(opened("workbench/pages/gallery.py"))
    Store(data_folder).open_run(rows.run(run_id="compared", model="compare", evaluator="comparison"))
    beyond = rows.prediction(0, 1, run_id="compared", status="invalid", answer=None, raw_text="no normal is like it")
    part = [rows.prediction(0, 0, run_id="compared"), beyond]
    spool.write_part(data_folder, "compared", 0, part, comparisons=[rows.comparison(0, 0, run_id="compared")])
    ingest(Store(data_folder))

    page = opened("workbench/pages/gallery.py", run="compared")
    assert "most suspicious first" in words(page)
    page.selectbox(key="gallery.order").set_value("worst").run()
    assert page.query_params["order"] in ("worst", ["worst"])
    assert "worst outcome first" in words(page)
    said = words(opened("workbench/pages/runs/runs.py", run="compared"))
    assert "<b>1 answer</b> could not come from comparing with normal pictures" in said
    case = opened("workbench/pages/case/case.py", run="compared", image=beyond.image_id, question=beyond.question_id)
    assert "<b>Invalid.</b> No normal is like it." in words(case)
    shown = rows.prediction(0, 0).question_id
    case = opened("workbench/pages/case/case.py", run="compared", image=beyond.image_id, question=shown)
    assert "comparing with normal pictures said" in words(case)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (RankedArchive(100, 100, 60), "60 % of the 100 pictures are defective"),
        (RankedArchive(100, 90, 60), "at least 60 % of the 100 pictures are defective"),
        (RankedArchive(100, 100, 30), None),
        (RankedArchive(100, 80, 10), None),
        (
            RankedArchive(100, 80, 11),
            "nothing bounds how many pictures are defective (80 of 100 pictures have a label)",
        ),
        (RankedArchive(100, 0, 0), "nothing bounds how many pictures are defective (0 of 100 pictures have a label)"),
    ],
)
def test_a_picture_without_a_label_may_be_defective_or_good(known: RankedArchive, said: str | None) -> None:
    warning = suspicion.ranking_warning(known)
    assert (warning is None) == (said is None)
    assert said is None or f"and {said}: " in (warning or "")


def test_gallery_and_case_warn_where_most_pictures_are_defective(data_folder: Path) -> None:
    ranked(data_folder, defective=6)
    assert SIX_OF_TEN in words(opened("workbench/pages/gallery.py", order="most suspicious"))
    assert SIX_OF_TEN not in words(opened("workbench/pages/gallery.py"))
    case = rows.prediction(0, 0)
    page = opened("workbench/pages/case/case.py", image=case.image_id, question=case.question_id)
    assert SIX_OF_TEN in words(page)


def test_nobody_warns_where_few_are_defective_or_normal_pictures_were_there(data_folder: Path) -> None:
    ranked(data_folder, defective=1)
    assert (
        "ranked against each other" not in words(opened("workbench/pages/gallery.py", order="most suspicious")).lower()
    )
    assert Comparisons(data_folder).ranked_archive(rows.RUN) == RankedArchive(10, 10, 1)


def test_a_run_with_normal_pictures_ranks_no_archive_against_itself(data_folder: Path) -> None:
    ranked(data_folder, defective=6, nearest=("normal-1",))
    assert Comparisons(data_folder).ranked_archive(rows.RUN) is None


def test_the_figures_of_the_warning_are_the_measured_ones() -> None:
    measured = json.loads(RESULT.read_text("utf-8"))["archive_against_itself"]
    products = [list(measured[name].values()) for name in ("AWS-Cookie", "BSData")]
    ranges = [tuple(sorted(round(product[row]["auroc"], 2) for product in products)) for row in range(3)]
    few, some, many = (f"{low:.2f} to {high:.2f}" for low, high in ranges)
    shares = sorted(int(list(measured[name])[2].split("%")[0]) for name in ("AWS-Cookie", "BSData"))
    assert (
        f"on real photographs its AUROC was {few} with about 10 % defective, {some} with about 30 %, and {many} with "
        f"{shares[0]} to {shares[1]} %"
    ) == suspicion.MEASURED
