"""Dual encoders from a local folder, without a network: pictures and texts as unit vectors in one space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

from tests.model import tiny
from workbench.errors import BackboneError
from workbench.model import embedder
from workbench.model.embedder import HubEncoder

FAMILIES = ("siglip", "siglip2", "clip")
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
END, PAD, LENGTH = 1, 0, 16


def _tokenizer() -> Any:
    """Byte-level, an end token behind every text, padding on the left unless told otherwise."""
    bpe = Tokenizer(BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=["<pad>", "<eos>", "<unk>"], initial_alphabet=alphabet)
    )
    bpe.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", END)])
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def _save(folder: Path, family: str) -> Path:
    text = {**TOWER, "vocab_size": 260, "max_position_embeddings": LENGTH, "eos_token_id": END, "pad_token_id": PAD}
    tokens = _tokenizer()
    if family == "clip":
        config: Any = transformers.CLIPConfig(
            text_config={**text, "projection_dim": 24, "bos_token_id": END},
            vision_config={**TOWER, "image_size": 32, "patch_size": 8, "projection_dim": 24},
            projection_dim=24,
        )
        model: Any = transformers.CLIPModel(config)
        images: Any = transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    elif family == "siglip":
        config = transformers.SiglipConfig(
            text_config={**text, "projection_size": 32}, vision_config={**TOWER, "image_size": 32, "patch_size": 8}
        )
        model = transformers.SiglipModel(config)
        images = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    else:
        config = transformers.Siglip2Config(
            text_config={**text, "projection_size": 32}, vision_config={**TOWER, "num_patches": 16, "patch_size": 8}
        )
        model = transformers.Siglip2Model(config)
        images = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    if family != "clip":
        tokens.padding_side = "left"  # as Siglip2Tokenizer does by default
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    images.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HubEncoder]:
    """An encoder per family, read from its folder."""
    loaded = {family: embedder.load(_save(tmp_path_factory.mktemp(family), family)) for family in FAMILIES}
    return {family: each for family, each in loaded.items() if isinstance(each, HubEncoder)}


@pytest.fixture(params=FAMILIES)
def encoder(request: pytest.FixtureRequest, encoders: dict[str, HubEncoder]) -> HubEncoder:
    """Each family's encoder in turn."""
    return encoders[request.param]


PICTURES = [tiny.picture(1, 80, 60).image, tiny.picture(2, 60, 90).image, tiny.picture(3, 140, 40).image]
TEXTS = ["a dent", "a scratch", "oil"]


def test_pictures_and_texts_are_unit_vectors_of_one_space(encoder: HubEncoder) -> None:
    for vectors in (encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)):
        assert vectors.shape == (3, encoder.dim)
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))


def test_a_vector_does_not_depend_on_the_others_encoded_with_it(encoder: HubEncoder) -> None:
    alone = torch.cat([encoder.encode_images([image]) for image in PICTURES])
    torch.testing.assert_close(encoder.encode_images(PICTURES), alone, atol=2e-6, rtol=0)
    alone = torch.cat([encoder.encode_texts([text]) for text in TEXTS])
    torch.testing.assert_close(encoder.encode_texts(TEXTS), alone, atol=2e-6, rtol=0)


def test_another_text_or_picture_is_another_vector(encoder: HubEncoder) -> None:
    for vectors in (encoder.encode_images(PICTURES), encoder.encode_texts([*TEXTS, "a dint"])):
        alike = vectors @ vectors.T - 2 * torch.eye(len(vectors))
        assert float(alike.max()) < 0.9999


def test_vectors_are_the_models_own_embeddings(encoder: HubEncoder) -> None:
    pixels = encoder._processor(images=PICTURES, return_tensors="pt")
    texts = encoder._tokenizer(
        TEXTS, padding="max_length", padding_side="right", max_length=LENGTH, return_tensors="pt"
    )
    words = {"input_ids": texts["input_ids"]}
    if encoder._model.config.model_type == "clip":
        words["attention_mask"] = texts["attention_mask"]
    with torch.no_grad():
        out = encoder._model(**pixels, **words)
    torch.testing.assert_close(encoder.encode_images(PICTURES), out.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), out.text_embeds, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["siglip", "siglip2"])
def test_siglip_reads_texts_lower_cased_and_padded_on_the_right_without_a_mask(
    encoders: dict[str, HubEncoder], family: str
) -> None:
    encoder = encoders[family]
    read: list[dict[str, Any]] = []
    hook = encoder._model.text_model.register_forward_pre_hook(
        lambda _module, _args, named: read.append(named), with_kwargs=True
    )
    try:
        upper, lower = encoder.encode_texts(["A DENT"]), encoder.encode_texts(["a dent"])
    finally:
        hook.remove()
    assert torch.equal(upper, lower)
    ids = read[0]["input_ids"][0].tolist()
    assert len(ids) == LENGTH
    end = ids.index(END)
    assert end == len("a dent")
    assert ids[end + 1 :] == [PAD] * (LENGTH - end - 1)
    assert read[0].get("attention_mask") is None


def test_a_long_text_is_read_whole_in_windows_and_its_last_sentence_counts(encoder: HubEncoder) -> None:
    long = "A scratch is thin. " * 26  # 500 tokens, of which the tower reads 16 at once
    assert torch.equal(encoder.encode_texts([long]), encoder.encode_texts([long + "Oil shines."]))
    assert encoder.windows("a dent.  ") == ("a dent.  ",)
    before, after = ([*encoder.windows(long + end)] for end in ("Oil is dark.", "Oil shines."))
    assert " ".join(after) == (long + "Oil shines.")
    assert after[-1] == "Oil shines."
    for window in after:
        assert len(encoder._tokenizer(window)["input_ids"]) <= LENGTH
    changed = ~torch.isclose(encoder.encode_texts(before), encoder.encode_texts(after), atol=1e-6).all(1)
    assert changed.tolist() == [False] * (len(after) - 1) + [True]


def test_the_name_says_which_weights(encoder: HubEncoder) -> None:
    folder, revision = encoder.name.rsplit("@", 1)
    assert Path(folder).is_dir()
    assert [len(part) for part in revision.split("+")] == [16, 8]  # of the files, and of what makes pixels


def test_what_is_no_dual_encoder_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"is a qwen2_5_vl model; retrieval's encoders are clip, qwen3_vl, siglip"):
        embedder.load(folders["qwen2_5_vl"])
    with pytest.raises(BackboneError, match=r"^can't load nobody/nothing: "):
        embedder.load("nobody/nothing")
    broken = _save(tmp_path / "clip", "clip")
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(BackboneError, match=r"^can't load .*clip: .*header"):
        embedder.load(broken)
