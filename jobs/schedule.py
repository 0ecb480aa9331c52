"""`workbench schedule`: archives that are scored by themselves, night after night."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from jobs import schedule_charts
from jobs.options import Config, Data, Json, Set, actor, settings_of
from workbench import wording

if TYPE_CHECKING:
    from warehouse.records.nights import Night
    from workbench.nights.incremental import Only

app = typer.Typer(
    help="Score archives by themselves: what is new, in their window, night after night.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The schedule's name.", show_default=False)]
schedule_charts.register(app)
RescoreOption = Annotated[
    Literal["affected", "all"] | None,
    typer.Option(help="Not what is new: all images, or those whose answers rest on texts that changed."),
]

OnlyOption = Annotated[
    str | None,
    typer.Option(
        help="With --rescore: only the images of a product, line, camera or lot, such as camera=A2.",
        metavar="NAME=VALUE",
        show_default=False,
    ),
]


@app.command()
def add(
    name: Name,
    archive: Annotated[
        str, typer.Argument(help="A folder, or an address such as s3://bucket/line-3.", show_default=False)
    ],
    cron: Annotated[str, typer.Option(help="minute hour day month weekday; 0 and 7 are Sunday.")] = "0 22 * * *",
    timezone: Annotated[
        str, typer.Option(help="Of the cron expression and the window, such as Europe/Zurich.")
    ] = "UTC",
    window: Annotated[str | None, typer.Option(help="Only then, such as 22:00-06:00 (default: at any time).")] = None,
    priority: Annotated[int, typer.Option(help="Of two that are due, the higher goes first.")] = 0,
    model: Annotated[str | None, typer.Option(help="As for `score`.")] = None,
    knowledge: Annotated[Literal["retrieved", "product", "none"] | None, typer.Option(help="As for `score`.")] = None,
    questions: Annotated[str | None, typer.Option(help="As for `score`.")] = None,
    set_: Set = None,
    review_budget: Annotated[int | None, typer.Option(help="Cases a night may hand to people.", min=0)] = None,
    golden: Annotated[
        Path | None, typer.Option(help="Folder of golden samples, scored at the head of each night.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Instead of the schedule of this name.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add a schedule. It is first due at the next time its cron expression names.

    Example: workbench schedule add line-3 photos --cron "0 22 * * 1-5"
    """
    from workbench import settings
    from workbench.nights import schedule_admin

    own = settings_of({"model": model, "knowledge": knowledge, "questions": questions}, set_)
    schedule = schedule_admin.add(
        settings.data_folder(data),
        schedule_admin.Wanted(name, archive, cron, timezone, window, priority, own, review_budget, golden),
        actor=actor(),
        replace=replace,
        config=config,
    )
    typer.echo(f"{name} is due {schedule_admin.in_words(schedule)}")


@app.command("list")
def list_(data: Data = None, json_: Json = False) -> None:
    """List the schedules with their last night and when they are due.

    Example: workbench schedule list
    """
    from dataclasses import asdict

    from rich.table import Table

    from jobs import screen
    from warehouse.queries.nights import Nights
    from workbench import settings
    from workbench.nights import reports, schedule_admin

    ledger = Nights(settings.data_folder(data))
    found, last = ledger.schedules(), ledger.last_nights()
    if json_:
        rows = [
            {**asdict(each), "last_night": asdict(last[each.name]) if each.name in last else None} for each in found
        ]
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    if not found:
        typer.echo("no schedules yet: workbench schedule add NAME FOLDER")
        return
    table = Table("schedule", "archive", "cron", "window", "priority", "last night", "next")
    for each in found:
        night = last.get(each.name)
        state = reports.state_named(night.state) if night else ""
        words = f"{state}, {wording.counted(night.images, 'image')}" if night else "none yet"
        table.add_row(
            each.name,
            each.archive,
            f"{each.cron} {each.timezone}",
            each.time_window or "any time",
            str(each.priority),
            words,
            "paused" if each.paused else schedule_admin.in_words(each),
        )
    screen.stdout().print(table)


@app.command()
def pause(
    name: Name, data: Data = None, resume: Annotated[bool, typer.Option("--resume", help="Let it go on.")] = False
) -> None:
    """Keep a schedule from becoming due; --resume lets it again.

    Example: workbench schedule pause line-3
    """
    from warehouse.queries.nights import Nights
    from workbench import settings

    Nights(settings.data_folder(data)).pause(name, not resume, actor=actor())
    typer.echo(f"{name} {'goes on' if resume else 'is paused'}")


@app.command()
def remove(name: Name, data: Data = None) -> None:
    """Remove a schedule; what it scored stays, and one of the same name goes on where it was.

    Example: workbench schedule remove line-3
    """
    from warehouse.queries.nights import Nights
    from workbench import settings

    Nights(settings.data_folder(data)).remove_schedule(name, actor=actor())
    typer.echo(f"{name} is removed; its runs stay")


@app.command()
def golden(
    name: Name,
    accept: Annotated[bool, typer.Option("--accept", help="The next night's golden answers become the standard.")],
    data: Data = None,
) -> None:
    """Take other golden answers as right, after a change that was meant.

    Example: workbench schedule golden line-3 --accept
    """
    from warehouse.queries.nights import Nights
    from workbench import settings

    if not accept:
        raise typer.BadParameter("say --accept to take the next night's answers as the standard")
    Nights(settings.data_folder(data)).trust_golden(name, None, actor=actor())
    typer.echo(f"{name}: the next night's golden answers become the standard")


@app.command("run-due")
def run_due(
    data: Data = None,
    now: Annotated[
        str | None, typer.Option("--now", help="This schedule at once, whatever its cron expression and window say.")
    ] = None,
    rescore: RescoreOption = None,
    only: OnlyOption = None,
    config: Config = None,
    json_: Json = False,
) -> None:
    """Work through what is due: score what is new, then the steps after it. May be called at any time, by anybody.

    Prints each night's finding and where its report is; nothing when nothing was due, and of a night that stays
    stopped the reason once, as cron mails what is printed.

    Exit codes: 0 done, or nothing was due; 1 a night needs attention; 75 another call is running.

    Example: workbench schedule run-due --now line-3
    """
    from workbench import settings
    from workbench.nights import coordinator

    folder = settings.data_folder(data)
    before = _last_nights(folder)
    nights = _work(folder, now, rescore, config, _group(only, rescore))
    if json_:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(night) for night in nights], indent=1, default=str))
    elif not nights and sys.stdout.isatty():
        typer.echo("nothing is due")
    asked = now is not None or sys.stdout.isatty()
    for night in nights if not json_ else []:
        if asked or coordinator.is_news(before.get(night.schedule), night):
            typer.echo(_told(folder, night))
    raise typer.Exit(1 if any(night.state in ("failed", "alarm") for night in nights) else 0)


@app.command()
def loop(
    data: Data = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=1)] = 60.0,
    config: Config = None,
) -> None:
    """Look for what is due until told to stop: for containers. SIGTERM ends it after the block in flight.

    Example: workbench schedule loop --every 60
    """
    import threading

    from warehouse.errors import DiskFull, Locked
    from workbench import settings
    from workbench.errors import NightsBusy
    from workbench.nights import coordinator
    from workbench.processes import stop_signals

    folder = settings.data_folder(data)
    stopped = threading.Event()
    with stop_signals(stopped.set):
        while not stopped.is_set():
            try:
                before = _last_nights(folder)
                for night in _work(folder, None, None, config):
                    if coordinator.is_news(before.get(night.schedule), night):
                        typer.echo(_told(folder, night), err=True)
            except (NightsBusy, DiskFull, Locked) as passing:
                typer.echo(str(passing), err=True)
            stopped.wait(every)


@app.command()
def emit(
    to: Annotated[Path | None, typer.Option(help="Write the unit files there instead of printing them.")] = None,
    data: Data = None,
) -> None:
    """Print systemd units and a crontab line that call `run-due` every five minutes.

    Example: workbench schedule emit --to ~/.config/systemd/user
    """
    from warehouse import file_permissions
    from workbench import settings
    from workbench.nights import service_units as units

    # As it was started: `workbench` beside this Python, or `python -m jobs`.
    own = Path(sys.executable).with_name("workbench")
    command = [str(own)] if own.exists() else [sys.executable, "-m", "jobs"]
    place = (command, Path.cwd(), settings.data_folder(data).resolve())
    for name, text in units.units(*place).items():
        if to:
            with file_permissions.users_umask():
                to.mkdir(parents=True, exist_ok=True)
                (to / name).write_text(text, encoding="utf-8")
            typer.echo(to / name)
        else:
            typer.echo(f"# {name}\n{text}")
    user = "--user " if to and ".config" in to.parts else ""
    typer.echo(f"# start it: systemctl {user}daemon-reload && systemctl {user}enable --now {units.TIMER}")
    if user:
        typer.echo("# let it go on when you log out, and begin when the machine does: loginctl enable-linger")
    typer.echo(f"# or in a crontab:\n{units.crontab(*place)}")


def _last_nights(folder: Path) -> dict[str, Night]:
    """Each schedule's newest night, as it stands before this call."""
    from warehouse.queries.nights import Nights

    return Nights(folder).last_nights()


def _told(folder: Path, night: Night) -> str:
    """How a night ended, and from its report what was found and where the page is."""
    from warehouse.queries.nights import Nights
    from workbench.nights import deliver, reports

    caught_up = f", {wording.counted(night.covered - 1, 'missed one')} caught up" if night.covered > 1 else ""
    ended = f"{night.schedule} {reports.state_named(night.state)}, {wording.counted(night.images, 'image')}{caught_up}"
    stored = Nights(folder).report(night.schedule, night.due_at)
    if stored is None or night.state == "stopped":
        return ended + (f": {night.message}" if night.message else "")
    report = reports.from_json(stored.report)
    page = deliver.page_file(report, folder)
    message = f"\n  {night.message}" if night.message and night.message not in report.finding else ""
    return f"{ended}: {report.finding}{message}" + (f"\n  {page}" if page.exists() else "")


def clock() -> datetime:
    """The time by which nights are due."""
    return datetime.now(UTC)


def _group(only: str | None, rescore: str | None) -> Only | None:
    """The group that is named."""
    from workbench.nights import incremental

    if only is None:
        return None
    name, _, value = only.partition("=")
    names = get_args(incremental.GroupName)
    group = next((each for each in names if each == name), None)
    if group is None or not value:
        raise typer.BadParameter(f"say one of {', '.join(names)} and its value, such as camera=A2", param_hint="--only")
    if rescore is None:
        raise typer.BadParameter("it is of images that are scored again: say --rescore all", param_hint="--only")
    return incremental.Only(group, value)


def _work(
    folder: Path,
    now: str | None,
    rescore: Literal["affected", "all"] | None,
    config: Path | None,
    only: Only | None = None,
) -> list[Night]:
    from jobs import screen
    from warehouse import file_permissions
    from warehouse.queries.nights import Nights
    from workbench import settings
    from workbench.errors import ScheduleError
    from workbench.nights import coordinator, logs, metrics, night, pipeline

    ledger = Nights(folder)
    known = ledger.schedules()
    if now is not None and now not in {each.name for each in known}:
        raise ScheduleError(f"there is no schedule {now}; `workbench schedule list` shows them")
    if not known:
        return []
    screen.without_loading_bars("embedded")
    logs.to_file(folder)
    with screen.Progress() as watch:
        work = night.Scoring(folder, watch, clock, pipeline.STEPS, config, rescore, only)
        nights = coordinator.run_due(ledger, work, folder, clock, now)
    metrics_file = settings.load({"data": folder}, config).settings.operation.metrics_file
    if metrics_file:
        with file_permissions.users_umask():  # the collector that reads it is another user
            metrics.write(folder, metrics_file, clock())
    return nights
