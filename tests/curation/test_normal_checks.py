"""Verdicts that confirm good pictures lower overkill; a defective normal is named, a wrong verdict refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.comparison.pretended import PretendedTower
from tests.comparison.test_template import layout, picture, pinhole, shifted
from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.test_truth import settle
from warehouse import spool
from warehouse.identity import cluster_id
from warehouse.ingest import ingest
from warehouse.queries.curation import Curation
from warehouse.queries.normals import LeftOut, Normals
from warehouse.records.normals import Normal
from warehouse.records.scoring import Entry, Prediction
from warehouse.store import Store
from workbench.curation import normals
from workbench.curation.normal_checks import Checks
from workbench.errors import CannotPublish
from workbench.nights import health
from workbench.settings import Settings, Work

GREY, BLUE, RED, FAINT = (120, 120, 120), (30, 60, 250), (190, 90, 70), (150, 108, 100)


def plate(file: Path, seed: int, spot: tuple[int, int, int] | None = None) -> None:
    """A grey plate with noise; with a spot of that colour somewhere."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(np.array(GREY) + rng.normal(0, 4 + seed % 4, (64, 64, 3)), 0, 255)
    if spot is not None:
        x, y = 8 * rng.integers(0, 7, 2)
        pixels[y : y + 8, x : x + 8] = np.array(spot)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """12 normals, published. Good plates, of which some bear a blue mark that no normal has, and plates with rust."""
    root = tmp_path / "plates"
    for number in range(12):
        plate(root / "plate" / "train" / "good" / f"{number:02d}.png", number)
    for number in range(8):
        plate(root / "plate" / "test" / "good" / f"{number:02d}.png", 100 + number)
        plate(root / "plate" / "test" / "good" / f"marked_{number}.png", 200 + number, BLUE)
        plate(root / "plate" / "test" / "rust" / f"{number:02d}.png", 300 + number, RED)
    store = Store(tmp_path / "data")
    normals.import_archive(store, root, Settings(work=Work(data=store.data)), actor=ANN)
    return store


def entry_at(store: Store, path: str) -> Entry:
    [archive] = store.archives()
    [found] = store.entries_at(archive.archive_id, path)
    return found


def alarmed(store: Store, entries: list[Entry]) -> list[Prediction]:
    """A run that called these pictures defective."""
    predictions = [
        rows.prediction(
            0, 2 * number, image_id=each.image_id, image_path=each.path, content=each.content, dataset=each.dataset,
            product=each.product, label=each.label, answer="A", correct_answer="B" if each.label == "good" else None,
        )
        for number, each in enumerate(entries)
    ]  # fmt: skip
    store.open_run(rows.run())
    spool.write_part(store.data, rows.RUN, 0, predictions)
    ingest(store)
    return predictions


def overkill_at_equal_escape(store: Store) -> int:
    """Good pictures that score above the lowest score of a rusty one: what catching all rust costs."""
    checks = Checks(store, PretendedTower())
    comparer = checks.comparer(Normals(store.data).published())
    scores: dict[str, list[float]] = {"good": [], "defective": []}
    for entry in Normals(store.data).known_cases([("plates", "plate")], ()):
        [archive] = store.archives()
        with Image.open(Path(archive.root) / entry.path) as image:
            found = comparer.compare_features(PretendedTower().features(image))
        scores[entry.label or ""].append(found.score)
    assert len(scores["defective"]) == 8
    return sum(score > min(scores["defective"]) for score in scores["good"])


def test_verdicts_that_confirm_good_pictures_lower_overkill_at_equal_escape(store: Store) -> None:
    marked = [entry_at(store, f"plate/test/good/marked_{number}.png") for number in range(2)]
    before = overkill_at_equal_escape(store)
    for asked in alarmed(store, marked):
        settle(store.data, asked, decision="wrong", right_answer="B", label="good")
    proposed = normals.propose(store, actor=ANN)
    assert (proposed.added, proposed.left_out) == (2, ())
    waiting = Normals(store.data).in_state("proposed")
    assert [(each.origin, each.path) for each in waiting] == [("verdict", each.path) for each in marked]
    assert all(each.judgement_id for each in waiting)
    assert overkill_at_equal_escape(store) == before  # nothing is live yet

    normals.publish(store, waiting, None, Checks(store, PretendedTower()), actor=ANN)

    assert before == 8
    assert overkill_at_equal_escape(store) == 0
    assert normals.propose(store, actor=ANN).added == 0
    newest = Normals(store.data).changes()[0]
    assert newest.reason.startswith("0 of 8 caught defects would be passed; 6 of 6 false alarms would be spared")


def test_a_wrong_verdict_is_refused_before_it_hides_a_defect(store: Store) -> None:
    rusty = dataclasses.replace(entry_at(store, "plate/test/rust/00.png"), label=None, defect=None)
    store.upsert_entries(rusty.archive_id, [rusty])  # as on a line: nobody knows it yet
    [asked] = alarmed(store, [rusty])
    settle(store.data, asked, decision="wrong", right_answer="B", label="good")
    normals.propose(store, actor=ANN)
    [waiting] = Normals(store.data).in_state("proposed")
    version = Curation(store.data).published()[0]

    with pytest.raises(CannotPublish, match=r"[5-7] of 7 caught defects would be passed, such as plate/test/rust"):
        normals.publish(store, [waiting], None, Checks(store, PretendedTower()), actor=ANN)
    with pytest.raises(CannotPublish, match="was not checked; say why"):
        normals.publish(store, [waiting], " ", None, actor=ANN)
    assert Curation(store.data).published()[0] == version

    normals.publish(store, [waiting], "ann insists", Checks(store, PretendedTower()), actor=ANN)
    [suspect] = Checks(store, PretendedTower()).suspects()
    assert suspect.normal.content == rusty.content
    assert Normals(store.data).changes()[0].reason.startswith("against the check (")


def test_a_normal_that_is_like_known_defects_is_refused_though_all_of_them_are_still_caught(store: Store) -> None:
    [archive] = store.archives()
    for name, spot in (("faint", FAINT), ("plain", None)):
        plate(Path(archive.root) / "plate" / "test" / "good" / f"{name}.png", 400, spot)
    normals.register(store, Path(archive.root), Settings(work=Work(data=store.data)))
    checks = Checks(store, PretendedTower())

    faint, plain = (
        checks.effect([proposed(entry_at(store, f"plate/test/good/{name}.png"))]) for name in ("faint", "plain")
    )

    assert (faint.caught, faint.lost, plain.lost) == (8, (), ())
    assert (faint.harmful, plain.harmful) == (True, False)
    assert "known defects come nearer to normal by it than good pictures do (p = 0.0" in faint.words
    assert "nearer" not in plain.words


def test_a_verdict_against_the_archive_s_own_word_is_refused(store: Store) -> None:
    [asked] = alarmed(store, [entry_at(store, "plate/test/rust/00.png")])
    settle(store.data, asked, decision="wrong", right_answer="B", label="good")
    assert normals.propose(store, actor=ANN).left_out == (
        LeftOut("plate/test/rust/00.png", "its archive says that it is defective (plate/test/rust/00.png)"),
    )


def test_a_planted_defective_normal_is_named_on_health_and_no_other(store: Store) -> None:
    checks = Checks(store, PretendedTower())
    assert checks.suspects() == []
    assert [each.state for each in health.examine(store.data) if each.subject == "normals"] == ["green"]
    root = Path(store.archives()[0].root)
    plate(root / "plate" / "train" / "good" / "planted.png", 999, RED)
    taken = normals.import_archive(store, root, Settings(work=Work(data=store.data)), actor=ANN)
    assert (taken.added, taken.published, taken.unchanged) == (1, 13, 12)

    [suspect] = Checks(store, PretendedTower()).suspects()

    assert suspect.normal.path == "plate/train/good/planted.png"
    [(hiding, effect)] = Checks(store, PretendedTower()).hiding()
    assert hiding == suspect.normal
    assert effect.lost
    assert all(path.startswith("plate/test/rust/") for path in effect.lost)
    [told] = [each for each in health.examine(store.data) if each.subject == "normals"]
    assert told in health.examine(store.data, thorough=False)  # as the page asks
    assert told.state == "yellow"
    assert told.detail.startswith("plate/train/good/planted.png of plate: it differs from the others ")
    assert f"normals retire {suspect.normal.content[:12]}" in (told.remedy or "")
    Normals(store.data).retire([suspect.normal.number], "rust", actor=ANN)
    again = normals.import_archive(store, root, Settings(work=Work(data=store.data)), actor=ANN)
    assert (again.retired, again.published) == (1, 12)


def test_the_commands_import_list_retire_and_roll_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(store.data))
    root = store.archives()[0].root

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, ["knowledge", "normals", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    first = Normals(store.data).published()[0]
    version = Curation(store.data).published()[0]
    assert version is not None
    assert said("import", root) == (
        f"knowledge {version.version}: 12 normals published (0 new, 0 changed, 12 unchanged)\n"
    )
    assert first.content[:12] in said("list")
    assert "11 normals published" in said("retire", first.content[:12], "--reason", "scratched")
    assert first.content[:12] not in said("list")
    assert first.content[:12] in said("list", "--version", version.version)
    assert said("rollback", version.version, "--reason", "it was dust") == (
        f"knowledge {version.version}: 12 normals and 0 texts published again\n"
    )
    assert "it was dust" in said("history", first.content[:12])
    assert said("propose") == "0 normals proposed by verdicts\n"


def proposed(entry: Entry) -> Normal:
    """A picture as a normal that a verdict proposes."""
    return Normal(
        0, entry.content, entry.dataset, entry.product, cluster_id(entry), entry.archive_id, entry.path, "proposed",
        "verdict", None, "", "", rows.NOW,
    )  # fmt: skip


def test_scans_of_black_and_white_are_checked_beside_their_templates_as_runs_compare_them(tmp_path: Path) -> None:
    board, root = layout(1), tmp_path / "boards"
    holed = pinhole(board)  # too small for the tower to see

    def scan(path: str, pixels: NDArray[np.bool_]) -> None:
        file = root / "board" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(pixels).save(file)

    for number in range(9):
        scan(f"train/good/{number}.png", shifted(board, number % 3, number // 3))
    for number in range(3):
        scan(f"test/hole/{number}.png", shifted(holed, -1, number))
        scan(f"test/good/{number}.png", shifted(board, -1, number))
    scan("test/good/wrong.png", shifted(holed, 2, 3))
    store = Store(tmp_path / "data")
    normals.import_archive(store, root, Settings(work=Work(data=store.data)), actor=ANN)
    checks = Checks(store, PretendedTower())
    assert checks.suspects() == []

    wrong, right = (
        checks.effect([proposed(entry_at(store, f"board/test/good/{name}.png"))]) for name in ("wrong", "0")
    )

    assert (wrong.caught, len(wrong.lost)) == (3, 3)
    assert (right.caught, right.lost) == (3, ())
    scan("train/good/planted.png", shifted(holed, 0, 1))
    normals.import_archive(store, root, Settings(work=Work(data=store.data)), actor=ANN)
    [suspect] = Checks(store, PretendedTower()).suspects()
    assert suspect.normal.path == "board/train/good/planted.png"
