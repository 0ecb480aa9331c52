"""`workbench schedule reference|acknowledge`: what nights are compared with, and alarms of their charts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import Data, actor

if TYPE_CHECKING:
    from warehouse.records.nights import Schedule

Name = Annotated[str, typer.Argument(help="The schedule's name.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add these commands to `workbench schedule`."""
    app.command("reference")(reference)
    app.command("acknowledge")(acknowledge)


def reference(
    name: Name,
    accept: Annotated[
        bool, typer.Option("--accept", help="These nights were as they should be: later ones are compared with them.")
    ] = False,
    nights: Annotated[int | None, typer.Option(help="The newest so many nights.", min=1)] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", help="Nights from this date on.", formats=["%Y-%m-%d"])
    ] = None,
    to: Annotated[datetime | None, typer.Option("--to", help="Nights up to this date.", formats=["%Y-%m-%d"])] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with it.")] = None,
    data: Data = None,
) -> None:
    """Show which nights a schedule's nights are compared with; --accept others, or those that serve provisionally.

    Example: workbench schedule reference line-3 --accept --nights 40
    """
    from warehouse.queries.night_charts import NightCharts
    from workbench import settings
    from workbench.nights import chart_words, night_charts

    folder = settings.data_folder(data)
    schedule, wanted = _schedule(folder, name), settings.load({"data": folder}, None).settings.operation.baseline_nights
    chosen = (nights, from_, to) != (None, None, None)
    if chosen and not accept:
        raise typer.BadParameter("say --accept to compare later nights with these")
    if nights is not None and (from_ or to):
        raise typer.BadParameter("give --nights, or --from and --to")
    if accept:
        period = (from_.date() if from_ else None, to.date() if to else None)
        night_charts.accept(
            folder, schedule, actor(), datetime.now(UTC), nights=nights, period=period, reason=reason, wanted=wanted
        )
    typer.echo(chart_words.reference_in_words(night_charts.read(folder, schedule, None, wanted)))
    for note in NightCharts(folder).acknowledgements(name):
        told = f"{note.signal} up to {note.due_at:%Y-%m-%d %H:%M} UTC, on {note.acknowledged_at:%Y-%m-%d}"
        typer.echo(f"acknowledged by {note.acknowledged_by}: {told}: {note.reason}")


def acknowledge(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why the alarm needs no more telling; kept with it.")],
    signal: Annotated[str | None, typer.Option(help="Of this chart alone, such as overkill (default: all).")] = None,
    data: Data = None,
) -> None:
    """Take note of a schedule's chart alarms: they are told no more, and the chart begins anew.

    Example: workbench schedule acknowledge line-3 --reason "new lamp since Monday"
    """
    from workbench import settings
    from workbench.nights import chart_words, night_charts

    folder = settings.data_folder(data)
    _schedule(folder, name)
    for alarm in night_charts.acknowledge(folder, name, reason, actor(), datetime.now(UTC), signal):
        typer.echo(f"acknowledged: {chart_words.alarm_in_words(alarm)}")


def _schedule(folder: Path, name: str) -> Schedule:
    from warehouse.queries.nights import Nights
    from workbench.errors import ScheduleError

    found = next((each for each in Nights(folder).schedules() if each.name == name), None)
    if found is None:
        raise ScheduleError(f"there is no schedule {name}; `workbench schedule list` shows them")
    return found
