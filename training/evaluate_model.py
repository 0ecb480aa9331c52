"""`python -m training evaluate`: measure the embedded demo model and write its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Else the one that comes with the package.", show_default=False)
    ] = None,
    images: Annotated[int, typer.Option("--images", min=60, help="Held-out images, drawn for this.")] = 600,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Must differ from the training's.")] = 999,
    photographs: Annotated[
        Path | None,
        typer.Option("--photographs", help="Real photographs with an mmad.json, to say so.", show_default=False),
    ] = None,
    work: Annotated[Path | None, typer.Option("--work", help="Keep the drawn images here.", show_default=False)] = None,
    card: Annotated[
        Path | None,
        typer.Option("--card", help="Write the card here, and slice.json beside it.", show_default=False),
    ] = None,
) -> None:
    """Accuracy, calibration, attention and retrieval of the embedded model on images it never saw, on one core.

    The full method answers about all images; every other arm is read with the training's faster forward. Printed is
    the model's card.

    Example: python -m training evaluate --images 60
    """
    import tempfile

    import torch
    from rich.console import Console

    from training import card as model_card
    from training import evaluate, full_method
    from training import photographs as real
    from training.data import image_set
    from warehouse import file_permissions
    from workbench import embedded
    from workbench.model.method import Method

    torch.set_num_threads(1)
    folder = checkpoint or embedded.CHECKPOINT
    with tempfile.TemporaryDirectory() as scratch, Console(stderr=True).status("loading") as status:
        status.update("photographs")
        rows = real.photographs(photographs, Path(scratch) / "data", folder) if photographs else ()
        method = full_method.run(
            folder, images, seed, Method(), lambda done: status.update(f"full method: {done} of {images} images")
        )
        status.update("drawing")
        home = work or Path(scratch)
        data = image_set(home, seed, images)
        line_b = image_set(home, seed + 1, max(60, images // 2), line="B")
        findings = evaluate.evaluate(
            evaluate.Subject(folder), data, line_b, lambda arm: status.update(f"other arms: {arm}")
        )
    asked = f"python -m training evaluate --images {images} --seed {seed}"
    text = model_card.render(method, findings, rows, folder, asked + (" --photographs DIR" if photographs else ""))
    if card is not None:
        with file_permissions.users_umask():
            card.write_text(text)
            model_card.write_slice(method, seed, card.parent)
    typer.echo(text)
