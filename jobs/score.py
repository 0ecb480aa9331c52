"""`workbench score`: one run over a folder of images."""

# ruff: noqa: ARG001  the options that are settings are read from the context, by their names

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from jobs.options import Data, Device, Json


def command(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The folder of images, scanned at any depth.")],
    questions: Annotated[
        str | None,
        typer.Option(help="An mmad.json, or `inspection` (default: ARCHIVE/mmad.json if there, else inspection)."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="`embedded`, a hub name, or a folder (default: embedded).")] = None,
    knowledge: Annotated[
        Literal["retrieved", "product", "none"] | None, typer.Option(help="Texts shown (default: retrieved).")
    ] = None,
    top_k: Annotated[str | None, typer.Option(help="Texts retrieved per image, or `all` (default: 3).")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Retrieval's dual encoder (default: the embedded model's, else SigLIP 2).")
    ] = None,
    shots: Annotated[int | None, typer.Option(help="Normal reference images, 0 or 1 (default: 1).")] = None,
    templates: Annotated[
        Literal["random", "similar"] | None, typer.Option(help="Which of mmad.json's references (default: random).")
    ] = None,
    prompt: Annotated[
        Literal["segments", "mmad"] | None,
        typer.Option(help="Order of its parts: for speed, or as MMAD published it (default: segments)."),
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of normal images, by product or for all.", show_default=False)
    ] = None,
    sidecar: Annotated[
        Path | None, typer.Option(help="images.csv or images.jsonl (default: the one in ARCHIVE).")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="N of the latent loop (default: 10).")] = None,
    think_tokens: Annotated[int | None, typer.Option(help="m; 0 is the plain model (default: 4).")] = None,
    samples: Annotated[int | None, typer.Option(help="K perturbations per iteration (default: 4).")] = None,
    estimator: Annotated[
        Literal["published", "mean", "loo", "antithetic", "autograd", "still", "random", "shuffled"] | None,
        typer.Option(help="How a step is found; the last three are controls (default: mean)."),
    ] = None,
    injection: Annotated[
        Literal["features", "zoom", "none"] | None, typer.Option(help="What is injected (default: features).")
    ] = None,
    answer: Annotated[
        Literal["letters", "generate"] | None, typer.Option(help="How the answer is read (default: letters).")
    ] = None,
    rationale: Annotated[
        bool | None, typer.Option("--rationale/--no-rationale", help="Also write a reason (default: no).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the noise and of chosen references (default: 0).")] = None,
    engine: Annotated[
        Literal["segments", "naive"] | None, typer.Option(help="`naive` is the slow oracle (default: segments).")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"] | None, typer.Option(help="Of the weights (default: auto).")
    ] = None,
    device: Device = None,
    max_image_tokens: Annotated[
        int | None, typer.Option(help="Larger pictures are scaled down; 0: the model's own limit (default: 1280).")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many questions.", show_default=False)] = None,
    data: Data = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (default: ./workbench.toml if there).")] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print all settings, where each came from, and stop.")
    ] = False,
    json_: Json = False,
) -> None:
    """Ask all questions about all images of ARCHIVE, store every answer with its trace, and print a summary.

    Stopped or killed, the same command goes on where it was. Settings come from workbench.toml, then from
    variables such as WORKBENCH_SEED, then from these options.

    Example: workbench score photos --knowledge none --limit 40
    """
    from workbench import settings

    not_settings = {"archive", "config", "show_config", "json_"}
    flags = {name: value for name, value in context.params.items() if value is not None and name not in not_settings}
    loaded = settings.load(flags, config)
    if show_config:
        for name, value, origin in loaded.lines():
            typer.echo(f"{name} = {value}  # {origin}" if value is not None else f"# {name} is not set")
        return

    from jobs import screen
    from workbench.inspection import scoring

    screen.without_loading_bars(loaded.settings.machine.model)
    with screen.Progress() as watch:
        outcome = scoring.score(archive, loaded.settings, watch)
    if json_:
        typer.echo(json.dumps(screen.as_json(outcome), indent=1, default=str))
    else:
        screen.show(outcome, loaded.settings.work.data)
    raise typer.Exit(screen.exit_code(outcome))
