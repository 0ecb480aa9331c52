"""What pages are painted from: facts and cells agree with the predictions, however these came in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import spool
from warehouse.database import Database
from warehouse.facts import CELLS, FACTS, rebuild
from warehouse.ingest import ingest
from warehouse.records import Prediction
from warehouse.rollups import Place, Rollups, Selection, sql
from warehouse.store import Store
from workbench.analysis import facts as analysis
from workbench.analysis import metrics, shapes

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
                    block, number, image_id="image-5", image_path="5.png", question_id=f"q{number}", subtask=subtask,
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


def test_a_fact_says_what_the_analysis_says_of_its_prediction(filled: Path) -> None:
    told = analysis.of(Store(filled).predictions(RUN)).with_columns(pl.col("outcome").cast(pl.String))
    facts = Rollups(filled).facts(Selection(RUN))
    assert facts.columns == told.columns
    key = ("image_id", "question_id")
    assert_frame_equal(facts.sort(key), told.sort(key), check_dtypes=False)
    assert set(facts["outcome"]) == {"right", "wrong", "escape", "overkill", "failed", "unlabelled"}
    assert set(facts["retrieval"]) == {"other entry", "other product", "right", None}


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from([0.1, 0.14, 0.3, 0.9, 1.2, 2.0]), max_size=8), min_size=20, max_size=40))
def test_a_trace_s_shape_is_the_analysis_s(traces: list[list[float]]) -> None:
    shape = FACTS[FACTS.index("CASE\n            WHEN len(entropy) < 3") :].partition(" AS shape")[0]
    moves = FACTS[FACTS.index("list_filter(list_transform(range(2, len(entropy)") :].partition(" AS moves")[0]
    frame = pl.DataFrame(
        {"place": range(len(traces)), "entropy": traces}, schema_overrides={"entropy": pl.List(pl.Float64)}
    )
    con = duckdb.connect()
    con.register("traces", frame)
    found = con.sql(f"SELECT {shape} AS shape FROM (SELECT *, {moves} AS moves FROM traces) ORDER BY place").pl()
    assert found["shape"].to_list() == frame.select(shapes.shape(pl.col("entropy"))).to_series().to_list()


def test_cells_kept_up_part_by_part_are_those_counted_from_the_facts(filled: Path) -> None:
    found = Rollups(filled)
    everything = Selection(RUN, ranges=(("entropy", -1.0, 99.0),))
    without_failed = found.cells(Selection(RUN, facets=(("outcome", "failed"),)))
    counted = found.cells(everything)
    kept = found.cells(Selection(RUN))
    assert int(kept["questions"].sum()) == int(counted["questions"].sum()) + int(without_failed["questions"].sum())
    with Database(filled).reading() as con:
        anew = con.sql(CELLS.format(source="facts")).pl().filter(pl.col("run_id") == RUN)
    assert_frame_equal(sums(kept), sums(anew.select(kept.columns)))


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
    loop = {"images": 0, "nn": 0, "ny": 0, "yy": 0, "correct": 0}
    facts = metrics.outcomes(Store(filled).prediction_index(RUN))
    for _, image in facts.group_by("image_id"):
        n = image.filter(pl.col("correct_answer").is_not_null(), pl.col("status") != "failed").height
        y = image.filter(pl.col("outcome") == "right").height
        for name, more in (("images", 1), ("nn", n * n), ("ny", n * y), ("yy", y * y), ("correct", y)):
            loop[name] += more
    assert {name: cells[name].sum() for name in loop} == loop


def test_facts_and_cells_made_anew_are_those_that_were_kept_up_part_by_part(filled: Path) -> None:
    with Database(filled).writing() as con:
        before = [con.sql(f"SELECT * FROM {name}").pl() for name in ("facts", "cells")]
        rebuild(con)
        after = [con.sql(f"SELECT * FROM {name}").pl() for name in ("facts", "cells")]
    assert_frame_equal(after[0], before[0], check_row_order=False)
    assert_frame_equal(sums(after[1]), sums(before[1]))


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
