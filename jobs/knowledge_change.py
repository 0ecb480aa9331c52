"""`workbench knowledge edit|propose|blast|test|lift|publish|retire|rollback`: from a better text to a published one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import Author, Data, Json, actor
from workbench import wording

if TYPE_CHECKING:
    from warehouse.records.audit import Actor
    from warehouse.records.curation import GateResult
    from warehouse.records.scoring import Description
    from warehouse.store import Store

Id = Annotated[str, typer.Argument(metavar="DESCRIPTION", help="DATASET/PRODUCT/ENTRY, as `list` shows it.")]
Revision = Annotated[int | None, typer.Option(help="Which revision (default: the newest).", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the history.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `workbench knowledge`."""
    for name, command in (
        ("edit", edit), ("propose", propose), ("blast", blast), ("test", gate), ("lift", lift),
        ("publish", publish), ("retire", retire), ("rollback", rollback),
    ):  # fmt: skip
        app.command(name)(command)


def edit(
    description: Id,
    reason: Reason,
    text: Annotated[str | None, typer.Option(help="The new text.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the new text.")] = None,
    author: Author = None,
    data: Data = None,
) -> None:
    """Store a new text as a draft: the description's next revision. Nothing goes live.

    Example: workbench knowledge edit D/nut/rust --text "Orange." --reason clearer
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import edit as curation
    from workbench.curation import outlook

    if (text is None) == (file is None):
        raise typer.BadParameter("give the text with --text, or a file that holds it with --file")
    words = text if text is not None else file.read_text(encoding="utf-8") if file else ""
    saved = curation.edit(Store(settings.data_folder(data)), description, words, reason, actor=actor(author))
    typer.echo(f"{description} revision {saved.draft.revision} is a draft")
    for finding in saved.findings:
        typer.echo(screen.harmless(f"{'blocks' if finding.blocks else 'look at'}: {finding.rule}: {finding.message}"))
    for other in saved.alike:
        typer.echo(f"look at: says nearly the same as {other.description_id}")
    look = outlook.of(Store(settings.data_folder(data)), saved.draft)
    typer.echo(look.in_words())
    typer.echo(f"next: workbench knowledge test {description}{' --nights' if look.needs_nights else ''}")


def propose(
    accept: Annotated[str | None, typer.Option(help="Store this proposal as a draft, as it stands.")] = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite",
            help="Also let the newest run's model suggest a wording; with --accept take it, marked as such.",
        ),
    ] = False,
    author: Author = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show what reviewers' verdicts propose, each sentence with the verdicts behind it.

    Example: workbench knowledge propose
    """
    from dataclasses import asdict

    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import proposals

    if rewrite:
        from workbench.curation import rewording  # with a model, and PyTorch
    store = Store(settings.data_folder(data))
    waiting = proposals.waiting(store)
    found = waiting.proposals
    for problem in waiting.problems:
        typer.echo(screen.harmless(f"no proposal could be made of {problem}"), err=True)
    screen.without_loading_bars("embedded")
    if accept is not None:
        own = next((each for each in found if each.description_id == accept), None)
        wording = rewording.suggested(store, own) if own and rewrite else None
        saved = proposals.accept(store, accept, rewording=wording, actor=actor(author))
        typer.echo(f"{accept} revision {saved.draft.revision} is a draft; next: workbench knowledge test {accept}")
        return
    if json_:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1, default=str))
        return
    for each in found:
        typer.echo(f"{each.description_id}: {each.why}")
        for sentence in each.sentences:
            origin = f"{sentence.origin}{f' x{sentence.votes}' if sentence.votes else ''}"
            typer.echo(screen.harmless(f"  [{origin}] {sentence.text}"))
        if rewrite:
            typer.echo(screen.harmless(f"  [model, a suggestion] {rewording.suggested(store, each)}"))
    typer.echo(
        "accept one: workbench knowledge propose --accept DESCRIPTION" if found else "no verdict proposes a text"
    )


def blast(
    description: Id,
    revision: Revision = None,
    limit: Annotated[int, typer.Option(help="How many images to show.")] = 10,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show which images of the newest run would be shown something else, and what testing that costs.

    Example: workbench knowledge blast Drawn/hex_nut/rust
    """
    from jobs import screen
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import blast_radius as radius
    from workbench.curation import edit as curation

    store = Store(settings.data_folder(data))
    screen.without_loading_bars("embedded")
    screen.show_blast(radius.radius(store, curation.revision(store, description, revision)), limit, json_)


def gate(
    descriptions: Annotated[
        list[str],
        typer.Argument(metavar="DESCRIPTION", help="DATASET/PRODUCT/ENTRY; with --nights also several of a product."),
    ],
    revision: Revision = None,
    author: Author = None,
    margin: Annotated[float, typer.Option(help="How much worse everything else may be, in points.")] = 2.0,
    tonight: Annotated[bool, typer.Option("--tonight", help="Leave it to the night's run.")] = False,
    nights: Annotated[
        bool,
        typer.Option(
            "--nights", help="Ask every night's new pictures until it is decided; called again, show how far it is."
        ),
    ] = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Ask the questions a draft changes with the old and the new text, and say whether it is better.

    Killed or stopped, the same command goes on where it was. Every revision is tested once at once, and once over
    nights; several drafts of one product that are tested over nights together get one verdict.

    Example: workbench knowledge test Drawn/hex_nut/rust
    """
    from jobs import screen
    from warehouse.queries.curation import Curation
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import edit as curation
    from workbench.curation import trial

    store, who = Store(settings.data_folder(data)), actor(author)
    if (len(descriptions) > 1 and (not nights or revision is not None)) or (nights and tonight):
        raise typer.BadParameter("several drafts are tested together with --nights, each by its newest revision")
    description = descriptions[0]
    draft = curation.revision(store, description, revision)
    if nights:
        _over_nights(store, [draft, *(curation.revision(store, each) for each in descriptions[1:])], margin, who, json_)
        return
    if tonight:
        Curation(store.data).await_test(description, draft.revision, "to be tested tonight", actor=who)
        typer.echo(f"{description} revision {draft.revision} waits for tonight's run")
        return
    screen.without_loading_bars("embedded")
    with screen.Progress() as watch:
        watch.step("looking which images it changes")
        attempt = trial.open_test(store, draft, margin / 100, actor=who)
        result = trial.run_test(store, attempt, watch, actor=who)
    if result is None:
        typer.echo("stopped; the same command goes on where it was")
        raise typer.Exit(1)
    if json_:
        from dataclasses import asdict

        typer.echo(
            json.dumps({**asdict(result), "alpha": attempt.alpha, "attempt": attempt.attempt}, indent=1, default=str)
        )
        return
    typer.echo(f"{description} revision {draft.revision}: {result.verdict}: {result.why}")
    for line in _lines(result):
        typer.echo(line)
    typer.echo(f"attempt    {attempt.attempt} of {attempt.budget}, spent {wording.percent(attempt.alpha, 2)} of 5 %")
    if result.verdict != "better":
        typer.echo(f"next: {curation.next_step(draft, result, None)}")


def _over_nights(store: Store, drafts: list[Description], margin: float, who: Actor, json_: bool) -> None:
    """Open the drafts' test over nights, or show how far it is."""
    from dataclasses import asdict

    from jobs import screen
    from warehouse.queries.night_tests import NightTests
    from workbench.curation import e_process, night_trial, outlook

    base = NightTests(store.data)
    gathered = base.of(drafts[0].description_id, drafts[0].revision)
    if gathered is None:
        night_trial.open_test(store, drafts, margin / 100, actor=who)
        gathered = base.of(drafts[0].description_id, drafts[0].revision)
        assert gathered is not None
    test = gathered.test
    if json_:
        typer.echo(json.dumps({**asdict(gathered), "verdict": gathered.verdict}, indent=1, default=str))
        return
    typer.echo(screen.harmless(f"{night_trial.in_words(test)}: {gathered.verdict}: {gathered.why}"))
    rows = [
        {"night": f"{bet.schedule} {bet.due_at:%Y-%m-%d %H:%M}", "images": bet.images, "won": bet.won,
         "lost": bet.lost, "wager": round(bet.wager, 2), "log e": round(bet.log_better, 2),
         "of worse": round(bet.log_worse, 2),
         "elsewhere at worst": wording.points(bet.elsewhere_low)}
        for bet in gathered.bets
    ]  # fmt: skip
    if rows:
        screen.rows(rows, False, empty="")
    typer.echo(
        f"better is said at log e {e_process.threshold(test.alpha):.2f}; attempt {test.attempt} of {test.budget}, "
        f"spent {wording.percent(test.alpha, 2)} of 5 %"
    )
    if not gathered.bets:
        for draft in drafts:
            typer.echo(screen.harmless(outlook.of(store, draft).in_words()))


def lift(
    run: Annotated[str | None, typer.Option(help="Which run (default: the newest that used knowledge).")] = None,
    only: Annotated[str | None, typer.Option(help="Only DATASET/PRODUCT, or one description.")] = None,
    images: Annotated[int, typer.Option(help="Images asked again without each text.")] = 24,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Measure what each text helps and harms, by asking a sample of its images again without it.

    `q` is the false-discovery rate at which a text is called helpful or harmful among all that were measured.

    Example: workbench knowledge lift --only Drawn/hex_nut
    """
    from dataclasses import asdict

    from jobs import screen
    from warehouse.queries.run_notes import RunNotes
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import lift as lifts

    store = Store(settings.data_folder(data))
    run_id = None if run is None else RunNotes(store.data).run(run).run_id
    screen.without_loading_bars("embedded")
    with screen.Progress() as watch:
        found = lifts.measure(store, watch, run_id, only, images)
    rows = [{**asdict(each), "q": q} for each, q in zip(found, lifts.discovery_rates(found), strict=True)]
    if not json_:
        for row, each in zip(rows, found, strict=True):
            touched = [one for one in each.subtasks if one.helped or one.harmed]
            row["subtasks"] = ", ".join(f"{one.subtask} +{one.helped} -{one.harmed}" for one in touched)
            del row["run_id"], row["measured_at"]
    screen.rows(rows, json_, empty="no text was retrieved for an image of known answers")


def publish(
    description: Id,
    revision: Revision = None,
    reason: Annotated[str | None, typer.Option(help="Needed where the gate didn't say better; kept.")] = None,
    author: Author = None,
    data: Data = None,
) -> None:
    """Make a tested revision live: the next run reads it.

    Example: workbench knowledge publish Drawn/hex_nut/rust
    """
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import edit as curation

    store = Store(settings.data_folder(data))
    chosen = curation.revision(store, description, revision)
    version = curation.publish(store, description, chosen.revision, reason, actor=actor(author))
    typer.echo(f"knowledge {version.version}: {description} revision {chosen.revision} is published")


def retire(
    description: Id,
    reason: Reason,
    revision: Annotated[
        int | None, typer.Option(help="Which revision (default: the published, else the newest).", show_default=False)
    ] = None,
    author: Author = None,
    data: Data = None,
) -> None:
    """Take a text out of the published set, or put a draft aside. Nothing is deleted.

    Example: workbench knowledge retire D/nut/rust --reason replaced
    """
    from warehouse.queries.curation import Curation
    from warehouse.store import Store
    from workbench import settings
    from workbench.curation import edit as curation

    store = Store(settings.data_folder(data))
    if revision is None:
        live = [each for each in Curation(store.data).revisions(description) if each.state == "published"]
        revision = live[0].revision if live else None
    chosen = curation.revision(store, description, revision)
    Curation(store.data).retire(description, chosen.revision, reason, actor=actor(author))
    typer.echo(f"{description} revision {chosen.revision} is retired")


def rollback(
    version: Annotated[str, typer.Argument(help="A version, as `history` and `runs` show it.")],
    reason: Reason,
    author: Author = None,
    data: Data = None,
) -> None:
    """Publish an earlier version's very texts again.

    Example: workbench knowledge rollback b3c38795a404 --reason worse
    """
    from warehouse.queries.curation import Curation
    from workbench import settings

    done = Curation(settings.data_folder(data)).rollback(version, reason, actor=actor(author))
    typer.echo(f"knowledge {done.version}: {wording.counted(len(done.members), 'text')} published again")


def _about(questions: int, images: int) -> str:
    return f"{wording.counted(questions, 'question')} about {wording.counted(images, 'image')}"


def _lines(result: GateResult) -> list[str]:
    shares = (result.difference, result.low, result.high, result.elsewhere_low)
    points, low, high, worst = (wording.points(share) for share in shares)
    return [
        f"affected   {_about(result.questions, result.images)}: won {result.won}, lost {result.lost}, {points} points "
        f"({low} to {high}), {wording.p_value(result.p_better)}",
        f"elsewhere  {_about(result.elsewhere_questions, result.elsewhere_images)}: won {result.elsewhere_won}, "
        f"lost {result.elsewhere_lost}, at worst {worst} points",
    ]
