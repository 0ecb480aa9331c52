"""`workbench evaluate-embedded`: measure the embedded demo model and write its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Else the one that comes with the package.", show_default=False)
    ] = None,
    images: Annotated[int, typer.Option("--images", min=60, help="Held-out images, drawn for this.")] = 600,
    full: Annotated[int, typer.Option("--full", min=1, help="Images for the full method, a second a question.")] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Must differ from the training's.")] = 999,
    work: Annotated[Path | None, typer.Option("--work", help="Keep the drawn images here.", show_default=False)] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    card: Annotated[
        Path | None, typer.Option("--card", help="Write the model card here, not just print it.", show_default=False)
    ] = None,
) -> None:
    """Accuracy, calibration, attention and retrieval of the embedded model on images it never saw.

    Example: workbench evaluate-embedded --images 60 --full 2
    """
    import tempfile

    import torch
    from rich.console import Console

    from workbench import embedded
    from workbench.embedded import card as model_card
    from workbench.embedded import evaluate, full_method
    from workbench.embedded.data import image_set
    from workbench.model.method import Method

    torch.set_num_threads(threads)
    console = Console(stderr=True)
    folder = checkpoint or embedded.CHECKPOINT
    subject = evaluate.Subject(folder)
    with tempfile.TemporaryDirectory() as scratch, console.status("drawing") as status:
        home = work or Path(scratch)
        data = image_set(home, seed, images)
        line_b = image_set(home, seed + 1, images // 2, line="B")
        findings = evaluate.evaluate(subject, data, line_b, lambda arm: status.update(f"asking: {arm}"))
        method = full_method.run(
            folder, full, seed + 2, Method(), lambda done: status.update(f"full method: {done} of {full} images")
        )
    command_line = f"workbench evaluate-embedded --images {images} --full {full} --seed {seed}"
    text = model_card.render(findings, method, folder, command_line)
    if card is not None:
        card.write_text(text)
    typer.echo(text)
