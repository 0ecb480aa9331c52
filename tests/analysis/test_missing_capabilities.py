"""What a run can't show is said by what it declared."""

from __future__ import annotations

from dataclasses import replace

from tests.warehouse import rows
from warehouse.records.scoring import Capabilities
from workbench.analysis import missing_capabilities
from workbench.analysis.missing_capabilities import Lack

EVERYTHING = rows.run()
PLAIN = rows.run(capabilities=Capabilities(True, attention=False, latents=False, text=True))
IMPORTED = rows.run(evaluator="answer file", capabilities=Capabilities(False, False, False, False))


def test_nothing_is_lacking_where_it_was_declared() -> None:
    assert missing_capabilities.of(EVERYTHING, "probabilities", "attention", "latents", "text") is None
    assert missing_capabilities.of(PLAIN, "probabilities") is None


def test_what_settings_left_out_comes_back_with_a_flag() -> None:
    assert missing_capabilities.of(PLAIN, "latents") == Lack(
        "There is no course of entropy over iterations: the run's settings left that out.",
        "Score the archive again with it.",
        "workbench score ARCHIVE --think-tokens 4",
    )
    both = missing_capabilities.of(PLAIN, "latents", "attention")
    assert both is not None
    assert both.command == "workbench score ARCHIVE --think-tokens 4 --iterations 10 --injection features"


def test_what_an_evaluator_never_tells_takes_another_evaluator() -> None:
    found = missing_capabilities.of(IMPORTED, "probabilities", "latents")
    assert found is not None
    assert found.sentence == (
        "There is no probability of each option and no course of entropy over iterations: what answered this run "
        "(answer file) gives none."
    )
    assert found.command == "workbench score ARCHIVE --model MODEL"


def test_of_several_runs_one_is_enough() -> None:
    assert missing_capabilities.of_all([PLAIN, EVERYTHING], "latents") is None
    assert missing_capabilities.of_all([PLAIN, replace(PLAIN, run_id="other")], "latents") == missing_capabilities.of(
        PLAIN, "latents"
    )
