"""Two planted runs over eight defective pictures, from masks to every surface: where they point, and what is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from tests.jobs.test_mmad_and_report import said
from tests.pages.screen import opened, words
from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.judging import stored
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.groundings import Groundings
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import DefectBox, Verdict
from warehouse.records.scoring import Capabilities, Option, Patch, Prediction
from warehouse.store import Store
from workbench.analysis import right_reason
from workbench.archive.scan import content_of
from workbench.scoring import groundings

ONE, TWO = "20250103T220005123Z-00000001", "20250104T220005123Z-00000002"
PLACES = tuple(
    Option(letter, text)
    for letter, text in zip("ABCD", ("Top left.", "Center.", "Top right.", "Bottom right."), strict=True)
)
CENTER, CORNER = (20.0, 20.0, 40.0, 40.0), (0.0, 0.0, 20.0, 20.0)
NO_PATCHES = Capabilities(probabilities=True, attention=False, latents=False, text=True)


def asked(run_id: str, image: int, detection: bool, place: str | None, kind: bool) -> list[Prediction]:
    """A picture's three questions: is there a defect, where, which."""
    plain = rows.prediction(
        0, 0, run_id, image_id=f"image-{image}", image_path=f"{image}.png", label="defective", defect="scratch",
        correct_answer="A", answer="A" if detection else "B", question_id="detection",
        content=f"{image:064x}",
    )  # fmt: skip
    where = replace(
        plain, question_id="where", subtask="Defect Localization", options=PLACES, claims=None, no_defect=(),
        correct_answer="B", answer=place, status="answered" if place else "invalid",
    )  # fmt: skip
    which = replace(
        plain, question_id="which", subtask="Defect Classification", claims=None, no_defect=(),
        answer="A" if kind else "B",
    )  # fmt: skip
    return [plain, where, which]


def patch(image: int, box: tuple[float, float, float, float]) -> Patch:
    x0, y0, x1, y1 = box
    return replace(
        rows.patch(0, 0, ONE), image_id=f"image-{image}", question_id="detection", x0=x0, y0=y0, x1=x1, y1=y1
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Eight pictures whose mask is the middle of a 3 x 3 grid of patches, one without a mask, one good one.

    Run one has patches. Run two has none, and names the middle twice.
    """
    folder = tmp_path_factory.mktemp("reason")
    store, root = Store(folder / "data"), folder / "photos"
    root.mkdir()
    store.register_archive(rows.archive(root=str(root)))
    mask = Image.new("L", (60, 60))
    mask.paste(255, (25, 25, 35, 35))
    mask.save(root / "mask.png")
    entries = []
    for image in range(10):
        Image.new("RGB", (60, 60), (image, 0, 0)).save(root / f"{image}.png")
        label, mask_path = "good" if image == 9 else "defective", "mask.png" if image < 8 else None
        content = content_of(root / f"{image}.png")
        values = {"path": f"{image}.png", "content": content, "label": label, "mask_path": mask_path}
        entries.append(rows.entry(image, image_id=f"image-{image}", **values))
    store.upsert_entries("archive", entries)
    one = [asked(ONE, image, image < 6, "B" if image < 5 else "A", kind=True) for image in range(9)]
    two = [asked(TWO, i, True, "B" if i < 2 else None if i == 2 else "A", kind=False) for i in range(9)]
    good = asked(ONE, 9, detection=True, place="A", kind=True)[0]
    good = replace(good, label="good", defect=None, correct_answer="B")
    boxes = [patch(image, box) for image in range(4) for box in (CENTER, CORNER)]
    boxes += [patch(4, CORNER), patch(5, CORNER), patch(6, CENTER), replace(patch(7, CENTER), accepted=False)]
    for run_id, pictures, patches, capabilities in (
        (ONE, [*one, [good]], boxes, rows.run().capabilities),
        (TWO, two, [], NO_PATCHES),
    ):
        store.open_run(rows.run(run_id, capabilities=capabilities, plan=run_id))
        spool.write_part(store.data, run_id, 0, [each for picture in pictures for each in picture], patches)
        ingest(store)
        run = store.run(run_id)
        assert run is not None
        groundings.measure(store, run)
        store.close_run(run_id, "finished")
    return store


def rates(store: Store, run_id: str) -> dict[str, tuple[float, float]]:
    """By subtask: the rate and chance."""
    run = store.run(run_id)
    assert run is not None
    table = right_reason.by_subtask(Groundings(store.data).of_runs([run_id]), run.subtasks)
    return {row["subtask"]: (row["rate"], row["chance"]) for row in table.iter_rows(named=True)}


def test_patches_are_held_against_masks_beside_as_many_random_ones(store: Store) -> None:
    # Of 9 patches one is on the mask: of two random ones 1 - C(8,2)/C(9,2) = 2/9 hit it, of one 1/9.
    chance = (4 * 2 / 9 + 2 * 1 / 9) / 8
    assert rates(store, ONE) == {
        "Anomaly Detection": (4 / 8, pytest.approx(chance)), "Defect Localization": (0, 0),
        "Defect Classification": (0, 0),
    }  # fmt: skip


def test_a_run_without_patches_is_held_by_the_region_it_names_for_its_other_questions(store: Store) -> None:
    assert rates(store, TWO) == {"Anomaly Detection": (2 / 8, 1 / 4), "Defect Classification": (0, 0)}


def test_a_mask_says_nothing_of_another_picture_and_measuring_again_replaces(store: Store, tmp_path: Path) -> None:
    run = store.run(ONE)
    assert run is not None
    file = tmp_path.parent / Path(store.data).parent.name / "photos" / "0.png"
    before = file.read_bytes()
    assert groundings.measure(store, run) == 24
    Image.new("RGB", (60, 60), "red").save(file)
    try:
        assert groundings.measure(store, run) == 21
    finally:
        file.write_bytes(before)
    assert groundings.measure(store, run) == 24
    assert Groundings(store.data).of_runs([ONE]).height == 24


def test_a_box_that_people_drew_stands_in_for_a_mask_until_it_is_withdrawn(store: Store) -> None:
    run = store.run(ONE)
    assert run is not None
    drawn = Verdict(
        "verdict", 1, "dispute", 1, ONE, "image-8", "where", "ann", "wrong", "A", (DefectBox(2.0, 2.0, 9.0, 9.0),),
        None, None, None, 1.0, rows.NOW, rows.NOW, deleted=False,
    )  # fmt: skip
    Reviews(store.data).judge(stored([drawn]), actor=ANN)
    assert groundings.measure(store, run) == 27
    counted = Groundings(store.data).of_runs([ONE])
    assert counted.height == 27
    only_here = counted.filter(~pl.col("image_id").is_in(Groundings(store.data).of_runs([TWO])["image_id"].implode()))
    assert only_here["region_hit"].to_list().count(True) == 2  # top left, as both other questions' answer says
    Reviews(store.data).judge(stored([replace(drawn, revision=2, deleted=True)]), actor=ANN)
    assert groundings.measure(store, run) == 24


def test_every_surface_says_the_same_and_it_recomputes_from_the_export(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(store.data))
    shares, pointers = {}, {ONE: "patches", TWO: "region"}
    for run_id, pointer in pointers.items():
        file = tmp_path / f"{run_id}.parquet"
        said("export", "predictions", "--run", run_id, "-o", file, "--data", store.data)
        hit = pl.col(f"{pointer}_hit")
        counted = pl.read_parquet(file).filter(pl.col("label") == "defective", hit.is_not_null())
        right = (pl.col("answer") == pl.col("correct_answer")).fill_null(False)
        chance = (right * pl.col(f"{pointer}_chance")).mean()
        shares[run_id] = counted.select(n=pl.len(), rate=(right & hit).mean(), chance=chance).row(0)
    assert shares[ONE][:2] == (24, 4 / 24)
    assert shares[TWO] == (16, 2 / 16, 2 / 16)

    listed = {row["run_id"]: row["right_reason"] for row in json.loads(said("runs", "--json", "--data", store.data))}
    for run_id, (n, rate, chance) in shares.items():
        told = listed[run_id]
        assert (told["n"], told["rate"]["value"], told["chance"]) == pytest.approx((n, rate, chance))
        assert f"{rate:.3f} of {n} by {pointers[run_id]}, chance {chance:.3f}" in " ".join(
            said("runs", "--data", store.data).split()
        )
    headline = (
        f"{100 * shares[ONE][1]:.0f} %</b> of 24 questions about defects (by chance {100 * shares[ONE][2]:.0f} %)"
    )
    page = words(opened("workbench/pages/runs/runs.py", run=ONE))
    assert f"Right for the right reason {headline}" in page
    assert f"workbench explain {ONE}" in page
    assert "16.7 % of 24 questions" in words(opened("workbench/pages/traces.py", run=ONE))
    assert "12.5 % of 16 questions" in words(opened("workbench/pages/runs/runs.py", run=TWO))

    # Two runs are compared by the region, which both name, on the 16 questions that both were asked.
    pair = "by the region it names: A 12.5 %, B 62.5 % (by chance 12.5 % and 21.9 %); +50.0 points"
    page = words(opened("workbench/pages/compare.py", run=ONE, base=TWO)).replace("−", "-")
    assert pair in page
    word = re.search(r"points \(95 % interval [^)]*\), ([^,]+), over 16 questions", page)
    assert word is not None
    (lead,) = re.findall(r'<div class="lead">.*', page)
    assert f"Right for the right reason, B against A: {word[1]}, +50.0 points over 16 questions." in lead
    said("report", ONE, "--against", TWO, "-o", tmp_path / "report.html", "--data", store.data)
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "12.5 % and 21.9 %); +50.0 points" in report
    assert "16.7 % of 24 questions about defects" in report
    board = json.loads(said("leaderboard", ONE, TWO, "--json", "--data", store.data))
    assert board["right_reason_by"] == "region"
    ranked = {row["run_id"]: (row["right_reason"], row["right_reason_n"]) for row in board["ranking"]}
    assert ranked == {ONE: (10 / 16, 16), TWO: (2 / 16, 16)}
    assert "62.5 (21.9)" in said("leaderboard", ONE, TWO, "--data", store.data)


def test_what_painting_out_changed_is_stored_beside_it(store: Store) -> None:
    changes = pl.DataFrame(
        {
            "image_id": ["image-0", "image-1", "image-4"], "question_id": ["detection"] * 3,
            "changed": [True, False, True], "changed_elsewhere": [False, False, True],
        }
    )  # fmt: skip
    Groundings(store.data).store_changes(ONE, changes)
    reason = right_reason.of(Groundings(store.data).of_runs([ONE]))
    assert reason is not None
    assert reason.painting is not None
    assert (reason.painting.n, reason.painting.rate.value, reason.painting.chance) == (3, 1 / 3, 0)
    told = said("runs", "--json", "--data", store.data)
    (painting,) = [row["right_reason"]["painting"] for row in json.loads(told) if row["run_id"] == ONE]
    assert (painting["n"], painting["rate"]["value"]) == (3, 1 / 3)
