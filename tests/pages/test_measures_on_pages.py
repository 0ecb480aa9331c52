"""Gallery chooses cases by what was measured of their pictures, Case shows it, and the command line exports it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.jobs import surfaces
from tests.pages import seed
from tests.pages.screen import case_links, opened, words
from warehouse.queries.measures import PictureMeasures
from warehouse.queries.rollups import Rollups, Selection, sql
from warehouse.store import Store
from workbench.archive import measures


def measured(data: Path) -> tuple[seed.Seeded, pl.DataFrame]:
    """A seeded warehouse whose pictures were measured but for one, and the exported measures."""
    seeded = seed.seed(data, images=8)
    root = Path(Store(data).archives()[0].root)
    found = [measures.measure_known(root / entry.path, entry.content) for entry in seeded.entries[1:]]
    PictureMeasures(data).store([one for one in found if one is not None])
    file = data / "measures.csv"
    arguments = ["export", "measures", "--run", seeded.run.run_id, "-o", str(file), "--data", str(data)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    return seeded, pl.read_csv(file)


def test_a_range_of_a_measure_chooses_the_cases_whose_pictures_lie_in_it(data_folder: Path) -> None:
    seeded, exported = measured(data_folder)
    low, high = exported["brightness"].quantile(0.3), exported["brightness"].quantile(0.7)
    assert low is not None
    assert high is not None
    wanted = set(exported.filter(pl.col("brightness").is_between(low, high))["image_id"])
    assert 0 < len(wanted) < 7

    page = opened("workbench/pages/gallery.py", brightness=f"{low!r}-{high!r}")
    assert {link["image"] for link in case_links(page)} == wanted
    assert "chip.brightness" in [one.key for one in page.button]
    chosen = Selection(seeded.run.run_id, ranges=(("brightness", low, high),))
    by_sql = Rollups(data_folder)._database.frame(sql(chosen))
    assert set(by_sql["image_id"]) == wanted == set(Rollups(data_folder).facts(chosen, ("image_id",))["image_id"])

    everything = opened("workbench/pages/gallery.py")
    slider = next(one for one in everything.slider if one.label == "brightness")
    slider.set_range(slider.value[0], low).run()
    assert not everything.exception
    assert everything.query_params["brightness"].endswith(f"-{slider.value[1]:g}")


def test_a_case_shows_what_was_measured_and_says_what_was_not(data_folder: Path) -> None:
    seeded, exported = measured(data_folder)
    row = exported.filter(pl.col("brightness").is_not_null()).row(0, named=True)
    shown = surfaces.plain(words(opened("workbench/pages/case/case.py", image=row["image_id"])))
    assert f"brightness {100 * row['brightness']:.1f} %" in shown
    assert f"{row['width']} × {row['height']} pixels" in shown
    bare = exported.filter(pl.col("brightness").is_null())
    assert bare.height == 1
    shown = surfaces.plain(words(opened("workbench/pages/case/case.py", image=bare["image_id"][0])))
    assert "Not measured yet" in shown
    assert exported["image_id"].n_unique() == exported.height == len({one.image_id for one in seeded.entries})
