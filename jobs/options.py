"""Options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from warehouse.records.audit import Actor


LabelledArchive = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A labelled folder of images.")]
Author = Annotated[str | None, typer.Option(help="Who did it (default: your login).", show_default=False)]
RUN_HELP = "A run: its id, the beginning of it, its name, or `latest`."
Data = Annotated[
    Path | None, typer.Option("--data", help="Data folder; else WORKBENCH_DATA, else ./data.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Truth = Annotated[
    Literal["archive", "reviewed"],
    typer.Option("--truth", help="What is right: the archive's labels, or what people settled where they did."),
]
Alarms = Annotated[
    Literal["answers", "defect probability", "comparison", "claim"],
    typer.Option("--alarms", help="What calls a picture defective: its answer, or the saved thresholds on a signal."),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda; all, or several such as cuda:0,cuda:1 - one process for each (default: auto).",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (default: ./workbench.toml if there).", show_default=False),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting, named as `score --show-config` prints it; may be repeated.",
        show_default=False,
    ),
]


def make_sure_of(archive: Path) -> None:
    """Refuse a path where nothing lies, before anything that takes seconds is imported.

    Raises:
        ArchiveError: nothing lies there.
    """
    if not archive.exists():
        from workbench.errors import ArchiveError

        raise ArchiveError(f"the archive {archive} can't be listed: No such file or directory")


def output_file(path: Path | None) -> Path | None:
    """The file that an option names, checked before any work is done: its folder is there, and it is no folder itself.

    Raises:
        typer.BadParameter: the file can't be written there.
    """
    if path is not None and not path.parent.is_dir():
        folder = shlex.quote(str(path.parent))
        raise typer.BadParameter(f"there is no folder {path.parent}; make it first: mkdir -p {folder}")
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it")
    return path


def settings_of(named: Mapping[str, object], assignments: Sequence[str] | None) -> dict[str, object]:
    """Settings by flat name: the options that were given, and what `--set` assigns.

    Raises:
        typer.BadParameter: an assignment is no NAME=VALUE, or its setting is given twice.
    """
    given = {name: value for name, value in named.items() if value is not None}
    for text in assignments or ():
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        if name in given:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--set")
        given[name] = value
    return given


def actor(name: str | None = None) -> Actor:
    """Who gives this command: the name from `--author`, else the login.

    Raises:
        typer.BadParameter: the name is blank.
    """
    if name is not None and not name.strip():
        raise typer.BadParameter("a name without a letter tells nobody who made the change", param_hint="--author")
    from warehouse.records.audit import Actor
    from workbench.login import login

    return Actor(name or login(), "command line")
