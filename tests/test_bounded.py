"""The same bounds at every door: sidecars, knowledge, layouts, settings, review results and manifests."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import bounded, manifest
from warehouse.errors import MalformedPart
from workbench import settings
from workbench.archive import knowledge_files, layout_table, sidecar
from workbench.archive.view import Window
from workbench.errors import KnowledgeError, Malformed, SettingsError
from workbench.review.boxes import PercentBox, to_pixels
from workbench.review.labelstudio.task import Annotation

NO_NAMES = ["a\x00b", "a\nb", "a\x85b", "\ud800", "x" * 201]


@given(st.text())
def test_a_name_is_trimmed_composed_and_bounded_or_refused(text: str) -> None:
    try:
        name = bounded.name(text)
    except ValueError:
        return
    assert 1 <= len(name) <= bounded.LONGEST_NAME
    assert bounded.name(name) == name == bounded.same_name(text)
    assert name.encode()


@given(st.floats())
def test_a_number_is_finite_and_within_its_bounds_or_refused(value: float) -> None:
    if math.isfinite(value) and -1 <= value <= 1:
        assert bounded.number(value, -1, 1) == value
    else:
        with pytest.raises(ValueError, match="it is"):
            bounded.number(value, -1, 1)


@pytest.mark.parametrize("path", ["", "/etc/a.png", "C:\\a.png", "a/../../b.png", "..", "a\x00.png", "a" * 4097])
def test_a_path_that_leaves_its_folder_or_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        bounded.path(path)


@pytest.mark.parametrize("name", NO_NAMES)
def test_no_door_takes_a_name_out_of_bounds(tmp_path: Path, name: str) -> None:
    table = tmp_path / "images.jsonl"
    table.write_text(json.dumps({"path": "a.png", "product": name}))
    rows, problems = sidecar.read(table)
    assert (rows["a.png"].product, len(problems)) == (None, 1)
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({"D": {name: {"good": "Even."}}}))
    with pytest.raises(KnowledgeError):
        knowledge_files.read(texts)
    with pytest.raises(ValueError):
        layout_table.Row.model_validate({"name": name, "tells": ["a"], "pictures": ["{picture}"]})
    content = manifest.render("run", 1, {name: manifest.Statement((), 0, 0, "0" * 64)}).encode()
    with pytest.raises(MalformedPart):
        manifest.parse(content, "run", 1)


@pytest.mark.parametrize("model", ["a\x00b", "a\nb"])
def test_a_setting_has_no_control_character(model: str) -> None:
    with pytest.raises(SettingsError, match="it has a control character"):
        settings.load({"model": model}, outside=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_review_result_has_finite_numbers(value: float) -> None:
    with pytest.raises(Malformed, match="can't be one"):
        to_pixels(PercentBox(value, 0, 10, 10), Window(0, 0, 100, 100))
    told = Annotation.model_validate({"id": 1, "updated_at": "2026-11-29T22:05:30Z", "lead_time": value})
    assert told.seconds is None


@pytest.mark.parametrize("rows", [-1, True, 1.5])
def test_a_manifest_states_whole_numbers_and_a_hash(rows: object) -> None:
    good = {"columns": [], "rows": 0, "size": 0, "sha256": "0" * 64}
    for wrong in ({"rows": rows}, {"size": rows}, {"sha256": "0" * 63}, {"sha256": None}):
        document = {"version": 1, "run_id": "run", "block": 1, "files": {"a.arrow": good | wrong}}
        with pytest.raises(MalformedPart):
            manifest.parse(json.dumps(document).encode(), "run", 1)
