"""Which attention layers of the embedded demo model find drawn defects: `python -m benchmarks.layers`.

What `workbench ablate --arms layers` prints, on an archive drawn here; the table goes to docs/ablation.md too.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import machine
from benchmarks.ablate import PAGE, with_tables
from tests.people import ANN
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.embedded.archive import draw_archive
from workbench.experiments import attention_layers
from workbench.scoring.watch import QuietWatch
from workbench.settings import Settings, Work

OUTPUT = Path(__file__).parent / "results" / "layers.json"


def main() -> None:
    """Draw, look, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--draw-seed", type=int, default=4242)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        archive, settings = Path(folder) / "drawn", Settings(work=Work(data=Path(folder) / "data"))
        draw_archive(archive, args.images, args.draw_seed)
        knowledge_files.import_file(Store(settings.work.data), archive / "domain_knowledge.json", actor=ANN)
        found = attention_layers.find(archive, settings, QuietWatch())
    page = with_tables(PAGE.read_text(encoding="utf-8"), {"layers": attention_layers.markdown(found)})
    PAGE.write_text(page, encoding="utf-8")
    about = {"model": "embedded demo model, drawn images", "images": args.images, "draw_seed": args.draw_seed}
    machine.report({**about, **asdict(found)}, OUTPUT)


if __name__ == "__main__":
    main()
