"""Qwen3-VL-Embedding through the Qwen3-VL backbone, against the library's own model over whole prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.model import probes, tiny
from workbench.model import embedder, embedder_qwen3
from workbench.model.backbone import ImageFeatures, ImageInput
from workbench.model.backbone.qwen3 import Qwen3VL
from workbench.model.embedder_qwen3 import Qwen3Encoder

PICTURES = [tiny.picture(1, 80, 60).image, tiny.picture(2, 60, 140).image, tiny.picture(3, 140, 70).image]
TEXTS = ["A dent is round and dark.", "a scratch", "oil on the left side of the lid"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as it is published: the model without the head that writes words."""
    folder = tiny.save(tmp_path_factory.mktemp("embedding"), "qwen3_vl")
    transformers.Qwen3VLModel.from_pretrained(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Qwen3Encoder:
    loaded = embedder.load(folder)
    assert isinstance(loaded, Qwen3Encoder)
    return loaded


def _documented(folder: Path, ids: list[Tensor], pictures: list[Any]) -> Tensor:
    """As the authors' script does it: right padding, one forward, the last token that isn't padding, unit norm."""
    model: Any = transformers.Qwen3VLModel.from_pretrained(folder).eval()  # type: ignore[no-untyped-call]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor: Any = transformers.AutoImageProcessor
    rows = pad_sequence(ids, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in ids], batch_first=True)
    shown: dict[str, Tensor] = {}
    if pictures:
        made = processor.from_pretrained(folder)(images=pictures, return_tensors="pt")
        visual = (rows == model.config.image_token_id).int()
        shown = {**made, "mm_token_type_ids": visual}
    with torch.no_grad():
        hidden = model(input_ids=rows, attention_mask=mask, **shown).last_hidden_state
    last = mask.shape[1] - 1 - mask.flip(1).argmax(1)
    return torch.nn.functional.normalize(hidden[torch.arange(len(ids)), last], dim=-1)


def test_vectors_of_texts_are_those_of_the_documented_prompt(encoder: Qwen3Encoder, folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompts = [
        f"<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
        "<|im_start|>assistant\n"
        for text in TEXTS
    ]
    ids = [torch.tensor(tokenizer(text)["input_ids"]) for text in prompts]
    torch.testing.assert_close(encoder.encode_texts(TEXTS), _documented(folder, ids, []), atol=1e-5, rtol=0)


def _prompts(encoder: Qwen3Encoder, folder: Path) -> list[Tensor]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    before = "<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
    return [
        torch.tensor(
            tokenizer(
                before
                + "<|image_pad|>" * encoder._body.prepare("", picture).tokens
                + "<|vision_end|><|im_end|>\n<|im_start|>assistant\n"
            )["input_ids"]
        )
        for picture in PICTURES
    ]


def test_vectors_of_pictures_are_those_of_the_documented_prompt(encoder: Qwen3Encoder, folder: Path) -> None:
    expected = _documented(folder, _prompts(encoder, folder), PICTURES)
    torch.testing.assert_close(encoder.encode_images(PICTURES), expected, atol=1e-5, rtol=0)


def test_controls_dropped_deepstack_features_and_flat_positions_are_seen(encoder: Qwen3Encoder, folder: Path) -> None:
    body = encoder._body
    expected = encoder.encode_images(PICTURES)

    def shallow(inputs: list[ImageInput]) -> list[ImageFeatures]:
        return [
            ImageFeatures(each.tokens, tuple(0 * deep for deep in each.deep)) for each in Qwen3VL.encode(body, inputs)
        ]

    def flat(ids: Tensor, _: list[ImageInput], start: int) -> tuple[Tensor, int]:
        return Qwen3VL.positions(body, ids, [], start)

    for name, wrong in (("encode", shallow), ("positions", flat)):
        with probes.instead(body, name, wrong):
            cosines = (encoder.encode_images(PICTURES) * expected).sum(-1)
        assert float(cosines.max()) < 0.999


def test_vectors_are_of_unit_norm_and_alone_as_together(encoder: Qwen3Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    images, texts = encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)
    for vectors in (images, texts):
        assert vectors.shape == (3, encoder.dim)
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))
        alike = vectors @ vectors.T - 2 * torch.eye(3)
        assert float(alike.max()) < 0.9999
    monkeypatch.setattr(embedder_qwen3, "AT_ONCE", 1)
    torch.testing.assert_close(encoder.encode_images(PICTURES), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), texts, atol=1e-5, rtol=0)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, encoder.dim)


def test_an_empty_text_is_said_to_be_none_and_a_long_one_is_cut_before_the_prompts_end(
    encoder: Qwen3Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert torch.equal(encoder.encode_texts([""]), encoder.encode_texts(["NULL"]))
    monkeypatch.setattr(embedder_qwen3, "MAX_TOKENS", 120)
    long = "scratch " * 60
    cut, longer, short = encoder.encode_texts([long, long + "and more", "scratch"])
    torch.testing.assert_close(cut, longer)
    assert not torch.allclose(cut, short, atol=1e-3)


def test_pictures_have_as_many_tokens_as_documented(encoder: Qwen3Encoder) -> None:
    unit = 32**2
    assert dict(encoder._body.pictures.processor.size)["shortest_edge"] == 4 * unit
    assert dict(encoder._body.pictures.processor.size)["longest_edge"] == 30 * unit  # the checkpoint's, below 1,800
    assert encoder._body.prepare("", tiny.picture(1, 8, 8).image).tokens == 4


def test_the_name_says_which_weights(encoder: Qwen3Encoder, folder: Path) -> None:
    name, revision = encoder.name.rsplit("@", 1)
    assert Path(name) == folder
    assert [len(part) for part in revision.split("+")] == [16, 8]
