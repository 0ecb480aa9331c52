"""The embedded model's body: tokenizer, Qwen2.5-VL configuration, checkpoint folder.

Two million parameters: 12 x 12 patches of 14 pixels, merged to 6 x 6 tokens; six decoder layers of width 128. Words
of the drawn world are single tokens. `mrope_section` is [1, 2, 13] because the usual split gives rows and columns the
slow rotations, which at a head width of 32 turn by 0.003 rad per token: the decoder would be blind to columns.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.embedded import drawn_world, questions
from workbench.model import prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<think>",
    "</think>",
    "<|latent|>",
)
# Qwen2's own split: a word takes the blank before it, punctuation the line break after it.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for piece in message.content %}"
    "{% if piece.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ piece.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network; the default is the released checkpoint's."""

    vocabulary: int = 1024
    hidden: int = 128
    layers: int = 6
    heads: int = 4
    intermediate: int = 384
    vision_hidden: int = 96
    vision_layers: int = 3
    vision_heads: int = 3
    image_side: int = 168  # pixels; the image processor brings every image to about this area
    patch: int = 14

    @property
    def cells(self) -> int:
        """Visual tokens per side of a square image: two patches wide each."""
        return self.image_side // self.patch // 2


SHAPE = Shape()


def tokenizer(vocabulary: int = SHAPE.vocabulary) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in which every word of the drawn world, after a blank, is one token."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=1,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_corpus(), trainer)
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL[1:]),
    )
    fast.chat_template = _TEMPLATE
    return fast


def _corpus() -> Iterator[str]:
    """Text from which the merges are learned: each word of the prompt and the world, often enough to become a token."""
    entries = [
        drawn_world.knowledge_text(product, defect, wording=wording)
        for product, defect in drawn_world.ENTRIES
        for wording in (*drawn_world.WORDINGS, *drawn_world.HELD_OUT_WORDINGS)
    ]
    entries += [
        drawn_world.knowledge_text(product, "good", wording=wording)
        for product, wording in itertools.product(drawn_world.PRODUCTS, drawn_world.GOOD_WORDINGS)
    ]
    named = [
        *drawn_world.DEFECTS,
        *drawn_world.PRODUCTS,
        *drawn_world.COLORS,
        *drawn_world.REGIONS,
        *drawn_world.CONSEQUENCES,
        "Yes",
        "No",
    ]
    named += [*drawn_world.SIZES, *drawn_world.TONES, *(look.shape for look in drawn_world.LOOKS.values())]
    named += [look.adjective for look in drawn_world.LOOKS.values()]
    capitals = [
        name.capitalize() for name in (*drawn_world.DEFECTS, *drawn_world.REGIONS, "no defect", "another defect")
    ]
    listed = [*named, *capitals]
    options = [f"{letter}. {name}{stop}\n" for letter in questions.LETTERS for name in listed for stop in ("", ".")]
    asked = [text for wordings in questions.WORDINGS.values() for text in wordings]
    frame = [
        text
        for part in (
            prompt.product_part(True),
            prompt.image_part(entries[:3]),
            prompt.question_part(asked[0], ()),
            prompt.question_part(asked[0], (("A", "Yes"),)),
            prompt.answer_cue(),
            prompt.rationale_part(),
        )
        for text in part
        if isinstance(text, str)
    ]
    letters = [f"{blank}{letter}" for blank in ("", " ") for letter in questions.LETTERS]
    digits = [f"{letter}. {digit}\n" for letter in questions.LETTERS for digit in "0123456789"]
    sentences = [*(f"Question: {text}\n" for text in asked), *frame, *_SENTENCES, *letters, *digits]
    return iter(5 * [*entries, *options, *sentences])


# Sentences that other parts of the product put before the model or expect from it; only their words matter here.
_SENTENCES = (
    " The sample shows a small dark line, a scratch, at the top left.\n",
    " The sample shows no defect; it looks like the normal sample.\n",
    "Yes, there is a defect. No, there is no defect. The product is damaged. The object is normal.\n",
    "Which of the following best describes the anomaly? Is the product good or defective? What should be done?\n",
    "upper lower corner edge surface area side part several none other of these it is not visible\n",
)


def configuration(shape: Shape, ids: Mapping[str, int]) -> Qwen2_5_VLConfig:
    """The Qwen2.5-VL configuration of this shape; `ids` maps the special tokens to their numbers."""
    from transformers import Qwen2_5_VLConfig

    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 2, 13]},
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_hidden,
            "intermediate_size": 2 * shape.vision_hidden,
            "num_heads": shape.vision_heads,
            "out_hidden_size": shape.hidden,
            "patch_size": shape.patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": list(range(shape.vision_layers)),
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def model(shape: Shape, tokens: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    """A model of this shape with the library's random weights."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    ids = {token: tokens.get_vocab()[token] for token in SPECIAL}
    return Qwen2_5_VLForConditionalGeneration(configuration(shape, ids))


def save(
    folder: Path,
    body: Qwen2_5_VLForConditionalGeneration,
    tokens: PreTrainedTokenizerFast,
    shape: Shape,
    attention_layers: list[int],
) -> None:
    """Write a folder that `from_pretrained` reads, weights in bfloat16; `body` itself stays in float32.

    Args:
        attention_layers: layers in which the latents' attention finds the defect; read by the backbone.
    """
    import copy

    import torch
    from torch import nn
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    stored: nn.Module = copy.deepcopy(body)
    stored.to(torch.bfloat16)
    stored.save_pretrained(folder)  # type: ignore[operator]
    tokens.save_pretrained(folder)
    area = shape.image_side**2
    Qwen2VLImageProcessorPil(size={"shortest_edge": area, "longest_edge": area}).save_pretrained(folder)
    (folder / "workbench.json").write_text(json.dumps({"attention_layers": attention_layers}, indent=2) + "\n")
