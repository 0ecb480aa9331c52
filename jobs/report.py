"""`workbench report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import RUN_HELP, Alarms, Data, Truth, output_file

if TYPE_CHECKING:
    from warehouse.store import Store
    from workbench.analysis.report_contents import Reported


def command(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    output: Annotated[Path, typer.Option("-o", "--output", help="FILE.html", callback=output_file)],
    against: Annotated[str | None, typer.Option(help="The run to compare it with.", show_default=False)] = None,
    truth: Truth = "archive",
    alarms: Alarms = "answers",
    data: Data = None,
) -> None:
    """Write a run, or a run against another, as one self-contained file with figures, tables and verdicts.

    Example: workbench report 20250103T220005123Z-a1b2c3d4 -o report.html
    """
    from warehouse import file_permissions
    from warehouse.store import Store
    from workbench import settings
    from workbench.analysis import report

    store = Store(settings.data_folder(data))
    baseline = _reported(store, against, truth, alarms) if against else None
    page = report.build(_reported(store, run, truth, alarms), baseline)
    with file_permissions.users_umask():
        output.write_text(page, encoding="utf-8")
    typer.echo(str(output))


def _reported(store: Store, name: str, truth: Truth, rule: Alarms = "answers") -> Reported:
    from warehouse.queries.groundings import Groundings
    from warehouse.queries.rollups import Rollups, Selection
    from warehouse.queries.run_notes import RunNotes
    from workbench.analysis import mmad, traces
    from workbench.analysis.report_contents import Reported
    from workbench.archive import previews
    from workbench.review import threshold_sentences
    from workbench.scoring import alarm_pictures, answer_file
    from workbench.scoring.run import called_defective
    from workbench.settings import COMPARE

    run = RunNotes(store.data).run(name)
    run_id = run.run_id
    rollups, chosen = Rollups(store.data), Selection(run_id, truth=truth, alarm_rule=rule)
    alarms = called_defective(store, run_id, truth, rule)
    small = alarm_pictures.jpegs(store, alarms.pictures)
    return Reported(
        run,
        rollups.facts(chosen),
        mmad.answers(
            store.predictions(run_id, truth=truth),
            verbatim=answer_file.is_imported(run),
            explained=run.model == COMPARE,
        ),
        traces.profiles(rollups.traces(chosen)),
        alarms,
        {image_id: previews.data_uri(jpeg) for image_id, jpeg in small.items()},
        {archive.archive_id: archive.name for archive in store.archives()},
        truth,
        Groundings(store.data).of_runs([run_id], truth, rule),
        threshold_sentences.of_runs(store, [run_id], rule).get(run_id, ""),
    )
