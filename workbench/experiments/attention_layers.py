"""Search for attention layers that find the defect: an archive with masks goes in, the best layers come out.

Patches are proposed by the think tokens' attention to the picture, a mean over some layers. Layers differ: in some the
attention ranks the patches on the defect first, in others it doesn't know them from the rest. Asked is at the start
state, layer by layer, by the area under the ROC curve: the chance that a patch on the defect is looked at more than one
beside it. Layers are chosen on half of the images and judged on the other, so that the choice can't flatter itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from warehouse.store import Store
from workbench import wording
from workbench.analysis import subtasks
from workbench.analysis.patches import Mask
from workbench.archive import run_views
from workbench.errors import ArchiveError
from workbench.experiments.explanations import mask_of
from workbench.model.backbone import Backbone
from workbench.model.case import Case
from workbench.model.engine import Engine, Prefix, Rows
from workbench.model.method import Method
from workbench.model.token_parts import compose
from workbench.scoring import block, models, prepare_run
from workbench.scoring.evidence import BlockEvidence
from workbench.scoring.executor import LocalExecutor
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.watch import Watch
from workbench.settings import Settings

GAIN = 0.002  # a further layer must raise the area by so much to be taken along
FEWEST = 8  # images with a mask; fewer say nothing
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """Areas under the ROC curve, each a mean over images."""

    areas: tuple[float, ...]  # of each layer alone, over all images
    layers: tuple[int, ...]  # chosen on one half of the images
    chosen: float  # of the chosen together, on the other half
    everything: float  # of all layers together, there
    present: float  # of those the backbone scores patches by now, there
    images: int


@dataclass(frozen=True, slots=True)
class _Look:
    """One question's attention to the picture."""

    image: str
    attention: Array  # (layers, n), mean over heads and think tokens
    on: NDArray[np.bool_]  # (n,) whether a visual token's box touches the mask


def find(root: Path, settings: Settings, watch: Watch) -> Found:
    """The layers whose attention finds the defects of this archive.

    Args:
        settings: whose model, prompt and knowledge are used. The warehouse gets to know the archive and its images, as
            before any run; no answer is stored.

    Raises:
        ArchiveError: too few images have a mask.
        WorkbenchError: as `prepare_run.prepare`.
    """
    settings, method = replace(settings, machine=models.alone(settings.machine)), settings.method
    prepared = prepare_run.prepare(root, settings, Store(settings.work.data), watch.step)
    assert isinstance(prepared.executor, LocalExecutor)
    evaluator, views = prepared.executor.evaluator, run_views.from_facts(asdict(prepared.facts))
    assert isinstance(evaluator, LocalEvaluator)
    engine = evaluator.engine
    watch.begin(sum(len({a.entry.image_id for a in each.asked}) for each in prepared.plan.blocks), 0)
    looks: list[_Look] = []
    about_the_object = subtasks.about_the_object(prepared.subtasks)
    for whole in prepared.plan.blocks:
        asked = tuple(a for a in whole.asked if a.entry.mask_path and a.question.subtask not in about_the_object)
        opened = block.open_block(replace(whole, asked=asked), block.ReferencePictures(root, views=views))
        looks += _looks(engine, opened, block.find_evidence(opened, prepared.executor.sources), root, method)
        watch.advance(len({a.entry.image_id for a in whole.asked}), 0)
    return _found(looks, engine.backbone)


def markdown(areas: Found) -> str:
    """The areas as a table, and what was chosen."""
    named = ",".join(map(str, areas.layers))
    rows = [f"| {layer} | {area:.3f} |" for layer, area in enumerate(areas.areas)]
    said = (
        f"Chosen on half of the {wording.counted(areas.images, 'image')}: {named}. On the "
        f"other half they reach {areas.chosen:.3f}, the "
        f"backbone's present layers {areas.present:.3f}, all layers {areas.everything:.3f}; chance is 0.5."
    )
    return "\n".join(["| layer | area under the ROC curve |", "| - | - |", *rows]) + f"\n\n{said}\n"


def keep(model: str, layers: Sequence[int]) -> Path | None:
    """Make these the layers that score patches, in the model's own folder; None where it has none to write in."""
    folder = Path(model)
    if not (folder / "config.json").is_file():
        return None
    file = folder / "workbench.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**said, "attention_layers": list(layers)}, indent=1) + "\n", encoding="utf-8")
    return file


def _looks(
    engine: Engine, opened: block.OpenedBlock, evidence: BlockEvidence, root: Path, method: Method
) -> list[_Look]:
    """Of each of the block's questions that can be asked about a marked picture."""
    cases: list[Case] = []
    about: list[tuple[str, Mask]] = []
    for a, shown in zip(opened.block.asked, evidence.of_questions, strict=True):
        case, mask = block.case_of(a, opened, shown), mask_of(root, a.entry, opened.views.of(a.entry))
        if isinstance(case, Case) and mask is not None:
            cases.append(case)
            about.append((a.entry.image_id, mask))
    found = []
    for batch in engine.batches(compose(engine.backbone, cases, 0, method.prompt)) if cases else ():
        prefix = engine.read(batch)
        attention = _attention(engine, prefix, len(batch.cases), method.think_tokens or 1)
        for i, case_index in enumerate(batch.cases):
            image, mask = about[case_index]
            n = len(prefix.visual_tokens(i))
            boxes = [prefix.place(i, token)[2] for token in range(n)]
            on = np.array([bool(mask[int(y) : int(b) + 1, int(x) : int(r) + 1].any()) for x, y, r, b in boxes])
            if on.any() and not on.all():
                found.append(_Look(image, attention[:, i, :n], on))
    return found


def _attention(engine: Engine, prefix: Prefix, questions: int, think: int) -> Array:
    """(layers, questions, n): of the start state's think tokens, a mean over them and over heads."""
    body = engine.backbone
    z = body.latent_start(think).to(body.device)
    rows = Rows(torch.arange(questions), (z,) * questions, torch.arange(think).expand(questions, -1))
    before, found = body.attention_layers, []
    try:
        for layer in range(body.layers):
            body.attention_layers = (layer,)
            with torch.no_grad():
                seen = engine.evaluate(prefix, rows, lambda logits: logits[..., 0], attention=True).attention
            assert seen is not None
            found.append(seen.mean(1).double().cpu().numpy())
    finally:
        body.attention_layers = before
    return np.stack(found)


def _found(looks: Sequence[_Look], body: Backbone) -> Found:
    by_image: dict[str, list[_Look]] = {}
    for look in looks:
        by_image.setdefault(look.image, []).append(look)
    if len(by_image) < FEWEST:
        raise ArchiveError(f"images with a masked defect that is asked about: {len(by_image)}; give {FEWEST}")
    mixed = sorted(by_image, key=lambda image: hashlib.sha256(image.encode()).digest())
    one, other = ([by_image[image] for image in mixed[half::2]] for half in (0, 1))
    every = tuple(range(body.layers))
    alone = {layer: area(one, (layer,)) for layer in every}
    chosen: tuple[int, ...] = (max(alone, key=lambda layer: alone[layer]),)
    reached = alone[chosen[0]]
    while rest := [layer for layer in every if layer not in chosen]:
        best = max(rest, key=lambda layer: area(one, (*chosen, layer)))
        more = area(one, (*chosen, best))
        if more < reached + GAIN:
            break
        chosen, reached = (*chosen, best), more
    return Found(
        areas=tuple(area([*one, *other], (layer,)) for layer in every),
        layers=tuple(sorted(chosen)),
        chosen=area(other, chosen),
        everything=area(other, every),
        present=area(other, body.attention_layers),
        images=len(by_image),
    )


def area(images: Sequence[Sequence[_Look]], layers: Sequence[int]) -> float:
    """The chance that a visual token on the defect is looked at more than one beside it, a mean over images."""
    return float(np.mean([np.mean([_area(look, layers) for look in looks]) for looks in images]))


def _area(look: _Look, layers: Sequence[int]) -> float:
    ranks = stats.rankdata(look.attention[list(layers)].mean(0))
    inside = int(look.on.sum())
    return float((ranks[look.on].sum() - inside * (inside + 1) / 2) / (inside * (len(ranks) - inside)))
