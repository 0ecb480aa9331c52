"""The fast engine: prompt parts are read once, kept as keys and values, and shared by everything that follows them.

    reference  <-  picture + knowledge  <-  question  <-  injected patches  <-  rows: [think tokens Z]

A row attends to the segments it hangs from and to itself (`attention.py`); segments are never copied per row and never
changed. What is read, and when:

    reference       once while memory lasts: its keys and values outlive the block, for the next pictures of the product
    picture         once per batch, its features beyond it while memory lasts
    question        once per batch
    injected        once, when they are tested; patches before Z don't depend on Z
    Z, cue, text    every time

A batch is as many questions as the memory holds (`batches`); no size is set. Rows of any length stand packed one
behind the other, so no token of padding is ever fed.

A new reference is read alone: then its floats don't depend on which pictures happened to need it first, and a run that
was cut gives the very rows of one that wasn't.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Literal

import torch
from torch import Tensor

from workbench.lru_cache import LRUCache
from workbench.model.attention import Attachment, Segment, scores, segmented_attention
from workbench.model.backbone import Backbone, ImageFeatures, ImageInput, register_attention
from workbench.model.case import Work
from workbench.model.device_transfer import sent
from workbench.model.engine import Evaluation, Names, Prefix, Rows, padded
from workbench.model.kernels import Spans
from workbench.model.token_parts import Script, TokenPart

GIB = 2**30
CPU_MEMORY = GIB  # bytes kept on a CPU unless told otherwise
GPU_SHARE = 0.5  # of what the card has free beside the weights; the rest is for activations and logits
LEAST_MEMORY = 2**20  # halving ends here
READ_TOKENS = 8192  # most tokens fed to the decoder at once; activations grow with it
VISION_TOKENS = 16384  # most visual tokens encoded at once
LOGIT_PLACES = 512  # most places whose logits exist at once: 0.3 GB with a vocabulary of 152,000
PIECES = 8  # most that a set's keys and values lie in
PATCH_SETS = 3  # per question that are remembered: the accepted one, one that was refused, and the one being tested


Pieces = tuple[tuple[Tensor, Tensor], ...]  # keys and values (layers, tokens, N, D), one behind the other


@dataclass(slots=True)
class Tree:
    """Keys and values of one batch's parts."""

    products: Segment
    images: Segment
    questions: Segment  # in the order of the tree
    rank: list[int]  # place of each question in that order
    visual: list[Tensor]  # places of each image's visual tokens among `images`
    patch_sets: dict[int, LRUCache[Names, Pieces]] = field(default_factory=dict)  # by question

    def known(self, question: int, names: Names) -> Names:
        """The longest beginning of these names whose keys and values are there."""
        sets = self.patch_sets.get(question)
        return next((names[:n] for n in range(len(names), 0, -1) if sets and names[:n] in sets), ())

    def use(self, question: int, names: Names) -> Pieces:
        """Keys and values of a known set, which counts as used."""
        pieces = self.patch_sets[question].get(names)
        assert pieces is not None
        return pieces

    def keep(self, question: int, names: Names, pieces: Pieces) -> None:
        """Remember a set."""
        self.patch_sets.setdefault(question, LRUCache(PATCH_SETS)).put(names, pieces)


class SegmentedEngine:
    """Reads parts once and evaluates rows behind them; see the module's opening lines.

    Args:
        backbone: the model.
        memory: bytes of keys, values and features to keep; None is 1 GiB on a CPU and half of what a card has free.
            Answers don't depend on it, floats to rounding.
    """

    def __init__(self, backbone: Backbone, memory: int | None = None):
        register_attention("segmented", segmented_attention)
        self.backbone = backbone
        self.memory = memory or _memory(backbone.device)
        self.work = Work()
        self._references: LRUCache[str, Segment] = LRUCache()
        self._features: LRUCache[str, ImageFeatures] = LRUCache()
        self._token_size = self._measure()

    def batches(self, script: Script) -> list[Script]:
        """The script in pieces whose keys and values fit the memory, in the tree's order; at least a question each."""
        room = self.memory // self._token_size
        batches: list[list[int]] = []
        used, seen = room, set[tuple[str, int]]()  # full: the first question opens a batch
        for question in script.order:
            image = int(script.image_of_question[question])
            product = int(script.product_of_image[image])
            nodes = {("image", image): script.images[image], ("product", product): script.products[product]}
            more = sum(len(part.ids) for node, part in nodes.items() if node not in seen)
            own = len(script.questions[question].ids) + script.behind
            if used + more + own > room:
                batches.append([])
                used, seen = 0, set()
                more = sum(len(part.ids) for part in nodes.values())
            batches[-1].append(question)
            used += more + own
            seen |= nodes.keys()
        return [script.take(sorted(batch)) for batch in batches]

    def forget(self) -> None:
        """Give back what is kept."""
        self._references.clear()
        self._features.clear()
        if self.backbone.device.type == "cuda":
            torch.cuda.empty_cache()

    def halve(self) -> bool:
        """Give back what is kept and go on with half the memory; False when that wouldn't be enough for anything."""
        self.forget()
        if self.memory // 2 < LEAST_MEMORY:
            return False
        self.memory //= 2
        return True

    def read(self, script: Script) -> Prefix:
        """Read all constant parts of a script: pictures, knowledge, questions."""
        references = self._reference_segments(script.products)
        with self._booked("vision"):
            shown = (*script.images, *script.questions)
            features = self._encoded({part.image.key: part.image for part in shown if part.image})
        order = script.order
        rank = [0] * len(order)
        for place, question in enumerate(order):
            rank[question] = place
        with self._booked("prefill"), torch.no_grad():
            products = Segment.joined(references)
            of_image = script.product_of_image.tolist()
            images = self._read(script.images, features, [(products, of_image)])
            of_question = script.image_of_question[order]
            asked = [script.questions[question] for question in order]
            behind = [(products, script.product_of_image[of_question].tolist()), (images, of_question.tolist())]
            questions = self._read(asked, features, behind)
        self._references.trim(self.memory - images.size - questions.size)
        visual = [
            sent(self.backbone.is_image(part.ids).nonzero()[:, 0] + start, self.backbone.device)
            for part, start in zip(script.images, images.bounds, strict=False)
        ]
        return Prefix(script, features, Tree(products, images, questions, rank, visual))

    def _reference_segments(self, parts: Sequence[TokenPart]) -> list[Segment]:
        """References' keys and values, those read now that aren't there any more; each alone."""
        found = {part.key: segment for part in parts if (segment := self._references.get(part.key)) is not None}
        missing = {part.key: part for part in parts if part.key not in found}
        with self._booked("vision"):
            shown = {key: self._encode([part.image]) if part.image else {} for key, part in missing.items()}
        with self._booked("prefill"), torch.no_grad():
            for key, part in missing.items():
                found[key] = segment = self._read([part], shown[key], [])
                self._references.put(key, segment, segment.size)
        return [found[part.key] for part in parts]

    def _encoded(self, inputs: dict[str, ImageInput]) -> dict[str, ImageFeatures]:
        """Features of these pictures by key, those not remembered in one call of the vision tower if they are few."""
        features = {key: found for key in inputs if (found := self._features.get(key)) is not None}
        missing = [each for key, each in inputs.items() if key not in features]
        for chunk in _chunks([each.tokens for each in missing], VISION_TOKENS):
            made = self._encode(missing[chunk])
            features |= made
            for key, each in made.items():
                self._features.put(key, each, sum(tensor.nbytes for tensor in (each.tokens, *each.deep)))
        self._features.trim(self.memory // 8)
        return features

    def _encode(self, inputs: Sequence[ImageInput]) -> dict[str, ImageFeatures]:
        """One call of the vision tower."""
        self.work.vision_calls += 1
        self.work.images += len(inputs)
        return dict(zip((each.key for each in inputs), self.backbone.encode(inputs), strict=True))

    def _read(
        self,
        parts: Sequence[TokenPart],
        features: dict[str, ImageFeatures],
        before: Sequence[tuple[Segment, Sequence[int]]],
    ) -> Segment:
        """Keys and values of some parts, each behind those it hangs from: (segment, which of its parts) pairs."""
        body, read = self.backbone, []
        lengths = [len(part.ids) for part in parts]
        for chunk in _chunks(lengths, READ_TOKENS):
            some, own = parts[chunk], lengths[chunk]
            attached = [(segment, Spans.shared(own, part[chunk], segment.bounds)) for segment, part in before]
            attachment = Attachment(Spans.own(own), attached, body.layers, record=True)
            embeddings = [body.embed(p.ids, [features[p.image.key]] if p.image else []) for p in some]
            positions = torch.cat([p.positions for p in some], 1)
            self._hidden(torch.cat(embeddings), positions, attachment, _deep(body, some, features))
            read.append(attachment.recorded())
        return Segment.joined(read)

    def _hidden(
        self,
        embeddings: Tensor,
        positions: Tensor,
        attachment: Attachment,
        deep: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(T, d) last hidden states of packed tokens (T, d) at these positions (3, T)."""
        self.work.decoder_tokens += len(embeddings)
        return self.backbone.hidden(embeddings[None], positions[:, None], None, attachment, deep)[0]

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        """What `read` makes of the logits at each row's places, and the attention to the picture; see `Engine`."""
        tree: Tree = prefix.state
        names = rows.constants or ((),) * len(rows.question)
        asked = rows.question.tolist()
        known = [tree.known(question, injected) for question, injected in zip(asked, names, strict=True)]
        # Neighbours share: by question in the tree's order, then by what is injected.
        order = sorted(range(len(asked)), key=lambda row: (tree.rank[asked[row]], known[row]))
        place_of = torch.tensor(order).argsort()
        back = sent(place_of, self.backbone.device)  # before the device is busy
        lengths = [len(rows.embeddings[row]) - len(known[row]) for row in order]
        values: list[Tensor] = []
        looks: list[tuple[Attachment, int]] = []  # of each row, in order
        for chunk in _chunks(lengths, READ_TOKENS):
            some = [_Row(asked[r], rows.embeddings[r], names[r], known[r], rows.at[r]) for r in order[chunk]]
            read_there, attachment = self._evaluate(prefix, some, read, attention)
            values.append(read_there)
            if attention:
                looks += [(attachment, place) for place in range(len(some))]

        def attention_of(row_indices: Sequence[int]) -> Tensor:
            wanted = [int(place_of[row]) for row in row_indices]
            ordered = sorted(range(len(wanted)), key=lambda i: wanted[i])
            looked = self._looked(
                prefix, [(asked[row_indices[i]], *looks[wanted[i]]) for i in ordered], rows.at.shape[1]
            )
            return looked[sent(torch.tensor(ordered).argsort(), looked.device)]

        return Evaluation(torch.cat(values)[back], attention_of if attention else None)

    def _evaluate(
        self, prefix: Prefix, rows: Sequence[_Row], read: Callable[[Tensor], Tensor], attention: bool
    ) -> tuple[Tensor, Attachment]:
        body, script, tree = self.backbone, prefix.script, prefix.state
        questions = [row.question for row in rows]
        images = script.image_of_question[questions]
        lengths = [len(row.fed) for row in rows]
        starts = list(accumulate(lengths, initial=0))
        hanging = [
            (tree.products, script.product_of_image[images].tolist()),
            (tree.images, images.tolist()),
            (tree.questions, [tree.rank[question] for question in questions]),
        ]
        attached = [(segment, Spans.shared(lengths, part, segment.bounds)) for segment, part in hanging]
        if any(row.known for row in rows):
            attached.append(_injected(tree, rows, lengths))
        shift = torch.tensor([start - len(row.known) for row, start in zip(rows, starts, strict=False)])
        places = torch.stack([row.at for row in rows]) + shift[:, None]
        flat = sent(places.flatten(), body.device)  # (B * places,)
        fresh = any(row.fresh for row in rows)
        watched = tuple(sorted(body.attention_layers))
        attachment = Attachment(
            Spans.own(lengths), attached, body.layers, fresh, watch=flat if attention else None, watch_layers=watched
        )
        first = [script.questions[row.question].after + len(row.known) for row in rows]
        line = torch.tensor([at + i for at, length in zip(first, lengths, strict=True) for i in range(length)])
        embeddings = torch.cat([row.fed for row in rows])
        here = self._hidden(embeddings, line.expand(3, -1), attachment)[flat]
        here = here.view(*places.shape, -1)  # (B, places, d)
        if fresh:
            _keep(tree, rows, attachment.recorded())
            attachment.keys = attachment.values = None
        together = max(1, LOGIT_PLACES // places.shape[1])
        return torch.cat([read(body.head(some)) for some in torch.split(here, together)]), attachment

    def _looked(self, prefix: Prefix, rows: Sequence[tuple[int, Attachment, int]], places: int) -> Tensor:
        """(rows, places, n) attention to the visual tokens of each row's picture, a mean over heads and watched layers.

        Args:
            rows: question, what its evaluation left behind and its place there; those of one picture are neighbours.
            places: watched of each row.
        """
        body, script, tree = self.backbone, prefix.script, prefix.state
        image_of = script.image_of_question.tolist()
        found = []
        for _, part in groupby(rows, key=lambda row: id(row[1])):
            together = list(part)
            attachment = together[0][1]
            layers = list(attachment.watch_layers)
            at = sent(torch.tensor([row * places + i for _, _, row in together for i in range(places)]), body.device)
            queries, denominators = attachment.watched(at)
            first = 0
            for image, group in groupby(together, key=lambda row: image_of[row[0]]):
                mine = slice(first, first := first + places * len(list(group)))
                keys = tree.images.keys[:, tree.visual[image]][layers]
                weights = scores(queries[:, mine], denominators[:, mine], keys, attachment.scale)
                found.append(weights.view(-1, places, weights.shape[1]) / (body.heads * len(layers)))
        return padded(found)

    @contextmanager
    def _booked(self, phase: Literal["vision", "prefill"]) -> Iterator[None]:
        """Book the seconds spent; a GPU is waited for, or its work would be booked on what comes next."""
        started = time.perf_counter()
        yield
        if self.backbone.device.type == "cuda":
            torch.cuda.synchronize(self.backbone.device)
        timings = self.work.timings
        setattr(timings, phase, getattr(timings, phase) + time.perf_counter() - started)

    def _measure(self) -> int:
        """Bytes of one token's keys and values, seen by reading one; it also tries out the attention kernel."""
        body = self.backbone
        ids = body.tokenize(("\n",), {})[:1]
        positions, _ = body.positions(ids, [], 0)
        attachment = Attachment(Spans.own([1]), [], body.layers, record=True)
        with torch.no_grad():
            self._hidden(body.embed(ids, []), positions, attachment)
        self.work = Work()
        return attachment.recorded().size


@dataclass(frozen=True, slots=True)
class _Row:
    """One row as it is fed."""

    question: int
    embeddings: Tensor  # (L, d), whole
    names: Names  # of its leading vectors
    known: Names  # those of them that needn't be fed
    at: Tensor  # (places,) counted within the whole row

    @property
    def fed(self) -> Tensor:
        return self.embeddings[len(self.known) :]

    @property
    def fresh(self) -> int:
        """How many named vectors are fed."""
        return len(self.names) - len(self.known)


def _injected(tree: Tree, rows: Sequence[_Row], lengths: Sequence[int]) -> tuple[Segment, Spans]:
    """The sets of patches these rows hold, and who holds which; rows of one set are neighbours."""
    pieces: list[tuple[Tensor, Tensor]] = []
    sizes: list[int] = []
    part: list[int] = []
    for (question, known), group in groupby(rows, key=lambda row: (row.question, row.known)):
        part += [len(sizes)] * len(list(group))
        sizes.append(len(known))
        if known:
            pieces += tree.use(question, known)
    keys, values = (torch.cat(each, 1) for each in zip(*pieces, strict=True))
    joined = Segment(keys, values, tuple(accumulate(sizes, initial=0)))
    return joined, Spans.shared(lengths, part, joined.bounds)


def _keep(tree: Tree, rows: Sequence[_Row], read: Segment) -> None:
    """Remember the patches that were fed with these rows, behind those that were known."""
    fed = [start + i for row, start in zip(rows, read.bounds, strict=False) for i in range(row.fresh)]
    at = sent(torch.tensor(fed), read.keys.device)
    counts = [row.fresh for row in rows]
    each_set = zip(*(torch.split(kept[:, at], counts, 1) for kept in (read.keys, read.values)), strict=True)
    for row, piece in zip(rows, each_set, strict=True):
        if row.fresh:
            before = tree.use(row.question, row.known) if row.known else ()
            if len(before) == PIECES:  # a text grows by a token a time
                keys, values = (torch.cat(each, 1) for each in zip(*before, strict=True))
                before = ((keys, values),)
            tree.keep(row.question, row.names, (*before, piece))


def _deep(
    body: Backbone, parts: Sequence[TokenPart], features: dict[str, ImageFeatures]
) -> tuple[Tensor, Tensor] | None:
    """Deepstack features of the parts' pictures and where they go; None where the family has none."""
    shown = [features[part.image.key] for part in parts if part.image]
    if not shown or not shown[0].deep:
        return None
    places = body.is_image(torch.cat([part.ids for part in parts])).to(body.device)
    levels = range(len(shown[0].deep))
    return places[None], torch.stack([torch.cat([each.deep[level] for each in shown]) for level in levels])


def _chunks(sizes: Sequence[int], most: int) -> list[slice]:
    """Neighbours together as long as their sizes add up to `most`; one alone may be larger."""
    chunks, first, total = [], 0, 0
    for place, size in enumerate(sizes):
        if place > first and total + size > most:
            chunks.append(slice(first, place))
            first, total = place, 0
        total += size
    return [*chunks, slice(first, len(sizes))] if sizes else []


def _memory(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_MEMORY
    free, _ = torch.cuda.mem_get_info(device)
    return int(free * GPU_SHARE)
