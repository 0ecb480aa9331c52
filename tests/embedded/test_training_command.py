"""`python -m training train` from nothing to a checkpoint that answers, in miniature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from training import full_method, stages
from training.__main__ import app
from workbench.embedded.questions import SUBTASKS
from workbench.model.method import Method

pytestmark = pytest.mark.slow

COMMAND = ("train", "--miniature", "--threads", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint, and beside it `work` with images, states and curves."""
    home = tmp_path_factory.mktemp("trained")
    done = CliRunner().invoke(app, [*COMMAND, "--work", str(home / "work"), "--checkpoint", str(home / "checkpoint")])
    assert done.exit_code == 0, done.output
    return home


def test_training_in_miniature_ends_in_a_checkpoint_that_answers_with_the_full_method(trained: Path) -> None:
    found = full_method.run(trained / "checkpoint", images=2, seed=3, method=Method(iterations=1, samples=2))
    asked = {SUBTASKS[number] for number in found.after.subtask}
    assert {"Anomaly Detection", "Object Classification"} <= asked
    assert all(told.answer in "ABCD" for told in found.told)
    assert np.isfinite(found.after.latent_entropy).all()


def test_training_leaves_curves_of_every_stage_and_its_history_beside_the_weights(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "work" / "curves.jsonl").read_text().splitlines()]
    names = ["vision-cells", "vision-images", "language", "retrieval"]
    assert list(dict.fromkeys(row["stage"] for row in rows)) == names
    assert all(np.isfinite(value) for row in rows for key, value in row.items() if key != "stage")
    history = stages.history(trained / "checkpoint")
    assert history is not None
    assert [(stage.name, stage.steps) for stage in history.stages] == [(name, 10) for name in names]
    assert (history.seed, history.note) == (1, "")


def test_the_same_command_again_finds_all_done_and_writes_the_same_weights(trained: Path) -> None:
    again = trained / "again"
    done = CliRunner().invoke(app, [*COMMAND, "--work", str(trained / "work"), "--checkpoint", str(again)])
    assert done.exit_code == 0, done.output
    for name in ("model.safetensors", "retrieval_head.safetensors"):
        assert (again / name).read_bytes() == (trained / "checkpoint" / name).read_bytes(), name


@pytest.fixture(autouse=True)
def _threads() -> None:
    """The command sets torch's threads for the process."""
    torch.set_num_threads(1)
