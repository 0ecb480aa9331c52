"""The tree of `workbench`'s commands, as the command line has it."""

from __future__ import annotations

from functools import cache

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from jobs.__main__ import app


@cache
def commands() -> dict[str, TyperCommand | TyperGroup]:
    """Every command that does something, by its words; hidden ones are older names of the same."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    named: dict[str, TyperCommand | TyperGroup] = {}
    groups = [("workbench", root)]
    while groups:
        name, group = groups.pop()
        for word, command in group.commands.items():
            assert isinstance(command, TyperCommand | TyperGroup)
            if isinstance(command, TyperGroup):
                groups.append((f"{name} {word}", command))
            if not command.hidden and (isinstance(command, TyperCommand) or command.invoke_without_command):
                named[f"{name} {word}"] = command
    return named
