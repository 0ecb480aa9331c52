"""A model's wording for a proposal: shown and stored as what it is, by the command that a curator gives."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.curation import plates
from tests.pages.seed import identity
from tests.people import ANN
from tests.warehouse.judging import stored
from tests.warehouse.test_reviews import dispute, verdict
from warehouse.queries.curation import Curation
from warehouse.queries.reviews import Reviews
from warehouse.store import Store

pytestmark = pytest.mark.slow

BETTER = "A scratch is a thin bright line from edge to edge."


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A scored archive with one verdict that says how the text about scratches should go on."""
    folder = tmp_path_factory.mktemp("rewording")
    root = plates.draw(folder / "plates", scratched=2, others=2)
    store = plates.knowing(folder / "data", root)
    run = plates.score(store, root).run
    row = store.predictions(run.run_id).filter(product="metal_plate", defect="scratch").row(0, named=True)
    opened = dispute(
        0, dispute_id=identity("a dispute"), image_id=row["image_id"], question_id=row["question_id"],
        run_id=run.run_id, product=row["product"],
    )  # fmt: skip
    Reviews(store.data).open([opened], [], actor=ANN)
    said = verdict(opened, run_id=run.run_id, better_description=BETTER, explanation="supports")
    Reviews(store.data).judge(stored([said]), actor=ANN)
    return store


def given(store: Store, *words: str) -> str:
    result = CliRunner().invoke(app, ["knowledge", "propose", *words, "--data", str(store.data)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_suggestion_stands_beside_the_reviewers_own_sentences(judged: Store) -> None:
    plain = given(judged)
    assert f"[verdict x1] {BETTER}" in plain
    assert "suggestion" not in plain
    suggested = re.search(r"\[model, a suggestion\] (.+)", given(judged, "--rewrite"))
    assert suggested
    assert suggested[1].strip()


def test_an_accepted_suggestion_is_a_draft_whose_sentences_are_marked_as_the_models(judged: Store) -> None:
    suggested = re.search(r"\[model, a suggestion\] (.+)", given(judged, "--rewrite"))
    assert suggested
    accepted = given(judged, "--rewrite", "--accept", plates.TEXT, "--author", "ann")
    revision = int(re.findall(r"revision (\d+) is a draft", accepted)[0])
    base = Curation(judged.data)
    [draft] = [each for each in base.of_product("Drawn", "metal_plate") if each.revision == revision]
    assert draft.text == suggested[1].strip()
    assert draft.state == "draft"
    assert {each.origin for each in base.sentences(plates.TEXT, revision)} == {"model"}
    assert BETTER not in plates.published_text(judged)
