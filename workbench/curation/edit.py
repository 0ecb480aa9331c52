"""What curators do with the knowledge base: edit, accept a proposal, publish, retire, roll back.

Publishing asks the gate: a revision that its test found better goes live; any other needs a reason, which is kept in
the history beside the verdict it goes against. A text that `lint` blocks never goes live. Knows nothing of how a test
is run (`trial.py`) or of the screen.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warehouse import names
from warehouse.queries.curation import Curation, Place
from warehouse.queries.night_tests import Gathered, NightTests
from warehouse.queries.publishing import Passed
from warehouse.records.audit import Actor
from warehouse.records.curation import GateAttempt, GateResult, Origin, Sentence
from warehouse.records.scoring import Description, KnowledgeVersion
from warehouse.store import Store
from workbench import wording
from workbench.curation import lint
from workbench.curation.lint import Finding
from workbench.errors import CannotPublish


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored draft, and what a person should look at before testing it."""

    draft: Description
    findings: tuple[Finding, ...]
    alike: tuple[Description, ...]  # the product's other published texts that say nearly the same


def place_of(description_id: str) -> Place:
    """Dataset, product and entry of a description's id.

    Raises:
        CannotPublish: it isn't one.
    """
    parts = names.split(description_id)
    if len(parts) != 3:
        raise CannotPublish(
            f"{description_id!r} is no description: give DATASET/PRODUCT/ENTRY, with %2F for a slash in a name"
        )
    if why := names.problem(parts):
        raise CannotPublish(f"{description_id!r} is no description: {why}")
    return parts[0], parts[1], parts[2]


def retrieval_coverage(windows: Mapping[str, int]) -> str:
    """How much of a text retrieval sees, in words; '' for one it never encoded.

    Args:
        windows: by encoder, as `Vectors.window_counts` has them.
    """
    counts = sorted(set(windows.values()))
    if not counts:
        return ""
    if len(counts) == 1:
        return f"{wording.counted(counts[0], 'window')}, whole text seen"
    each = (f"{wording.counted(count, 'window')} of {encoder}" for encoder, count in sorted(windows.items()))
    return f"{'; '.join(each)}; whole text seen"


def edit(
    store: Store, description_id: str, text: str, reason: str, sentences: Sequence[Sentence] = (), *, actor: Actor
) -> Saved:
    """The text as a draft: the next revision of its description.

    Args:
        sentences: where sentences come from, by their text; those not among them are kept ones or the curator's own.

    Raises:
        CannotPublish: the text is empty, the same as the published one, or the id isn't one.
    """
    place, text = place_of(description_id), text.strip()
    if not text:
        raise CannotPublish(f"the new text of {description_id} is empty; workbench knowledge retire takes one away")
    curation = Curation(store.data)
    published = _live(curation, place)
    before = next((each for each in published if each.description_id == description_id), None)
    if before is not None and before.text == text:
        raise CannotPublish(f"{description_id} says exactly that already (revision {before.revision})")
    findings = check(text, description_id, published)
    near = lint.near_duplicates([*published, _unsaved(place, text)])
    alike = [
        pair.first if pair.second.revision == 0 else pair.second
        for pair in near
        if 0 in (pair.first.revision, pair.second.revision)
    ]
    sources = provenance(text, before.text if before else "", sentences)
    draft = curation.draft(place, text, reason, sources, actor=actor)
    return Saved(draft, tuple(findings), tuple(each for each in alike if each.description_id != description_id))


def revision(store: Store, description_id: str, number: int | None = None) -> Description:
    """The revision of that number, or the newest.

    Raises:
        CannotPublish: there is none.
    """
    found = Curation(store.data).revisions(description_id)
    chosen = next((each for each in reversed(found) if number in (None, each.revision)), None)
    if chosen is None:
        what = "description" if number is None else f"revision {number} of"
        raise CannotPublish(f"there is no {what} {description_id}; `workbench knowledge history` shows what there is")
    return chosen


def check(text: str, description_id: str, published: Sequence[Description]) -> list[Finding]:
    """What `lint` says about a text in its place among the published ones."""
    dataset, product, entry = place_of(description_id)
    siblings = [
        each
        for each in published
        if (each.dataset, each.product) == (dataset, product) and each.description_id != description_id
    ]
    return lint.lint(text, entry, siblings)


def provenance(text: str, before: str, known: Sequence[Sentence] = ()) -> list[Sentence]:
    """Every sentence of a text with where it comes from: a verdict or the model if `known` has it, else kept or own."""
    kept = {_plain(each) for each in lint.sentences(before)}
    rows: list[Sentence] = []
    for place, sentence in enumerate(lint.sentences(text), start=1):
        sources = [each for each in known if _plain(each.text) == _plain(sentence)]
        rows += [
            Sentence("", 0, place, sentence, each.origin, each.dispute_id, each.verdict_id, each.image_id)
            for each in sources
        ]
        if not sources:
            origin: Origin = "kept" if _plain(sentence) in kept else "curator"
            rows.append(Sentence("", 0, place, sentence, origin, None, None, None))
    return rows


def publish(
    store: Store, description_id: str, revision: int, reason: str | None = None, *, actor: Actor
) -> KnowledgeVersion:
    """The published set with this revision in it, live for the next run.

    Args:
        reason: why, where the gate didn't say better; kept beside its verdict.

    Raises:
        CannotPublish: `lint` blocks the text, or the gate didn't say better and no reason is given.
        Refused: there is no such revision, or another was published at this very moment.
    """
    curation = Curation(store.data)
    draft = curation.revision(description_id, revision)
    published = _live(curation, place_of(description_id))
    blocking = [each for each in check(draft.text, description_id, published) if each.blocks]
    if blocking:
        raise CannotPublish(
            f"{description_id} revision {revision} can't go live: {blocking[0].rule}: {blocking[0].message}"
        )
    live = next((each.revision for each in published if each.description_id == description_id), None)
    attempt, result = curation.attempt(description_id, revision), curation.result(description_id, revision)
    nights = NightTests(store.data).of(description_id, revision)
    against = standing(draft, attempt, result, live, nights)
    passed: Passed | None = None
    if against is None:
        said = reason or "the gate says better"
        over_nights = nights is not None and nights.verdict == "better" and not _is_better(result)
        passed = nights.test if nights is not None and over_nights else attempt
    elif reason and reason.strip():
        said = f"against the gate ({against}): {reason.strip()}"
    else:
        raise CannotPublish(
            f"{description_id} revision {revision}: {against}; {next_step(draft, result, nights)}, or publish it all "
            "the same with --reason"
        )
    return curation.publish(description_id, revision, said, passed, actor=actor)


def next_step(draft: Description, result: GateResult | None, nights: Gathered | None) -> str:
    """What can be done next about a revision that the gate doesn't let through, with its command."""
    key, command = draft.description_id, f"workbench knowledge test {draft.description_id}"
    if nights is not None and nights.verdict == "still gathering":
        return f"every night adds its pictures: {command} --nights shows how far it is"
    if nights is not None or (result is not None and result.verdict == "worse"):
        return f"save another text: workbench knowledge edit {key}"
    if result is not None:
        return f"let nights gather evidence: {command} --nights"
    return f"test it with `{command}`, or over the nights to come with `{command} --nights`"


def standing(
    draft: Description,
    attempt: GateAttempt | None,
    result: GateResult | None,
    live: int | None,
    nights: Gathered | None = None,
) -> str | None:
    """Why the gate doesn't let a revision through; None when it does.

    Args:
        live: the description's published revision.
        nights: its test over nights, which is enough by itself.
    """
    if nights is not None and not _is_better(result):
        was = next((each.revision for each in nights.test.against if each.description_id == draft.description_id), None)
        if nights.verdict != "better":
            return f"{nights.verdict}: {nights.why}"
        return _overtaken(draft, was, live)
    if attempt is None:
        return "not tested yet"
    if result is None:
        return "its test has not ended"
    if result.verdict != "better":
        return f"{result.verdict}: {result.why}"
    return _overtaken(draft, attempt.against, live)


def _overtaken(draft: Description, against: int | None, live: int | None) -> str | None:
    if live in (against, draft.revision):
        return None
    was = f"revision {against}" if against else "nothing"
    return f"it was found better than {was}, but revision {live or 'none'} is published since"


def _is_better(result: GateResult | None) -> bool:
    return result is not None and result.verdict == "better"


def diff(old: str, new: str) -> list[tuple[str, str]]:
    """The new text against the old one, word by word: runs of ("same" | "gone" | "new", words)."""
    before, after = old.split(), new.split()
    runs: list[tuple[str, str]] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            runs.append(("same", " ".join(before[i:j])))
            continue
        runs += [("gone", " ".join(before[i:j]))] if j > i else []
        runs += [("new", " ".join(after[k:m]))] if m > k else []
    return runs


def verdict_of(result: GateResult | None) -> str:
    """A test's verdict in one line."""
    return "not tested" if result is None else f"{result.verdict}: {result.why}"


def _live(curation: Curation, place: Place) -> list[Description]:
    """The product's published texts."""
    return [each for each in curation.of_product(place[0], place[1]) if each.state == "published"]


def _unsaved(place: Place, text: str) -> Description:
    from datetime import UTC, datetime

    return Description(names.join(place), 0, *place, text, "draft", "", "", datetime.now(UTC))


def _plain(sentence: str) -> str:
    return " ".join(sentence.casefold().split()).rstrip(".!? ")
