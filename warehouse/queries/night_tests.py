"""Tests of drafts over nights: opened once, and one bet for each night, written once or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.queries import publishing
from warehouse.queries.facts import CLUSTER
from warehouse.records.audit import Actor
from warehouse.records.curation import NightBet, NightTest, NightVerdict
from warehouse.records.scoring import Description

# Which revisions of a text are or were tested over nights, and whether that goes on.
_SAME_TEXT = """
    SELECT d.revision, d.state = 'testing' AND NOT EXISTS (
        FROM night_bets AS b WHERE b.test_id = t.test_id AND b.verdict <> 'still gathering'
    ) FROM (SELECT test_id, unnest(drafts, recursive := true) FROM night_tests) AS t
    JOIN descriptions AS d USING (description_id, revision) WHERE description_id = ?
"""
# How many pieces of a run a text is for and somebody knows the answer of.
_PICTURES = f"""
    SELECT run_id, count(DISTINCT cluster_id) AS pictures FROM (
        SELECT run_id, {CLUSTER} FROM predictions
        WHERE list_contains(?, run_id) AND status <> 'failed' AND correct_answer IS NOT NULL AND product = ? AND
            CASE WHEN ? = 'good' THEN label = 'good' ELSE lower(replace(defect, '_', ' ')) = ? END
    ) GROUP BY run_id
"""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A test over nights with its bets, oldest first."""

    test: NightTest
    bets: tuple[NightBet, ...]

    @property
    def verdict(self) -> NightVerdict:
        """What it says by now."""
        return self.bets[-1].verdict if self.bets else "still gathering"

    @property
    def why(self) -> str:
        """Why, in one sentence."""
        return self.bets[-1].why if self.bets else "no night has brought a picture yet that counts"


class NightTests:
    """The tests over nights of one data folder. Cheap to make."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def all(self, budget: str | None = None) -> list[Gathered]:
        """Every test, oldest first; of one product or of all."""
        with self._database.reading() as con:
            tests = con.sql(
                "SELECT * FROM night_tests WHERE budget = coalesce(?, budget) ORDER BY opened_at, test_id",
                params=[budget],
            ).pl()
            bets = con.sql(
                "SELECT b.* FROM night_bets AS b JOIN night_tests AS t USING (test_id) "
                "WHERE t.budget = coalesce(?, t.budget) ORDER BY b.test_id, b.number",
                params=[budget],
            ).pl()
        placed: dict[str, list[NightBet]] = {}
        for bet in schema.records(NightBet, bets):
            placed.setdefault(bet.test_id, []).append(bet)
        return [Gathered(test, tuple(placed.get(test.test_id, ()))) for test in schema.records(NightTest, tests)]

    def of(self, description_id: str, revision: int) -> Gathered | None:
        """The revision's test, if one was opened."""
        return next((each for each in self.all() if (description_id, revision) in _keys(each.test)), None)

    def pictures(self, text: Description, run_ids: Sequence[str]) -> dict[str, int]:
        """How many pieces of known answer each run has that the text is for, by its product and defect."""
        entry = text.entry.casefold().replace("_", " ")
        found = self._database.frame(_PICTURES, [list(run_ids), text.product, entry, entry])
        return dict.fromkeys(run_ids, 0) | dict(found.iter_rows())

    def next_share(self, budget: str, whole: float) -> float:
        """What a product's next test may spend of a whole budget."""
        with self._database.reading() as con:
            return publishing.share(whole, publishing.next_attempt(con, budget))

    def open(self, test: NightTest, *, actor: Actor) -> NightTest:
        """Store a test before its first bet, with its place in the budget settled now, and mark its drafts as tested.

        Only `attempt` and `alpha` are worked out here; the given `alpha` is the whole budget.

        Raises:
            Refused: a draft is tested over nights already, or another revision of its text is.
        """
        with self._database.changing(actor, "open test over nights", test.budget) as change:
            con = change.con
            for draft in test.drafts:
                for revision, is_open in con.execute(_SAME_TEXT, [draft.description_id]).fetchall():
                    if revision == draft.revision or is_open:
                        raise Refused(_second(draft.description_id, draft.revision, revision))
            number = publishing.next_attempt(con, test.budget)
            made = replace(test, attempt=number, alpha=publishing.share(test.alpha, number))
            change.details.update(
                test=made.test_id, attempt=number, alpha=made.alpha,
                drafts=[f"{each.description_id} r{each.revision}" for each in made.drafts],
            )  # fmt: skip
            insert(con, "night_tests", schema.table(NightTest, [made]))
            for draft in made.drafts:
                publishing.stand(
                    con, draft.description_id, draft.revision, "testing", actor.name, f"test {number}, over nights"
                )
        return made

    def place(self, bet: NightBet, *, actor: Actor) -> bool:
        """Store a night's bet; False when that night's is stored already.

        Raises:
            Refused: another night's came in between, or the test has its verdict.
        """
        with self._database.changing(actor, "place night's bet", bet.test_id) as change:
            stored = schema.records(
                NightBet,
                change.con.sql("SELECT * FROM night_bets WHERE test_id = ? ORDER BY number", params=[bet.test_id]).pl(),
            )
            change.happened = (bet.schedule, bet.due_at) not in [(each.schedule, each.due_at) for each in stored]
            if not change.happened:
                return False
            if bet.number != len(stored) + 1 or (stored and stored[-1].verdict != "still gathering"):
                raise Refused(f"the bets of test {bet.test_id} went on meanwhile; the next night works on from there")
            change.details.update(night=f"{bet.schedule} {bet.due_at:%Y-%m-%d %H:%M}", verdict=bet.verdict)
            insert(change.con, "night_bets", schema.table(NightBet, [bet]))
        return True


def _second(description_id: str, revision: int, tested: int) -> str:
    if tested == revision:
        return (
            f"{description_id} revision {revision} is or was tested over nights; see where it stands: "
            f"workbench knowledge test {description_id} --revision {revision} --nights"
        )
    return (
        f"{description_id} revision {revision} waits: revision {tested} is tested over nights; wait for its verdict, "
        f"or put it aside: workbench knowledge retire {description_id} --revision {tested} --reason WHY"
    )


def _keys(test: NightTest) -> list[tuple[str, int]]:
    return [(each.description_id, each.revision) for each in test.drafts]
