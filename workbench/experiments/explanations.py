"""Are the explanations true? Measures of a stored run that has masks.

right for   right answers that point at the defect, see `right_reason.py`
  the right
  reason
pointing    accepted patches that touch the defect's mask, beside what as many random patches would
deletion    what an image's answers point at is painted out - the patches most accepted, else the region named - and it
            is asked again, beside as much painted out elsewhere: if that carried the answer, painting it out costs more
rationale   whether the words say what the answer says, and where the mask lies
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from warehouse import claims
from warehouse.queries.groundings import Groundings
from warehouse.records.scoring import Entry, Run
from warehouse.store import Store
from workbench.analysis import ablation_text, compare, intervals, right_reason, subtasks
from workbench.analysis import patches as geometry
from workbench.analysis.ablation import Study
from workbench.analysis.patches import Box, Mask
from workbench.archive import image_decoding, masks, regions, run_views
from workbench.archive.view import Frame, View, Window
from workbench.errors import UnknownRun, UnreadableImage
from workbench.experiments import ablation, archive_copies
from workbench.experiments.ablation import NO_LOOP, Setup
from workbench.experiments.study_results import read_study
from workbench.question_sets import BUILT_IN, REGION_NAMES
from workbench.scoring import groundings
from workbench.scoring import run as scoring
from workbench.scoring.watch import Watch
from workbench.settings import Engine, Settings

PAINTED = 3  # patches per image


# -- pointing ----------------------------------------------------------------------------------------------------------


def pointing(data: Path, run_id: str) -> pl.DataFrame:
    """Where the accepted patches of questions about a defect lie, one row per image that has a mask.

    Returns:
        image_id, image_path, patches (accepted, over its questions), hits, expected (hits of as many random patches).
    """
    store = Store(data)
    run = store.run(run_id)
    assert run is not None
    found = store.archive(run.archive_id)
    assert found is not None
    about_the_object = subtasks.about_the_object(run.subtasks)
    index = store.prediction_index(run_id).filter(~pl.col("subtask").is_in(about_the_object))
    accepted = store.patches(run_id).filter("accepted")
    accepted = accepted.join(index.select("image_id", "question_id", "image_path"), on=["image_id", "question_id"])
    rows, views = [], run_views.of_run(run)
    for (image_id,), patches in accepted.group_by(["image_id"], maintain_order=True):
        entry = store.entry(str(image_id))
        if entry is None or not entry.mask_path:
            continue
        view, path = views.of(entry), Path(found.root) / entry.path
        try:  # first: a mask says nothing of a picture that was replaced
            image_decoding.read(path, view.content)
            window = view.placed(image_decoding.frame_of(path)).window
        except UnreadableImage:
            continue
        if (mask := mask_of(Path(found.root), entry, view)) is None:
            continue
        boxes: list[Box] = list(patches.select("x0", "y0", "x1", "y1").iter_rows())
        hits = geometry.hits(mask, boxes, window.box)
        rows.append((str(image_id), entry.path, len(boxes), hits.count, hits.expected))
    schema = {
        "image_id": pl.String, "image_path": pl.String, "patches": pl.Int64, "hits": pl.Int64, "expected": pl.Float64
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def mask_of(root: Path, entry: Entry, view: View) -> Mask | None:
    """What a view of the entry shows of its mask, True on the defect, as `masks.of_view` reads it."""
    return masks.of_view(root / entry.mask_path, root / entry.path, view) if entry.mask_path else None


# -- deletion ----------------------------------------------------------------------------------------------------------


def deletion(root: Path, base: Settings, run_id: str, watch: Watch, seed: int = 0) -> str:
    """Ask again with what was pointed at painted out: intact, painted out, as much elsewhere; the experiment's name.

    Without the loop, so that nothing but the pixels differs; only images of which anything was pointed at.

    Raises:
        what `scoring.score` raises; arms finished before stay.
    """
    experiment = ablation.name_of("stress", root, base, run_id)
    home = base.work.data / "stress" / experiment
    run = Store(base.work.data).run(run_id)
    assert run is not None
    boxes, views = pointed_at(base.work.data, run), run_views.of_run(run)
    found = archive_copies.scan(root, Store(base.work.data), base.work.layouts)
    entries = [entry for entry in found.entries if entry.image_id in boxes]  # not another picture of the same name

    def intact(_entry: Entry, image: Image.Image) -> Image.Image:
        return image

    def accepted(entry: Entry, image: Image.Image) -> Image.Image:
        return painted(image, boxes[entry.image_id])

    def random(entry: Entry, image: Image.Image) -> Image.Image:
        rng = archive_copies.randomness(entry, f"random patches {seed}")
        inspected = views.of(entry).placed(Frame(*image.size)).window
        return painted(image, other_patches(inspected, boxes[entry.image_id], rng))

    arms = (
        ("intact", "intact", intact),
        ("accepted", "accepted painted out", accepted),
        ("random", "random painted out", random),
    )
    for place, (folder, name, change) in enumerate(arms):
        copy = home / folder
        archive_copies.make(found, copy, entries, change, views=views)
        setup = Setup(name, NO_LOOP, "deletion", "intact" if place else None)
        outcome = scoring.score(copy, ablation.changed(base, setup.changes), watch, purpose="explain", again=False)
        ablation.keep("stress", experiment, root, place, setup, outcome, base.work.data)
    return experiment


def pointed_at(data: Path, run: Run) -> dict[str, list[Box]]:
    """What a run's answers about each image point at, in pixels: the patches most accepted; of a run without patches
    the region it names."""
    if run.capabilities.attention:
        return {image_id: most_accepted(boxes) for image_id, boxes in _accepted(data, run.run_id).items()}
    store, named, views = Store(data), {}, run_views.of_run(run)
    for (image_id,), rows in Groundings(data).questions(run.run_id).group_by("image_id", maintain_order=True):
        region = groundings.named_region(run, rows)
        entry = store.entry(str(image_id))
        box = None if region is None or region.answer is None else region.regions[region.answer]
        archive = store.archive(entry.archive_id) if entry else None
        if entry is None or archive is None or box is None:
            continue
        try:
            inspected = views.of(entry).placed(image_decoding.frame_of(Path(archive.root) / entry.path)).window
        except UnreadableImage:
            continue
        named[str(image_id)] = [inspected.from_copy(1, 1).box(box)]
    return named


def _accepted(data: Path, run_id: str) -> dict[str, list[Box]]:
    """Accepted patches of questions about a defect, by image_id; a patch once per question that took it."""
    store = Store(data)
    run = store.run(run_id)
    assert run is not None
    about_the_object = subtasks.about_the_object(run.subtasks)
    index = store.prediction_index(run_id).filter(~pl.col("subtask").is_in(about_the_object))
    taken = store.patches(run_id).filter("accepted").sort("score", descending=True)
    taken = taken.join(index.select("image_id", "question_id"), on=["image_id", "question_id"])
    found: dict[str, list[Box]] = {}
    for image_id, *box in taken.select("image_id", "x0", "y0", "x1", "y1").iter_rows():
        found.setdefault(image_id, []).append((box[0], box[1], box[2], box[3]))
    return found


def most_accepted(boxes: Sequence[Box], count: int = PAINTED) -> list[Box]:
    """The patches that most questions accepted; of equals the one named first."""
    return [box for box, _ in Counter(boxes).most_common(count)]


def other_patches(inspected: Window, boxes: Sequence[Box], rng: np.random.Generator) -> list[Box]:
    """As many other patches of the same grid, which lies over what was inspected, chosen at random."""
    wide, high = boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]
    columns, rows = (max(1, round(side / patch)) for side, patch in zip(inspected.size, (wide, high), strict=True))
    in_grid = inspected.to_whole.inverse
    taken = {(round(box[0] / wide), round(box[1] / high)) for box in map(in_grid.box, boxes)}
    free = [(c, r) for r in range(rows) for c in range(columns) if (c, r) not in taken]
    chosen = [free[i] for i in rng.permutation(len(free))[: len(boxes)]]
    return [inspected.to_whole.box((c * wide, r * high, (c + 1) * wide, (r + 1) * high)) for c, r in chosen]


def painted(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """The image with these boxes filled with its median colour."""
    after = image.copy()
    median = np.median(np.asarray(image.convert("RGB")).reshape(-1, 3), 0).astype(int)
    draw = ImageDraw.Draw(after)
    for x0, y0, x1, y1 in boxes:
        draw.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), fill=tuple(median.tolist()))
    return after


# -- rationale ---------------------------------------------------------------------------------------------------------

_NO_DEFECT = re.compile(
    r"\b(no (visible )?(defect|damage|anomaly)|not (defective|damaged)|looks like the normal)\b", re.I
)
_DEFECT = re.compile(r"\b(defect|damage|anomaly|scratch|dent|stain|crack|hole|notch|cut|rust|burn|shows a)\w*\b", re.I)
_PLACES = tuple(name.rstrip(".").lower() for name in REGION_NAMES)


@dataclass(frozen=True, slots=True)
class Rationales:
    """What the words of a run say, beside its answers and masks."""

    written: int  # rationales on detection questions that say whether there is a defect, as does the answer
    agreeing: int  # ... as the answer says
    placed: int  # rationales that name a region, on images with a mask
    in_place: int  # ... the mask's


def rationales(data: Path, run_id: str) -> Rationales:
    """Whether the words say what the answer says, and where the mask lies."""
    store = Store(data)
    run = store.run(run_id)
    assert run is not None
    found = store.archive(run.archive_id)
    assert found is not None
    views = run_views.of_run(run)
    where: dict[str, str | None] = {}
    written = agreeing = placed = in_place = 0
    for image in store.prediction_index(run_id)["image_id"].unique(maintain_order=True):
        for prediction in store.case(run_id, image):
            said = prediction.rationale or ""
            if prediction.claims is not None and (defect := says_defect(said)) is not None:
                claim = claims.of(prediction)
                if claim in ("defective", "good"):
                    written += 1
                    agreeing += defect == (claim == "defective")
            if (place := says_where(said)) is not None:
                if image not in where:
                    entry = store.entry(image)
                    where[image] = _region(Path(found.root), entry, views.of(entry)) if entry else None
                if where[image] is not None:
                    placed += 1
                    in_place += place == where[image]
    return Rationales(written, agreeing, placed, in_place)


def says_defect(text: str) -> bool | None:
    """Whether the words claim a defect, deny one, or (None) do neither."""
    if _NO_DEFECT.search(text):
        return False
    return True if _DEFECT.search(text) else None


def says_where(text: str) -> str | None:
    """The region the words name, the most exact one; None if none."""
    named = [place for place in _PLACES if re.search(rf"\b{place}\b", text, re.I)]
    return max(named, key=len, default=None)


def _region(root: Path, entry: Entry, view: View) -> str | None:
    """The region of the entry's mask; None without one, or where the picture isn't the one that was scored any more."""
    if not entry.mask_path:
        return None
    try:
        image_decoding.read(root / entry.path, view.content)
    except UnreadableImage:
        return None
    letter = regions.letter_of(root / entry.mask_path, root / entry.path, view)
    return None if letter is None else _PLACES["ABCDEFGHI".index(letter)]


def summary(pointed: pl.DataFrame) -> Mapping[str, float]:
    """Shares of accepted patches on the defect and of random ones, over all images."""
    patches = int(pointed["patches"].sum())
    if not patches:
        return {"patches": 0, "hit": float("nan"), "chance": float("nan")}
    return {
        "patches": patches,
        "hit": float(pointed["hits"].sum()) / patches,
        "chance": float(pointed["expected"].sum()) / patches,
    }


def report(base: Settings, run_id: str, watch: Watch) -> str:
    """All measures as Markdown; the deletion test asks the images again, where a local engine answered the run.

    Raises:
        UnknownRun: there is no such run.
        what `scoring.score` raises.
    """
    store = Store(base.work.data)
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id}; `workbench runs` shows them")
    found = store.archive(run.archive_id)
    if found is None:
        raise UnknownRun(f"run {run_id} is over images that no registered archive holds; it can't be asked again")
    groundings.measure(store, run)
    pointed = summary(pointing(base.work.data, run_id))
    deleted = _deletion_in_words(base, run, Path(found.root), watch)
    lines = [f"*{ablation_text.DEMO}*\n"] if run.demo else []
    lines += [
        f"- pointing: of {pointed['patches']} accepted patches on questions about a defect {pointed['hit']:.3f} lie on "
        f"its mask; random ones would in {pointed['chance']:.3f}"
    ]
    said = rationales(base.work.data, run_id)
    lines += [
        f"- rationale: {said.agreeing} of {said.written} say of a defect what the answer says; {said.in_place} of "
        f"{said.placed} that name a region name the mask's"
        if said.written or said.placed
        else "- rationale: none was written (score with --rationale)"
    ]
    lines += deleted
    reason = right_reason.of(Groundings(base.work.data).of_runs([run_id]))
    if reason is None:
        lines.insert(bool(run.demo), f"- {right_reason.lack(run).sentence}")
    else:
        painted_out = right_reason.painted_sentence(reason, run_id) if reason.painting else ""
        lines.insert(bool(run.demo), f"- {right_reason.sentence(reason)} {painted_out}".rstrip())
    return "\n".join(lines) + "\n"


def _deletion_in_words(base: Settings, run: Run, root: Path, watch: Watch) -> list[str]:
    """Ask again with what was pointed at painted out, and store which answers changed."""
    if run.evaluator not in get_args(Engine):
        return [f"- deletion: not asked; what answered this run ({run.evaluator}) can't be asked again"]
    if not pointed_at(base.work.data, run):
        return []
    study = read_study(base.work.data, "stress", deletion(root, asked_as(run, base), run.run_id, watch))
    Groundings(base.work.data).store_changes(run.run_id, _changes(Store(base.work.data), run, study))
    painted_out = f"the {PAINTED} most accepted patches" if run.capabilities.attention else "the region named"
    return [f"- deletion: asked without the loop, {painted_out} of each image painted out:", "", _deleted(study)]


def _changes(store: Store, run: Run, study: Study) -> pl.DataFrame:
    """image_id (the run's), question_id, changed, changed_elsewhere: answers that differ from the intact image's."""
    on = ("image_path", "question_id")
    intact, painted_out, elsewhere = (study.facts[arm.run_id] for arm in study.arms)
    found = store.prediction_index(run.run_id).select("image_id", *on).unique(on, keep="first")
    for name, facts in (("changed", painted_out), ("changed_elsewhere", elsewhere)):
        both = compare.pair(intact, facts, on).frame
        changed = both.select(*on, pl.col("answer").ne_missing(pl.col("old_answer")).alias(name))
        found = found.join(changed, on=on, how="inner")
    return found.drop("image_path")


def asked_as(run: Run, base: Settings) -> Settings:
    """The settings with the run's model, and its question set where that is a registered one."""
    registered = run.question_set if run.question_set not in BUILT_IN else None
    work = replace(base.work, questions=base.work.questions or registered)
    return replace(base, machine=replace(base.machine, model=run.model), work=work)


def _deleted(study: Study) -> str:
    """Accuracy and confidence in the intact image's answer, intact and painted, about defective images."""
    intact = study.facts[study.arms[0].run_id]
    rows = [
        "| images with a mask, questions about the defect | n | accuracy | answers changed, 95 % by image |",
        "| - | - | - | - |",
    ]
    about_the_object = subtasks.about_the_object(study.subtasks)
    for arm in study.arms:
        both = compare.pair(intact, study.facts[arm.run_id], ("image_path", "question_id")).frame
        both = both.filter(pl.col("label") == "defective", ~pl.col("subtask").is_in(about_the_object))
        changed = both.with_columns(right=pl.col("answer").ne_missing(pl.col("old_answer")))
        share = intervals.rates(changed).row(0, named=True)
        accuracy = both.select(pl.col("right").cast(pl.Float64).mean()).item()
        rows.append(
            f"| {arm.arm} | {both.height} | {accuracy:.3f} "
            f"| {share['rate']:.3f} [{share['low']:.3f}, {share['high']:.3f}] |"
        )
    return "\n".join(rows)
