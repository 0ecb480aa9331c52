"""What others published on MMAD, as reference lines: accuracy in percent, each with its setting and its source.

Rows are quoted, not measured here. A one-shot number beside a zero-shot one, or a model trained on part of MMAD beside
one that never saw it, is no comparison; `setting` says what each is.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from warehouse.records import SUBTASKS

TABLE = "MMAD's official result table"
SIGMA = "as quoted by SiGMA"
LR = "as quoted by Anomaly-LR"
AUTHORS = "as its authors report"


@dataclass(frozen=True, slots=True)
class Published:
    """One published line; None where its source doesn't say."""

    method: str
    accuracy: tuple[float, float, float, float, float, float, float]  # percent, by SUBTASKS
    average: float
    setting: str
    source: str
    overkill: float | None = None  # percent
    miss: float | None = None  # percent


ROWS = (
    Published("Human expert", (95.2, 75.0, 92.3, 83.3, 94.2, 86.1, 80.4), 86.7, "people", SIGMA),
    Published("GPT-4o", (67.47, 64.80, 54.97, 72.29, 82.98, 94.89, 82.75), 74.31, "1-shot", TABLE),
    Published("Qwen2.5-VL-7B", (71.10, 56.02, 60.69, 64.13, 78.26, 91.49, 83.67), 72.19, "1-shot", TABLE, 23.73, 34.07),
    Published("Qwen2.5-VL-72B-AWQ", (72.66, 62.31, 67.16, 73.56, 81.95, 94.30, 86.78), 76.96, "1-shot", TABLE),
    Published("Reason-IAD", (75.2, 75.1, 62.8, 76.4, 85.6, 96.3, 84.6), 79.4, "1-shot", SIGMA),
    Published("Reason-IAD", (70.74, 67.97, 60.82, 72.78, 82.62, 97.17, 84.99), 76.73, "zero-shot, presumed", LR),
    Published("AnomalyR1 3B", (60.6, 63.6, 70.1, 80.5, 85.3, 92.5, 86.2), 77.0, "not said", SIGMA),
    Published("EMIT 8B", (73.87, 80.85, 76.39, 83.00, 85.92, 90.26, 83.37), 81.95, "1-shot, with knowledge", AUTHORS),
    Published(
        "Anomaly-LR 7B", (75.39, 82.70, 81.62, 89.29, 89.39, 98.07, 93.36), 87.12, "trained on 20 % of MMAD", AUTHORS
    ),
)  # fmt: skip


def frame() -> pl.DataFrame:
    """ROWS in the layout of `mmad.as_frame`, with method, setting and source first."""
    return pl.DataFrame(
        [
            {
                "method": row.method, "setting": row.setting, "source": row.source,
                **dict(zip(SUBTASKS, row.accuracy, strict=True)),
                "Average": row.average, "Overkill": row.overkill, "Miss": row.miss,
            }
            for row in ROWS
        ]
    )  # fmt: skip
