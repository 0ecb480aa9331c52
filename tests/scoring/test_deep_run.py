"""A run over a camera's deep pictures: one range for queries and references, stored, in the digest, and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import scored
from tests.archive.test_deep import LEVELS, plate, png
from warehouse.store import Store
from workbench.archive import tone_range
from workbench.archive.run_views import RunViews
from workbench.model.case import Picture
from workbench.scoring import block, prepare_run
from workbench.scoring.block import ReferencePictures
from workbench.settings import Support


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A 12-bit camera's references and pictures in files of 16 bits; one of them is dark, one of one colour."""
    root = tmp_path / "archive"
    shares = {"train/good/0": 1.0, "test/good/0": 1.0, "test/good/1": 0.05, "test/good/2": 0.0}
    for number, (name, share) in enumerate(shares.items()):
        file = root / "widget" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png((plate(number) * share * 4095 / 255).round().astype(np.uint16)))
    return root


@pytest.mark.slow
def test_a_runs_range_holds_for_queries_and_references_and_is_in_its_digest(archive: Path, data_folder: Path) -> None:
    settings = scored.quick(data_folder, Support(knowledge="none"))
    settings = replace(settings, method=replace(settings.method, think_tokens=0, iterations=0))
    outcome = scored.score(archive, settings)
    tones = tone_range.of_run(outcome.run)
    assert {each.tone for each in tones.cameras} == {tone_range.Tone(integer=4095.0)}
    assert "pictures deeper than 8 bit are seen in the range 0 to 4095: widget" in outcome.notes
    assert "odd pictures, one colour: 1, such as widget/test/good/2.png" in outcome.notes
    assert "odd pictures, under a quarter of its range: 1, such as widget/test/good/1.png" in outcome.notes
    assert outcome.run.failed == 0

    given = prepare_run.prepare(
        archive, replace(settings, support=Support(knowledge="none", integer_range=65535)), Store(data_folder), print
    )
    assert given.digest != outcome.run.digest
    assert given.facts.tones is not None
    assert given.facts.tones["others"] == {"integer": 65535, "floating": None}
    opened = block.open_block(given.plan.blocks[0], ReferencePictures(archive, views=RunViews(tones)))
    (normal,) = opened.references.values()
    assert isinstance(normal, Picture)
    assert np.abs(np.asarray(normal.image, float) - plate(0)).max() <= LEVELS
    assert normal.key == f"{normal.content}@4095"
    dark = next(p for p in opened.queries.values() if isinstance(p, Picture) and p.oddity and "quarter" in p.oddity)
    assert np.abs(np.asarray(dark.image, float) - plate(2) * 0.05).max() <= LEVELS


def test_an_archive_of_8_bit_pictures_says_nothing_of_ranges_and_keeps_its_digest(
    tmp_path: Path, data_folder: Path
) -> None:
    Image.fromarray(plate().astype(np.uint8)).save(tmp_path / "a.png")
    settings = scored.quick(data_folder, Support(knowledge="none"))
    prepared = prepare_run.prepare(tmp_path, settings, Store(data_folder), print)
    assert prepared.facts.tones is None
    assert not any("8 bit" in note or "odd" in note for note in prepared.notes)
