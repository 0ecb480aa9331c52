"""What a comparison's words move, and what another picture's do: `python -m benchmarks.control PACK --tower photos`.

The embedded demo model answers questions about real photographs three times: shown no comparison with normal pictures,
shown the picture's own, and shown another picture's of the same product, the control. Printed and kept in
results/control.json: what each moves, and the difference between the two by sign flips of the images' net gains. With
`--loop` the same three arms again with the latent loop. The model was made for drawn pictures and was never taught to
read such words: what counts here is whether a gain is claimed that the control has too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import torch

from benchmarks import machine
from workbench.analysis import ablation as analysis
from workbench.analysis import ablation_text
from workbench.analysis.ablation import COMPARISON
from workbench.experiments import ablation
from workbench.experiments.study_results import read_study
from workbench.scoring.watch import QuietWatch
from workbench.settings import Settings, Support, Work

OUTPUT = Path(__file__).parent / "results" / "control.json"


def main() -> None:
    """Ask, compare, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--questions", type=int, default=240, help="a mixture of products and kinds; 0: all")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    arms = ablation.choose(ablation.COMPARED, (COMPARISON,))[: 6 if arguments.loop else 3]
    with tempfile.TemporaryDirectory() as folder:
        work = Work(data=Path(folder), limit=arguments.questions or None)
        base = Settings(support=Support(knowledge="none", compare=arguments.tower), work=work)
        experiment = ablation.run(arguments.pack, base, arms, QuietWatch(), told)
        study = read_study(work.data, "ablation", experiment)
    of_arms = analysis.arms(study)
    against = analysis.controls(study)
    machine.report(
        {
            "model": "embedded demo model",
            "tower": Path(arguments.tower).name,
            "questions": int(of_arms["n"].max() or 0),  # type: ignore[arg-type]
            "images": int(study.of(arms[0].name)["image_id"].n_unique()),
            "seconds": round(time.perf_counter() - started, 1),
            "arms": rounded(of_arms.select("arm", "n", "right", "accuracy", "low", "high")),
            "moved": [
                {**row, "answers_changed": analysis.changed(study, str(row["arm"]), str(row["baseline"]))}
                for row in rounded(analysis.differences(study))
            ],
            "own_against_another": rounded(analysis.differences(study, against=against)),
            "said": ablation_text.controls(study),
        },
        arguments.output,
    )


def told(arm: ablation.Setup, place: int, count: int) -> None:
    """Say which arm is done."""
    sys.stderr.write(f"{place} of {count}: {arm.name}\n")


def rounded(frame: pl.DataFrame) -> list[dict[str, object]]:
    """The rows of a frame, as they are kept."""
    return frame.with_columns(pl.selectors.float().round(4)).to_dicts()


if __name__ == "__main__":
    main()
