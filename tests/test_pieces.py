"""A piece of several views is called what its worst view is; every surface counts pieces as polars does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.jobs import surfaces
from tests.pages.screen import case_links, opened, words
from tests.warehouse import rows
from warehouse import spool
from warehouse.identity import cluster_id
from warehouse.ingest import ingest
from warehouse.queries.pieces import Pieces
from warehouse.queries.rollups import Selection
from warehouse.records import scoring
from warehouse.store import Store
from workbench.analysis import pieces
from workbench.pages.ui import components

# Lot, serial -> of its three views the label and what the answer claims: d(efective), g(ood), c(annot say), i(nvalid),
# f(ailed); - is no label.
VIEWS = {
    ("L1", "1"): ("ddd", "dgg"),  # found in one view
    ("L1", "2"): ("dgg", "ggg"),  # missed in all
    ("L1", "3"): ("ggg", "gdg"),  # overkill by one view
    ("L1", "4"): ("ggg", "ggg"),
    ("L2", "1"): ("ggg", "gcg"),  # a serial of another lot; undecided
    ("L2", "5"): ("gg-", "ggg"),  # nobody knows: a view has no label
    ("L2", "6"): ("---", "dfi"),
    ("L2", "7"): ("---", "gfg"),
    (None, "8"): ("-d-", "iii"),  # one view's label is enough
    (None, None): ("gg-", "gdd"),  # three pictures without a serial are three pieces
}
LABELS = {"d": "defective", "g": "good", "-": None}
OPTIONS = ("Yes.", "No.", "Can't say.")


def fill(data: Path) -> None:
    """A run over all views, two questions about each, the second of which says nothing about defects."""
    store = Store(data)
    store.register_archive(rows.archive())
    store.open_run(rows.run(state="finished"))
    predictions, entries = [], []
    for number, ((lot, serial), (labels, claims)) in enumerate(VIEWS.items()):
        for view, (label, claim) in enumerate(zip(labels, claims, strict=True)):
            entry = rows.entry(10 * number + view, serial=serial, lot=lot, label=LABELS[label], camera=f"C{view}")
            answer = {"d": "A", "g": "B", "c": "C"}.get(claim)
            right = {"d": "A", "g": "B", "-": None}[label]
            said: dict[str, Any] = {
                "image_id": entry.image_id, "image_path": entry.path, "content": entry.content, "label": entry.label,
                "camera": entry.camera, "lot": lot, "cluster_id": cluster_id(entry),
            }  # fmt: skip
            options = tuple(scoring.Option(letter, text) for letter, text in zip("ABC", OPTIONS, strict=True))
            status = {"i": "invalid", "f": "failed"}.get(claim, "answered")
            predictions += [
                rows.prediction(
                    0, 0, **said, answer=answer, correct_answer=right, status=status, options=options,
                    claims=("defective", "good", "cannot say"), failure="damaged" if claim == "f" else None,
                    error="damaged" if claim == "f" else None, option_probabilities={"A": 0.1, "B": 0.9, "C": 0.0},
                ),
                rows.prediction(0, 1, **said),
            ]  # fmt: skip
            entries.append(entry)
    store.upsert_entries("archive", entries)
    spool.write_part(data, rows.RUN, 0, predictions)
    ingest(store)
    store.close_run(rows.RUN, "finished")


def recomputed(data: Path, keep: pl.Expr | None = None) -> pl.DataFrame:
    """The pieces from the exported answers, without a line of the program's own."""
    file = data / "answers.parquet"
    assert CliRunner().invoke(app, ["export", "predictions", "--run", rows.RUN, "-o", str(file)]).exit_code == 0
    answers = pl.read_parquet(file).filter(pl.col("subtask") == "Anomaly Detection")
    entries = Store(data).entries("archive").select("image_id", "serial")
    answers = answers.join(entries, on="image_id")
    defective, good = pl.col("answer") == "A", pl.col("answer") == "B"
    by_piece = answers.group_by("lot", piece=pl.coalesce("serial", "image_id")).agg(
        pictures=pl.len(),
        claim=pl.when(defective.any()).then(pl.lit("defective")).when(good.fill_null(False).all())
        .then(pl.lit("good")).otherwise(pl.lit("cannot say")),
        label=pl.when((pl.col("label") == "defective").any()).then(pl.lit("defective"))
        .when((pl.col("label") == "good").fill_null(False).all()).then(pl.lit("good")),
    )  # fmt: skip
    return by_piece if keep is None else by_piece.filter(keep)


def counted(by_piece: pl.DataFrame) -> dict[str, int]:
    claim, label = pl.col("claim"), pl.col("label")
    conditions = {
        "called_defective": claim == "defective",
        "called_good": claim == "good",
        "undecided": claim == "cannot say",
        "defective": label == "defective",
        "good": label == "good",
        "escapes": (claim == "good") & (label == "defective"),
        "overkills": (claim == "defective") & (label == "good"),
    }
    found = {name: by_piece.filter(condition).height for name, condition in conditions.items()}
    return {"pieces": by_piece.height, "pictures": int(by_piece["pictures"].sum()), **found}


def test_a_piece_is_called_what_its_worst_view_is_and_is_defective_where_a_view_is(data_folder: Path) -> None:
    fill(data_folder)
    found = Pieces(data_folder).of_runs([rows.RUN])
    of = {cluster_id(rows.entry(0, lot=lot, serial=serial)): (lot, serial) for lot, serial in VIEWS if serial}
    said = {
        of[row["cluster_id"]]: (row["claim"], row["label"], row["outcome"])
        for row in found.iter_rows(named=True)
        if row["cluster_id"] in of
    }
    assert said == {
        ("L1", "1"): ("defective", "defective", "right"),
        ("L1", "2"): ("good", "defective", "escape"),
        ("L1", "3"): ("defective", "good", "overkill"),
        ("L1", "4"): ("good", "good", "right"),
        ("L2", "1"): ("cannot say", "good", "wrong"),
        ("L2", "5"): ("good", None, "pass"),
        ("L2", "6"): ("defective", None, "alarm"),
        ("L2", "7"): ("cannot say", None, "unlabelled"),
        (None, "8"): ("cannot say", "defective", "wrong"),
    }
    assert sorted(found.filter(pl.col("pictures") == 1)["outcome"]) == ["alarm", "overkill", "right"]


def test_a_piece_tells_its_nights_the_newest_first_without_those_that_tested_something(data_folder: Path) -> None:
    fill(data_folder)
    store, missed = Store(data_folder), [rows.entry(10 + view, serial="2", lot="L1") for view in range(3)]
    for days, purpose in ((1, "night"), (2, "gate")):
        run_id = f"later-{days}"
        at = rows.NOW + timedelta(days=days)
        store.open_run(rows.run(run_id, started_at=at, digest=run_id, plan=run_id, purpose=purpose))
        said = [
            rows.prediction(
                0, 0, run_id, image_id=entry.image_id, image_path=entry.path, content=entry.content, lot="L1",
                cluster_id=cluster_id(entry), label="defective", answer="B" if view else "A", correct_answer="A",
                option_probabilities={"A": 0.8 - 0.3 * view, "B": 0.2 + 0.3 * view},
            )
            for view, entry in enumerate(missed)
        ]  # fmt: skip
        spool.write_part(data_folder, run_id, 0, said)
        ingest(store)
    told = Pieces(data_folder).history(cluster_id(missed[0]), 12)
    assert told["run_id"].to_list() == ["later-1", rows.RUN]
    assert told["outcome"].to_list() == ["right", "escape"]
    assert told["image_id"][0] == missed[0].image_id
    assert told["pictures"].to_list() == [3, 3]
    case = {"run": rows.RUN, "image": missed[1].image_id, "question": told["question_id"][1]}
    page = opened(components.CASE, **case)
    assert "The piece over nights" in words(page)
    assert "later-1" in {address["run"] for address in case_links(page)}


SURFACES: dict[str, Callable[[Path], object]] = {
    "runs --json": lambda data: json.loads(_command("runs", "--json", data=data))[0]["pieces"],
    "a night": lambda data: asdict(pieces.counted(Pieces(data).of_night([rows.RUN]))),
    "a selection": lambda data: asdict(pieces.counted(Pieces(data).of_selection(Selection(rows.RUN)))),
}


def _command(*arguments: str, data: Path) -> str:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)], catch_exceptions=False).stdout


@pytest.mark.parametrize("surface", SURFACES)
def test_every_surface_counts_pieces_as_polars_does_from_the_exported_answers(data_folder: Path, surface: str) -> None:
    fill(data_folder)
    found, wanted = SURFACES[surface](data_folder), counted(recomputed(data_folder))
    assert isinstance(found, dict)
    assert {name: found[name] for name in wanted} == wanted
    assert found["share"]["low"] < found["share"]["value"] == wanted["called_defective"] / wanted["pieces"]


def test_the_list_of_runs_says_of_a_run_with_pieces_how_many_were_called_defective(data_folder: Path) -> None:
    fill(data_folder)
    (counts,) = (pieces.of(Pieces(data_folder).of_runs([run_id])) for run_id in [rows.RUN])
    assert counts is not None
    assert f"{rows.RUN} {counts.sentence}" in " ".join(_command("runs", data=data_folder).split())


def test_a_filter_chooses_pieces_by_any_of_their_answers_and_counts_them_whole(data_folder: Path) -> None:
    fill(data_folder)
    chosen = Selection(rows.RUN, facets=(("lot", "L2"), ("camera", "C1")))
    found = pieces.counted(Pieces(data_folder).of_selection(chosen))
    wanted = counted(recomputed(data_folder, pl.col("lot") == "L2"))
    assert {name: getattr(found, name) for name in wanted} == wanted
    table = pieces.table(Pieces(data_folder).of_runs([rows.RUN]), ("lot",))
    assert dict(table.select("lot", "pieces").iter_rows()) == {"L1": 4, "L2": 4, None: 4}


@pytest.mark.parametrize("page", ["gallery.py", "errors.py", "runs/runs.py"])
def test_a_page_by_piece_says_the_counts_and_lists_one_case_for_each(data_folder: Path, page: str) -> None:
    fill(data_folder)
    wanted = counted(recomputed(data_folder))
    plain = opened(f"workbench/pages/{page}")
    assert "By piece" not in surfaces.plain(words(plain))
    plain.button(key="choose.count").click().run()
    assert plain.query_params["count"] == "piece"
    by_piece = opened(f"workbench/pages/{page}", count="piece")
    text = surfaces.plain(words(by_piece))
    said = f"By piece: {wanted['called_defective']} of {wanted['pieces']} pieces (30 pictures) were called defective"
    assert said in text
    assert f"{wanted['escapes']} escaped of {wanted['defective']} defective ones" in text
    assert f"{wanted['overkills']} overkill of {wanted['good']} good ones" in text
    of_pieces = [link for link in case_links(by_piece) if link.get("count") == "piece"]
    assert len({link["image"] for link in of_pieces}) == wanted["pieces"]
    escapes = opened(f"workbench/pages/{page}", count="piece", outcome="escape")
    assert {link["image"] for link in case_links(escapes) if "count" in link} == {"image-10"}


def test_a_run_without_pieces_has_no_switch_and_lots_are_chosen_in_gallery(data_folder: Path) -> None:
    fill(data_folder)
    page = opened("workbench/pages/gallery.py")
    page.selectbox(key="gallery.lot").select("L2").run()
    assert page.query_params["lot"] == "L2"
    assert "24 cases" in surfaces.plain(words(page))
    store = Store(data_folder)
    store.open_run(rows.run("run-2", state="finished"))
    spool.write_part(data_folder, "run-2", 0, [rows.prediction(0, number, "run-2") for number in range(4)])
    ingest(store)
    assert not [one for one in opened("workbench/pages/gallery.py", run="run-2").button if one.key == "choose.count"]
    assert pieces.of(Pieces(data_folder).of_runs(["run-2"])) is None
