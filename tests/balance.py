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
    LABELSTUDIO: 679,
    BROWSER: 619,
    "tests/scoring/test_process_pool.py": 232,
    "tests/model/test_engines.py": 119,
    "tests/jobs/test_unlabelled_story.py": 119,
    "tests/nights/test_nights.py": 119,
    "tests/curation/test_gate_and_story.py": 115,
    "tests/scoring/test_run.py": 93,
    "tests/nights/test_keeping_safe.py": 92,
    "tests/scoring/test_compare_run.py": 83,
    "tests/curation/test_curation_kills.py": 77,
    "tests/scoring/test_compare_kills.py": 73,
    "tests/nights/test_causes_from_pictures.py": 68,
    "tests/warehouse/test_kills.py": 52,
    "tests/analysis/test_simulation.py": 52,
    "tests/review/test_budget.py": 52,
    "tests/scoring/test_process_pool_trouble.py": 49,
    "tests/test_kills.py": 48,
    "tests/embedded/test_training_command.py": 48,
    "tests/scoring/test_like_references.py": 48,
    "tests/pages/test_numbers.py": 40,
    "tests/analysis/test_causes.py": 38,
    "tests/pages/test_states.py": 38,
    "tests/model/test_gradient.py": 37,
    "tests/test_another_question_set.py": 37,
    "tests/experiments/test_explanations.py": 33,
    "tests/model/test_work.py": 32,
    "tests/nights/test_schedules.py": 31,
    "tests/warehouse/test_truth.py": 30,
    "tests/curation/test_normals_on_photographs.py": 30,
    "tests/embedded/test_checkpoint.py": 29,
    "tests/pages/test_case_page.py": 29,
    "tests/jobs/test_command_line.py": 29,
    "tests/experiments/test_ablation.py": 28,
    "tests/warehouse/test_readers.py": 28,
    "tests/warehouse/test_facts.py": 28,
    "tests/scoring/test_memory.py": 27,
    "tests/test_whole_way.py": 26,
    "tests/jobs/test_reviewed_truth.py": 25,
    "tests/curation/test_normal_files.py": 25,
    "tests/warehouse/test_malformed_parts.py": 25,
    "tests/experiments/test_stress.py": 24,
    "tests/scoring/test_run_disk.py": 23,
    "tests/scoring/test_settled_kinds.py": 22,
    "tests/review/test_disputes_page.py": 22,
    "tests/warehouse/test_schema.py": 22,
    "tests/nights/test_night_charts.py": 22,
    "tests/warehouse/test_audit_log.py": 21,
    "tests/jobs/test_one_picture.py": 21,
    "tests/test_frame.py": 20,
    "tests/model/test_precision.py": 20,
    "tests/curation/test_knowledge_page.py": 20,
    "tests/model/test_gpu_benchmark.py": 19,
    "tests/scoring/test_retrieval.py": 19,
    "tests/review/test_sending.py": 18,
    "tests/pages/test_planted_falls.py": 18,
    "tests/curation/test_normal_checks.py": 18,
    "tests/scoring/test_compare_normals.py": 18,
    "tests/warehouse/test_ingest.py": 18,
    "tests/jobs/test_same_numbers.py": 18,
    "tests/warehouse/test_former_questions.py": 18,
    "tests/scoring/test_answer_formats.py": 17,
    "tests/scoring/test_replaced.py": 17,
    "tests/model/test_breaking.py": 16,
    "tests/pages/test_runs_page.py": 16,
    "tests/test_pieces.py": 15,
    "tests/model/test_families.py": 15,
    "tests/review/test_drawn_cases.py": 15,
    "tests/warehouse/test_what_counts.py": 14,
    "tests/scoring/test_safe_opening.py": 14,
    "tests/test_settings.py": 14,
    "tests/nights/test_new_slices.py": 14,
    "tests/nights/test_notify.py": 14,
    "tests/model/test_answering.py": 14,
    "tests/scoring/test_evaluators.py": 13,
    "tests/scoring/test_answer_file.py": 13,
    "tests/nights/test_operating.py": 13,
    "tests/nights/test_alarms_by_thresholds.py": 13,
    "tests/archive/test_measures.py": 13,
    "tests/nights/test_replaced.py": 13,
    "tests/analysis/test_worsened.py": 13,
    "tests/nights/test_a_year_of_nights.py": 12,
    "tests/model/test_backbone_hub.py": 12,
    "tests/comparison/test_thresholds.py": 12,
    "tests/pages/test_markup.py": 12,
    "tests/scoring/test_answer_options.py": 12,
    "tests/warehouse/test_migrations.py": 12,
    "tests/warehouse/test_judgements.py": 12,
    "tests/warehouse/test_alarm_rules.py": 12,
    "tests/scoring/test_image_loader.py": 11,
    "tests/model/test_injection.py": 11,
    "tests/curation/test_knowledge_base.py": 11,
    "tests/archive/test_remote.py": 11,
    "tests/review/test_blinding.py": 11,
    "tests/warehouse/test_store.py": 11,
    "tests/curation/test_rewording.py": 11,
    "tests/pages/test_called_defective.py": 11,
    "tests/pages/test_run_notes_on_pages.py": 11,
    "tests/embedded/test_card_slice.py": 11,
    "tests/jobs/test_mmad_and_report.py": 10,
    "tests/analysis/test_drift.py": 10,
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
