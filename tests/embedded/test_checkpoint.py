"""The committed checkpoint: small, loadable without a network, and as good as its card says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training import evaluate, language
from training.data import ImageSet, image_set
from training.mixture import Mix
from workbench import embedded
from workbench.embedded import drawn_world
from workbench.embedded.dual_encoder import EmbeddedEncoder
from workbench.errors import CheckpointError

pytestmark = pytest.mark.slow

# Clearly under the card's figures: 120 images leave each of them a few points of luck.
FLOORS = {
    "Anomaly Detection": 0.88,
    "Defect Classification": 0.80,
    "Defect Localization": 0.80,
    "Defect Description": 0.90,
    "Defect Analysis": 0.78,
    "Object Classification": 0.97,
    "Object Analysis": 0.86,
}


@pytest.fixture(scope="module")
def subject() -> evaluate.Subject:
    torch.set_num_threads(1)
    return evaluate.Subject(embedded.CHECKPOINT)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return image_set(tmp_path_factory.mktemp("held-out"), seed=4321, count=120)


def test_the_folder_is_under_ten_megabytes_and_names_its_attention_layers() -> None:
    assert sum(file.stat().st_size for file in embedded.CHECKPOINT.iterdir()) < 10e6
    layers = json.loads((embedded.CHECKPOINT / "workbench.json").read_text())["attention_layers"]
    assert layers
    assert all(0 <= layer < 6 for layer in layers)


def test_letters_and_the_words_of_the_world_are_single_tokens(subject: evaluate.Subject) -> None:
    words = {
        word for name in (*drawn_world.DEFECTS, *drawn_world.PRODUCTS, *drawn_world.REGIONS) for word in name.split()
    }
    words |= {*drawn_world.CONSEQUENCES, *drawn_world.COLORS, *drawn_world.SIZES, *drawn_world.TONES}
    assert [word for word in sorted(words) if len(subject.encode(f" {word}")) != 1] == []
    assert [letter for letter in "ABCDEFGHI" if len(subject.encode(letter)) != 1] == []
    assert len(subject.encode("<|latent|>")) == 1


def test_the_encoder_gives_unit_vectors_and_a_changed_text_another_vector(held_out: ImageSet) -> None:
    from PIL import Image

    encoder = embedded.encoder()
    images = encoder.encode_images([Image.fromarray(held_out.images[0]), Image.new("RGB", (300, 200))])
    texts = encoder.encode_texts(["A hex nut with rust.", "A hex nut with a crack."])
    assert images.shape == texts.shape == (2, encoder.dim)
    for vectors in (images, texts):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert not torch.allclose(texts[0], texts[1], atol=1e-3)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


def test_answers_on_held_out_images_are_about_as_good_as_the_card_says(
    subject: evaluate.Subject, held_out: ImageSet
) -> None:
    seen = language.look(subject.body.model.visual, held_out)
    known = evaluate.retrieved(subject, seen.images)
    told = evaluate.answers(subject, held_out, seen, evaluate.ASKED, known)
    found = {name: round(told.about(name).accuracy, 3) for name in FLOORS}
    assert {name: value for name, value in found.items() if value < FLOORS[name]} == {}


def test_without_knowledge_what_a_defect_leads_to_is_a_guess(subject: evaluate.Subject, held_out: ImageSet) -> None:
    seen = language.look(subject.body.model.visual, held_out)
    # Facts drawn anew for each image: with fixed ones a liking for some words would look like knowledge, or its lack.
    mix = Mix(mode="none", subtasks=("Defect Analysis",), injected_share=0.0)
    low, high = evaluate.answers(subject, held_out, seen, mix).interval
    assert low < 0.25 < high


def test_the_card_lies_beside_the_weights() -> None:
    card: Path = embedded.CHECKPOINT / "README.md"
    assert "Embedded demo model" in card.read_text()


def test_the_products_engine_gives_the_probabilities_that_training_computes(
    subject: evaluate.Subject, held_out: ImageSet
) -> None:
    import numpy as np
    from PIL import Image

    from training.episodes import Builder
    from workbench.model import backbone, latent
    from workbench.model.case import Case, Picture
    from workbench.model.method import Method
    from workbench.model.segmented_engine import SegmentedEngine

    image = next(i for i, facets in enumerate(held_out.facets) if facets.defect)
    seen = language.look(subject.body.model.visual, held_out)
    known = [[("hex nut", "rust"), (held_out.facets[image].product, "good")]] * len(held_out)
    mine = evaluate.answers(subject, held_out, seen, evaluate.ASKED, known)
    mine = mine.of(mine.image == image)
    episode = Builder(held_out, subject.encode).episode(
        np.random.default_rng([0, image]), image, evaluate.ASKED, known[image]
    )
    query, reference = (Picture(str(i), Image.fromarray(held_out.images[i])) for i in (image, episode.reference))
    cases = []
    for choice in episode.choices:
        options = tuple(zip("ABCD", (f"{text}." for text in choice.options), strict=False))
        cases.append(Case(choice.subtask, query, reference, tuple(episode.knowledge), choice.question, options))
    engine = SegmentedEngine(backbone.load(embedded.CHECKPOINT, device="cpu", dtype="float32"))
    results = latent.reason(engine, cases, Method(iterations=0))
    theirs = [max(result.initial_option_probabilities.values()) for result in results]
    assert theirs == pytest.approx(mine.confidence.tolist(), abs=2e-3)  # visual tokens are cached in bfloat16
    assert [r.iterations[0].entropy for r in results] == pytest.approx(mine.latent_entropy.tolist(), abs=2e-2)


def _cut(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def _without_a_weight(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    weights.pop("visual.blocks.1.mlp.gate_proj.weight", None)
    save_file({name: weight for name, weight in weights.items() if name != "image.weight"}, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("name", "breaking", "words"),
    [
        ("model.safetensors", _cut, "not a whole embedded checkpoint: .+; bring its files back, or make it anew"),
        (
            "model.safetensors",
            _without_a_weight,
            r"lacks 1 weights, the first model\.visual\.blocks\.1\.mlp",
        ),
        ("retrieval_head.safetensors", _cut, "not a whole embedded checkpoint: .+ python -m training train"),
        ("retrieval_head.safetensors", _without_a_weight, r"retrieval_head\.safetensors is not a retrieval head"),
        ("retrieval_head.safetensors", Path.unlink, "not a whole embedded checkpoint: "),
        ("tokenizer.json", Path.unlink, "not a whole embedded checkpoint: "),
    ],
)
def test_a_wrong_or_truncated_checkpoint_is_refused_with_what_to_do(
    tmp_path: Path, name: str, breaking: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(embedded.CHECKPOINT, folder)
    breaking(folder / name)
    with pytest.raises(CheckpointError, match=words):
        EmbeddedEncoder(folder)
