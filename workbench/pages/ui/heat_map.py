"""The map of a comparison over its picture, large or small, and what its score says: from a stored comparison to HTML.

Red is drawn the stronger the farther a patch is from the normal pictures: not at all at the map's median, fully at its
largest value. Knows nothing of the address or of widgets.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Region
from workbench.analysis import suspicion
from workbench.archive.view import Window
from workbench.pages.ui import components

_RED = (208, 32, 32)
_SQUARE = "width:5.5rem;height:5.5rem;object-fit:cover;border-radius:.4rem"
_SIDE = 256  # pixels of the longer side that a map is drawn with: browsers blur few pixels each in their own way


def overlay(source: str, window: Window, comparison: StoredComparison, percent: int) -> Markup:
    """The picture with the map and the marked region over it.

    Args:
        source: of the picture, as a data URI.
        window: what the picture shows of the upright one.
        comparison: the comparison, its map included.
        percent: opacity of the map, 0 to 100.
    """
    width, height = window.size
    return Markup(
        '<div role="img" aria-label="{}" style="position:relative;aspect-ratio:{}/{};max-height:380px;max-width:100%;'
        'margin:.3rem auto;overflow:hidden"><img src="{}" alt="" style="width:100%;height:100%">{}</div>'
    ).format(sentence(comparison), width, height, source, layers(window, comparison, percent))


def layers(window: Window, comparison: StoredComparison, percent: int, side: int = _SIDE) -> Markup:
    """The map and the marked region alone, placed over what a picture shows.

    Args:
        window: what the picture shows of the upright one.
        comparison: the comparison, its map included.
        percent: opacity of the map, 0 to 100.
        side: pixels of the map's longer side.
    """
    drawn = Markup('<img src="{}" alt="" style="position:absolute;object-fit:fill;{}opacity:{:.2f}">').format(
        _drawn(comparison, side), _placed(window, comparison.area), percent / 100
    )
    if comparison.marked is None:
        return drawn
    return drawn + Markup(
        '<i style="position:absolute;border:2px solid #d02020;outline:1px solid #fff;box-sizing:border-box;{}"></i>'
    ).format(_placed(window, comparison.marked))


def sentence(comparison: StoredComparison) -> str:
    """What the score says, in one sentence."""
    where = suspicion.place(comparison.area, comparison.marked)
    most = f", most at the {where}" if where else ""
    return f"Score {comparison.score:.3f}, {suspicion.standing(comparison.rank, comparison.normals)}{most}."


def table(comparison: StoredComparison) -> Markup:
    """Score, threshold, standing and claim."""
    rows = [
        ("score", f"{comparison.score:.4f}"),
        ("threshold", "none" if comparison.threshold is None else f"{comparison.threshold:.4f}"),
        ("beside the normals", suspicion.standing(comparison.rank, comparison.normals)),
        ("claim", comparison.claim),
    ]
    return components.table([*rows, *([("why", comparison.why)] if comparison.why else [])])


def beside(normals: Sequence[tuple[str, str]]) -> Markup:
    """The normal pictures that it was compared with, the most alike first.

    Args:
        normals: path and data URI of each, at least one.
    """
    picture = Markup('<img src="{0}" alt="{1}" title="{1}" style="{2}">')
    each = Markup("").join(picture.format(source, path, _SQUARE) for path, source in normals)
    return Markup(
        '<div class="note" style="margin-top:.4rem">the most alike normal pictures</div>'
        '<div style="display:flex;flex-wrap:wrap;gap:.4rem;margin:.2rem 0 .4rem">{}</div>'
    ).format(each)


def _placed(window: Window, box: Region) -> Markup:
    """A box of the upright picture as CSS, in percent of what is shown."""
    x0, y0, x1, y1 = window.from_percent.inverse.box((box.x0, box.y0, box.x1, box.y1))
    return Markup("left:{:.2f}%;top:{:.2f}%;width:{:.2f}%;height:{:.2f}%;").format(x0, y0, x1 - x0, y1 - y0)


def _drawn(comparison: StoredComparison, side: int) -> str:
    values: NDArray[np.float32] = np.asarray(comparison.values, np.float32).reshape(comparison.rows, comparison.columns)
    low, high = float(np.median(values)), float(values.max())
    shares = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    opacity = Image.fromarray((shares * 255).astype(np.uint8))
    scale = max(1, side // max(values.shape))
    opacity = opacity.resize((comparison.columns * scale, comparison.rows * scale), Image.Resampling.BILINEAR)
    picture = Image.new("RGB", opacity.size, _RED)
    picture.putalpha(opacity)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
