"""What questions are shown beside their pictures: any number of sources, all asked the same way.

    views, questions -> `find_all` of the sources -> each question's evidence: words for its prompt, regions, a score

A source is written by subclassing `Source` with a name, a version and `find`; `models.load_sources` creates those that
the settings name. All questions of a block go to a source at once, so that it may look up every picture in one go.

The normal reference is evidence too, and is in a prediction's `evidence_id`, but no source finds it: it is chosen while
the run is planned, because blocks are ordered by their references and seeds follow from them (`archive/references.py`,
and `like_references.py`, by likeness).

Words are untrusted, whatever source they come from. What a tokenizer could take for one of a model's own marks
(`<|im_end|>`, `</think>`) is written with another bracket before it is shown, so that a text stays a text.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from warehouse.errors import WarehouseError
from warehouse.failures import Failure, FailureKind
from warehouse.records.scoring import Description, Entry, Evidence, ImageVector, RetrievedDescription
from workbench.archive.questions import Question
from workbench.model.case import Picture
from workbench.scoring.exceptions import in_words, raise_if_device_lost

logger = logging.getLogger(__name__)

REFERENCE, KNOWLEDGE = "reference", "knowledge"
# What a run's questions can be shown, and the setting's value that leaves it out.
SETTING_WITHOUT: Mapping[str, tuple[str, object]] = {REFERENCE: ("shots", 0), KNOWLEDGE: ("knowledge", "none")}
_MARK = re.compile(r"<(?=[|/!A-Za-z])")


@dataclass(frozen=True, slots=True)
class ShownImage:
    """What a question is asked of: an image of the archive, as it was opened."""

    entry: Entry
    picture: Picture


@dataclass(frozen=True, slots=True)
class KnowledgeText(Evidence):
    """Evidence whose words are a revision of a stored text; a prediction refers to it instead of repeating them."""

    description: Description


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """The evidence for a block's questions."""

    of_questions: list[tuple[Evidence, ...] | Failure]  # in the questions' order; of each, best first
    image_vectors: list[ImageVector] = field(default_factory=list)  # of pictures that had to be encoded


class Source(Protocol):
    """See the module's opening lines."""

    name: str  # of the source, as `Evidence.source` and a run's settings say it
    version: str  # changes with everything that changes what it finds
    encoder: str | None = None  # name and weights of what it encodes pictures with; None: it encodes none

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
        """The evidence for each question, in order.

        Args:
            views: what each question is asked of; questions of one image share one view.
            questions: as many.

        Raises:
            Exception: what a picture did to it. The pictures are then taken one by one, and each that fails again is
                that picture's failure.
        """


def find_all(sources: Sequence[Source], views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
    """What all sources find, in their order, source by source; a failure where one of them failed.

    Raises:
        WarehouseError: the disk or the vectors' files are in trouble, which is no picture's fault.
        DeviceLost: the GPU stopped answering.
    """
    whole = BlockEvidence([()] * len(views))
    for source in sources:
        part = _find(source, views, questions)
        pairs = zip(whole.of_questions, part.of_questions, strict=True)
        whole.of_questions[:] = [_joined(before, found) for before, found in pairs]
        whole.image_vectors.extend(part.image_vectors)
    return whole


def harmless(text: str) -> str:
    """The text as a prompt shows it: nothing in it can be read as a mark of the model's own."""
    return _MARK.sub("‹", text)


def words_of(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """What a prompt is given of it, best first."""
    return tuple(each.words for each in evidence if each.words)


def descriptions_of(evidence: Iterable[Evidence]) -> tuple[RetrievedDescription, ...]:
    """The stored texts among it, ranked from 1."""
    texts = [each for each in evidence if isinstance(each, KnowledgeText)]
    return tuple(
        RetrievedDescription(d.description_id, d.revision, rank, each.score, d.dataset, d.product, d.entry)
        for rank, (d, each) in enumerate(((each.description, each) for each in texts), start=1)
    )


def besides_knowledge(evidence: Iterable[Evidence]) -> tuple[Evidence, ...] | None:
    """What isn't a stored text, which a prediction keeps whole; None where there is nothing."""
    return tuple(each for each in evidence if not isinstance(each, KnowledgeText)) or None


def _find(source: Source, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
    """What one source finds; what it doesn't take is the failure of that picture alone."""
    try:
        found = source.find(views, questions)
        if len(found.of_questions) != len(questions):
            raise ValueError(
                f"results for {len(found.of_questions)} of {len(questions)}: a source answers each question"
            )
        return replace(found, of_questions=[_checked(source, evidence) for evidence in found.of_questions])
    except WarehouseError:
        raise
    except Exception as error:  # noqa: BLE001  as with the model
        raise_if_device_lost(error)
        whose = "retrieval" if source.encoder else source.name
        images = list(dict.fromkeys(view.entry.image_id for view in views))
        if len(images) <= 1:
            kind: FailureKind = "encoder refused" if source.encoder else "source failed"
            return BlockEvidence([Failure(kind, f"{whose} failed: {in_words(error)}")] * len(views))
        logger.warning("%s failed on a block (%s); doing its %d pictures one by one", whose, error, len(images))
        return _one_by_one(source, views, questions, images)


def _one_by_one(
    source: Source, views: Sequence[ShownImage], questions: Sequence[Question], images: Sequence[str]
) -> BlockEvidence:
    whole = BlockEvidence([()] * len(views))
    for image_id in images:
        places = [place for place, view in enumerate(views) if view.entry.image_id == image_id]
        part = _find(source, [views[place] for place in places], [questions[place] for place in places])
        for place, evidence in zip(places, part.of_questions, strict=True):
            whole.of_questions[place] = evidence
        whole.image_vectors.extend(part.image_vectors)
    return whole


def _joined(
    before: tuple[Evidence, ...] | Failure, found: tuple[Evidence, ...] | Failure
) -> tuple[Evidence, ...] | Failure:
    if isinstance(before, Failure):
        return before
    return found if isinstance(found, Failure) else (*before, *found)


def _checked(source: Source, evidence: tuple[Evidence, ...] | Failure) -> tuple[Evidence, ...] | Failure:
    """The evidence with harmless words, if its numbers can be stored.

    Raises:
        Exception: it isn't what `Source.find` promises, or its words are no text that can be stored.
    """
    if isinstance(evidence, Failure):
        return evidence
    for item in evidence:
        item.words.encode()  # half a surrogate pair can't be stored
    if not all(map(math.isfinite, _numbers(evidence))):
        return Failure("source failed", f"{source.name} failed: a score or a region isn't a finite number")
    return tuple(replace(each, words=harmless(each.words)) for each in evidence)


def _numbers(evidence: Iterable[Evidence]) -> Iterator[float]:
    for each in evidence:
        yield from () if each.score is None else (each.score,)
        yield from (edge for box in each.regions for edge in (box.x0, box.y0, box.x1, box.y1))
