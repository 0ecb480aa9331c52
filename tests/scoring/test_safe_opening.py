"""An image that kills the process which opens it is found, and its neighbours are answered.

On several devices: `test_processes.py`; with processes that open: `test_inputs.py`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pytest

from tests import forked, scored
from tests.scoring.drawn import bottle, scanned
from warehouse.failures import POISON
from workbench.archive import questions, references
from workbench.errors import DeviceLost
from workbench.model.case import Picture
from workbench.question_sets import INSPECTION, built_in
from workbench.scoring import crash_counts, input_pipeline
from workbench.scoring.block import ReferencePictures, Rows
from workbench.scoring.crash_counts import AtWork, CrashCounts
from workbench.scoring.input_pipeline import File, Opened
from workbench.scoring.plan import Block
from workbench.scoring.safe_opening import Opening


@pytest.mark.slow
def test_on_one_device_the_same_command_is_killed_twice_and_then_passes_the_image_over(
    tmp_path: Path, drawn_archive: Path
) -> None:
    archive, data = tmp_path / "archive", tmp_path / "data"
    bad = scored.poisoned(drawn_archive, archive, {"deadly.png": 2})  # in the second of two blocks of two
    plain = {"WORKBENCH_ITERATIONS": "0", "WORKBENCH_THINK_TOKENS": "0", "WORKBENCH_INJECTION": "none"}
    command, variables = ("benchmarks.poisoned", "score", archive, "--limit", "28"), scored.environment(data, plain)
    ended = [forked.run(*command, environment=variables).returncode for _ in range(3)]
    assert ended == [-signal.SIGKILL, -signal.SIGKILL, 1]
    assert scored.all_but_the_poisoned(data, bad)["image_path"].n_unique() == 3


def written(data: Path) -> set[str]:
    """What a process of the run is opening."""
    return set(json.loads((data / "tries" / "run.opening-0.json").read_text()))


@pytest.fixture
def block(tmp_path: Path) -> Block:
    """One question about each of two pictures, both with the same reference and one with a mask."""
    bottle(tmp_path / "archive")
    scan = scanned(tmp_path / "archive")
    return Block(0, tuple(questions.of_set(built_in(INSPECTION), scan, [], references.gather(scan)).items[2::4]))


def test_a_block_s_files_are_written_down_while_they_are_opened_and_a_reference_or_mask_is_passed_over_alone(
    tmp_path: Path, block: Block
) -> None:
    data, root = tmp_path / "data", tmp_path / "archive"
    good, bad = (item.entry for item in block.asked)
    reference = block.asked[0].reference
    assert reference is not None
    names = {content: f"opening {content}" for content in (good.content, bad.content, reference.content)}
    mask = f"opening {bad.mask_path}"
    seen: list[set[str]] = []

    def opener(files: Sequence[File]) -> list[Opened]:
        seen.append(written(data))
        return input_pipeline.open_here(files)

    made = Opening(AtWork(data, "run", 0, crash_counts.OPENING), ReferencePictures(root, opener))
    opened = made.together(block)
    assert seen == [{*names.values(), mask}] * 2  # pictures, then references
    assert opened.block.asked == tuple(questions.located(block.asked, root)) != block.asked
    assert not list((data / "tries").iterdir())

    seen.clear()
    deaths = {names[reference.content]: crash_counts.MOST, mask: crash_counts.MOST, names[bad.content]: 1}
    made = Opening(AtWork(data, "run", 0, crash_counts.OPENING), ReferencePictures(root, opener))
    assert made.is_suspect(deaths)
    opened = made.alone(block, deaths)
    assert seen == [{names[good.content]}, {names[bad.content]}]
    assert all(isinstance(picture, Picture) for picture in opened.queries.values())
    assert list(opened.references.values()) == [POISON]
    assert opened.block.asked == block.asked  # the right region stays unknown
    assert not made.is_suspect({names[bad.content]: 1})  # it was opened here, and nobody died


def test_a_death_counts_for_what_was_opened_and_for_what_was_answered(tmp_path: Path) -> None:
    answering, opening = AtWork(tmp_path, "run", 0), AtWork(tmp_path, "run", 0, crash_counts.OPENING)
    with pytest.raises(DeviceLost), answering.on(["image"]), opening.on([crash_counts.opening("content")]):
        raise DeviceLost
    found = CrashCounts(tmp_path, "run")
    assert found.of(["image", crash_counts.opening("content"), "other"]) == {"image": 1, "opening content": 1}
    with pytest.raises(ValueError), opening.on([crash_counts.opening("content")]):
        raise ValueError
    assert CrashCounts(tmp_path, "run").of([crash_counts.opening("content")]) == {"opening content": 1}


def test_a_block_that_is_answered_in_pieces_has_all_rows_of_them_in_order() -> None:
    """Of every kind of row, also those that are added some day."""
    lists = [each.name for each in fields(Rows) if each.name != "retrieval_seconds"]
    pieces = [Rows(**{name: [f"{name} {n}"] for name in lists}, retrieval_seconds=0.5) for n in range(3)]  # type: ignore[arg-type]
    whole = crash_counts.joined(pieces)
    assert {name: getattr(whole, name) for name in lists} == {name: [f"{name} {n}" for n in range(3)] for name in lists}
    assert whole.retrieval_seconds == 1.5
