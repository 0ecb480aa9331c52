"""`workbench ablate`: what each part of the method brings, by leaving it out."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from jobs.options import Config, Data, Device, LabelledArchive, Set, Truth, make_sure_of, settings_of


def command(
    archive: LabelledArchive,
    arms: Annotated[
        Literal["main", "grid", "compare", "layers"],
        typer.Option(
            help="`main`: the parts; `grid`: N, K, estimators, seeds, controls; `compare`: with normal pictures, and a "
            "control; `layers`: which find the defect."
        ),
    ] = "main",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="An arm or family; may be repeated.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds `grid` compares (default: 5).", show_default=False)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="With `layers`: write them to workbench.json in the model's folder.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only so many questions (not images), mixed.", show_default=False, metavar="QUESTIONS"
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="`embedded`, a hub name, or a folder (default: embedded).")] = None,
    device: Device = None,
    truth: Truth = "archive",
    data: Data = None,
    set_: Set = None,
    config: Config = None,
) -> None:
    """Ask the same questions with parts of the method left out, and compare them pair by pair.

    Every arm is a run; stopped or killed, the same command goes on, and arms that are done aren't done again. Printed
    are tables; the page Ablation shows them.

    Example: workbench ablate photos --limit 200
    """
    make_sure_of(archive)
    import polars as pl

    from jobs import screen
    from workbench import settings
    from workbench.analysis import ablation_text, review_coverage
    from workbench.experiments import ablation, attention_layers
    from workbench.experiments.study_results import read_study

    if keep and arms != "layers":
        raise typer.BadParameter("only `--arms layers` finds something to keep", param_hint="--keep")
    if seeds is not None and arms != "grid":
        raise typer.BadParameter("only `--arms grid` compares seeds", param_hint="--seeds")
    if only and arms == "layers":
        raise typer.BadParameter("`--arms layers` has no arms to choose from", param_hint="--only")
    named = {"model": model, "device": device, "limit": limit, "data": data}
    base = settings.load(settings_of(named, set_), config).settings
    screen.without_loading_bars(base.machine.model)
    if arms == "layers":
        with screen.Progress() as watch:
            found = attention_layers.find(archive, base, watch)
        typer.echo(attention_layers.markdown(found))
        written = attention_layers.keep(base.machine.model, found.layers) if keep else None
        line = f'attention_layers = "{",".join(map(str, found.layers))}"'
        typer.echo(f"kept in {written}" if written else f"to keep them, write in workbench.toml: {line}")
        return
    try:
        offered = {"main": ablation.MAIN, "compare": ablation.COMPARED}.get(arms) or ablation.grid(seeds or 5)
        chosen = ablation.choose(offered, only or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    with screen.Progress() as watch:
        experiment = ablation.run(
            archive,
            base,
            chosen,
            watch,
            lambda arm, place, count: typer.echo(f"{place} of {count}: {arm.name}", err=True),
        )
    study = read_study(base.work.data, "ablation", experiment, truth)
    typer.echo(ablation_text.markdown(study))
    if truth == "reviewed":
        typer.echo(review_coverage.sentence(review_coverage.of_facts(pl.concat(study.facts.values()))))
