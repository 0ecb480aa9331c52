"""What each part of the method brings the embedded demo model on drawn images: `make ablate`.

Two experiments: the parts on all images, and N, K, estimators, seeds and controls on fewer. Each arm is a stored run;
given the same --data a cut benchmark goes on. The tables go to docs/ablation.md, the figures to results/ablation.json.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from benchmarks import machine
from tests.people import ANN
from warehouse.store import Store
from workbench.analysis import ablation as analysis
from workbench.analysis import ablation_text
from workbench.archive import knowledge_files
from workbench.embedded.archive import draw_archive
from workbench.experiments import ablation
from workbench.experiments.study_results import read_study
from workbench.scoring.watch import QuietWatch
from workbench.settings import Settings, Work

ROOT = Path(__file__).parents[1]
OUTPUT = Path(__file__).parent / "results" / "ablation.json"
PAGE = ROOT / "docs" / "ablation.md"
TABLES = re.compile(r"(<!-- (\w+), printed by make ablate -->\n).*?(<!-- end -->)", re.DOTALL)


def _told(arm: ablation.Setup, place: int, count: int) -> None:
    sys.stderr.write(f"{place} of {count}: {arm.name}\n")


def main() -> None:
    """Draw, ablate twice, keep tables and figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--grid-questions", type=int, default=560, help="of the grid; some 100 images; 0: no grid")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draw-seed", type=int, default=4242)
    parser.add_argument("--data", type=Path, help="keep archive and runs here, and go on with them")
    parser.add_argument("--only", action="append", default=[], help="arms or families, nothing is written")
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    with nullcontext(args.data) if args.data else tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        archive, base = home / f"drawn-{args.images}-{args.draw_seed}", Settings(work=Work(data=home / "data"))
        if not (archive / "images.csv").exists():
            draw_archive(archive, args.images, args.draw_seed)
        knowledge_files.import_file(Store(base.work.data), archive / "domain_knowledge.json", actor=ANN)
        small = replace(base, work=replace(base.work, limit=args.grid_questions or None))
        studies = {}
        sets: list[tuple[str, tuple[ablation.Setup, ...], Settings]] = [("main", ablation.MAIN, base)]
        if args.grid_questions:
            sets.append(("grid", ablation.grid(args.seeds), small))
        for name, arms, settings in sets:
            if args.only:
                arms = tuple(arm for arm in arms if arm.name in args.only or arm.family in args.only)
            experiment = ablation.run(archive, settings, arms, QuietWatch(), _told)
            studies[name] = read_study(base.work.data, "ablation", experiment)
        if args.only:
            return
    page = PAGE.read_text(encoding="utf-8")
    tables = {"grid": "Not measured in the last run.\n"}
    tables |= {name: ablation_text.markdown(study) for name, study in studies.items()}
    PAGE.write_text(with_tables(page, tables), encoding="utf-8")
    machine.report(
        {
            "model": "embedded demo model, drawn images",
            "images": args.images,
            "draw_seed": args.draw_seed,
            "grid_questions": args.grid_questions,
            "seeds": args.seeds,
            "seconds": round(time.perf_counter() - started, 1),
            **{name: _figures(study) for name, study in studies.items()},
        },
        OUTPUT,
    )


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """The page with these of its printed tables replaced, by name."""
    return TABLES.sub(lambda found: f"{found[1]}{tables[found[2]]}{found[3]}" if found[2] in tables else found[0], page)


def _figures(study: analysis.Study) -> dict[str, object]:
    hard = analysis.hard(study)
    against = {arm.arm: study.arms[0].arm for arm in study.arms[1:]}
    knowing = {arm.arm: study.arms[1].arm for arm in study.arms[2:]}
    return {
        "arms": _rounded(analysis.arms(study).drop("run_id")),
        "differences": _rounded(analysis.differences(study)),
        "hard_images": len(hard),
        "hard_against_first": _rounded(analysis.differences(study, hard, against)),
        "hard_against_second": _rounded(analysis.differences(study, hard, knowing)),
    }


def _rounded(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.with_columns(pl.selectors.float().round(4)).to_dicts()


if __name__ == "__main__":
    main()
