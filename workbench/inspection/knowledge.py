"""The knowledge base: texts about products and their defects, read from a file into revisions and published as a set.

The file is {dataset: {product: {entry: text}}}, MMAD's domain_knowledge.json. It is the whole truth about the data sets
it names: an entry it no longer has leaves the published set, while other data sets stay as they were. Nothing is ever
overwritten: a changed text becomes the entry's next revision, so a run that names its version can always be explained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import RootModel, StringConstraints, ValidationError

from warehouse.records import Description, KnowledgeMember, KnowledgeVersion
from warehouse.store import Store
from workbench.inspection.errors import KnowledgeError

ALIASES = {"MVTec": "DS-MVTec"}  # MMAD's knowledge file and its question file name one data set differently

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _File(RootModel[dict[_Text, dict[_Text, dict[_Text, _Text]]]]):
    """What a knowledge file must look like."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    version: str  # published now
    published: int  # texts in it
    added: int
    changed: int
    unchanged: int
    withdrawn: int  # entries of the file's data sets that it no longer has


def import_file(store: Store, file: Path, author: str = "import") -> Imported:
    """The texts of `file` as new revisions where they are new or changed, and published.

    Raises:
        KnowledgeError: the file can't be read or has another shape.
    """
    texts = read(file)
    now = datetime.now(UTC)
    reason = f"imported from {file.name}"
    version, published = store.published_knowledge()
    latest = {row["description_id"]: row for row in store.descriptions(latest=True).iter_rows(named=True)}
    revisions: list[Description] = []
    members: list[Description] = []
    for (dataset, product, entry), text in texts.items():
        description_id = f"{dataset}/{product}/{entry}"
        known = latest.get(description_id)
        if known is not None and known["text"] == text:
            members.append(Description(**known))
            continue
        revision = known["revision"] + 1 if known is not None else 1
        members.append(
            Description(
                description_id, revision, dataset, product, entry, text, "published", author, reason, created_at=now
            )
        )
        revisions.append(members[-1])
    datasets = {dataset for dataset, _, _ in texts}
    kept = [description for description in published if description.dataset not in datasets]
    before = {description.description_id for description in published if description.dataset in datasets}
    new = version_of([*members, *kept], published_at=now)
    if revisions:
        store.add_descriptions(revisions)
    if version is None or version.version != new.version:
        store.publish(new)
    added = sum(description.revision == 1 for description in revisions)
    return Imported(
        version=new.version,
        published=len(new.members),
        added=added,
        changed=len(revisions) - added,
        unchanged=len(members) - len(revisions),
        withdrawn=len(before - {description.description_id for description in members}),
    )


def read(file: Path) -> dict[tuple[str, str, str], str]:
    """(dataset, product, entry) -> text, sorted.

    Raises:
        KnowledgeError: the file can't be read, or isn't {dataset: {product: {entry: text}}}.
    """
    try:
        content = _File.model_validate_json(file.read_bytes()).root
    except OSError as error:
        raise KnowledgeError(f"cannot read the knowledge file {file}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = " / ".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        raise KnowledgeError(
            f"{file} is not {{dataset: {{product: {{entry: text}}}}}}: at {place}: {first['msg']}"
        ) from None
    texts = {
        (ALIASES.get(dataset, dataset), product, entry): text
        for dataset, products in content.items()
        for product, entries in products.items()
        for entry, text in entries.items()
    }
    if not texts:
        raise KnowledgeError(f"{file} holds no texts")
    return dict(sorted(texts.items()))


def version_of(descriptions: Iterable[Description], published_at: datetime) -> KnowledgeVersion:
    """The version made of exactly these revisions; named by their ids, revisions and texts."""
    ordered = sorted(descriptions, key=lambda description: description.description_id)
    stated = json.dumps([(d.description_id, d.revision, d.text) for d in ordered])
    return KnowledgeVersion(
        version=hashlib.sha256(stated.encode()).hexdigest()[:12],
        members=tuple(KnowledgeMember(d.description_id, d.revision) for d in ordered),
        published_at=published_at,
    )
