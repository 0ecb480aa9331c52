"""`workbench runs`: what was scored, newest first."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from jobs.options import Alarms, Data, Json, Truth


def command(truth: Truth = "archive", alarms: Alarms = "answers", data: Data = None, json_: Json = False) -> None:
    """List the runs, newest first.

    Example: workbench runs --json
    """
    from rich.table import Column, Table

    from jobs import screen
    from warehouse.queries.groundings import Groundings
    from warehouse.queries.pieces import Pieces
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import alarms as unlabelled_calls
    from workbench.analysis import pieces, review_coverage, right_reason
    from workbench.review import threshold_sentences

    store = Store(settings.data_folder(data))
    with store.together():
        found, totals, settled = store.runs(), store.run_totals(truth, alarms), store.verified()
        unlabelled = store.called_defective(truth, alarm_rule=alarms)
        reasons = right_reason.by_run(Groundings(store.data).of_runs(None, truth, alarms))
        of_pieces = Pieces(store.data).of_runs(None, truth, alarms)
    by_run = {
        str(run_id): pieces.of(rows) for (run_id,), rows in of_pieces.partition_by("run_id", as_dict=True).items()
    }
    counted = totals.select(
        "run_id", "labelled", "correct", "escape", "overkill", "unreadable", "unclaimed", "alarms", "passes"
    )
    rows = list(found.join(counted, on="run_id", how="left", maintain_order="left").iter_rows(named=True))
    for row in rows:
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
    if not rows:
        typer.echo("no runs yet: workbench score FOLDER, or workbench demo")
        return
    names = ["purpose", "state", "model", "planned", "answered", "invalid", "failed", "accuracy"]
    measured = any(row["right_reason"] for row in rows)
    names += ["right for the right reason", "called defective"] if measured else ["called defective"]
    names += ["verified", "message"] if truth == "reviewed" else ["message"]
    table = Table(Column("run", no_wrap=True), *names)
    for row in rows:
        model = screen.DEMO if row["demo"] else row["model"]
        counts = (str(row[name]) for name in ("planned", "answered", "invalid", "failed"))
        accuracy = f"{row['correct'] / row['labelled']:.3f} of {row['labelled']:,}" if row["labelled"] else "-"
        shown = [review_coverage.short(row["verified"])] if truth == "reviewed" else []
        message = row["message"] or ""
        called = row["called"].short
        reason = [row["right_reason"].short if row["right_reason"] else "-"] if measured else []
        table.add_row(
            row["run_id"], row["purpose"], row["state"], model, *counts, accuracy, *reason, called, *shown, message
        )
    screen.stdout().print(table)
    for run_id, sentence in said.items():
        screen.stdout().print(f"{run_id}  {sentence}")
    for row in rows:
        if by_piece := by_run.get(row["run_id"]):
            screen.stdout().print(f"{row['run_id']}  {by_piece.sentence}")
