"""`workbench knowledge normals ...`: the good pictures that others are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import Config, Data, Json, Set, actor, make_sure_of, settings_of
from workbench import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.screen import Progress
    from warehouse.queries.normals import LeftOut
    from warehouse.store import Store
    from workbench.curation.normal_checks import Checks

app = typer.Typer(help="The good pictures that others are compared with.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(metavar="NORMAL...", help="The first digits of contents, as `list` shows.")]
Author = Annotated[str | None, typer.Option(help="Who did it (default: your login).", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the history.")]
Compare = Annotated[str, typer.Option(help="The tower that compares: a hub name, a folder, or photos.")]
_SHOWN = 5


@app.command("import")
def import_archive(
    archive: Annotated[Path, typer.Argument(help="An archive with train/good, or a sidecar that names references.")],
    references: Annotated[
        Path | None, typer.Option(help="DIR/PRODUCT/* of good pictures, for products that ARCHIVE has none of.")
    ] = None,
    sidecar: Annotated[
        Path | None, typer.Option(help="images.csv, .jsonl or .xlsx (default: the one in ARCHIVE).")
    ] = None,
    proposed: Annotated[bool, typer.Option("--proposed", help="Leave new ones proposed; nothing goes live.")] = False,
    author: Author = None,
    set_: Set = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Add what ARCHIVE declares as normal, and publish it: train/good, the sidecar's references, --references.

    A picture that somebody retired stays retired; one that is called defective anywhere is left out.

    Example: workbench knowledge normals import photos
    """
    make_sure_of(archive)
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import normals

    loaded = settings.load(settings_of({"sidecar": sidecar, "references": references}, set_), config).settings
    store, who = Store(settings.data_folder(data)), actor(author)
    done = normals.import_archive(store, archive, loaded, publish=not proposed, actor=who)
    retired = f", {done.retired} left retired" if done.retired else ""
    changes = f"({done.added} new, {done.changed} changed, {done.unchanged} unchanged{retired})"
    if proposed:
        typer.echo(f"proposed: {wording.counted(done.added + done.changed, 'normal')} {changes}")
    else:
        typer.echo(f"knowledge {done.version}: {wording.counted(done.published, 'normal')} published {changes}")
    show_left_out(done.left_out)


@app.command("propose")
def propose(author: Author = None, data: Data = None) -> None:
    """Propose pictures that a run called defective and people settled as good. Nothing goes live.

    Example: workbench knowledge normals propose
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import normals

    done = normals.propose(Store(settings.data_folder(data)), actor=actor(author))
    typer.echo(f"{wording.counted(done.added, 'normal')} proposed by verdicts")
    show_left_out(done.left_out)
    if done.added:
        typer.echo("next: workbench knowledge normals list, then workbench knowledge normals publish NORMAL")


@app.command("list")
def list_normals(
    product: Annotated[str | None, typer.Option(help="Only of DATASET/PRODUCT.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Retired ones too.")] = False,
    version: Annotated[str | None, typer.Option(help="Of this knowledge version, as `runs` shows it.")] = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show normals with where they stand and where they come from.

    Example: workbench knowledge normals list --json
    """
    from jobs import screen
    from warehouse.queries.normals import Normals
    from workbench import settings

    normals = Normals(settings.data_folder(data))
    if version is not None:
        found = [each for each in normals.of_version(version) if product in (None, f"{each.dataset}/{each.product}")]
    elif all_:
        found = normals.in_state("proposed", "published", "retired", product=product)
    else:
        found = normals.in_state("proposed", "published", product=product)
    rows = [
        {"normal": each.content if json_ else each.content[:12], "product": f"{each.dataset}/{each.product}",
         "state": each.state, "path": each.path, "origin": each.origin, "author": each.author, "reason": each.reason}
        for each in found
    ]  # fmt: skip
    screen.rows(rows, json_, empty="there are no normals: workbench knowledge normals import ARCHIVE")


@app.command("check")
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NORMAL...", help="Say what publishing these would do.")
    ] = None,
    defects: Annotated[
        bool, typer.Option("--defects", help="Also name those that hide a defect which is known; takes longer.")
    ] = False,
    compare: Compare = "photos",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Name published normals that the others disown; with NORMAL, say what publishing it would do to known pictures.

    Example: workbench knowledge normals check
    """
    from jobs import screen
    from warehouse.queries.normals import Normals
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import normals

    store = Store(settings.data_folder(data))
    with screen.Progress() as watch:
        checks = _checks(store, compare, watch)
        if names:
            chosen = normals.named(store, names)
            typer.echo(screen.harmless(checks.effect(chosen).words))
            return
        found = checks.suspects()
        hiding = checks.hiding() if defects else []
    rows = [
        {"normal": each.normal.content[:12], "product": f"{each.normal.dataset}/{each.normal.product}",
         "path": each.normal.path, "score": round(each.score, 4), "why": each.words}
        for each in found
    ]  # fmt: skip
    rows += [
        {"normal": each.content[:12], "product": f"{each.dataset}/{each.product}", "path": each.path, "score": None,
         "why": f"without it {wording.counted(len(effect.lost), 'known defect')} would be caught, such as "
         f"{effect.lost[0]}"}
        for each, effect in hiding
    ]  # fmt: skip
    known = Normals(store.data)
    rows += [
        {"normal": "", "product": "", "path": each.path, "score": None, "why": each.reason}
        for each in known.contradicted("published")
    ]
    published = wording.counted(len(known.in_state("published")), "published normal")
    screen.rows(rows, json_, empty=f"of {published} none looks out of place")


@app.command("publish")
def publish(
    names: Names,
    reason: Annotated[str | None, typer.Option(help="Needed where the check speaks against it; kept.")] = None,
    compare: Compare = "photos",
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Ask no tower; needs --reason.")] = False,
    author: Author = None,
    data: Data = None,
) -> None:
    """Make proposed or retired normals live: the next run is compared with them.

    Before, pictures of known truth are compared with and without them: where a defect that is caught now would be
    passed, a reason is needed.

    Example: workbench knowledge normals publish 3f9ac1
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import normals

    store = Store(settings.data_folder(data))
    chosen = normals.named(store, names)
    with screen.Progress() as watch:
        checks = None if unchecked else _checks(store, compare, watch)
        made = normals.publish(store, chosen, reason, checks, actor=actor(author))
    typer.echo(f"knowledge {made.version}: {wording.counted(len(made.normals), 'normal')} published")


@app.command("retire")
def retire(names: Names, reason: Reason, author: Author = None, data: Data = None) -> None:
    """Take normals out of the published set, or put proposed ones aside. No import brings them back.

    Example: workbench knowledge normals retire 3f9ac1 --reason scratched
    """
    from warehouse.queries.normals import Normals
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import normals

    store = Store(settings.data_folder(data))
    numbers = [each.number for each in normals.named(store, names)]
    made = Normals(store.data).retire(numbers, reason, actor=actor(author))
    left = (
        f"knowledge {made.version}: {wording.counted(len(made.normals), 'normal')} published" if made else "put aside"
    )
    typer.echo(left)


@app.command("rollback")
def rollback(
    version: Annotated[str, typer.Argument(help="A version, as `history` and `runs` show it.")],
    reason: Reason,
    author: Author = None,
    data: Data = None,
) -> None:
    """Publish an earlier version's very normals and texts again; the same as `workbench knowledge rollback`.

    Example: workbench knowledge normals rollback b3c38795a404 --reason worse
    """
    from warehouse.queries.curation import Curation
    from workbench import settings

    done = Curation(settings.data_folder(data)).rollback(version, reason, actor=actor(author))
    typer.echo(
        f"knowledge {done.version}: {wording.counted(len(done.normals), 'normal')} and "
        f"{wording.counted(len(done.members), 'text')} published again"
    )


@app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(metavar="NORMAL", help="Of one normal (default: of all).")] = None,
    limit: Annotated[int, typer.Option(help="How many lines.")] = 40,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show what became of normals, by whom and why, newest first; with the versions that can be rolled back to.

    Example: workbench knowledge normals history
    """
    from jobs import screen
    from warehouse.queries.normals import Normals
    from workbench import settings

    normals = Normals(settings.data_folder(data))
    chosen = normals.named(name).number if name else None
    known = {each.number: each for each in normals.in_state("proposed", "published", "retired")}
    rows = [
        {"at": f"{each.changed_at:%Y-%m-%d %H:%M}", "normal": known[each.normal].content[:12],
         "path": known[each.normal].path, "became": each.state, "version": each.version or "",
         "author": each.author, "reason": each.reason}
        for each in normals.changes(chosen, limit)
    ]  # fmt: skip
    screen.rows(rows, json_, empty="nothing was changed yet")


def show_left_out(left_out: Sequence[LeftOut]) -> None:
    """The first few, on stderr."""
    from jobs import screen

    for each in left_out[:_SHOWN]:
        typer.echo(screen.harmless(f"left out: {each.path}: {each.reason}"), err=True)
    if len(left_out) > _SHOWN:
        typer.echo(f"left out: {len(left_out) - _SHOWN} more", err=True)


def _checks(store: Store, tower: str, watch: Progress) -> Checks:
    from workbench.comparison.vision_towers import load_tower
    from workbench.curation.normal_checks import Checks

    watch.step(f"loading {tower}")
    return Checks(store, load_tower(tower), lambda number: watch.step(f"comparing: {number}"))
