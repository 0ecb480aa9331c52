"""Rollups: what the pages ask of `facts` and `cells`, chosen by any combination of filters.

A run's facts are read once, as columns of small numbers (`columns.py`), and filtered and counted in memory; whoever
asks often hands over where they are kept. `sql` chooses the same rows. Columns are named by the lists below alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl
from polars import selectors

from warehouse.database import Database
from warehouse.queries import columns, comparisons
from warehouse.queries import truth as truths
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.columns import ALIASES, IMAGE_FACETS, Columns
from warehouse.queries.comparisons import SCORE
from warehouse.queries.kept_runs import Kept, Read
from warehouse.queries.measures import CHOSEN_BY, OF_IMAGES, PictureMeasures
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

Order = Literal["worst", "likeliest defect", "most suspicious"]  # by outcome, then entropy; by probability; by score
SUSPICIOUS: Order = "most suspicious"
Flip = Literal["lost", "won", "kept", "still wrong"]  # right then wrong, wrong then right, right twice, wrong twice
FACETS = (
    "subtask", *IMAGE_FACETS, "night", "outcome", "shape", "description", "retrieval", "answer_text", "correct_text",
    "letter", "confidence_band", "entropy_band", "claim",
)  # fmt: skip
RANGES = {
    "entropy": "settled_entropy", "confidence": "confidence", SCORE: SCORE,
    **dict(zip(CHOSEN_BY, CHOSEN_BY, strict=True)),
}  # fmt: skip
_PAIRED = ("subtask", "product", "dataset", "label", "defect", "camera", "retrieval")
_WORST = (
    "image_id", "question_id", "image_path", "product", "label", "defect", "outcome", "settled_entropy",
    "defect_probability",
)  # fmt: skip
# What the analysis reads of facts, under the names of `columns.ALIASES` where there are any.
ANALYSED = (
    "run_id", "image_id", "cluster_id", "question_id", "evidence", "image_path", "dataset", "product", "label",
    "defect", "line", "camera", "lot", "night", "subtask", "question", "status", "outcome", "right", "answer",
    "correct_answer", "answer_text", "correct_text", "choices", "conditional", "confidence", "entropy", "shape",
    "description", "retrieval", "letter", "confidence_band", "entropy_band", "detection", "claim", "defect_probability",
    "verified", "basis",
)  # fmt: skip
NONE = "none"  # a facet's value where the column is empty, or says none itself as `retrieval` does


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a run's predictions: those that every filter lets through."""

    run_id: str
    facets: tuple[tuple[str, str], ...] = ()  # of FACETS, with a value or NONE
    ranges: tuple[tuple[str, float, float], ...] = ()  # of RANGES: from, up to and with; not measured is outside
    flip: Flip | None = None  # against the run `base`, over the questions both answered
    base: str | None = None
    images: tuple[str, ...] | None = None  # only these
    truth: Truth = "archive"  # what right and wrong, label and defect go by
    order: Order = "worst"  # that its rows are looked at in
    alarm_rule: AlarmRule = "answers"  # what calls pictures defective

    def whole_run(self, run_id: str | None = None) -> Selection:
        """All rows of its run, or of another, by the same truth and alarm rule."""
        return Selection(run_id or self.run_id, truth=self.truth, alarm_rule=self.alarm_rule)

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


class Rollups:
    """What the pages ask of one data folder's facts and cells."""

    def __init__(self, data: Path, kept: Kept | None = None) -> None:
        self._database = Database(data)
        self._measures, self._comparisons = PictureMeasures(data), comparisons.Comparisons(data)
        self._kept = kept or Read(data)

    def cells(self, selection: Selection) -> pl.DataFrame:
        """The cells of a selection, see `truth.clustered_cells`.

        They are counted beforehand where only images and subtasks are chosen among.
        """
        if selection.counted_beforehand:
            found = self._kept.cells(selection.run_id, selection.truth, selection.alarm_rule)
            found = found.filter(*_facets(selection))
            # Of one subtask, its cells are those over all subtasks too.
            if any(name == "subtask" for name, _ in selection.facets):
                found = pl.concat([found, found.with_columns(subtask=pl.lit(None, pl.String))])
            return found
        counted = columns.cells(self._columns(selection), self._places(selection))
        return counted.select(pl.lit(selection.run_id).alias("run_id"), pl.all())

    def facts(
        self,
        selection: Selection,
        names: Sequence[str] = ANALYSED,
        limit: int | None = None,
        offset: int = 0,
        numbered: bool = False,
    ) -> pl.DataFrame:
        """Rows of a selection, in the order to look at them.

        Args:
            selection: which rows.
            names: ANALYSED, and columns of `columns.Columns`.
            limit: at most so many.
            offset: after so many.
            numbered: images are numbers and texts are Enums: what counting needs.
        """
        held, places = self._columns(selection), self._in_order(selection)
        if limit is not None or offset:
            places = (held.everywhere if places is None else places).slice(offset, limit)
        return held.table(places, names, numbered)

    def alarms(
        self,
        selection: Selection,
        names: Sequence[str],
        at_most: int,
        regions: Sequence[str] = (),
        with_truth: bool = False,
    ) -> pl.DataFrame:
        """The pictures without truth that a selection calls defective, one row each, the likeliest defect first; by the
        comparison's score where that calls them so, or no answer states a probability.

        Args:
            selection: which rows.
            names: as `facts` takes them; image_id among them.
            at_most: so many pictures.
            regions: the run's subtasks that ask where the defect is.
            with_truth: also those of which the truth is known.

        Returns:
            `names` and region: where the run says that the defect is, in the option's words.
        """
        held = self._columns(selection)
        called = pl.col("detection") & (pl.col("claim") == "defective")
        places = self._some(selection, called if with_truth else pl.col("outcome") == "alarm")
        states_none = held.rows["defect_probability"].gather(places).is_null().all()
        by_score = selection.alarm_rule == "comparison" or states_none
        places = self._most_suspicious_first(held, places, selection) if by_score else _likeliest_first(held, places)
        first = held.rows["image"].gather(places).is_first_distinct()
        found = held.table(places.filter(first).head(at_most), names)
        these = replace(selection.whole_run(), images=tuple(found["image_id"]))
        answers = held.table(self._some(these), ("image_id", "subtask", "answer_text")).drop_nulls()
        stated = answers.filter(pl.col("subtask").is_in(list(regions))).unique("image_id", keep="first")
        region = stated.select("image_id", pl.col("answer_text").alias("region"))
        return found.join(region, on="image_id", how="left", maintain_order="left")

    def run_counts(
        self, run_ids: Sequence[str], truth: Truth = "archive", alarm_rule: AlarmRule = "answers"
    ) -> pl.DataFrame:
        """Of runs with answers: run_id, counted (judged questions), correct, unlabelled_images (pictures without truth)
        and of these alarm_images (called defective)."""
        names = ("counted", "correct", "unlabelled_images", "alarm_images")
        sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in names)
        counted = truths.summands(truth, "list_contains($runs::VARCHAR[], run_id)", alarm_rule)
        return self._database.frame(
            f"SELECT run_id, {sums} FROM ({counted}) WHERE subtask IS NULL GROUP BY run_id ORDER BY run_id",
            {"runs": list(run_ids)},
        )

    def calls(self, selection: Selection, names: Sequence[str]) -> pl.DataFrame:
        """The detection answers without truth that call their picture defective or good, in no order.

        Args:
            selection: which rows.
            names: as `facts` takes them.
        """
        calls = pl.col("outcome").is_in(["alarm", "pass"])
        return self._columns(selection).table(self._some(selection, calls), names)

    def has_pieces(self, run_id: str) -> bool:
        """Whether some pictures of a run share a piece."""
        clusters = self._kept.columns(run_id, "archive").images["cluster"]
        return clusters.n_unique() < len(clusters)

    def counts(self, selection: Selection, by: Sequence[str]) -> pl.DataFrame:
        """How many predictions of a selection there are by these columns: the columns and `n`, most first."""
        found = self.facts(selection, by, numbered=True).group_by(by).agg(n=pl.len().cast(pl.Int64))
        most_first = [True, *[False] * len(by)]
        return found.with_columns(selectors.enum().cast(pl.String)).sort("n", *by, descending=most_first)

    def pairs(self, base: str, selection: Selection, numbered: bool = False) -> pl.DataFrame:
        """The questions of a selection that count in it and in `base`: `analysis.compare.pair` of both, in no order.

        Returns:
            image_id, cluster_id, question_id, subtask, product, dataset, label, defect, camera, retrieval, right,
            old_right, evidence, old_evidence, answer_text, old_answer_text; numbered: image_id and cluster_id as
            numbers, and without question_id and answers.
        """
        both = self._pairs(selection, base)
        places = self._places(selection)
        if places is not None:
            both = both.join(places.alias("new").to_frame(), on="new", how="semi")
        new, old = self._columns(selection), self._columns(replace(selection, run_id=base))
        name, text = ((), ()) if numbered else (("question_id",), ("answer_text",))
        found = new.table(
            both["new"], ("image_id", "cluster_id", *name, *_PAIRED, "right", "evidence", *text), numbered
        )
        before = old.table(both["old"], ("right", "evidence", *text), numbered)
        return found.hstack(before.rename(lambda name: f"old_{name}"))

    def place(self, selection: Selection, image_id: str, question_id: str) -> Place:
        """Where a case stands in a selection, in the order to look at it."""
        held, places = self._columns(selection), self._in_order(selection)
        total = held.rows.height if places is None else len(places)

        def key(at: int) -> tuple[str, str] | None:
            if not 0 <= at < total:
                return None
            row = held.table(pl.Series([at if places is None else places[at]]), ("image_id", "question_id"))
            return (row["image_id"][0], row["question_id"][0])

        here = held.place(image_id, question_id)
        at = here if places is None or here is None else places.index_of(here)
        if at is None:
            return Place(None, total, None, key(0))
        return Place(at + 1, total, key(at - 1), key(at + 1))

    def traces(self, selection: Selection, at_most: int | None = None) -> pl.DataFrame:
        """Entropy traces of a selection, all or at most so many and then always the same ones.

        Returns:
            image_id, question_id, subtask, shape, right, entropy (nats, from iteration 0).
        """
        held = self._columns(selection)
        places = self._some(selection, pl.col("shape").is_not_null())
        if at_most is not None and len(places) > at_most:
            shuffled = held.rows.select("image", "question")[places].hash_rows(seed=0)
            places = places.gather(shuffled.arg_sort().head(at_most)).sort()
        chosen = held.table(places, ("image_id", "question_id", "subtask", "shape", "right"))
        with self._database.reading() as con:
            con.register("chosen", chosen)
            found: pl.DataFrame = con.sql(
                "SELECT c.*, p.entropy FROM chosen AS c JOIN (SELECT image_id, question_id, entropy FROM predictions "
                "WHERE run_id = ?) AS p USING (image_id, question_id)",
                params=[selection.run_id],
            ).pl()
            return found

    def masked(self, selection: Selection, at_most: int) -> dict[str, str]:
        """Images of a selection with a mask, at most so many and always the same ones, to where the mask is."""
        images = self.facts(selection, ("image_id",), numbered=True)["image_id"].unique()
        chosen = self._columns(selection).images["image_id"].gather(images)
        with self._database.reading() as con:
            con.register("chosen", chosen.to_frame())
            found = con.sql(
                "SELECT image_id, mask_path FROM entries SEMI JOIN chosen USING (image_id) "
                "WHERE mask_path IS NOT NULL ORDER BY hash(image_id), image_id LIMIT ?",
                params=[at_most],
            ).fetchall()
        return dict(found)

    def patches(self, run_id: str, image_ids: Sequence[str]) -> pl.DataFrame:
        """All proposed patches of these images: image_id, question_id, iteration, accepted, x0, y0, x1, y1."""
        return self._database.frame(
            "SELECT image_id, question_id, iteration, accepted, x0, y0, x1, y1 FROM patches "
            "WHERE run_id = ? AND image_id IN (SELECT unnest(?::VARCHAR[]))",
            [run_id, list(image_ids)],
        )

    def images(self, run_id: str, at_most: int) -> list[Entry]:
        """A run's images that a registered archive has, at most so many and always the same ones, by image_id."""
        ids = self._kept.columns(run_id, "archive").images["image_id"]
        chosen = ids.gather(ids.hash(seed=0).arg_sort().head(at_most))
        found = self.entries(chosen.to_list())
        return [found[image_id] for image_id in sorted(found)]

    def outcomes(self, selection: Selection, image_ids: Sequence[str]) -> pl.DataFrame:
        """Of these images those that a selection has, each by its worst question, in the order to look at them.

        Returns:
            image_id, question_id, image_path, product, label, defect, outcome, settled_entropy, defect_probability,
            questions.
        """
        asked = set(image_ids) if selection.images is None else set(image_ids) & set(selection.images)
        held, places = self._columns(selection), self._some(replace(selection, images=tuple(asked)))
        worst = (
            pl.DataFrame({"place": places, "image": held.rows["image"].gather(places)})
            .group_by("image", maintain_order=True)
            .agg(pl.col("place").first(), questions=pl.len().cast(pl.Int64))
        )
        return held.table(worst["place"], _WORST).with_columns(worst["questions"])

    def mask_paths(self, image_ids: Sequence[str]) -> dict[str, str]:
        """Where the masks of these images are, relative to their archive; those that have one."""
        found = self._database.frame(
            "SELECT image_id, mask_path FROM entries WHERE image_id IN (SELECT unnest(?::VARCHAR[])) "
            "AND mask_path IS NOT NULL",
            [list(image_ids)],
        )
        return dict(found.iter_rows())

    def entries(self, image_ids: Sequence[str]) -> dict[str, Entry]:
        """The entries of these images; of those that a registered archive has."""
        found = self._database.records(
            Entry, "SELECT * FROM entries WHERE image_id IN (SELECT unnest(?::VARCHAR[]))", [list(image_ids)]
        )
        return {entry.image_id: entry for entry in found}

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

    def _columns(self, selection: Selection) -> Columns:
        return self._kept.columns(selection.run_id, selection.truth, selection.alarm_rule)

    def _pairs(self, selection: Selection, base: str) -> pl.DataFrame:
        return self._kept.pairs(selection.run_id, base, selection.truth, selection.alarm_rule)

    def _places(self, selection: Selection) -> pl.Series | None:
        """The places of a selection's rows, ascending; None for all of them."""
        everything = replace(selection.whole_run(), order=selection.order)
        return None if selection == everything else self._some(selection)

    def _in_order(self, selection: Selection) -> pl.Series | None:
        """The places of a selection's rows as they are looked at; None for all of them, as they are stored."""
        places = self._places(selection)
        if selection.order == "worst":
            return places
        held = self._columns(selection)
        places = held.everywhere if places is None else places
        if selection.order == SUSPICIOUS:
            return self._most_suspicious_first(held, places, selection)
        return _likeliest_first(held, places)

    def _most_suspicious_first(self, held: Columns, places: pl.Series, selection: Selection) -> pl.Series:
        ranks = self._comparisons.ranks(selection.run_id, held.images["image_id"])
        return places.gather(ranks.gather(held.rows["image"].gather(places)).arg_sort(nulls_last=True))

    def _some(self, selection: Selection, *more: pl.Expr) -> pl.Series:
        """The places of a selection's rows that also pass `more`, ascending."""
        held = self._columns(selection)
        filters = [*_facets(selection), *more]
        for name, low, high in selection.ranges:
            if name in CHOSEN_BY or name == SCORE:
                chosen = (
                    self._comparisons.between(selection.run_id, low, high)
                    if name == SCORE
                    else self._measures.between(name, low, high)
                )
                wanted = held.images["image_id"].is_in(chosen.implode())
                filters.append(pl.lit(wanted).gather(pl.col("image")))
            else:
                filters.append(pl.col(RANGES[name]).is_between(low, high))
        if selection.images is not None:
            wanted = held.images["image_id"].is_in(list(selection.images))
            filters.append(pl.lit(wanted).gather(pl.col("image")))
        places = held.rows.select(pl.all_horizontal(filters).arg_true()).to_series() if filters else held.everywhere
        if selection.flip is None:
            return places
        base = selection.base or ""
        both, old = self._pairs(selection, base), self._columns(replace(selection, run_id=base))
        before, after = _FLIPS[selection.flip]
        flipped = both.filter(
            old.rows["correct"].gather(both["old"]) == before, held.rows["correct"].gather(both["new"]) == after
        )
        return flipped.join(places.alias("new").to_frame(), on="new", how="semi")["new"].sort()


def _likeliest_first(held: Columns, places: pl.Series) -> pl.Series:
    """Places, the highest probability of a defect first; those without one last, as they were."""
    likely = held.rows["defect_probability"].gather(places)
    return places.gather(likely.arg_sort(descending=True, nulls_last=True))


def sql(selection: Selection) -> str:
    """The statement that chooses a selection's rows: for people to read and repeat."""
    facts = truths.facts_of(selection.truth, selection.alarm_rule)
    where = "".join(f" AND {_condition(ALIASES.get(name, name), value)}" for name, value in selection.facets)
    for name, low, high in selection.ranges:
        within = f"{RANGES[name]} BETWEEN {low!r} AND {high!r}"
        of_run = f"run_id = {quoted(selection.run_id)} AND {within}"
        where += (
            f" AND image_id IN (SELECT image_id FROM {OF_IMAGES} WHERE {within})"
            if name in CHOSEN_BY
            else f" AND image_id IN (SELECT image_id FROM comparisons WHERE {of_run})"
            if name == SCORE
            else f" AND {within}"
        )
    if selection.images is not None:
        where += f" AND image_id IN ({', '.join(map(quoted, selection.images))})"
    if selection.flip is not None:
        before, after = ("" if right else "NOT " for right in _FLIPS[selection.flip])
        where += (
            f" AND {after}correct AND (image_id, question_id) IN (SELECT (image_id, question_id) "
            f"FROM {facts} WHERE run_id = {quoted(selection.base or '')} AND {before}correct)"
        )
    suspicious = comparisons.ORDER.format(run_id=quoted(selection.run_id))
    orders = {"worst": "", "likeliest defect": " ORDER BY defect_probability DESC NULLS LAST"}
    order = orders.get(selection.order, f" ORDER BY {suspicious}")
    return " ".join(f"SELECT * FROM {facts} WHERE run_id = {quoted(selection.run_id)}{where}{order}".split())


def _condition(column: str, value: str) -> str:
    is_value = f"{column} = {quoted(value)}"
    return f"({column} IS NULL OR {is_value})" if value == NONE else is_value


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


_FLIPS: dict[Flip, tuple[bool, bool]] = {
    "lost": (True, False),
    "won": (False, True),
    "kept": (True, True),
    "still wrong": (False, False),
}


def _facets(selection: Selection) -> list[pl.Expr]:
    filters = []
    for name, value in selection.facets:
        if name not in FACETS:
            raise ValueError(f"{name} is no facet; there are {', '.join(FACETS)}")
        column = pl.col(ALIASES.get(name, name))
        filters.append(column.is_null() | (column == NONE) if value == NONE else column == value)
    return filters
