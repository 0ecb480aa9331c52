"""Arms are the base with a few settings changed; each is a run that is kept, found again and compared pair by pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.people import ANN
from tests.scored import Quiet
from warehouse.queries.experiments import Experiments
from warehouse.store import Store
from workbench.analysis import ablation as analysis
from workbench.analysis import ablation_text
from workbench.archive import knowledge_files
from workbench.experiments import ablation
from workbench.experiments.ablation import NO_KNOWLEDGE, NO_LOOP, Setup
from workbench.experiments.study_results import read_study
from workbench.model.method import Method
from workbench.scoring.evidence import SETTING_WITHOUT
from workbench.settings import Settings, Support, Work

pytestmark = pytest.mark.slow

ARMS = (
    Setup("plain", NO_LOOP, "main", without=NO_KNOWLEDGE),
    Setup("knowledge", NO_LOOP, "main", "plain"),
    Setup("seed 0", {"iterations": 1, "samples": 2}, "seed", "knowledge", 0),
    Setup("seed 1", {"iterations": 1, "samples": 2, "seed": 1}, "seed", "knowledge", 1),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(work=Work(data=tmp_path_factory.mktemp("ablation") / "data", limit=24))


@pytest.fixture(scope="module")
def experiment(drawn_archive: Path, base: Settings) -> str:
    knowledge_files.import_file(Store(base.work.data), drawn_archive / "domain_knowledge.json", actor=ANN)
    return ablation.run(drawn_archive, base, ARMS, Quiet())


def test_every_arm_is_kept_with_its_run_and_a_second_call_runs_nothing(
    drawn_archive: Path, base: Settings, experiment: str
) -> None:
    kept = Experiments(base.work.data).arms("ablation", experiment)
    assert [(arm.arm, arm.family, arm.level, arm.baseline) for arm in kept] == [
        (setup.name, setup.family, setup.level, setup.baseline) for setup in ARMS
    ]
    watch = Quiet()
    assert ablation.run(drawn_archive, base, ARMS, watch) == experiment
    assert watch.advanced == []
    again = Experiments(base.work.data).arms("ablation", experiment)
    assert [arm.run_id for arm in again] == [arm.run_id for arm in kept]


def test_pairs_flips_and_forwards_come_from_the_stored_runs(base: Settings, experiment: str) -> None:
    study = read_study(base.work.data, "ablation", experiment)
    assert study.demo
    table = analysis.arms(study)
    assert table["n"].to_list() == [24] * 4
    # Start, two candidates, and a test of patches for those questions that proposed any.
    forwards = table["evaluations"].to_list()
    assert forwards[:2] == [0.0, 0.0]
    assert all(3.0 <= value <= 4.0 for value in forwards[2:])
    found = analysis.differences(study)
    assert found["arm"].to_list() == ["knowledge", "seed 0", "seed 1"]
    for row in found.iter_rows(named=True):
        right = {arm: int(study.of(arm)["right"].cast(int).sum()) for arm in (row["arm"], row["baseline"])}
        assert row["gained"] - row["lost"] == right[row["arm"]] - right[row["baseline"]]
        assert row["difference"] == pytest.approx((row["gained"] - row["lost"]) / row["n"])


def test_the_reward_of_the_start_is_the_same_for_every_seed_and_what_follows_is_not(
    base: Settings, experiment: str
) -> None:
    course = analysis.convergence(read_study(base.work.data, "ablation", experiment), "seed")
    start, after = (course.filter(iteration=n)["reward"].to_list() for n in (0, 1))
    assert start[0] == start[1]
    assert after[0] != after[1]
    assert course.filter(iteration=0)["rise"].to_list() == [0.0, 0.0]


def test_the_text_names_the_demo_model_and_every_arm(base: Settings, experiment: str) -> None:
    text = ablation_text.markdown(read_study(base.work.data, "ablation", experiment))
    assert text.startswith(f"*{ablation_text.DEMO}*")
    assert all(f"| {setup.name} |" in text for setup in ARMS)


def test_arms_change_what_they_say_and_nothing_else() -> None:
    base = Settings()
    for setup in (*ablation.MAIN, *ablation.grid()):
        changed = setup.settings(base).values()
        changes = {**setup.changes, **dict(SETTING_WITHOUT[source] for source in setup.without)}
        assert {name for name, value in changed.items() if value != base.values()[name]} <= set(changes)
        assert all(changed[name] == value for name, value in changes.items())
    with pytest.raises(ValueError, match="iteration: no setting of the method"):
        ablation.changed(base, {"iteration": 3})
    with pytest.raises(ValueError, match="samples is 0"):
        ablation.changed(base, {"samples": 0})


@pytest.mark.parametrize("without", [(), ("reference",), ("knowledge",), ("reference", "knowledge")], ids=str)
def test_an_arm_is_shown_the_sources_that_it_does_not_leave_out(
    drawn_archive: Path, base: Settings, without: tuple[str, ...]
) -> None:
    knowledge_files.import_file(Store(base.work.data), drawn_archive / "domain_knowledge.json", actor=ANN)
    one = replace(base, work=replace(base.work, limit=2))
    arms = (Setup("arm", NO_LOOP, "evidence", without=frozenset(without)),)
    study = read_study(base.work.data, "ablation", ablation.run(drawn_archive, one, arms, Quiet()))
    shown = tuple(source for source in SETTING_WITHOUT if source not in without)
    assert list(study.evidence.values()) == [shown]
    assert f"- {', '.join(shown) or 'none'}: arm" in ablation_text.markdown(study)


def test_names_of_arms_are_unique_and_every_baseline_is_an_arm() -> None:
    for arms in (ablation.MAIN, ablation.grid()):
        names = [arm.name for arm in arms]
        assert len(set(names)) == len(names)
        assert {arm.baseline for arm in arms if arm.baseline} <= set(names)


def test_an_unknown_arm_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no arm zooom; there are .*zoom"):
        ablation.choose(ablation.MAIN, ["zooom"])
    assert [arm.name for arm in ablation.choose(ablation.MAIN, ["zoom", "plain"])] == ["plain", "zoom"]


def test_an_experiment_is_named_by_what_its_arms_share_but_not_by_the_machine(tmp_path: Path) -> None:
    base = Settings()
    name = ablation.name_of("ablation", tmp_path, base)
    assert ablation.name_of("ablation", tmp_path, replace(base, work=Work(data=tmp_path))) == name
    assert ablation.name_of("ablation", tmp_path, replace(base, work=Work(block_images=32))) == name
    assert ablation.name_of("stress", tmp_path, base) != name
    assert ablation.name_of("ablation", tmp_path, replace(base, method=Method(iterations=3))) != name
    assert ablation.name_of("ablation", tmp_path, replace(base, support=Support(top_k=1))) != name
