"""How tests are shared between workers: the longest modules first, and those that share a server on one worker.

xdist's `loadscope` keeps a module's tests on one worker and begins with the modules of most tests, so that a module of
one long test comes last, when the other worker has nothing left to do. Here modules go by the seconds they take, and
all that talk to Label Studio, or drive the dashboard in Chromium, are one unit: each server is started once.

What each unit took is printed at the end of the tests, in the form that `SECONDS` has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

LABELSTUDIO, BROWSER = "all that talk to Label Studio", "all in Chromium"
# Modules that talk to Label Studio in some of their tests.
_GROUPS = {
    **dict.fromkeys(
        (
            "tests/review/test_checks.py",
            "tests/review/test_kills.py",
            "tests/review/test_knowledge_story.py",
            "tests/review/test_listen.py",
            "tests/review/test_malformed.py",
            "tests/review/test_private_files.py",
            "tests/review/test_push_and_pull.py",
            "tests/review/test_reviewers_path.py",
            "tests/review/test_trouble.py",
        ),
        LABELSTUDIO,
    ),
    "tests/browser/test_pages.py": BROWSER,
    "tests/browser/test_story.py": BROWSER,
}
LONG = 10  # seconds of a unit that is told of
# Seconds of those units on two calm cores, as `make test` prints them. Older numbers than the tests only balance worse.
SECONDS = {
    LABELSTUDIO: 294,
    BROWSER: 258,
    "tests/scoring/test_process_pool.py": 155,
    "tests/jobs/test_unlabelled_story.py": 85,
    "tests/scoring/test_compare_run.py": 80,
    "tests/curation/test_gate_and_story.py": 64,
    "tests/nights/test_nights.py": 61,
    "tests/curation/test_curation_kills.py": 40,
    "tests/embedded/test_training_command.py": 37,
    "tests/test_kills.py": 30,
    "tests/scoring/test_memory.py": 29,
    "tests/model/test_engines.py": 27,
    "tests/test_another_question_set.py": 25,
    "tests/experiments/test_explanations.py": 24,
    "tests/warehouse/test_readers.py": 23,
    "tests/nights/test_schedules.py": 22,
    "tests/scoring/test_run.py": 20,
    "tests/review/test_budget.py": 20,
    "tests/pages/test_numbers.py": 18,
    "tests/scoring/test_run_disk.py": 17,
    "tests/nights/test_keeping_safe.py": 17,
    "tests/embedded/test_checkpoint.py": 17,
    "tests/model/test_gradient.py": 17,
    "tests/test_whole_way.py": 16,
    "tests/model/test_precision.py": 16,
    "tests/experiments/test_stress.py": 15,
    "tests/jobs/test_reviewed_truth.py": 15,
    "tests/analysis/test_simulation.py": 14,
    "tests/model/test_gpu_benchmark.py": 13,
    "tests/scoring/test_replaced.py": 12,
    "tests/scoring/test_safe_opening.py": 11,
}


def unit(nodeid: str) -> str:
    """What a test is given to a worker with: its module, or all modules of its server."""
    module = nodeid.split("::", 1)[0]
    return _GROUPS.get(module, module)


def longest_first(items: list[pytest.Item]) -> None:
    """Bring the tests in the order in which their units are handed out."""
    items.sort(key=lambda item: -SECONDS.get(unit(item.nodeid), 0))


def told(seconds: Mapping[str, float]) -> list[str]:
    """The long units as lines of `SECONDS`, the longest first, and all others together."""
    names = {LABELSTUDIO: "LABELSTUDIO", BROWSER: "BROWSER"}
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    lines = [f"{names.get(name) or repr(name)}: {spent:.0f}," for name, spent in longest if spent > LONG]
    rest = [spent for _, spent in longest if spent <= LONG]
    return [line.replace("'", '"') for line in lines] + [f"# {len(rest)} shorter ones: {sum(rest):.0f}"]


class Stopwatch:
    """A plugin of the process that hands out units: how long each took, and each worker all together."""

    def __init__(self) -> None:
        self.of_unit: Counter[str] = Counter()
        self.of_worker: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """One phase of one test has ended on a worker."""
        self.of_unit[unit(report.nodeid)] += report.duration
        self.of_worker[report.node.gateway.id] += report.duration

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell it."""
        terminalreporter.section("seconds of tests, by unit and by worker")
        for line in [*told(self.of_unit), *(f"# {name}: {spent:.0f}" for name, spent in self.of_worker.items())]:
            terminalreporter.line(line)


class Units(LoadScopeScheduling):  # type: ignore[misc]
    """See the module's opening lines; the units come in the order of the collected tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
