"""Which knowledge texts an image is shown with: image -> ranked descriptions with revision and score.

One space for both sides: a description's vector is its encoded text and nothing else, the query vector is the encoded
image and nothing else. Neither ever sees a folder name, a label or a mask, so renaming folders changes nothing and
changing a text moves its vector. `product` goes by the archive's own metadata instead and is an oracle where the
product is asked for; `none` shows nothing.

Images and texts are encoded one at a time: in a batch the last bits of a vector depend on its neighbours, and then
whether a vector came from the cache would show in a score. Vectors are cached in LanceDB: texts by revision, images by
content, both by encoder.

An encoder reads a few sentences at once (SigLIP 64 tokens; MMAD's shortest text has more), so a longer text is encoded
in windows (`workbench/model/windows.py`) and its score is its best window's: what any part of it says counts, and an
edit anywhere moves it. Whoever asks for a text's score - retrieval, blast radius, search - goes by `TextIndex`.

Descriptions are untrusted. What a tokenizer could take for one of a model's own marks (`<|im_end|>`, `</think>`) is
written with another bracket before it is shown, so that a text stays a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from warehouse.records import Description, Entry, ImageVector, RetrievedDescription, TextVector
from warehouse.vectors import Vectors
from workbench.model.case import Picture
from workbench.model.embedder import Encoder
from workbench.model.reduction import moderate
from workbench.settings import TopK

Matrix = NDArray[np.float32]
ANY = ""  # stands for every data set
UNSAVED = 0  # revision of a text that isn't stored: encoded anew each time, never cached
_MARK = re.compile(r"<(?=[|/!A-Za-z])")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The knowledge for one image, best first."""

    texts: tuple[str, ...] = ()
    descriptions: tuple[RetrievedDescription, ...] = ()
    vector: ImageVector | None = None  # the image's, where it had to be encoded now


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


class Retriever(Protocol):
    """One of the three modes."""

    def retrieve(self, images: Sequence[tuple[Entry, Picture]]) -> list[Evidence]:
        """The evidence for each image, in order."""


class NoKnowledge:
    """Mode `none`, and every mode while nothing is published."""

    def retrieve(self, images: Sequence[tuple[Entry, Picture]]) -> list[Evidence]:
        """Empty evidence."""
        return [Evidence() for _ in images]


class ByProduct:
    """Mode `product`: all texts of the product that the archive says the image shows."""

    def __init__(self, descriptions: Iterable[Description]) -> None:
        self._of: dict[tuple[str, str], list[Description]] = {}
        for description in sorted(descriptions, key=lambda d: d.description_id):
            for dataset in (description.dataset, ANY):
                self._of.setdefault((dataset, description.product), []).append(description)

    def of(self, entry: Entry) -> list[Description]:
        """The product's texts; of the product of that name, where the knowledge doesn't know the data set."""
        return self._of.get((entry.dataset, entry.product)) or self._of.get((ANY, entry.product)) or []

    def retrieve(self, images: Sequence[tuple[Entry, Picture]]) -> list[Evidence]:
        """The product's texts in the order of their ids; none for a product without texts. They have no scores."""
        return [_evidence((description, None) for description in self.of(entry)) for entry, _ in images]


class Nearest:
    """Mode `retrieved`: the texts whose vectors are nearest to the image's, by cosine."""

    def __init__(self, descriptions: Iterable[Description], encoder: Encoder, vectors: Vectors, top_k: TopK) -> None:
        self._descriptions = sorted(descriptions, key=lambda d: d.description_id)
        self._encoder = encoder
        self._vectors = vectors
        self._top_k = len(self._descriptions) if top_k == "all" else top_k
        self._index = text_index(self._descriptions, encoder, vectors)

    def retrieve(self, images: Sequence[tuple[Entry, Picture]]) -> list[Evidence]:
        """The top k texts per image; equal scores go by description id.

        Vectors are kept by content; that of a deep picture follows from its range too, so it is made anew.
        """
        cached = self._vectors.image_vectors([picture.key for _, picture in images], self._encoder.name)
        return [self._nearest(picture, cached.get(picture.key)) for _, picture in images]

    def _nearest(self, picture: Picture, known: Matrix | None) -> Evidence:
        query = encode_image(picture, self._encoder) if known is None else known  # (d,)
        scores = self._index.scores(query)  # (texts,)
        best = np.argsort(-scores, kind="stable")[: self._top_k]
        new = None if known is not None else ImageVector(picture.content, self._encoder.name, tuple(query.tolist()))
        return _evidence(((self._descriptions[i], float(scores[i])) for i in best), vector=new)


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


def harmless(text: str) -> str:
    """The text as a prompt shows it: nothing in it can be read as a mark of the model's own."""
    return _MARK.sub("‹", text)


def _evidence(ranked: Iterable[tuple[Description, float | None]], vector: ImageVector | None = None) -> Evidence:
    chosen = list(ranked)
    return Evidence(
        texts=tuple(harmless(description.text) for description, _ in chosen),
        descriptions=tuple(
            RetrievedDescription(d.description_id, d.revision, rank=rank, score=score)
            for rank, (d, score) in enumerate(chosen, start=1)
        ),
        vector=vector,
    )
