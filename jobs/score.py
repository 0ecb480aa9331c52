"""`workbench score`: one run over a folder of images."""

# ruff: noqa: ARG001  the options that are settings are read from the context, by their names

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from jobs.options import Config, Data, Device, Json, Set, Truth, make_sure_of, settings_of


def command(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The folder of images, scanned at any depth; or one image.")],
    questions: Annotated[
        str | None,
        typer.Option(help="An mmad.json, or a question set (default: ARCHIVE/mmad.json if there, else inspection)."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="`embedded`, `compare`, a hub name, or a folder (default: embedded).")
    ] = None,
    evidence: Annotated[
        str | None, typer.Option(help="What is shown beside the picture: texts, compare, both (default: texts).")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Tower that compares with normal pictures: a hub name, a folder, photos (default: photos)."),
    ] = None,
    compare_side: Annotated[
        int | None, typer.Option(help="Pixels of the square that pictures are compared at: 224, or the own tower's.")
    ] = None,
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
        Path | None, typer.Option(help="images.csv, .jsonl or .xlsx (default: the one in ARCHIVE).")
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
    limit: Annotated[
        int | None,
        typer.Option(help="Only so many questions (not images), mixed.", show_default=False, metavar="QUESTIONS"),
    ] = None,
    truth: Truth = "archive",
    data: Data = None,
    set_: Set = None,
    config: Config = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print all settings, where each came from, and stop.")
    ] = False,
    json_: Json = False,
) -> None:
    """Ask all questions about all images of ARCHIVE, store every answer with its trace, and print a summary.

    ARCHIVE may be a single image: its answers are printed, and stored as a run over the archive that it lies in, else
    over its folder.

    Stopped or killed, the same command goes on where it was. Settings come from workbench.toml, then from
    variables such as WORKBENCH_SEED, then from these options.

    Example: workbench score photos --knowledge none --limit 40
    """
    from workbench import settings

    not_settings = {"archive", "config", "show_config", "json_", "set_", "truth"}
    named = {name: value for name, value in context.params.items() if name not in not_settings}
    loaded = settings.load(settings_of(named, set_), config)
    if show_config:
        for name, value, origin in loaded.lines():
            typer.echo(f"{name} = {value}  # {origin}" if value is not None else f"# {name} is not set")
        return

    make_sure_of(archive)
    from jobs import screen
    from warehouse.queries.groundings import Groundings
    from warehouse.queries.pieces import Pieces
    from warehouse.store import Store
    from workbench.analysis import pieces, review_coverage, right_reason
    from workbench.scoring import picture_answers, run

    screen.without_loading_bars(loaded.settings.machine.model)
    with screen.Progress() as watch:
        outcome = run.score(archive, loaded.settings, watch)
    beside = None
    store, run_id = Store(loaded.settings.work.data), outcome.run.run_id
    picture = picture_answers.of_run(store, run_id, truth) if archive.is_file() else None
    if truth == "reviewed":
        alarms = run.called_defective(store, run_id, truth)
        reason = right_reason.of(Groundings(store.data).of_runs([run_id], truth))
        summary = store.run_summary(run_id, truth)
        by_piece = pieces.of(Pieces(store.data).of_runs([run_id], truth))
        outcome = replace(outcome, summary=summary, alarms=alarms, pieces=by_piece, right_reason=reason)
        beside = review_coverage.verified(store.verified(run_id), int(outcome.summary["labelled"].sum()))
    if json_:
        extra = {name: asdict(each) for name, each in (("verified", beside), ("picture", picture)) if each}
        typer.echo(json.dumps({**screen.as_json(outcome), "truth": truth, **extra}, indent=1, default=str))
    else:
        screen.show(outcome, loaded.settings.work.data, picture)
        if beside:
            typer.echo(review_coverage.sentence(beside))
    raise typer.Exit(screen.exit_code(outcome))
