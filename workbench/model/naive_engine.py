"""The oracle: every row's whole sequence through the library's own attention, one row at a time, nothing kept.

Slow on purpose and as plain as possible. It shares with the fast engine only the tokens (`token_parts.py`) and the
weights, so that an error in sharing, masks or positions shows as a difference between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from workbench.model.backbone import Backbone
from workbench.model.case import Work
from workbench.model.engine import Evaluation, Prefix, Rows, padded
from workbench.model.token_parts import Script


class NaiveEngine:
    """Reads the full prefix for every row; see the module's opening lines."""

    def __init__(self, backbone: Backbone):
        self.backbone = backbone
        self.memory = 0  # it keeps nothing
        self.work = Work()

    def batches(self, script: Script) -> list[Script]:
        """All at once: nothing is kept that would need room."""
        return [script] if script.questions else []

    def read(self, script: Script) -> Prefix:
        """Pictures' features; the parts are read with every row."""
        started = time.perf_counter()
        inputs = script.inputs
        features = dict(zip(inputs, self.backbone.encode(list(inputs.values())), strict=True))
        self.work.vision_calls += 1
        self.work.images += len(features)
        self.work.timings.vision += time.perf_counter() - started
        return Prefix(script, features, None)

    def halve(self) -> bool:
        """There is nothing to halve."""
        return False

    def evaluate(
        self, prefix: Prefix, rows: Rows, read: Callable[[Tensor], Tensor], *, attention: bool = False
    ) -> Evaluation:
        """What `read` makes of the logits at each row's places, and the attention to the picture; see `Engine`."""
        values, seen = [], []
        for row, question in enumerate(rows.question.tolist()):
            read_there, looked = self._one(prefix, question, rows.embeddings[row], rows.at[row], read, attention)
            values.append(read_there)
            seen.append(looked)
        return Evaluation(torch.cat(values), (lambda some: padded([seen[row] for row in some])) if attention else None)

    def _one(
        self, prefix: Prefix, question: int, suffix: Tensor, at: Tensor, read: Callable[[Tensor], Tensor], watch: bool
    ) -> tuple[Tensor, Tensor]:
        """What is read (1, places, ...), and the attention (1, places, n) if it is watched."""
        body, script = self.backbone, prefix.script
        image = int(script.image_of_question[question])
        parts = (script.products[int(script.product_of_image[image])], script.images[image], script.questions[question])
        shown = [prefix.features[part.image.key] for part in parts if part.image]
        ids = torch.cat([part.ids for part in parts])
        embeddings = torch.cat([body.embed(ids, shown), suffix.to(body.device, body.dtype)])[None]  # (1, L, d)
        L = embeddings.shape[1]
        line = torch.arange(parts[-1].after, parts[-1].after + len(suffix)).expand(3, -1)
        positions = torch.cat([*(part.positions for part in parts), line], 1)[:, None]  # (3, 1, L)
        mask = torch.ones(1, 1, L, L, dtype=torch.bool, device=body.device).tril()
        visual = body.is_image(ids).nonzero()[:, 0].to(body.device)
        deep = None
        if shown and shown[0].deep:
            places = torch.zeros(1, L, dtype=torch.bool, device=body.device)
            places[0, visual] = True
            levels = range(len(shown[0].deep))
            deep = (places, torch.stack([torch.cat([each.deep[level] for each in shown]) for level in levels]))
        where = len(ids) + at.to(body.device)
        self.work.decoder_tokens += L
        if not watch:
            hidden = body.hidden(embeddings, positions, mask, None, deep)
            return read(body.head(hidden[:, where])), torch.empty(0)
        hidden, weights = body.attentions(embeddings, positions, mask, deep)
        first, tokens = int(body.is_image(parts[0].ids).sum()), len(prefix.visual_tokens(question))
        chosen = weights[list(body.attention_layers), 0].mean((0, 1))  # (L, L)
        query = visual[first : first + tokens]  # behind the reference's tokens, before a region's
        seen = chosen[where][:, query].detach()[None]
        return read(body.head(hidden[:, where])), seen.float()
