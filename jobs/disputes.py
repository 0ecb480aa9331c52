"""`workbench disputes open|push|pull|listen|list|settle`: cases to people and their verdicts back."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Literal

import typer

from jobs.options import Data, Json, actor
from workbench import wording

app = typer.Typer(help="Cases that people should judge: open, send, bring back, settle.", no_args_is_help=True)
Patience = Annotated[float, typer.Option("--patience", min=1, help="Seconds to try a server that doesn't answer.")]


@app.command("open")
def open_disputes(
    run: Annotated[str | None, typer.Option("--run", help="Whose answers.  [default: latest]")] = None,
    budget: Annotated[int, typer.Option("--budget", min=1, help="Reviews that can be afforded.")] = 40,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Dispute answers against the label.")] = True,
    blind: Annotated[float, typer.Option("--blind", min=0, max=1, help="Share judged by two, blind.")] = 0.1,
    audit: Annotated[float, typer.Option("--audit", min=0, max=1, help="Share of the budget drawn at random.")] = 0.2,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Dispute a run's suspicious answers, and some at random; say what the budget will catch.

    Example: workbench disputes open --budget 40
    """
    from dataclasses import asdict

    from warehouse.queries.run_notes import LATEST, RunNotes
    from warehouse.store import Store
    from workbench import settings
    from workbench.review import disputes
    from workbench.review.rules import AUDIT_SHARE, Rules

    store = Store(settings.data_folder(data))
    chosen = RunNotes(store.data).run(run or LATEST).run_id
    opened = disputes.open_run(store, chosen, Rules(budget, labels, audit, blind), actor=actor())
    if json_:
        typer.echo(json.dumps(asdict(opened), indent=1))
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in opened.reasons.items()) or "no suspicion"
    typer.echo(f"run {opened.run_id}: {opened.added} reasons added, with the audit lane's (rules raised {reasons})")
    if opened.left_out:
        typer.echo(f"past the budget and left out: {disputes.kinds(opened.left_out)}")
    typer.echo(
        f"audit lane: {opened.audited} drawn at random from {wording.counted(opened.population, 'undisputed case')}"
    )
    if opened.uncalibrated:
        typer.echo(f"not calibrated: {disputes.WHY_NOT[opened.uncalibrated]}; there is {opened.learnt_from}")
    else:
        typer.echo(f"calibrated on {opened.learnt_from}")
    if opened.point:
        p = opened.point
        typer.echo(
            f"the first {wording.counted(p.reviews, 'task')} sent, "
            f"{wording.percent(AUDIT_SHARE)} of them drawn at random: "
            f"{p.caught:.0f} errors caught ({p.caught_low:.0f}-{p.caught_high:.0f}), {p.missed:.0f} left "
            f"({p.missed_low:.0f}-{p.missed_high:.0f}), both 90 % intervals"
        )


@app.command("push")
def push_disputes(
    limit: Annotated[int, typer.Option("--limit", min=0, help="Tasks at most; second looks come first.")] = 40,
    new_project: Annotated[
        bool, typer.Option("--new-project", help="Give up a deleted project and send its unjudged cases again.")
    ] = False,
    patience: Patience = 60.0,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Send the heaviest open disputes to Label Studio; doing it again sends nothing twice.

    Example: workbench disputes push --limit 40
    """
    from dataclasses import asdict

    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.review.labelstudio import configuration, push

    folder = settings.data_folder(data)
    done = push.push(
        Store(folder), configuration.connect(folder, patience), limit=limit, anew=new_project, actor=actor()
    )
    if json_:
        typer.echo(json.dumps(asdict(done), indent=1))
    else:
        typer.echo(
            f"{wording.counted(done.sent, 'task')} sent, {done.found} found there already, "
            f"{wording.counted(done.waiting, 'dispute waits', 'disputes wait')}"
        )
        for address in done.projects:
            typer.echo(f"judge them: {address}")
        for problem in done.unreadable:
            typer.echo(screen.harmless(f"not shown: {problem}"), err=True)
    raise typer.Exit(1 if done.unreadable else 0)


@app.command("pull")
def pull_verdicts(patience: Patience = 60.0, data: Data = None, json_: Json = False) -> None:
    """Bring verdicts back, follow edits and deletions, settle what follows.

    Example: workbench disputes pull
    """
    from dataclasses import asdict

    from warehouse.store import Store
    from workbench import settings
    from workbench.review.labelstudio import configuration, pull

    folder = settings.data_folder(data)
    done = pull.pull(Store(folder), configuration.connect(folder, patience), actor=actor())
    if json_:
        typer.echo(json.dumps(asdict(done), indent=1))
    else:
        typer.echo(done.summary)


@app.command("listen")
def listen_for_hints(
    port: Annotated[int, typer.Option("--port", help="On this machine's loopback.")] = 8086,
    every: Annotated[float, typer.Option("--every", min=1, help="Minutes between pulls that nobody hinted at.")] = 15.0,
    patience: Patience = 60.0,
    data: Data = None,
) -> None:
    """Pull whenever a webhook of Label Studio says that something changed there; what else it says is not believed.

    Example: workbench disputes listen --port 8086
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.processes import stop_signals
    from workbench.review.labelstudio import configuration, pull, webhooks

    folder = settings.data_folder(data)
    asked, home = configuration.connect(folder, patience), folder / configuration.FOLDER
    listener = webhooks.WebhookListener(port, webhooks.secret(home))
    typer.echo(f"listening on http://127.0.0.1:{listener.server_address[1]}/ for {asked.studio.url}")
    typer.echo(
        f"in each project there: Settings, Webhooks; that address, or the one of your proxy before it, with a header "
        f"{webhooks.HEADER} that holds what is in {webhooks.secret_file(home)}"
    )
    with contextlib.suppress(KeyboardInterrupt), stop_signals(listener.stop):
        webhooks.follow(
            listener, lambda: pull.pull(Store(folder), asked, actor=actor()).summary, 60 * every, typer.echo
        )
    typer.echo("stopped")


@app.command("list")
def list_disputes(
    state: Annotated[
        Literal["open", "pushed", "judged", "conflict", "settled"] | None, typer.Option("--state", help="Only these.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")] = 40,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show the queue, heaviest first.

    Example: workbench disputes list --state conflict
    """
    from rich.table import Table

    from jobs import screen
    from warehouse.queries.reviews import Reviews
    from workbench import settings

    queue = Reviews(settings.data_folder(data)).queue()
    chosen = queue.filter(state=state) if state else queue
    if json_:
        typer.echo(json.dumps(chosen.head(limit).to_dicts(), indent=1, default=str))
        return
    if chosen.is_empty():
        typer.echo(f"no dispute is {state}" if queue.height else "nothing is disputed yet: workbench disputes open")
        return
    table = Table("dispute", "weight", "reasons", "image", "question", "answer", "state")
    for row in chosen.head(limit).iter_rows(named=True):
        cells = (row["dispute_id"][:10], f"{row['weight']:.2f}", ", ".join(row["reasons"] or []), row["image_path"])
        table.add_row(*map(screen.plain, (*cells, row["question"][:40], str(row["answer"]), row["state"])))
    screen.stdout().print(table)
    typer.echo(f"showing {min(limit, chosen.height)} of {chosen.height}")


@app.command("settle")
def settle(
    dispute: Annotated[str, typer.Argument(help="Its name, or the beginning of it.", show_default=False)],
    decision: Annotated[
        Literal["correct", "wrong", "unsure", "reopen"],
        typer.Argument(help="About the model's answer.", show_default=False),
    ],
    right: Annotated[str | None, typer.Option("--right", help="Letter of the right option.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    data: Data = None,
) -> None:
    """Settle a dispute by hand, or take a settlement back with `reopen`.

    Example: workbench disputes settle 3f9a12 wrong --right B --reason seen
    """
    from warehouse.queries.reviews import Reviews
    from workbench import settings
    from workbench.review import agreement

    reviews = Reviews(settings.data_folder(data))
    if decision == "reopen":
        agreement.reopen(reviews, dispute, reason, actor=actor())
        typer.echo(f"dispute {dispute} is open again")
        return
    settled = agreement.settle_by(reviews, dispute, decision, right, reason, actor=actor())
    answer = f", {settled.right_answer} is right" if settled.right_answer else ""
    typer.echo(f"dispute {settled.dispute_id[:10]} is settled: {settled.decision}{answer}, by {settled.author}")
