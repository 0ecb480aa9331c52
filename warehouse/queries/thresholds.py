"""Thresholds in versions: saving one, going back to an earlier one, and which holds for a picture.

A threshold is for one signal and for a product and camera, for all cameras of a product, for a camera whatever the
product, or for everything; the first of these that is saved holds. Saving and rolling back add a version and change
nothing that is stored: what a threshold calls defective is worked out when it is read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.queries import alarm_rules
from warehouse.queries.signals import SIGNALS, SignalName
from warehouse.records.audit import Actor
from warehouse.records.thresholds import Threshold, ThresholdInForce

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_IN_FORCE = """
    WITH t AS (SELECT run_id, image_id, any_value(product) AS product, any_value(camera) AS camera
        FROM facts WHERE run_id = $run AND detection GROUP BY run_id, image_id)
    SELECT t.product, t.camera, count(*) AS pictures, count(s.score) AS scored, {version} AS version, {value} AS value,
        {product} AS saved_product, {camera} AS saved_camera, {normals} AS saved_normals,
        r.model AS saved_model, r.evaluator_version AS saved_evaluator
    FROM t LEFT JOIN ({scores}) AS s USING (run_id, image_id) {joins}
    LEFT JOIN runs AS r ON r.run_id = {run_id}
    GROUP BY ALL ORDER BY ALL
"""


class Thresholds:
    """The thresholds of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def versions(self, signal: str, product: str = "", camera: str = "") -> list[Threshold]:
        """Every version of one, the newest first."""
        return self._database.records(
            Threshold,
            "SELECT * FROM thresholds WHERE signal = ? AND product = ? AND camera = ? ORDER BY version DESC",
            [signal, product, camera],
        )

    def signals(self) -> list[SignalName]:
        """The signals on which a threshold is saved, in the order of SIGNALS."""
        found = self._database.frame("SELECT DISTINCT signal FROM thresholds")["signal"].to_list()
        return [name for name in SIGNALS if name in found]

    def changes(self) -> int:
        """A number that grows with every version of any threshold."""
        return int(self._database.frame("SELECT count(*) AS changes FROM thresholds")["changes"][0])

    def in_force(self, run_id: str, signal: SignalName) -> list[ThresholdInForce]:
        """What holds for the pictures of a run, by product and camera."""
        names = ("version", "value", "product", "camera", "normals", "run_id")
        query = _IN_FORCE.format(
            scores=SIGNALS[signal].statement.format(some="run_id = $run"), joins=alarm_rules.threshold_joins(signal),
            **{name: alarm_rules.threshold_column(name) for name in names},
        )  # fmt: skip
        return self._database.records(ThresholdInForce, query, {"run": run_id})

    def decide(self, run_id: str, signal: SignalName) -> bool:
        """Whether a threshold on a signal calls any picture of a run."""
        return any(each.value is not None and each.scored for each in self.in_force(run_id, signal))

    def save(self, threshold: Threshold, *, actor: Actor) -> Threshold:
        """The threshold as its next version; `version`, author and time are worked out here.

        Raises:
            Refused: its value is no finite number.
        """
        name = _name(threshold)
        if threshold.value is not None and not math.isfinite(threshold.value):
            raise Refused(f"the threshold on {name} would be {threshold.value}, which nothing can be held against")
        with self._database.changing(actor, "save threshold", name) as change:
            saved = _add(change.con, threshold, actor)
            change.details.update(version=saved.version, value=saved.value, method=saved.method)
            return saved

    def rollback(self, signal: str, product: str, camera: str, version: int, reason: str, *, actor: Actor) -> Threshold:
        """An earlier version's value as the next version; version 0 is before the first: the answers' claims hold.

        Raises:
            Refused: there is no such version, or its value holds already.
        """
        subject = Threshold(
            product, camera, signal, 0, None, "rollback", None, f'{{"version": {version:d}}}', None, "", reason,
            datetime.now(UTC),
        )  # fmt: skip
        with self._database.changing(actor, "roll back threshold", _name(subject)) as change:
            found = schema.records(
                Threshold,
                change.con.sql(
                    "SELECT * FROM thresholds WHERE signal = ? AND product = ? AND camera = ? ORDER BY version",
                    params=[signal, product, camera],
                ).pl(),
            )
            earlier = next((each for each in found if each.version == version), subject if version == 0 else None)
            if earlier is None or not found:
                raise Refused(f"there is no version {version} of {_name(subject)}; `workbench operate RUN` lists them")
            if (found[-1].value, found[-1].normals) == (earlier.value, earlier.normals):
                raise Refused(f"version {version} of {_name(subject)} has the value that holds already")
            repeated = replace(subject, value=earlier.value, normals=earlier.normals, run_id=earlier.run_id)
            saved = _add(change.con, repeated, actor)
            change.details.update(version=saved.version, value=saved.value, to=version)
            return saved


def _add(con: DuckDBPyConnection, threshold: Threshold, actor: Actor) -> Threshold:
    ((last,),) = con.execute(
        "SELECT coalesce(max(version), 0) FROM thresholds WHERE signal = ? AND product = ? AND camera = ?",
        [threshold.signal, threshold.product, threshold.camera],
    ).fetchall()
    saved = replace(threshold, version=int(last) + 1, author=actor.name, saved_at=datetime.now(UTC))
    insert(con, "thresholds", schema.table(Threshold, [saved]))
    return saved


def _name(threshold: Threshold) -> str:
    """Such as `defect probability of pcb, camera A1`."""
    where = [threshold.product or "all products", *([f"camera {threshold.camera}"] if threshold.camera else [])]
    return f"{threshold.signal} of {', '.join(where)}"
