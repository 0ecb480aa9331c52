"""`workbench knowledge ...`: the texts that retrieval chooses from, and the normals: in and out, found, looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs import knowledge_change, knowledge_normals
from jobs.options import Data, Json, actor, make_sure_of
from workbench import wording

if TYPE_CHECKING:
    from warehouse.store import Store

app = typer.Typer(help="The texts that retrieval chooses from.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="DESCRIPTION", help="DATASET/PRODUCT/ENTRY, as `list` shows it.")]
Revision = Annotated[int | None, typer.Option(help="Which revision (default: the newest).", show_default=False)]


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="MMAD's domain_knowledge.json, a .csv, or a folder DATASET/PRODUCT/ENTRY.md.")
    ],
    draft: Annotated[
        bool, typer.Option("--draft", help="Store new and changed texts as drafts; nothing goes live.")
    ] = False,
    archive: Annotated[
        Path | None, typer.Option(help="Where the pictures of the file's normals are, if not in an archive known here.")
    ] = None,
    data: Data = None,
) -> None:
    """Add new and changed texts as revisions, and publish the result; normals too, if the export has some beside.

    The file is all there is of the data sets it names: entries it no longer has leave the published set. A file that
    ends in .jsonl holds normals alone.

    Example: workbench knowledge import domain_knowledge.json
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.archive import normal_files

    store, pictures = Store(settings.data_folder(data)), normal_files.beside(file)
    if pictures != file and not (pictures.is_file() and _has_no_text(file)):
        _import_texts(store, file, draft)
    if pictures == file or pictures.is_file():
        _import_normals(store, pictures, draft, archive)


def _has_no_text(file: Path) -> bool:
    """Whether an export had normals alone."""
    return not file.exists() or (file.is_dir() and next(file.rglob("*.md"), None) is None)


def _import_texts(store: Store, file: Path, draft: bool) -> None:
    from workbench.archive import knowledge_files as knowledge
    from workbench.archive import skipped_files

    done = knowledge.import_file(store, file, publish=not draft, actor=actor())
    others = knowledge.other_files(file)
    changes = f"({done.added} new, {done.changed} changed, {done.unchanged} unchanged, {done.withdrawn} withdrawn)"
    if draft:
        typer.echo(
            f"drafts: {wording.counted(done.added + done.changed, 'text')} {changes}; test "
            "one: workbench knowledge test DESCRIPTION"
        )
    else:
        typer.echo(f"knowledge {done.version}: {wording.counted(done.published, 'text')} published {changes}")
    if others:
        total = wording.counted(others.total(), "file")
        typer.echo(f"passed over: {total}: no text by its name, which ends in .md: {skipped_files.by_kind(others)}")


def _import_normals(store: Store, file: Path, draft: bool, archive: Path | None) -> None:
    from workbench import settings
    from workbench.curation import normals

    if archive is not None:
        make_sure_of(archive)
        normals.register(store, archive, settings.load({}).settings)
    done = normals.import_file(store, file, publish=not draft, actor=actor())
    retired = f", {done.retired} left retired" if done.retired else ""
    changes = f"({done.added} new, {done.changed} changed, {done.unchanged} unchanged{retired})"
    if draft:
        typer.echo(f"proposed or retired: {wording.counted(done.added + done.changed, 'normal')} {changes}")
    else:
        typer.echo(f"knowledge {done.version}: {wording.counted(done.published, 'normal')} published {changes}")
    knowledge_normals.show_left_out(done.left_out)


@app.command("export")
def export_texts(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .json, a .csv, or a new folder for Markdown.")],
    run: Annotated[str | None, typer.Option(help="What this run used, instead of what stands now.")] = None,
    data: Data = None,
) -> None:
    """Write the published texts, or exactly those a run read, to a file that `import` takes; and the normals beside.

    Of normals, where each stands and where it comes from is written, to NAME.normals.jsonl, or normals.jsonl in a
    folder; their pictures stay in their archives.

    Example: workbench knowledge export -o domain_knowledge.json
    """
    from warehouse import file_permissions
    from warehouse.queries.normals import Normals
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings
    from workbench.archive import knowledge_files as knowledge
    from workbench.archive import normal_files

    store = Store(settings.data_folder(data))
    if run is None:
        texts, normals = store.published_knowledge()[1], Normals(store.data).standing()
    else:
        version = RunNotes(store.data).run(run).knowledge_version or ""
        texts = store.knowledge(version)
        normals = [replace(each, state="published") for each in Normals(store.data).of_version(version)]
    pictures = normal_files.beside(output)
    with file_permissions.users_umask():
        if pictures == output:
            texts = []
        elif texts or not normals:
            typer.echo(f"{wording.counted(knowledge.write(texts, output), 'text')} written to {output}")
        if written := normal_files.write(normals, pictures):
            typer.echo(f"{wording.counted(written, 'normal')} written to {pictures}")


@app.command("list")
def list_texts(data: Data = None, json_: Json = False) -> None:
    """Show the published texts.

    Example: workbench knowledge list --json
    """
    from rich.table import Table

    from jobs import screen
    from warehouse.store import Store
    from warehouse.vectors import Vectors
    from workbench import settings
    from workbench.curation import edit as curation

    store = Store(settings.data_folder(data))
    version, descriptions = store.published_knowledge()
    counts = Vectors(store.data).window_counts([d.description_id for d in descriptions])
    if json_:
        texts = [
            {"description_id": d.description_id, "revision": d.revision, "text": d.text,
             "windows": counts.get((d.description_id, d.revision), {})}
            for d in descriptions
        ]  # fmt: skip
        typer.echo(json.dumps({"version": version.version if version else None, "descriptions": texts}, indent=1))
        return
    if version is None:
        typer.echo("no knowledge is published: workbench knowledge import FILE")
        return
    title = f"knowledge {version.version}"
    table = Table("description", "revision", "retrieval", "text", title=title, title_justify="left")
    for d in descriptions:
        seen = curation.retrieval_coverage(counts.get((d.description_id, d.revision), {}))
        shown = (d.description_id, str(d.revision), seen, d.text.partition("\n")[0][:80])
        table.add_row(*map(screen.plain, shown))
    screen.stdout().print(table)


@app.command("search")
def search_texts(
    words: Annotated[str, typer.Argument(help="What to look for; with --image or --images left empty or a text.")] = "",
    image: Annotated[Path | None, typer.Option(help="Which texts this picture would be shown.")] = None,
    images: Annotated[
        str | None, typer.Option(metavar="DESCRIPTION", help="Which images WORDS would be shown to as this text.")
    ] = None,
    product: Annotated[str | None, typer.Option(help="Only texts of DATASET/PRODUCT.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.")] = 10,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Find texts by meaning and by words; or what retrieval makes of a picture or a text.

    Needs a run that used knowledge: its encoder is the space that is searched.

    Example: workbench knowledge search "thin bright line"
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import search

    store = Store(settings.data_folder(data))
    screen.without_loading_bars("embedded")
    if images is not None:
        screen.show_blast(search.images_for(store, images, words), limit, json_)
        return
    encoder = search.encoder_of(store)
    found = (
        search.texts_for(store, image, encoder, limit)
        if image is not None
        else search.search(store, words, encoder, product, limit)
    )
    rows = [
        {"description_id": each.description.description_id, "revision": each.description.revision,
         "state": each.description.state, "score": round(each.score, 4), "text": each.description.text}
        for each in found
    ]  # fmt: skip
    screen.rows(rows, json_, empty="nothing was found")


@app.command("diff")
def diff_texts(description: Id, revision: Revision = None, data: Data = None) -> None:
    """Show a revision against the published text, word by word: [-gone-] and {+new+}.

    Example: workbench knowledge diff Drawn/hex_nut/rust
    """
    from jobs import screen
    from warehouse.queries.curation import Curation
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import edit as curation

    store = Store(settings.data_folder(data))
    chosen = curation.revision(store, description, revision)
    published = {d.description_id: d for d in Curation(store.data).published()[1]}
    old = published.get(description)
    typer.echo(
        f"revision {chosen.revision} ({chosen.state}) against {f'revision {old.revision}' if old else 'nothing'}"
    )
    marks = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
    words = curation.diff(old.text if old else "", chosen.text)
    typer.echo(screen.harmless(" ".join(marks[kind].format(run) for kind, run in words)))


@app.command("history")
def show_history(
    description: Annotated[str | None, typer.Argument(help="Of one description (default: of all).")] = None,
    limit: Annotated[int, typer.Option(help="How many lines.")] = 40,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show what was changed, by whom and why, newest first; with the versions that can be rolled back to.

    Example: workbench knowledge history
    """
    from jobs import screen
    from warehouse.queries.curation import Curation
    from workbench import settings

    changes = Curation(settings.data_folder(data)).changes(description, limit)
    rows = [
        {"at": f"{each.changed_at:%Y-%m-%d %H:%M}", "description": each.description_id, "revision": each.revision,
         "became": each.state, "version": each.version or "", "author": each.author, "reason": each.reason}
        for each in changes
    ]  # fmt: skip
    screen.rows(rows, json_, empty="nothing was changed yet")


knowledge_change.register(app)
app.add_typer(knowledge_normals.app, name="normals")
