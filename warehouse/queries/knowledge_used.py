"""What a run uses of the published knowledge, by name: its texts alone, its normals alone, or both.

A set is named after what is in it (`publishing.version_name`), and so is the part of it that a run uses: publishing a
normal leaves the name, and so the digest, of a run that reads texts alone as they were, and the other way round. A part
that never stood published by itself is kept beside the sets that were tested, so that whoever has the name finds its
texts and normals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from warehouse.audit import Flow
from warehouse.database import Database
from warehouse.queries import publishing
from warehouse.records.curation import KnowledgeTrial
from warehouse.records.scoring import Description, KnowledgeMember, KnowledgeVersion

_KNOWN = "SELECT version FROM knowledge_versions UNION SELECT version FROM knowledge_trials"


class KnowledgeUsed:
    """What runs over one data folder use; cheap to make."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def name(self, published: KnowledgeVersion | None, *, texts: bool, normals: bool) -> str | None:
        """The name of the part of a published set that is used; None where that holds nothing.

        Args:
            published: the set.
            texts: whether its texts are used.
            normals: whether its normals are.
        """
        members = published.members if published and texts else ()
        numbers = published.normals if published and normals else ()
        if published is None or not (members or numbers):
            return None
        if (members, numbers) == (published.members, published.normals):
            return published.version
        with self._database.reading() as con:
            name = publishing.version_name(
                publishing.members_of(con, {each.description_id: each.revision for each in members}),
                publishing.normals_of(con, numbers),
            )
        self._keep(KnowledgeTrial(name, members, datetime.now(UTC), numbers))
        return name

    def name_of(self, texts: Sequence[Description]) -> str:
        """The name of a set of exactly these texts, which a run can ask for from now on."""
        members = [KnowledgeMember(each.description_id, each.revision) for each in texts]
        ordered = tuple(sorted(members, key=lambda each: each.description_id))
        name = publishing.version_name(texts)
        self._keep(KnowledgeTrial(name, ordered, datetime.now(UTC)))
        return name

    def _keep(self, unpublished: KnowledgeTrial) -> None:
        with self._database.reading() as con:
            found = con.execute(f"SELECT 1 FROM ({_KNOWN}) WHERE version = ?", [unpublished.version]).fetchone()
        if found is None:
            with self._database.flowing(Flow.RUN) as con:
                publishing.keep(con, unpublished)
