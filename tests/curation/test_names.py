"""A slash in the name of a product, a defect or a data set breaks nothing; a proposal that fails stops no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN, by
from tests.warehouse import rows
from tests.warehouse.judging import stored
from warehouse import names
from warehouse.database import Database
from warehouse.queries.curation import Curation
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import Verdict
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit, proposals
from workbench.errors import CannotPublish, KnowledgeError

NOW = datetime(2026, 1, 5, tzinfo=UTC)
PLACE = ("line/a", "4711/02", "scratch/deep")
NAME = "line%2Fa/4711%2F02/scratch%2Fdeep"


def says(image_id: str, number: int) -> Verdict:
    return Verdict(
        f"verdict-{number}", 1, f"dispute-{number}", 1, "run", image_id, seed.question_id(1), "anna", "wrong", "A",
        (), "misleads", f"A thin line, number {number}.", None, 9.0, NOW, NOW, False,
    )  # fmt: skip


@given(st.lists(st.text(min_size=1).filter(lambda part: "%2F" not in part), min_size=1, max_size=4))
def test_a_name_comes_apart_into_the_parts_it_was_made_of(parts: list[str]) -> None:
    assert names.split(names.join(parts)) == tuple(parts)
    assert names.join(parts).count("/") == len(parts) - 1


def test_a_name_without_a_slash_is_what_it_always_was() -> None:
    assert names.join(("DS-MVTec", "bottle", "50% broken")) == "DS-MVTec/bottle/50% broken"


@pytest.mark.slow
def test_proposals_of_products_defects_and_data_sets_with_slashes_become_drafts_on_the_page(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=8)
    scratched = [each for each in seeded.entries if each.defect == "scratch"]
    odd = [
        replace(scratched[0], dataset="line/a", product="4711/02", defect="scratch/deep"),
        replace(scratched[1], defect=".."),
        replace(scratched[2], product="only/product"),
    ]
    seeded.store.upsert_entries(seeded.archive.archive_id, odd)
    Reviews(data_folder).judge(
        stored([says(each.image_id, at) for at, each in enumerate([*odd, scratched[3]])]), actor=ANN
    )

    waiting = proposals.waiting(seeded.store)

    assert [each.description_id for each in waiting.proposals] == [
        "drawn/only%2Fproduct/scratch", "drawn/plate/scratch", NAME,
    ]  # fmt: skip
    (problem,) = waiting.problems
    assert problem.startswith("drawn/plate/..: 'drawn/plate/..' is no description: '..' can't be a part")
    page = opened("workbench/pages/knowledge/knowledge.py", product="drawn/plate")
    assert "No proposal could be made of drawn/plate/..: " in words(page)
    saved = proposals.accept(seeded.store, NAME, actor=by("anna"))
    assert (saved.draft.dataset, saved.draft.product, saved.draft.entry) == PLACE
    shown = words(opened("workbench/pages/knowledge/knowledge.py", product="line%2Fa/4711%2F02", text=NAME))
    assert "4711/02 / scratch/deep, r1." in shown
    edit.publish(seeded.store, NAME, 1, "known from the line", actor=by("anna"))
    assert NAME in {each.description_id for each in Curation(data_folder).published()[1]}


@pytest.mark.parametrize("form", ["k.json", "k.csv", "k"])
def test_texts_with_slashes_in_their_names_go_out_and_come_back(data_folder: Path, tmp_path: Path, form: str) -> None:
    store = Store(data_folder)
    Curation(data_folder).take({PLACE: "A thin line.", ("line/a", "nut", "good"): "Even."}, "first", actor=ANN)

    assert knowledge_files.write(store.published_knowledge()[1], tmp_path / form) == 2
    assert knowledge_files.read(tmp_path / form) == {PLACE: "A thin line.", ("line/a", "nut", "good"): "Even."}
    done = knowledge_files.import_file(store, tmp_path / form, actor=ANN)
    assert (done.added, done.changed, done.unchanged, done.withdrawn) == (0, 0, 2, 0)


def test_a_name_that_leads_elsewhere_is_refused_in_words(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text('{"d": {"..": {"good": "x"}}}')
    with pytest.raises(KnowledgeError, match=r"'\.\.' can't be a part of a description's name"):
        knowledge_files.read(tmp_path / "k.json")
    for name in ("d/../good", "d/ /good", "d/nut", "d/nut/rust/deep"):
        with pytest.raises(CannotPublish, match="is no description"):
            edit.edit(Store(data_folder), name, "A text.", "why", actor=ANN)


def test_retrieval_of_a_product_with_a_slash_is_counted_as_its_own(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    run = seed.a_run(seeded.archive.archive_id, 1, at=NOW)
    case, patches = seed.a_case(run.run_id, seeded.entries[1], 0)
    own = (rows.retrieved(NAME),)
    asked = replace(case, dataset="line/a", product="4711/02", defect="Scratch/Deep", descriptions=own)
    seed.store_run(seeded.store, run, [asked], patches)
    with Database(data_folder).reading() as con:
        assert con.execute("SELECT retrieval FROM facts WHERE run_id = ?", [run.run_id]).fetchall() == [("right",)]
