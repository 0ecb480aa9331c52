"""Two curators at once, a reader meanwhile, kill -9 within changes of texts and normals: nothing lost, nothing half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests import forked, scored
from tests.curation import plates
from tests.curation.night_bets import night_bet
from tests.curation.plates import TEXT, TRUE
from tests.people import ANN
from tests.warehouse import changes
from warehouse.queries.audit import Audit
from warehouse.queries.curation import Curation
from warehouse.queries.night_tests import NightTests
from warehouse.queries.normals import Normals
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit

pytestmark = pytest.mark.slow
TEXTS = '{"Drawn": {"metal_plate": {"scratch": "A thin line.", "good": "An even plate."}}}'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "texts.json").write_text(TEXTS)
    made = Store(tmp_path / "data")
    knowledge_files.import_file(made, tmp_path / "texts.json", actor=ANN)
    return made


def curator(store: Store, name: str, die_at: str | None = None) -> subprocess.Popen[bytes]:
    variables = {"WORKBENCH_DIE_AT": die_at} if die_at else {}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.curation.curator", str(store.data), name],
        cwd=scored.ROOT, env=scored.environment(store.data, variables),
    )  # fmt: skip


def consistent(store: Store) -> None:
    """Whatever happened: one live revision of each text, in the set and by state; a history for every revision."""
    base = Curation(store.data)
    version, texts = base.published()
    assert version is not None
    assert {(d.description_id, d.revision) for d in texts} == {(m.description_id, m.revision) for m in version.members}
    assert {(d.description_id, d.revision) for d in base.in_state("published")} == {
        (d.description_id, d.revision) for d in texts
    }
    revisions = base.revisions(TEXT)
    assert [d.revision for d in revisions] == list(range(1, len(revisions) + 1))
    noted = base.changes()
    assert sorted(change.number for change in noted) == list(range(1, len(noted) + 1))
    assert {(c.description_id, c.revision) for c in noted} == {
        (d.description_id, d.revision) for d in base.every_revision()
    }
    actions = Counter(row.action for row in Audit(store.data).rows(subject=TEXT))
    assert actions["draft text"] == len(revisions) - 1  # the first came with the import
    assert actions["publish text"] == len(base.versions()) - 1
    for each in base.versions():
        assert len(store.knowledge(each.version)) == len(each.members)


def test_two_curators_and_a_reader_lose_nothing(store: Store) -> None:
    both = [curator(store, name) for name in ("ann", "bob")]
    while any(each.poll() is None for each in both):
        version, texts = Curation(store.data).published()
        assert version is not None
        assert len(texts) == len(version.members) == 2
    assert [each.wait() for each in both] == [0, 0]
    consistent(store)
    assert {d.author for d in Curation(store.data).revisions(TEXT)[1:]} == {"ann", "bob"}
    assert len(Curation(store.data).revisions(TEXT)) == 7


@pytest.mark.parametrize(
    ("phase", "kept"),
    [("within-change:1", 1), ("after-change:1", 2), ("within-change:2", 2), ("after-change:2", 2)],
    ids=["in edit", "after edit", "in publish", "after publish"],
)
def test_a_curator_killed_in_edit_or_publish_leaves_before_or_after(store: Store, phase: str, kept: int) -> None:
    assert curator(store, "ann", phase).wait() == -signal.SIGKILL
    base = Curation(store.data)
    assert len(base.revisions(TEXT)) == kept
    consistent(store)
    live = {d.description_id: d.revision for d in base.published()[1]}
    assert live[TEXT] == (2 if phase == "after-change:2" else 1)
    assert curator(store, "bob").wait() == 0
    consistent(store)


@pytest.mark.parametrize(
    ("name", "phase"),
    [("Normals.publish", "within-change"), ("Normals.publish", "after-change"), ("Normals.take", "within-change")],
)
def test_a_change_of_normals_that_is_killed_was_made_whole_or_not_at_all(tmp_path: Path, name: str, phase: str) -> None:
    data = tmp_path / "data"
    changes.prepare(data)
    before = normals_agree(data)
    killed = forked.run("tests.warehouse.changes", data, name, environment={**os.environ, "WORKBENCH_DIE_AT": phase})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    made = normals_agree(data) != before
    assert made == (phase == "after-change")
    if not made:
        changes.CHANGES[name](data)
        assert normals_agree(data) != before


@pytest.mark.parametrize(("phase", "stored"), [("within-change:2", 0), ("after-change:2", 1)])  # the first opens a test
def test_a_night_s_bet_that_is_killed_is_written_once_or_not(tmp_path: Path, phase: str, stored: int) -> None:
    data = tmp_path / "data"
    changes.prepare(data)
    environment = {**os.environ, "WORKBENCH_DIE_AT": phase}
    killed = forked.run("tests.warehouse.changes", data, "NightTests.place", environment=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [killed_test] = NightTests(data).all()
    assert len(killed_test.bets) == stored
    changes.CHANGES["NightTests.place"](data)
    [gathered] = NightTests(data).all()
    assert gathered.bets == (night_bet(),)
    assert sum(row.action == "place night's bet" for row in Audit(data).rows()) == 1


def normals_agree(data: Path) -> list[int]:
    """The published normals by number, which the version, the states, the history and the audit log agree on."""
    normals, (version, _) = Normals(data), Curation(data).published()
    assert version is not None
    published = [each.number for each in normals.published()]
    assert published == list(version.normals) == [each.number for each in normals.of_version(version.version)]
    last = {each.normal: each.state for each in reversed(normals.changes())}
    assert last == {each.number: each.state for each in normals.in_state("proposed", "published", "retired")}
    assert [row.action for row in Audit(data).rows() if "normals" in row.action]
    return published


def test_a_test_killed_in_between_ends_like_one_that_was_not(tmp_path: Path) -> None:
    archive = plates.draw(tmp_path / "archive", scratched=4, others=6)
    done = {}
    for name, phase in (("whole", None), ("killed", "after-old")):
        data = tmp_path / name / "data"
        own = plates.knowing(data, archive)
        plates.score(own, archive)
        draft = edit.edit(own, TEXT, TRUE, "true", actor=ANN).draft
        command = ("knowledge", "test", TEXT, "--json")
        if phase:
            killed = scored.workbench(*command, data=data, variables={"WORKBENCH_DIE_AT": phase})
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert Curation(data).result(TEXT, draft.revision) is None
        with pytest.MonkeyPatch.context() as patch:  # the same command in this process, which has the model's library
            for variable, value in scored.QUICK.items():
                patch.setenv(f"WORKBENCH_{variable.upper()}", str(value))
            patch.setenv("WORKBENCH_DATA", str(data))
            finished = CliRunner().invoke(app, list(command))
        assert finished.exit_code == 0, finished.output
        consistent(own)
        result = Curation(data).result(TEXT, draft.revision)
        assert result is not None
        for run_id in (result.old_run, result.new_run):
            run = own.run(run_id)
            assert run is not None
            assert run.state == "finished"
            assert own.knowledge(run.knowledge_version or "")
        done[name] = (result.verdict, result.won, result.lost, result.p_better, result.elsewhere_low)
    assert done["killed"] == done["whole"]
