"""What pages are painted from: facts and cells agree with the predictions, however these came in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.queries.facts import CELLS, rebuild
from warehouse.queries.rollups import Place, Rollups, Selection, sql
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from workbench.analysis import cell_totals, intervals

ASKED = ("Anomaly Detection", "Defect Classification", "Object Analysis")


def some(block: int) -> list[Prediction]:
    """Four images with three questions each: every outcome there is."""
    made = []
    for image in range(4):
        label = ("good", "defective", "defective", None)[image]
        for number, subtask in enumerate(ASKED):
            place = block * 4 + image
            one = rows.prediction(
                block,
                number,
                image_id=f"image-{place}",
                image_path=f"{place}.png",
                content=rows.content(RUN, place),
                question_id=f"q{number}",
                subtask=subtask,
                product=("bottle", "nut")[image % 2],
                label=label,
                defect="crack" if label == "defective" else None,
                line=(None, "1")[place % 2],
                correct_answer=None if label is None else "A" if (label, number) == ("defective", 0) else "B",
                captured_at=rows.NOW.replace(hour=11) if image else None,
                answer="A" if (place + number) % 3 == 0 else "B",
                entropy=(1.5, 0.25 * number + 0.1 * image, 1.0),
                best_iteration=1,
            )
            if place == 5:
                one = rows.prediction(
                    block, number, image_id="image-5", image_path="5.png", content=rows.content(RUN, 5),
                    question_id=f"q{number}", subtask=subtask,
                    status="failed", error="truncated", answer=None, entropy=(), best_iteration=None, descriptions=(),
                    option_probabilities={}, product="nut", label=label, line="1",
                )  # fmt: skip
            made.append(one)
    return made


@pytest.fixture
def filled(data: Path) -> Path:
    """Three parts in three transactions, and a run of another name."""
    store = Store(data)
    store.open_run(rows.run())
    for block in range(3):
        spool.write_part(data, RUN, block, some(block))
        ingest(store)
    rows_of_another = "20250104T220005123Z-a1b2c3d4"
    store.open_run(rows.run(rows_of_another))
    rows.write_part(data, 0, rows_of_another)
    ingest(store)
    return data


def sums(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells in a fixed order, floats rounded: they are added in another order."""
    return frame.with_columns(pl.col(pl.Float64).round(9)).sort(pl.all().exclude(pl.Float64), nulls_last=True)


def test_facts_in_memory_are_those_stored(filled: Path) -> None:
    with Database(filled).reading() as con:
        stored = (
            con.sql(f"FROM facts WHERE run_id = '{RUN}'")
            .pl()
            .rename({"settled_entropy": "entropy", "correct": "right"})
            .with_columns(evidence=pl.col("evidence_id").str.head(15).str.to_integer(base=16))
        )
    read = Rollups(filled).facts(Selection(RUN)).drop("letter", "verified", "basis")
    key = ("image_id", "question_id")
    assert_frame_equal(read.sort(key), stored.select(read.columns).sort(key), check_dtypes=False)
    assert set(read["outcome"]) == {"right", "wrong", "escape", "overkill", "failed", "alarm", "pass", "unlabelled"}
    assert set(read["retrieval"]) == {"other entry", "other product", "right", None}


def test_cells_kept_up_part_by_part_are_those_counted_from_the_facts(filled: Path) -> None:
    found = Rollups(filled)
    everything = Selection(RUN, ranges=(("entropy", -1.0, 99.0),))
    without_failed = found.cells(Selection(RUN, facets=(("outcome", "failed"),)))
    counted = found.cells(everything)
    kept = found.cells(Selection(RUN))
    assert int(kept["questions"].sum()) == int(counted["questions"].sum()) + int(without_failed["questions"].sum())
    with Database(filled).reading() as con:
        anew = con.sql(CELLS.format(source="facts")).pl().filter(pl.col("run_id") == RUN)
    assert kept["cluster_id"].null_count() == kept.height
    assert_frame_equal(sums(kept.drop("cluster_id")), sums(anew.select(kept.drop("cluster_id").columns)))


def test_cells_that_are_kept_and_cells_counted_on_the_spot_are_the_same_under_filters(filled: Path) -> None:
    found = Rollups(filled)
    for facets in ((), (("subtask", ASKED[0]),), (("product", "nut"), ("line", "1")), (("label", "none"),)):
        kept = found.cells(Selection(RUN, facets))
        everyone = tuple(found.facts(Selection(RUN, facets), ("image_id",))["image_id"].unique())
        counted = found.cells(Selection(RUN, facets, images=everyone))
        assert_frame_equal(sums(kept), sums(counted.select(kept.columns)))
        assert kept.filter(pl.col("subtask").is_null()).height > 0


def test_a_cell_s_sums_over_images_are_those_of_a_loop(filled: Path) -> None:
    found = Rollups(filled)
    cells = found.cells(Selection(RUN)).filter(pl.col("subtask").is_null())
    loop = {"images": 0, "counted_squared": 0, "counted_correct": 0, "correct_squared": 0, "correct": 0}
    index = Store(filled).prediction_index(RUN)
    for _, image in index.group_by("image_id"):
        counted = image.filter(pl.col("correct_answer").is_not_null(), pl.col("status") != "failed")
        n, y = counted.height, counted.filter(pl.col("answer") == pl.col("correct_answer")).height
        more = {"counted_squared": n * n, "counted_correct": n * y, "correct_squared": y * y, "correct": y}
        for name, value in {"images": 1, **more}.items():
            loop[name] += value
    assert {name: cells[name].sum() for name in loop} == loop


@pytest.mark.parametrize("truth", ["archive", "reviewed"])
def test_images_that_share_a_cluster_are_in_cells_of_their_own_and_the_rest_is_as_before(
    data: Path, truth: Truth
) -> None:
    """Three pieces of three views over as many blocks and two cameras, beside images by themselves."""
    store = Store(data)
    store.open_run(rows.run())
    for block in range(3):
        views = [
            dataclasses.replace(one, cluster_id=f"piece {number % 3}", camera=str(block % 2)) if number % 4 < 3 else one
            for one in some(block)
            for number in (int(one.image_path.removesuffix(".png")),)
        ]
        spool.write_part(data, RUN, block, views)
        ingest(store)
    found = Rollups(data)
    kept = found.cells(Selection(RUN, truth=truth))
    everyone = tuple(found.facts(Selection(RUN, truth=truth))["image_id"].unique())
    counted = found.cells(Selection(RUN, images=everyone, truth=truth))
    assert_frame_equal(sums(kept), sums(counted.select(kept.columns)))
    assert set(kept["cluster_id"].drop_nulls()) == {"piece 0", "piece 1", "piece 2"}

    facts = found.facts(Selection(RUN, truth=truth))
    for by in ((), ("product",), ("camera",), ("subtask",), ("label", "product")):
        expected = intervals.rates(facts, by)
        assert_frame_equal(cell_totals.rates(kept, by), expected, check_row_order=False, check_dtypes=False)
    detection = cell_totals.detection(kept).escape
    asked = facts.filter(pl.col("detection"), pl.col("right").is_not_null(), pl.col("label") == "defective")
    missed = intervals.rates(asked.with_columns(missed=pl.col("outcome") == "escape"), value="missed")
    assert detection is not None
    assert (detection.value, detection.low, detection.high) == pytest.approx(
        missed.select("rate", "low", "high").row(0)
    )


def test_facts_and_cells_made_anew_are_those_that_were_kept_up_part_by_part(filled: Path) -> None:
    with Database(filled)._transaction() as con:
        before = [con.sql(f"SELECT * FROM {name}").pl() for name in ("facts", "cells")]
        rebuild(con)
        after = [con.sql(f"SELECT * FROM {name}").pl() for name in ("facts", "cells")]
    assert_frame_equal(after[0], before[0], check_row_order=False)
    assert_frame_equal(sums(after[1]), sums(before[1]))


def test_a_fact_s_cluster_is_the_prediction_s_and_an_older_prediction_s_its_content(data: Path) -> None:
    views, older = [rows.prediction(0, number, cluster_id="piece") for number in (0, 2)], rows.prediction(0, 4)
    stored = rows.facts_of(*views, older)
    assert stored["cluster_id"].to_list() == ["piece", "piece", older.content]

    store = Store(data)
    store.open_run(rows.run())
    spool.write_part(data, RUN, 0, [*views, older])
    ingest(store)
    read, numbered = (
        Rollups(data).facts(Selection(RUN), ("image_id", "cluster_id"), numbered=way) for way in (False, True)
    )
    assert dict(read.iter_rows()) == {each.image_id: each.cluster_id or each.content for each in (*views, older)}
    assert numbered["cluster_id"].dtype == pl.UInt32
    assert (numbered["image_id"].n_unique(), numbered["cluster_id"].n_unique()) == (3, 2)
    store.export("predictions", RUN, data / "answers.parquet")
    exported = pl.read_parquet(data / "answers.parquet", columns=["image_id", "cluster_id"])
    assert_frame_equal(exported.sort("image_id"), read.sort("image_id"))


def test_filters_choose_what_polars_would(filled: Path) -> None:
    found = Rollups(filled)
    everything = found.facts(Selection(RUN))
    for selection, expected in (
        (Selection(RUN, (("product", "nut"), ("subtask", ASKED[0]))),
         (pl.col("product") == "nut") & (pl.col("subtask") == ASKED[0])),
        (Selection(RUN, (("line", "none"), ("outcome", "wrong"))),
         pl.col("line").is_null() & (pl.col("outcome") == "wrong")),
        (Selection(RUN, ranges=(("entropy", 0.2, 0.4),)), pl.col("entropy").is_between(0.2, 0.4)),
        (Selection(RUN, images=("image-0", "image-7")), pl.col("image_id").is_in(["image-0", "image-7"])),
    ):  # fmt: skip
        assert_frame_equal(found.facts(selection), everything.filter(expected))
        assert found.counts(selection, ["subtask"])["n"].sum() == everything.filter(expected).height
    with pytest.raises(ValueError, match="run_id is no facet"):
        found.facts(Selection(RUN, (("run_id", "x"),)))


def test_flips_are_the_questions_whose_answer_changed_sides(filled: Path) -> None:
    store, found = Store(filled), Rollups(filled)
    later = "20250105T220005123Z-a1b2c3d4"
    store.open_run(rows.run(later))
    changed = [
        dataclasses.replace(one, run_id=later, answer="A" if number % 4 == 0 else "B")
        for number, one in enumerate(some(0))
        if one.status != "failed"
    ]
    spool.write_part(filled, later, 0, changed)
    ingest(store)
    pairs = found.pairs(RUN, Selection(later))
    for flip, before, after in (("lost", True, False), ("won", False, True), ("kept", True, True)):
        expected = pairs.filter(pl.col("old_right") == before, pl.col("right") == after)
        chosen = found.facts(Selection(later, flip=flip, base=RUN))  # type: ignore[arg-type]
        assert set(chosen.select("image_id", "question_id").iter_rows()) == set(
            expected.select("image_id", "question_id").iter_rows()
        )


def test_a_case_s_place_and_those_beside_it_are_the_list_s(filled: Path) -> None:
    found = Rollups(filled)
    listed = list(found.facts(Selection(RUN)).select("image_id", "question_id").iter_rows())
    assert found.place(Selection(RUN), *listed[3]) == Place(4, len(listed), listed[2], listed[4])
    assert found.place(Selection(RUN), *listed[0]) == Place(1, len(listed), None, listed[1])
    assert found.place(Selection(RUN), *listed[-1]) == Place(len(listed), len(listed), listed[-2], None)
    assert found.place(Selection(RUN), "nobody", "q0") == Place(None, len(listed), None, listed[0])
    assert found.place(Selection("nobody"), "nobody", "q0") == Place(None, 0, None, None)


def test_the_statement_that_is_shown_chooses_the_rows_that_are_counted(filled: Path) -> None:
    found = Rollups(filled)
    run_ids = Store(filled).runs()["run_id"].to_list()
    for selection in (
        Selection(RUN),
        Selection(RUN, (("product", "nut"), ("line", "none"), ("confidence_band", "0.5 to 0.7"))),
        Selection(RUN, (("letter", "B"), ("night", "2025-01-02")), (("entropy", 0.2, 0.4), ("confidence", 0.0, 1.0))),
        Selection(RUN, images=("image-0", "image-7", "it's none")),
        Selection(RUN, flip="lost", base=run_ids[0]),
    ):
        with Database(filled).reading() as con:
            stated = con.sql(f"SELECT image_id, question_id FROM ({sql(selection)})").fetchall()
        assert sorted(stated) == sorted(found.facts(selection, ("image_id", "question_id")).iter_rows())


def test_answers_without_a_retrieved_text_are_chosen_by_none_as_unknown_ones_are(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    bare, unknown = (rows.prediction(0, 0, descriptions=()), rows.prediction(0, 2, label=None, defect=None))
    spool.write_part(data, RUN, 0, [bare, unknown, rows.prediction(0, 4)])
    ingest(store)
    chosen = Selection(RUN, (("retrieval", "none"),))
    assert sorted(Rollups(data).facts(chosen)["image_id"]) == sorted([bare.image_id, unknown.image_id])
    with Database(data).reading() as con:
        assert len(con.sql(sql(chosen)).fetchall()) == 2


def test_images_are_numbers_and_texts_categories_for_whoever_only_counts(filled: Path) -> None:
    columns = ("image_id", "product", "defect", "right", "entropy")
    named, numbered = (Rollups(filled).facts(Selection(RUN), columns, numbered=way) for way in (False, True))
    assert numbered["image_id"].dtype == pl.UInt32
    assert numbered["product"].dtype == pl.Enum(["bottle", "nut"])
    assert named.group_by("image_id").len()["len"].sort().equals(numbered.group_by("image_id").len()["len"].sort())
    assert_frame_equal(named.drop("image_id"), numbered.drop("image_id").cast({pl.Enum: pl.String}))


def test_a_run_without_predictions_has_columns_without_rows(filled: Path) -> None:
    found = Rollups(filled)
    assert found.facts(Selection("nobody")).is_empty()
    assert found.counts(Selection("nobody"), ["outcome"]).is_empty()
    assert found.cells(Selection("nobody", (("outcome", "wrong"),))).is_empty()
    assert found.pairs(RUN, Selection("nobody")).is_empty()
