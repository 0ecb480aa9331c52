"""What the method costs at the size of a 7B model: `python -m benchmarks.gpu`, on one GPU, in under eight minutes.

Qwen2.5-VL-7B's shapes with random weights: speed doesn't depend on what the weights say. Pictures of 448, 640 and 1,280
visual tokens, 32 to a block as on any GPU, five questions each, one normal reference per block. Five ways:

    plain          one prompt per question, read once by the library's own attention: what everyone runs
    plain, shared  the same answers with the prompt's parts shared
    naive          the full method, the whole prompt read for every evaluation (one question is measured)
    ours           the full method, parts shared: N = 10 with K = 4 samples (the default), 2, and exact gradients

Then one-shot throughput on a stated mixture of picture sizes, once with a reference per product and once with one per
picture, as MMAD has it, and what that makes for all of MMAD. Pictures are resized beforehand, as the input workers do;
what that takes on one core is printed apart. `--suffix` adds what fewer kernel launches would save (`suffix.py`).

Imports torch, transformers, tokenizers, safetensors, PIL, numpy and workbench.model, nothing else of ours. On a CPU
give `--toy`: other shapes, the same code.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from benchmarks import suffix
from workbench.model import answer, latent, prompt
from workbench.model.backbone import Backbone
from workbench.model.backbone.hub import HubBackbone, Parts
from workbench.model.backbone.qwen25 import Qwen25VL
from workbench.model.case import Case, Picture, Reasoned
from workbench.model.kernels import kernel_for
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose

IMAGES, QUESTIONS = 32, 5
SIZES = {448: (16, 28), 640: (20, 32), 1280: (32, 40)}  # visual tokens: rows and columns of 28 pixels
# One-shot throughput: a stated mixture, in shares of pictures. MMAD's own pictures have 64 to 1,280 visual tokens.
MIXTURE = {(10, 16): 0.25, (16, 28): 0.25, (20, 32): 0.25, (32, 40): 0.25}
MMAD_IMAGES, MMAD_QUESTIONS = 8_366, 39_672
OURS = {
    "ours, K = 4": Method(),
    "ours, K = 2": Method(samples=2),
    "ours, exact gradient": Method(estimator="autograd"),
}
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a Qwen2.5-VL."""

    text: dict[str, Any]
    vision: dict[str, Any]
    sizes: dict[int, tuple[int, int]]
    mixture: dict[tuple[int, int], float]
    mixed: int  # pictures of the mixture


SEVEN_B = Shape(
    text={
        "vocab_size": 152_064,
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128_000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    vision={
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
    sizes=SIZES,
    mixture=MIXTURE,
    mixed=64,
)
TOY = Shape(
    text={
        "vocab_size": 512,
        "initializer_range": 0.15,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    },
    vision={
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 64,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [1],
    },
    sizes={12: (3, 4)},
    mixture={(2, 3): 0.5, (3, 4): 0.5},
    mixed=4,
)


Figures = dict[str, object]


class OutOfTime(Exception):
    """The minutes given are over."""


class Bench:
    """One model and what it is timed on.

    Args:
        body: the model.
        minutes: after which nothing new is begun.
        images: of a block.
        times: most repetitions of a run.
    """

    def __init__(self, body: HubBackbone, minutes: float, images: int, times: int):
        self.body, self.images = body, images
        self.engine = SegmentedEngine(body)
        self._most = times
        self._until = time.perf_counter() + 60 * minutes
        self._pictures: dict[tuple[int, tuple[int, int]], Picture] = {}

    def seconds(self, run: Callable[[], object], times: int = 3, warm_up: Callable[[], object] | None = None) -> float:
        """Of a run, the median of a few, after one that warms up; by the clock, with the device's work waited for."""
        if time.perf_counter() > self._until:
            raise OutOfTime
        (warm_up or run)()
        taken = []
        for _ in range(min(times, self._most)):
            if time.perf_counter() > self._until:
                raise OutOfTime
            self._wait()
            started = time.perf_counter()
            run()
            self._wait()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    def _wait(self) -> None:
        if self.body.device.type == "cuda":
            torch.cuda.synchronize()

    def picture(self, number: int, cells: tuple[int, int]) -> Picture:
        """A picture of noise with so many visual tokens down and across, made ready."""
        if (number, cells) not in self._pictures:
            noise = np.random.default_rng([number, *cells])
            image = Image.fromarray(noise.integers(0, 255, (cells[0] * 28, cells[1] * 28, 3), dtype=np.uint8))
            key = f"{number} {cells}"
            self._pictures[number, cells] = Picture(key, image, self.body.prepare(key, image))
        return self._pictures[number, cells]

    def block(self, cells: tuple[int, int], questions: int = QUESTIONS) -> list[Case]:
        """Some pictures of one product with all their questions."""
        reference = self.picture(99, cells)
        return [case for i in range(self.images) for case in asked(self.picture(i, cells), reference, questions)]

    def ours(self, blocks: Sequence[Sequence[Case]], method: Method) -> list[Reasoned]:
        """The blocks one after another, by an engine that has read nothing yet."""
        self.engine.forget()
        return [each for block in blocks for each in latent.reason(self.engine, block, method)]


def asked(picture: Picture, reference: Picture | None, questions: int) -> list[Case]:
    """So many questions about a picture, with three texts of knowledge."""
    texts = tuple(f"Text {i}: a scratch is a thin bright line across the surface of the part." * 2 for i in range(3))
    options = (("A", "Yes."), ("B", "No."), ("C", "It can't be told from the picture."), ("D", "None of these."))
    return [
        Case(f"{i}", picture, reference, texts, f"Is there a defect of kind {i} in the object?", options)
        for i in range(questions)
    ]


def plain(body: Backbone, case: Case) -> torch.Tensor:
    """Log-probabilities of the options' letters by one forward over the whole prompt, in the library's own way."""
    script = compose(body, [case])
    inputs = script.inputs
    features = dict(zip(inputs, body.encode(list(inputs.values())), strict=True))
    parts = (*script.products, *script.images, *script.questions)
    cue = body.tokenize(prompt.answer_cue(), {})
    ids = torch.cat([*(part.ids for part in parts), cue])
    line = torch.arange(parts[-1].after, parts[-1].after + len(cue)).expand(3, -1)
    positions = torch.cat([*(part.positions for part in parts), line], 1)[:, None]
    read = answer.read_letters(answer.letter_tokens(body, case.letters))
    with torch.no_grad():
        embeddings = body.embed(ids, [features[part.image.key] for part in parts if part.image])[None]
        return read(body.head(body.hidden(embeddings, positions, None, None)[:, -1:]))


def of_sizes(bench: Bench, shape: Shape) -> Iterator[Figures]:
    """Milliseconds per question of each way, picture size by picture size."""
    for tokens, cells in shape.sizes.items():
        cases = bench.block(cells)
        few = cases[:QUESTIONS]
        ways: dict[str, tuple[Callable[[], object], int, int]] = {
            "plain": (lambda few=few: [plain(bench.body, case) for case in few], len(few), 3),  # type: ignore[misc]
            "plain, shared": (partial(bench.ours, [cases], Method(think_tokens=0)), len(cases), 3),
            **{name: (partial(bench.ours, [cases], method), len(cases), 2) for name, method in OURS.items()},
            "naive": (partial(latent.reason, NaiveEngine(bench.body), cases[:1], Method()), 1, 1),
        }
        alone = float("nan")
        for name, (run, questions, times) in ways.items():
            row: Figures = {"image_tokens": tokens, "way": name}

            def measured(run: Callable[[], object] = run, questions: int = questions, times: int = times) -> Figures:
                return {"ms_per_question": round(1000 * bench.seconds(run, times) / questions, 2)}

            row |= tried(measured)
            taken = row.get("ms_per_question")
            if isinstance(taken, float):
                alone = taken if name == "plain" else alone
                row["times_plain"] = round(taken / alone, 3)
            yield row


def of_suffix(bench: Bench, shape: Shape, images: int) -> Figures:
    """What fewer launches would save in one iteration of so many pictures, of the middle size."""
    tokens, cells = list(shape.sizes.items())[len(shape.sizes) // 2]
    cases = bench.block(cells)[: images * QUESTIONS]
    return {"image_tokens": tokens, "pictures": images} | suffix.measured(bench.body, bench.engine, cases)


def tried(measure: Callable[[], Figures]) -> Figures:
    """What was measured, or why it couldn't be: the next measurement may still succeed."""
    try:
        return measure()
    except OutOfTime:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it is told
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}


def throughput(bench: Bench, shape: Shape, per_picture: bool) -> Figures:
    """Pictures a second over the mixture, by the full method's defaults, and what that makes for MMAD."""
    cells = [each for each, share in shape.mixture.items() for _ in range(round(share * shape.mixed))]
    cells = [cells[i] for i in np.random.default_rng(0).permutation(len(cells))]
    counts = [5 if i % 10 < 7 else 4 for i in range(len(cells))]  # 4.7 questions a picture, as MMAD
    shown = [bench.picture(100 + i, each) for i, each in enumerate(cells)]
    references = [bench.picture(200 + (i if per_picture else i // 16), (20, 32)) for i in range(len(cells))]
    each = [asked(picture, other, n) for picture, other, n in zip(shown, references, counts, strict=True)]
    blocks = [
        [case for cases in each[first : first + bench.images] for case in cases]
        for first in range(0, len(each), bench.images)
    ]
    seconds = bench.seconds(lambda: bench.ours(blocks, Method()), 1, lambda: bench.ours(blocks[:1], Method()))
    rate = len(cells) / seconds
    return {
        "references": "one per picture" if per_picture else "one per 16 pictures",
        "distinct_references": len({each.key for each in references}),
        "pictures": len(cells),
        "questions": sum(counts),
        "mixture_visual_tokens": {rows * cols: share for (rows, cols), share in shape.mixture.items()},
        "images_per_second": round(rate, 2),
    } | ({} if shape is TOY else mmad(rate))


def mmad(rate: float) -> Figures:
    """What so many pictures a second make for the whole benchmark."""
    arithmetic = f"{MMAD_IMAGES} images of {MMAD_QUESTIONS} questions in all / {rate:.2f} images/s / 60"
    return {"mmad_minutes": round(MMAD_IMAGES / rate / 60, 1), "arithmetic": arithmetic}


def agreement(bench: Bench, cells: tuple[int, int]) -> Figures:
    """How far ours is from the naive engine and from a plain pass on one question: speed alone says little."""
    case, method = bench.block(cells)[0], Method(iterations=2)
    (ours,) = bench.ours([[case]], method)
    (naive,) = latent.reason(NaiveEngine(bench.body), [case], method)
    (alone,) = bench.ours([[case]], Method(think_tokens=0))
    whole = plain(bench.body, case)[0, 0].cpu()
    apart = [
        abs(a - b) for a, b in zip(ours.option_probabilities.values(), naive.option_probabilities.values(), strict=True)
    ]
    shares = answer.probabilities(case.letters, whole)
    return {
        "same_answer_as_naive": ours.answer == naive.answer,
        "option_probability_from_naive": max(apart),
        "reward_from_naive": abs(ours.iterations[0].reward - naive.iterations[0].reward),
        "plain_probability_from_the_library": max(abs(alone.option_probabilities[k] - shares[k]) for k in shares),
    }


def main() -> None:
    """Measure, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true", help="tiny shapes, for a CPU")
    parser.add_argument("--minutes", type=float, default=7.0, help="begin nothing new after so many")
    parser.add_argument("--suffix", action="store_true", help="also time an iteration compiled and as a CUDA graph")
    parser.add_argument("--output", type=Path, help="also write the JSON there")
    args = parser.parse_args()
    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() and not args.toy else "cpu")
    if device.type == "cpu" and not args.toy:
        parser.error("there is no CUDA device; on a CPU give --toy")
    shape, dtype = (TOY, torch.float32) if args.toy else (SEVEN_B, torch.bfloat16)
    body = model(shape, device, dtype)
    said(f"model made in {time.perf_counter() - started:.0f} s")
    left = args.minutes - (time.perf_counter() - started) / 60
    bench = Bench(body, left, 2, 1) if args.toy else Bench(body, left, IMAGES, 3)
    result: Figures = {
        "command": " ".join(
            ["python -m benchmarks.gpu", *(flag for flag in sys.argv[1:] if flag in ("--toy", "--suffix"))]
        ),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"cpu ({platform.machine()})",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "shapes": "toy" if args.toy else "Qwen2.5-VL-7B, random weights",
        "dtype": str(dtype).removeprefix("torch."),
        "attention": kernel_for(device, dtype, shape.text["hidden_size"] // shape.text["num_attention_heads"]).name,
        "block": f"{bench.images} pictures, {QUESTIONS} questions each, one reference",
        "kept_at_most_gib": round(bench.engine.memory / 2**30, 2),
    }
    rows: list[Figures] = []
    shots: list[Figures] = []
    try:
        result["agreement"] = tried(partial(agreement, bench, next(iter(shape.sizes.values()))))
        for per_picture in (True, False):
            shots.append(tried(partial(throughput, bench, shape, per_picture)))
            said(json.dumps(shots[-1]))
        if args.suffix:
            blocks = sorted({2, min(8, bench.images), bench.images})
            result["suffix"] = [tried(partial(of_suffix, bench, shape, images)) for images in blocks]
            said(json.dumps(result["suffix"]))
        for row in of_sizes(bench, shape):
            rows.append(row)
            said("  ".join(f"{name} {value}" for name, value in row.items()))
    except OutOfTime:
        result["cut_short"] = f"after {args.minutes} minutes; what is missing was not measured"
    result |= {"one_shot": shots, "by_size": rows, "resize_ms_per_picture": resizing(body, shape)}
    if device.type == "cuda":
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    result["seconds"] = round(time.perf_counter() - started, 1)
    text = json.dumps(result)
    said(text)
    if args.output:
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def resizing(body: Backbone, shape: Shape) -> float:
    """Milliseconds to make the largest picture ready on one core."""
    rows, cols = max(shape.sizes.values())
    image = Image.new("RGB", (cols * 28, rows * 28))
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        body.prepare("", image)
        taken.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(taken), 1)


def model(shape: Shape, device: torch.device, dtype: torch.dtype) -> HubBackbone:
    """A Qwen2.5-VL of that shape with random weights, made on the device."""
    tokens = tokenizer()
    words = tokens.get_vocab()
    config = transformers.Qwen2_5_VLConfig(
        text_config=shape.text,
        vision_config=shape.vision,
        image_token_id=words["<|image_pad|>"],
        vision_start_token_id=words["<|vision_start|>"],
        vision_end_token_id=words["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    library: Any = transformers.AutoModelForImageTextToText
    with torch.device(device):
        made = library.from_config(config, dtype=dtype)
    largest = max(rows * cols for rows, cols in (*shape.sizes.values(), *shape.mixture)) * 28 * 28
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": largest}, patch_size=14)
    return Qwen25VL(Parts(made, tokens, processor, "random", "random"))


def tokenizer() -> Any:
    """Byte-pairs learned from the prompts themselves: about a token a word, as with a real tokenizer."""
    bytewise = Tokenizer(BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    case = asked(Picture("", Image.new("RGB", (1, 1))), None, 1)[0]
    parts = (
        prompt.product_part(True),
        prompt.image_part(case.knowledge),
        prompt.question_part(case.question, case.options),
        prompt.answer_cue(),
    )
    bytewise.train_from_iterator([text for part in parts for text in part if isinstance(text, str)], trainer)
    made: Any = transformers.PreTrainedTokenizerFast
    return made(tokenizer_object=bytewise, eos_token="<|im_end|>", additional_special_tokens=list(MARKS))


def said(text: str) -> None:
    """Print at once: a run that is cut off has said what it knew."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
