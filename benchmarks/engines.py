"""What the method costs: both engines and a plain pass, over the same questions on the CPU.

A Qwen2.5-VL of the embedded model's family with random weights, six layers, hidden size 384, 224 visual tokens per
picture: speed does not depend on what the weights say. Five questions about one picture with one reference. Four ways:

    plain          no think tokens, each question its own prompt: what everyone runs
    plain, shared  no think tokens, the image's prompt parts shared by its questions
    loop, naive    the full method, the whole prompt read for every evaluation
    loop, shared   the full method, prompt parts shared

They take turns in one process; the figures are medians over the rounds, and of each round's ratio to its plain pass.
Tokens fed to the decoder are counted and exact.
"""

from __future__ import annotations

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
import torch
import transformers
from PIL import Image

from benchmarks import machine
from workbench import embedded
from workbench.model import backbone, latent
from workbench.model.case import Case, Picture
from workbench.model.method import Method
from workbench.model.naive import NaiveEngine
from workbench.model.segments import SegmentedEngine

IMAGES, QUESTIONS, ROUNDS = 1, 5, 3
LOOP = Method(iterations=10, samples=2)
PLAIN = replace(LOOP, think_tokens=0)
SIDE = (392, 448)  # pixels; 14 x 16 visual tokens
OUTPUT = Path(__file__).parent / "results" / "engines.json"


def main() -> None:
    """Measure, print the table, keep the result."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        body = backbone.load(_random_model(Path(folder)))
    shared, naive, cases = SegmentedEngine(body), NaiveEngine(body), _cases()

    def plain() -> int:
        return sum(_fed(shared, [case], PLAIN) for case in cases)

    ways: dict[str, Callable[[], int]] = {
        "plain": plain,
        "plain, shared": lambda: _fed(shared, cases, PLAIN),
        "loop, naive": lambda: _fed(naive, cases, LOOP),
        "loop, shared": lambda: _fed(shared, cases, LOOP),
    }
    plain()  # warm
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    tokens: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            started = time.process_time()
            tokens[name] = run()
            seconds[name].append((time.process_time() - started) / len(cases))
    rows = {
        name: {
            "cpu_seconds_per_question": round(statistics.median(each), 3),
            "times_plain": round(statistics.median(a / b for a, b in zip(each, seconds["plain"], strict=True)), 2),
            "decoder_tokens_per_question": round(tokens[name] / len(cases), 1),
        }
        for name, each in seconds.items()
    }
    for name, row in rows.items():
        sys.stdout.write(f"{name:14} {json.dumps(row)}\n")
    libraries = {"torch": torch.__version__, "transformers": transformers.__version__}
    about = {
        **libraries,
        "threads": torch.get_num_threads(),
        "rounds": ROUNDS,
        "questions": len(cases),
        "method": str(LOOP),
    }
    machine.report({"ways": rows, **about}, OUTPUT)


def _fed(engine: SegmentedEngine | NaiveEngine, cases: Sequence[Case], method: Method) -> int:
    """Tokens the decoder was fed to answer these cases."""
    before = engine.work.decoder_tokens
    latent.reason(engine, cases, method)
    return engine.work.decoder_tokens - before


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


def _cases() -> list[Case]:
    """Five questions about each picture, one reference for all."""
    noise = np.random.default_rng(0)
    drawn = [Image.fromarray(noise.integers(0, 255, (*SIDE, 3), dtype=np.uint8)) for _ in range(IMAGES + 1)]
    reference, *pictures = (Picture(f"picture {i}", image) for i, image in enumerate(drawn))
    knowledge = tuple(f"Text {i}: a scratch is a thin bright line across the surface of the part." for i in range(3))
    options = (("A", "Yes."), ("B", "No."))
    return [
        Case(f"{i}", picture, reference, knowledge, f"Is there a defect of kind {i}?", options)
        for picture in pictures
        for i in range(QUESTIONS)
    ]


if __name__ == "__main__":
    main()
