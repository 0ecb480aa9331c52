"""Disturbed copies: the same questions, paths and references, other pixels; and what disturbance does, from runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.scored import Quiet
from warehouse.queries.experiments import Experiments
from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench.analysis import stress as analysis
from workbench.experiments import archive_copies, stress
from workbench.experiments.study_results import read_study
from workbench.model.method import Method
from workbench.settings import Settings, Work


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("stress") / "data")


@pytest.fixture(scope="module")
def entries(drawn_archive: Path, store: Store) -> list[Entry]:
    return archive_copies.sample(archive_copies.scan(drawn_archive, store).entries, 2)


def _difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


@pytest.mark.parametrize("condition", stress.CONDITIONS)
def test_a_stronger_disturbance_changes_more_pixels_and_the_same_one_the_same(
    drawn_archive: Path, entries: list[Entry], condition: str
) -> None:
    image = Image.open(drawn_archive / entries[0].path).convert("RGB")
    changed = [stress.disturbed(entries[0], image, condition, strength) for strength in stress.STRENGTHS]
    assert all(each.size == image.size for each in changed)
    far = [_difference(image, each) for each in changed]
    assert 0 < far[0] < far[1] < far[2]
    assert _difference(changed[2], stress.disturbed(entries[0], image, condition, 1.0)) == 0


def test_a_copy_has_the_paths_questions_and_references_of_its_archive(
    drawn_archive: Path, store: Store, entries: list[Entry], tmp_path: Path
) -> None:
    found = archive_copies.scan(drawn_archive, store)
    archive_copies.make(found, tmp_path / "copy", entries, lambda _, image: image.rotate(180))
    copy = archive_copies.scan(tmp_path / "copy", store)
    assert [entry.path for entry in copy.entries] == [entry.path for entry in entries]
    assert [entry.content for entry in copy.references] == [entry.content for entry in found.references]
    assert [(e.product, e.label, e.mask_path) for e in copy.entries] == [
        (e.product, e.label, e.mask_path) for e in entries
    ]
    assert all(mine.content != theirs.content for mine, theirs in zip(copy.entries, entries, strict=True))
    assert copy.problems == found.problems == []


def test_a_copy_keeps_the_sidecars_rows_about_its_images_and_passes_over_broken_ones(tmp_path: Path) -> None:
    plain, lines = tmp_path / "plain", tmp_path / "lines"
    for root in (plain, lines):
        root.mkdir()
        for name in ("ä.png", "b.png"):
            Image.new("RGB", (8, 8)).save(root / name)
    (plain / "images.csv").write_text("label, Path\ngood,.\\Ä.png\ngood,b.png,too many\n", encoding="utf-8")
    (lines / "images.jsonl").write_text(
        '{"path": "ä.png", "label": "good", "note": "\u2028"}\nbroken\n7\n{"path": ["b.png"]}\n{"path": "b.png"}\n',
        encoding="utf-8",
    )
    for root in (plain, lines):
        store = Store(tmp_path / "data")
        found = archive_copies.scan(root, store)
        archive_copies.make(found, root / "copy", found.entries[1:], lambda _, image: image)
        [entry] = archive_copies.scan(root / "copy", store).entries
        assert (entry.path, entry.label) == ("ä.png", "good")


def test_a_copy_leaves_a_reference_that_is_scored_too_as_it_is(tmp_path: Path) -> None:
    root, store = tmp_path / "archive", Store(tmp_path / "data")
    root.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "grey").save(root / name)
    found = archive_copies.scan(root, store)
    found = replace(found, references=found.entries[:1])
    archive_copies.make(found, tmp_path / "copy", found.entries, lambda _, image: image.point(lambda _: 0))
    assert Image.open(root / "a.png").getpixel((0, 0)) == (128, 128, 128)
    assert Image.open(tmp_path / "copy" / "a.png").getpixel((0, 0)) == (0, 0, 0)


def test_a_rotated_image_takes_its_mask_along(drawn_archive: Path, store: Store, tmp_path: Path) -> None:
    found = archive_copies.scan(drawn_archive, store)
    defective = [entry for entry in found.entries if entry.mask_path][:1]
    mask_path = defective[0].mask_path
    assert mask_path
    stress.copy(found, tmp_path / "copy", defective, "rotation", 1.0)
    before, after = (np.asarray(Image.open(root / mask_path)) > 0 for root in (drawn_archive, tmp_path / "copy"))
    assert 0 < np.count_nonzero(before != after) < 2 * np.count_nonzero(before)
    assert np.count_nonzero(after) == pytest.approx(np.count_nonzero(before), rel=0.2)


@pytest.mark.slow
def test_full_and_plain_are_run_undisturbed_and_disturbed_and_paired_by_path(drawn_archive: Path, store: Store) -> None:
    base = Settings(method=Method(iterations=1, samples=2), work=Work(data=store.data))
    experiment = stress.run(drawn_archive, base, ["blur"], 2, Quiet())
    arms = Experiments(store.data).arms("stress", experiment)
    assert [(arm.family, arm.level) for arm in arms[::2]] == [
        ("undisturbed", 0.0), ("blur", 0.25), ("blur", 0.5), ("blur", 1.0)
    ]  # fmt: skip
    table = analysis.table(read_study(store.data, "stress", experiment))
    assert table["method"].to_list() == ["full", "plain"] * 4
    assert table["fall"].is_null().to_list() == [True] * 2 + [False] * 6
    for row in table.iter_rows(named=True):
        whole = table.filter(condition="undisturbed", method=row["method"])["accuracy"].item()
        if row["fall"] is not None:
            assert row["fall"] == pytest.approx(whole - row["accuracy"])
    text = stress.report(store.data, experiment)
    assert "| blur | 1 | plain |" in text


def test_overkill_and_escape_are_shares_of_good_and_defective_images_and_unreadable_answers_are_neither() -> None:
    facts = pl.DataFrame(
        {
            "subtask": ["Anomaly Detection"] * 6,
            "detection": [True] * 6,
            "label": ["good", "good", "defective", "defective", "defective", "defective"],
            "right": [True, False, True, False, False, False],
            "outcome": ["right", "overkill", "right", "escape", "escape", "invalid"],
            "status": [*["answered"] * 5, "invalid"],
            "confidence": [0.9] * 6,
            "entropy": [0.5] * 6,
            "cluster_id": list("abcdef"),
            "line": ["A", "A", "A", "B", "B", "B"],
        }
    )
    found = analysis.figures(facts)
    assert (found["n"], found["overkill"], found["escape"]) == (6, 0.5, 0.5)
    assert found["unreadable"] == pytest.approx(1 / 6)
    by_line = analysis.by(facts, "line")
    assert by_line.select("line", "n", "escape").rows() == [("A", 3, 0.0), ("B", 3, pytest.approx(2 / 3))]
