"""Exact attention over shared segments, as an attention function of the transformers library.

    tokens of all rows, packed:   | row 0 | row 1 | row 2 | ...          no padding anywhere
    each row sees                 [its reference] [its picture] [its question] [its injected patches] [itself]

Rows stand in the order of the tree they hang from, so rows that share a segment are neighbours: a segment costs one
product of its keys with a stretch of queries, however many rows share it, and nothing is copied. Attention over several
sets of keys is exact: each gives its output and the log of its softmax denominator (`kernels.py`), and the outputs are
averaged with the softmax of those (`merge`).

Under a gradient all of it is one autograd function. Its backward hands every piece the *merged* output and denominator,
which makes the gradient exact. Differentiating piece by piece would be silently wrong, because fused kernels declare
their denominator a constant.

Sizes: T tokens packed, H query heads, N key heads, D head size, P keys of a segment.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workbench.model.kernels import Kernel, Spans, kernel_for

SCORES = 2**26  # most single attention weights that exist at once


@dataclass(frozen=True, slots=True)
class Segment:
    """Keys and values of prompt parts of one kind, one part behind the other; never changed."""

    keys: Tensor  # (layers, P, N, D)
    values: Tensor
    bounds: tuple[int, ...]  # part i is the tokens bounds[i] .. bounds[i + 1] - 1

    @staticmethod
    def joined(segments: Sequence[Segment]) -> Segment:
        """The parts of all, in order; one alone isn't copied."""
        if len(segments) == 1:
            return segments[0]
        bounds = [0]
        for each in segments:
            bounds += [bounds[-1] + end for end in each.bounds[1:]]
        keys, values = (torch.cat(each, 1) for each in zip(*((s.keys, s.values) for s in segments), strict=True))
        return Segment(keys, values, tuple(bounds))

    @property
    def size(self) -> int:
        """Bytes."""
        return 2 * self.keys.nbytes


@dataclass(slots=True)
class Attachment:
    """What the attention function is given beside the tokens, and what it leaves behind."""

    own: Spans  # the rows themselves
    segments: Sequence[tuple[Segment, Spans]]
    layers: int
    record: bool = False  # keep the tokens' own keys and values
    keys: Tensor | None = None  # (layers, T, N, D)
    values: Tensor | None = None
    watch: Tensor | None = None  # (places,) of tokens whose queries are wanted, to score patches by
    watch_layers: tuple[int, ...] = ()  # ascending
    scale: float = 1.0  # of the scores, as the layers gave it
    queries: list[Tensor] = field(default_factory=list)  # per watched layer (places, H, D)
    denominators: list[Tensor] = field(default_factory=list)  # per watched layer (places, H), logs

    def watched(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (watched layers, places, H, D) and log denominators (watched layers, places, H) of some of them."""
        queries, denominators = ([each[places] for each in kept] for kept in (self.queries, self.denominators))
        return torch.stack(queries), torch.stack(denominators)

    def recorded(self) -> Segment:
        """The tokens' own keys and values, row by row."""
        assert self.keys is not None
        assert self.values is not None
        return Segment(self.keys, self.values, self.own.queries)


def segmented_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  who sees what is in the attachment
    scaling: float,
    *,
    attachment: Attachment,
    **_: object,
) -> tuple[Tensor, None]:
    """Exact attention over [segments | own row].

    Args:
        module: the attention layer; its `layer_idx` selects the segments' keys and values.
        query: (1, H, T, D), rotated.
        key: (1, N, T, D), rotated.
        value: (1, N, T, D).
        attention_mask: not used.
        scaling: of the scores.
        attachment: rows, segments and what to record.

    Returns:
        (1, T, H, D) and None for the weights.
    """
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    q, k, v = (each[0].transpose(0, 1) for each in (query, key, value))  # tokens first
    if attachment.record:
        if attachment.keys is None or attachment.values is None:
            attachment.keys, attachment.values = (k.new_empty(attachment.layers, *k.shape) for _ in range(2))
        attachment.keys[layer] = k.detach()
        attachment.values[layer] = v.detach()
    pieces = [(segment.keys[layer], segment.values[layer], spans) for segment, spans in attachment.segments]
    kernel = kernel_for(query.device, query.dtype, query.shape[-1])
    if torch.is_grad_enabled() and query.requires_grad:
        out, total = _Attention.apply(  # type: ignore[no-untyped-call]
            q, k, v, attachment.own, pieces, scaling, kernel
        )
    else:
        out, total = _attend(q, k, v, attachment.own, pieces, scaling, kernel)
    if attachment.watch is not None and layer in attachment.watch_layers:
        attachment.scale = scaling
        attachment.queries.append(q.detach()[attachment.watch])
        attachment.denominators.append(total.detach()[attachment.watch])
    return out[None], None


Pieces = Sequence[tuple[Tensor, Tensor, Spans]]  # keys (P, N, D), values (P, N, D), and who sees them


def _attend(
    query: Tensor, key: Tensor, value: Tensor, own: Spans, pieces: Pieces, scale: float, kernel: Kernel
) -> tuple[Tensor, Tensor]:
    """(T, H, D) in the query's type, and log denominators (T, H), float32 at least."""
    found = [kernel.forward(query, *piece, scale) for piece in ((key, value, own), *pieces)]
    if not pieces:
        return found[0]
    merged, total = merge([out for out, _ in found], [logsum for _, logsum in found])
    return merged.to(query.dtype), total


def merge(outputs: Sequence[Tensor], logsums: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """One attention over all key sets, from each set's attention (..., D) and log denominator (...); float32 at least.

    A set that is empty for a query comes with the log denominator -inf; the first may not be.
    """
    logs = torch.stack(list(logsums))  # (sets, ...)
    shares = torch.log_softmax(logs, 0)
    total = logs[0] - shares[0]
    first, *others = shares.exp()[..., None]
    mixed = outputs[0] * first
    for out, share in zip(outputs[1:], others, strict=True):
        mixed.addcmul_(out, share)
    return mixed, total


class _Attention(torch.autograd.Function):
    """`_attend` with its gradient towards the rows; segments have none."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        own: Spans,
        pieces: Pieces,
        scale: float,
        kernel: Kernel,
    ) -> tuple[Tensor, Tensor]:
        out, total = _attend(query, key, value, own, pieces, scale, kernel)
        ctx.save_for_backward(query, key, value, out, total)
        ctx.mark_non_differentiable(total)
        ctx.given = own, pieces, scale, kernel
        return out, total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, total = ctx.saved_tensors
        own, pieces, scale, kernel = ctx.given
        grad = grads[0]
        d_query, d_key, d_value = kernel.backward(grad, query, key, value, out, total, own, scale, True)
        for keys, values, spans in pieces:
            more, _, _ = kernel.backward(grad, query, keys, values, out, total, spans, scale, False)
            d_query = d_query + more
        return d_query.to(query.dtype), d_key.to(key.dtype), d_value.to(value.dtype), None, None, None, None


def windowed_attention(
    module: torch.nn.Module,  # noqa: ARG001
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  who sees what is in the bounds
    scaling: float,
    *,
    cu_seq_lens_q: Tensor,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of a vision tower's packed patches, each within its window, all windows in one call of the kernel.

    The library itself calls its attention window by window, thousands of times for a few pictures. It hands over all
    windows at once only to functions with `flash` in their name.

    Args:
        query: (1, H, T, D), as key and value.
        scaling: of the scores.
        cu_seq_lens_q: (windows + 1,) bounds of the windows.

    Returns:
        (1, T, H, D) and None for the weights.
    """
    q, k, v = (each[0].transpose(0, 1) for each in (query, key, value))
    kernel = kernel_for(query.device, query.dtype, query.shape[-1])
    return kernel.forward(q, k, v, _windows(cu_seq_lens_q), scaling)[0][None], None


def _windows(bounds: Tensor) -> Spans:
    """The windows between these bounds; all layers come with the same tensor, which is read from the device once."""
    for seen, spans in _seen:
        if seen() is bounds:
            return spans
    read = tuple(bounds.tolist())
    _seen.appendleft((weakref.ref(bounds), made := Spans(read, read)))
    return made


_seen: deque[tuple[weakref.ref[Tensor], Spans]] = deque(maxlen=2)  # windows, and whole pictures


def scores(queries: Tensor, denominators: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Attention of some tokens to some keys they see, summed over heads and layers.

    No softmax over the prefix is needed: a weight is exp(score - log denominator), and the merged denominator is known.

    Args:
        queries: (layers, T, H, D), rotated.
        denominators: (layers, T, H), logs, merged over all that the tokens see.
        keys: (layers, n, N, D), rotated.
        scale: of the scores.

    Returns:
        (T, n) float32 at least.
    """
    T, H = queries.shape[1:3]
    n, N, D = keys.shape[1:]
    heads = H // N  # that share a key head
    total = torch.zeros(T, n, dtype=denominators.dtype, device=keys.device)
    together = max(1, SCORES // (T * H * n))
    for some in (slice(first, first + together) for first in range(0, len(keys), together)):
        looking = queries[some].view(-1, T, N, heads, D).transpose(1, 2).flatten(2, 3)  # (layers, N, T * heads, D)
        logs = denominators[some].view(-1, T, N, heads).transpose(1, 2).flatten(2)  # (layers, N, T * heads)
        raw = torch.matmul(looking, keys[some].permute(0, 2, 3, 1)).to(total.dtype) * scale
        weights = (raw - logs[..., None]).exp()
        total += weights.view(-1, N, T, heads, n).sum((0, 1, 3))
    return total
