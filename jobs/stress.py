"""`workbench stress`: how far answers hold when the pictures get worse, or come from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from jobs.options import Config, Data, Device, LabelledArchive, Set, Truth, make_sure_of, settings_of


def command(
    archive: LabelledArchive,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="lighting, blur, noise, color, jpeg, rotation; may be repeated (default: all)."),
    ] = None,
    by: Annotated[
        Literal["line", "camera"] | None,
        typer.Option(help="Disturb nothing: compare the archive's lines or cameras.", show_default=False),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Of the labelled ones, a mixture.")] = 60,
    model: Annotated[str | None, typer.Option(help="`embedded`, a hub name, or a folder (default: embedded).")] = None,
    device: Device = None,
    truth: Truth = "archive",
    data: Data = None,
    set_: Set = None,
    config: Config = None,
) -> None:
    """Ask the same questions about the same images, mildly to strongly disturbed: the full method beside the plain one.

    Every arm is a run over a copy below the data folder; stopped or killed, the same command goes on.

    Example: workbench stress photos --condition blur --images 20
    """
    make_sure_of(archive)
    from jobs import screen
    from workbench import settings
    from workbench.experiments import stress

    chosen = condition or list(stress.CONDITIONS)
    if unknown := [name for name in chosen if name not in stress.CONDITIONS]:
        raise typer.BadParameter(f"no condition {', '.join(unknown)}", param_hint="--condition")
    if truth != "archive" and by is None:
        raise typer.BadParameter(
            "disturbed copies are other images, of which nobody settled anything; only --by has a truth to choose",
            param_hint="--truth",
        )
    named = {"model": model, "device": device, "data": data}
    base = settings.load(settings_of(named, set_), config).settings
    screen.without_loading_bars(base.machine.model)
    with screen.Progress() as watch:
        if by is not None:
            typer.echo(stress.by(archive, base, by, watch, truth))
            return
        experiment = stress.run(
            archive,
            base,
            chosen,
            images,
            watch,
            lambda arm, place, count: typer.echo(f"{place} of {count}: {arm.name}", err=True),
        )
    typer.echo(stress.report(base.work.data, experiment))
