"""Several processes that fill one folder of features at the same time share the work."""

from __future__ import annotations

from pathlib import Path

from tests.comparison.filling import fill
from tests.forked import without_main
from workbench.processes import fork_server

COUNT = 120


def test_two_processes_that_fill_a_folder_at_once_see_few_pictures_twice_and_miss_none(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with without_main():
        both = [fork_server().Process(target=fill, args=(tmp_path / "features", log, COUNT, 2)) for _ in range(2)]
        for process in both:
            process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]

    seen = [line.split() for line in log.read_text().splitlines()]
    assert {grey for _, grey in seen} == {str(number) for number in range(COUNT)}
    assert len(seen) <= 1.25 * COUNT
    assert len({pid for pid, _ in seen}) == 2
    assert not list((tmp_path / "features").rglob(".filling-*"))
