"""`python -m training train`: the embedded demo model from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    checkpoint: Annotated[
        Path, typer.Option("--checkpoint", help="Folder for the finished model.", show_default=False)
    ],
    work: Annotated[Path, typer.Option("--work", help="Images, states and curves; the same folder resumes.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes images, batches and weights.")] = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
    miniature: Annotated[bool, typer.Option("--miniature", help="A run of a minute that learns nothing.")] = False,
) -> None:
    """Draw the images, train vision tower, decoder and retrieval head, and write the checkpoint. Resumes after a kill.

    Example: python -m training train --miniature --work /tmp/w --checkpoint /tmp/c
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training import loop, stages
    from warehouse import file_permissions

    torch.set_num_threads(threads)
    plan = stages.MINIATURE if miniature else stages.Plan()
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bars:
        tasks = {"images": bars.add_task("images", total=plan.images + plan.fresh_images, note="")}

        def on_image(count: int) -> None:
            bars.advance(tasks["images"], count)

        def step(stage: str, finished: int, total: int, losses: loop.Losses) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note="")
            goals = {name: value for name, value in losses.items() if name.startswith("@")} or losses
            note = "  ".join(f"{name.lstrip('@')} {value:.2f}" for name, value in goals.items())
            bars.update(tasks[stage], completed=finished, note=note)

        with file_permissions.users_umask():
            stages.train(checkpoint, work, seed, plan, loop.Report(step, 10 if miniature else 50), on_image, threads)
    typer.echo(f"checkpoint in {checkpoint}; curves in {work / 'curves.jsonl'}")
