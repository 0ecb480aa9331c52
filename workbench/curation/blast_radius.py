"""Blast radius: which images of a run would be shown something else if a text changed, before anything is run.

Every image's vector is in LanceDB since it was scored, so this is one product of a matrix of images with a matrix of
texts' windows: a text's rank for an image is one more than the texts that score higher. An image changes when the text
is, or would be, among its top k. Scores within rounding of each other may fall otherwise than in the run; nothing else
may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.queries.curation import Curation
from warehouse.records.scoring import Description, Run
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.curation.newest_run import newest_run
from workbench.model.embedder import Encoder
from workbench.scoring import replay, retrieval
from workbench.scoring.retrieval import Matrix, TextIndex
from workbench.settings import TopK

Ranks = NDArray[np.int64]  # (images,), from 1; 0 where a text isn't retrieved
_AT_ONCE = 8192  # images; bounds the memory of the product with very many texts


@dataclass(frozen=True, slots=True)
class Blast:
    """What a changed text would change."""

    run: Run  # whose images, mode, k and encoder count
    changed: (
        pl.DataFrame
    )  # image_id, path, content, cluster_id, dataset, product, label, defect, camera, questions, before, after
    images: int  # of the run
    unseen: int  # of those, without a vector in the index: `workbench reindex` brings it back
    seconds: float  # of computing that a test of the changed images costs, old and new text, at the run's speed

    @property
    def questions(self) -> int:
        """How many questions would have to be asked again."""
        return int(self.changed["questions"].sum())


def radius(store: Store, text: Description, run: Run | None = None, encoder: Encoder | None = None) -> Blast:
    """The images of a run whose retrieved texts change when `text` takes its description's place, or is added.

    Args:
        text: a draft, stored or not (`retrieval.UNSAVED`).
        run: the newest that used knowledge, unless given.
        encoder: the run's, where it is loaded already.

    Raises:
        CannotReplay: no run used knowledge, or the run's encoder is no longer what it was.
    """
    run = run or newest_run(store)
    settings = replay.settings_of(run, store.data)
    images = Curation(store.data).images(run.run_id)
    published = store.published_knowledge()[1]
    others = [each for each in published if each.description_id != text.description_id]
    old = next((each for each in published if each.description_id == text.description_id), None)
    unseen = 0
    if (old is not None and old.text == text.text) or settings.support.knowledge == "none":
        before, after = _nowhere(images), _nowhere(images)
    elif settings.support.knowledge == "product":
        before = _of_product(images, others, old) if old else _nowhere(images)
        after = _of_product(images, others, text)
    else:
        known = encoder or replay.load_encoder(run, store.data)
        before, after, unseen = _nearest(store, images, others, old, text, known, settings.support.top_k)
    changed = images.with_columns(
        before=pl.Series(before).replace(0, None), after=pl.Series(after).replace(0, None)
    ).filter(pl.col("before").is_not_null() | pl.col("after").is_not_null())
    seconds = 2 * float(changed["seconds"].sum())
    return Blast(run, changed.drop("seconds", "labelled"), images.height, unseen, seconds)


def _nowhere(images: pl.DataFrame) -> Ranks:
    return np.zeros(images.height, np.int64)


def _nearest(
    store: Store,
    images: pl.DataFrame,
    others: Sequence[Description],
    old: Description | None,
    text: Description,
    encoder: Encoder,
    top_k: TopK,
) -> tuple[Ranks, Ranks, int]:
    """The old and the new text's rank for each image, and how many images have no vector."""
    vectors = Vectors(store.data)
    queries, seen = _queries(images, *vectors.every_image_vector(encoder.name))
    index = retrieval.text_index([*others, text, *([old] if old else [])], encoder, vectors)
    rest, k = index.first(len(others)), len(others) + 1 if top_k == "all" else top_k
    place = sum(other.description_id < text.description_id for other in others)
    before, after = _nowhere(images), _nowhere(images)
    after[seen] = _ranks(queries, rest, index.text(len(others)), place, k)
    if old:
        before[seen] = _ranks(queries, rest, index.text(len(others) + 1), place, k)
    return before, after, int((~seen).sum())


def _queries(images: pl.DataFrame, contents: list[str], matrix: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """The vectors of the images that have one, in the images' order; and which have one."""
    rows = pl.DataFrame({"content": contents}, schema={"content": pl.String}).with_row_index("row")
    found = images.select("content").join(rows, on="content", how="left", maintain_order="left")["row"]
    return matrix[found.drop_nulls().to_numpy()], found.is_not_null().to_numpy()


def _ranks(queries: Matrix, index: TextIndex, windows: Matrix, place: int, k: int) -> Ranks:
    """The text's rank for each image among the others, from 1; 0 where it isn't among the first k.

    Args:
        queries: (images, d).
        index: of the others, by description id.
        windows: (windows, d), the text's.
        place: how many of the others stand before it by id, which decides between equal scores.
    """
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _AT_ONCE):
        some = queries[start : start + _AT_ONCE]
        own = np.max([some @ window for window in windows], axis=0)[:, None]  # (images, 1)
        scores = index.scores(some)  # (images, others)
        ahead = (scores > own).sum(1) + (scores[:, :place] == own).sum(1)
        ranks[start : start + _AT_ONCE] = np.where(ahead < k, ahead + 1, 0)
    return ranks


def _of_product(images: pl.DataFrame, others: Sequence[Description], text: Description) -> Ranks:
    """The text's place among all its product's, which is what `product` shows an image of that product."""
    siblings = {(each.dataset, each.product) for each in others} | {(text.dataset, text.product)}
    rank = 1 + sum(
        (each.dataset, each.product) == (text.dataset, text.product) and each.description_id < text.description_id
        for each in others
    )
    # A product of a data set that the knowledge doesn't know takes the texts of the product of that name.
    shown = [
        product == text.product and (dataset == text.dataset or (dataset, product) not in siblings)
        for dataset, product in images.select("dataset", "product").iter_rows()
    ]
    return np.where(np.array(shown, bool), rank, 0).astype(np.int64)
