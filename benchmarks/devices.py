"""Do a GPU and bfloat16 give the answers of a CPU in float32? `python -m benchmarks.devices`, about a minute.

The embedded model and the full method on drawn images, once on each device and in each number type, eight images to a
block; compared with the first. Needs no more than `benchmarks.gpu` does, and OpenCV to draw.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers

from training import full_method
from workbench import embedded
from workbench.embedded import drawn_world
from workbench.embedded.questions import LETTERS
from workbench.model import backbone, latent
from workbench.model.case import Case, Reasoned
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine

SEED, BLOCK = 20260101, 8


def asked(images: Sequence[int]) -> list[Case]:
    """All that can be asked about drawn images, each with its reference and its product's first texts."""
    cases = []
    for number in images:
        drawing, reference, choices = full_method.question_case(SEED, number)
        query, product = full_method.picture(drawing), drawing.facets.product
        texts = tuple(drawn_world.knowledge_text(product, entry) for entry in drawn_world.PRODUCTS[product].defects[:3])
        for at, choice in enumerate(choices):
            options = tuple(zip(LETTERS, choice.options, strict=False))
            cases.append(Case(f"{number}-{at}", query, reference, texts, choice.question, options))
    return cases


def answered(blocks: Sequence[Sequence[Case]], device: str, dtype: str, method: Method | None = None) -> list[Reasoned]:
    """Every question's answer on this device, in this type; by the full method unless told otherwise."""
    engine = SegmentedEngine(backbone.load(embedded.CHECKPOINT, device=device, dtype=dtype))  # type: ignore[arg-type]
    return [each for block in blocks for each in latent.reason(engine, block, method or Method())]


@dataclass(frozen=True, slots=True)
class Alike:
    """How alike two ways answered the same questions."""

    same_answer: int
    share: float
    same_patches: int  # questions whose accepted patches are the same
    start_reward_apart_at_most: float  # nats
    plain_probability_apart_at_most: float  # of an option, before the loop


def compared(first: Sequence[Reasoned], other: Sequence[Reasoned]) -> Alike:
    """Two ways to answer the same questions, as many in each."""
    pairs = list(zip(first, other, strict=True))
    starts = [abs(a.iterations[0].reward - b.iterations[0].reward) for a, b in pairs]
    plain = [
        abs(chance - b.initial_option_probabilities[letter])
        for a, b in pairs
        for letter, chance in a.initial_option_probabilities.items()
    ]
    same = sum(a.answer == b.answer for a, b in pairs)
    return Alike(
        same_answer=same,
        share=round(same / len(pairs), 4),
        same_patches=sum(_accepted(a) == _accepted(b) for a, b in pairs),
        start_reward_apart_at_most=float(f"{max(starts):.2g}"),
        plain_probability_apart_at_most=float(f"{max(plain, default=0.0):.2g}"),
    )


def _accepted(reasoned: Reasoned) -> list[tuple[int, int]]:
    return [(patch.row, patch.col) for patch in reasoned.patches if patch.accepted]


def main() -> None:
    """Answer in every way there is here, print each comparison and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--output", type=Path, help="also write the JSON there")
    args = parser.parse_args()
    ways = [("cpu", "float32"), ("cpu", "bfloat16")]
    if torch.cuda.is_available():
        ways += [("cuda", "float32"), ("cuda", "bfloat16")]
    blocks = [asked(range(first, min(first + BLOCK, args.images))) for first in range(0, args.images, BLOCK)]
    first: list[Reasoned] = []
    rows = []
    for device, dtype in ways:
        started = time.perf_counter()
        found = answered(blocks, device, dtype)
        first = first or found
        seconds = round(time.perf_counter() - started, 1)
        rows.append({"device": device, "dtype": dtype, **asdict(compared(first, found)), "seconds": seconds})
        sys.stdout.write("  ".join(f"{name} {value}" for name, value in rows[-1].items()) + "\n")
        sys.stdout.flush()
    result = {
        "command": f"python -m benchmarks.devices --images {args.images}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "images": args.images,
        "questions": len(first),
        "ways": rows,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    if args.output:
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
