"""Attention in pieces equals attention in one, and rows that share a piece are laid out again as they were."""

from __future__ import annotations

import types

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.model.segments import (
    Attachment,
    Segment,
    Sharing,
    _fold,
    _unfold,
    attach,
    attend,
    merge,
    segmented_attention,
)

small = st.integers(1, 4)
seeds = st.integers(0, 2**31)


def _plain(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Softmax attention in float64, as in the textbook, with its weights."""
    scores = (query.double() @ key.double().transpose(-1, -2)) * scale
    weights = torch.softmax(scores.masked_fill(~allowed, float("-inf")), -1)
    return weights @ value.double(), weights


def _mask(generator: torch.Generator, *shape: int) -> Tensor:
    """Random, with at least one key for every query."""
    mask = torch.rand(shape, generator=generator) < 0.6
    return mask | (torch.arange(shape[-1]) == torch.randint(shape[-1], (), generator=generator))


@given(small, small, small, st.lists(st.integers(1, 9), min_size=1, max_size=4), small, seeds, st.floats(0.1, 30))
def test_merged_parts_equal_attention_over_all_keys(
    B: int, N: int, Q: int, lengths: list[int], half: int, seed: int, sharpness: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    D, scale = 2 * half, sharpness / (2 * half) ** 0.5
    query = torch.randn(B, N, Q, D, generator=generator)
    parts = [
        (
            torch.randn(B, N, P, D, generator=generator),
            torch.randn(B, N, P, D, generator=generator),
            _mask(generator, B, 1, Q, P),
        )
        for P in lengths
    ]
    pieces = [attend(query, key, value, allowed, scale) for key, value, allowed in parts]
    merged, total = merge([out for out, _ in pieces], [logsum for _, logsum in pieces])
    key, value, allowed = (torch.cat([part[i] for part in parts], 3 if i == 2 else 2) for i in range(3))
    expected, _ = _plain(query, key, value, allowed, scale)
    torch.testing.assert_close(merged.double(), expected, atol=2e-5, rtol=1e-4)
    assert total.shape == (B, N, Q)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 3), small, small)
def test_folded_rows_are_unfolded_where_they_were(groups: list[int], more: int, N: int, Q: int) -> None:
    group = torch.tensor(groups)
    G = max(groups) + 1 + more
    sharing = Sharing.of(group, G)
    rows = torch.arange(len(groups) * N * Q * 2.0).view(len(groups), N, Q, 2)
    folded = _fold(rows, sharing)
    assert torch.equal(_unfold(folded, sharing, Q), rows)
    R = sharing.fold.shape[1]
    assert folded.shape == (G, N, R * Q, 2)
    assert max(groups.count(g) for g in groups) == R  # no wider than the busiest group
    for row, g in enumerate(groups):  # each row lies under its own group
        place = int(sharing.unfold[row]) - g * R
        assert 0 <= place < R
        assert int(sharing.fold[g, place]) == row


@settings(max_examples=60)
@given(
    heads=st.sampled_from([(1, 1), (2, 1), (4, 2), (6, 2), (3, 3)]),
    groups=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    L=small,
    seed=seeds,
)
def test_attention_over_shared_segments_equals_attention_over_each_rows_own_copy(
    heads: tuple[int, int], groups: list[int], L: int, seed: int
) -> None:
    H, N = heads
    B, D, P = len(groups), 4, 5
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    query, key, value = drawn(B, H, L, D), drawn(B, N, L, D), drawn(B, N, L, D)
    own = torch.ones(B, 1, L, L, dtype=torch.bool).tril()
    group = torch.tensor(groups)
    visual = torch.stack([torch.randperm(P, generator=generator)[:3].sort().values for _ in range(4)])
    kinds = []
    for _ in range(2):  # two segments one behind the other, differently shared
        real = _mask(generator, 4, P)
        segment = Segment((drawn(4, N, P, D),), (drawn(4, N, P, D),), real, visual, real.gather(1, visual))
        kinds.append((segment, group))
        group = group.flip(0)
    watch = torch.tensor([[L - 1]] * B)
    attachment = Attachment([attach(*kind) for kind in kinds], watch=watch, watch_layers=(0,), watched_segment=1)
    layer = types.SimpleNamespace(layer_idx=0)
    made, _ = segmented_attention(layer, query, key, value, own, D**-0.5, attachment=attachment)  # type: ignore[arg-type]

    keys = torch.cat([*(segment.keys[0][which] for segment, which in kinds), key], 2).repeat_interleave(H // N, 1)
    values = torch.cat([*(segment.values[0][which] for segment, which in kinds), value], 2).repeat_interleave(H // N, 1)
    reals = [segment.real[which][:, None, None].expand(B, 1, L, P) for segment, which in kinds]
    expected, weights = _plain(query, keys, values, torch.cat([*reals, own], 3), D**-0.5)
    torch.testing.assert_close(made.double(), expected.transpose(1, 2), atol=1e-5, rtol=1e-4)
    segment, which = kinds[1]
    seen = weights[:, :, L - 1, P : 2 * P].sum(1)  # over heads, of the last token, to the second segment
    assert attachment.watched is not None
    torch.testing.assert_close(
        attachment.watched[:, 0].double(),
        seen.gather(1, segment.visual[which]) if segment.visual is not None else seen,
        atol=1e-5,
        rtol=1e-4,
    )


def test_own_keys_are_kept_when_asked_for_and_segments_are_never_changed() -> None:
    generator = torch.Generator().manual_seed(0)
    key, value = torch.randn(2, 1, 3, 4, generator=generator), torch.randn(2, 1, 3, 4, generator=generator)
    segment = Segment((key[:1].clone(),), (value[:1].clone(),), torch.ones(1, 3, dtype=torch.bool))
    attachment = Attachment([attach(segment, torch.tensor([0, 0]))], record=True)
    own = torch.ones(2, 1, 3, 3, dtype=torch.bool).tril()
    layer = types.SimpleNamespace(layer_idx=0)
    segmented_attention(layer, key, key, value, own, 0.5, attachment=attachment)  # type: ignore[arg-type]
    assert torch.equal(attachment.keys[0], key)
    assert torch.equal(attachment.values[0], value)
    assert torch.equal(segment.keys[0], key[:1])
    assert segment.some(0, 1).keys[0].data_ptr() == segment.keys[0].data_ptr()  # shared, not copied


def test_attention_accepts_bfloat16_and_adds_up_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 1, 5, 8, generator=generator).bfloat16() for _ in range(3))
    out, logsum = attend(query, key, value, None, 0.3)
    assert (out.dtype, logsum.dtype) == (torch.float32, torch.float32)
    expected, _ = _plain(query, key, value, torch.ones(5, 5, dtype=torch.bool), 0.3)
    torch.testing.assert_close(out.double(), expected, atol=2e-2, rtol=2e-2)
