"""A normal picture that kills the processes that open it is left out, counted and named; nothing else is blamed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.comparison.filling import fill_past
from tests.comparison.pretended import PretendedTower
from tests.forked import without_main
from warehouse.failures import POISON
from workbench.comparison import FeatureStore, Normal, NormalBank
from workbench.comparison.deadly_pictures import DeadlyPictures
from workbench.errors import UnreadableImage
from workbench.processes import fork_server

COUNT = 5


@pytest.mark.parametrize("deadly", range(0, COUNT, 2))
def test_a_normal_that_kills_two_processes_is_left_out_by_the_third_and_named(tmp_path: Path, deadly: int) -> None:
    folder, left_out = tmp_path / "features", tmp_path / "left out"
    ended = []
    for _ in range(3):
        with without_main():
            process = fork_server().Process(target=fill_past, args=(folder, deadly, COUNT, left_out))
            process.start()
        process.join()
        ended.append(process.exitcode)
    assert ended == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert left_out.read_text() == f"{deadly} {POISON.text}\n"
    bank = NormalBank([Normal(f"{n:064x}", "D", "plate") for n in range(COUNT)], FeatureStore(folder, PretendedTower()))
    assert [int(each.content, 16) for each in bank.normals] == [n for n in range(COUNT) if n != deadly]


def test_neither_an_exception_nor_a_process_that_lives_counts_as_a_death(tmp_path: Path) -> None:
    deadly = DeadlyPictures(tmp_path / "being-seen")
    for _ in range(3):
        with pytest.raises(UnreadableImage, match="torn"), deadly.guard("a"):
            raise UnreadableImage("truncated", "torn")
    with deadly.guard("a"), deadly.guard("a"), deadly.guard("a"):
        assert deadly.deaths("a") == 0
    assert not list((tmp_path / "being-seen").iterdir())
