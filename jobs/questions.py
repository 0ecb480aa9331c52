"""`workbench questions ...`: the question sets that an archive can be asked, registered from TOML."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data, Json, actor
from workbench import wording

app = typer.Typer(help="The question sets that an archive can be asked.", no_args_is_help=True)


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="The set as TOML; `show inspection` prints one to start from.")],
    data: Data = None,
) -> None:
    """Register a question set, or a new version of it; `workbench score ARCHIVE --questions NAME` then asks it.

    Example: workbench questions add incoming.toml
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.archive import registered_sets

    added = registered_sets.add(Store(settings.data_folder(data)), file, actor=actor())
    state = "is registered" if added.is_new else "was registered before, as it is"
    count = wording.counted(len(added.declared.questions), "subtask")
    typer.echo(f"{added.declared.name}, version {added.declared.version}, {state}: {count}")
    typer.echo(f"next: workbench score ARCHIVE --questions {added.declared.name}")


@app.command("list")
def list_(data: Data = None, json_: Json = False) -> None:
    """The question sets there are, built in or registered, with their subtasks.

    Example: workbench questions list
    """
    from workbench import settings
    from workbench.archive import registered_sets

    found = registered_sets.every(settings.data_folder(data))
    if json_:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False))
        return
    for each in found:
        detecting = ", ".join(name for name in each.names if name in each.detecting) or "none"
        typer.echo(
            f"{each.name}  {each.version}  {wording.counted(len(each.names), 'subtask')}, of which detect: {detecting}"
        )


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="As `list` shows it.")], data: Data = None) -> None:
    """A question set as TOML.

    Example: workbench questions show inspection
    """
    from workbench import settings
    from workbench.archive import registered_sets

    typer.echo(registered_sets.text_of(settings.data_folder(data), name))
