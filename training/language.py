"""Training of the decoder on cached visual tokens.

The answer's letter is the goal; what makes it learnable in under an hour is told on the way. Each hop of a look-up
has heads that are told where to look (-log of the attention mass on the right rows), and linear probes, thrown away
afterwards, ask the residual stream for what must be there by then. The think tokens are told the right letter and to
look at the defect, so that their entropy means something and their attention finds it; for some questions the answer
may read nothing but them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import loop, packed, vision_forward
from training.data import CELLS, ImageSet
from training.episodes import HOP_NAMES, HOPS, IMAGE, Builder, Encode, Episode
from training.mixture import ADJECTIVES, Mix
from workbench.embedded import drawn_world
from workbench.embedded.questions import SUBTASKS

SCALE = 0.5  # rms of a visual token as the decoder gets it
LATENT_LAYERS = (2, 4)  # whose attention from the latents is told to find the defect
NAMED, FITTED, CHOSEN = 1, 2, 3  # layers after which the probes read
_RIGHT_WEIGHT = 2.5  # one option in four is right

WEIGHTS = {
    "answer": 1.0,
    "latent": 0.2,
    "words": 0.3,
    "option": 1.0,
    "text": 0.5,
    "place": 0.3,
    "names": 0.3,
    "facts": 0.5,
    "latents look": 0.3,
    "hop previous": 0.05,
    "hop second": 0.05,
    "hop name": 0.15,
    "hop product": 0.1,
    "hop letter": 0.1,
    "hop look": 0.1,
    "hop fit": 0.7,
    "hop match": 0.3,
    "hop answer": 0.2,
}


class Probes(nn.Module):
    """Linear read-outs of the residual stream; only for training."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        kinds = len(drawn_world.REGIONS) + len(drawn_world.SIZES) + len(ADJECTIVES)
        self.place = nn.Linear(hidden, 2 * CELLS)  # row and column of a visual token
        self.text = nn.Linear(hidden, 1)  # is this text true of the image
        self.option = nn.Linear(hidden, 1)  # is this option right
        self.names = nn.Linear(hidden, kinds)  # region, size, adjective that an option names
        self.facts = nn.Linear(hidden, kinds)  # the image's own


@dataclass(frozen=True, slots=True)
class VisualTokens:
    """What the tower sees of a set, computed once."""

    images: Tensor  # (N, 36, hidden) bfloat16
    crops: Tensor  # (N, CROPS * 4, hidden) bfloat16

    def table(self, batch: packed.Batch) -> Tensor:
        """(B, 80, hidden) float32: reference, query, the query's crops, in the order of `episodes`."""
        reference, query = batch.images.unbind(1)
        return torch.cat([self.images[reference], self.images[query], self.crops[query]], 1).float()


def look(tower: Any, data: ImageSet) -> VisualTokens:
    """The visual tokens of a set."""
    images = vision_forward.tokens(tower, data.images)
    crops = vision_forward.tokens(tower, data.crops.reshape(-1, *data.crops.shape[2:]))
    return VisualTokens(images, crops.view(len(data), -1, crops.shape[-1]))


def rescale(tower: Any, sample: Tensor) -> None:
    """Bring the tower's tokens to the scale the decoder starts from, by its last layer's weights."""
    factor = SCALE / float(sample.float().pow(2).mean().sqrt())
    with torch.no_grad():
        tower.merger.mlp[2].weight *= factor
        tower.merger.mlp[2].bias *= factor


def initialise(decoder: Any) -> None:
    """Weights that train fast at this size: queries start near their keys, so attention starts with likeness."""
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if weight.ndim == 2:
                into_residual = "o_proj" in name or "down_proj" in name
                weight.normal_(0, 0.1 if "embed" in name else 0.035 if into_residual else 0.07)
        width = decoder.config.hidden_size
        for layer in decoder.layers:
            base = 1.2 * torch.randn(width, width) * width**-0.5
            layer.self_attn.k_proj.weight.copy_(base + 0.02 * torch.randn(width, width))
            layer.self_attn.q_proj.weight.copy_(0.8 * base + 0.03 * torch.randn(width, width))


def train(
    body: Any,
    encode: Encode,
    data: ImageSet,
    visual: VisualTokens,
    home: Path,
    seed: int,
    report: loop.Report,
    steps: int = 5000,
    batch: int = 8,
    rate: float = 1.5e-3,
    half: bool = False,
    checkpoint: Callable[[int], None] | None = None,
    stop_after: int | None = None,
) -> bool:
    """Train the decoder in place; True when all steps are done."""
    decoder = body.model.language_model
    torch.manual_seed(seed)
    initialise(decoder)
    probes = Probes(decoder.config.hidden_size)
    modules = nn.ModuleDict({"decoder": decoder, "probes": probes})
    builder = Builder(data, encode)

    def loss(rng: np.random.Generator, step: int) -> tuple[Tensor, loop.Losses]:
        mix = _mix(rng, step / steps)
        episodes = [builder.episode(rng, int(image), mix) for image in rng.integers(len(data), size=batch)]
        return batch_loss(decoder, probes, builder, episodes, visual, half)

    stage = loop.Stage("language", steps, rate)
    return loop.train(stage, modules, loss, home, seed, report, checkpoint, stop_after=stop_after)


def _mix(rng: np.random.Generator, done: float) -> Mix:
    """What a batch is made of; words come once the look-ups stand."""
    return Mix(
        reference=bool(rng.random() < 0.65),
        latents=int(rng.choice([0, 4, 8], p=[0.2, 0.5, 0.3])),
        bottleneck=0.25,
        protocol=bool(rng.random() < 0.14),
        words=bool(done > 0.3 and rng.random() < 0.2),
    )


def batch_loss(
    decoder: Any, probes: Probes, builder: Builder, episodes: list[Episode], visual: VisualTokens, half: bool = False
) -> tuple[Tensor, loop.Losses]:
    """The weighted sum of all losses, and each of them for the curves."""
    batch = packed.pack(episodes)
    answers = [(b, answer) for b, episode in enumerate(episodes) for answer in episode.answers]
    latents = [(b, latent) for b, episode in enumerate(episodes) for latent in episode.latents]
    words = [(b, word) for b, episode in enumerate(episodes) for word in episode.words]
    pairs = [(b, a.row) for b, a in answers] + [(b, x[0]) for b, x in latents] + [(b, x[0]) for b, x in words]
    last, slots = gather(batch, pairs)
    hops = {layer: _hop_rows(batch, episodes, layer) for layer in sorted({layer for layer, _ in HOPS.values()})}
    latent_rows, finding = _latent_rows(batch, episodes)
    watch = {layer: hop.rows for layer, hop in hops.items()}
    for layer in LATENT_LAYERS:
        watch[layer] = torch.cat([watch[layer], latent_rows], 1) if layer in watch else latent_rows
    inputs = _noisy(decoder, batch, visual.table(batch), builder.latent)
    hidden, attention, kept = packed.forward(
        decoder, batch, inputs, last, watch, keep=(NAMED, FITTED, CHOSEN), half=half
    )
    states = hidden[slots[:, 0], slots[:, 1]]  # (rows, hidden)
    logits = states @ decoder.embed_tokens.weight.T  # (rows, V)
    letters = torch.tensor(builder.letters)
    parts: dict[str, Tensor] = {}
    right = letters[torch.tensor([answer.right for _, answer in answers])]
    parts["answer"] = F.cross_entropy(logits[: len(answers)], right)
    if latents:
        told = letters[torch.tensor([latent[1] for _, latent in latents])]
        parts["latent"] = F.cross_entropy(logits[len(answers) : len(answers) + len(latents)], told)
        parts |= _latents_look(batch, attention, hops, finding)
    if words:
        parts["words"] = F.cross_entropy(logits[-len(words) :], torch.tensor([word[1] for _, word in words]))
    parts |= _probe_losses(probes, batch, episodes, kept)
    for layer, hop in hops.items():
        parts |= _hop_losses(layer, hop, attention[layer])
    total = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
    curves = {name: float(part.detach()) for name, part in parts.items()}
    correct = (logits[: len(answers)].argmax(-1) == right).float()
    for number, subtask in enumerate(SUBTASKS):
        of = [i for i, (_, answer) in enumerate(answers) if answer.subtask == number]
        if of:
            curves[f"@{subtask}"] = float(correct[of].mean())
    return total, curves


def gather(batch: packed.Batch, pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """(B, M) batch rows to compute, and for each (episode, row) pair its place (episode, column) among them."""
    counts = [0] * len(batch.ids)
    slots, rows = [], batch.rows(pairs)
    for b in rows[:, 0].tolist():
        slots.append((b, counts[b]))
        counts[b] += 1
    places = torch.tensor(slots, dtype=torch.long).view(-1, 2)
    last = torch.zeros(len(batch.ids), max(counts), dtype=torch.long)
    last[places[:, 0], places[:, 1]] = rows[:, 1]
    return last, places


@dataclass(frozen=True, slots=True)
class _HopRows:
    rows: Tensor  # (B, R)
    kinds: Tensor  # (B, R) index into HOP_NAMES, -1 padding
    targets: Tensor  # (B, R, L)


def _hop_rows(batch: packed.Batch, episodes: list[Episode], layer: int) -> _HopRows:
    per = [[hop for hop in episode.hops if HOPS[HOP_NAMES[hop.kind]][0] == layer] for episode in episodes]
    widest = max(1, max(map(len, per)))
    shape = (len(episodes), widest)
    rows, kinds = np.zeros(shape, np.int64), np.full(shape, -1)
    targets = np.zeros((*shape, batch.ids.shape[1]), np.bool_)
    for b, hops in enumerate(per):
        of = batch.row_of[b]
        for r, hop in enumerate(hops):
            rows[b, r], kinds[b, r] = of[hop.row], hop.kind
            targets[b, r, [of[target] for target in hop.targets]] = True
    return _HopRows(*map(torch.from_numpy, (rows, kinds, targets)))


def _hop_losses(layer: int, hop: _HopRows, attention: Tensor) -> dict[str, Tensor]:
    """-log of the attention mass on the right rows, mean over a hop's heads and rows."""
    found = {}
    for kind, name in enumerate(HOP_NAMES):
        chosen = hop.kinds == kind
        if HOPS[name][0] != layer or not chosen.any():
            continue
        masses = []
        for head in HOPS[name][1]:
            mine = attention[:, head, : hop.rows.shape[1]][chosen]
            masses.append(mine.masked_fill(~hop.targets[chosen], -1e9).logsumexp(-1))
        found[f"hop {name}"] = -torch.stack(masses).mean()
    return found


def _latent_rows(batch: packed.Batch, episodes: list[Episode]) -> tuple[Tensor, Tensor]:
    """(B, R) rows of supervised latents, and which of them have a defect to find."""
    widest = max(1, max(len(episode.latents) for episode in episodes))
    rows, finding = (
        torch.zeros(len(episodes), widest, dtype=torch.long),
        torch.zeros(len(episodes), widest, dtype=torch.bool),
    )
    for b, episode in enumerate(episodes):
        for r, (row, _, defect) in enumerate(episode.latents):
            rows[b, r], finding[b, r] = batch.row_of[b][row], bool(defect)
    return rows, finding


def _latents_look(
    batch: packed.Batch, attention: dict[int, Tensor], hops: dict[int, _HopRows], finding: Tensor
) -> dict[str, Tensor]:
    """-log of the defect's share of what the latents give to the query image, mean over heads."""
    if not finding.any():
        return {}
    cells = batch.query_rows[:, None, None] + torch.arange(IMAGE)  # (B, 1, 36)
    hits = batch.hits.gather(1, cells[:, 0])[:, None]
    losses = []
    for layer in LATENT_LAYERS:
        skip = hops[layer].rows.shape[1] if layer in hops else 0
        given = attention[layer][:, :, skip:].exp().mean(1)  # (B, R, L)
        image = given.gather(2, cells.expand(-1, given.shape[1], -1))
        losses.append(-(((image * hits).sum(-1) + 1e-6) / (image.sum(-1) + 1e-6)).log()[finding].mean())
    return {"latents look": torch.stack(losses).mean()}


def _probe_losses(
    probes: Probes, batch: packed.Batch, episodes: list[Episode], kept: dict[int, Tensor]
) -> dict[str, Tensor]:
    width = kept[NAMED].shape[-1:]
    at = torch.arange(IMAGE)
    cells = (batch.query_rows[:, None] + at)[..., None].expand(-1, -1, *width)
    places = probes.place(F.rms_norm(kept[NAMED].gather(1, cells), width)).view(-1, 2, CELLS)
    rows, columns = (at // CELLS).repeat(len(episodes)), (at % CELLS).repeat(len(episodes))
    parts = {"place": F.cross_entropy(places[:, 0], rows) + F.cross_entropy(places[:, 1], columns)}

    def states(layer: int, pairs: list[tuple[int, int]]) -> Tensor:
        where = batch.rows(pairs)
        return F.rms_norm(kept[layer][where[:, 0], where[:, 1]], width)

    weight = torch.tensor(_RIGHT_WEIGHT)
    texts = [(b, *text) for b, episode in enumerate(episodes) for text in episode.texts]
    if texts:
        score = probes.text(states(FITTED, [(b, row) for b, row, _ in texts]))[:, 0]
        true = torch.tensor([float(true) for _, _, true in texts])
        parts["text"] = F.binary_cross_entropy_with_logits(score, true, pos_weight=weight)
    options = [(b, option) for b, episode in enumerate(episodes) for option in episode.options]
    if not options:
        return parts
    pairs = [(b, option.row) for b, option in options]
    true = torch.tensor([float(option.true) for _, option in options])
    score = probes.option(states(CHOSEN, pairs))[:, 0]
    parts["option"] = F.binary_cross_entropy_with_logits(score, true, pos_weight=weight)
    sizes = (len(drawn_world.REGIONS), len(drawn_world.SIZES), len(ADJECTIVES))
    for name, layer, labels in (
        ("names", NAMED, torch.tensor([option.names for _, option in options])),
        ("facts", FITTED, torch.tensor([option.facts for _, option in options])),
    ):
        logits = getattr(probes, name)(states(layer, pairs)).split(sizes, -1)
        known = [i for i in range(3) if (labels[:, i] >= 0).any()]
        losses = [F.cross_entropy(logits[i], labels[:, i], ignore_index=-1) for i in known]
        if losses:
            parts[name] = torch.stack(losses).sum()
    return parts


def _noisy(decoder: Any, batch: packed.Batch, visual: Tensor, latent: int) -> Tensor:
    """Inputs with a little noise on visual tokens, and much of it on the latents, as the loop will move them."""
    inputs = packed.embed(decoder, batch, visual + 0.08 * SCALE * torch.randn_like(visual))
    deviation = decoder.embed_tokens.weight.detach().std()
    amount = torch.rand(len(batch.ids), 1, 1) * deviation * (batch.ids == latent)[..., None]
    noisy: Tensor = inputs + amount * torch.randn_like(inputs)
    return noisy
