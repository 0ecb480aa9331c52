"""Published normals reach a run: its digest and its knowledge version name them, and texts and normals apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests import scored
from tests.people import ANN
from tests.scoring import compared
from tests.warehouse import rows
from warehouse.queries.normals import Normals
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench.archive import knowledge_files, normal_files
from workbench.curation import normals
from workbench.scoring import prepare_run
from workbench.settings import Machine, Settings, Support


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.tower(tmp_path_factory.mktemp("tower") / "tiny")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.archive(tmp_path_factory.mktemp("plates") / "archive")


def test_published_retired_and_rolled_back_normals_are_what_the_next_run_is_compared_with(
    plates: Path, tower: Path, data_folder: Path, tmp_path: Path
) -> None:
    def workbench(*words: str | Path) -> str:
        variables = {"WORKBENCH_COMPARE": str(tower), "WORKBENCH_COMPARE_SIDE": str(compared.SIDE)}
        done = CliRunner().invoke(app, list(map(str, words)), env=variables, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def scored_run() -> Run:
        said = json.loads(workbench("score", plates, "--model", "compare", "--json"))
        run = Store(data_folder).run(said["run_id"])
        assert run is not None
        return run

    def named(run: Run) -> list[str]:
        said = workbench("knowledge", "normals", "list", "--version", run.knowledge_version or "", "--json")
        return [each["normal"] for each in json.loads(said)]

    def live() -> list[str]:
        return [each.content for each in Normals(data_folder).published()]

    workbench("knowledge", "normals", "import", plates)
    first = scored_run()
    assert len(live()) == 12
    assert named(first) == live()
    assert "of 12 normals" in (first.evaluator_version or "")

    workbench("knowledge", "normals", "retire", live()[0][:12], "--reason", "scratched")
    second = scored_run()
    assert len(live()) == 11
    assert named(second) == live()
    assert "of 11 normals" in (second.evaluator_version or "")

    workbench("knowledge", "normals", "rollback", first.knowledge_version or "", "--reason", "it was dust")
    third = scored_run()
    assert len({first.digest, second.digest}) == len({first.knowledge_version, second.knowledge_version}) == 2
    assert (third.digest, third.knowledge_version) == (first.digest, first.knowledge_version)
    ours, theirs = ([replace(c, run_id="") for c in rows.comparisons_of(data_folder, each.run_id)]
                    for each in (first, third))  # fmt: skip
    assert ours == theirs

    # Those that a run used can be had of it.
    workbench("knowledge", "export", "-o", tmp_path / "second.normals.jsonl", "--run", second.run_id)
    held = normal_files.read(tmp_path / "second.normals.jsonl")
    assert ({each.content for each in held}, {each.state for each in held}) == (set(named(second)), {"published"})

    # What it doesn't read changes nothing of it.
    texts = tmp_path / "texts.csv"
    texts.write_text("dataset,product,entry,text\narchive,bolt,good,Even.\n")
    workbench("knowledge", "import", texts)
    fourth = scored_run()
    assert (fourth.digest, fourth.knowledge_version) == (first.digest, first.knowledge_version)


def prepared(root: Path, settings: Settings) -> tuple[str, str | None]:
    """Digest and knowledge version of the run that would begin."""
    made = prepare_run.prepare(root, settings, Store(settings.work.data), lambda _: None)
    made.executor.close()
    return made.digest, made.facts.knowledge_version


def test_a_run_that_reads_texts_alone_is_the_same_run_whatever_normals_are_published(
    plates: Path, tower: Path, data_folder: Path, drawn_archive: Path
) -> None:
    store, plain = Store(data_folder), scored.quick(data_folder, limit=8)
    knowledge_files.import_file(store, drawn_archive / "domain_knowledge.json", actor=ANN)
    shown = replace(plain, support=Support(compare=str(tower), compare_side=compared.SIDE, evidence="texts,compare"))
    before, declared = prepared(plates, plain), prepared(plates, shown)
    assert before[1] == declared[1]  # no normal is published: the archive's own are none of the knowledge

    normals.import_archive(store, plates, plain, actor=ANN)

    assert prepared(plates, plain) == before
    after = prepared(plates, shown)
    assert after[0] != declared[0]
    assert after[1] == normals_and_texts(data_folder) != before[1]
    assert store.knowledge(before[1] or "") == store.knowledge(after[1] or "") != []


def test_where_all_normals_of_a_product_are_retired_the_archive_does_not_bring_them_back(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    store, known = Store(data_folder), Normals(data_folder)
    plain = scored.quick(data_folder)
    chosen = replace(
        plain, machine=Machine(model="compare"), support=Support(compare=str(tower), compare_side=compared.SIDE)
    )
    normals.import_archive(store, plates, plain, actor=ANN)
    bolts = [each.number for each in known.published() if each.product == "bolt"]
    known.retire(bolts, "another lens", actor=ANN)

    outcome = scored.score(plates, chosen)

    assert "compared with 6 normal pictures of 1 product" in " ".join(outcome.notes)
    assert any("products without a normal picture: archive/bolt" in note for note in outcome.notes), outcome.notes


def normals_and_texts(data: Path) -> str:
    version, _ = Store(data).published_knowledge()
    assert version is not None
    return version.version
