"""What the method costs: both engines and a plain pass, over the same questions on the CPU; and that memory stays flat.

A Qwen2.5-VL of the embedded model's family with random weights, six layers, hidden size 384, 306 visual tokens per
picture: speed does not depend on what the weights say. Five questions about one picture with one reference. Four ways:

    plain          no think tokens, each question its own prompt read whole: what everyone runs
    plain, shared  no think tokens, the image's prompt parts shared by its questions
    loop, naive    the full method, the whole prompt read for every evaluation, nothing kept; one of the five questions
    loop, shared   the full method, prompt parts shared

They take turns in one process, each with an engine that has read nothing yet. Figures are medians over the rounds, and
of each round's ratio; the interval is from the smallest to the largest, which holds the true median with 98 % certainty
when there are seven. Tokens fed to the decoder are counted and exact.

Memory: the embedded model answers thousands of questions through one engine, about new pictures with ever new
references; what the process holds is noted on the way.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import torch
import transformers
from PIL import Image

from benchmarks import machine
from workbench import embedded
from workbench.model import backbone, latent
from workbench.model.backbone import Backbone
from workbench.model.case import Case, Picture
from workbench.model.method import Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose

QUESTIONS = 5
LOOP = Method(iterations=10, samples=2)
PLAIN = replace(LOOP, think_tokens=0)
SIDE = (476, 504)  # pixels; 17 x 18 visual tokens
OUTPUT = Path(__file__).parent / "results" / "engines.json"


def main() -> None:
    """Measure, print the table, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--questions", type=int, default=2000, help="of the memory check; 0 leaves it out")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        body = backbone.load(_random_model(Path(folder)))
    cases = _cases(0, SIDE)
    seconds, tokens = _measured(body, cases, args.rounds)
    rows = {name: _row(seconds, name, tokens[name]) for name in seconds}
    for name, row in rows.items():
        sys.stdout.write(f"{name:14} {json.dumps(row)}\n")
    about = {
        "prefix_tokens": _prefix(body, cases),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "rounds": args.rounds,
        "questions_per_image": QUESTIONS,
        "method": str(LOOP),
    }
    ratios = {
        "naive_over_shared": _ratio(seconds, "loop, naive", "loop, shared"),
        "shared_over_plain": _ratio(seconds, "loop, shared", "plain"),
        "shared_over_plain_shared": _ratio(seconds, "loop, shared", "plain, shared"),
    }
    memory = {"memory": _memory(args.questions)} if args.questions else {}
    machine.report({"ways": rows, "ratios": ratios, **memory, **about}, args.output)


def _measured(body: Backbone, cases: Sequence[Case], rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """CPU-seconds and tokens fed to the decoder, per question, of each round, by way."""

    def plain() -> int:
        return sum(_fed(SegmentedEngine(body), [case], PLAIN) for case in cases)

    ways: dict[str, tuple[Callable[[], int], int]] = {
        "plain": (plain, len(cases)),
        "plain, shared": (lambda: _fed(SegmentedEngine(body), cases, PLAIN), len(cases)),
        "loop, naive": (lambda: _fed(NaiveEngine(body), cases[:1], LOOP), 1),
        "loop, shared": (lambda: _fed(SegmentedEngine(body), cases, LOOP), len(cases)),
    }
    plain()  # warm
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    tokens: dict[str, float] = {}
    for _ in range(rounds):
        for name, (run, questions) in ways.items():
            started = time.process_time()
            tokens[name] = run() / questions
            seconds[name].append((time.process_time() - started) / questions)
    return seconds, tokens


def _row(seconds: dict[str, list[float]], name: str, tokens: float) -> dict[str, object]:
    return {
        "cpu_seconds_per_question": round(statistics.median(seconds[name]), 3),
        "times_plain": _ratio(seconds, name, "plain"),
        "decoder_tokens_per_question": round(tokens, 1),
    }


def _ratio(seconds: dict[str, list[float]], one: str, other: str) -> dict[str, float]:
    """Of the rounds' ratios the median and its interval."""
    each = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
    return {"median": round(statistics.median(each), 2), "low": round(min(each), 2), "high": round(max(each), 2)}


def _memory(questions: int) -> dict[str, object]:
    """MiB held by this process while one engine answers so many questions, two pictures a time, each with a reference.

    The engine may keep 16 MiB, so that it has to let go of references all the time.
    """
    body = backbone.load(embedded.CHECKPOINT)
    engine = SegmentedEngine(body, memory=16 * 2**20)
    method, process = replace(LOOP, iterations=2), psutil.Process()
    held = {}
    for first in range(0, questions, 2 * QUESTIONS):
        latent.reason(engine, [*_cases(first, (168, 168)), *_cases(first + QUESTIONS, (168, 168))], method)
        done = first + 2 * QUESTIONS
        if done % (questions // 8) < 2 * QUESTIONS:
            held[str(done)] = round(process.memory_info().rss / 2**20, 1)
    return {"questions": questions, "kept_at_most_mib": 16, "iterations": 2, "resident_mib_after": held}


def _fed(engine: SegmentedEngine | NaiveEngine, cases: Sequence[Case], method: Method) -> int:
    """Tokens the decoder was fed to answer these cases."""
    latent.reason(engine, cases, method)
    return engine.work.decoder_tokens


def _prefix(body: Backbone, cases: Sequence[Case]) -> int:
    """Tokens before the think tokens of the longest question."""
    script = compose(body, cases)
    return max(len(q.ids) + len(script.images[0].ids) + len(script.products[0].ids) for q in script.questions)


def _random_model(folder: Path) -> Path:
    """The embedded model's family, tokenizer and processor, larger and with random weights, written to the folder."""
    shutil.copytree(embedded.CHECKPOINT, folder, dirs_exist_ok=True)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.text_config.hidden_size = config.vision_config.out_hidden_size = 384
    config.text_config.intermediate_size = 1024
    config.text_config.num_attention_heads, config.text_config.num_key_value_heads = 12, 4
    transformers.Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    settings = folder / "preprocessor_config.json"
    area = SIDE[0] * SIDE[1]
    size = {"size": {"shortest_edge": area, "longest_edge": area}}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | size))
    return folder


def _cases(seed: int, side: tuple[int, int]) -> list[Case]:
    """Five questions about a picture with a reference, both of noise."""
    noise = np.random.default_rng(seed)
    drawn = [Image.fromarray(noise.integers(0, 255, (*side, 3), dtype=np.uint8)) for _ in range(2)]
    reference, picture = (Picture(f"picture {seed} {i}", image) for i, image in enumerate(drawn))
    knowledge = tuple(f"Text {i}: a scratch is a thin bright line across the surface of the part." for i in range(3))
    options = (("A", "Yes."), ("B", "No."))
    return [
        Case(f"{i}", picture, reference, knowledge, f"Is there a defect of kind {i}?", options)
        for i in range(QUESTIONS)
    ]


if __name__ == "__main__":
    main()
