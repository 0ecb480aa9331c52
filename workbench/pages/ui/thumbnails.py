"""Cases as thumbnails: border and badge say the outcome, a click opens the case.

Only what lies below a registered archive is shown. The contour of the mask is part of the thumbnail's file, patches
are placed over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.records.scoring import Entry, Run
from workbench.analysis import alarms
from workbench.archive import previews, run_views
from workbench.archive.run_views import RunViews
from workbench.archive.view import View
from workbench.pages.ui import address, components, heat_map, pictures, reads
from workbench.pages.ui.reads import Snapshot

Row = Mapping[str, Any]
_MAP = 64  # pixels of a map's longer side on a thumbnail


def grid(
    now: Snapshot,
    run: Run,
    cases: pl.DataFrame,
    caption: Callable[[Row], str],
    masks: bool = False,
    patches: bool = False,
    map_percent: int = 0,
    key: str = "thumb",
    width: int = 104,
    columns: int | None = None,
    **onward: str,
) -> None:
    """Thumbnails of cases, each a link to its case under the address's filters.

    Args:
        now: the warehouse.
        run: whose cases they are.
        cases: image_id, question_id, image_path, outcome, error.
        caption: what stands under a case, Markdown escaped.
        masks: draw the mask's contour.
        patches: draw the accepted patches.
        map_percent: opacity of the map of the comparison with normal pictures, 0 to 100; 0 draws none.
        key: of the containers; one per grid on a page.
        width: least width of a column in pixels.
        columns: how many there are where there is room; None for as many as there is room for.
        onward: what an address of a case holds beside the page's filters.
    """
    archive = reads.archives(now).get(run.archive_id)
    root = archive.root if archive else ""
    images = tuple(sorted(set(cases["image_id"])))
    of_mask = reads.mask_paths(now, images) if masks else {}
    entries = reads.entries(now, images)
    boxes = _boxes(now, run, cases) if patches else {}
    compared = reads.comparisons(now, run.run_id, images) if map_percent else {}
    views, folders = run_views.of_run(run), previews.AllowedFolders([root])
    with st.grid(columns or "auto", min_column_width=width, gap=10) as cells:
        for place, case in enumerate(cases.iter_rows(named=True)):
            with cells.cell(), st.container(key=f"link-thumb-{key}-{place}", gap=None):
                view = _view(entries.get(case["image_id"]), views)
                picture = _picture(now, case, root, folders, of_mask.get(case["image_id"]), view)
                over = _placed(boxes.get((case["image_id"], case["question_id"]), []), picture)
                found = compared.get(case["image_id"])
                if found is not None and found.values:
                    over = heat_map.layers(picture.window.middle, found, map_percent, _MAP) + over
                reason = picture.problem if picture.problem == pictures.NO_LONGER else case["error"] or picture.problem
                components.html(components.thumbnail(picture.source, case["outcome"], reason or "", over))
                here = {"run": run.run_id, "image": case["image_id"], "question": case["question_id"]}
                target = address.going(**onward, **here)
                st.page_link(components.CASE, label=caption(case), query_params=target)


def suspicion(case: Row) -> str:
    """Under a picture without a label: its product and camera, and the probability of a defect."""
    where = " ".join(filter(None, (case["product"].replace("_", " "), case["camera"])))
    likely = case["defect_probability"]
    return components.plain(where, 28) + ("" if likely is None else f" · {alarms.probability(likely)}")


def _view(entry: Entry | None, views: RunViews) -> View:
    """An image as its run saw it; one that no archive knows is shown in no case."""
    return View("") if entry is None else views.of(entry).for_display


def _picture(
    now: Snapshot, case: Row, root: str, folders: previews.AllowedFolders, mask_path: str | None, view: View
) -> pictures.Shown:
    if case.get("failure") == "poison":  # opening it may kill this process too
        return pictures.Shown.nothing(case["error"])
    # Where the archive isn't registered, no folder is: nothing is shown.
    found = folders.locate(case["image_path"], root) if root else None
    masked = folders.locate(mask_path, root) if root and mask_path else None
    return pictures.small(now.data, found, masked, view)


def _boxes(now: Snapshot, run: Run, cases: pl.DataFrame) -> dict[tuple[str, str], list[tuple[float, ...]]]:
    keys = list(cases.select("image_id", "question_id").iter_rows())
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row in reads.rollups(now).accepted(run.run_id, keys).iter_rows(named=True):
        found.setdefault((row["image_id"], row["question_id"]), []).append((row["x0"], row["y0"], row["x1"], row["y1"]))
    return found


def _placed(boxes: list[tuple[float, ...]], picture: pictures.Shown) -> Markup:
    """Patches in percent of the square that a thumbnail shows: the picture's middle, as wide as its shorter side."""
    to_percent = picture.window.middle.from_percent.inverse
    return Markup().join(
        Markup('<i style="left:{:.1f}%;top:{:.1f}%;width:{:.1f}%;height:{:.1f}%"></i>').format(x0, y0, x1 - x0, y1 - y0)
        for x0, y0, x1, y1 in map(to_percent.box, boxes)
    )
