"""Training of the retrieval head: images and knowledge texts into one space, on the frozen model's features.

Every text is read in several wordings and with several consequences, so that only product, defect and look can
matter. A good image belongs to its product's `good` text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import loop
from workbench.embedded import drawn_world
from workbench.embedded.dual_encoder import Head, text_features
from workbench.embedded.questions import Facets

ENTRIES = tuple(
    (product.name, entry) for product in drawn_world.PRODUCTS.values() for entry in ("good", *product.defects)
)
_PER_PRODUCT = 5
_VARIANTS = 4  # consequences drawn for each wording


def entry_number(facets: Facets) -> int:
    """Index into ENTRIES of the text that is true of the image."""
    return ENTRIES.index((facets.product, facets.defect or "good"))


def corpus(body: Any, tokens: Any, wordings: Sequence[str], seed: int, variants: int = _VARIANTS) -> Tensor:
    """(variants * wordings, ENTRIES, 2 * hidden) features of every entry's text."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(variants):
        facts = drawn_world.draw_facts(rng)
        for wording in wordings:
            good = drawn_world.GOOD_WORDINGS[index % len(drawn_world.GOOD_WORDINGS)]
            texts = [
                drawn_world.knowledge_text(product, entry, facts, good if entry == "good" else wording)
                for product, entry in ENTRIES
            ]
            rows.append(torch.stack([text_features(body, tokens, text) for text in texts]))
    return torch.stack(rows)


def train(
    body: Any,
    tokens: Any,
    facets: Sequence[Facets],
    images: Tensor,
    home: Path,
    seed: int,
    report: loop.Report,
    steps: int = 2500,
    batch: int = 128,
) -> Head:
    """A trained head.

    Args:
        images: (N, tokens, hidden) visual tokens of the images that `facets` are about.
    """
    torch.manual_seed(seed)
    head = Head(images.shape[-1])
    texts = corpus(body, tokens, drawn_world.WORDINGS, seed)
    truth = torch.tensor([entry_number(one) for one in facets])
    every = torch.arange(len(ENTRIES))

    def loss(rng: np.random.Generator, _step: int) -> tuple[Tensor, loop.Losses]:
        chosen = torch.from_numpy(rng.integers(len(truth), size=batch))
        wording = torch.from_numpy(rng.integers(len(texts), size=len(ENTRIES)))
        features = texts[wording, every]
        vectors = head.texts(features + 0.1 * torch.randn_like(features))
        scores = head.images(images[chosen].float()) @ vectors.T * head.log_scale.exp()
        right = truth[chosen]
        entry = F.cross_entropy(scores, right)
        # The product counts on its own: the sum over its entries must win, whichever of them fits best.
        product = F.cross_entropy(
            scores.view(-1, len(drawn_world.PRODUCTS), _PER_PRODUCT).logsumexp(-1), right // _PER_PRODUCT
        )
        return entry + product, {"entry": float(entry.detach()), "product": float(product.detach())}

    stage = loop.Stage("retrieval", steps, 3e-3, weight_decay=0.01)
    loop.train(stage, nn.ModuleDict({"head": head}), loss, home, seed, report)
    return head.eval()


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of images for which the right text is found."""

    images: int
    defective: int
    product: float  # the best text is about the right product
    entry_at_1: float  # of defective images: the best text is the true one
    entry_at_3: float


@torch.no_grad()
def recall(head: Head, texts: Tensor, facets: Sequence[Facets], images: Tensor) -> Recall:
    """Recall against each row of a corpus (wordings, ENTRIES, features), averaged."""
    vectors = head.images(images.float())
    truth = torch.tensor([entry_number(one) for one in facets])
    defective = torch.tensor([one.defect is not None for one in facets])
    found = []
    for row in texts:
        best = (vectors @ head.texts(row).T).argsort(-1, descending=True)
        hit = best[defective] == truth[defective, None]
        product = (best[:, 0] // _PER_PRODUCT == truth // _PER_PRODUCT).float().mean()
        found.append([float(product), float(hit[:, 0].float().mean()), float(hit[:, :3].any(1).float().mean())])
    mean = np.mean(found, 0)
    return Recall(len(truth), int(defective.sum()), float(mean[0]), float(mean[1]), float(mean[2]))
