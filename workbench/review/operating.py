"""A run's operating point from what is stored: which scores, which prevalence, which nights; and saving its threshold.

The numbers are those of `workbench/analysis/operating_report.py`; here they get their rows. Saving stores a version of
a threshold and changes no answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import polars as pl

from warehouse.errors import Refused
from warehouse.queries.normals import Normals
from warehouse.queries.scores import Scores
from warehouse.queries.signals import SignalName
from warehouse.queries.thresholds import Thresholds
from warehouse.queries.truth import Truth
from warehouse.records.audit import Actor
from warehouse.records.scoring import Run
from warehouse.records.thresholds import Threshold
from warehouse.store import Store
from workbench.analysis import operating_report
from workbench.analysis.operating_point import Aim, Method
from workbench.analysis.operating_report import OperatingReport
from workbench.review import audited_rate
from workbench.scoring import defect_measures

NIGHTS = 7  # that a threshold is shown on
COST_ESCAPE, COST_OVERKILL = 100.0, 1.0  # where nobody states them


@dataclass(frozen=True, slots=True)
class OperatingRequest:
    """Whose operating point, and what for."""

    signal: SignalName | None = None  # None: the first that the run has
    product: str | None = None
    camera: str | None = None
    prevalence: float | None = None  # 0..1; None: the audited one, else the set's own
    cost_escape: float = COST_ESCAPE
    cost_overkill: float = COST_OVERKILL
    escape_at_most: float | None = None
    overkill_at_most: float | None = None
    threshold: float | None = None
    truth: Truth = "archive"

    @property
    def method(self) -> Method:
        """How the threshold is chosen."""
        if self.threshold is not None:
            return "given"
        if self.escape_at_most is not None:
            return "escape"
        return "overkill" if self.overkill_at_most is not None else "cost"


@dataclass(frozen=True, slots=True)
class OperatingResult:
    """The report, with the scores that it is made of and the thresholds that are saved for them."""

    report: OperatingReport
    scores: pl.DataFrame  # as `warehouse.queries.scores` gives them, with those of `defect_measures.py` if asked for
    versions: tuple[Threshold, ...]  # of this product, camera and signal, the newest first
    normals: str | None  # hash of the normal pictures behind the scores


def scores_of(store: Store, run: Run, signal: SignalName | None, truth: Truth) -> tuple[SignalName, pl.DataFrame]:
    """The signal, where None is asked for the first that the run has, and all pictures' scores by it."""
    queries = Scores(store.data)
    with store.together():
        signal = signal or queries.usual_signal(run.run_id)
        return signal, queries.of_runs([run.run_id], signal, truth=truth)


def find(
    store: Store,
    run: Run,
    request: OperatingRequest,
    tables: bool = True,
    read: tuple[SignalName, pl.DataFrame] | None = None,
) -> OperatingResult:
    """The operating point of a run.

    Args:
        store: of the run.
        run: the run.
        request: whose, and what for.
        tables: whether the report has its tables, for which masks and pictures are opened to see how large defects are
            and how far they stand out, and other nights are read.

    Raises:
        Refused: the run has no picture of this product and camera.
    """
    queries, product, camera = Scores(store.data), request.product, request.camera
    with store.together():
        signal, scores = read or scores_of(store, run, request.signal, request.truth)
        scores = scores.filter(
            *(pl.col(name) == value for name, value in (("product", product), ("camera", camera)) if value is not None)
        )
        audited = None if request.prevalence is not None else audited_rate.of_run(store.data, run.run_id)
        of_nights = queries.nights_of(run.model, run.evaluator_version, NIGHTS) if tables else []
        nights = queries.of_runs(of_nights, signal, product=product, camera=camera) if of_nights else None
        versions = Thresholds(store.data).versions(signal, product or "", camera or "")
        normals = normals_hash(store, run) if signal == "comparison" else None
    if scores.is_empty():
        raise Refused(f"run {run.run_id} has no picture of this product and camera; leave out --product or --camera")
    if tables:
        scores = defect_measures.with_measures(store, scores)
    at = operating_report.prevalence(scores, request.prevalence, audited)
    limit = request.escape_at_most if request.escape_at_most is not None else request.overkill_at_most
    aim = Aim(request.method, at.value, request.cost_escape, request.cost_overkill, limit, request.threshold)
    report = operating_report.build(scores, signal, at, aim, nights, tables)
    return OperatingResult(report, scores, tuple(versions), normals)


def save(
    store: Store, run: Run, request: OperatingRequest, result: OperatingResult, reason: str, *, actor: Actor
) -> Threshold:
    """The threshold as the next version of its product, camera and signal.

    Raises:
        Refused: there are too few pieces to judge it, or it calls nothing defective.
    """
    report = result.report
    if report.point.lacking is not None and report.aim.method != "given":
        raise Refused(
            f"no threshold is saved: {operating_report.not_enough(report.point.lacking)}; name one with --threshold"
        )
    if report.point.threshold is None:
        raise Refused("no threshold is saved: at these costs nothing would be called defective; state others")
    details = {"prevalence": asdict(report.prevalence), **asdict(report.aim), "truth": request.truth}
    threshold = Threshold(
        request.product or "", request.camera or "", report.signal, 0, report.point.threshold, report.aim.method,
        result.normals, json.dumps(details), run.run_id, "", reason, datetime.now(UTC),
    )  # fmt: skip
    return Thresholds(store.data).save(threshold, actor=actor)


def normals_hash(store: Store, run: Run) -> str | None:
    """The hash of the normals of the run's knowledge version; None where that has none."""
    found = Normals(store.data).of_version(run.knowledge_version) if run.knowledge_version else []
    contents = sorted({normal.content for normal in found})
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12] if contents else None
