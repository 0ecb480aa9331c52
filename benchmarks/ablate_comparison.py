"""What the parts of comparing bring the embedded demo model: `python -m benchmarks.ablate_comparison --tower photos`.

All arms of `workbench ablate ARCHIVE --arms compare`, once: the comparison as words, references by likeness, and
patches that its map proposes, each alone and beside every other part, the latent loop included. On the pictures that
the model was made for, drawn as `workbench draw-archive` does, with texts and normals of their own; or on the
photographs of a pack, which it was never taught to read (`PACK --questions 96` takes a quarter of an hour on two busy
cores). Printed and kept in results/ablate_comparison.json, an entry
for each of the two; the table goes to docs/comparison.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks import machine
from benchmarks.control import rounded, told
from tests.people import ANN
from warehouse.store import Store
from workbench.analysis import ablation as analysis
from workbench.archive import knowledge_files
from workbench.embedded.archive import draw_archive
from workbench.experiments import ablation
from workbench.experiments.study_results import read_study
from workbench.scoring.watch import QuietWatch
from workbench.settings import Settings, Support, Work

OUTPUT = Path(__file__).parent / "results" / "ablate_comparison.json"
DRAW_SEED = 4242


def main() -> None:
    """Ask under every arm, compare, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "pack", nargs="?", type=Path, help="photographs with an mmad.json; without it pictures are drawn"
    )
    parser.add_argument("--tower", default="photos")
    parser.add_argument("--questions", type=int, default=240, help="a mixture of products and kinds; 0: all")
    parser.add_argument("--data", type=Path, help="keep runs here, and go on with them")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    arms = ablation.COMPARED
    with nullcontext(arguments.data) if arguments.data else tempfile.TemporaryDirectory() as folder:
        work = Work(data=Path(folder) / "data", limit=arguments.questions or None)
        archive = arguments.pack or Path(folder) / "drawn"
        if not arguments.pack and not (archive / "images.csv").exists():
            draw_archive(archive, max(64, arguments.questions // 3), DRAW_SEED)
        texts = archive / "domain_knowledge.json"
        with_texts = texts.is_file()
        if with_texts:
            knowledge_files.import_file(Store(work.data), texts, actor=ANN)
        base = Settings(support=Support(compare=arguments.tower), work=work)
        experiment = ablation.run(archive, base, arms, QuietWatch(), told)
        study = read_study(work.data, "ablation", experiment)
    of_arms = analysis.arms(study)
    pictures = "PACK " if arguments.pack else ""
    asked = f"{pictures}--tower {Path(arguments.tower).name} --questions {arguments.questions}"
    found = {
        "command": f"python -m benchmarks.ablate_comparison {asked}",
        "questions": int(of_arms["n"].max() or 0),  # type: ignore[arg-type]
        "images": int(study.of(arms[0].name)["image_id"].n_unique()),
        "knowledge": with_texts,
        "seconds": round(time.perf_counter() - started, 1),
        "arms": rounded(of_arms.select("arm", "n", "right", "accuracy", "low", "high")),
        "moved": [
            {**row, "answers_changed": analysis.changed(study, str(row["arm"]), str(row["baseline"]))}
            for row in rounded(analysis.differences(study))
        ],
    }
    before = json.loads(arguments.output.read_text("utf-8")) if arguments.output.is_file() else {}
    kept = {name: before[name] for name in ("photographs", "drawn") if name in before}
    kept["photographs" if arguments.pack else "drawn"] = found
    print(table(found))
    machine.report({"model": "embedded demo model", "tower": Path(arguments.tower).name, **kept}, arguments.output)


def table(found: Mapping[str, object]) -> str:
    """The rows of docs/comparison.md."""
    rows = ["| arm | against | points [95 %] | answers changed |", "| - | - | - | - |"]
    for each in found["moved"]:  # type: ignore[attr-defined]
        points, low, high = (f"{100 * each[name]:+.1f}" for name in ("difference", "low", "high"))
        rows.append(f"| {each['arm']} | {each['baseline']} | {points} [{low}, {high}] | {each['answers_changed']} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
