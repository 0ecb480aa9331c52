"""Finding descriptions, and what retrieval makes of them, both ways: words -> texts, image -> texts, text -> images.

Words are searched in meaning and letter at once. Which texts an image would be shown, and which images a text would be
shown to, is asked of the very vectors that retrieval uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from warehouse import names
from warehouse.queries.curation import Curation
from warehouse.queries.search import TextSearch, Words
from warehouse.records.scoring import Description
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.archive import image_decoding
from workbench.curation import blast_radius, edit
from workbench.curation.blast_radius import Blast
from workbench.curation.newest_run import newest_run
from workbench.model.case import Picture
from workbench.model.embedder import Encoder
from workbench.scoring import replay, retrieval
from workbench.scoring.retrieval import UNSAVED

_AT_ONCE = 5000  # texts encoded and added in one write


@dataclass(frozen=True, slots=True)
class Found:
    """A description that was looked for, with its score in that search."""

    description: Description
    score: float


def encoder_of(store: Store) -> Encoder:
    """The encoder of the newest run that used knowledge: whose space texts and images lie in."""
    run = newest_run(store)
    return replay.load_encoder(run, store.data)


def search(store: Store, words: str, encoder: Encoder, product: str | None = None, limit: int = 20) -> list[Found]:
    """Descriptions by words, best first: of each the published revision, or the newest if none is.

    Args:
        product: dataset/product, to look there alone.
    """
    index = TextSearch(store.data, encoder.name)
    vectors = retrieval.encode_text(words, encoder).tolist()
    while True:
        hits = index.find(words, vectors, product, 3 * limit)  # several revisions of one description may match
        scores = {(hit.description_id, hit.revision): hit.score for hit in hits}
        texts, stored = Curation(store.data).texts(scores)
        if index.count() >= stored:
            break
        _catch_up(store, index, encoder)
    best: dict[str, Found] = {}
    for each in texts:
        found = Found(each, scores[each.description_id, each.revision])
        held = best.get(each.description_id)
        if held is None or held.description.state != "published":  # by revision: the newest, unless one is published
            best[each.description_id] = found
    return sorted(best.values(), key=lambda found: -found.score)[:limit]


def texts_for(store: Store, image: Path, encoder: Encoder, limit: int = 10) -> list[Found]:
    """The published texts an image would be shown, nearest first; the image needs not be in any archive."""
    data = image_decoding.read(image)
    picture = Picture(hashlib.sha256(data).hexdigest(), image_decoding.decode(data))
    published = store.published_knowledge()[1]
    index = retrieval.text_index(published, encoder, Vectors(store.data))
    scores = index.scores(retrieval.encode_image(picture, encoder))
    best = np.argsort(-scores, kind="stable")[:limit].tolist() if published else []
    return [Found(published[place], float(scores[place])) for place in best]


def images_for(store: Store, description_id: str, text: str, encoder: Encoder | None = None) -> Blast:
    """The images of the newest run that a text would be shown to as that description, stored or not."""
    place = edit.place_of(description_id)
    draft = Description(description_id, UNSAVED, *place, text, "draft", "", "", datetime.now(UTC))
    return blast_radius.radius(store, draft, encoder=encoder)


def _catch_up(store: Store, index: TextSearch, encoder: Encoder) -> None:
    """Add the revisions that the search table lacks; their vectors are the ones retrieval uses."""
    known = index.keys()
    missing = [d for d in Curation(store.data).every_revision() if (d.description_id, d.revision) not in known]
    for start in range(0, len(missing), _AT_ONCE):
        some = missing[start : start + _AT_ONCE]
        index.add(_words(some, retrieval.text_index(some, encoder, Vectors(store.data))), encoder.dim)


def _words(descriptions: Iterable[Description], encoded: retrieval.TextIndex) -> list[Words]:
    return [
        Words(d.description_id, d.revision, names.join((d.dataset, d.product)), d.text, encoded.text(place).tolist())
        for place, d in enumerate(descriptions)
    ]
