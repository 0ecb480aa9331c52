"""Every change carries who made it and leaves one audit row; what writes is found in the code, not in a list."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import shutil
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import duckdb
import pytest

import warehouse
from tests import forked
from tests.people import ANN
from tests.warehouse import changes
from warehouse import audit, kill_points, migrations
from warehouse.audit import Flow
from warehouse.database import Database
from warehouse.queries.audit import Audit
from warehouse.records.audit import Actor, AuditRow

ROOT = Path(__file__).resolve().parents[2]


def classes() -> Iterator[type]:
    """Every class of the warehouse."""
    for module in pkgutil.walk_packages(warehouse.__path__, "warehouse."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name:
                yield found


def calls(function: FunctionType) -> set[str]:
    """The names of the methods that a function calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) if isinstance(node.func, ast.Attribute)
    }


def writers(opening: str) -> dict[str, FunctionType]:
    """Public methods, by class and name, that open such a transaction themselves or through a method of their class."""
    found: dict[str, FunctionType] = {}
    for owner in classes():
        if owner is Database:
            continue
        own = {
            name: each
            for name, each in vars(owner).items()
            if isinstance(each, FunctionType) and inspect.unwrap(each).__code__.co_filename == inspect.getfile(owner)
        }
        called = {name: calls(each) for name, each in own.items()}
        reached = {name for name in own if opening in called[name]}
        while more := {name for name in own if called[name] & reached} - reached:
            reached |= more
        found |= {f"{owner.__name__}.{name}": own[name] for name in reached if not name.startswith("_")}
    return found


CHANGES, FLOWS = writers("changing"), writers("flowing")


def test_only_the_database_itself_opens_a_transaction_that_is_neither_a_change_nor_a_flow() -> None:
    opening = [
        str(file.relative_to(ROOT))
        for folder in ("warehouse", "workbench", "jobs")
        for file in (ROOT / folder).rglob("*.py")
        if "._transaction(" in file.read_text() or 'BEGIN"' in file.read_text()
    ]
    assert sorted(opening) == ["warehouse/database.py", "warehouse/upkeep.py"]  # a restored copy, before it arrives


def test_every_flow_of_data_is_used_and_says_why_it_is_no_change() -> None:
    used = "".join(inspect.getsource(function) for function in FLOWS.values())
    assert {flow.name for flow in Flow if f"Flow.{flow.name}" in used} == {flow.name for flow in Flow}
    assert all(":" in flow.value for flow in Flow)
    assert not CHANGES.keys() & FLOWS.keys()


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_without_an_actor_raises(name: str) -> None:
    parameter = inspect.signature(CHANGES[name]).parameters["actor"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, parameter.empty)
    others = [
        each.name for each in inspect.signature(CHANGES[name]).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]  # fmt: skip
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'actor'"):
        CHANGES[name](*others)


@pytest.mark.parametrize("nobody", [None, "ann", ""])
def test_no_transaction_is_opened_for_nobody(tmp_path: Path, nobody: object) -> None:
    with (
        pytest.raises(TypeError, match=r"say who makes this change with actor=Actor\(name, channel\)"),
        Database(tmp_path / "data").changing(nobody, "publish", "it"),  # type: ignore[arg-type]
    ):
        pass
    assert not (tmp_path / "data").exists()
    with pytest.raises(ValueError, match="an actor needs a name"):
        Actor(" ", "dashboard")
    with pytest.raises(ValueError, match="'mail' is no channel; it is one of command line, dashboard"):
        Actor("ann", "mail")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("prepared") / "data"
    changes.prepare(data)
    return data


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "data")
    return tmp_path / "data"


def test_every_change_there_is_has_a_case_here() -> None:
    assert set(changes.CHANGES) == set(CHANGES)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_leaves_one_audit_row_and_none_where_nothing_changes(data: Path, name: str) -> None:
    before = len(Audit(data).rows())
    changes.CHANGES[name](data)
    rows = Audit(data).rows()
    two = name in (
        "Curation.close_attempt",
        "Curation.rollback",
        "NightTests.place",
    )  # after a first change, which has its own row
    assert len(rows) == before + 1 + two
    assert [row.number for row in rows] == list(range(len(rows), 0, -1))
    who = "reviewer-1" if name in ("Reviews.store_pulled", "Reviews.judge") else "ann"
    channel = "Label Studio" if name == "Reviews.store_pulled" else "command line"
    assert (rows[0].actor, rows[0].channel) == (who, channel)
    assert rows[0].subject
    if name in changes.DONE_ALREADY:
        changes.CHANGES[name](data)
        assert len(Audit(data).rows()) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "stored"), [("before-change", 0), ("within-change", 0), ("after-change", 1)])
@pytest.mark.parametrize("name", ["Nights.keep_schedule", "Reviews.store_pulled"])
def test_a_change_that_is_killed_leaves_its_row_exactly_when_it_was_made(
    data: Path, name: str, phase: str, stored: int
) -> None:
    assert phase in kill_points.CHANGE
    before = len(Audit(data).rows())
    environment = {**os.environ, "WORKBENCH_DIE_AT": phase}
    killed = forked.run("tests.warehouse.changes", data, name, environment=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    made = {
        "Nights.keep_schedule": "SELECT count(*) FROM schedules WHERE name = 'line-9'",
        "Reviews.store_pulled": "SELECT count(*) FROM verdicts",
    }
    assert Database(data).frame(made[name]).item() == stored
    assert len(Audit(data).rows()) == before + stored

    changes.CHANGES["Nights.pause"](data)  # what comes next is numbered on
    assert [row.number for row in Audit(data).rows()] == list(range(before + stored + 1, 0, -1))


def test_an_upgrade_is_on_record(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute((ROOT / "tests/warehouse/schemas/004.sql").read_text(encoding="utf-8"))
    (row,) = Audit(tmp_path).rows()
    assert (row.actor, row.channel, row.action) == ("workbench", "program", "upgrade warehouse")
    assert row.details == '{"from": 4}'
    assert row.subject == f"version {migrations.newest()}"


def test_the_log_is_searched_by_actor_and_subject(data: Path) -> None:
    changes.CHANGES["Curation.publish"](data)
    assert [row.action for row in Audit(data).rows(actor="ann", subject="D/plate/rust")] == [
        "publish text",
        "draft text",
    ]
    assert Audit(data).rows(actor="nobody") == []
    assert isinstance(Audit(data).rows(limit=1)[0], AuditRow)


def test_an_entry_of_another_actor_stands_beside_who_stored_it() -> None:
    entry = audit.ChangeEntry(ANN, "judge", "dispute", {"stored_by": "line-3 (schedule)"})
    assert str(entry.actor) == "ann (command line)"
