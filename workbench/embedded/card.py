"""The embedded model's card: every figure from what `evaluate` measured, none typed by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from workbench.embedded import evaluate
from workbench.embedded.evaluate import Answers, Findings
from workbench.embedded.full_method import MethodFindings, Outcome
from workbench.embedded.metrics import wilson
from workbench.embedded.questions import SUBTASKS


def render(findings: Findings, method: MethodFindings, folder: Path, command: str) -> str:
    """The card as Markdown."""
    size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix in (".safetensors", ".json"))
    main = findings.arms[evaluate.MAIN]
    knowledge = (evaluate.MAIN, evaluate.PRODUCT, evaluate.NONE, evaluate.WRONG)
    others = [name for name in findings.arms if name not in knowledge]
    right = main.latent_entropy[main.right].mean()
    wrong = main.latent_entropy[~main.right].mean() if (~main.right).any() else float("nan")
    return f"""# Embedded demo model

A Qwen2.5-VL of two million parameters, trained in this project on drawn images alone. It stands in where there is no
GPU and no model hub. **Nothing it says about a photograph means anything**, and its figures say nothing about MMAD.

- Files: {size / 1e6:.1f} MB, bfloat16; Apache-2.0 as the project. Loads with `from_pretrained`, no network.
- Sees 168 x 168 pixels as 36 tokens; answers with an option's letter; think tokens are `<|latent|>`.
- Its knowledge texts tell what a defect leads to. These facts were drawn anew in every training episode: Defect
  Analysis can only be read from the prompt, never remembered.
- Latents are trained to name the right letter (weight 0.2) and to look at the defect.

Everything below was measured on {findings.images} held-out drawn images, {len(main)} questions, on
{datetime.now(UTC):%Y-%m-%d}, with `{command}`:
4 think tokens, no loop, one-shot. Brackets: 95 % Wilson intervals.

## Accuracy by the knowledge in the prompt

{_table(findings, knowledge)}
Anomaly Detection, balanced between good and defective images: {_balanced(main, findings):.3f} with retrieved knowledge.

## Other arms

{_table(findings, others)}
## Hard defects, retrieved knowledge

| defects | questions | accuracy |
| - | - | - |
| tiny | {len(findings.tiny)} | {_share(findings.tiny)} |
| faint | {len(findings.faint)} | {_share(findings.faint)} |
| neither | {len(findings.plain)} | {_share(findings.plain)} |

## Calibration, entropy, attention

- Expected calibration error of the chosen option's probability: {findings.ece:.3f}.
- AUROC for wrong answers: option entropy {findings.option_auroc:.3f}, mean latent entropy {findings.latent_auroc:.3f}.
- Mean latent entropy: {right:.3f} nats where the answer is right, {wrong:.3f} where it is wrong.
- Latents' attention to the query image finds defective cells with an AUC, by layer from 0, of
  {", ".join(f"{value:.3f}" for value in findings.attention)}. `workbench.json` names the layers that score patches.

## Retrieval, image to text in one space

| texts | images | product at 1 | true entry at 1 | true entry at 3 |
| - | - | - | - | - |
{_recall(findings)}
## The full method at its defaults, through the product's engine

{_method(method)}"""


def _share(answers: Answers) -> str:
    low, high = answers.interval
    return f"{answers.accuracy:.3f} [{low:.3f}, {high:.3f}]" if len(answers) else "none asked"


def _table(findings: Findings, names: tuple[str, ...] | list[str]) -> str:
    lines = [f"| subtask | {' | '.join(names)} |", f"| - {'| - ' * len(names)}|"]
    for subtask in SUBTASKS:
        cells = [_share(findings.arms[name].about(subtask)) for name in names]
        lines.append(f"| {subtask} | {' | '.join(cells)} |")
    lines.append(f"| all questions | {' | '.join(_share(findings.arms[name]) for name in names)} |")
    return "\n".join(lines) + "\n"


def _balanced(answers: Answers, findings: Findings) -> float:
    """Mean of the accuracies on good and on defective images."""
    asked = answers.about("Anomaly Detection")
    defective = np.array([findings.defective[image] for image in asked.image])
    return float((asked.right[defective].mean() + asked.right[~defective].mean()) / 2)


def _recall(findings: Findings) -> str:
    return "".join(
        f"| {name} | {found.images} | {found.product:.3f} | {found.entry_at_1:.3f} | {found.entry_at_3:.3f} |\n"
        for name, found in findings.recall.items()
    )


def _method(found: MethodFindings) -> str:
    """What the latent loop did to the answers."""
    rows = ["| subtask | before the loop | after |", "| - | - | - |"]
    for number, subtask in enumerate(SUBTASKS):
        of = [outcome for outcome in found.outcomes if outcome.subtask == number]
        rows.append(f"| {subtask} | {_rate([o.before for o in of])} | {_rate([o.after for o in of])} |")
    every: tuple[Outcome, ...] = found.outcomes
    rows.append(f"| all questions | {_rate([o.before for o in every])} | {_rate([o.after for o in every])} |")
    hit, chance = found.patch_hits
    start, best = (float(np.mean([outcome.entropy[i] for outcome in every])) for i in (0, 1))
    return (
        "\n".join(rows)
        + f"""

{found.images} other images, {len(every)} questions, retrieved knowledge, one-shot. The loop fixed {found.fixed}
answers and broke {found.broken}; mean latent entropy went from {start:.3f} to {best:.3f} nats. Of the accepted patches
{hit:.3f} lie on the defect; patches drawn at random would in {chance:.3f}. {found.seconds_per_question:.2f} seconds per
question, drawing included.
"""
    )


def _rate(right: list[bool]) -> str:
    low, high = wilson(sum(right), len(right))
    return f"{sum(right) / len(right):.3f} [{low:.3f}, {high:.3f}]" if right else "none asked"
