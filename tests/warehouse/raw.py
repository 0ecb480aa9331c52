"""Rows put into a warehouse as they are, where a test is about reading them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.records.scoring import Description, KnowledgeVersion


def store_knowledge(data: Path, descriptions: Sequence[Description], *versions: KnowledgeVersion) -> None:
    """Revisions, and sets of them that count as published."""
    with Database(data)._transaction() as con:
        insert(con, "descriptions", schema.table(Description, descriptions))
        insert(con, "knowledge_versions", schema.table(KnowledgeVersion, versions))
