"""Attention in pieces equals attention in one, forwards and backwards, whichever kernel computes the pieces."""

from __future__ import annotations

import logging
import types
from collections.abc import Sequence
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.model import kernels
from workbench.model.attention import Attachment, Segment, merge, scores, segmented_attention
from workbench.model.kernels import CPU_FLASH, FORMULA, VARLEN, Kernel, Spans

CPU = torch.device("cpu")
HEADS = st.sampled_from([(1, 1), (2, 1), (4, 2), (6, 2), (3, 3)])
LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=6)
D = 8


def _plain(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Softmax attention of (T, H, D) over (P, N, D) in float64, as in the textbook, with its weights (H, T, P)."""
    heads = query.shape[1] // key.shape[1]
    key, value = (each.double().repeat_interleave(heads, 1) for each in (key, value))
    raw = torch.einsum("thd,phd->htp", query.double(), key) * scale
    weights = torch.softmax(raw.masked_fill(~allowed, float("-inf")), -1)
    return torch.einsum("htp,phd->thd", weights, value), weights


class _Tree:
    """Rows of some lengths that hang from parts of two kinds, with random keys and values."""

    def __init__(self, seed: int, heads: tuple[int, int], lengths: Sequence[int], sharpness: float = 1.0):
        generator = torch.Generator().manual_seed(seed)
        self.H, self.N = heads
        self.lengths = lengths
        self.scale = sharpness / D**0.5
        count = len(lengths)
        self.groups = [  # the part of each kind a row hangs from, ascending; some parts may have no row
            sorted(torch.randint(0, 3, (count,), generator=generator).tolist()) for _ in range(2)
        ]
        self.bounds = [
            tuple(accumulate(torch.randint(1, 7, (3,), generator=generator).tolist(), initial=0)) for _ in "ab"
        ]
        T = sum(lengths)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        self.query, self.key, self.value = drawn(T, self.H, D), drawn(T, self.N, D), drawn(T, self.N, D)
        self.segments = [
            Segment(drawn(1, each[-1], self.N, D), drawn(1, each[-1], self.N, D), each) for each in self.bounds
        ]
        self.grad = drawn(T, self.H, D)

    def attachment(self, watch: Tensor | None = None) -> Attachment:
        attached = [
            (segment, Spans.shared(self.lengths, group, segment.bounds))
            for segment, group in zip(self.segments, self.groups, strict=True)
        ]
        return Attachment(Spans.own(self.lengths), attached, 1, record=True, watch=watch, watch_layers=(0,))

    def run(self, attachment: Attachment, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        layer = types.SimpleNamespace(layer_idx=0)
        q, k, v = (each.transpose(0, 1)[None] for each in (query, key, value))
        out, _ = segmented_attention(layer, q, k, v, None, self.scale, attachment=attachment)  # type: ignore[arg-type]
        return out[0]

    def plain(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The same over [first kind | second kind | own] with a mask."""
        T = len(query)
        row = torch.repeat_interleave(torch.arange(len(self.lengths)), torch.tensor(self.lengths))
        own = (row[:, None] == row) & torch.ones(T, T, dtype=torch.bool).tril()
        allowed = []
        for bounds, group in zip(self.bounds, self.groups, strict=True):
            part = torch.repeat_interleave(torch.arange(3), torch.tensor(bounds).diff())
            allowed.append(torch.tensor(group)[row][:, None] == part)
        keys, values = ([*(getattr(each, name)[0] for each in self.segments)] for name in ("keys", "values"))
        return _plain(
            query, torch.cat([*keys, key]), torch.cat([*values, value]), torch.cat([*allowed, own], 1), self.scale
        )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), heads=HEADS, lengths=LENGTHS, sharpness=st.floats(0.1, 30))
def test_attention_over_shared_segments_equals_attention_over_each_rows_own_copy(
    seed: int, heads: tuple[int, int], lengths: list[int], sharpness: float
) -> None:
    tree = _Tree(seed, heads, lengths, sharpness)
    last = torch.tensor(list(accumulate(lengths))) - 1
    attachment = tree.attachment(watch=last)
    expected, weights = tree.plain(tree.query, tree.key, tree.value)
    made = tree.run(attachment, tree.query, tree.key, tree.value)
    torch.testing.assert_close(made.double(), expected, atol=2e-5, rtol=1e-4)
    # what the last token of each row pays to some tokens of its part of the second kind
    before = tree.bounds[0][-1]
    for row, part in enumerate(tree.groups[1]):
        start, end = tree.bounds[1][part : part + 2]
        columns = torch.arange(end - start)[:: 2 if end - start > 1 else 1]
        keys = tree.segments[1].keys[:1, start + columns]
        seen = scores(*attachment.watched(torch.tensor([row])), keys, attachment.scale)
        paid = weights[:, last[row], before + start + columns].sum(0)
        torch.testing.assert_close(seen[0].double(), paid, atol=2e-5, rtol=1e-3)
    recorded = attachment.recorded()
    assert torch.equal(recorded.keys[0], tree.key)
    assert torch.equal(recorded.values[0], tree.value)


@pytest.mark.parametrize("kernel", [CPU_FLASH, FORMULA], ids=lambda kernel: kernel.name)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), heads=HEADS, lengths=LENGTHS)
def test_the_gradient_of_the_merged_attention_is_exact(
    kernel: Kernel, seed: int, heads: tuple[int, int], lengths: list[int]
) -> None:
    tree = _Tree(seed, heads, lengths)
    ours = [each.clone().requires_grad_(True) for each in (tree.query, tree.key, tree.value)]
    theirs = [each.double().requires_grad_(True) for each in (tree.query, tree.key, tree.value)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workbench.model.attention.kernel_for", lambda *_: kernel)
        found = torch.autograd.grad((tree.run(tree.attachment(), *ours) * tree.grad).sum(), ours)
    expected = torch.autograd.grad((tree.plain(*theirs)[0] * tree.grad).sum(), theirs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, atol=2e-5, rtol=1e-4)


def test_control_merging_with_the_denominator_as_a_constant_is_seen() -> None:
    """What differentiating the pieces one by one would give, as fused kernels don't differentiate their denominator."""
    tree = _Tree(0, (4, 2), [4, 4, 4])
    attachment = tree.attachment()
    leaf = tree.query.clone().requires_grad_(True)
    pieces = [(tree.key, tree.value, attachment.own)]
    pieces += [(segment.keys[0], segment.values[0], spans) for segment, spans in attachment.segments]
    found = [kernels.FORMULA.forward(leaf, *piece, tree.scale) for piece in pieces]
    exact, _ = merge([out for out, _ in found], [logsum for _, logsum in found])
    naive, _ = merge([out for out, _ in found], [logsum.detach() for _, logsum in found])
    torch.testing.assert_close(naive, exact)  # forwards nothing is to be seen
    slopes = [torch.autograd.grad((each * tree.grad).sum(), leaf, retain_graph=True)[0] for each in (exact, naive)]
    again = leaf.detach().clone().requires_grad_(True)
    (ours,) = torch.autograd.grad((tree.run(attachment, again, tree.key, tree.value) * tree.grad).sum(), again)
    torch.testing.assert_close(ours, slopes[0], atol=1e-5, rtol=1e-4)
    assert float((slopes[1] - slopes[0]).norm() / slopes[0].norm()) > 0.05


def test_segments_have_no_gradient_and_are_never_changed() -> None:
    tree = _Tree(1, (4, 2), [3, 2])
    before = [each.keys.clone() for each in tree.segments]
    leaf = tree.query.clone().requires_grad_(True)
    out = tree.run(tree.attachment(), leaf, tree.key, tree.value)
    out.sum().backward()  # type: ignore[no-untyped-call]
    for segment, keys in zip(tree.segments, before, strict=True):
        assert torch.equal(segment.keys, keys)
        assert segment.keys.grad is None
    assert Segment.joined(tree.segments[:1]) is tree.segments[0]  # not copied
    both = Segment.joined(tree.segments)
    assert both.bounds == (*tree.bounds[0], *(tree.bounds[0][-1] + end for end in tree.bounds[1][1:]))
    assert torch.equal(both.values[:, tree.bounds[0][-1] :], tree.segments[1].values)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_runs_cover_every_stretch_once(queries: list[int], keys: list[int]) -> None:
    pairs = list(zip(queries, keys, strict=False))
    bounds = [tuple(accumulate(each, initial=0)) for each in zip(*pairs, strict=True)]
    spans = Spans(bounds[0], bounds[1])
    covered = [
        (run.query + i * run.queries, run.queries, run.key + i * run.keys, run.keys)
        for run in spans.runs
        for i in range(run.count)
    ]
    expected = [(bounds[0][i], q, bounds[1][i], k) for i, (q, k) in enumerate(pairs) if q and k]
    assert covered == expected
    assert sum(last - first for first, last in spans.blind) == sum(q for q, k in pairs if not k)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_fast_kernel_is_used_where_it_agrees_with_the_formula(dtype: torch.dtype) -> None:
    assert kernels.disagreement(CPU_FLASH, CPU, dtype) is None
    assert kernels.kernel_for(CPU, dtype) is CPU_FLASH


def test_a_kernel_that_is_wrong_or_missing_is_not_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def base_two(*args: object) -> tuple[Tensor, Tensor]:
        out, logsum = CPU_FLASH.forward(*args)  # type: ignore[arg-type]
        return out, logsum / 0.6931

    def still(*args: object) -> kernels.Gradients:
        d_query, d_key, d_value = CPU_FLASH.backward(*args)  # type: ignore[arg-type]
        return d_query * 0, d_key, d_value

    for wrong in (Kernel("wrong", base_two, CPU_FLASH.backward), Kernel("wrong", CPU_FLASH.forward, still)):
        assert "differs from the formula" in (kernels.disagreement(wrong, CPU, torch.float32) or "")
    assert "Error" in (kernels.disagreement(VARLEN, CPU, torch.bfloat16) or "")  # there is no GPU in a CPU
    monkeypatch.setattr(kernels, "CPU_FLASH", Kernel("wrong", base_two, CPU_FLASH.backward))
    with caplog.at_level(logging.WARNING):
        assert kernels.kernel_for.__wrapped__(CPU, torch.float32) is FORMULA
    assert "attention kernel wrong isn't used on cpu" in caplog.text


def test_a_query_that_sees_nothing_has_no_share_in_the_merged_attention() -> None:
    spans = Spans((0, 2, 3), (0, 0, 4))
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(T, 2, D, generator=generator) for T in (3, 4))
    for kernel in (CPU_FLASH, FORMULA):
        out, logsum = kernel.forward(query, key, key, spans, 0.3)
        assert torch.equal(out[:2], torch.zeros(2, 2, D))
        assert torch.isneginf(logsum[:2]).all()
        other = torch.randn(3, 2, D, generator=generator), torch.zeros(3, 2)
        merged, _ = merge([other[0], out], [other[1], logsum])
        assert torch.equal(merged[:2], other[0][:2])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_cuda_kernels_agree_with_the_formula(dtype: torch.dtype) -> None:
    for kernel in (VARLEN, kernels.VARLEN_FORWARD):
        assert kernels.disagreement(kernel, torch.device("cuda"), dtype) is None
