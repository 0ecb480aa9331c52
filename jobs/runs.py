"""`workbench runs`: what was scored, newest first."""

from __future__ import annotations

import json

import typer

from jobs.options import Data, Json


def command(data: Data = None, json_: Json = False) -> None:
    """List the runs, newest first.

    Example: workbench runs --json
    """
    from rich.table import Column, Table

    from jobs import screen
    from warehouse.store import Store
    from workbench import settings

    store = Store(settings.data_folder(data))
    with store.together():
        found, totals = store.runs(), store.run_totals()
    counted = totals.select("run_id", "labelled", "correct", "escape", "overkill", "unreadable", "unclaimed")
    rows = list(found.join(counted, on="run_id", how="left", maintain_order="left").iter_rows(named=True))
    if json_:
        for row in rows:
            row["settings"], row["versions"] = json.loads(row["settings"]), json.loads(row["versions"])
        typer.echo(json.dumps(rows, default=str, indent=1))
        return
    if not rows:
        typer.echo("no runs yet: workbench score FOLDER, or workbench demo")
        return
    table = Table(
        Column("run", no_wrap=True), "state", "model", "planned", "answered", "invalid", "failed", "accuracy", "message"
    )
    for row in rows:
        model = screen.DEMO if row["demo"] else row["model"]
        counts = (str(row[name]) for name in ("planned", "answered", "invalid", "failed"))
        accuracy = f"{row['correct'] / row['labelled']:.3f} of {row['labelled']:,}" if row["labelled"] else "-"
        table.add_row(row["run_id"], row["state"], model, *counts, accuracy, row["message"] or "")
    screen.stdout().print(table)
