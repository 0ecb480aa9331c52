"""A tile of a large picture: where it lies in the whole, and what is pointed at, in pixels of the tile and the whole.

Goes from records to HTML; knows nothing of the address or of widgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from warehouse.records.scoring import Prediction, Run
from workbench.analysis import option_region
from workbench.analysis.patches import Box
from workbench.archive.view import Window
from workbench.pages.case.view import View
from workbench.pages.ui import components

SHOWN = 12  # injected patches in the table


def outline(window: Window, whole: tuple[int, int]) -> Markup:
    """The whole picture as an outline with the tile marked, and both in words."""
    width, height = whole
    x0, y0, x1, y1 = Window(0, 0, width, height).from_percent.inverse.box(window.box)
    drawn = Markup(
        '<div style="position:relative;width:100%;min-height:14px;aspect-ratio:{}/{};border:1px solid currentColor;'
        'margin:.3rem 0"><i style="position:absolute;min-width:3px;background:currentColor;opacity:.55;'
        'left:{:.2f}%;top:{:.2f}%;width:{:.2f}%;height:{:.2f}%"></i></div>'
    ).format(width, height, x0, y0, x1 - x0, y1 - y0)
    said = f"This tile is {_place(window.box)} of a picture of {width:,} × {height:,} pixels."
    return drawn + Markup('<div class="note">{}</div>').format(said)


def defects(view: View, run: Run, answers: Sequence[Prediction]) -> Markup:
    """Where the mask, the region that the run names and the injected patches lie.

    Args:
        view: the case, whose tile is shown.
        run: says which subtasks ask for a region.
        answers: the tile's questions.
    """
    window = view.window
    found: list[tuple[str, Box]] = []
    if view.mask is not None:
        rows, columns = (np.flatnonzero(view.mask.any(axis)) for axis in (1, 0))
        high, wide = view.mask.shape
        edges = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
        found.append(("mask", window.from_copy(wide, high).box(edges)))
    found += [(f"region named: {words}", window.from_copy(1, 1).box(box)) for words, box in _named(run, answers)]
    patches = [patch for patch in view.patches if patch.number is not None]
    found += [(f"injected patch {patch.number}", window.to_whole.box(patch.box)) for patch in patches[:SHOWN]]
    if not found:
        return Markup('<div class="note">Nothing is marked, named or looked at in this tile.</div>')
    from_whole = window.to_whole.inverse
    table = [[name, _place(from_whole.box(box)), _place(box)] for name, box in found]
    return Markup('<div class="wrap">{}</div>').format(
        components.table(table, ("", "in the tile", "in the whole picture"), numbers=2)
    )


def _named(run: Run, answers: Iterable[Prediction]) -> Iterable[tuple[str, Box]]:
    scorers = {each.name: each.scorer for each in run.subtasks if each.kind == "region"}
    for answer in answers:
        letters = [option.letter for option in answer.options]
        if answer.subtask in scorers and answer.answer in letters:
            place = letters.index(answer.answer)
            words = answer.options[place].text
            if (box := option_region.of_option(scorers[answer.subtask], place, words)) is not None:
                yield words.rstrip(". ").lower(), box


def _place(box: Box) -> str:
    """In whole pixels, across and down."""
    x0, y0, x1, y1 = (f"{edge:,.0f}" for edge in box)
    return f"x {x0} to {x1}, y {y0} to {y1}"
