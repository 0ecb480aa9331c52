"""`workbench runs`: what was scored, newest first; names, notes and tags of runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from jobs.options import RUN_HELP, Alarms, Author, Data, Json, Truth, actor

app = typer.Typer(invoke_without_command=True)


@app.callback()
def list_runs(
    context: typer.Context,
    truth: Truth = "archive",
    alarms: Alarms = "answers",
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden runs too.")] = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """List the runs, newest first; `set` names them, tags them, hides them.

    Example: workbench runs --json
    """
    if context.invoked_subcommand is not None:
        return
    from rich.table import Column, Table

    from jobs import screen
    from warehouse.queries.groundings import Groundings
    from warehouse.queries.pieces import Pieces
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings, wording
    from workbench.analysis import alarms as unlabelled_calls
    from workbench.analysis import pieces, review_coverage, right_reason
    from workbench.review import threshold_sentences

    store = Store(settings.data_folder(data))
    with store.together():
        found, totals, settled = store.runs(), store.run_totals(truth, alarms), store.verified()
        unlabelled = store.called_defective(truth, alarm_rule=alarms)
        reasons = right_reason.by_run(Groundings(store.data).of_runs(None, truth, alarms))
        of_pieces = Pieces(store.data).of_runs(None, truth, alarms)
        notes = RunNotes(store.data).all()
    by_run = {
        str(run_id): pieces.of(rows) for (run_id,), rows in of_pieces.partition_by("run_id", as_dict=True).items()
    }
    counted = totals.select(
        "run_id", "labelled", "correct", "escape", "overkill", "unreadable", "unclaimed", "alarms", "passes"
    )
    listed = found.join(counted, on="run_id", how="left", maintain_order="left").iter_rows(named=True)
    left_out = [] if hidden else [run_id for run_id, note in notes.items() if note.hidden]
    rows = [row for row in listed if row["run_id"] not in left_out]
    for row in rows:
        note = notes.get(row["run_id"])
        row |= {"name": note and note.name, "note": note and note.note, "tags": list(note.tags) if note else []}
        row["hidden"] = bool(note and note.hidden)
        cells = unlabelled.filter(run_id=row["run_id"])
        row["called"] = unlabelled_calls.total(cells)
        row["called_defective"] = {**asdict(row["called"]), "groups": unlabelled_calls.table(cells).to_dicts()}
        row["right_reason"] = reasons.get(row["run_id"])
    said = threshold_sentences.of_runs(store, [row["run_id"] for row in rows], alarms)
    if alarms != "answers":
        for row in rows:
            row["alarm_rule"], row["thresholds"] = alarms, said[row["run_id"]]
    if truth == "reviewed":
        for row in rows:
            row["truth"] = truth
            row["verified"] = review_coverage.verified(settled.filter(run_id=row["run_id"]), row["labelled"] or 0)
    if json_:
        for row in rows:
            row["settings"], row["versions"] = json.loads(row["settings"]), json.loads(row["versions"])
            del row["called"]
            row["right_reason"] = asdict(row["right_reason"]) if row["right_reason"] else None
            by_piece = by_run.get(row["run_id"])
            row["pieces"] = asdict(by_piece) if by_piece else None
            if "verified" in row:
                row["verified"] = asdict(row["verified"])
        typer.echo(json.dumps(rows, default=str, indent=1))
        return
    if left_out:
        typer.echo(f"{wording.counted(len(left_out), 'hidden run')} left out; --hidden lists them too", err=True)
    if not rows:
        if not left_out:
            typer.echo("no runs yet: workbench score FOLDER, or workbench demo")
        return
    names = ["purpose", "state", "model", "planned", "answered", "invalid", "failed", "accuracy"]
    measured = any(row["right_reason"] for row in rows)
    names += ["right for the right reason", "called defective"] if measured else ["called defective"]
    names += ["verified", "message"] if truth == "reviewed" else ["message"]
    written = any(row["name"] or row["tags"] for row in rows)
    table = Table(Column("run", no_wrap=True), *(["name, tags"] if written else []), *names)
    for row in rows:
        model = screen.DEMO if row["demo"] else row["model"]
        counts = (str(row[name]) for name in ("planned", "answered", "invalid", "failed"))
        accuracy = f"{row['correct'] / row['labelled']:.3f} of {row['labelled']:,}" if row["labelled"] else "-"
        shown = [review_coverage.short(row["verified"])] if truth == "reviewed" else []
        message = row["message"] or ""
        called = row["called"].short
        reason = [row["right_reason"].short if row["right_reason"] else "-"] if measured else []
        called_so = [" ".join([row["name"] or "", *(f"#{tag}" for tag in row["tags"])]).strip()] if written else []
        table.add_row(
            row["run_id"],
            *called_so,
            row["purpose"],
            row["state"],
            model,
            *counts,
            accuracy,
            *reason,
            called,
            *shown,
            message,
        )
    screen.stdout().print(table)
    for run_id, sentence in said.items():
        screen.stdout().print(f"{run_id}  {sentence}")
    for row in rows:
        if by_piece := by_run.get(row["run_id"]):
            screen.stdout().print(f"{row['run_id']}  {by_piece.sentence}")


@app.command("set")
def set_note(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    name: Annotated[str | None, typer.Option(help="Stands for the run wherever one is named; '' takes it.")] = None,
    note: Annotated[str | None, typer.Option(help="What to know about the run.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag to add; may be given several times.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="A tag to take away.")] = None,
    hide: Annotated[bool | None, typer.Option("--hide/--unhide", help="Leave the run out of lists; or not.")] = None,
    author: Author = None,
    data: Data = None,
) -> None:
    """Name a run, write a note on it, tag it, or hide it from lists. No number changes.

    Example: workbench runs set latest --name baseline --tag october
    """
    from warehouse.queries.run_notes import NoteChange, RunNotes
    from workbench import settings

    if (name, note, hide) == (None, None, None) and not tag and not untag:
        raise typer.BadParameter("say what to set: --name, --note, --tag, --untag, --hide or --unhide")
    notes = RunNotes(settings.data_folder(data))
    change = NoteChange(name, note, tuple(tag or ()), tuple(untag or ()), hide)
    after = notes.change(notes.run(run).run_id, change, actor=actor(author))
    said = [after.name, after.note, *(f"#{each}" for each in after.tags), "hidden from lists" if after.hidden else ""]
    typer.echo(f"{after.run_id}  {' · '.join(filter(None, said)) or 'no name, note or tag'}")
