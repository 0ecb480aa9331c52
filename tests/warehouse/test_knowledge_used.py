"""What a run uses of the published knowledge is named by what is in it: texts alone, normals alone, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.curation.test_knowledge_base import TRIAL, attempt
from tests.curation.test_normals import RUST, contents, normal
from tests.people import ANN
from warehouse.database import Database
from warehouse.errors import Refused
from warehouse.queries.curation import Curation
from warehouse.queries.knowledge_used import KnowledgeUsed
from warehouse.queries.normals import Normals
from warehouse.records.curation import KnowledgeTrial
from warehouse.records.scoring import KnowledgeMember, KnowledgeVersion
from warehouse.store import Store

GOOD = ("D", "plate", "good")


def live(data: Path) -> KnowledgeVersion:
    version, _ = Curation(data).published()
    assert version is not None
    return version


def parts(data: Path) -> tuple[str | None, str | None, str | None]:
    """What runs that use texts alone, normals alone, and both would name now."""
    version, _ = Curation(data).published()
    used = KnowledgeUsed(data).name
    return (
        used(version, texts=True, normals=False),
        used(version, texts=False, normals=True),
        used(version, texts=True, normals=True),
    )


@pytest.mark.parametrize("first", ["texts", "normals"])
def test_a_part_keeps_its_name_whatever_becomes_of_the_other(tmp_path: Path, first: str) -> None:
    base, normals = Curation(tmp_path), Normals(tmp_path)
    assert parts(tmp_path) == (None, None, None)
    if first == "texts":
        base.take({RUST: "Brown spots."}, "first", actor=ANN)
        texts, none, both = parts(tmp_path)
        assert (texts, none, both) == (live(tmp_path).version, None, texts)
        normals.take([normal("a")], "train/good", actor=ANN)
    else:
        normals.take([normal("a")], "train/good", actor=ANN)
        assert parts(tmp_path) == (None, live(tmp_path).version, live(tmp_path).version)
        base.take({RUST: "Brown spots."}, "first", actor=ANN)
    texts, pictures, both = parts(tmp_path)
    assert both == live(tmp_path).version
    assert len({texts, pictures, both}) == 3

    normals.take([normal("b")], "more", actor=ANN)
    more = parts(tmp_path)
    assert more[0] == texts
    assert pictures not in more
    normals.retire([2], "scratched", actor=ANN)
    assert parts(tmp_path) == (texts, pictures, both)
    base.take({GOOD: "Grey."}, "another", whole=False, actor=ANN)
    assert parts(tmp_path)[1] == pictures


def test_whoever_has_the_name_of_a_part_finds_what_is_in_it(tmp_path: Path) -> None:
    Normals(tmp_path).take([normal("a"), normal("b")], "train/good", actor=ANN)
    Curation(tmp_path).take({RUST: "Brown spots."}, "first", actor=ANN)
    before = len(Database(tmp_path).frame("SELECT * FROM audit"))
    for _ in range(2):
        texts, pictures, both = parts(tmp_path)

    found = {
        name: ([each.text for each in Store(tmp_path).knowledge(name)], contents(Normals(tmp_path).of_version(name)))
        for name in (texts, pictures, both)
        if name
    }
    assert found == {texts: (["Brown spots."], ""), pictures: ([], "ab"), both: (["Brown spots."], "ab")}
    assert Database(tmp_path).frame("SELECT version FROM knowledge_trials")["version"].to_list() == [texts]
    assert len(Database(tmp_path).frame("SELECT * FROM audit")) == before  # nobody decided anything


def test_rolling_back_to_a_part_brings_it_back_and_leaves_the_other_where_it_is(tmp_path: Path) -> None:
    base, normals = Curation(tmp_path), Normals(tmp_path)
    normals.take([normal("a")], "train/good", actor=ANN)
    base.take({RUST: "Brown spots."}, "first", actor=ANN)
    texts, pictures, _ = parts(tmp_path)
    normals.take([normal("b")], "more", actor=ANN)
    base.publish("D/plate/rust", base.draft(RUST, "Red spots.", "clearer", actor=ANN).revision, "better", actor=ANN)

    back = base.rollback(texts or "", "worse", actor=ANN)

    assert (back.members, back.normals) == ((KnowledgeMember("D/plate/rust", 1),), (1, 2))
    base.publish("D/plate/rust", 2, "better after all", actor=ANN)
    back = base.rollback(pictures or "", "b is scratched", actor=ANN)
    # The normals were published alone once, and that very set comes back.
    assert (back.members, back.normals) == ((), (1,))


def test_a_set_that_only_a_test_used_is_nothing_to_roll_back_to(tmp_path: Path) -> None:
    base = Curation(tmp_path)
    base.take({RUST: "Brown spots."}, "first", actor=ANN)
    base.draft(RUST, "Red spots.", "clearer", actor=ANN)
    base.open_attempt(attempt(), TRIAL, actor=ANN)
    assert isinstance(TRIAL, KnowledgeTrial)
    assert [each.text for each in Store(tmp_path).knowledge(TRIAL.version)] == ["Red spots."]

    with pytest.raises(Refused, match="no knowledge version t was ever published"):
        base.rollback(TRIAL.version, "why not", actor=ANN)
