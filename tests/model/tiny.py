"""Tiny checkpoints of every family with random weights, drawn pictures, and cases about them.

The models go through the same code as a 7B one: a folder written by `save_pretrained`, with a byte-level BPE tokenizer
and an image processor, read by `backbone.load`. Weights are drawn large enough that logits differ by far more than
rounding, so that "the same decision" says something; queries larger still, so that attention has favourites.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from workbench.model import prompt
from workbench.model.backbone import HubBackbone
from workbench.model.case import Case, Picture

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
INTERNVL = {"internvl3": "qwen2", "internvl3_5": "qwen3"}  # text towers of the family's versions
VOCABULARY = 384
HIDDEN = 64
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|fim_pad|>",
)
INTERNVL_SPECIAL = ("<img>", "</img>", "<IMG_CONTEXT>")
TILE = 32  # pixels of a tile, two tokens across and down
YES_NO = (("A", "Yes."), ("B", "No."))
FOUR = (("A", "Scratch."), ("B", "Dent."), ("C", "Stain."), ("D", "None of these."))


def save(folder: Path, family: str, context: int = 2048) -> Path:
    """The folder, with a whole checkpoint of that family in it."""
    tokens = _tokenizer((*SPECIAL, *INTERNVL_SPECIAL) if family in INTERNVL else SPECIAL)
    ids = dict(tokens.get_vocab())
    if family in INTERNVL:
        model, processor = _internvl(ids, context, INTERNVL[family]), _tiling()
    else:
        model = _qwen2_5_vl(ids, context) if family == "qwen2_5_vl" else _qwen3_vl(ids, context)
        processor = _merging(model.config.vision_config.patch_size)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * (0.25 if "q_proj" in name else 0.1)
            parameter.copy_(drawn if parameter.dim() > 1 else parameter + drawn)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _merging(patch: int) -> Any:
    unit = (2 * patch) ** 2  # pixels of one visual token
    return Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * unit, "longest_edge": 30 * unit}, patch_size=patch)


def _tiling() -> Any:
    """As the published checkpoints have it: tiling is off here, and is turned on by whoever prepares a picture."""
    return GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, crop_to_patches=False, max_patches=6)


def _internvl(ids: dict[str, int], context: int, tower: str) -> Any:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}  # as InternVL3 has it; beyond `context` only
    own = {"head_dim": 16} if tower == "qwen3" else {"rope_parameters": rope}
    config = transformers.InternVLConfig(
        text_config={**_text(context), "model_type": tower, **own},
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "image_size": [TILE, TILE],
            "patch_size": [8, 8],
        },
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return transformers.InternVLForConditionalGeneration(config)


def _qwen2_5_vl(ids: dict[str, int], context: int) -> Any:
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **_text(context),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
            "patch_size": 14,
            "window_size": 56,  # two visual tokens: most pictures have several windows
            "fullatt_block_indexes": [1],
        },
        **_marks(ids),
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def _qwen3_vl(ids: dict[str, int], context: int) -> Any:
    config = transformers.Qwen3VLConfig(
        text_config={
            **_text(context),
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
            "patch_size": 16,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        **_marks(ids),
    )
    return transformers.Qwen3VLForConditionalGeneration(config)


def _text(context: int) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
    }


def _marks(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": False,
    }


def _tokenizer(special: Sequence[str]) -> transformers.PreTrainedTokenizerFast:
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    parts = (prompt.product_part(True), prompt.image_part(KNOWLEDGE), prompt.question_part("Is it?", FOUR))
    bpe.train_from_iterator([text for part in parts for text in part if isinstance(text, str)], trainer)
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(special[1:]),
    )


KNOWLEDGE = ("Scratches are thin bright lines. They may leak.", "A dent is round and dark.")


def model(body: HubBackbone) -> Any:
    """The library's own model inside, for the plain path and for hooks."""
    return body._model


def picture(seed: int, width: int = 112, height: int = 84) -> Picture:
    """Coloured noise in coarse and fine grain; another seed or size is another picture."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    fine = generator.integers(-40, 41, (height, width, 3))
    pixels = np.clip(np.asarray(coarse).astype(int) + fine, 0, 255).astype(np.uint8)
    return Picture(content=f"{seed}-{width}x{height}", image=Image.fromarray(pixels))


def case(
    query: Picture,
    reference: Picture | None = None,
    knowledge: tuple[str, ...] = KNOWLEDGE,
    options: tuple[tuple[str, str], ...] = FOUR,
    question: str = "What is the type of the defect?",
    seed_key: str = "0",
) -> Case:
    """A question about that picture."""
    return Case(seed_key, query, reference, knowledge, question, options)


def block() -> list[Case]:
    """Eleven cases: one, two and five questions on pictures of three sizes; two references and two zero-shot pictures.

    Questions differ in length and in the number of their options, and the pictures' cases are interleaved.
    """
    first, second = picture(1, 90, 90), picture(2, 70, 120)
    shown = [
        (picture(3, 112, 84), first, KNOWLEDGE, 1),
        (picture(4, 168, 110), first, KNOWLEDGE[:1], 2),
        (picture(5, 60, 140), None, (), 5),
        (picture(6, 112, 84), second, KNOWLEDGE, 2),
        (picture(6, 112, 84), None, KNOWLEDGE, 1),
    ]
    asked = ("Is there any defect in the object?", "What kind?", "Where is the defect, and what may it lead to?")
    cases = [
        case(query, reference, knowledge, (YES_NO, FOUR, FOUR[:3])[n % 3], asked[n % 3], seed_key=f"{i}.{n}")
        for i, (query, reference, knowledge, count) in enumerate(shown)
        for n in range(count)
    ]
    return cases[::2] + cases[1::2]
