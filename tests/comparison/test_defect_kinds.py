"""The kind of a defect by its nearest settled ones: given where they agree and tell kinds apart, else why not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.comparison.pretended import unit
from workbench.comparison.defect_kinds import FEWEST, DefectKinds, SettledDefect
from workbench.comparison.features import Vector

RNG = np.random.default_rng(5)
LOOKS = dict(zip(("scratch", "dent", "stain"), unit(RNG.normal(size=(3, 32))), strict=True))


def look(kind: str, scatter: float = 0.05) -> Vector:
    return unit(LOOKS[kind] + scatter * RNG.normal(size=32))


def settled(counts: dict[str, int], scatter: float = 0.05) -> list[SettledDefect]:
    return [
        SettledDefect(f"{kind} {number}", kind, look(kind, scatter))
        for kind, count in counts.items()
        for number in range(count)
    ]


def test_the_nearest_settled_defects_name_the_kind_and_held_out_they_name_each_others() -> None:
    kinds = DefectKinds(settled({"scratch": 6, "dent": 5}))
    assert {kinds.of(look("scratch")).kind for _ in range(10)} == {"scratch"}
    assert kinds.of(look("dent")).reason == "the 3 nearest settled defects are “dent”"
    assert kinds.held_out == (
        "of 11 settled pieces, each judged by the others, 11 got an answer and 11 of these the right one; always "
        "naming “scratch” is right for 6"
    )


@pytest.mark.parametrize("counts", [{"scratch": 9}, {"scratch": 9, "dent": FEWEST - 1}])
def test_fewer_than_two_kinds_with_enough_settled_pieces_say_nothing(counts: dict[str, int]) -> None:
    answer = DefectKinds(settled(counts)).of(look("scratch"))
    assert answer.kind is None
    assert answer.reason.startswith("fewer than two kinds of defects have 4 settled pieces each (9 “scratch”")


def test_several_pictures_of_a_piece_count_once_and_never_judge_their_own_piece() -> None:
    burst = [SettledDefect("scratch 0", "scratch", look("scratch")) for _ in range(9)]
    assert DefectKinds([*burst, *settled({"dent": 5})]).of(look("scratch")).kind is None  # one piece is no kind
    # A dent that somebody settled as a scratch: with its own piece it would be its own nearest.
    odd = look("dent", 0.0)
    known = [*settled({"scratch": 8, "dent": 8}), *(SettledDefect("odd", "scratch", odd) for _ in range(3))]
    assert DefectKinds(known).of(odd).kind is None
    assert DefectKinds(known).of(odd, "odd").kind == "dent"


def test_kinds_that_do_not_tell_each_other_apart_are_not_named() -> None:
    noise = [SettledDefect(f"{n}", "ab"[n % 2], unit(RNG.normal(size=32))) for n in range(40)]
    answer = DefectKinds(noise).of(unit(RNG.normal(size=32)))
    assert answer.kind is None
    assert "each judged by the others" in answer.reason


def test_where_the_nearest_disagree_or_are_far_nothing_is_said() -> None:
    kinds = DefectKinds(settled({"scratch": 8, "dent": 8}))
    between = kinds.of(unit(LOOKS["scratch"] + LOOKS["dent"]))
    new = kinds.of(look("stain"))
    assert (between.kind, new.kind) == (None, None)
    assert "less like any settled one" in new.reason
    wide = DefectKinds(settled({"scratch": 12, "dent": 12}, scatter=0.12))
    said = {wide.of(unit(LOOKS["scratch"] + share * LOOKS["dent"])).reason for share in np.linspace(0.8, 1.2, 41)}
    assert any(each.startswith("its nearest settled defects disagree: 2 “") for each in said), said
