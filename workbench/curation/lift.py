"""What each text helps and harms in a run: a sample of the images it was shown with, asked again without it.

Leave-one-out: everything else stays, nothing takes the text's place. Only images the text is for count: what it does to
others, of another product or defect, is chance, and is counted as straying, never as help. A cluster is asked once: a
copy, or another picture of the same piece, would add a question's cost and little evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from warehouse import names, schema
from warehouse.queries.curation import Curation
from warehouse.records.curation import Lift, SubtaskLift
from warehouse.records.scoring import Description
from warehouse.store import Store
from workbench.analysis import intervals, sign_flips
from workbench.curation.newest_run import newest_run
from workbench.curation.trial import meant_for
from workbench.scoring import plan, replay
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.replay import Replay, Without
from workbench.scoring.watch import Watch


def measure(
    store: Store,
    watch: Watch,
    run_id: str | None = None,
    only: str | None = None,
    images: int = 24,
    evaluator: LocalEvaluator | None = None,
) -> list[Lift]:
    """Lift of every text a run was shown, stored and given back, worst first.

    Args:
        run_id: the newest that used knowledge, unless given.
        only: dataset/product, or dataset/product/entry: whose texts to measure.
        images: of the sample, per text.
        evaluator: the model, where it is loaded already.

    Raises:
        CannotReplay: the run can't be asked again as it was.
    """
    watch.step("loading the model")
    replayed = replay.load(store, run_id or newest_run(store).run_id, evaluator)
    version = replayed.run.knowledge_version
    texts = [
        each
        for each in (store.knowledge(version) if version else [])
        if only in (None, each.description_id, names.join((each.dataset, each.product)))
    ]
    shown = _shown(store, replayed)
    found = []
    for each in texts:
        watch.step(f"asking without {each.description_id}")
        if one := _of(store, replayed, each, shown.filter(description_id=each.description_id), images):
            found.append(one)
    Curation(store.data).add_lifts(found)
    return sorted(found, key=lambda one: one.lift)


def discovery_rates(lifts: Sequence[Lift]) -> list[float | None]:
    """The q of each text among these, see `intervals.discoveries`; None where it has no p."""
    return intervals.discoveries(pl.Series([each.p for each in lifts], dtype=pl.Float64)).to_list()


def _shown(store: Store, replayed: Replay) -> pl.DataFrame:
    """Which texts stood in which image's prompts: description_id, image_id, product, label, defect."""
    return Curation(store.data).texts_shown(replayed.run.run_id).unique().sort("image_id", "description_id")


def _of(store: Store, replayed: Replay, text: Description, shown: pl.DataFrame, most: int) -> Lift | None:
    own = meant_for(shown, text)["image_id"].to_list()
    curation, run = Curation(store.data), replayed.run
    stored = curation.predictions_of(run.run_id, own)
    known = curation.truths(run.run_id, own)
    drawn = sorted(
        known.select("image_id", "cluster_id").unique().iter_rows(),
        key=lambda row: hashlib.sha256(f"lift {row[0]}".encode()).digest(),
    )
    one_of_each = {cluster_id: image_id for image_id, cluster_id in reversed(drawn)}
    chosen = [image_id for image_id, cluster_id in drawn if one_of_each[cluster_id] == image_id][:most]
    rows = stored.filter(pl.col("image_id").is_in(chosen))
    items = replay.stored_questions(store, run, rows)
    if not items:
        return None
    together = replayed.settings.work.block_images
    assert together is not None  # a run remembers what it came to
    version = run.knowledge_version
    everything = replayed.sources(store.knowledge(version) if version else [])
    sources = [Without(source, text.description_id) for source in everything]
    without = [
        (each.image_id, each.question_id, each.answer)
        for block in plan.make(items, images_per_block=together).blocks
        for each in replay.answer(replayed, block.asked, block.number, sources).predictions
        if each.status != "failed"
    ]
    keys = ["image_id", "question_id"]
    answers = pl.DataFrame(without, {**dict.fromkeys(keys, pl.String), "bare": pl.String}, orient="row")
    both = rows.select(*keys, "subtask", "answer").join(answers, on=keys).join(known, on=keys)
    right = both.select(
        "cluster_id",
        "subtask",
        shown=pl.col("answer").eq_missing(pl.col("truth")),
        bare=pl.col("bare").eq_missing(pl.col("truth")),
    )
    if right.is_empty():
        return None
    gain = right.with_columns(gain=pl.col("shown").cast(pl.Float64) - pl.col("bare").cast(pl.Float64))
    found = sign_flips.of(intervals.per_cluster(gain, value="gain"))
    low, high = found.interval(intervals.LEVEL)
    counts = right.group_by("subtask").agg(
        questions=pl.len(),
        helped=(pl.col("shown") & ~pl.col("bare")).sum(),
        harmed=(~pl.col("shown") & pl.col("bare")).sum(),
    )
    subtasks = schema.records(SubtaskLift, counts.sort("subtask"))
    return Lift(
        description_id=text.description_id,
        revision=text.revision,
        run_id=run.run_id,
        retrieved=len(own),
        strayed=shown.height - len(own),
        sampled=right["cluster_id"].n_unique(),
        questions=right.height,
        helped=sum(each.helped for each in subtasks),
        harmed=sum(each.harmed for each in subtasks),
        lift=found.difference,
        low=low,
        high=high,
        subtasks=tuple(subtasks),
        measured_at=datetime.now(UTC),
        p=found.p,
    )
