"""What was understood of an archive as one HTML file, with three pictures of each kind."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path, PurePosixPath

import polars as pl
from markupsafe import Markup

from workbench import wording
from workbench.analysis import report_page
from workbench.analysis.report_page import Section
from workbench.archive import previews
from workbench.archive.image_decoding import open_image
from workbench.archive.overview import Kind, Overview
from workbench.errors import UnreadableImage

KINDS_SHOWN = 20  # of a product, with pictures; the table has all


def page(overview: Overview) -> Markup:
    """The whole file.

    Args:
        overview: what an archive holds.
    """
    facts = {
        "folder": overview.root,
        "pictures": f"{overview.pictures:,}",
        "references": f"{overview.references:,}",
        "layouts": ", ".join(name for name, count in overview.layouts.items() if count) or "none",
    }
    passed = pl.DataFrame(
        [(wording.counted(each.count, each.unit), each.reason, each.example) for each in overview.passed_over],
        schema=dict.fromkeys(("what", "reason", "such as"), pl.String),
        orient="row",
    )
    of_masks = overview.table()
    sections = [
        Section(
            "What was understood",
            overview.sentences(),
            tables=[("pictures by product and label", of_masks)],
            verbatim=("data_set", "product", "label"),
        ),
        Section(
            "What is passed over",
            [] if passed.height else ["Nothing is: every picture is scored or serves as a reference."],
            tables=[("how many, and why", passed)],
            verbatim=("reason", "such as"),
        ),
        *(_section(name, list(kinds), Path(overview.root)) for name, kinds in groupby(overview.kinds, _product)),
    ]
    return report_page.document(f"The archive {Path(overview.root).name}", facts, sections)


def _product(kind: Kind) -> str:
    return f"{kind.dataset}: {kind.product}"


def _section(name: str, kinds: list[Kind], root: Path) -> Section:
    """One product: its kinds in a sentence, and pictures of each of the first."""
    pictures, broken = [], []
    for kind in kinds[:KINDS_SHOWN]:
        for path in kind.examples:
            try:
                data = previews.encoded(open_image(root / path), previews.SIDE, 80)
            except (OSError, UnreadableImage) as error:
                broken.append(f"{path} can't be opened: {error}.")
            else:
                pictures.append((previews.data_uri(data), f"{kind.label}: {PurePosixPath(path).name}"))
    named = ", ".join(f"{kind.pictures:,} {kind.label}" for kind in kinds)
    more = len(kinds) - KINDS_SHOWN
    without = [f"{wording.counted(more, 'kind')} more without pictures here."] if more > 0 else []
    return Section(name, [f"{named}.", *without, *broken], pictures=pictures)
