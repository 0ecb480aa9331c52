"""`workbench archive`: what is understood of an archive, before any model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.options import Config, Json, Set, make_sure_of, output_file, settings_of


def command(
    archive: Annotated[Path, typer.Argument(help="The folder of images.")],
    sidecar: Annotated[
        Path | None, typer.Option(help="images.csv, .jsonl or .xlsx (default: the one in ARCHIVE).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write a page with pictures of each kind.", callback=output_file),
    ] = None,
    set_: Set = None,
    config: Config = None,
    json_: Json = False,
) -> None:
    """Show what ARCHIVE holds: layouts, pictures by product and label, masks, references, times, what is passed over.

    Nothing is stored and no model is loaded. A layout of your own is a [[layout]] row in workbench.toml
    (docs/archives.md).

    Example: workbench archive photos -o sheet.html
    """
    make_sure_of(archive)
    from workbench import settings
    from workbench.archive import layout_table, overview
    from workbench.archive.sidecar import Times

    loaded = settings.load(settings_of({"sidecar": sidecar}, set_), config).settings
    own = layout_table.from_settings(loaded.work.layouts)
    found = overview.of_folder(archive, loaded.work.sidecar, own, Times(loaded.work.day_first, loaded.work.time_zone))
    if output is not None:
        from workbench.archive import overview_page

        output.write_text(overview_page.page(found), encoding="utf-8")
    if json_:
        typer.echo(json.dumps(found.as_json(), indent=1, default=str, ensure_ascii=False))
        return

    from jobs import screen

    screen.show_archive(found)
    if output is not None:
        typer.echo(f"pictures of each kind: {output}")
