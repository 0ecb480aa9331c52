"""The knowledge as a source of evidence: image -> ranked descriptions with revision and score.

One space for both sides: a description's vector is its encoded text and nothing else, the query vector is the encoded
image and nothing else. Neither ever sees a folder name, a label or a mask, so renaming folders changes nothing and
changing a text moves its vector. `product` goes by the archive's own metadata instead and is an oracle where the
product is asked for. Under `none` there is no such source.

Images and texts are encoded one at a time: in a batch the last bits of a vector depend on its neighbours, and then
whether a vector came from the cache would show in a score. Vectors are cached in LanceDB: texts by revision, images by
content, both by encoder.

An encoder reads a few sentences at once (SigLIP 64 tokens; MMAD's shortest text has more), so a longer text is encoded
in windows (`workbench/model/text_windows.py`) and its score is its best window's: what any part of it says counts,
and an edit anywhere moves it. Whoever asks for a text's score - retrieval, blast radius, search - goes by `TextIndex`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warehouse.records.scoring import Description, Entry, ImageVector, TextVector
from warehouse.vectors import Vectors
from workbench.archive.questions import Question
from workbench.model.case import Picture
from workbench.model.embedder import Encoder
from workbench.model.picture_reduction import moderate
from workbench.scoring.evidence import KNOWLEDGE, BlockEvidence, KnowledgeText, ShownImage, Source
from workbench.settings import TopK

Matrix = NDArray[np.float32]
ANY = ""  # stands for every data set
UNSAVED = 0  # revision of a text that isn't stored: encoded anew each time, never cached


@dataclass(frozen=True, slots=True)
class TextIndex:
    """Encoded texts, each by the vectors of its windows."""

    vectors: Matrix  # (windows of all texts, d), unit rows, text by text
    starts: NDArray[np.intp]  # (texts,), each text's first row

    @staticmethod
    def of(texts: Sequence[Matrix], dim: int) -> TextIndex:
        """Of each text's own (windows, d)."""
        counts = np.array([len(each) for each in texts], np.intp)
        vectors = np.concatenate([np.empty((0, dim), np.float32), *texts])
        return TextIndex(vectors, np.cumsum(counts) - counts)

    def text(self, place: int) -> Matrix:
        """(windows, d) of one text."""
        end = self.starts[place + 1] if place + 1 < len(self.starts) else len(self.vectors)
        return self.vectors[self.starts[place] : end]

    def first(self, count: int) -> TextIndex:
        """The first so many texts alone."""
        rows = self.starts[count] if count < len(self.starts) else len(self.vectors)
        return TextIndex(self.vectors[:rows], self.starts[:count])

    def scores(self, queries: Matrix) -> Matrix:
        """Cosine of each text's best window: (texts,) of one query (d,), or (N, texts) of (N, d)."""
        if not len(self.starts):
            return np.empty((*queries.shape[:-1], 0), np.float32)
        if queries.ndim == 1:
            return np.asarray(np.maximum.reduceat(self.vectors @ queries, self.starts))
        return np.asarray(np.maximum.reduceat(queries @ self.vectors.T, self.starts, axis=1))


class ByProduct(Source):
    """Mode `product`: all texts of the product that the archive says the image shows."""

    name = KNOWLEDGE

    def __init__(self, descriptions: Iterable[Description]) -> None:
        texts = sorted(descriptions, key=lambda d: d.description_id)
        self.version = _version(["product"], texts)
        self._of: dict[tuple[str, str], list[Description]] = {}
        for description in texts:
            for dataset in (description.dataset, ANY):
                self._of.setdefault((dataset, description.product), []).append(description)

    def of(self, entry: Entry) -> list[Description]:
        """The product's texts; of the product of that name, where the knowledge doesn't know the data set."""
        return self._of.get((entry.dataset, entry.product)) or self._of.get((ANY, entry.product)) or []

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:  # noqa: ARG002
        """The product's texts in the order of their ids; none for a product without texts. They have no scores."""
        return BlockEvidence(
            [tuple(_evidence(self, description, None) for description in self.of(view.entry)) for view in views]
        )


class Nearest(Source):
    """Mode `retrieved`: the texts whose vectors are nearest to the image's, by cosine."""

    name = KNOWLEDGE

    def __init__(self, descriptions: Iterable[Description], encoder: Encoder, vectors: Vectors, top_k: TopK) -> None:
        self._descriptions = sorted(descriptions, key=lambda d: d.description_id)
        self.version = _version(["retrieved", encoder.name, top_k], self._descriptions)
        self.encoder = encoder.name
        self._encoder = encoder
        self._vectors = vectors
        self._top_k = len(self._descriptions) if top_k == "all" else top_k
        self._index = text_index(self._descriptions, encoder, vectors)

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:  # noqa: ARG002
        """The top k texts of each question's picture, whatever the question; equal scores go by description id.

        Vectors are kept by content; that of a deep picture follows from its range too, so it is made anew.
        """
        pictures = {view.picture.key: view.picture for view in views}
        queries = self._vectors.image_vectors(list(pictures), self._encoder.name)  # (d,) each
        encoded: list[ImageVector] = []
        for key, picture in pictures.items():
            if key not in queries:
                queries[key] = encode_image(picture, self._encoder)
                encoded.append(ImageVector(picture.content, self._encoder.name, tuple(queries[key].tolist())))
        nearest = {key: self._nearest(queries[key]) for key in pictures}
        return BlockEvidence([nearest[view.picture.key] for view in views], encoded)

    def _nearest(self, query: Matrix) -> tuple[KnowledgeText, ...]:
        scores = self._index.scores(query)  # (texts,)
        best = np.argsort(-scores, kind="stable")[: self._top_k]
        return tuple(_evidence(self, self._descriptions[i], float(scores[i])) for i in best)


def encode_image(picture: Picture, encoder: Encoder) -> Matrix:
    """The picture in the retrieval space, (d,) float32 of unit norm."""
    shown = moderate(picture.image)
    vector: Matrix = np.asarray(encoder.encode_images([shown])[0].cpu().numpy(), dtype=np.float32)
    if not np.isfinite(vector).all():
        raise ValueError(f"{encoder.name} gave a vector that isn't finite")
    return vector


def text_index(descriptions: Sequence[Description], encoder: Encoder, vectors: Vectors) -> TextIndex:
    """The descriptions' vectors; those not yet in LanceDB are encoded, window by window, and stored there."""
    stored = vectors.text_windows(encoder.name)
    texts: list[Matrix] = []
    new: list[TextVector] = []
    for d in descriptions:
        known = stored.get((d.description_id, d.revision)) if d.revision != UNSAVED else None
        if known is not None:
            texts.append(known)
            continue
        own = encode_text(d.text, encoder)
        texts.append(own)
        if d.revision != UNSAVED:
            new += [
                TextVector(d.description_id, d.revision, encoder.name, tuple(vector.tolist()), window, len(own))
                for window, vector in enumerate(own)
            ]
    if new:
        vectors.upsert_texts(new)
    return TextIndex.of(texts, encoder.dim)


def encode_text(text: str, encoder: Encoder) -> Matrix:
    """The whole text in the retrieval space, window by window: (windows, d) float32 of unit norm."""
    return np.stack([encoder.encode_texts([window])[0].numpy(force=True) for window in encoder.windows(text)])


def _version(settings: Sequence[object], texts: Sequence[Description]) -> str:
    """Sixteen hex digits: equal where the same texts are chosen from in the same way."""
    stated = json.dumps([settings, [[each.description_id, each.revision, each.text] for each in texts]])
    return hashlib.sha256(stated.encode()).hexdigest()[:16]


def _evidence(source: Source, description: Description, score: float | None) -> KnowledgeText:
    return KnowledgeText(source.name, source.version, description.text, (), score, description)
