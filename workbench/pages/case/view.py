"""One case put together for the page: its pictures, mask, patches and texts, each where it may be shown.

Goes from records to what the charts take; knows nothing of the address or of widgets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from warehouse import schema
from warehouse.identity import was_shown
from warehouse.records.scoring import Archive, Entry, Prediction, Run
from workbench.analysis.charts.case_figure import PatchMark, Picture
from workbench.analysis.patches import Hits, Mask, hits
from workbench.archive import previews, run_views
from workbench.archive import view as pixels
from workbench.archive.image_decoding import frame_of
from workbench.archive.view import Affine, Window
from workbench.pages.ui import pictures


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a case."""

    query: Picture
    reference: Picture | None  # None when zero-shot
    mask: Mask | None
    patches: tuple[PatchMark, ...]  # in the order of proposal
    hits: Hits | None  # of the accepted patches; None without a mask or without patches
    window: Window  # what the query shows of the upright picture
    whole: tuple[int, int] | None  # width and height of the picture that the query is a tile of; None: it is no tile

    @property
    def injected(self) -> dict[int, list[int]]:
        """Iteration to the numbers of the patches accepted there."""
        numbers: dict[int, list[int]] = {}
        for patch in self.patches:
            if patch.number is not None:
                numbers.setdefault(patch.iteration, []).append(patch.number)
        return numbers


def view(
    run: Run,
    prediction: Prediction,
    proposed: pl.DataFrame,
    entry: Entry | None,
    at_reference: Sequence[Entry],
    archives: Mapping[str, Archive],
) -> View:
    """The case as the page shows it.

    Args:
        run: says which folder of references may be shown beside the archives.
        prediction: the case.
        proposed: its patches, as stored.
        entry: the image's entry, which knows the mask.
        at_reference: what the archive knows of the reference's path.
        archives: the registered ones, by id.
    """
    archive = archives.get(run.archive_id)
    root = archive.root if archive else ""
    roots = [known.root for known in archives.values()]
    place = _locate(prediction.image_path, root, roots)
    views = run_views.of_run(run)
    inspected = views.of_file(prediction, prediction.content) if entry is None else views.of(entry)
    if prediction.failure == "poison":  # opening it may kill this process too
        shown = pictures.Shown.nothing(prediction.error)
    else:
        shown = pictures.large(place, inspected.for_display)
    query = Picture(_titled("Query", prediction), shown.source, *shown.window.size, shown.problem)
    reference = None
    if prediction.reference_path:
        given = json.loads(run.settings).get("references")
        allowed = [*roots, *([given] if given else [])]
        known = next((each for each in at_reference if was_shown(prediction, each.content)), None)
        beside = views.of_file(prediction, "") if known is None else views.of_reference(known, prediction)
        normal = pictures.reference(_locate(prediction.reference_path, root, allowed), prediction, beside.for_display)
        reference = Picture("Normal reference", normal.source, query.width, query.height, normal.problem)
    mask, on = None, None
    if shown.source is not None and place is not None and entry is not None and entry.mask_path:
        mask_path = _locate(entry.mask_path, root, roots)  # it says nothing of another picture
        mask = pictures.mask(mask_path, place, inspected.for_display)
        on = _hits(proposed.filter("accepted"), pictures.mask(mask_path, place, inspected), place, inspected)
    whole = None
    if shown.source is not None and place is not None and inspected.tile is not None:
        whole = frame_of(place).upright
    marks = _marks(proposed, on, shown.window.to_whole.inverse)
    return View(query, reference, mask, marks, on, shown.window, whole)


def as_rows(predictions: Sequence[Prediction]) -> pl.DataFrame:
    """Everything stored of these answers, for export."""
    frame = pl.from_arrow(schema.table(Prediction, predictions))
    assert isinstance(frame, pl.DataFrame)
    return frame


def patch_rows(proposed: pl.DataFrame, view: View) -> pl.DataFrame:
    """The proposed patches as stored, their numbers on the page and whether they touch the mask, for export.

    They lie in pixels of the whole picture; of a tile, in the tile's too.
    """
    if view.whole is not None:
        names = ("tile_x0", "tile_y0", "tile_x1", "tile_y1")
        proposed = proposed.with_columns(
            pl.Series(name, [patch.box[edge] for patch in view.patches], pl.Float64) for edge, name in enumerate(names)
        )
    return proposed.with_columns(
        pl.Series("number", [patch.number for patch in view.patches], pl.Int64),
        pl.Series("on_mask", [patch.on_mask for patch in view.patches], pl.Boolean),
    )


def product(prediction: Prediction) -> str:
    """The product in words: folder names often have underscores for spaces."""
    return prediction.product.replace("_", " ")


def name(prediction: Prediction) -> str:
    """What people call the image: its folder and file."""
    return "/".join(PurePosixPath(prediction.image_path).parts[-2:])


def _titled(title: str, prediction: Prediction) -> str:
    known = [word for word in (prediction.label, prediction.defect) if word]
    return f"{title} · {', '.join(known)}" if known else title


def _locate(path: str, root: str, allowed: list[str]) -> Path | None:
    # A relative path of an archive that isn't registered would otherwise start from the server's own folder.
    return previews.locate(path, root, allowed) if root or Path(path).is_absolute() else None


def _hits(accepted: pl.DataFrame, mask: Mask | None, place: Path, inspected: pixels.View) -> Hits | None:
    """Which patches touch the mask, among those of the part of the picture that the model saw."""
    if mask is None or accepted.is_empty():
        return None
    window = inspected.placed(frame_of(place)).window
    return hits(mask, accepted.select("x0", "y0", "x1", "y1").rows(), window.box)


def _marks(proposed: pl.DataFrame, on: Hits | None, from_whole: Affine) -> tuple[PatchMark, ...]:
    """Patches as drawn on what is shown, the accepted ones numbered in their order."""
    marks: list[PatchMark] = []
    number = 0
    for row in proposed.iter_rows(named=True):
        box = from_whole.box((row["x0"], row["y0"], row["x1"], row["y1"]))
        if row["accepted"]:
            on_mask = on.on_mask[number] if on else None
            number += 1
            marks.append(PatchMark(box, row["iteration"], row["score"], number, on_mask))
        else:
            marks.append(PatchMark(box, row["iteration"], row["score"], None, None))
    return tuple(marks)
