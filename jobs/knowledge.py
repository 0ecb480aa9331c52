"""`workbench knowledge import FILE` and `workbench knowledge list`: the texts that retrieval chooses from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Data, Json

app = typer.Typer(help="The texts that retrieval chooses from.", no_args_is_help=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="{dataset: {product: {entry: text}}}, as MMAD's domain_knowledge.json.")],
    data: Data = None,
) -> None:
    """Add new and changed texts as revisions, and publish the result.

    Example: workbench knowledge import domain_knowledge.json
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.inspection import knowledge

    done = knowledge.import_file(Store(settings.data_folder(data)), file)
    typer.echo(
        f"knowledge {done.version}: {done.published} texts published "
        f"({done.added} new, {done.changed} changed, {done.unchanged} unchanged, {done.withdrawn} withdrawn)"
    )


@app.command("list")
def list_texts(data: Data = None, json_: Json = False) -> None:
    """Show the published texts.

    Example: workbench knowledge list --json
    """
    from rich.table import Table

    from jobs import screen
    from warehouse.store import Store
    from workbench import settings

    version, descriptions = Store(settings.data_folder(data)).published_knowledge()
    if json_:
        texts = [{"description_id": d.description_id, "revision": d.revision, "text": d.text} for d in descriptions]
        typer.echo(json.dumps({"version": version.version if version else None, "descriptions": texts}, indent=1))
        return
    if version is None:
        typer.echo("no knowledge is published: workbench knowledge import FILE")
        return
    table = Table("description", "revision", "text", title=f"knowledge {version.version}", title_justify="left")
    for d in descriptions:
        table.add_row(d.description_id, str(d.revision), d.text.partition("\n")[0][:80])
    screen.stdout().print(table)
