"""The embedded demo model's two commands: `python -m training train` and `python -m training evaluate`."""

from __future__ import annotations

import typer

from training import evaluate_model, train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("train")(train.command)
app.command("evaluate")(evaluate_model.command)

if __name__ == "__main__":
    app()
