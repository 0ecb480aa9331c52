"""Publishing within one transaction: the set, where each revision stands, and the history; what `curation.py` calls.

Takes the caller's connection; commits nothing itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.database import insert
from warehouse.errors import Refused
from warehouse.records.curation import GateAttempt, KnowledgeChange, KnowledgeTrial, NightTest
from warehouse.records.normals import Normal, NormalChange, NormalState
from warehouse.records.scoring import Description, DescriptionState, KnowledgeMember, KnowledgeVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Passed = GateAttempt | NightTest  # the test that lets a revision through

_NEWEST = "SELECT * FROM knowledge_versions ORDER BY published_at DESC LIMIT 1"
# The texts alone or the normals alone of a set that was published; what a test used was not.
_PART = """
    SELECT t.* FROM knowledge_trials AS t WHERE t.version = ? AND EXISTS (
        SELECT 1 FROM knowledge_versions AS v
        WHERE (t.members = v.members AND len(t.normals) = 0) OR (t.normals = v.normals AND len(t.members) = 0)
    )
"""
_TESTS = """
    SELECT is_better FROM (
        SELECT a.opened_at, coalesce(r.verdict = 'better', false) AS is_better
        FROM gate_attempts AS a LEFT JOIN gate_results AS r USING (description_id, revision) WHERE a.budget = ?
        UNION ALL
        SELECT t.opened_at, EXISTS (FROM night_bets AS b WHERE b.test_id = t.test_id AND b.verdict = 'better')
        FROM night_tests AS t WHERE t.budget = ?
    ) ORDER BY opened_at
"""


def share(budget: float, attempt: int) -> float:
    """What of the budget the k-th test spends: budget / (k (k + 1)), so any number of them together stay within it."""
    return budget / (attempt * (attempt + 1))


def next_attempt(con: DuckDBPyConnection, budget: str) -> int:
    """The number of a budget's next test since its last better, from 1; tests at once and over nights count alike."""
    since = 0
    for (is_better,) in con.execute(_TESTS, [budget, budget]).fetchall():
        since = 0 if is_better else since + 1
    return since + 1


def version_name(members: Iterable[Description], normals: Iterable[Normal] = ()) -> str:
    """The name of the set of exactly these revisions and normals: a hash of ids, revisions and texts, and of the
    normals' contents and places. A set without normals is called what it was before there were any.
    """
    texts = sorted((d.description_id, d.revision, d.text) for d in members)
    pictures = sorted((n.content, n.dataset, n.product, n.piece) for n in normals)
    stated = json.dumps([texts, pictures] if pictures else texts)
    return hashlib.sha256(stated.encode()).hexdigest()[:12]


def newest(con: DuckDBPyConnection) -> KnowledgeVersion | None:
    """The published set; None before the first."""
    found = schema.records(KnowledgeVersion, con.sql(_NEWEST).pl())
    return found[0] if found else None


def earlier(con: DuckDBPyConnection, name: str) -> KnowledgeVersion:
    """The set that rolling back to a name publishes: the one published under it; or, where the name is of the texts or
    the normals that a run used, the published set of now with these in the place of its own.

    Raises:
        Refused: no such set was ever published.
    """
    found = schema.records(
        KnowledgeVersion, con.sql("SELECT * FROM knowledge_versions WHERE version = ? LIMIT 1", params=[name]).pl()
    )
    if found:
        return found[0]
    parts, now = schema.records(KnowledgeTrial, con.sql(_PART, params=[name]).pl()), newest(con)
    if not parts or now is None:
        raise Refused(f"no knowledge version {name} was ever published; see `workbench knowledge history`")
    return replace(now, members=parts[0].members) if parts[0].members else replace(now, normals=parts[0].normals)


def keep(con: DuckDBPyConnection, unpublished: KnowledgeTrial) -> None:
    """Keep a set that is used without being published, so that its name can be looked up."""
    con.register("unpublished", schema.table(KnowledgeTrial, [unpublished]))
    con.execute("INSERT INTO knowledge_trials BY NAME SELECT * FROM unpublished ON CONFLICT DO NOTHING")


def as_map(version: KnowledgeVersion | None) -> dict[str, int]:
    """A set's revisions by description."""
    return {member.description_id: member.revision for member in version.members} if version else {}


def members_of(con: DuckDBPyConnection, members: Mapping[str, int]) -> list[Description]:
    """The descriptions of a set, by id.

    Raises:
        Refused: one isn't stored.
    """
    chosen = schema.table(KnowledgeMember, [KnowledgeMember(*item) for item in members.items()])
    con.register("chosen", chosen)
    query = "SELECT d.* FROM descriptions AS d SEMI JOIN chosen USING (description_id, revision)"
    found = schema.records(Description, con.sql(query).pl().sort("description_id"))
    if missing := members.keys() - {d.description_id for d in found}:
        first = min(missing)
        raise Refused(f"{first} has no revision {members[first]}; see `workbench knowledge history`")
    return found


def normals_of(con: DuckDBPyConnection, numbers: Iterable[int]) -> list[Normal]:
    """The normals of a set, by number.

    Raises:
        Refused: one isn't stored.
    """
    wanted = sorted(set(numbers))
    query = "SELECT * FROM normals WHERE number IN (SELECT unnest(?::BIGINT[])) ORDER BY number"
    found = schema.records(Normal, con.sql(query, params=[wanted]).pl())
    if missing := set(wanted) - {each.number for each in found}:
        raise Refused(f"there is no normal {min(missing)}; see `workbench knowledge normals list --all`")
    return found


def publish(
    con: DuckDBPyConnection,
    members: Mapping[str, int],
    author: str,
    reason: str,
    normals: Iterable[int] | None = None,
) -> KnowledgeVersion:
    """Make these revisions and normals the published set: the set, where each stands, and the history, or nothing.

    Args:
        con: within the caller's transaction.
        members: revisions by description.
        author: who does it.
        reason: why.
        normals: numbers; None: those that are published already.
    """
    last = newest(con)
    pictures = normals_of(con, (last.normals if last else ()) if normals is None else normals)
    chosen = members_of(con, members)  # leaves `chosen` registered
    name = version_name(chosen, pictures)
    if last and last.version == name and last.normals == tuple(each.number for each in pictures):
        return last
    # The newest row is the pointer: a clock that was set back must not point elsewhere.
    at = max(datetime.now(UTC), last.published_at + timedelta(microseconds=1)) if last else datetime.now(UTC)
    ordered = tuple(KnowledgeMember(d.description_id, d.revision) for d in chosen)
    version = KnowledgeVersion(name, ordered, at, tuple(each.number for each in pictures))
    insert(con, "knowledge_versions", schema.table(KnowledgeVersion, [version]))
    before = as_map(last)
    came = [(key, revision) for key, revision in sorted(members.items()) if before.get(key) != revision]
    left = [(key, revision) for key, revision in sorted(before.items()) if members.get(key) != revision]
    con.execute(
        "UPDATE descriptions SET state = 'retired' WHERE state = 'published' AND NOT EXISTS "
        "(SELECT 1 FROM chosen AS c WHERE c.description_id = descriptions.description_id "
        "AND c.revision = descriptions.revision)"
    )
    con.execute(
        "UPDATE descriptions SET state = 'published' WHERE state <> 'published' AND EXISTS "
        "(SELECT 1 FROM chosen AS c WHERE c.description_id = descriptions.description_id "
        "AND c.revision = descriptions.revision)"
    )
    note(con, left, "retired", name, author, reason)
    note(con, came, "published", name, author, reason)
    had, has = set(last.normals if last else ()), set(version.normals)
    stand_normals(con, sorted(had - has), "retired", name, author, reason)
    stand_normals(con, sorted(has - had), "published", name, author, reason)
    return version


def going_live(members: Mapping[str, int], description_id: str, revision: int, passed: Passed | None) -> dict[str, int]:
    """What goes live with a revision, by description: with it, all drafts that were found better together.

    Args:
        members: what is published.
        passed: the test that lets it through, if one does.

    Raises:
        Refused: one of them was found better than a text that is no longer live.
    """
    drafts, against = {description_id: revision}, members
    if isinstance(passed, NightTest):
        drafts = {each.description_id: each.revision for each in passed.drafts}
        against = {each.description_id: each.revision for each in passed.against}
    elif passed is not None:
        against = {description_id: passed.against} if passed.against else {}
    for key, number in drafts.items():
        if (live := members.get(key)) not in (against.get(key), number):
            raise Refused(
                f"revision {live or 'none'} of {key} was published meanwhile; look at it and publish again, "
                "with a reason"
            )
    return drafts


def stand_normals(
    con: DuckDBPyConnection,
    numbers: Sequence[int],
    state: NormalState,
    version: str | None,
    author: str,
    reason: str,
) -> None:
    """Where these normals stand from now on, with their lines of history."""
    if not numbers:
        return
    con.execute(
        "UPDATE normals SET state = ? WHERE state <> ? AND number IN (SELECT unnest(?::BIGINT[]))",
        [state, state, list(numbers)],
    )
    ((last,),) = con.execute("SELECT coalesce(max(number), 0) FROM normal_changes").fetchall()
    now = datetime.now(UTC)
    rows = [
        NormalChange(number, normal, state, version, author, reason, now)
        for number, normal in enumerate(numbers, start=last + 1)
    ]
    insert(con, "normal_changes", schema.table(NormalChange, rows))


def stand(
    con: DuckDBPyConnection, description_id: str, revision: int, state: DescriptionState, author: str, reason: str
) -> None:
    """Move one revision that isn't published.

    Raises:
        Refused: there is no such revision, or it is published.
    """
    changed = con.execute(
        "UPDATE descriptions SET state = ? WHERE description_id = ? AND revision = ? AND state <> 'published'",
        [state, description_id, revision],
    ).fetchall()
    if changed != [(1,)]:
        raise Refused(f"{description_id} has no unpublished revision {revision}; see `workbench knowledge history`")
    note(con, [(description_id, revision)], state, None, author, reason)


def note(
    con: DuckDBPyConnection,
    keys: Sequence[tuple[str, int]],
    state: DescriptionState,
    version: str | None,
    author: str,
    reason: str,
) -> None:
    """Lines of history, numbered on."""
    ((last,),) = con.execute("SELECT coalesce(max(number), 0) FROM knowledge_changes").fetchall()
    now = datetime.now(UTC)
    rows = [
        KnowledgeChange(number, key, revision, state, version, author, reason, now)
        for number, (key, revision) in enumerate(keys, start=last + 1)
    ]
    insert(con, "knowledge_changes", schema.table(KnowledgeChange, rows))


def next_revision(con: DuckDBPyConnection, description_id: str) -> int:
    """The number of a description's next revision, from 1."""
    ((last,),) = con.execute(
        "SELECT coalesce(max(revision), 0) FROM descriptions WHERE description_id = ?", [description_id]
    ).fetchall()
    return int(last) + 1
