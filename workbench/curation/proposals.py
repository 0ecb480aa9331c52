"""From verdicts to drafts: what reviewers said about a product's defect, gathered into a text a person can accept.

    verdicts (wrong answers, misleading texts, better descriptions) -> by product and defect -> sentences with the
    verdicts behind each -> a person edits and accepts -> a draft that keeps where every sentence came from

Nothing is written by a machine: sentences are the reviewers' own or the published ones. `rewording.py` asks a model for
a wording, which is a suggestion and stays marked as one.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from warehouse import names, schema
from warehouse.errors import WarehouseError, WorkbenchError
from warehouse.queries.curation import Curation, Place
from warehouse.queries.reviews import Reviews
from warehouse.records.audit import Actor
from warehouse.records.curation import Origin, Sentence
from warehouse.records.reviews import Verdict
from warehouse.records.scoring import Description, Entry
from warehouse.store import Store
from workbench import wording
from workbench.curation import edit, lint
from workbench.curation.edit import Saved
from workbench.errors import CannotPublish

logger = logging.getLogger(__name__)

ALIKE = 0.85  # share of equal words from which two reviewers' sentences are one


@dataclass(frozen=True, slots=True)
class ProposedSentence:
    """One sentence of a proposal and the verdicts that say it."""

    text: str
    origin: Origin
    sources: tuple[Sentence, ...]  # one per verdict

    @property
    def votes(self) -> int:
        """How many verdicts say it."""
        return len(self.sources)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A better text for one description, as reviewers would have it."""

    description_id: str
    place: Place  # dataset, product, entry
    sentences: tuple[ProposedSentence, ...]
    verdicts: tuple[str, ...]  # all behind it
    images: tuple[str, ...]
    why: str
    findings: tuple[lint.Finding, ...]

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What verdicts propose."""

    proposals: tuple[Proposal, ...]  # those with most verdicts first
    problems: tuple[str, ...]  # what nothing could be made of, each with the reason


def waiting(store: Store) -> Waiting:
    """Proposals from verdicts that no revision was made of yet. One that fails, however it does, stops no other."""
    verdicts = schema.records(Verdict, Reviews(store.data).verdicts())
    told = [each for each in verdicts if each.better_description or each.explanation == "misleads"]
    if not any(each.better_description for each in told):
        return Waiting((), ())
    published = {each.description_id: each for each in Curation(store.data).published()[1]}
    by_place: dict[Place, list[Verdict]] = {}
    found: list[Proposal] = []
    problems: list[str] = []
    for verdict in told:
        with _alone(problems, f"verdict {verdict.verdict_id}"):
            if place := _about(store, verdict, published):
                by_place.setdefault(place, []).append(verdict)
    for place, some in sorted(by_place.items()):
        description_id = names.join(place)
        with _alone(problems, description_id):
            used = {each.verdict_id for each in Curation(store.data).sentences(description_id)}
            new = [each for each in some if each.verdict_id not in used]
            if any(each.better_description for each in new):
                found.append(propose(place, new, published.get(description_id), list(published.values())))
    return Waiting(tuple(sorted(found, key=lambda each: (-len(each.verdicts), each.description_id))), tuple(problems))


@contextmanager
def _alone(problems: list[str], what: str) -> Iterator[None]:
    """Keep what fails within as a problem of its own; a warehouse or a disk that fails isn't one item's."""
    try:
        yield
    except (WarehouseError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever was raised, the others are proposed
        logger.warning("proposal=%s failed: %s", what, error)
        problems.append(f"{what}: {error if isinstance(error, WorkbenchError) else repr(error)}")


def propose(
    place: Place, verdicts: Sequence[Verdict], before: Description | None, published: Sequence[Description]
) -> Proposal:
    """The text these verdicts ask for, of the description at a place.

    A published text that a reviewer called misleading gives way to theirs; else its sentences stay and theirs follow.
    Sentences that say nearly the same are one, in the words of who said it first; most-said ones come first.
    """
    description_id = names.join(place)
    misleading = sum(each.explanation == "misleads" for each in verdicts)
    kept = lint.sentences(before.text) if before and not misleading else []
    groups: list[tuple[str, list[Sentence]]] = []
    for verdict in verdicts:
        for sentence in lint.sentences(verdict.better_description or ""):
            source = Sentence(
                description_id, 0, 0, sentence, "verdict", verdict.dispute_id, verdict.verdict_id, verdict.image_id
            )
            if any(_alike(sentence, each) for each in kept):
                continue
            same = next((sources for text, sources in groups if _alike(sentence, text)), None)
            if same is None:
                groups.append((sentence, [source]))
            elif all(each.verdict_id != verdict.verdict_id for each in same):
                same.append(source)
    groups.sort(key=lambda group: -len(group[1]))
    sentences = [ProposedSentence(text, "kept", ()) for text in kept]
    sentences += [ProposedSentence(text, "verdict", tuple(sources)) for text, sources in groups]
    text = " ".join(each.text for each in sentences)
    better = sum(bool(each.better_description) for each in verdicts)
    wrong = sum(each.decision == "wrong" for each in verdicts)
    return Proposal(
        description_id=description_id,
        place=place,
        sentences=tuple(sentences),
        verdicts=tuple(each.verdict_id for each in verdicts),
        images=tuple(dict.fromkeys(each.image_id for each in verdicts)),
        why=f"{wording.counted(better, 'better text')}, {wording.counted(misleading, 'verdict')} that it misleads, "
        f"{wording.counted(wrong, 'wrong answer')}",
        findings=tuple(edit.check(text, description_id, published)),
    )


def accept(
    store: Store,
    description_id: str,
    text: str | None = None,
    reason: str | None = None,
    rewording: str | None = None,
    *,
    actor: Actor,
) -> Saved:
    """The proposal, edited or as it stands, as a draft.

    Args:
        text: instead of the proposal's own.
        rewording: a model's (`rewording.suggested`), where the text is taken from it: its sentences stay marked so.

    Raises:
        CannotPublish: there is no proposal for this description, or the text says what is published.
    """
    found = next((each for each in waiting(store).proposals if each.description_id == description_id), None)
    if found is None:
        raise CannotPublish(f"no verdict proposes a text for {description_id}; see `workbench knowledge propose`")
    known = [
        Sentence(description_id, 0, 0, each.text, "verdict", one.dispute_id, one.verdict_id, one.image_id)
        for each in found.sentences
        for one in each.sources
    ]
    known += [
        Sentence(description_id, 0, 0, each, "model", None, None, image)
        for each in lint.sentences(rewording or "")
        for image in found.images  # it was made from what was said of these
    ]
    said = text or rewording or found.text
    return edit.edit(store, description_id, said, reason or found.why, known, actor=actor)


def _about(store: Store, verdict: Verdict, published: Mapping[str, Description]) -> Place | None:
    """The description a verdict is about: of the image's product and defect, else the best-ranked of its product."""
    entry = store.entry(verdict.image_id)
    if entry is None:
        return None
    named = entry.defect or ("good" if entry.label == "good" else None)
    if named and (own := _of(entry, named, published)):
        return own
    rows = store.predictions(verdict.run_id, verdict.image_id, verdict.question_id)
    shown = rows["descriptions"].to_list()[0] if rows.height else []
    ranked = [(each["dataset"], each["product"], each["entry"]) for each in shown if each["product"] == entry.product]
    return ranked[0] if ranked else (entry.dataset, entry.product, named) if named else None


def _of(entry: Entry, named: str, published: Mapping[str, Description]) -> Place | None:
    """The published text of the product's entry: of the image's own data set, else of another one."""
    own = [each for each in published.values() if (each.product, each.entry) == (entry.product, named)]
    if not own:
        return None
    best = min(own, key=lambda each: (each.dataset != entry.dataset, each.description_id))
    return best.dataset, best.product, best.entry


def _alike(one: str, other: str) -> bool:
    mine, theirs = one.casefold().split(), other.casefold().split()
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= ALIKE
