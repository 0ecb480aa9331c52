"""Rollups: what the pages ask of `facts` and `cells`, chosen by any combination of filters.

A call is one short read. What names a column comes from the lists below, never from an address; values are bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from warehouse import facts
from warehouse.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

Flip = Literal["lost", "won", "kept", "still wrong"]  # right then wrong, wrong then right, right twice, wrong twice
IMAGE_FACETS = ("dataset", "product", "label", "defect", "line", "camera")  # an image has one value of each
FACETS = (
    "subtask", *IMAGE_FACETS, "night", "outcome", "shape", "description", "retrieval", "answer_text", "correct_text",
    "letter", "confidence_band", "entropy_band",
)  # fmt: skip
RANGES = {"entropy": "settled_entropy", "confidence": "confidence"}
_JUDGED = "correct_answer IS NOT NULL AND status <> 'failed' AND choices > 0"
# What is not stored because it follows from what is: as `workbench/analysis/facts.py` has it.
_DERIVED = {
    "right": f"CASE WHEN {_JUDGED} THEN outcome = 'right' END",
    "letter": "correct_answer",
    "entropy": "settled_entropy",
    "confidence_band": """CASE WHEN confidence < 0.5 THEN 'below 0.5' WHEN confidence < 0.7 THEN '0.5 to 0.7'
        WHEN confidence < 0.9 THEN '0.7 to 0.9' WHEN confidence < 0.99 THEN '0.9 to 0.99'
        WHEN confidence IS NOT NULL THEN '0.99 and above' END""",
    "entropy_band": """CASE WHEN settled_entropy < 0.25 THEN 'below 0.25' WHEN settled_entropy < 0.5 THEN '0.25 to 0.5'
        WHEN settled_entropy < 1 THEN '0.5 to 1' WHEN settled_entropy < 2 THEN '1 to 2'
        WHEN settled_entropy < 4 THEN '2 to 4' WHEN settled_entropy IS NOT NULL THEN '4 and above' END""",
}
_PAIRED = ("subtask", "product", "dataset", "label", "defect")
# The columns of `analysis.facts`.
ANALYSED = (
    "run_id", "image_id", "question_id", "asked", "image_path", "dataset", "product", "label", "defect", "line",
    "camera", "night", "subtask", "question", "status", "outcome", "right", "answer", "correct_answer", "answer_text",
    "correct_text", "choices", "conditional", "confidence", "entropy", "shape", "description", "retrieval", "letter",
    "confidence_band", "entropy_band",
)  # fmt: skip
NONE = "none"  # a facet's value where the column is empty


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a run's predictions: those that every filter lets through."""

    run_id: str
    facets: tuple[tuple[str, str], ...] = ()  # of FACETS, with a value or NONE
    ranges: tuple[tuple[str, float, float], ...] = ()  # of RANGES: from, up to and with
    flip: Flip | None = None  # against the run `base`, over the questions both answered
    base: str | None = None
    images: tuple[str, ...] | None = None  # only these

    @property
    def counted_beforehand(self) -> bool:
        """Whether `cells` knows the answer: only images and subtasks are chosen among."""
        known = (*IMAGE_FACETS, "subtask")
        only = all(name in known for name, _ in self.facets)
        return only and not self.ranges and self.flip is None and self.images is None


class Place(NamedTuple):
    """Where a case stands in a list, and who stands beside it."""

    place: int | None  # from 1; None when the list doesn't hold it
    total: int
    before: tuple[str, str] | None  # image, question
    after: tuple[str, str] | None


# Worst outcome first, then highest entropy; the rest makes the order the same every time.
_RANK = "list_position(['escape', 'overkill', 'wrong', 'invalid', 'failed', 'right', 'unlabelled'], outcome)"
ORDER = f"{_RANK}, coalesce(settled_entropy, 0) DESC, image_path, question_id"


class Rollups:
    """What the pages ask of `facts` and `cells`. Cheap to make; every call is one short read."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def cells(self, selection: Selection) -> pl.DataFrame:
        """The cells of a selection, see `Cell`; counted beforehand where only images and subtasks are chosen among."""
        if selection.counted_beforehand:
            where, values = _facets(selection)
            # Of one subtask, its cells are those over all subtasks too.
            one = any(name == "subtask" for name, _ in selection.facets)
            over_all = " UNION ALL SELECT * REPLACE (NULL AS subtask) FROM found" if one else ""
            return self._database.frame(
                f"WITH found AS (SELECT * FROM cells WHERE run_id = ?{where}) SELECT * FROM found{over_all}",
                [selection.run_id, *values],
            )
        source, values = _source(selection)
        return self._database.frame(facts.CELLS.format(source=f"({source})"), values)

    def facts(
        self,
        selection: Selection,
        columns: Sequence[str] = ANALYSED,
        limit: int | None = None,
        offset: int = 0,
        ordered: bool = True,
        numbered: bool = False,
    ) -> pl.DataFrame:
        """Rows of a selection with those columns, in the order to look at them unless told otherwise.

        Args:
            selection: which rows.
            columns: of `facts` and of `analysis.facts`.
            limit: at most so many.
            offset: after so many.
            ordered: False where the order doesn't matter: sorting a million rows takes a second.
            numbered: image_id as a 64-bit hash, which is all that clustering by image needs and five times quicker.
        """
        source, values = _source(selection)
        derived = {**_DERIVED, "image_id": "hash(image_id)"} if numbered else _DERIVED
        chosen = ", ".join(f"{derived[name]} AS {name}" if name in derived else name for name in columns)
        order = f" ORDER BY {ORDER}" if ordered else ""
        page = "" if limit is None else f" LIMIT {limit:d} OFFSET {offset:d}"
        return self._database.frame(f"SELECT {chosen} FROM ({source}){order}{page}", values)

    def counts(self, selection: Selection, by: Sequence[str]) -> pl.DataFrame:
        """How many predictions of a selection there are by these columns: the columns and `n`, most first."""
        source, values = _source(selection)
        chosen = ", ".join(f"{_DERIVED[name]} AS {name}" if name in _DERIVED else name for name in by)
        return self._database.frame(
            f"SELECT {chosen}, count(*) AS n FROM ({source}) GROUP BY ALL ORDER BY n DESC, {', '.join(by)}", values
        )

    def pairs(self, base: str, selection: Selection, numbered: bool = False) -> pl.DataFrame:
        """The judged questions of a selection that `base` was asked too: `analysis.compare.pair` of both, in no order.

        Returns:
            image_id, asked, question_id, subtask, product, dataset, label, defect, right, old_right, answer_text,
            old_answer_text; numbered: image_id as a hash, and no asked, question_id and answers.
        """
        source, values = _source(selection)
        more = () if numbered else ("asked", "question_id", "answer_text")
        own = ", ".join(f"first({name}) AS {name}" for name in (*_PAIRED, *more))
        image = "first(hash(image_id))" if numbered else "first(image_id)"
        return self._database.frame(
            f"""
            SELECT * EXCLUDE (pair) FROM (
                SELECT hash(image_id, asked) AS pair, {image} AS image_id, {own}, first(outcome = 'right') AS right
                FROM ({source}) WHERE {_JUDGED} GROUP BY pair
            ) JOIN (
                SELECT hash(image_id, asked) AS pair, first(outcome = 'right') AS old_right
                    {"" if numbered else ", first(answer_text) AS old_answer_text"}
                FROM facts WHERE run_id = ? AND {_JUDGED} GROUP BY pair
            ) USING (pair)
            """,
            [*values, base],
        )

    def place(self, selection: Selection, image_id: str, question_id: str) -> Place:
        """Where a case stands in a selection, in the order to look at it."""
        source, values = _source(selection)
        found = self._database.frame(
            f"""
            WITH listed AS (
                SELECT image_id, question_id, row_number() OVER (ORDER BY {ORDER}) AS place FROM ({source})
            ), here AS (SELECT max(place) AS place FROM listed WHERE image_id = ? AND question_id = ?)
            SELECT (SELECT place FROM here) AS here, (SELECT count(*) FROM listed) AS total,
                image_id, question_id, place
            FROM (SELECT 1) LEFT JOIN listed
                ON place IN (coalesce((SELECT place FROM here), 0) - 1, coalesce((SELECT place FROM here), 0) + 1)
            """,
            [*values, image_id, question_id],
        )
        first = found.row(0, named=True)
        beside = {row["place"]: (row["image_id"], row["question_id"]) for row in found.iter_rows(named=True)}
        at = first["here"] or 0
        return Place(first["here"], first["total"], beside.get(at - 1), beside.get(at + 1))

    def traces(self, selection: Selection, at_most: int | None = None) -> pl.DataFrame:
        """Entropy traces of a selection, all or at most so many and then always the same ones.

        Returns:
            image_id, question_id, subtask, shape, right, entropy (nats, from iteration 0).
        """
        source, values = _source(selection)
        some = "" if at_most is None else f"ORDER BY hash(image_id, question_id) LIMIT {at_most:d}"
        return self._database.frame(
            f"""
            SELECT f.image_id, f.question_id, f.subtask, f.shape, f.right, p.entropy FROM
                (SELECT image_id, question_id, subtask, shape, {_DERIVED["right"]} AS right
                 FROM ({source}) WHERE shape IS NOT NULL {some}) AS f
            JOIN (SELECT image_id, question_id, entropy FROM predictions WHERE run_id = ?) AS p
                USING (image_id, question_id)
            """,
            [*values, selection.run_id],
        )

    def masked(self, selection: Selection, at_most: int) -> dict[str, str]:
        """Images of a selection with a mask, at most so many and always the same ones, to where the mask is."""
        source, values = _source(selection)
        found = self._database.frame(
            f"SELECT image_id, mask_path FROM entries SEMI JOIN ({source}) USING (image_id) "
            "WHERE mask_path IS NOT NULL ORDER BY hash(image_id) LIMIT ?",
            [*values, at_most],
        )
        return dict(found.iter_rows())

    def patches(self, run_id: str, image_ids: Sequence[str]) -> pl.DataFrame:
        """All proposed patches of these images: image_id, question_id, iteration, accepted, x0, y0, x1, y1."""
        return self._database.frame(
            "SELECT image_id, question_id, iteration, accepted, x0, y0, x1, y1 FROM patches "
            "WHERE run_id = ? AND image_id IN (SELECT unnest(?::VARCHAR[]))",
            [run_id, list(image_ids)],
        )

    def images(self, run_id: str, at_most: int) -> pl.DataFrame:
        """A run's images with their content, at most so many and always the same ones: image_id, content."""
        return self._database.frame(
            "SELECT image_id, content FROM entries SEMI JOIN (SELECT image_id FROM facts WHERE run_id = ?) "
            "USING (image_id) ORDER BY hash(image_id), image_id LIMIT ?",
            [run_id, at_most],
        )

    def outcomes(self, selection: Selection, image_ids: Sequence[str]) -> pl.DataFrame:
        """Of these images those that a selection has, each by its worst question, in the order to look at them.

        Returns:
            image_id, question_id, image_path, product, label, defect, outcome, settled_entropy, questions.
        """
        source, values = _source(selection)
        return self._database.frame(
            f"""
            SELECT image_id, question_id, image_path, product, label, defect, outcome, settled_entropy,
                count(*) OVER (PARTITION BY image_id) AS questions
            FROM ({source}) WHERE image_id IN (SELECT unnest(?::VARCHAR[]))
            QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY {ORDER}) = 1 ORDER BY {ORDER}
            """,
            [*values, list(image_ids)],
        )

    def mask_paths(self, image_ids: Sequence[str]) -> dict[str, str]:
        """Where the masks of these images are, relative to their archive; those that have one."""
        found = self._database.frame(
            "SELECT image_id, mask_path FROM entries WHERE image_id IN (SELECT unnest(?::VARCHAR[])) "
            "AND mask_path IS NOT NULL",
            [list(image_ids)],
        )
        return dict(found.iter_rows())

    def accepted(self, run_id: str, cases: Sequence[tuple[str, str]]) -> pl.DataFrame:
        """The accepted patches of these (image, question) pairs: image_id, question_id, x0, y0, x1, y1 in pixels."""
        images, questions = [image for image, _ in cases], [question for _, question in cases]
        return self._database.frame(
            "SELECT image_id, question_id, x0, y0, x1, y1 FROM patches WHERE run_id = ? AND accepted "
            "AND image_id IN (SELECT unnest(?::VARCHAR[])) "
            "AND (image_id, question_id) IN (SELECT (unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))) "
            "ORDER BY block, rowid",
            [run_id, images, images, questions],
        )


def sql(selection: Selection) -> str:
    """The statement that selects the rows, with its values written in: for people to read and repeat."""
    text, values = _source(selection)
    for value in values:
        shown = str(value) if isinstance(value, float) else "'" + str(value).replace("'", "''") + "'"
        text = text.replace("?", shown, 1)
    return " ".join(text.split())


def _source(selection: Selection) -> tuple[str, list[object]]:
    """The rows of a selection as a subquery, and its values."""
    where, values = _facets(selection)
    for name, low, high in selection.ranges:
        where += f" AND {RANGES[name]} BETWEEN ? AND ?"
        values += [low, high]
    if selection.images is not None:
        where += " AND image_id IN (SELECT unnest(?::VARCHAR[]))"
        values.append(list(selection.images))
    if selection.flip is not None:
        before, after = _FLIPS[selection.flip]
        where += (
            f" AND {_JUDGED} AND {after} AND (image_id, asked) IN"
            f" (SELECT (image_id, asked) FROM facts WHERE run_id = ? AND {_JUDGED} AND {before})"
        )
        values.append(selection.base or "")
    return f"SELECT * FROM facts WHERE run_id = ?{where}", [selection.run_id, *values]


_FLIPS: dict[Flip, tuple[str, str]] = {
    "lost": ("outcome = 'right'", "outcome <> 'right'"),
    "won": ("outcome <> 'right'", "outcome = 'right'"),
    "kept": ("outcome = 'right'", "outcome = 'right'"),
    "still wrong": ("outcome <> 'right'", "outcome <> 'right'"),
}


def _facets(selection: Selection) -> tuple[str, list[object]]:
    where, values = "", list[object]()
    for name, value in selection.facets:
        if name not in FACETS:
            raise ValueError(f"{name} is no facet; there are {', '.join(FACETS)}")
        column = _DERIVED.get(name, name)
        if value == NONE:
            where += f" AND {column} IS NULL"
        else:
            where += f" AND {column} = ?"
            values.append(value)
    return where, values
