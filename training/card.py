"""The embedded model's card: every figure from what was measured, none typed by hand.

In: the full method's findings, those of the fast forward, and, where there are any, how photographs were answered. Out:
Markdown. Knows nothing of models.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training import evaluate
from training import stages as training
from training.evaluate import Answers, Findings
from training.full_method import MethodFindings
from training.metrics import auroc, calibration_error
from workbench.embedded.questions import SUBTASKS

ALL = "all questions"
SLICE = 12  # images whose answers are kept beside the card
SLICE_FILE = "slice.json"


@dataclass(frozen=True, slots=True)
class PhotographRow:
    """One subtask over real photographs; the majority answer is the right answer that is right most often."""

    subtask: str
    questions: int
    accuracy: float
    majority: float  # accuracy of always giving the majority answer
    balanced: float  # mean over right answers of the share of them that is found
    majority_balanced: float


def render(
    method: MethodFindings, findings: Findings, photographs: Sequence[PhotographRow], folder: Path, command: str
) -> str:
    """The card as Markdown."""
    size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix in (".safetensors", ".json"))
    return f"""# Embedded demo model

A Qwen2.5-VL of two million parameters, trained in this project on drawn images alone. It stands in where there is no
GPU and no model hub. **Nothing it says about a photograph means anything**, and its figures say nothing about MMAD.

- Files: {size / 1e6:.1f} MB, bfloat16; Apache-2.0 as the project. Loads with `from_pretrained`, no network.
- Sees 168 x 168 pixels as 36 tokens; answers with an option's letter; think tokens are `<|latent|>`.
- Its knowledge texts tell what a defect leads to. These facts were drawn anew in every training episode: Defect
  Analysis can only be read from the prompt, never remembered.
- Latents are trained to name the right letter (weight 0.2) and to look at the defect.
{_training(folder)}
Everything below was measured on {datetime.now(UTC):%Y-%m-%d} with `{command}`.
Brackets: 95 % Wilson intervals.

## The full method

At its defaults through the product's own engine: {method.images} held-out drawn images, {len(method.after)} questions,
one-shot, three retrieved texts. "Before" answers from the start state, "after" from the best state of the loop.

{_table({"before the loop": method.before, "after": method.after})}
- Anomaly Detection, balanced between good and defective: {_balanced(method.before, method.hard):.3f} before,
  {_balanced(method.after, method.hard):.3f} after.
{_loop(method)}
### Hard defects

{_hard(method)}
### Calibration and warning

{_warning(method)}
## Other arms

The rest of this card reads the answers straight from the start state (4 think tokens unless said), with the training's
own forward: {len(findings.hard)} images of the same seed, other questions.

### By the knowledge in the prompt

{_table({name: findings.arms[name] for name in _KNOWLEDGE})}
### By prompt and think tokens

{_table({name: of for name, of in findings.arms.items() if name not in (*_KNOWLEDGE, evaluate.LINE_B)})}
### Another production line

Line B draws the same products by another maker, under another camera, at another scale; it was never trained on.

{_line_b(findings)}
### Attention

The latents' attention to the query image finds defective cells with an AUC, by layer from 0, of
{", ".join(f"{value:.3f}" for value in findings.attention)}. `workbench.json` names the layers that score patches.

### Retrieval, image to text in one space

| texts | images | product at 1 | true entry at 1 | true entry at 3 |
| - | - | - | - | - |
{_recall(findings)}
## Real photographs

{_photographs(photographs)}"""


def write_slice(method: MethodFindings, seed: int, folder: Path) -> None:
    """Keep the full method's answers about the first images beside the card: a test gives them again."""
    told = [asdict(each) for each in method.told if each.image < SLICE]
    (folder / SLICE_FILE).write_text(json.dumps({"seed": seed, "images": SLICE, "told": told}, indent=1) + "\n")


_KNOWLEDGE = (evaluate.MAIN, evaluate.PRODUCT, evaluate.NONE, evaluate.WRONG)


def _training(folder: Path) -> str:
    history = training.history(folder)
    if history is None:
        return ""
    stages = ", ".join(f"{stage.name} {stage.steps} steps in {stage.minutes:.0f} min" for stage in history.stages)
    told = f"Trained with seed {history.seed} on {history.machine}: {stages}. {history.note}".strip()
    return textwrap.fill(told, 118, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _loop(method: MethodFindings) -> str:
    before, after, hits = method.before, method.after, method.hits
    fixed, broken = int((~before.right & after.right).sum()), int((before.right & ~after.right).sum())
    share, chance = (
        value / hits.accepted if hits.accepted else float("nan") for value in (hits.on_defect, hits.expected)
    )
    kept = method.told[: _slice(method)]
    start, best = _mean(before.latent_entropy), _mean(after.latent_entropy)
    return f"""- The loop fixed {fixed} answers and broke {broken}.
- It brought the mean latent entropy from {start} to {best} nats.
- {hits.accepted} patches were accepted on questions about a defect that is there: {share:.3f} of them lie on it.
  Patches drawn at random would in {chance:.3f}; that is {share / chance if chance else float("nan"):.1f} times chance.
- {method.core_seconds:.2f} seconds of one core per question ({method.wall_seconds:.2f} on the clock), one thread,
  median over images, retrieval included, drawing and loading not.
- Of the answers about the first {SLICE} images {sum(told.right for told in kept)} of {len(kept)} are right;
  `slice.json` keeps them, and a test gives them again.
"""


def _slice(method: MethodFindings) -> int:
    return sum(told.image < SLICE for told in method.told)


def _hard(method: MethodFindings) -> str:
    defective, tiny, faint = method.hard.T
    kinds = {"tiny": tiny, "faint": faint, "tiny or faint": tiny | faint, "neither": defective & ~tiny & ~faint}
    rows = ["| defects | questions | before the loop | after |", "| - | - | - | - |"]
    for name, images in kinds.items():
        before, after = (arm.of(images[arm.image]) for arm in (method.before, method.after))
        rows.append(f"| {name} | {len(after)} | {_share(before)} | {_share(after)} |")
    return "\n".join(rows) + "\n"


def _warning(method: MethodFindings) -> str:
    """Whether confidence is accuracy, and whether entropy warns of errors, after the loop."""
    every = method.after
    rows = [
        "| subtask | wrong | ECE | AUROC of option entropy | AUROC of latent entropy |",
        "| - | - | - | - | - |",
    ]
    for name, told in [*((subtask, every.about(subtask)) for subtask in SUBTASKS), (ALL, every)]:
        error = calibration_error(told.confidence, told.right)
        warns = (_figure(auroc(scores, ~told.right)) for scores in (told.option_entropy, told.latent_entropy))
        rows.append(f"| {name} | {int((~told.right).sum())} of {len(told)} | {error:.3f} | {' | '.join(warns)} |")
    right, wrong = every.of(every.right), every.of(~every.right)
    return "\n".join(rows) + (
        "\n\nECE: expected calibration error of the chosen option's probability, ten bins. AUROC: the probability that"
        "\na wrong answer's entropy lies above a right one's. Mean latent entropy in nats:"
        f"\n{_mean(right.latent_entropy)} where the answer is right, {_mean(wrong.latent_entropy)} where it is wrong.\n"
    )


def _line_b(findings: Findings) -> str:
    """Accuracy falls, entropy rises."""
    a, b = findings.arms[evaluate.MAIN], findings.arms[evaluate.LINE_B]
    rows = [
        "| subtask | line A | line B | option entropy A | B | latent entropy A | B |",
        "| - | - | - | - | - | - | - |",
    ]
    for name in (*SUBTASKS, ALL):
        mine, other = (arm if name == ALL else arm.about(name) for arm in (a, b))
        entropies = [
            _mean(values)
            for values in (mine.option_entropy, other.option_entropy, mine.latent_entropy, other.latent_entropy)
        ]
        rows.append(f"| {name} | {_share(mine)} | {_share(other)} | {' | '.join(entropies)} |")
    fall = a.accuracy - b.accuracy
    rises = [float(getattr(b, name).mean() / getattr(a, name).mean()) for name in ("option_entropy", "latent_entropy")]
    return "\n".join(rows) + (
        f"\n\nFrom line A to line B accuracy falls by {fall:.3f}; option entropy (nats) rises {rises[0]:.1f}-fold,"
        f"\nlatent entropy {rises[1]:.1f}-fold.\n"
    )


def _photographs(rows: Sequence[PhotographRow]) -> str:
    if not rows:
        return "Not measured: no photographs were given (`--photographs DIR`).\n"
    lines = [
        "| subtask | questions | balanced accuracy | majority answer's | accuracy | majority answer's |",
        "| - | - | - | - | - | - |",
    ]
    lines += [
        f"| {row.subtask} | {row.questions} | {row.balanced:.3f} | {row.majority_balanced:.3f} | {row.accuracy:.3f} "
        f"| {row.majority:.3f} |"
        for row in rows
    ]
    ahead = [row.subtask for row in rows if row.balanced > row.majority_balanced + 0.1]
    plainly = f"by more than 0.1 only in {' and '.join(ahead)}" if ahead else "in no subtask by more than 0.1"
    return "\n".join(lines) + (
        "\n\nThe model was never made for photographs. Full method, no knowledge. In balanced accuracy (the mean over"
        f"\nthe right answers) it beats giving always the same answer {plainly}."
        "\nFor photographs use a real model.\n"
    )


def _share(answers: Answers) -> str:
    low, high = answers.interval
    return f"{answers.accuracy:.3f} [{low:.3f}, {high:.3f}]" if len(answers) else "none asked"


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _mean(values: npt.NDArray[np.float64]) -> str:
    return f"{values.mean():.3f}" if len(values) else "-"


def _table(arms: dict[str, Answers]) -> str:
    lines = [f"| subtask | {' | '.join(arms)} |", f"| - {'| - ' * len(arms)}|"]

    def line(name: str, of: Callable[[Answers], Answers]) -> str:
        return f"| {name} | {' | '.join(_share(of(arm)) for arm in arms.values())} |"

    lines += [line(subtask, lambda arm, subtask=subtask: arm.about(subtask)) for subtask in SUBTASKS]  # type: ignore[misc]
    return "\n".join([*lines, line(ALL, lambda arm: arm)]) + "\n"


def _balanced(answers: Answers, hard: npt.NDArray[np.bool_]) -> float:
    """Mean of the accuracies on good and on defective images."""
    asked = answers.about("Anomaly Detection")
    defective = hard[asked.image, 0]
    return float((asked.right[defective].mean() + asked.right[~defective].mean()) / 2)


def _recall(findings: Findings) -> str:
    return "".join(
        f"| {name} | {found.images} | {found.product:.3f} | {found.entry_at_1:.3f} | {found.entry_at_3:.3f} |\n"
        for name, found in findings.recall.items()
    )
