"""The one command-line application, `workbench` on the PATH.

A job module is thin - parse, open, call one workbench function, show, return a code - and imports what is heavy inside
its function, so that `workbench --help` takes no second. Results go to stdout, everything else to stderr.

Exit codes: 0 done; 1 some items failed, or a run could not go on; 2 wrong use; 75 another coordinator has this run.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from jobs import (
    ablate,
    backup,
    demo,
    disputes,
    doctor,
    draw_archive,
    evaluate_embedded,
    explain,
    export,
    ingest,
    knowledge,
    labelstudio,
    mmad,
    reindex,
    report,
    runs,
    schedule,
    score,
    serve,
    stress,
    train_embedded,
)
from warehouse import private
from warehouse.errors import DiskFull, Locked

FAILED, WRONG_USE = 1, 2

app = typer.Typer(
    help="Score archives of inspection images with knowledge-guided latent reasoning, and look at every case.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.command)
app.command("score")(score.command)
app.command("runs")(runs.command)
app.command("export")(export.command)
app.command("report")(report.command)
app.command("serve")(serve.command)
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(disputes.app, name="disputes")
app.add_typer(labelstudio.app, name="labelstudio")
app.add_typer(mmad.app, name="mmad")
app.add_typer(schedule.app, name="schedule")
app.command("backup")(backup.make)
app.command("restore")(backup.restore)
app.command("ingest")(ingest.command)
app.command("reindex")(reindex.command)
app.command("doctor")(doctor.command)
app.command("draw-archive")(draw_archive.command)
app.command("train-embedded")(train_embedded.command)
app.command("evaluate-embedded")(evaluate_embedded.command)
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
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def main() -> None:
    """Run the command line; an error of ours or about a file is one sentence on stderr, anything else a traceback."""
    private.guard()
    try:
        app()
    except OSError as error:
        if error.filename is None:
            raise
        print(f"workbench: {error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(FAILED)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("warehouse", "workbench"):
            raise
        print(f"workbench: {error}", file=sys.stderr)  # noqa: T201
        code = FAILED if isinstance(error, DiskFull | Locked) else WRONG_USE
        sys.exit(getattr(error, "exit_code", code))


if __name__ == "__main__":
    main()
