"""Normals: good pictures that others are compared with; where each stands, and how it came there.

A normal is curated as a text is. It is proposed, published or retired; the published set (`publishing.py`) names its
normals beside its texts, so that publishing is one transaction, a run's version names the very pictures, and rolling
back publishes an earlier set's. A kill leaves the state before a change or the state after.

Its identity is its content. Where somebody moves a picture to another piece, that is a new row of the same content, and
the former is retired. A retired normal stays retired until a person publishes it again: no import brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.audit import Change
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.queries import publishing
from warehouse.records.audit import Actor
from warehouse.records.judgements import settlement_id
from warehouse.records.normals import Normal, NormalChange, NormalState
from warehouse.records.scoring import Entry, KnowledgeVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What people settled of whole images: the newest where several cases of one do.
_LABELS = """
    SELECT image_id, question_id, label, author FROM settled WHERE labels
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY settled_at DESC, question_id) = 1
"""
_NEWEST_OF_CONTENT = "SELECT * FROM normals QUALIFY row_number() OVER (PARTITION BY content ORDER BY number DESC) = 1"
# By content, one row where somebody calls a picture defective, or another picture of its piece: who, and what. The
# archive's word counts even where people settled otherwise: a label that is wrong is put right in the archive.
_DEFECTIVE = f"""
    WITH defective AS (
        SELECT e.*, CASE WHEN e.label = 'defective' THEN 'its archive' ELSE l.author END AS who
        FROM entries AS e LEFT JOIN ({_LABELS}) AS l USING (image_id)
        WHERE e.label = 'defective' OR l.label = 'defective'
    )
    SELECT content, min(says) FROM (
        SELECT content, who || ' says that it is defective (' || path || ')' AS says FROM defective
        UNION ALL
        SELECT e.content, d.who || ' says that another picture of its piece is defective (' || d.path || ')'
        FROM entries AS e JOIN defective AS d ON e.archive_id = d.archive_id AND e.product = d.product
            AND e.serial = d.serial AND e.lot IS NOT DISTINCT FROM d.lot AND e.content <> d.content
    ) GROUP BY content
"""


_STATES: tuple[NormalState, ...] = ("proposed", "published", "retired")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that was not taken as a normal, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class TakenNormals:
    """What an import or a proposal did."""

    version: str | None  # published now
    published: int  # normals in it
    added: int
    changed: int  # those whose piece is another than before
    unchanged: int
    retired: int  # left retired, as somebody retired them
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class ConfirmedGood:
    """A picture that a run called defective and people settled as good."""

    entry: Entry
    judgement_id: str  # the settlement
    author: str  # whose it is


class Normals:
    """The normals of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    # Reading.

    def published(self) -> list[Normal]:
        """The normals of the published set, by number."""
        return self.in_state("published")

    def of_version(self, version: str) -> list[Normal]:
        """The normals of a version, published or only tested, by number."""
        return self._database.records(
            Normal,
            "SELECT * FROM normals WHERE number IN (SELECT unnest(any_value(normals)) FROM "
            "(SELECT version, normals FROM knowledge_versions UNION ALL SELECT version, normals FROM knowledge_trials) "
            "WHERE version = ?) ORDER BY number",
            [version],
        )

    def in_state(self, *states: NormalState, product: str | None = None) -> list[Normal]:
        """Normals that stand there now, by number; of one product, as `dataset/product`, or of all."""
        return self._database.records(
            Normal,
            "SELECT * FROM normals WHERE list_contains(?, state) "
            "AND coalesce(dataset || '/' || product = ?, true) ORDER BY number",
            [list(states), product],
        )

    def standing(self) -> list[Normal]:
        """The newest row of every content, by number: where each stands, and where it comes from."""
        return self._database.records(Normal, f"{_NEWEST_OF_CONTENT} ORDER BY number")

    def entries_of(self, contents: Iterable[str]) -> dict[str, Entry]:
        """An entry of each of these contents that is known, of whatever archive; the first by archive and path."""
        rows = self._database.frame(
            "SELECT * FROM entries WHERE list_contains(?, content) "
            "QUALIFY row_number() OVER (PARTITION BY content ORDER BY archive_id, path) = 1",
            [list(contents)],
        )
        return {each.content: each for each in schema.records(Entry, rows)}

    def retired_contents(self) -> set[str]:
        """Contents of pictures that somebody retired, and that stand nowhere else."""
        query = "SELECT content FROM normals GROUP BY content HAVING bool_and(state = 'retired')"
        return set(self._database.frame(query)["content"])

    def named(self, name: str) -> Normal:
        """The newest normal of a content, by the first digits of it.

        Raises:
            Refused: there is none, or there are several.
        """
        found = self._database.records(
            Normal, "SELECT * FROM normals WHERE starts_with(content, ?) ORDER BY number", [name.lower()]
        )
        contents = sorted({each.content for each in found})
        if not name or not contents:
            raise Refused(f"there is no normal {name}; see `workbench knowledge normals list --all`")
        if len(contents) > 1:
            raise Refused(f"{name} may be {contents[0][:12]} or {contents[1][:12]}; give more of its digits")
        return found[-1]

    def changes(self, normal: int | None = None, limit: int = 1000) -> list[NormalChange]:
        """History, newest first; of one normal, by number, or of all."""
        return self._database.records(
            NormalChange,
            f"SELECT * FROM normal_changes WHERE normal = coalesce(?, normal) ORDER BY number DESC LIMIT {limit:d}",
            [normal],
        )

    def confirmed_good(self) -> list[ConfirmedGood]:
        """Pictures that people settled as good although a run called them defective, and that are no normal yet."""
        rows = self._database.frame(
            f"SELECT e.*, l.author AS settled_by, l.question_id AS settled_question FROM ({_LABELS}) AS l "
            "JOIN entries AS e USING (image_id) WHERE l.label = 'good' "
            "AND image_id IN (SELECT image_id FROM facts WHERE claim = 'defective') "
            "AND e.content NOT IN (SELECT content FROM normals) ORDER BY e.archive_id, e.path"
        )
        return [
            ConfirmedGood(entry, settlement_id(entry.image_id, question_id), author)
            for entry, question_id, author in zip(
                schema.records(Entry, rows), rows["settled_question"], rows["settled_by"], strict=True
            )
        ]

    def known_cases(self, products: Iterable[tuple[str, str]], without: Iterable[str]) -> list[Entry]:
        """Pictures of these products (dataset, product) whose truth is known, none of them a normal or among the
        contents `without`; their label is what people settled, else the archive's.
        """
        names = [f"{dataset}/{product}" for dataset, product in products]
        rows = self._database.frame(
            "SELECT e.* REPLACE (coalesce(l.label, e.label) AS label) FROM entries AS e "
            f"LEFT JOIN ({_LABELS}) AS l USING (image_id) WHERE list_contains(?, e.dataset || '/' || e.product) "
            "AND coalesce(l.label, e.label) IS NOT NULL AND NOT list_contains(?, e.content) "
            "AND e.content NOT IN (SELECT content FROM normals WHERE state = 'published') "
            "ORDER BY e.path, e.image_id",
            [names, list(without)],
        )
        return schema.records(Entry, rows)

    def contradicted(self, *states: NormalState) -> list[LeftOut]:
        """Of the normals that stand there those that somebody calls defective, or no longer good; by path."""
        return [
            LeftOut(path, reason)
            for path, reason in self._database.frame(
                f"SELECT n.path, coalesce(d.says, 'the verdict that it is good was taken back') "
                f"FROM normals AS n LEFT JOIN ({_DEFECTIVE}) AS d(content, says) USING (content) "
                "WHERE list_contains(?, n.state) AND (d.says IS NOT NULL OR ("
                "n.judgement_id IN (SELECT judgement_id FROM judgements) AND n.judgement_id NOT IN "
                "(SELECT 'settled ' || image_id || ' ' || question_id FROM settled "
                "WHERE label = 'good'))) ORDER BY n.path, n.number",
                [list(states)],
            ).iter_rows()
        ]

    # Changing.

    def take(self, pictures: Iterable[Normal], reason: str, publish: bool = True, *, actor: Actor) -> TakenNormals:
        """Pictures that something calls good, in one transaction: new ones as normals, published or proposed.

        A picture that its archive or people call defective is left out, and so is one that is a normal of another
        product; whichever comes first by path counts. `number`, `state`, author, reason and time are worked out here.
        """
        with self._database.changing(actor, "import normals" if publish else "propose normals", "normals") as change:
            con, now = change.con, datetime.now(UTC)
            newest = publishing.newest(con)
            known = _newest_of_content(con)
            defective = dict(con.execute(_DEFECTIVE).fetchall())
            ((last,),) = con.execute("SELECT coalesce(max(number), 0) FROM normals").fetchall()
            members = set(newest.normals if newest else ())
            added: list[Normal] = []
            moved: list[Normal] = []
            replaced: list[Normal] = []
            promoted: list[int] = []
            left_out: list[LeftOut] = []
            taken: dict[str, str] = {}
            unchanged = retired = 0
            for each in sorted(pictures, key=lambda one: (one.archive_id, one.path, one.content)):
                before = known.get(each.content)
                why = _why_not(each, before, defective)
                if why is None and each.content in taken:
                    why = f"it is the same picture as {taken[each.content]}"
                if why is not None:
                    left_out.append(LeftOut(each.path, why))
                    continue
                taken[each.content] = each.path
                if before is not None and before.state == "retired":
                    retired += 1
                elif before is not None and before.piece == each.piece:
                    unchanged += 1
                    promoted += [before.number] if publish and before.state == "proposed" else []
                else:
                    last += 1
                    state: NormalState = "published" if publish else "proposed"
                    made = replace(each, number=last, state=state, author=actor.name, reason=reason, created_at=now)
                    (moved if before else added).append(made)
                    replaced += [before] if before else []
            new = [*added, *moved]
            insert(con, "normals", schema.table(Normal, new))
            aside = [each.number for each in replaced if each.state == "proposed"]
            publishing.stand_normals(con, aside, "retired", None, actor.name, reason)
            if publish:
                members -= {each.number for each in replaced}
                members |= {each.number for each in new} | set(promoted)
                newest = _publish(change, members, reason) if new or promoted else newest
            else:
                publishing.stand_normals(con, [each.number for each in new], "proposed", None, actor.name, reason)
            change.happened = bool(new or promoted)
            change.details.update(
                reason=reason, published=publish, added=len(added), changed=len(moved), left_out=len(left_out)
            )
            return TakenNormals(
                version=newest.version if newest else None,
                published=len(newest.normals) if newest else 0,
                added=len(added),
                changed=len(moved),
                unchanged=unchanged,
                retired=retired,
                left_out=tuple(left_out),
            )

    def adopt(self, pictures: Iterable[Normal], reason: str, publish: bool = True, *, actor: Actor) -> TakenNormals:
        """Normals with states, authors and times of their own, as an export holds them, in one transaction.

        Where one is known here already, only its state changes: to retired, or from proposed to published; what
        somebody retired here stays retired, and so does what the export doesn't name stay as it is.

        Args:
            pictures: one of each content.
            reason: of the history's lines.
            publish: False takes published ones as proposed.
            actor: who brings them.
        """
        with self._database.changing(actor, "adopt normals", "normals") as change:
            con, newest = change.con, publishing.newest(change.con)
            known, defective = _newest_of_content(con), dict(con.execute(_DEFECTIVE).fetchall())
            ((last,),) = con.execute("SELECT coalesce(max(number), 0) FROM normals").fetchall()
            members = set(newest.normals if newest else ())
            added: list[Normal] = []
            gone: list[int] = []
            promoted: list[int] = []
            left_out: list[LeftOut] = []
            unchanged = retired = 0
            for each in sorted(pictures, key=lambda one: (one.archive_id, one.path, one.content)):
                before = known.get(each.content)
                why = _why_not(each, before, {} if each.state == "retired" else defective)
                if why is not None:
                    left_out.append(LeftOut(each.path, why))
                elif before is None:
                    state: NormalState = "proposed" if each.state == "published" and not publish else each.state
                    added.append(replace(each, number=last + len(added) + 1, state=state))
                elif before.state == "retired" and each.state != "retired":
                    retired += 1
                else:
                    unchanged += 1
                    moved = (before.state, each.state)
                    gone += [before.number] if before.state != each.state == "retired" else []
                    promoted += [before.number] if publish and moved == ("proposed", "published") else []
            insert(con, "normals", schema.table(Normal, added))
            by_state = {state: [each.number for each in added if each.state == state] for state in _STATES}
            publishing.stand_normals(con, by_state["proposed"], "proposed", None, actor.name, reason)
            aside = [*by_state["retired"], *(number for number in gone if number not in members)]
            publishing.stand_normals(con, aside, "retired", None, actor.name, reason)
            after = (members - set(gone)) | {*by_state["published"], *promoted}
            if after != members:
                newest = _publish(change, after, reason)
            change.happened = bool(added or gone or promoted)
            change.details.update(
                reason=reason, published=publish, added=len(added), retired=len(gone), left_out=len(left_out)
            )
            return TakenNormals(
                version=newest.version if newest else None,
                published=len(newest.normals) if newest else 0,
                added=len(added),
                changed=len(gone) + len(promoted),
                unchanged=unchanged - len(gone) - len(promoted),
                retired=retired,
                left_out=tuple(left_out),
            )

    def publish(self, numbers: Sequence[int], reason: str, *, actor: Actor) -> KnowledgeVersion:
        """The published set with these normals in it; of each one's content no other row stays.

        Raises:
            Refused: there is no such normal, or somebody says that it is defective.
        """
        with self._database.changing(actor, "publish normals", _named(numbers)) as change:
            con = change.con
            chosen = publishing.normals_of(con, numbers)
            defective = dict(con.execute(_DEFECTIVE).fetchall())
            for each in chosen:
                if why := _why_not(each, None, defective):
                    raise Refused(f"normal {each.content[:12]} ({each.path}) is not published: {why}")
            contents = {each.content for each in chosen}
            newest = publishing.newest(con)
            live = publishing.normals_of(con, newest.normals if newest else ())
            members = {each.number for each in live if each.content not in contents} | {each.number for each in chosen}
            change.happened = members != {each.number for each in live}
            return _publish(change, members, reason)

    def retire(self, numbers: Sequence[int], reason: str, *, actor: Actor) -> KnowledgeVersion | None:
        """The published set without these normals; proposed ones are put aside.

        Raises:
            Refused: there is no such normal, or all are retired already.
        """
        with self._database.changing(actor, "retire normals", _named(numbers)) as change:
            con, newest = change.con, publishing.newest(change.con)
            chosen = publishing.normals_of(con, numbers)
            standing = [each.number for each in chosen if each.state != "retired"]
            if not standing:
                raise Refused(f"normal {chosen[0].content[:12]} is retired already" if chosen else "no normal is named")
            live = set(newest.normals if newest else ())
            aside = [number for number in standing if number not in live]
            publishing.stand_normals(con, aside, "retired", None, actor.name, reason)
            change.details.update(reason=reason)
            if live & set(standing):
                newest = _publish(change, live - set(standing), reason)
            return newest


def _newest_of_content(con: DuckDBPyConnection) -> dict[str, Normal]:
    return {each.content: each for each in schema.records(Normal, con.sql(_NEWEST_OF_CONTENT).pl())}


def _why_not(each: Normal, before: Normal | None, defective: dict[str, str]) -> str | None:
    """Why a picture can't be a normal; None where it can."""
    if says := defective.get(each.content):
        return says
    if before is not None and (before.dataset, before.product) != (each.dataset, each.product):
        return f"it is a normal of {before.dataset}/{before.product} already"
    return None


def _publish(change: Change, members: Iterable[int], reason: str) -> KnowledgeVersion:
    """Publish these normals beside the texts that are published, within a change whose audit row names the version."""
    texts = publishing.as_map(publishing.newest(change.con))
    made = publishing.publish(change.con, texts, change.actor.name, reason, normals=members)
    change.details.update(version=made.version, reason=reason)
    return made


def _named(numbers: Sequence[int]) -> str:
    return f"normal {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} normals"
