"""Pictures that a run scored, small, for reports that stand alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from warehouse.store import Store
from workbench.archive import previews, run_views


class Scored(Protocol):
    """A picture of a run."""

    @property
    def run_id(self) -> str:
        """The run that saw it."""
        ...

    @property
    def image_id(self) -> str:
        """Of its entry."""
        ...


def jpegs(store: Store, pictures: Iterable[Scored]) -> dict[str, bytes]:
    """Each picture as its run saw it, as a small JPEG by image_id.

    Left out are those that are gone, can't be read, hold something else by now or lie in no registered archive.
    """
    roots = {archive.archive_id: archive.root for archive in store.archives()}
    found: dict[str, bytes] = {}
    for picture in pictures:
        entry = store.entry(picture.image_id)
        if entry is None or entry.archive_id not in roots:
            continue
        root = roots[entry.archive_id]
        path = previews.locate(entry.path, root, [root])
        view = run_views.of_run(store.run(picture.run_id)).of(entry).for_display
        if path and (small := previews.jpeg(path, view)):
            found[picture.image_id] = small
    return found
