"""What comparing said of a run's pictures: stored with its block, read back, ranked."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import spool
from warehouse.database import Database
from warehouse.errors import MalformedPart
from warehouse.ingest import ingest
from warehouse.queries.comparisons import Comparisons
from warehouse.queries.nights import Nights
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import Rollups, Selection, sql
from warehouse.records.audit import Actor
from warehouse.store import Store
from warehouse.upkeep import Upkeep


def test_a_block_brings_its_comparisons_once_however_often_it_is_written(store: Store, data: Path) -> None:
    for _ in range(2):
        rows.write_part(data, 0)
        ingest(store)

    comparisons = Comparisons(data)
    assert rows.comparisons_of(data, RUN) == [rows.comparison(0, image) for image in range(3)]
    assert comparisons.of_picture(RUN, "image-1") == rows.comparison(0, 1)
    assert comparisons.of_picture(RUN, "image-9") is None


def test_a_block_without_comparisons_writes_no_file_of_them_as_older_releases_did(store: Store, data: Path) -> None:
    part = spool.write_part(data, RUN, 0, [rows.prediction(0, 0)])

    assert not (part / "comparisons.arrow").exists()
    assert ingest(store).parts == 1
    assert rows.comparisons_of(data, RUN) == []


def test_a_part_whose_stated_comparisons_are_gone_is_put_aside(data: Path) -> None:
    part = rows.write_part(data, 0)
    (part / "comparisons.arrow").unlink()

    with pytest.raises(MalformedPart, match=r"comparisons\.arrow is missing"):
        spool.read(part)


def test_comparisons_that_no_manifest_states_are_refused(data: Path) -> None:
    part = spool.write_part(data, RUN, 0, [rows.prediction(0, 0)])
    other = rows.write_part(data, 1)
    (other / "comparisons.arrow").rename(part / "comparisons.arrow")

    with pytest.raises(MalformedPart, match=r"doesn't state comparisons\.arrow"):
        spool.read(part)


def test_pictures_are_ranked_by_score_and_equal_ones_by_path(store: Store, data: Path) -> None:
    store.register_archive(rows.archive())
    store.upsert_entries("archive", [rows.entry(number) for number in range(3)])
    scores = [0.25, 0.5, 0.25]
    spool.write_part(
        data,
        RUN,
        0,
        [rows.prediction(0, 2 * image) for image in range(3)],
        comparisons=[rows.comparison(0, image, score=score) for image, score in enumerate(scores)],
    )
    ingest(store)

    ranked = Comparisons(data).ranked(RUN)
    assert [each.image_path for each in ranked] == [f"bottle/test/{image:03d}.png" for image in (1, 0, 2)]
    assert [each.score for each in Comparisons(data).ranked(RUN, 1)] == [0.5]


def test_dropping_traces_drops_the_maps_and_keeps_the_scores(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    ingest(store)

    Upkeep(data).drop_traces([RUN], actor=Actor("ann", "command line"))

    kept = rows.comparisons_of(data, RUN)
    assert [each.values for each in kept] == [(), (), ()]
    assert [each.score for each in kept] == [rows.comparison(0, image).score for image in range(3)]


def test_a_list_of_cases_can_begin_with_the_most_suspicious(store: Store, data: Path) -> None:
    store.register_archive(rows.archive())
    store.upsert_entries("archive", [rows.entry(number) for number in range(3)])
    scores, thresholds = [0.3, 0.5, 0.4], [0.2, 0.5, None]
    spool.write_part(
        data,
        RUN,
        0,
        [rows.prediction(0, 2 * image) for image in range(4)],
        comparisons=[
            rows.comparison(0, image, score=score, threshold=threshold)
            for image, (score, threshold) in enumerate(zip(scores, thresholds, strict=True))
        ],
    )
    ingest(store)

    listed = Rollups(data).facts(Selection(RUN, order="most suspicious"), ("image_id",))

    # 1.5 and 1 times the threshold, 0.8 of the run's largest score; the fourth was not compared.
    assert listed["image_id"].to_list() == ["image-0", "image-1", "image-2", "image-3"]
    assert [each.image_id for each in Comparisons(data).ranked(RUN)] == ["image-0", "image-1", "image-2"]


def test_whatever_thresholds_are_a_picture_that_differs_more_is_never_below_one_that_does_not(
    store: Store, data: Path, tmp_path: Path
) -> None:
    """Copies of one picture as normals give a threshold of 0, or of a rounding below it."""
    cases = [(score, at) for score in (0.0, 0.0005, 0.2, 0.4) for at in (-1e-4, 0.0, 1e-5, 0.3, None)]
    store.register_archive(rows.archive())
    store.upsert_entries("archive", [rows.entry(number) for number in range(len(cases))])
    compared = [rows.comparison(0, n, score=score, threshold=at) for n, (score, at) in enumerate(cases)]
    answers = [rows.prediction(0, 2 * n) for n in range(len(cases))]
    spool.write_part(data, RUN, 0, answers, comparisons=compared)
    ingest(store)

    ranked = Comparisons(data).ranked(RUN)
    scores = [each.score for each in ranked]
    assert sorted(scores[-5:]) == [0.0] * 5
    for at in {at for _, at in cases}:
        of_threshold = [each.score for each in ranked if each.threshold == at]
        assert of_threshold == sorted(of_threshold, reverse=True)
    listed = Rollups(data).facts(Selection(RUN, order="most suspicious"), ("image_id",))["image_id"].to_list()
    with Database(data).reading() as con:
        stated = con.sql(sql(Selection(RUN, order="most suspicious"))).pl()["image_id"].to_list()
    file = tmp_path / "comparisons.parquet"
    store.export("comparisons", RUN, file)
    exported = pl.read_parquet(file)["image_id"].to_list()
    assert [each.image_id for each in ranked] == listed == stated == exported


def test_the_statement_of_that_list_gives_the_same_rows(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    ingest(store)
    selection = Selection(RUN, order="most suspicious")

    with Database(data).reading() as con:
        repeated = con.sql(sql(selection)).pl()

    assert list(dict.fromkeys(repeated["image_id"])) == ["image-2", "image-1", "image-0"]


def test_why_comparing_cannot_say_is_counted(store: Store, data: Path) -> None:
    refused = [rows.comparison(0, image, claim="cannot say", why="it is binarised") for image in range(2)]
    good = rows.comparison(0, 2)
    spool.write_part(data, RUN, 0, [rows.prediction(0, 2 * image) for image in range(3)], comparisons=[*refused, good])
    ingest(store)

    assert Comparisons(data).refusals(RUN) == [("it is binarised", 2)]


def test_what_the_rules_look_at_has_what_comparing_said(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    ingest(store)
    cases = Reviews(data).cases(RUN)
    expected = {f"image-{image}": rows.comparison(0, image) for image in range(3)}
    said = cases.select("image_id", "compared_claim", "compared_score", "compared_rank", "compared_normals").rows()
    assert {row[0] for row in said} >= expected.keys()
    assert all(
        row[1:] == (of.claim, of.score, of.rank, of.normals) for row in said if (of := expected.get(row[0])) is not None
    )


def test_a_night_s_scores_stand_beside_those_that_were_compared_in_the_same_manner(store: Store, data: Path) -> None:
    ids = ["20250101T220005123Z-a", "20250102T220005123Z-a", "20250103T220005123Z-a"]
    others, same, tonight = ids
    for run_id, manner in ((others, "tower, 8 normals"), (same, "tower, 9 normals"), (tonight, "tower, 9 normals")):
        store.open_run(rows.run(run_id, settings=json.dumps({"facts": {"sources": {"compare": manner}}})))
        rows.write_part(data, 0, run_id)
    ingest(store)

    images = Nights(data).images([tonight], [others, same], rows.NOW)
    scored = images.filter(pl.col("comparison score").is_not_null())
    assert sorted(scored.select("image_id", "tonight", "comparison score").rows()) == sorted(
        (f"image-{image}", when, 0.25 + image / 64) for image in range(3) for when in (True, False)
    )

    alone = Nights(data).images([tonight], [others], rows.NOW)
    assert alone.filter(~pl.col("tonight"))["comparison score"].to_list() == [None] * 3
    assert alone.filter(pl.col("tonight"))["comparison score"].null_count() == 0


def test_scores_choose_cases_as_their_sql_does_and_stand_in_exports(store: Store, data: Path, tmp_path: Path) -> None:
    rows.write_part(data, 0)
    rows.write_part(data, 0, run_id="other")
    store.open_run(rows.run("other"))
    ingest(store)
    chosen = Selection(RUN, ranges=(("score", 0.25 + 1 / 64, 0.25 + 2 / 64),))
    found = Rollups(data).facts(chosen)
    assert set(found["image_id"]) == {"image-1", "image-2"}
    assert Database(data).frame(sql(chosen)).height == found.height == 4

    store.export("predictions", RUN, tmp_path / "p.parquet")
    exported = pl.read_parquet(tmp_path / "p.parquet")
    scores = dict(exported.select("image_id", "comparison_score").iter_rows())
    assert scores == {f"image-{image}": 0.25 + image / 64 for image in range(3)}
    assert set(exported.select("comparison_rank", "comparison_claim").iter_rows()) == {(3, "good")}
    assert exported.height == 6
    of_run = Comparisons(data).of_run(RUN)
    assert exported.select(of_run.columns).unique().sort("image_id").equals(of_run)
