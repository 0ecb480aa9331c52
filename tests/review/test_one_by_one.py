"""A case that raises while it is made ready to be sent is told, and the others are sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import seed
from tests.people import by
from warehouse import schema
from warehouse.errors import DiskFull
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import Dispute
from workbench.analysis.metrics import Key
from workbench.archive.image_decoding import WHOLE
from workbench.archive.view import View
from workbench.review import disputes
from workbench.review.labelstudio import push
from workbench.review.labelstudio.client import Address, LabelStudio
from workbench.review.labelstudio.configuration import Connection
from workbench.review.pictures import Folder, Published


class Raising:
    """Pictures of which one raises."""

    def __init__(self, folder: Folder, path: str, error: BaseException) -> None:
        self._folder, self._path, self._error = folder, path, error

    def publish(self, source: Path, path: str, view: View = WHOLE) -> Published:
        if path == self._path:
            raise self._error
        return self._folder.publish(source, path, view)

    def nothing(self) -> str:
        return self._folder.nothing()


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), RecursionError(), ZeroDivisionError()])
def test_a_picture_that_raises_anything_stops_no_other_but_a_full_disk_stops_all(
    data_folder: Path, tmp_path: Path, error: Exception
) -> None:
    seeded = seed.seed(data_folder, images=4)
    for entry in seeded.entries:
        disputes.open_by(seeded.store, seeded.run.run_id, Key(entry.image_id, seed.question_id(0)), actor=by("anna"))
    found = schema.records(Dispute, Reviews(data_folder).queue())
    studio, folder = LabelStudio(Address("http://127.0.0.1:9", "x")), Folder(tmp_path, "/files")

    def shown(error: Exception) -> tuple[list[bool], push._Pictures]:
        connection = Connection(studio, Raising(folder, found[1].image_path, error))  # type: ignore[arg-type]
        pictures = push._Pictures(seeded.store, connection)
        return [pictures.show(one) for one in found], pictures

    seen, pictures = shown(error)
    assert seen == [True, False, True, True]
    assert list(pictures.broken.values()) == [f"{found[1].image_path}: {error!r}"]
    with pytest.raises(DiskFull):
        shown(DiskFull("no room"))
