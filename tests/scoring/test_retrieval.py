"""Retrieval: one space for images and texts, three modes, and nothing seen of folder, label or mask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tests import scored
from tests.people import ANN
from warehouse.failures import Failure
from warehouse.records.scoring import Description, Entry, Evidence, RetrievedDescription
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench import embedded
from workbench.archive import knowledge_files
from workbench.archive.questions import question_of
from workbench.model import latent, text_windows
from workbench.model.case import Picture
from workbench.scoring import retrieval
from workbench.scoring.evidence import BlockEvidence, ShownImage, Source, descriptions_of, words_of
from workbench.settings import Support

NOW = datetime(2025, 1, 3, tzinfo=UTC)
ASKED = question_of("Anomaly Detection", "Is there a defect?", ("Yes.", "No."))


class Colours:
    """A dual encoder whose space has the axes red, green and blue: an image's mean colour, a text's colour words."""

    name = "colours@1"
    dim = 3

    def __init__(self) -> None:
        self.images = 0
        self.texts: list[str] = []

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        self.images += len(images)
        means = np.array([np.asarray(image, np.float32).mean((0, 1)) for image in images])
        return torch.nn.functional.normalize(torch.from_numpy(means), dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        self.texts += texts
        counts = [[text.count(word) + 0.01 for word in ("red", "green", "blue")] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(counts), dim=-1)

    def windows(self, text: str) -> tuple[str, ...]:
        return text_windows.split(text, lambda piece: len(piece.split()), 8)


def description(entry: str, text: str, product: str = "plate", revision: int = 1) -> Description:
    return Description(f"D/{product}/{entry}", revision, "D", product, entry, text, "published", "me", "test", NOW)


def image(colour: tuple[int, int, int], path: str = "D/plate/test/good/0.png") -> ShownImage:
    dataset, product, _, label, _ = path.split("/")
    content = f"{colour}"
    entry = Entry(path, "a", path, content, 1, 1, dataset, product, label, None, None, None, None, None, None, NOW)
    return ShownImage(entry, Picture(content, Image.new("RGB", (8, 8), colour)))


def shown(source: Source, *views: ShownImage) -> list[tuple[Evidence, ...]]:
    """What a source shows a question about each image."""
    found = source.find(views, [ASKED] * len(views)).of_questions
    return [each for each in found if not isinstance(each, Failure)]


def words(source: Source, *views: ShownImage) -> list[tuple[str, ...]]:
    return [words_of(each) for each in shown(source, *views)]


@pytest.fixture
def vectors(tmp_path: Path) -> Vectors:
    return Vectors(tmp_path)


RED, GREEN, BLUE = description("rust", "red"), description("moss", "green"), description("ink", "blue")


def test_the_nearest_texts_come_first_with_rank_and_cosine(vectors: Vectors) -> None:
    nearest = retrieval.Nearest([RED, GREEN, BLUE], Colours(), vectors, top_k=2)
    [evidence] = shown(nearest, image((200, 100, 0)))
    assert words_of(evidence) == ("red", "green")
    assert [(d.description_id, d.revision, d.rank) for d in descriptions_of(evidence)] == [
        ("D/plate/rust", 1, 1),
        ("D/plate/moss", 1, 2),
    ]
    assert evidence[0].score == pytest.approx(np.cos(np.arctan(0.5)), abs=0.02)
    assert {(each.source, each.version) for each in evidence} == {("knowledge", nearest.version)}


def test_all_texts_may_be_asked_for(vectors: Vectors) -> None:
    [evidence] = shown(retrieval.Nearest([RED, GREEN, BLUE], Colours(), vectors, "all"), image((0, 0, 255)))
    assert len(evidence) == 3


def test_equal_scores_go_by_description_id(vectors: Vectors) -> None:
    twins = [description(entry, "red") for entry in ("c", "a", "b")]
    [evidence] = shown(retrieval.Nearest(twins, Colours(), vectors, 2), image((255, 0, 0)))
    assert [d.description_id for d in descriptions_of(evidence)] == ["D/plate/a", "D/plate/b"]


def test_a_changed_text_moves_its_vector_and_changes_what_is_retrieved(vectors: Vectors) -> None:
    first = retrieval.Nearest([RED, GREEN], Colours(), vectors, 1)
    changed = replace(GREEN, text="red red", revision=2)
    second = retrieval.Nearest([replace(RED, text="blue", revision=2), changed], Colours(), vectors, 1)
    assert words(first, image((255, 0, 0))) == [("red",)]
    [evidence] = shown(second, image((255, 0, 0)))
    assert words_of(evidence) == ("red red",)
    assert descriptions_of(evidence)[0].revision == 2


LONG = "Rust lies in red spots. " * 6 + "It may run down in green lines where water stood. " + "The rest is plain. " * 6


def test_a_long_text_scores_as_its_best_window(vectors: Vectors) -> None:
    encoder = Colours()
    texts = [description("b", LONG), GREEN, description("a", LONG.replace("green", "blue blue")), RED]
    index = retrieval.text_index(texts, encoder, vectors)
    pictures = [image(colour) for colour in ((10, 250, 30), (9, 9, 99), (80, 90, 0))]
    queries = np.stack([retrieval.encode_image(view.picture, encoder) for view in pictures])
    plain = np.array(
        [
            [max(_cosine(encoder, window, query) for window in encoder.windows(each.text)) for each in texts]
            for query in queries
        ]
    )
    np.testing.assert_allclose(index.scores(queries), plain, atol=1e-6)
    for query, scores in zip(queries, plain, strict=True):
        np.testing.assert_allclose(index.scores(query), scores, atol=1e-6)
    assert len(index.text(0)) == len(encoder.windows(LONG)) > 3
    again = retrieval.text_index(texts[::-1], encoder, vectors)  # from LanceDB
    assert np.array_equal(again.scores(queries[0])[::-1], index.scores(queries[0]))
    assert retrieval.text_index([], encoder, vectors).scores(queries[0]).shape == (0,)
    found = shown(retrieval.Nearest(texts, encoder, vectors, "all"), *pictures)
    for evidence, scores in zip(found, plain, strict=True):
        assert [each.score for each in evidence] == pytest.approx(sorted(scores, reverse=True), abs=1e-6)


def _cosine(encoder: Colours, text: str, query: NDArray[np.float32]) -> float:
    return float(encoder.encode_texts([text])[0].numpy() @ query)


def test_an_edit_of_the_last_sentence_of_a_long_text_moves_its_score(vectors: Vectors) -> None:
    encoder = Colours()
    long = "Nothing to be seen here at all. " * 80  # more than 500 words
    query = retrieval.encode_image(image((0, 0, 255)).picture, encoder)
    ends = ("It is red red red.", "It is blue blue blue.")
    texts = [description("ink", long + end, revision=1 + place) for place, end in enumerate(ends)]
    red, blue = retrieval.text_index(texts, encoder, vectors).scores(query)
    assert blue > red + 0.2


def test_the_embedded_encoder_moves_with_the_text_alone() -> None:
    encoder = embedded.encoder()
    plain, again, other = (encoder.encode_texts([text])[0] for text in ("A scratch.", "A scratch.", "A dent."))
    assert torch.equal(plain, again)
    assert not torch.allclose(plain, other)


def test_folder_product_and_label_are_never_looked_at(vectors: Vectors) -> None:
    nearest = retrieval.Nearest([RED, GREEN, BLUE], Colours(), vectors, 3)
    one, other = shown(
        nearest, *(image((90, 80, 0), path) for path in ("D/plate/test/good/0.png", "X/other/test/bent/7.png"))
    )
    assert one == other


def test_texts_and_images_are_encoded_once_per_revision_and_content(vectors: Vectors) -> None:
    encoder = Colours()
    view = image((255, 0, 0))
    first = retrieval.Nearest([RED, GREEN], encoder, vectors, 1).find([view, view], [ASKED, ASKED])
    assert len(first.image_vectors) == 1
    vectors.upsert_images(first.image_vectors)
    nearest = retrieval.Nearest([RED, replace(GREEN, revision=2, text="dark green")], encoder, vectors, 1)
    second = nearest.find([view], [ASKED])
    assert second.image_vectors == []
    assert _retrieved(second) == _retrieved(first)[:1]
    assert encoder.images == 1
    assert encoder.texts == ["green", "red", "dark green"]


def test_product_shows_all_texts_of_the_archives_own_product_and_no_scores() -> None:
    by_product = retrieval.ByProduct([RED, GREEN, description("rust", "blue", product="nut")])
    plate, nut, unknown = shown(
        by_product, *(image((0, 0, 0), f"D/{product}/test/good/0.png") for product in ("plate", "nut", "cup"))
    )
    assert words_of(plate) == ("green", "red")
    assert [each.score for each in plate] == [None, None]
    assert words_of(nut) == ("blue",)
    assert unknown == ()


def test_the_version_of_the_knowledge_moves_with_texts_encoder_and_top_k_and_with_nothing_else(
    vectors: Vectors,
) -> None:
    class Other(Colours):
        name = "colours@2"

    version = retrieval.Nearest([RED, GREEN], Colours(), vectors, 1).version
    others = [
        retrieval.Nearest([RED, GREEN], Colours(), vectors, 2),
        retrieval.Nearest([RED, GREEN], Other(), vectors, 1),
        retrieval.Nearest([RED, BLUE], Colours(), vectors, 1),
        retrieval.Nearest([RED, replace(GREEN, revision=2)], Colours(), vectors, 1),
        retrieval.Nearest([RED, replace(GREEN, text="blue", revision=retrieval.UNSAVED)], Colours(), vectors, 1),
        retrieval.ByProduct([RED, GREEN]),
    ]
    assert len({version, *(each.version for each in others)}) == 7
    assert retrieval.Nearest([GREEN, RED], Colours(), vectors, 1).version == version


def _retrieved(found: BlockEvidence) -> list[tuple[RetrievedDescription, ...]]:
    return [descriptions_of(each) for each in found.of_questions if not isinstance(each, Failure)]


@pytest.mark.slow
def test_renamed_folders_change_nothing_under_retrieved(drawn_archive: Path, tmp_path: Path) -> None:
    """The product folders swap their names, the question file follows; the run's rows must not notice."""
    asked = json.loads((drawn_archive / "mmad.json").read_text())
    swap = {"metal_plate": "hex_nut", "hex_nut": "metal_plate"}

    def renamed(path: str) -> str:
        dataset, product, *rest = path.split("/")
        return "/".join((dataset, swap.get(product, product), *rest))

    records = {}
    for path, record in asked.items():
        if path.split("/")[1] in swap:
            templates = [renamed(template) for template in record["random_templates"]]
            records[renamed(path)] = {"conversation": record["conversation"], "random_templates": templates}
    archives = {"plain": tmp_path / "plain", "swapped": tmp_path / "swapped"}
    for root in archives.values():
        for file in (drawn_archive / "Drawn").glob("*/t*/*/*.png"):
            path = str(file.relative_to(drawn_archive))
            if path.split("/")[1] in swap:
                place = root / (renamed(path) if root.name == "swapped" else path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read_bytes())
    (archives["swapped"] / "mmad.json").write_text(json.dumps(records))
    (archives["plain"] / "mmad.json").write_text(json.dumps({renamed(path): r for path, r in records.items()}))
    plain = json.loads((archives["plain"] / "mmad.json").read_text())
    for record in plain.values():
        record["random_templates"] = [renamed(template) for template in record["random_templates"]]
    (archives["plain"] / "mmad.json").write_text(json.dumps(plain))

    rows = {}
    for name, root in archives.items():
        data = tmp_path / f"data-{name}"
        knowledge_files.import_file(Store(data), drawn_archive / "domain_knowledge.json", actor=ANN)
        outcome = scored.score(root, scored.quick(data, Support(knowledge="retrieved"), block_images=1))
        found = Store(data).predictions(outcome.run.run_id).sort("content", "question_id")
        rows[name] = found.select("content", "question_id", "descriptions", "answer", "option_probabilities", "reward")
    assert len(rows["plain"]) == 21
    assert rows["plain"].rows() == rows["swapped"].rows()


@pytest.mark.slow
def test_the_modes_differ_in_the_prompt_and_nowhere_else(
    drawn_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[latent.Case] = []
    reason = latent.reason

    def seeing(engine: Any, cases: Sequence[latent.Case], method: Any) -> Any:
        seen.extend(cases)
        return reason(engine, cases, method)

    monkeypatch.setattr(latent, "reason", seeing)
    knowledge_files.import_file(Store(tmp_path), drawn_archive / "domain_knowledge.json", actor=ANN)
    for support in (Support("none"), Support("retrieved", top_k=2), Support("product")):
        scored.score(drawn_archive, scored.quick(tmp_path, support, limit=1))
    none, retrieved, product = seen
    assert none.knowledge == ()
    assert len(retrieved.knowledge) == 2
    own = {d.text for d in Store(tmp_path).published_knowledge()[1] if d.product == "circuit_board"}
    assert set(product.knowledge) == own
    assert replace(retrieved, knowledge=()).seed_key == replace(product, knowledge=()).seed_key
    assert (
        (none.question, none.options) == (retrieved.question, retrieved.options) == (product.question, product.options)
    )
