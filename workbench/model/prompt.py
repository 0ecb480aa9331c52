"""The prompt, in the order that lets its parts be computed once and shared.

    product   system message, normal reference          the same for all images of a product
    image     query image, knowledge                    the same for all questions about an image
    question  question, options, start of the answer    one per question; before it, where one is shown, a region
    [injected patches] [think tokens Z]                  the latent loop's own (latent.py)
    cue       end of thinking, "Answer:"                 what the answer is read from

MMAD's order, for runs to be set beside papers, has the knowledge and what is asked for before the pictures, all in one
user message; images share less of it:

    product   instruction, knowledge, normal reference   the same for images of a product with the same knowledge
    image     query image                                the same for all questions about an image
    question  question, options

A part is a sequence of texts and image slots; a backbone turns it into tokens part by part, so the whole prompt is the
concatenation of its parts' tokens and no token crosses a seam. Knows nothing of tensors or storage. Changing any text
here changes every answer: raise VERSION, and train the embedded model again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

VERSION = "1"

SYSTEM = "You inspect industrial products for defects."
INSTRUCTION = "Judge whether the product in the query picture has a defect, and answer the question about it."
LETTER = "Answer with the option's letter."
SENTENCE = "Answer in one sentence."

Order = Literal["segments", "mmad"]


class Slot(Enum):
    """Where an image's tokens go, with the family's own markers around them."""

    REFERENCE = "reference"
    QUERY = "query"
    REGION = "region"


Part = tuple[str | Slot, ...]


def product_part(with_reference: bool, order: Order = "segments", knowledge: Sequence[str] = ()) -> Part:
    """What stands before the query image: the normal reference, when there is one (one-shot).

    Args:
        with_reference: False is zero-shot.
        order: of the whole prompt.
        knowledge: in MMAD's order the retrieved texts, best first; else they stand in the image part.
    """
    if order == "mmad":
        head = f"<|im_start|>user\n{SYSTEM} {INSTRUCTION}\n{LETTER}\n"
        shown: Part = ("This picture shows a normal sample, to compare with:", Slot.REFERENCE, "\n")
        return (head, *_knowledge(knowledge), *(shown if with_reference else ()))
    head = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
    return (head, "Normal sample:", Slot.REFERENCE, "\n") if with_reference else (head,)


def image_part(knowledge: Sequence[str], order: Order = "segments") -> Part:
    """The query image, and the retrieved texts, best first, unless they stood before; no block when there are none."""
    if order == "mmad":
        return ("This is the query picture:", Slot.QUERY, "\n")
    return ("Test sample:", Slot.QUERY, "\n", *_knowledge(knowledge))


def question_part(
    question: str, options: Sequence[tuple[str, str]], order: Order = "segments", with_region: bool = False
) -> Part:
    """The question with its (letter, text) options, up to where thinking starts; without options, an open question.

    Args:
        question: as it is put.
        options: letters and texts.
        order: of the whole prompt.
        with_region: whether a region of the query image is shown once more, by itself. It stands here, behind what
            questions share, so that prompts without one stay what they are.
    """
    lines = tuple(f"{letter}. {_plain(text)}\n" for letter, text in options)
    # MMAD asks for the letter before the pictures; it has no open questions.
    ask = SENTENCE if not options else "" if order == "mmad" else LETTER
    shown: Part = ("Region of the test sample, enlarged:", Slot.REGION, "\n") if with_region else ()
    return (
        *shown,
        f"Question: {_plain(question)}\n",
        *lines,
        *((ask,) if ask else ()),
        "<|im_end|>\n<|im_start|>assistant\n<think>",
    )


def _knowledge(texts: Sequence[str]) -> Part:
    return ("Knowledge:\n", *map(knowledge_line, texts)) if texts else ()


def knowledge_line(text: str) -> str:
    """A retrieved text as the model reads it."""
    return f"- {_plain(text.strip())}\n"


def _plain(text: str) -> str:
    """Somebody's words with nothing in them that a tokenizer takes for a control token, such as the end of a turn."""
    return re.sub(r"<(?=[|/\w])", "< ", text)


def answer_cue() -> Part:
    """What follows the think tokens; the next token is the answer."""
    return ("</think>", "Answer:")


def rationale_part() -> Part:
    """What follows the answer when a rationale is asked for."""
    return (".\n", "Reason:")


@dataclass(frozen=True, slots=True)
class FittedKnowledge:
    """What of the retrieved texts the context had room for."""

    texts: tuple[str, ...]
    dropped: int  # lowest-ranked texts left out
    cut: bool  # the last text ends early, at a sentence


def fit_knowledge(texts: Sequence[str], count: Callable[[str], int], budget: int) -> FittedKnowledge:
    """The best-ranked texts that fit into `budget` tokens; of the first, if even that doesn't, its first sentences.

    Args:
        texts: best first.
        count: tokens of a text, as rendered.
        budget: tokens left for all of them.
    """
    left = budget
    for index, text in enumerate(texts):
        left -= count(text)
        if left >= 0:
            continue
        head = "" if index else _first_sentences(text, count, budget)
        kept = (head,) if head else tuple(texts[:index])
        return FittedKnowledge(kept, dropped=len(texts) - len(kept), cut=bool(head))
    return FittedKnowledge(tuple(texts), dropped=0, cut=False)


def _first_sentences(text: str, count: Callable[[str], int], budget: int) -> str:
    """The longest run of whole sentences from the text's start that fits; "" if not even one does."""
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text)]
    heads = (text[:end].strip() for end in reversed(ends))
    return next((head for head in heads if count(head) <= budget), "")
