"""The shape of thresholds: at or above which score a picture is called defective, in versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ThresholdMethod = Literal["cost", "escape", "overkill", "given", "rollback"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """One version of a threshold. Rows are only added; the newest version of a product, camera and signal holds."""

    product: str  # "" all products that have none of their own
    camera: str  # "" all cameras that have none of their own
    signal: str  # see `warehouse.queries.signals.SIGNALS`
    version: int  # from 1
    value: float | None  # at or above it a picture is called defective; None: the answers' own claims hold
    method: ThresholdMethod  # how it was chosen; "rollback": it is an earlier version's
    normals: str | None  # hash of the normal pictures that the scores were made with; None: no comparison
    details: str  # JSON: prevalence and who says so, costs, limits; of a rollback, the version it repeats
    run_id: str | None  # the run whose pictures it was chosen on
    author: str
    reason: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class ThresholdInForce:
    """What holds for a run's pictures of one product and camera under an alarm rule, see `queries/alarm_rules.py`."""

    product: str
    camera: str | None
    pictures: int  # that are asked whether there is a defect
    scored: int  # of them those with a score of the signal; the others keep their answers
    version: int | None  # of the threshold that holds; None: none is saved, the answers' claims hold
    value: float | None  # None: none is saved, or its newest version says that the answers' claims hold
    saved_product: str | None  # whose threshold it is: "" of all products
    saved_camera: str | None  # and "" of all cameras
    saved_normals: str | None  # hash of the normals that it was chosen with
    saved_model: str | None  # whose answers, of which version, it was chosen on
    saved_evaluator: str | None
