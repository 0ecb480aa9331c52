"""Whether launching fewer kernels would help: the suffix of one iteration, as it is, compiled, and as a CUDA graph.

For `benchmarks.gpu --suffix`. An iteration evaluates K candidates of each of a block's questions: a few hundred tokens
through all layers, thousands of small kernels. Measured is that one forward, its shapes fixed:

    eager      as the engine does it
    compiled   norms and feed-forward layers through torch.compile, whatever their length
    graph      captured once and replayed: no work of Python or of the driver is left, so no more could be gained

The engine uses neither: rows grow by what is held, so a graph would have to be captured again whenever a question
accepts patches. What can't be measured here says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from workbench.model.backbone.hub import HubBackbone
from workbench.model.case import Case
from workbench.model.engine import Rows
from workbench.model.segmented_engine import SegmentedEngine
from workbench.model.token_parts import compose

TIMES = 5
THINK, SAMPLES = 4, 4


def measured(body: HubBackbone, engine: SegmentedEngine, cases: Sequence[Case]) -> dict[str, object]:
    """Milliseconds of each way, and how far its hidden states are from the eager ones."""
    with torch.no_grad():
        forward = _suffix(body, engine, cases)
        expected = forward().clone()
        found: dict[str, object] = {"rows": len(cases) * SAMPLES, "eager_ms": _milliseconds(body, forward)}
        for name, way in (("compiled", _compiled), ("graph", _graph)):
            try:
                with way(body, forward) as run:
                    found[f"{name}_ms"] = _milliseconds(body, run)
                    found[f"{name}_apart"] = float((run() - expected).abs().max() / expected.abs().max())
            except Exception as error:  # noqa: BLE001  whatever it is, it is told
                found[f"{name}_failed"] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found


def _suffix(body: HubBackbone, engine: SegmentedEngine, cases: Sequence[Case]) -> Callable[[], Tensor]:
    """The forward of one iteration's candidates as the engine makes it, with all it is given on the device."""
    engine.forget()
    prefix = engine.read(compose(body, cases))
    z = body.latent_start(THINK).to(body.device)
    question = torch.arange(len(cases)).repeat_interleave(SAMPLES)
    at = torch.arange(THINK).expand(len(question), -1)
    given: list[tuple[Any, ...]] = []
    hidden = body.hidden

    def remembered(*arguments: Any) -> Tensor:
        given.append(arguments)
        return hidden(*arguments)

    body.hidden = remembered  # type: ignore[method-assign,assignment]
    try:
        engine.evaluate(prefix, Rows(question, (z,) * len(question), at), lambda logits: logits[..., 0])
    finally:
        del body.hidden
    (arguments,) = given  # rows that fit one call
    fixed: Any = [each.to(body.device) if torch.is_tensor(each) else each for each in arguments]
    return lambda: hidden(*fixed)


def _milliseconds(body: HubBackbone, run: Callable[[], object]) -> float:
    """Of a run, the median of a few after one that warms up, the device's work waited for."""
    taken = []
    for _ in range(TIMES + 1):
        _wait(body)
        started = time.perf_counter()
        run()
        _wait(body)
        taken.append(1000 * (time.perf_counter() - started))
    return round(median(taken[1:]), 2)


def _wait(body: HubBackbone) -> None:
    if body.device.type == "cuda":
        torch.cuda.synchronize(body.device)


@contextmanager
def _compiled(body: HubBackbone, forward: Callable[[], Tensor]) -> Iterator[Callable[[], Tensor]]:
    """Without a GPU only what the compiler sees is tried, not what it makes: that would need a C++ compiler."""
    backend = "inductor" if body.device.type == "cuda" else "eager"
    parts = [
        part
        for layer in body._text.layers
        for part in (layer.mlp, layer.input_layernorm, layer.post_attention_layernorm)
    ]
    for part in parts:
        part.compile(dynamic=True, backend=backend)
    try:
        yield forward
    finally:
        for part in parts:
            part._compiled_call_impl = None


@contextmanager
def _graph(body: HubBackbone, forward: Callable[[], Tensor]) -> Iterator[Callable[[], Tensor]]:
    if body.device.type != "cuda":
        raise RuntimeError("graphs are CUDA's")
    beside = torch.cuda.Stream(body.device)  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream(body.device))
    with torch.cuda.stream(beside):
        forward()
    torch.cuda.current_stream(body.device).wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = forward()

    def replayed() -> Tensor:
        graph.replay()
        return made

    yield replayed
