"""The fast engine: prompt parts are read once, kept as keys and values, and shared by everything that follows them.

    product segment  <-  image segments  <-  question segments  <-  rows: [held patches][Z]

A row (one question with one sample of its think tokens) attends to the three segments it hangs from and to itself.
Attention over several segments is exact: each gives its output and the log of its softmax denominator, and the outputs
are averaged with the softmax of those (`merge`). Segments are never copied per row and never changed; rows that share a
segment are folded into one query axis, so a segment costs one matrix product however many rows use it. All of it is
differentiable with respect to the rows; segments carry no gradient.

Given up: a row's own K/V are made anew in every evaluation, held patches included.

Sizes: B rows, L tokens of a row, G segments of a kind, P tokens of the longest of them, R rows of the busiest segment,
H query heads, N key heads, D head size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from workbench.model.backbone import Backbone, ImageFeatures, register_attention
from workbench.model.case import Case, Work
from workbench.model.compose import TokenPart, compose, encode_images
from workbench.model.engine import Evaluation, Prefix, Rows

READ_TOKENS = 8192  # most tokens of prompt parts read at once; own-token scores grow with their square


@dataclass(frozen=True, slots=True)
class Segment:
    """Keys and values of some prompt parts of one kind, padded to the longest."""

    keys: tuple[Tensor, ...]  # per layer (G, N, P, D)
    values: tuple[Tensor, ...]
    real: Tensor  # (G, P) boolean, False on padding
    visual: Tensor | None = None  # (G, n) columns of the visual tokens, padded with 0
    visual_real: Tensor | None = None  # (G, n) boolean

    def some(self, first: int, last: int) -> Segment:
        """The parts first..last-1, without a copy."""
        return Segment(
            tuple(each[first:last] for each in self.keys),
            tuple(each[first:last] for each in self.values),
            self.real[first:last],
            None if self.visual is None else self.visual[first:last],
            None if self.visual_real is None else self.visual_real[first:last],
        )


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which row uses which of a segment's G parts, as indices that fold rows together and lay them out again."""

    fold: Tensor  # (G, R) row in each place; 0 where there is none
    unfold: Tensor  # (B,) place of each row in the flattened (G * R)

    @staticmethod
    def of(group: Tensor, groups: int) -> Sharing:
        """From the group (B,) of each row."""
        order = torch.argsort(group, stable=True)
        counts = torch.bincount(group, minlength=groups)
        first = torch.cumsum(counts, 0) - counts
        width = int(counts.max())
        place = torch.empty_like(group)
        place[order] = torch.arange(len(group), device=group.device) - first[group[order]]
        unfold = group * width + place
        fold = torch.zeros(groups * width, dtype=torch.long, device=group.device)
        fold[unfold] = torch.arange(len(group), device=group.device)
        return Sharing(fold.view(groups, width), unfold)


def attach(segment: Segment, group: Tensor) -> tuple[Segment, Sharing]:
    """The span of a segment that rows of these groups (B,) use, and how they share it."""
    first, last = int(group.min()), int(group.max()) + 1
    return segment.some(first, last), Sharing.of(group - first, last - first)


@dataclass(slots=True)
class Attachment:
    """What the attention function is given beside the tokens, and what it leaves behind."""

    segments: Sequence[tuple[Segment, Sharing]]
    record: bool = False  # keep this call's own keys and values
    keys: list[Tensor] = field(default_factory=list)  # per layer (B, N, L, D)
    values: list[Tensor] = field(default_factory=list)
    watch: Tensor | None = None  # (B, m) places of the rows' think tokens, whose attention to the picture is wanted
    watch_layers: tuple[int, ...] = ()
    watched_segment: int = 0  # which of the segments holds the picture
    watched: Tensor | None = None  # (B, m, n) attention to visual tokens, summed over heads and watched layers


def attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Attention and the log of its softmax denominator.

    Args:
        query: (..., Q, D).
        key: (..., P, D).
        value: (..., P, D).
        allowed: boolean, broadcast to (..., Q, P); every query must be allowed one key.
        scale: of the scores.

    Returns:
        (..., Q, D) and (..., Q), float32 at least.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    scores = torch.matmul(query, key.transpose(-1, -2)).to(wide) * scale
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    logsum = torch.logsumexp(scores, -1)
    weights = (scores - logsum[..., None]).exp()
    return torch.matmul(weights.to(value.dtype), value).to(wide), logsum


def segmented_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    *,
    attachment: Attachment,
    **_: object,
) -> tuple[Tensor, None]:
    """Exact attention over [segments | own tokens], as an attention function of the transformers library.

    Args:
        module: the attention layer; its `layer_idx` selects the segments' keys and values.
        query: (B, H, L, D), rotated.
        key: (B, N, L, D), rotated.
        value: (B, N, L, D).
        attention_mask: (B, 1, L, L) boolean among own tokens.
        scaling: of the scores.
        attachment: the segments and what to record.

    Returns:
        (B, L, H, D) and None for the weights.
    """
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    B, H, L, D = query.shape
    N = key.shape[1]
    if attachment.record:
        attachment.keys.append(key)
        attachment.values.append(value)
    rows = query.reshape(B, N, H // N * L, D)  # query heads that share a key head lie side by side
    own = attention_mask.expand(B, 1, L, L).repeat(1, 1, H // N, 1)
    outputs, logsums = [], []
    out, logsum = attend(rows, key, value, own, scaling)
    outputs.append(out)
    logsums.append(logsum)
    for segment, sharing in attachment.segments:
        folded = _fold(rows, sharing)  # (G, N, R * heads * L, D)
        out, logsum = attend(folded, segment.keys[layer], segment.values[layer], segment.real[:, None, None], scaling)
        outputs.append(_unfold(out, sharing, rows.shape[2]))
        logsums.append(_unfold(logsum[..., None], sharing, rows.shape[2])[..., 0])
    merged, total = merge(outputs, logsums)
    if attachment.watch is not None and layer in attachment.watch_layers:
        _watch(attachment, query, total.view(B, H, L), layer, scaling)
    return merged.to(query.dtype).view(B, H, L, D).transpose(1, 2), None


def merge(outputs: Sequence[Tensor], logsums: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """One attention over all key sets, from each set's attention (..., D) and log denominator (...)."""
    total = torch.logsumexp(torch.stack(list(logsums)), 0)
    mixed = sum(out * (logsum - total).exp()[..., None] for out, logsum in zip(outputs, logsums, strict=True))
    assert isinstance(mixed, Tensor)
    return mixed, total


def _fold(rows: Tensor, sharing: Sharing) -> Tensor:
    """(B, N, Q, D) -> (G, N, R * Q, D)."""
    G, R = sharing.fold.shape
    _, N, Q, D = rows.shape
    return rows[sharing.fold.reshape(-1)].view(G, R, N, Q, D).transpose(1, 2).reshape(G, N, R * Q, D)


def _unfold(folded: Tensor, sharing: Sharing, Q: int) -> Tensor:
    """(G, N, R * Q, D) -> (B, N, Q, D)."""
    G, R = sharing.fold.shape
    N, D = folded.shape[1], folded.shape[3]
    return folded.view(G, N, R, Q, D).transpose(1, 2).reshape(G * R, N, Q, D)[sharing.unfold]


def _watch(attachment: Attachment, query: Tensor, total: Tensor, layer: int, scale: float) -> None:
    """Add this layer's attention from the watched places to the visual tokens of the picture.

    A softmax over the whole prefix isn't needed: a weight is exp(score - log denominator), and the merged denominator
    is known.
    """
    segment, sharing = attachment.segments[attachment.watched_segment]
    assert segment.visual is not None
    assert segment.visual_real is not None
    assert attachment.watch is not None
    B, H, _, D = query.shape
    m = attachment.watch.shape[1]
    places = attachment.watch[:, None, :].expand(B, H, m)
    looking = query.gather(2, places[..., None].expand(-1, -1, -1, D))  # (B, H, m, D)
    denominators = total.gather(2, places)  # (B, H, m)
    keys = segment.keys[layer]
    N = keys.shape[1]
    G, n = segment.visual.shape
    columns = segment.visual[:, None, :, None].expand(G, N, n, D)
    folded = _fold(looking.reshape(B, N, H // N * m, D), sharing)
    scores = torch.matmul(folded, keys.gather(2, columns).transpose(-1, -2)).float() * scale  # (G, N, R*Q, n)
    laid = _unfold(scores, sharing, H // N * m).view(B, H, m, n)
    weights = (laid - denominators[..., None]).exp().sum(1)  # (B, m, n)
    group = torch.div(sharing.unfold, sharing.fold.shape[1], rounding_mode="floor")
    weights = weights * segment.visual_real[group][:, None]
    attachment.watched = weights if attachment.watched is None else attachment.watched + weights


class SegmentedEngine:
    """Reads parts once and evaluates rows behind them; see the module's opening lines.

    Args:
        backbone: the model.
        rows: most rows evaluated at once; a limit on memory. Answers don't depend on it, floats to rounding.
    """

    def __init__(self, backbone: Backbone, rows: int = 256):
        register_attention("segmented", segmented_attention)
        self.backbone = backbone
        self.rows = rows
        self.work = Work()

    def prepare(self, cases: Sequence[Case]) -> Prefix:
        """Read all constant parts of these cases: pictures, knowledge, questions."""
        body, work = self.backbone, self.work
        started = time.perf_counter()
        script = compose(body, cases)
        features = encode_images(body, script)
        work.vision_calls += 1
        work.images += len(features)
        work.timings.vision += time.perf_counter() - started
        started = time.perf_counter()
        with torch.no_grad():
            products = self._read(script.products, features, [])
            of_image = script.product_of_image.to(body.device)
            images = self._read(script.images, features, [(products, of_image)])
            of_question = script.image_of_question.to(body.device)
            questions = self._read(
                script.questions, features, [(products, of_image[of_question]), (images, of_question)]
            )
        work.timings.prefill += time.perf_counter() - started
        return Prefix(script, features, (products, images, questions))

    def _read(
        self, parts: Sequence[TokenPart], features: dict[str, ImageFeatures], before: list[tuple[Segment, Tensor]]
    ) -> Segment:
        """Keys and values of some parts, each behind the segments it hangs from."""
        chunks: list[Attachment] = []
        together = max(1, min(self.rows, READ_TOKENS // max(len(part.ids) for part in parts)))
        for first in range(0, len(parts), together):
            some = parts[first : first + together]
            rows = _pad([self.backbone.embed(p.ids, [features[p.image.key]] if p.image else []) for p in some])
            positions = pad_sequence([p.positions.T for p in some], batch_first=True).permute(2, 0, 1)
            attached = [attach(segment, group[first : first + together]) for segment, group in before]
            attachment = Attachment(attached, record=True)
            mask = _causal([len(p.ids) for p in some], rows.shape[1]).to(rows.device)
            self.backbone.hidden(rows, positions, mask, attachment, self._deep(some, features, rows.shape[1]))
            self.work.decoder_tokens += sum(len(p.ids) for p in some)
            chunks.append(attachment)
        lengths = torch.tensor([len(p.ids) for p in parts], device=self.backbone.device)
        width = int(lengths.max())
        real = torch.arange(width, device=lengths.device) < lengths[:, None]
        layers = range(self.backbone.layers)
        keys = tuple(_pad_keys([chunk.keys[layer] for chunk in chunks], width) for layer in layers)
        values = tuple(_pad_keys([chunk.values[layer] for chunk in chunks], width) for layer in layers)
        if parts[0].image is None:
            return Segment(keys, values, real)
        columns = [self.backbone.is_image(p.ids).nonzero()[:, 0].to(lengths.device) for p in parts]
        counts = torch.tensor([len(each) for each in columns], device=lengths.device)
        visual = pad_sequence(columns, batch_first=True)
        seen = torch.arange(visual.shape[1], device=lengths.device) < counts[:, None]
        return Segment(keys, values, real, visual, seen)

    def _deep(
        self, parts: Sequence[TokenPart], features: dict[str, ImageFeatures], width: int
    ) -> tuple[Tensor, Tensor] | None:
        """Deepstack features of the parts' pictures and where they go; None where the family has none."""
        shown = [features[p.image.key] for p in parts if p.image]
        if not shown or not shown[0].deep:
            return None
        places = torch.zeros(len(parts), width, dtype=torch.bool, device=self.backbone.device)
        for row, part in enumerate(parts):
            places[row, : len(part.ids)] = self.backbone.is_image(part.ids).to(places.device)
        levels = range(len(shown[0].deep))
        return places, torch.stack([torch.cat([each.deep[level] for each in shown]) for level in levels])

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        """What `read` makes of the logits at each row's places, and the attention to the picture; see `Engine`."""
        parts = []
        for first in range(0, len(rows.question), self.rows):
            parts.append(self._evaluate(prefix, rows.some(first, first + self.rows), read, attention))
        return Evaluation.joined(parts)

    def _evaluate(self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], attention: bool) -> Evaluation:
        body = self.backbone
        products, images, questions = prefix.state
        question = rows.question.to(body.device)
        image = prefix.script.image_of_question.to(body.device)[question]
        product = prefix.script.product_of_image.to(body.device)[image]
        attached = [attach(products, product), attach(images, image), attach(questions, question)]
        lengths = [len(each) for each in rows.embeddings]
        embeddings = _pad(rows.embeddings)
        starts = torch.tensor([prefix.script.questions[int(q)].after for q in rows.question])
        positions = (starts[:, None] + torch.arange(embeddings.shape[1])).expand(3, -1, -1)
        at = rows.at.to(body.device)
        attachment = Attachment(
            attached, watch=at if attention else None, watch_layers=body.attention_layers, watched_segment=1
        )
        mask = _causal(lengths, embeddings.shape[1]).to(body.device)
        hidden = body.hidden(embeddings, positions, mask, attachment)
        self.work.decoder_tokens += sum(lengths)
        here = hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[-1]))  # (B, places, d)
        seen = attachment.watched
        if seen is not None:
            seen = seen.detach() / (body.heads * len(body.attention_layers))
        return Evaluation(read(body.head(here)), seen)


def _pad(rows: Sequence[Tensor]) -> Tensor:
    """Rows (L, d) of different length as one (B, L, d), zeros at the end."""
    return pad_sequence(list(rows), batch_first=True)


def _pad_keys(chunks: Sequence[Tensor], width: int) -> Tensor:
    """Chunks (B, N, L, D) joined, with zeros up to `width` tokens."""
    return torch.cat([torch.nn.functional.pad(each, (0, 0, 0, width - each.shape[2])) for each in chunks])


def _causal(lengths: Sequence[int], width: int) -> Tensor:
    """(B, 1, L, L) boolean: earlier real tokens; padding sees itself, so that no softmax is empty."""
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return ((causal & real[:, None, :]) | torch.eye(width, dtype=torch.bool))[:, None]
