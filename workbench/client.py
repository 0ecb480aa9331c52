"""A data folder in a notebook or a script: runs, their answers as frames, single cases, pictures, comparisons.

    >>> import workbench
    >>> wb = workbench.open("data")
    >>> wb.run("latest").state
    'finished'

Everything is read, nothing is changed. A run is named by its id, the beginning of it, its name, or `latest`. Numbers
are those of the pages: the same facts, the same truth, the same intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from warehouse.errors import Refused
from warehouse.queries.comparisons import Comparisons
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import ANALYSED, FACETS, Rollups, Selection
from warehouse.queries.run_notes import RunNotes
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Prediction, Run
from warehouse.store import Store
from workbench.analysis import compare
from workbench.analysis.compare import Verdict
from workbench.archive import previews, run_views
from workbench.archive.image_decoding import open_image
from workbench.errors import UnreadableImage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs over the questions that both were judged on.

    >>> import workbench
    >>> wb = workbench.open("data")
    >>> wb.compare("baseline", "latest").verdict.word in ("better", "worse", "not enough evidence")
    True
    """

    verdict: Verdict  # over all of them: word, sentence, difference with its 95 % interval, p
    by_subtask: pl.DataFrame  # subtask and `workbench.analysis.compare.COLUMNS`
    pairs: pl.DataFrame  # a row per question: the run's facts, and the baseline's as old_right, old_answer, ...


class Workbench:
    """One data folder. Cheap to make; safe to share between threads.

    >>> import workbench
    >>> workbench.open("data").runs().height
    2
    """

    def __init__(self, data: Path) -> None:
        """Of this folder; `workbench.open` looks first whether it is one."""
        self.data = data
        self._store = Store(data)

    def runs(self, hidden: bool = False) -> pl.DataFrame:
        """All runs, newest first, with what their answers come to.

        Args:
            hidden: those too that somebody hid from lists.

        Returns:
            One row per run: the columns of `warehouse.records.scoring.Run`, then name, note, tags, hidden, counted
            (judged questions), correct, unlabelled_images and alarm_images (of these, called defective); the last four
            are null where nothing was answered.

        >>> import workbench
        >>> workbench.open("data").runs()["name"].to_list()
        ['', 'baseline']
        """
        notes = RunNotes(self.data).all()
        found = self._store.runs()
        written = [notes.get(run_id) for run_id in found["run_id"]]
        found = found.with_columns(
            pl.Series("name", [note.name if note else "" for note in written], dtype=pl.String),
            pl.Series("note", [note.note if note else "" for note in written], dtype=pl.String),
            pl.Series("tags", [list(note.tags) if note else [] for note in written], dtype=pl.List(pl.String)),
            pl.Series("hidden", [bool(note and note.hidden) for note in written], dtype=pl.Boolean),
        )
        found = found if hidden else found.filter(~pl.col("hidden"))
        counts = Rollups(self.data).run_counts(found["run_id"].to_list())
        return found.join(counts, on="run_id", how="left", maintain_order="left")

    def run(self, name: str) -> Run:
        """The run of this name.

        Raises:
            Refused: there is no such run, or the name is the beginning of several.

        >>> import workbench
        >>> wb = workbench.open("data")
        >>> wb.run("baseline").run_id in wb.runs()["run_id"]
        True
        """
        return RunNotes(self.data).run(name)

    def frame(self, run: str, truth: Truth = "archive", **filters: str) -> pl.DataFrame:
        """A run's answers, the worst first, as the pages count them.

        Args:
            run: which, see `run`.
            truth: what right and wrong go by: the archive's labels, or "reviewed", what people settled where they did.
            filters: of `warehouse.queries.rollups.FACETS`, such as product="bottle" or outcome="escape"; the value
                "none" chooses rows without one.

        Returns:
            One row per question: `warehouse.queries.rollups.ANALYSED`, and comparison_score and comparison_rank where
            the pictures were compared with normal ones.

        Raises:
            Refused: there is no such run.
            ValueError: there is no such filter.

        >>> import workbench
        >>> wb = workbench.open("data")
        >>> wb.frame("latest", subtask="Anomaly Detection")["subtask"].unique().to_list()
        ['Anomaly Detection']
        """
        if unknown := sorted(set(filters) - set(FACETS)):
            raise ValueError(f"there is no filter {', '.join(unknown)}; there are {', '.join(FACETS)}")
        selection = Selection(self.run(run).run_id, tuple(filters.items()), truth=truth)
        found = Rollups(self.data).facts(selection, ANALYSED)
        compared = Comparisons(self.data).of_run(selection.run_id)
        return found if compared.is_empty() else found.join(compared, on="image_id", how="left", maintain_order="left")

    def case(self, run: str, image_id: str, truth: Truth = "archive") -> list[Prediction]:
        """Everything stored about one image's questions, in the order they were asked.

        Args:
            run: which, see `run`.
            image_id: as in `frame`.
            truth: what label and right answer are said by.

        Returns:
            A record per question: options, answer, probabilities, entropy per iteration, retrieved texts; empty where
            the run has no such image.

        Raises:
            Refused: there is no such run.

        >>> import workbench
        >>> wb = workbench.open("data")
        >>> worst = wb.frame("latest").row(0, named=True)
        >>> [each.answer for each in wb.case("latest", worst["image_id"]) if each.question_id == worst["question_id"]]
        ['A']
        """
        return self._store.case(self.run(run).run_id, image_id, truth)

    def picture(self, run: str, image_id: str) -> Image.Image:
        """The picture as a run saw it: upright, its tones as set, its region of interest or tile cut out.

        Args:
            run: which, see `run`.
            image_id: as in `frame`.

        Returns:
            An RGB picture in the pixels of the file.

        Raises:
            Refused: there is no such run, or no registered archive has the image.
            UnreadableImage: the file is gone, damaged, or holds another picture by now.

        >>> import workbench
        >>> wb = workbench.open("data")
        >>> wb.picture("latest", wb.frame("latest")["image_id"][0]).mode
        'RGB'
        """
        found, entry = self.run(run), self._store.entry(image_id)
        archive = self._store.archive(entry.archive_id) if entry else None
        if entry is None or archive is None:
            raise Refused(f"no registered archive has the image {image_id}; image_ids are those of `frame`")
        path = previews.locate(entry.path, archive.root, [archive.root])
        if path is None:
            raise UnreadableImage(
                "permission denied", f"{entry.path} leads out of the archive {archive.root}; it is not opened"
            )
        return open_image(path, run_views.of_run(found).of(entry).for_display)

    def compare(self, base: str, run: str, truth: Truth = "archive") -> Compared:
        """A run against a baseline, over the questions that both were judged on.

        Args:
            base: the baseline, see `run`.
            run: the run.
            truth: what right and wrong go by.

        Returns:
            A verdict by sign flips of the images' net gains, the same by subtask, and the pairs.

        Raises:
            Refused: there is no such run.

        >>> import workbench
        >>> wb = workbench.open("data")
        >>> wb.compare("baseline", "latest").by_subtask.columns[:2]
        ['subtask', 'n']
        """
        old, new = (self.frame(name, truth) for name in (base, run))
        pairs = compare.pair(old, new)
        return Compared(compare.verdict(pairs), compare.table(pairs.frame, ("subtask",)), pairs.frame)

    def disputes(self, run: str | None = None) -> pl.DataFrame:
        """What people should judge, or have judged, heaviest first.

        Args:
            run: only of this one, see `run`.

        Returns:
            One row per dispute: reasons, weight, tasks, verdicts, decision, right_answer, state and what else
            `warehouse.queries.reviews.Reviews.queue` has; empty where nothing was disputed.

        Raises:
            Refused: there is no such run.

        >>> import workbench
        >>> workbench.open("data").disputes().is_empty()
        True
        """
        return Reviews(self.data).queue(self.run(run).run_id if run is not None else None)


def open_folder(data: str | Path) -> Workbench:
    """The workbench of a data folder.

    Raises:
        Refused: there is no such folder, or it holds no warehouse.
    """
    folder = Path(data)
    if not (folder / "warehouse.duckdb").exists():
        raise Refused(f"{folder} holds no warehouse; score an archive first: workbench score ARCHIVE --data {folder}")
    return Workbench(folder)
