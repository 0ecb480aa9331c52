"""Attention of one piece: packed queries against packed keys, its output and the log of its softmax denominator.

Three kernels of one meaning. `FORMULA` is the textbook in matrix products and the oracle of the other two: PyTorch's
flash attention for CPUs, and variable-length flash attention for CUDA. `kernel_for` takes the first that agrees with
the formula on this very machine, device and type, and says so when it had to take a slower one; a kernel that changed
between releases of PyTorch is thereby left alone, never believed.

A backward is given the output and log denominator *merged* over all pieces (`attention.merge`), and so is exact for its
piece: with P = exp(score - log denominator), dScore = P * (dOut . value - dOut . out).

Sizes: T queries and P keys packed, H query heads, N key heads (H a multiple of N), D head size, b stretches of t
queries and p keys.
Sources: Dao et al., FlashAttention (arXiv 2205.14135); for the backward with merged statistics Liu et al., Ring
Attention (arXiv 2310.01889).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, groupby, pairwise

import torch
from torch import Tensor

from workbench.model.device_transfer import sent

logger = logging.getLogger(__name__)

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring stretches of one size, so that they go through a kernel together."""

    count: int
    query: int  # where the first begins
    queries: int  # of each
    key: int
    keys: int


@dataclass(frozen=True)
class Spans:
    """Which stretch of the packed queries sees which stretch of the packed keys."""

    queries: tuple[int, ...]  # bounds: stretch i is queries[i] .. queries[i + 1] - 1; it may be empty
    keys: tuple[int, ...]  # bounds, as many
    causal: bool = False  # a stretch sees itself, each token those up to its own

    @staticmethod
    def own(lengths: Sequence[int]) -> Spans:
        """Rows of these lengths, each seeing itself."""
        bounds = tuple(accumulate(lengths, initial=0))
        return Spans(bounds, bounds, causal=True)

    @staticmethod
    def shared(lengths: Sequence[int], part: Sequence[int], keys: tuple[int, ...]) -> Spans:
        """Rows of these lengths, each seeing the part it hangs from; parts in ascending order."""
        counts = [0] * (len(keys) - 1)
        for length, which in zip(lengths, part, strict=True):
            counts[which] += length
        return Spans(tuple(accumulate(counts, initial=0)), keys)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The stretches in which something sees something."""
        sizes = [
            (self.queries[i + 1] - self.queries[i], self.keys[i + 1] - self.keys[i]) for i in range(len(self.keys) - 1)
        ]
        runs = []
        for (queries, keys), alike in groupby(range(len(sizes)), key=lambda i: sizes[i]):
            places = list(alike)
            if queries and keys:
                runs.append(Run(len(places), self.queries[places[0]], queries, self.keys[places[0]], keys))
        return tuple(runs)

    @cached_property
    def blind(self) -> tuple[tuple[int, int], ...]:
        """Stretches of queries that see no key."""
        bounds = zip(self.queries, self.queries[1:], self.keys, self.keys[1:], strict=False)
        return tuple((first, last) for first, last, key, end in bounds if key == end and first < last)

    def cumulative(self, device: torch.device) -> tuple[Tensor, Tensor, int, int]:
        """Bounds as CUDA kernels take them, and the longest stretch of each; made once."""
        if device not in self._cumulative:
            longest = (max(b - a for a, b in pairwise(each)) for each in (self.queries, self.keys))
            queries, keys = sent(torch.tensor([self.queries, self.keys], dtype=torch.int32), device)
            self._cumulative[device] = (queries, keys, *longest)
        return self._cumulative[device]

    @cached_property
    def _cumulative(self) -> dict[torch.device, tuple[Tensor, Tensor, int, int]]:
        return {}


Forward = Callable[[Tensor, Tensor, Tensor, Spans, float], tuple[Tensor, Tensor]]
Gradients = tuple[Tensor, Tensor | None, Tensor | None]
Backward = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Spans, float, bool], Gradients]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to compute a piece.

    forward(query (T, H, D), key (P, N, D), value (P, N, D), spans, scale) -> output (T, H, D), and log denominator
        (T, H) float32 at least; 0 and -inf where a query sees no key.
    backward(dOut (T, H, D), query, key, value, merged output (T, H, D), merged log denominator (T, H), spans, scale,
        keys_too) -> dQuery (T, H, D), and dKey, dValue (P, N, D) when asked for; float32 at least.
    """

    name: str
    forward: Forward
    backward: Backward


# -- by runs: one dense call for neighbouring stretches of one size ----------------------------------------------------


def _folded(tokens: Tensor, run: Run, N: int) -> Tensor:
    """(T, H, D) -> (b, N, heads * t, D): query heads that share a key head lie on one axis with the tokens."""
    H, D = tokens.shape[1:]
    stretch = tokens[run.query : run.query + run.count * run.queries]
    return (
        stretch.view(run.count, run.queries, N, H // N, D)
        .permute(0, 2, 3, 1, 4)
        .reshape(run.count, N, H // N * run.queries, D)
    )


def _unfolded(folded: Tensor, run: Run) -> Tensor:
    """(b, N, heads * t, ...) -> (b * t, H, ...)."""
    laid = folded.view(*folded.shape[:2], -1, run.queries, *folded.shape[3:])  # (b, N, heads, t, ...)
    return laid.movedim(3, 1).flatten(0, 1).flatten(1, 2)


def _keys(packed: Tensor, run: Run) -> Tensor:
    """(P, N, D) -> (b, N, p, D), without a copy."""
    stretch = packed[run.key : run.key + run.count * run.keys]
    return stretch.view(run.count, run.keys, *packed.shape[1:]).transpose(1, 2)


def _scores(query: Tensor, key: Tensor, run: Run, causal: bool, scale: float) -> Tensor:
    """(b, N, heads * t, p) float32 at least, -inf where not allowed."""
    scores = torch.matmul(query, key.transpose(-1, -2)).to(_wide(query)) * scale
    if not causal:
        return scores
    later = torch.ones(run.queries, run.keys, dtype=torch.bool, device=query.device).triu(1)
    return scores.masked_fill(later.repeat(query.shape[2] // run.queries, 1), float("-inf"))


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _by_runs(query: Tensor, spans: Spans, dense: Callable[[Run], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    out = torch.zeros_like(query)
    logsum = torch.full(query.shape[:2], float("-inf"), dtype=_wide(query), device=query.device)
    for run in spans.runs:
        here = slice(run.query, run.query + run.count * run.queries)
        out[here], logsum[here] = dense(run)
    return out, logsum


def _formula(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> tuple[Tensor, Tensor]:
    def dense(run: Run) -> tuple[Tensor, Tensor]:
        N = key.shape[1]
        scores = _scores(_folded(query, run, N), _keys(key, run), run, spans.causal, scale)
        logsum = torch.logsumexp(scores, -1)
        weights = (scores - logsum[..., None]).exp().to(value.dtype)
        return _unfolded(torch.matmul(weights, _keys(value, run)), run), _unfolded(logsum, run)

    return _by_runs(query, spans, dense)


def _formula_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    logsum: Tensor,
    spans: Spans,
    scale: float,
    keys_too: bool,
) -> Gradients:
    wide, N = _wide(query), key.shape[1]
    delta = (grad.to(wide) * out.to(wide)).sum(-1)  # (T, H)
    d_query = torch.zeros(query.shape, dtype=wide, device=query.device)
    d_key, d_value = (torch.zeros(key.shape, dtype=wide, device=query.device) if keys_too else None for _ in range(2))
    for run in spans.runs:
        q, g = _folded(query, run, N).to(wide), _folded(grad, run, N).to(wide)
        k, v = _keys(key, run).to(wide), _keys(value, run).to(wide)
        log = _folded(logsum[..., None], run, N)
        weights = (_scores(q, k, run, spans.causal, scale) - log).exp()  # this piece's share of the whole softmax
        d_scores = weights * (torch.matmul(g, v.transpose(-1, -2)) - _folded(delta[..., None], run, N)) * scale
        d_query[run.query : run.query + run.count * run.queries] = _unfolded(torch.matmul(d_scores, k), run)
        if d_key is not None and d_value is not None:
            _keys(d_key, run).copy_(torch.matmul(d_scores.transpose(-1, -2), q))
            _keys(d_value, run).copy_(torch.matmul(weights.transpose(-1, -2), g))
    return d_query, d_key, d_value


def _cpu_flash(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> tuple[Tensor, Tensor]:
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def dense(run: Run) -> tuple[Tensor, Tensor]:
        k, v = _keys(key, run), _keys(value, run)
        if spans.causal:  # heads can't share an axis with tokens here
            q = query[run.query : run.query + run.count * run.queries].view(run.count, run.queries, *query.shape[1:])
            out, logsum = op(q.transpose(1, 2), k, v, is_causal=True, scale=scale)
            return out.transpose(1, 2).flatten(0, 1), logsum.transpose(1, 2).flatten(0, 1)
        out, logsum = op(_folded(query, run, key.shape[1]), k, v, scale=scale)
        return _unfolded(out, run), _unfolded(logsum, run)

    return _by_runs(query, spans, dense)


# -- packed: one call of a CUDA kernel for all stretches ---------------------------------------------------------------


def _varlen(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> tuple[Tensor, Tensor]:
    """The operator behind PyTorch's `varlen_attn`, which costs several times as long to reach as the GPU computes."""
    bounds = spans.cumulative(query.device)
    given = (query, key, value, *bounds, 0.0, spans.causal, False)  # no dropout, no mask for debugging
    out, logsum, *_ = torch.ops.aten._flash_attention_forward(*given, scale=scale)
    logsum = logsum.transpose(0, 1)  # it comes as (H, T)
    for first, last in spans.blind:  # kernels differ in what they write there
        out[first:last] = 0
        logsum[first:last] = float("-inf")
    return out, logsum


def _varlen_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    logsum: Tensor,
    spans: Spans,
    scale: float,
    keys_too: bool,
) -> Gradients:
    """The kernel's own backward, given the merged statistics."""
    d_query, d_key, d_value = torch.ops.aten._flash_attention_backward(
        grad.to(query.dtype).contiguous(),
        query,
        key,
        value,
        out.to(query.dtype).contiguous(),
        logsum.float().transpose(0, 1).contiguous(),
        *spans.cumulative(query.device),
        0.0,
        spans.causal,
        torch.zeros(2, dtype=torch.uint64, device=query.device),  # state of dropout, which there is none of
        torch.empty(0, device=query.device),
        scale=scale,
    )
    for first, last in spans.blind:
        d_query[first:last] = 0
    return d_query.float(), d_key.float() if keys_too else None, d_value.float() if keys_too else None


FORMULA = Kernel("formula", _formula, _formula_backward)
CPU_FLASH = Kernel("flash for CPUs", _cpu_flash, _formula_backward)
VARLEN = Kernel("variable-length flash", _varlen, _varlen_backward)
VARLEN_FORWARD = Kernel("variable-length flash, formula backwards", _varlen, _formula_backward)


@cache
def kernel_for(device: torch.device, dtype: torch.dtype, head: int = 64) -> Kernel:
    """The fastest kernel that agrees with the formula here, for heads of this size; made out once per process."""
    candidates: tuple[Kernel, ...] = (VARLEN, VARLEN_FORWARD) if device.type == "cuda" else (CPU_FLASH,)
    if device.type == "cuda" and dtype not in (torch.bfloat16, torch.float16):
        candidates = ()  # flash attention has no kernel for it
    for kernel in candidates:
        why = disagreement(kernel, device, dtype, head)
        if why is None:
            return kernel
        logger.warning(
            "attention kernel %s isn't used on %s in %s, heads of %d: %s", kernel.name, device, dtype, head, why
        )
    return FORMULA


def disagreement(kernel: Kernel, device: torch.device, dtype: torch.dtype, head: int = 64) -> str | None:
    """How a kernel differs from the formula over shared, empty and causal stretches; None if it doesn't."""
    generator = torch.Generator().manual_seed(0)
    shared = Spans((0, 5, 5, 12, 70), (0, 3, 8, 8, 49))  # the second has no queries, the third no keys
    for spans, T, P in ((shared, 70, 49), (Spans.own([1, 40, 4, 4]), 49, 49)):
        shapes = ((T, 4, head), (P, 2, head), (P, 2, head), (T, 4, head))
        query, key, value, grad = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
        expected = _formula(query.double(), key.double(), value.double(), spans, 0.2)
        worst = 0.0
        try:
            found = kernel.forward(query, key, value, spans, 0.2)
            given = (grad, query, key, value, found[0], found[1].nan_to_num(neginf=0.0), spans, 0.2, True)
            wanted = tuple(each.double() if torch.is_tensor(each) else each for each in given)
            gradients = zip(kernel.backward(*given), _formula_backward(*wanted), strict=True)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  whatever it is, there is a kernel left that works
            return f"{type(error).__name__}: {error}".splitlines()[0]
        for ours, theirs in (*zip(found, expected, strict=True), *gradients):
            assert ours is not None
            assert theirs is not None
            apart = (ours.double() - theirs).nan_to_num(nan=0.0 if torch.equal(ours.isinf(), theirs.isinf()) else 1e9)
            worst = max(worst, float(apart.abs().max() / (1 + theirs[theirs.isfinite()].abs().max())))
        if not worst < TOLERANCE[dtype]:
            return f"it differs from the formula by {worst:.1e}"
    return None
