"""Normals are knowledge: proposed, published, retired, in the version that a run names, with an exact way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.people import ANN, by
from tests.warehouse import rows
from warehouse.errors import Refused
from warehouse.queries.audit import Audit
from warehouse.queries.curation import Curation
from warehouse.queries.normals import LeftOut, Normals
from warehouse.queries.publishing import version_name
from warehouse.records.normals import Normal
from warehouse.store import Store

NOW = datetime(2026, 1, 5, tzinfo=UTC)
RUST = ("D", "plate", "rust")


def normal(digit: str, piece: str | None = None, product: str = "plate", path: str | None = None) -> Normal:
    """A picture that something calls good; its content is the digit over and over."""
    return Normal(
        0, digit * 64, "D", product, piece or digit * 64, "archive", path or f"train/good/{digit}.png", "proposed",
        "normal folder", None, "", "", NOW,
    )  # fmt: skip


def contents(normals: list[Normal]) -> str:
    return "".join(each.content[0] for each in normals)


def test_a_version_without_normals_keeps_its_name_and_normals_change_it(tmp_path: Path) -> None:
    base, normals = Curation(tmp_path), Normals(tmp_path)
    base.take({RUST: "Brown spots."}, "first", actor=ANN)
    version, texts = base.published()
    assert version is not None
    assert version.version == version_name(texts)
    assert version.normals == ()

    taken = normals.take([normal("a"), normal("b")], "train/good", actor=ANN)

    now, same_texts = base.published()
    assert now is not None
    assert (now.version, now.normals) == (taken.version, (1, 2))
    assert now.version != version.version
    assert same_texts == texts
    assert Store(tmp_path).knowledge(now.version) == texts
    assert contents(normals.published()) == contents(normals.of_version(now.version)) == "ab"
    assert normals.of_version(version.version) == []
    moved = normals.take([normal("b", piece="serial 7")], "the sidecar has serials now", actor=ANN)
    assert moved.version not in (version.version, now.version)


def test_a_normal_goes_through_proposed_published_retired_and_back_exactly(tmp_path: Path) -> None:
    base, normals = Curation(tmp_path), Normals(tmp_path)
    first = normals.take([normal("a")], "train/good", actor=ANN)
    normals.take([normal("b")], "confirmed good", publish=False, actor=by("bob"))
    assert contents(normals.published()) == "a"
    assert [each.state for each in normals.in_state("proposed")] == ["proposed"]

    normals.publish([2], "looks right", actor=ANN)
    second = base.published()[0]
    base.take({RUST: "Brown spots."}, "a text", actor=ANN)  # leaves the normals where they are
    assert contents(normals.published()) == "ab"
    normals.retire([1], "scratched", actor=ANN)
    assert contents(normals.published()) == "b"

    assert second is not None
    back = base.rollback(second.version, "a was right", actor=ANN)
    assert (back.version, back.normals, back.members) == (second.version, (1, 2), ())
    assert contents(normals.published()) == "ab"
    base.rollback(first.version or "", "only the first", actor=ANN)
    assert contents(normals.published()) == "a"
    assert [(each.normal, each.state, each.author, each.reason) for each in reversed(normals.changes())] == [
        (1, "published", "ann", "train/good"),
        (2, "proposed", "bob", "confirmed good"),
        (2, "published", "ann", "looks right"),
        (1, "retired", "ann", "scratched"),
        (1, "published", "ann", "a was right"),
        (2, "retired", "ann", "only the first"),
    ]
    assert [row.action for row in reversed(Audit(tmp_path).rows())] == [
        "import normals", "propose normals", "publish normals", "import texts", "retire normals",
        "roll back knowledge", "roll back knowledge",
    ]  # fmt: skip


def test_importing_again_changes_nothing_and_brings_no_retired_normal_back(tmp_path: Path) -> None:
    normals = Normals(tmp_path)
    found = [normal("a"), normal("b"), normal("b", path="train/good/copy.png")]
    taken = normals.take(found, "first", actor=ANN)
    assert (taken.added, taken.published) == (2, 2)
    assert taken.left_out == (LeftOut("train/good/copy.png", "it is the same picture as train/good/b.png"),)
    normals.retire([1], "scratched", actor=ANN)
    version = Curation(tmp_path).published()[0]

    again = normals.take(found, "first", actor=ANN)

    assert (again.added, again.changed, again.unchanged, again.retired) == (0, 0, 1, 1)
    assert Curation(tmp_path).published()[0] == version
    with pytest.raises(Refused, match="normal aaaaaaaaaaaa is retired already"):
        normals.retire([1], "again", actor=ANN)
    normals.publish([1], "it was dust", actor=ANN)
    assert contents(normals.published()) == "ab"


def test_what_somebody_calls_defective_or_another_product_has_is_left_out_with_its_reason(tmp_path: Path) -> None:
    store, normals = Store(tmp_path), Normals(tmp_path)
    bad = rows.entry(1, path="bad.png", content="d" * 64, label="defective")
    store.upsert_entries(bad.archive_id, [bad])
    normals.take([normal("a")], "first", actor=ANN)

    taken = normals.take([normal("a", product="nut", path="nut/a.png"), normal("d")], "more", actor=ANN)

    assert taken.left_out == (
        LeftOut("nut/a.png", "it is a normal of D/plate already"),
        LeftOut("train/good/d.png", "its archive says that it is defective (bad.png)"),
    )
    assert taken.published == 1


def test_a_normal_whose_piece_is_named_later_is_one_normal_still(tmp_path: Path) -> None:
    normals = Normals(tmp_path)
    normals.take([normal("a")], "first", actor=ANN)
    taken = normals.take([normal("a", piece="serial 7")], "serials", actor=ANN)
    assert (taken.changed, taken.published) == (1, 1)
    [live] = normals.published()
    assert (live.content, live.piece) == ("a" * 64, "serial 7")
    normals.publish([1], "the serial was wrong", actor=ANN)
    [live] = normals.published()
    assert (live.number, live.piece) == (1, "a" * 64)
