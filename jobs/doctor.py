"""`workbench doctor`: what is wrong with this machine or its data folder, and what to do about it."""

from __future__ import annotations

import json

import typer

from jobs.options import Data, Json

SIGNS = {"red": "✗", "yellow": "!", "green": "✓"}


def command(data: Data = None, json_: Json = False) -> None:
    """Check disk, warehouse, runs, schedules, backups, models, device, Label Studio; exit 1 when something is red.

    Example: workbench doctor --data data
    """
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from jobs import screen
    from workbench import settings
    from workbench.nights import health

    screen.without_loading_bars("embedded")
    findings = health.examine(settings.data_folder(data))
    if json_:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            remedy = f"\n→ {finding.remedy}" if finding.remedy else ""
            table.add_row(Text(SIGNS[finding.state], finding.state), finding.subject, f"{finding.detail}{remedy}")
        screen.stdout().print(table)
    raise typer.Exit(1 if any(finding.state == "red" for finding in findings) else 0)
