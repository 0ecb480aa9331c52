"""`workbench draw-archive`: a drawn archive to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench import wording


def command(
    folder: Annotated[Path, typer.Argument(help="Where the archive goes.", show_default=False)],
    images: Annotated[int, typer.Option("--images", min=1, help="How many images to score.")] = 72,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same pixels.")] = 0,
    line: Annotated[Literal["A", "B"], typer.Option("--line", help="B: a line the embedded model never saw.")] = "A",
    shift: Annotated[
        list[str] | None,
        typer.Option("--shift", help="CONDITION=AMOUNT, 0 to 1: lighting, blur, noise, scale, rotation, color."),
    ] = None,
    held_out_wordings: Annotated[
        bool, typer.Option("--held-out-wordings", help="Ask in words the embedded model never read.")
    ] = False,
) -> None:
    """Draw an archive of inspection images in MMAD's layout, with questions, masks, a sidecar and knowledge texts.

    Example: workbench draw-archive /tmp/line-b --line B --shift lighting=0.3
    """
    from rich.console import Console
    from rich.progress import Progress

    from warehouse import file_permissions
    from workbench.embedded import archive
    from workbench.embedded.draw import Shift

    amounts = {}
    for text in shift or []:
        condition, _, amount = text.partition("=")
        try:
            amounts[condition] = float(amount)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is not CONDITION=AMOUNT", param_hint="--shift") from error
    try:
        moved = Shift(**amounts)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--shift") from error
    with file_permissions.users_umask(), Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drawing", total=images)
        archive.draw_archive(folder, images, seed, line, moved, held_out_wordings, lambda: bar.advance(task))
    typer.echo(f"{wording.counted(images, 'image')} in {folder}; questions in {folder / 'mmad.json'}")
