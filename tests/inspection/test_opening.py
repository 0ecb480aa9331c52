"""An image that kills the process which opens it is found, and its neighbours are answered.

On several devices: `test_processes.py`; with processes that open: `test_inputs.py`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import scored
from tests.inspection.drawn import bottle, scanned
from workbench.inspection import inputs, questions, references, tries
from workbench.inspection.block import ReferencePictures
from workbench.inspection.errors import DeviceLost
from workbench.inspection.inputs import File, Opened
from workbench.inspection.opening import Opening
from workbench.inspection.plan import Block
from workbench.inspection.tries import AtWork, Tries
from workbench.model.case import Picture


@pytest.mark.slow
def test_on_one_device_the_same_command_is_killed_twice_and_then_passes_the_image_over(
    tmp_path: Path, drawn_archive: Path
) -> None:
    archive, data = tmp_path / "archive", tmp_path / "data"
    bad = scored.poisoned(drawn_archive, archive, {"deadly.png": 2})  # in the second of two blocks of two
    command = [sys.executable, "-m", "benchmarks.poisoned", "score", str(archive), "--limit", "28"]
    plain = {"WORKBENCH_ITERATIONS": "0", "WORKBENCH_THINK_TOKENS": "0", "WORKBENCH_INJECTION": "none"}
    ended = [subprocess.run(command, env=scored.environment(data, plain), check=False).returncode for _ in range(3)]
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
    return Block(0, tuple(questions.inspection(scan, [], references.gather(scan)).items[2::4]))


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
        return inputs.open_here(files)

    made = Opening(AtWork(data, "run", 0, tries.OPENING), ReferencePictures(root, opener))
    opened = made.together(block)
    assert seen == [{*names.values(), mask}] * 2  # pictures, then references
    assert opened.block.asked == tuple(questions.located(block.asked, root)) != block.asked
    assert not list((data / "tries").iterdir())

    seen.clear()
    deaths = {names[reference.content]: tries.MOST, mask: tries.MOST, names[bad.content]: 1}
    made = Opening(AtWork(data, "run", 0, tries.OPENING), ReferencePictures(root, opener))
    assert made.is_suspect(deaths)
    opened = made.alone(block, deaths)
    assert seen == [{names[good.content]}, {names[bad.content]}]
    assert all(isinstance(picture, Picture) for picture in opened.queries.values())
    assert [str(picture) for picture in opened.references.values()] == ["quarantined: 2 processes died over it"]
    assert opened.block.asked == block.asked  # the right region stays unknown
    assert not made.is_suspect({names[bad.content]: 1})  # it was opened here, and nobody died


def test_a_death_counts_for_what_was_opened_and_for_what_was_answered(tmp_path: Path) -> None:
    answering, opening = AtWork(tmp_path, "run", 0), AtWork(tmp_path, "run", 0, tries.OPENING)
    with pytest.raises(DeviceLost), answering.on(["image"]), opening.on([tries.opening("content")]):
        raise DeviceLost
    found = Tries(tmp_path, "run")
    assert found.of(["image", tries.opening("content"), "other"]) == {"image": 1, "opening content": 1}
    with pytest.raises(ValueError), opening.on([tries.opening("content")]):
        raise ValueError
    assert Tries(tmp_path, "run").of([tries.opening("content")]) == {"opening content": 1}
