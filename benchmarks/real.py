"""The embedded demo model on real photographs, which it was never made for: `make real PACK=folder`.

The folder has MMAD's layout and an mmad.json. Its questions are all scored with the full method at its defaults, every
stored trace is looked at, and the accuracy of each subtask stands beside that of guessing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks import machine
from warehouse.records.scoring import Prediction
from warehouse.store import Store

OUTPUT = Path(__file__).parent / "results" / "real.json"


def main() -> None:
    """Score, look, keep the result; exits with 1 unless all questions were answered with a whole trace."""
    pack = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as data:
        score = [sys.executable, "-m", "jobs", "score", str(pack), "--questions", str(pack / "mmad.json")]
        ended = subprocess.run([*score, "--data", data, "--json"], stdout=subprocess.PIPE, text=True, check=False)
        if ended.returncode not in (0, 1):
            sys.exit(ended.returncode)
        run = json.loads(ended.stdout)
        store = Store(Path(data))
        frame = store.prediction_index(run["run_id"])
        predictions = [each for image in frame["image_id"].unique() for each in store.case(run["run_id"], image)]
    method = run["settings"]
    incomplete = [each for each in predictions if not _whole(each, method["iterations"], method["think_tokens"])]
    subtasks = (
        frame.group_by("subtask")
        .agg(
            questions=pl.len(),
            accuracy=(pl.col("answer") == pl.col("correct_answer")).mean().round(3),
            guessing=(1 / pl.col("choices")).mean().round(3),
        )
        .sort("subtask")
    )
    for row in subtasks.iter_rows(named=True):
        line = (
            f"{row['subtask']:22} {row['questions']:4}  accuracy {row['accuracy']:.3f}  guessing {row['guessing']:.3f}"
        )
        sys.stdout.write(line + "\n")
    counts = {name: run[name] for name in ("planned", "answered", "invalid", "failed")}
    about = {
        "command": "make real PACK=folder",
        "model": "embedded demo model",
        "weights": method["facts"]["weights"],
        "images": frame["image_id"].n_unique(),
        **counts,
        "traces_incomplete": len(incomplete),
        "subtasks": subtasks.to_dicts(),
        "seconds": round(run["seconds"], 1),
        "timings": {name: round(spent, 1) for name, spent in run["timings"].items()},
    }
    machine.report(about, OUTPUT)
    sys.exit(0 if counts["answered"] == counts["planned"] and not incomplete else 1)


def _whole(prediction: Prediction, iterations: int, think_tokens: int) -> bool:
    """Whether all of the trace is there: every iteration, every think token, every option before and after."""
    letters = [option.letter for option in prediction.options]
    traces = (prediction.entropy, prediction.reward, prediction.token_entropy)
    return (
        all(len(trace) == iterations + 1 for trace in traces)
        and all(len(tokens) == think_tokens for tokens in prediction.token_entropy)
        and prediction.best_iteration in range(iterations + 1)
        and list(prediction.initial_option_probabilities) == letters
        and list(prediction.option_probabilities) == letters
    )


if __name__ == "__main__":
    main()
