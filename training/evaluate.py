"""What the embedded model can do, measured on images it never saw: the figures of its model card.

All arms ask the same questions about the same images; only what stands in the prompt changes. Answers are read as the
product reads them: the next token's probability of each option's letter, with and without a blank before it, over the
options asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training import language, packed, retrieval, vision_forward
from training.data import HIT, ImageSet
from training.episodes import IMAGE, Builder, Episode
from training.metrics import auroc
from training.mixture import Mix
from training.retrieval import Recall
from workbench.analysis import metrics
from workbench.embedded import drawn_world
from workbench.embedded.dual_encoder import EmbeddedEncoder
from workbench.embedded.questions import LETTERS, SUBTASKS


@dataclass(frozen=True, slots=True)
class Answers:
    """One arm's answers, a row per question."""

    image: npt.NDArray[np.int64]
    subtask: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]  # probability of the chosen option
    option_entropy: npt.NDArray[np.float64]  # nats
    latent_entropy: npt.NDArray[np.float64]  # nats, mean over think tokens, full vocabulary; nan without any

    def of(self, rows: npt.NDArray[np.bool_]) -> Answers:
        """The chosen rows."""
        return Answers(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def about(self, subtask: str) -> Answers:
        """The rows of one subtask."""
        return self.of(self.subtask == SUBTASKS.index(subtask))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean()) if len(self.right) else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % Wilson interval."""
        interval = metrics.wilson(int(self.right.sum()), len(self.right))
        return interval.low, interval.high

    def __len__(self) -> int:
        return len(self.right)


class Subject:
    """A checkpoint folder, loaded for measuring."""

    def __init__(self, folder: Path) -> None:
        self.encoder = EmbeddedEncoder(folder)
        self.body: Any = self.encoder.body
        self.tokens: Any = self.encoder.tokens
        self.folder = folder

    def encode(self, text: str) -> list[int]:
        """A text's tokens, without any added."""
        ids: list[int] = self.tokens(text, add_special_tokens=False)["input_ids"]
        return ids


def retrieved(subject: Subject, images: torch.Tensor, count: int = 3) -> list[list[tuple[str, str]]]:
    """For each image (N, tokens, hidden) the best texts of the released knowledge, best first."""
    texts = [drawn_world.knowledge_text(product, entry) for product, entry in retrieval.ENTRIES]
    with torch.no_grad():
        scores = subject.encoder.head.images(images.float()) @ subject.encoder.encode_texts(texts).T
    best = scores.argsort(-1, descending=True)[:, :count]
    return [[retrieval.ENTRIES[i] for i in row] for row in best.tolist()]


@torch.no_grad()
def answers(
    subject: Subject,
    data: ImageSet,
    visual: language.VisualTokens,
    mix: Mix,
    text_keys: Sequence[list[tuple[str, str]]] | None = None,
    seed: int = 0,
    batch: int = 24,
) -> Answers:
    """Ask all subtasks of every image of the set."""
    builder = Builder(data, subject.encode)
    decoder = subject.body.model.language_model
    spaced = torch.tensor([_single(subject, f" {letter}") for letter in LETTERS])
    letters = torch.tensor(builder.letters)
    rows: list[tuple[float, ...]] = []
    # A good image has no answer to give where only defects are asked about.
    asks = [i for i, facets in enumerate(data.facets) if facets.defect or _about_any(mix)]
    for start in range(0, len(asks), batch):
        numbers = asks[start : start + batch]
        # One generator per image: every arm asks the same questions.
        episodes = [
            builder.episode(np.random.default_rng([seed, i]), i, mix, text_keys[i] if text_keys is not None else None)
            for i in numbers
        ]
        laid = packed.pack(episodes)
        asked = [(b, answer) for b, episode in enumerate(episodes) for answer in episode.answers]
        pairs = [(b, answer.row) for b, answer in asked]
        latents = [
            (b, answer, row) for b, answer in asked for row in _latents_of(episodes[b], answer.row, builder.latent)
        ]
        last, slots = language.gather(laid, pairs + [(b, row) for b, _, row in latents])
        inputs = packed.embed(decoder, laid, visual.table(laid))
        hidden, _, _ = packed.forward(decoder, laid, inputs, last)
        logits = hidden[slots[:, 0], slots[:, 1]] @ decoder.embed_tokens.weight.T
        logs = logits.log_softmax(-1)
        entropies: dict[tuple[int, int], list[float]] = {}
        for (b, answer, _), row in zip(latents, logs[len(pairs) :], strict=True):
            entropies.setdefault((b, answer.row), []).append(float(-(row.exp() * row).sum()))
        for (b, answer), row in zip(asked, logs, strict=False):
            probabilities = row.exp()[letters] + torch.where(spaced >= 0, row.exp()[spaced.clamp(min=0)], 0)
            options = probabilities[: answer.options] / probabilities[: answer.options].sum()
            chosen = int(options.argmax())
            entropy = float(-(options * options.clamp(min=1e-12).log()).sum())
            latent = float(np.mean(entropies.get((b, answer.row), [np.nan])))
            rows.append((numbers[b], answer.subtask, chosen == answer.right, float(options[chosen]), entropy, latent))
    table = np.array(rows, np.float64)
    image, subtask, right = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2] > 0
    return Answers(image, subtask, right, table[:, 3], table[:, 4], table[:, 5])


def _about_any(mix: Mix) -> bool:
    """Whether some of the questions can be asked of a good image."""
    return any(not subtask.startswith("Defect") for subtask in mix.subtasks or SUBTASKS)


def _single(subject: Subject, text: str) -> int:
    ids = subject.encode(text)
    return ids[0] if len(ids) == 1 else -1


def _latents_of(episode: Episode, answer_row: int, latent: int) -> list[int]:
    """Rows of the think tokens before an answer."""
    block = episode.blocks[answer_row]
    return [
        row
        for row, (token, of) in enumerate(zip(episode.ids, episode.blocks, strict=True))
        if of == block and token == latent
    ]


@torch.no_grad()
def attention_auc(
    subject: Subject, data: ImageSet, visual: language.VisualTokens, mix: Mix, batch: int = 24
) -> list[float]:
    """Per layer: mean AUC with which the latents' attention to the query image finds its defective cells."""
    builder = Builder(data, subject.encode)
    decoder = subject.body.model.language_model
    layers = range(len(decoder.layers))
    found: list[list[float]] = [[] for _ in layers]
    defective = [i for i, facets in enumerate(data.facets) if facets.defect is not None]
    for start in range(0, len(defective), batch):
        numbers = defective[start : start + batch]
        episodes = [builder.episode(np.random.default_rng([0, i]), i, mix) for i in numbers]
        laid = packed.pack(episodes)
        rows = [
            [laid.row_of[b][row] for row, token in enumerate(e.ids) if token == builder.latent]
            for b, e in enumerate(episodes)
        ]
        widest = max(map(len, rows))
        watch = torch.tensor([row + [row[-1]] * (widest - len(row)) for row in rows])
        inputs = packed.embed(decoder, laid, visual.table(laid))
        _, attention, _ = packed.forward(decoder, laid, inputs, watch[:, :1], dict.fromkeys(layers, watch))
        for b, number in enumerate(numbers):
            hit = np.asarray(data.cells[number]) > HIT
            first = int(laid.query_rows[b])
            for layer in layers:
                given = attention[layer][b, :, : len(rows[b]), first : first + IMAGE].exp().mean((0, 1)).numpy()
                score = auroc(given, hit)
                if not np.isnan(score):
                    found[layer].append(score)
    return [float(np.mean(scores)) for scores in found]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the fast forward measured, with the answers read straight away."""

    hard: npt.NDArray[np.bool_]  # (images, 3): defective, tiny, faint
    arms: dict[str, Answers]  # named arms; the first is the main one
    attention: list[float]  # by layer, see `attention_auc`
    recall: dict[str, Recall]


MAIN, PRODUCT, NONE, WRONG = "retrieved (k = 3)", "all of the product's", "none", "another product's"
LINE_B = "retrieved, line B"
ASKED = Mix(latents=4, subtasks=SUBTASKS, injected_share=0.0, released=True)


def evaluate(
    subject: Subject, data: ImageSet, line_b: ImageSet, progress: Callable[[str], None] = lambda _: None
) -> Findings:
    """Every arm on the same questions."""
    seen = language.look(subject.body.model.visual, data)
    other = language.look(subject.body.model.visual, line_b)
    best = retrieved(subject, seen.images)
    arms: dict[str, Answers] = {}

    def run(name: str, mix: Mix, text_keys: Sequence[list[tuple[str, str]]] | None = None) -> None:
        progress(name)
        arms[name] = answers(subject, data, seen, mix, text_keys)

    run(MAIN, ASKED, best)
    run(PRODUCT, replace(ASKED, mode="product"))
    run(NONE, replace(ASKED, mode="none"))
    run(WRONG, replace(ASKED, mode="wrong"))
    run("retrieved, 0 think tokens", replace(ASKED, latents=0), best)
    run("retrieved, 8 think tokens", replace(ASKED, latents=8), best)
    run("retrieved, zero-shot", replace(ASKED, reference=False), best)
    run("retrieved, unseen wordings", replace(ASKED, held_out_wordings=True), best)
    run("retrieved, answer reads think tokens only", replace(ASKED, bottleneck=1.1), best)
    progress("line B")
    arms[LINE_B] = answers(subject, line_b, other, ASKED, retrieved(subject, other.images))
    progress("attention and retrieval")
    defective = np.array([facets.defect is not None for facets in data.facets])
    return Findings(
        hard=np.column_stack([defective, data.hard]),
        arms=arms,
        attention=attention_auc(subject, data, seen, ASKED),
        recall=_recall(subject, data, seen.images, line_b, other.images),
    )


def _recall(
    subject: Subject, data: ImageSet, seen: torch.Tensor, line_b: ImageSet, other: torch.Tensor
) -> dict[str, Recall]:
    """Recall in the shared space; also where colour can't give the product away."""
    known, unseen = (
        retrieval.corpus(subject.body, subject.tokens, wordings, seed=77, variants=2)
        for wordings in (drawn_world.WORDINGS, drawn_world.HELD_OUT_WORDINGS)
    )
    head, tower = subject.encoder.head, subject.body.model.visual
    products = Counter(color for product in drawn_world.PRODUCTS.values() for color in product.colors)
    common = [i for i, facets in enumerate(data.facets) if products[facets.color] >= 3]
    pixels = np.asarray(data.images)
    grey = np.repeat(pixels.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
    swapped = np.ascontiguousarray(pixels[..., [2, 0, 1]])
    found = {
        "trained wordings": retrieval.recall(head, known, data.facets, seen),
        "unseen wordings": retrieval.recall(head, unseen, data.facets, seen),
        "unseen wordings, colours that three products or more come in": retrieval.recall(
            head, unseen, [data.facets[i] for i in common], seen[common]
        ),
    }
    for name, images in (("images in grey", grey), ("colours turned: red, green, blue for one another", swapped)):
        found[f"unseen wordings, {name}"] = retrieval.recall(
            head, unseen, data.facets, vision_forward.tokens(tower, images)
        )
    found["unseen wordings, line B"] = retrieval.recall(head, unseen, line_b.facets, other)
    return found
