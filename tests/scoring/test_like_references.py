"""Which normal picture a run shows beside each image when it chooses by likeness, and what never moves that choice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import scored
from tests.people import ANN
from tests.scored import Quiet
from tests.scoring import compared
from warehouse import schema
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from workbench.archive.scan import content_of
from workbench.comparison.features import Vector
from workbench.curation import normals as curation
from workbench.model.method import Method
from workbench.scoring import models, prepare_run
from workbench.scoring import run as scoring
from workbench.scoring.own_tower import EarlyModel
from workbench.scoring.prepare_run import Prepared
from workbench.scoring.run import Outcome
from workbench.settings import Settings, Support

TINTS = ((40, 0, 0), (0, 40, 0), (0, 0, 40))  # three kinds of normal pictures of one product


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.tower(tmp_path_factory.mktemp("tower") / "tiny")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("plates") / "plates")


def archive(root: Path, tints: tuple[tuple[int, int, int], ...] = TINTS) -> Path:
    """Plates of three tints: four normals of each, two pictures to inspect of each."""
    for tint, shade in enumerate(tints):
        for number in range(4):
            compared.plate(root / f"bolt/train/good/{tint}{number}.png", "bolt", 10 * tint + number, tint=shade)
        for number in range(2):
            scratch = (number, number) if number else None
            file = root / f"bolt/test/{'scratch' if number else 'good'}/{tint}.png"
            compared.plate(file, "bolt", 100 + 10 * tint + number, scratch, tint=shade)
    return root


def settings(data: Path, tower: Path, **changes: Any) -> Settings:
    chosen: dict[str, Any] = {"knowledge": "none", "reference_choice": "likeness", **changes}
    support = Support(compare=str(tower), compare_side=compared.SIDE, **chosen)
    return replace(scored.quick(data, support), method=Method(think_tokens=0, iterations=0, injection="none"))


def answers(data: Path, outcome: Outcome) -> list[Prediction]:
    return schema.records(Prediction, Store(data).predictions(outcome.run.run_id))


def shown(data: Path, outcome: Outcome) -> dict[str, str | None]:
    return {each.image_path: each.reference_path for each in answers(data, outcome)}


def prepared(root: Path, chosen: Settings) -> Prepared:
    """A run over the archive that could begin."""
    found = prepare_run.prepare(root, chosen, Store(chosen.work.data), lambda _: None)
    found.executor.close()
    return found


def planned(root: Path, chosen: Settings) -> dict[str, str | None]:
    """The reference of each picture of a run that could begin."""
    blocks = prepared(root, chosen).plan.blocks
    return {each.entry.path: each.reference_path for block in blocks for each in block.asked}


def test_each_picture_is_shown_a_normal_of_its_own_kind_and_evidence_holds_the_choice(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    alike = scored.score(plates, settings(data_folder, tower))
    one = scored.score(plates, settings(data_folder, tower, reference_choice="seed"))

    chosen = shown(data_folder, alike)
    for path, reference in chosen.items():
        assert reference is not None
        assert Path(path).stem == Path(reference).stem[0], chosen
    assert len(set(shown(data_folder, one).values())) == 1
    assert any("chosen by likeness for 6 images" in note for note in alike.notes), alike.notes
    assert (alike.run.digest, alike.run.plan != one.run.plan) == (one.run.digest, True)
    of_runs = [
        {
            (each.image_id, each.question_id): (each.reference_path, each.evidence_id)
            for each in answers(data_folder, of)
        }
        for of in (alike, one)
    ]
    assert of_runs[0].keys() == of_runs[1].keys()
    for key, (reference, evidence) in of_runs[0].items():
        other, evidence_then = of_runs[1][key]
        assert (evidence == evidence_then) == (reference == other)


def test_it_is_the_rule_where_pictures_are_compared_and_no_rule_elsewhere(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    compares = settings(data_folder, tower, evidence="compare", reference_choice=None)
    plain = settings(data_folder, tower, reference_choice=None)
    seeded = settings(data_folder, tower, evidence="compare", reference_choice="seed")

    kinds = [len(set(planned(plates, each).values())) for each in (compares, plain, seeded)]

    assert (kinds[0] >= len(TINTS), kinds[1:]) == (True, [1, 1])


def test_neither_names_nor_a_kill_move_the_choice(plates: Path, tower: Path, tmp_path: Path) -> None:
    class Once:
        asked = 0

        def __call__(self) -> str:
            self.asked += 1
            return "enough" if self.asked == 1 else ""

    chosen = settings(tmp_path / "cut", tower)
    stopped = scoring.score(plates, chosen, Quiet(), stop=Once())
    assert stopped.run.state == "stopped"
    goes_on = scored.score(plates, chosen)
    assert (goes_on.resumed, goes_on.run.run_id) == (True, stopped.run.run_id)
    assert goes_on.run.plan == prepared(plates, settings(tmp_path / "whole", tower)).plan.identity

    renamed = archive(tmp_path / "plates")
    for number, file in enumerate(sorted((renamed / "bolt/train/good").iterdir(), reverse=True)):
        file.rename(file.with_name(f"{number:03d}.png"))
    again = prepared(renamed, settings(tmp_path / "renamed", tower))
    contents = {each.entry.path: each.reference for block in again.plan.blocks for each in block.asked}
    before = shown(tmp_path / "cut", goes_on)
    assert {path: reference and reference.content for path, reference in contents.items()} == {
        path: content_of(plates / (reference or "")) for path, reference in before.items()
    }


def test_what_somebody_named_stays(tower: Path, tmp_path: Path) -> None:
    by_sidecar = archive(tmp_path / "sidecar")
    named = "bolt/train/good/21.png"
    (by_sidecar / "images.csv").write_text(f"path,reference\nbolt/test/good/0.png,{named}\n")
    found = planned(by_sidecar, settings(tmp_path / "a", tower))
    assert found["bolt/test/good/0.png"] == named
    assert Path(found["bolt/test/scratch/0.png"] or "").stem[0] == "0"

    by_template = archive(tmp_path / "template")
    conversation = [
        {"Question": "Is there any defect?", "Options": {"A": "Yes.", "B": "No."}, "Answer": "B",
         "type": "Anomaly Detection"}
    ]  # fmt: skip
    first, second = "bolt/test/good/0.png", "bolt/test/good/1.png"
    questions = {
        first: {"random_templates": [named], "similar_templates": [], "conversation": conversation},
        second: {"random_templates": [], "similar_templates": [], "conversation": conversation},
    }
    (by_template / "mmad.json").write_text(json.dumps(questions))
    found = planned(by_template, settings(tmp_path / "b", tower))
    assert found[first] == named
    assert Path(found[second] or "").stem[0] == "1"


def test_a_product_without_normals_is_asked_as_before(tower: Path, tmp_path: Path) -> None:
    root = archive(tmp_path / "plates")
    compared.plate(root / "washer/test/good/0.png", "washer", 1)

    found = planned(root, settings(tmp_path / "data", tower))

    assert found.pop("washer/test/good/0.png") is None
    assert None not in found.values()


def test_published_normals_serve_archives_that_have_none_and_a_picture_never_is_its_own(
    tower: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    source = archive(tmp_path / "a" / "plates", TINTS[:2])
    curation.import_archive(Store(data), source, Settings(), actor=ANN)
    (tmp_path / "b" / "plates").mkdir(parents=True)
    line = archive(tmp_path / "b" / "plates", TINTS[:1])
    kept = line / "bolt/test/good/9.png"
    kept.write_bytes((source / "bolt/train/good/00.png").read_bytes())
    for file in (line / "bolt/train/good").iterdir():
        file.unlink()

    outcome = scored.score(line, settings(data, tower))

    found = shown(data, outcome)
    assert outcome.run.failed == 0
    assert {Path(reference or "").parent for reference in found.values()} == {source / "bolt/train/good"}
    assert found["bolt/test/good/9.png"] != str(source / "bolt/train/good/00.png")
    gone = Path(found["bolt/test/good/0.png"] or "")
    gone.unlink()
    assert planned(line, settings(data, tower))["bolt/test/good/0.png"] not in (None, str(gone))


def test_the_answering_models_own_tower_chooses_too_whatever_the_number_of_devices(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    chosen = settings(data_folder, tower)
    own = replace(chosen, support=replace(chosen.support, compare="own"))

    found = prepared(plates, own)

    own_tower = EarlyModel().tower(replace(own, machine=models.placed(own.machine)))

    def seen(path: str) -> Vector:
        return own_tower.features(Image.open(plates / path)).class_vector

    normals = {file.relative_to(plates).as_posix() for file in plates.glob("bolt/train/good/*")}
    vectors = {path: seen(path) for path in normals}
    for path, reference in {
        each.entry.path: each.reference_path for block in found.plan.blocks for each in block.asked
    }.items():
        query = seen(path)
        assert reference == max(normals, key=lambda each: float(vectors[each] @ query)), path
    assert any("chosen by likeness for 6 images" in note for note in found.notes), found.notes
    several = prepared(plates, replace(own, machine=replace(own.machine, device="cpu,cpu")))
    assert several.plan.identity == found.plan.identity
