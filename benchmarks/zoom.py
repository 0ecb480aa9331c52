"""What could stop zoom injection from helping: `python -m benchmarks.zoom`, on drawn images whose defects are small.

The embedded demo model, questions about defects, one forward per arm and question behind the same four think tokens.
Archives are drawn as usual, with the camera further away, and so in noise: what the model then sees of a defect is less
than a patch, while the original still shows it. For each question, with the retrieved texts and without any:

    start              no patch is injected
    oracle features    the four patches that cover most of the mask, as the tower's own rows
    oracle zoom        the same patches cut from the original and encoded anew
    oracle zoom, kept  the same, but only where the reward rises, as the method accepts patches
    proposed zoom      the patches that the think tokens look at most, not asked whether they raise the reward
    proposed, kept     the same, only where the reward rises
    random zoom        four other patches

An oracle knows the mask and is no method; if even it brings nothing, no better proposal or acceptance would.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from scipy import special
from torch import Tensor

from benchmarks import machine
from tests.people import ANN
from warehouse.store import Store
from workbench.analysis import subtasks
from workbench.archive import knowledge_files, run_views
from workbench.archive.questions import Asked
from workbench.embedded.archive import draw_archive
from workbench.embedded.draw import NO_SHIFT, Shift
from workbench.model import answer, injection, prompt, reward
from workbench.model.case import Case
from workbench.model.engine import Engine, Prefix, Rows
from workbench.model.token_parts import compose
from workbench.scoring import block, prepare_run
from workbench.scoring.executor import LocalExecutor
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.settings import Settings, Support, Work

OUTPUT = Path(__file__).parent / "results" / "zoom.json"
ARCHIVES = {
    "as usual": NO_SHIFT,
    "further away": Shift(scale=1.0),
    "further away, in noise": Shift(scale=1.0, noise=0.4),
}
THINK, PATCHES = 4, 4
ARMS = ("oracle features", "oracle zoom", "oracle zoom, kept", "proposed zoom", "proposed, kept", "random zoom")


@dataclass(frozen=True, slots=True)
class Seen:
    """One question's row: where it was read, and what came of it."""

    letters: Tensor  # (options,) log-probabilities
    reward: float


def main() -> None:
    """Draw, ask, compare; print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=240, help="of each archive")
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--archive", action="append", default=[], choices=list(ARCHIVES), help="all by default")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    started, results = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.archive or ARCHIVES:
            root = Path(folder) / name
            draw_archive(root, args.images, args.seed, shift=ARCHIVES[name])
            for known in ("retrieved", "none"):
                data = Path(folder) / f"data {name} {known}"
                rows = pl.DataFrame(list(asked(root, data, known)), infer_schema_length=None)
                results.append({"archive": name, "knowledge": known, **figures(rows)})
                sys.stderr.write(f"{name}, knowledge {known}: {len(rows)} questions\n")
    about = {"model": "embedded demo model, drawn images", "images": args.images, "seed": args.seed}
    machine.report({**about, "seconds": round(time.perf_counter() - started), "results": results}, args.output)


def asked(root: Path, data: Path, known: str) -> Iterator[dict[str, object]]:
    """One row per question about a defect: which arm is right, whether it was kept, where patches lay."""
    store = Store(data)
    knowledge_files.import_file(store, root / "domain_knowledge.json", actor=ANN)
    settings = Settings(support=Support(knowledge=known), work=Work(data=data))  # type: ignore[arg-type]
    prepared = prepare_run.prepare(root, settings, store, lambda _: None)
    executor = prepared.executor
    assert isinstance(executor, LocalExecutor)
    assert isinstance(executor.evaluator, LocalEvaluator)
    engine, views = executor.evaluator.engine, run_views.from_facts(asdict(prepared.facts))
    severity = {row["path"]: row["severity"] or "" for row in pl.read_csv(root / "images.csv").iter_rows(named=True)}
    for whole in prepared.plan.blocks:
        about = tuple(
            a
            for a in whole.asked
            if a.entry.defect and a.question.subtask not in subtasks.about_the_object(prepared.subtasks)
        )
        if not about:
            continue
        opened = block.open_block(replace(whole, asked=about), block.ReferencePictures(root, views=views))
        evidence = block.find_evidence(opened, executor.sources).of_questions
        outcomes = [block.case_of(a, opened, shown) for a, shown in zip(about, evidence, strict=True)]
        cases = [each for each in outcomes if isinstance(each, Case)]
        assert len(cases) == len(about)
        prefix = engine.read(compose(engine.backbone, cases))
        for question, (a, one) in enumerate(zip(about, cases, strict=True)):
            row = compared(engine, prefix, question, a, one, root)
            yield {"image_id": a.entry.image_id, "severity": severity[a.entry.path], **row}


def compared(engine: Engine, prefix: Prefix, question: int, a: Asked, one: Case, root: Path) -> dict[str, object]:
    """All arms on one question."""
    body = engine.backbone
    cover = covered(prefix, question, root / (a.entry.mask_path or ""))
    oracle = [int(t) for t in np.argsort(-cover, kind="stable")[:PATCHES] if cover[t] > 0]
    start, looked = evaluated(engine, prefix, question, one, None)
    (look,) = injection.most_looked_at(looked[None], 1)
    proposed = [p.token for p in injection.propose(look, (), 1, PATCHES)]
    others = [t for t in range(len(cover)) if cover[t] == 0]
    random = [int(t) for t in np.random.default_rng([question, len(others)]).permutation(others)[: len(oracle)]]

    def zoomed(tokens: Sequence[int]) -> Tensor:
        return torch.cat(body.zoom(one.query.image, [prefix.place(question, t)[2] for t in tokens])).float()

    own = prefix.visual_tokens(question)[oracle].float()
    after = {
        "oracle features": own,
        "oracle zoom": zoomed(oracle),
        "proposed zoom": zoomed(proposed),
        "random zoom": zoomed(random),
    }
    found = {name: evaluated(engine, prefix, question, one, rows)[0] for name, rows in after.items()}
    found["oracle zoom, kept"] = max(start, found["oracle zoom"], key=lambda seen: seen.reward)
    found["proposed, kept"] = max(start, found["proposed zoom"], key=lambda seen: seen.reward)
    right = {n: one.letters[int(s.letters.argmax())] == a.correct_answer for n, s in {"start": start, **found}.items()}
    return {
        **right,
        "oracle raises": found["oracle zoom"].reward > start.reward,
        "proposed raises": found["proposed zoom"].reward > start.reward,
        "on the defect": float((cover[proposed] > 0).mean()),
        "chance": float((cover > 0).mean()),
        "patches of the defect": int((cover > 0).sum()),
        "share of a patch": float(cover.sum()),
    }


def evaluated(engine: Engine, prefix: Prefix, question: int, one: Case, patches: Tensor | None) -> tuple[Seen, Tensor]:
    """The options' letters and the reward behind these vectors and the start's think tokens; their attention (m, n)."""
    body = engine.backbone
    z = body.latent_start(THINK)
    cue = body.embed(body.tokenize(prompt.answer_cue(), {}), []).float()
    row = torch.cat([z, cue] if patches is None else [patches, z, cue])
    first = len(row) - len(cue) - THINK
    letters = answer.letter_tokens(body, one.letters)

    def read(logits: Tensor) -> Tensor:  # (1, m + 1, V) -> (1, m + 1, 1 + options)
        return torch.cat([reward.entropy(logits)[..., None], answer.read_letters(letters)(logits)], -1)

    at = torch.tensor([[*range(first, first + THINK), len(row) - 1]])
    made = engine.evaluate(prefix, Rows(torch.tensor([question]), (row,), at), read, attention=patches is None)
    values = made.values[0]
    seen = Seen(values[-1, 1:], float(reward.reward(values[:THINK, 0])))
    return seen, made.attention_of([0])[0, :THINK] if made.attention_of else torch.empty(0)


def covered(prefix: Prefix, question: int, mask: Path) -> np.ndarray:  # type: ignore[type-arg]
    """How much of each visual token's box the mask covers, 0 to 1."""
    marked = np.asarray(Image.open(mask).convert("L")) > 127
    boxes = [prefix.place(question, token)[2] for token in range(len(prefix.visual_tokens(question)))]
    cut = [marked[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] for x0, y0, x1, y1 in boxes]
    return np.array([each.mean() for each in cut])


def figures(rows: pl.DataFrame) -> dict[str, object]:
    """Of all questions and of those about tiny or faint defects."""
    return {"all": _figures(rows), "tiny or faint": _figures(rows.filter(pl.col("severity") != ""))}


def _figures(rows: pl.DataFrame) -> dict[str, object]:
    def mean(name: str) -> float:
        return round(float(rows[name].cast(pl.Float64).to_numpy().mean()), 3)

    start, zoom, raises = (rows[name].to_numpy() for name in ("start", "oracle zoom", "oracle raises"))
    fixed, broken = ~start & zoom, start & ~zoom
    return {
        "questions": rows.height,
        "images": rows["image_id"].n_unique(),
        "start": mean("start"),
        "points over start": {arm: _points(rows, arm) for arm in ARMS},
        "oracle zoom fixes, breaks": [int(fixed.sum()), int(broken.sum())],
        "of those the reward rises with": [int((fixed & raises).sum()), int((broken & raises).sum())],
        "reward rises with the oracle's patches": mean("oracle raises"),
        "proposed patches on the defect, chance": [mean("on the defect"), mean("chance")],
        "median defect in patches' areas": round(float(np.median(rows["share of a patch"].to_numpy())), 2),
    }


def _points(rows: pl.DataFrame, arm: str) -> list[float]:
    """Percentage points and their 95 % interval by image."""
    change = pl.col(arm).cast(pl.Float64) - pl.col("start").cast(pl.Float64)
    by_image = rows.with_columns(change=change).group_by("image_id").agg(n=pl.len(), sum=pl.col("change").sum())
    n, total = by_image["n"].to_numpy().astype(np.float64), by_image["sum"].to_numpy()
    mean, degrees = total.sum() / n.sum(), max(len(n) - 1, 1)
    error = math.sqrt(((total - mean * n) ** 2).sum() * len(n) / degrees) / n.sum()
    half = special.stdtrit(degrees, 0.975) * error
    return [round(100 * float(value), 1) for value in (mean, mean - half, mean + half)]


if __name__ == "__main__":
    main()
