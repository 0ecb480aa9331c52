"""Episodes as tensors, and the decoder's forward on them.

Laid out as one prefix of P rows, then N question blocks of Q rows each. A block sees the prefix and itself, so
attention costs P x P plus N times Q x (P + Q) instead of the square of everything, and the prefix is computed once
for all questions. Same weights and numbers as the library's forward on each question alone; a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.episodes import Episode

_FAR = -1e9


@dataclass(slots=True)
class Batch:
    """B episodes of L = P + N * Q rows. Pairs of (episode, row) point at rows."""

    ids: Tensor  # (B, L)
    positions: Tensor  # (3, B, L)
    blocks: Tensor  # (B, L) 0 prefix, 1.. question, -1 padding
    sources: Tensor  # (B, L) -1 text, else index into the episode's visual tokens
    floors: Tensor  # (B, L) first row that a row may see
    prefix: int
    count: int
    size: int
    images: Tensor  # (B, 2) reference and query
    query_rows: Tensor  # (B,)
    hits: Tensor  # (B, L) the query's defective cells
    row_of: list[dict[int, int]]  # episode row -> batch row

    def rows(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """(n, 2) batch rows of (episode number, episode row) pairs."""
        found = [(b, self.row_of[b][row]) for b, row in pairs]
        return torch.tensor(found, dtype=torch.long).view(-1, 2)


def pack(episodes: Sequence[Episode]) -> Batch:
    """Lay the episodes out."""
    sizes = [np.bincount(episode.blocks) for episode in episodes]
    prefix = max(int(size[0]) for size in sizes)
    count = max(len(size) - 1 for size in sizes)
    block = max(int(size[1:].max()) for size in sizes)
    shape = (len(episodes), prefix + count * block)
    ids, sources, blocks = np.zeros(shape, np.int64), np.full(shape, -1), np.full(shape, -1)
    floors, hits, positions = np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros((3, *shape), np.int64)
    row_of = []
    for b, (episode, size) in enumerate(zip(episodes, sizes, strict=True)):
        of = np.array(episode.blocks)
        within = np.arange(len(of)) - np.concatenate([[0], np.cumsum(size)[:-1]])[of]
        row = within + np.where(of == 0, 0, prefix + (of - 1) * block)
        ids[b, row], blocks[b, row], sources[b, row] = episode.ids, of, episode.sources
        positions[:, b, row] = np.array(episode.positions).T
        floor = np.array(episode.floors)
        floors[b, row] = np.where(floor > 0, row[floor], 0)
        hits[b, list(episode.hits)] = True
        row_of.append(dict(enumerate(row.tolist())))
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        torch.from_numpy(blocks),
        torch.from_numpy(sources),
        torch.from_numpy(floors),
        prefix,
        count,
        block,
        torch.tensor([(episode.reference, episode.image) for episode in episodes]),
        torch.tensor([episode.query_row for episode in episodes]),
        torch.from_numpy(hits),
        row_of,
    )


def embed(decoder: Any, batch: Batch, visual: Tensor) -> Tensor:
    """(B, L, hidden) inputs: embeddings, with visual tokens (B, table, hidden) at their rows."""
    embedded: Tensor = decoder.embed_tokens(batch.ids)
    seen = visual.gather(1, batch.sources.clamp(min=0)[..., None].expand(-1, -1, embedded.shape[-1]))
    return torch.where(batch.sources[..., None] >= 0, seen.to(embedded.dtype), embedded)


def visible(batch: Batch, rows: Tensor) -> Tensor:
    """(B, M, L) which rows each of the rows (B, M) may see."""
    own = batch.blocks.gather(1, rows)[..., None]
    floor = batch.floors.gather(1, rows)[..., None]
    at = torch.arange(batch.ids.shape[1])
    of = batch.blocks[:, None]
    return ((of == 0) | ((of == own) & (own >= 0))) & (at <= rows[..., None]) & (at >= floor)


def forward(
    decoder: Any,
    batch: Batch,
    inputs: Tensor,
    last: Tensor,
    watch: dict[int, Tensor] | None = None,
    keep: Sequence[int] = (),
    half: bool = False,
) -> tuple[Tensor, dict[int, Tensor], dict[int, Tensor]]:
    """The decoder's last hidden states of some rows, and what training looks at on the way.

    Args:
        inputs: (B, L, hidden), from `embed`.
        last: (B, M) rows whose last hidden state is wanted; the last layer is computed for them alone.
        watch: layer -> (B, R) rows whose attention is wanted.
        keep: layers after which the residual stream is wanted.
        half: matrix products in bfloat16; faster on CPUs that have it in hardware.

    Returns:
        (B, M, hidden); layer -> (B, heads, R, L) log attention; layer -> (B, L, hidden).
    """
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb

    count, _, width = inputs.shape
    P, N, Q = batch.prefix, batch.count, batch.size
    cos, sin = decoder.rotary_emb(inputs, batch.positions)
    over_prefix, over_block = _masks(batch)
    watched, kept = {}, {}
    hidden = inputs

    def linear(x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), weight.bfloat16()).float() if half else F.linear(x, weight)

    def norm(x: Tensor, module: Any) -> Tensor:
        return F.rms_norm(x, (width,), module.weight, module.variance_epsilon)

    for index, layer in enumerate(decoder.layers):
        attention = layer.self_attn
        heads = attention.config.num_attention_heads
        normed = norm(hidden, layer.input_layernorm)
        w_query, w_key, w_value = attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight
        b_query, b_key, b_value = attention.q_proj.bias, attention.k_proj.bias, attention.v_proj.bias

        def split(x: Tensor, heads: int = heads) -> Tensor:
            return x.view(count, -1, heads, width // heads).transpose(1, 2)

        def queries(rows: Tensor, normed: Tensor = normed, weight: Tensor = w_query, bias: Tensor = b_query) -> Tensor:
            wide = rows[..., None].expand(-1, -1, width)
            thin = rows[..., None].expand(-1, -1, cos.shape[-1])
            query = split(linear(normed.gather(1, wide), weight) + bias)
            turned: Tensor = apply_rotary_pos_emb(query, query, cos.gather(1, thin), sin.gather(1, thin))[0]
            return turned

        if index < len(decoder.layers) - 1:
            mixed = linear(normed, torch.cat([w_query, w_key, w_value])) + torch.cat([b_query, b_key, b_value])
            query, key, value = (split(x) for x in torch.split(mixed, width, -1))
            query, key = apply_rotary_pos_emb(query, key, cos, sin)
            early = _attend(query[:, :, :P], key[:, :, :P], value[:, :, :P], over_prefix, half)
            late = _attend(
                _blocks(query, P, N, Q),
                torch.cat([_shared(key, P, N), _blocks(key, P, N, Q)], 2),
                torch.cat([_shared(value, P, N), _blocks(value, P, N, Q)], 2),
                over_block,
                half,
            )
            late = late.view(count, N, heads, Q, -1).permute(0, 1, 3, 2, 4).reshape(count, N * Q, width)
            mixed = torch.cat([early.transpose(1, 2).reshape(count, P, width), late], 1)
            hidden = hidden + linear(mixed, attention.o_proj.weight)
        else:
            mixed = linear(normed, torch.cat([w_key, w_value])) + torch.cat([b_key, b_value])
            key, value = (split(x) for x in torch.split(mixed, width, -1))
            key = apply_rotary_pos_emb(key, key, cos, sin)[0]
            seen = F.scaled_dot_product_attention(queries(last), key, value, attn_mask=visible(batch, last)[:, None])
            hidden = hidden.gather(1, last[..., None].expand(-1, -1, width))
            hidden = hidden + linear(seen.transpose(1, 2).reshape(count, -1, width), attention.o_proj.weight)
        if watch is not None and index in watch:
            asked = queries(watch[index])
            scores = asked @ key.transpose(-1, -2) * asked.shape[-1] ** -0.5
            watched[index] = scores.masked_fill(~visible(batch, watch[index])[:, None], _FAR).log_softmax(-1)
        normed = norm(hidden, layer.post_attention_layernorm)
        both = linear(normed, torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]))
        gate, up = both.chunk(2, -1)
        hidden = hidden + linear(F.silu(gate) * up, layer.mlp.down_proj.weight)
        if index in keep:
            kept[index] = hidden
    return norm(hidden, decoder.norm), watched, kept


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, half: bool) -> Tensor:
    """Softmax attention; in half precision written out, which is twice as fast here as the library's kernel."""
    if not half:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    flat = query.shape[0] * query.shape[1]
    queries = (query * query.shape[-1] ** -0.5).bfloat16().reshape(flat, *query.shape[2:])
    keys, values = (x.bfloat16().reshape(flat, *x.shape[2:]) for x in (key, value))
    scores = torch.bmm(queries, keys.transpose(1, 2)).float().view(*query.shape[:3], -1) + mask
    weights = scores.softmax(-1).bfloat16().view(flat, *scores.shape[2:])
    return torch.bmm(weights, values).float().view(query.shape)


def _masks(batch: Batch) -> tuple[Tensor, Tensor]:
    """(B, 1, P, P) and (B * N, 1, Q, P + Q) additive masks."""
    P, N, Q = batch.prefix, batch.count, batch.size
    count = len(batch.ids)
    real = batch.blocks[:, :P] == 0
    early = torch.ones(P, P, dtype=torch.bool).tril() & real[:, None]
    own = torch.ones(Q, Q, dtype=torch.bool).tril().expand(count, N, Q, Q)
    late = torch.cat([real[:, None, None].expand(count, N, Q, P), own], -1)
    floor = batch.floors[:, P:].view(count, N, Q, 1)
    blocks = P + torch.arange(N)[:, None] * Q + torch.arange(Q)
    keys = torch.cat([torch.arange(P).expand(N, P), blocks], 1)  # (N, P + Q) batch row of each key
    late = late & (keys[None, :, None] >= floor)

    def additive(ok: Tensor) -> Tensor:
        return torch.zeros(ok.shape).masked_fill(~ok, _FAR)

    return additive(early[:, None]), additive(late.flatten(0, 1)[:, None])


def _blocks(x: Tensor, P: int, N: int, Q: int) -> Tensor:
    """(B * N, heads, Q, width) of the rows behind the prefix."""
    count, heads = x.shape[:2]
    return x[:, :, P:].reshape(count, heads, N, Q, -1).transpose(1, 2).flatten(0, 1)


def _shared(x: Tensor, P: int, N: int) -> Tensor:
    """(B * N, heads, P, width): the prefix, once for each block."""
    return x[:, None, :, :P].expand(-1, N, -1, -1, -1).flatten(0, 1)
