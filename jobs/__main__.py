"""The one command-line application, `workbench` on the PATH.

A job module is thin - parse, open, call one workbench function, show, return a code - and imports what is heavy inside
its function, so that `workbench --help` takes no second. Results go to stdout, everything else to stderr.

Exit codes: 0 done; 1 some items failed, or something could not go on; 2 wrong use; 75 another process has the run, the
nights or the warehouse: later is fine. Each error class of ours has its own (`workbench/errors.py`).
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from jobs import (
    ablate,
    archive,
    audit,
    backup,
    demo,
    disputes,
    doctor,
    draw_archive,
    explain,
    export,
    import_answers,
    ingest,
    knowledge,
    labelstudio,
    leaderboard,
    mmad,
    operate,
    questions,
    reindex,
    report,
    runs,
    schedule,
    score,
    serve,
    stress,
)
from warehouse import file_permissions
from warehouse.errors import FAILED, WorkbenchError

app = typer.Typer(
    help="Score archives of inspection images with knowledge-guided latent reasoning, and look at every case.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.command)
app.command("archive")(archive.command)
app.command("score")(score.command)
app.add_typer(runs.app, name="runs")
app.command("export")(export.command)
app.command("report")(report.command)
app.command("leaderboard")(leaderboard.command)
app.command("operate")(operate.command)
app.command("serve")(serve.command)
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(questions.app, name="questions")
app.add_typer(disputes.app, name="disputes")
app.add_typer(labelstudio.app, name="labelstudio")
app.add_typer(mmad.app, name="mmad")
app.command("import")(import_answers.command)
app.add_typer(schedule.app, name="schedule")
app.command("backup")(backup.make)
app.command("restore")(backup.restore)
app.command("ingest")(ingest.command)
app.command("reindex")(reindex.command)
app.command("audit")(audit.command)
app.command("doctor")(doctor.command)
app.command("draw-archive")(draw_archive.command)
app.command("ablate")(ablate.command)
app.command("stress")(stress.command)
app.command("explain")(explain.command)


@app.callback()
def start(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log one line per item to stderr.")] = False,
) -> None:
    """Set up logging; only jobs do."""
    if not verbose:  # what keeps a model from being had is in the error that ends the command
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of every table that it is about to make
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def main() -> None:
    """Run the command line; an error of ours or about a file is one sentence on stderr, anything else a traceback."""
    file_permissions.guard()
    with suppress(FileNotFoundError):  # of a folder that was removed meanwhile
        if str(Path.cwd()) not in sys.path:  # so what this process starts imports nothing from there either
            os.environ["PYTHONSAFEPATH"] = "1"
    try:
        app()
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"workbench: {error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
