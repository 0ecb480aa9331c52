"""The rules that suspect answers: the cases of a run go in, suspicions come out. Pure functions.

A rule sees what the run stored and says how strongly it suspects an answer, from 0 to 1. What a rule adds to a case's
place in the queue is its score times its weight. Uncertainty counts as the calibrated chance of an error, so the others
are stated in the same coin: how much more an hour is worth there. Cases that no rule suspects enter by chance alone,
in the audit lane, so that the errors nobody looked for can be estimated.

Given up: cases without options (an open question) are disputed by people only, as nothing measures how sure they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from warehouse import claims
from warehouse.records.reviews import Reason
from warehouse.records.scoring import OptionClaim
from workbench import wording
from workbench.analysis import option_region, suspicion
from workbench.analysis.metrics import Key
from workbench.archive.view import Window
from workbench.errors import ReviewError
from workbench.review.budget import Floats, Forecast

Inspected = Callable[[str], Window | None]  # an image_id -> what the model saw of the image

WEIGHTS: Mapping[Reason, float] = {
    "person": 3.0,  # somebody waits for an answer
    "label": 1.0,
    "uncertain": 1.0,  # times the chance of an error
    "contradiction": 0.3,
    "flip": 0.2,
    "elsewhere": 0.2,
    "comparison": 0.3,
    "audit": 0.0,  # has a lane of its own
}
FAR = 0.5  # sides of the image between the middle of the accepted patches and the place the answer names
MOST = 5  # a rule opens at most so many times the budget: hundreds are sent, never the archive
BUDGET = 40  # reviews a night
AUDIT_SHARE = 0.2  # of the budget, judged at random
BLIND_SHARE = 0.1  # of the disputes, judged by two


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules run, and how far they go."""

    budget: int = BUDGET
    labels: bool = True  # whether the archive's labels may open disputes
    audit_share: float = AUDIT_SHARE
    blind_share: float = BLIND_SHARE

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ReviewError(f"a budget of {self.budget} reviews opens nothing; give at least 1")
        if not (0 <= self.audit_share <= 1 and 0 <= self.blind_share <= 1):
            raise ReviewError("the audit's share and the share of two reviewers lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One rule's word on one case."""

    key: Key
    reason: Reason
    score: float  # 0..1
    note: str  # in words, with the numbers


def disputable(cases: pl.DataFrame) -> pl.DataFrame:
    """The cases that rules may dispute: answered, with options; `far` beside, the distance of `elsewhere`."""
    return cases.filter(pl.col("status") == "answered", pl.col("letters").list.len() > 1)


def suspicions(
    cases: pl.DataFrame, distances: Sequence[float | None], forecast: Forecast | None, rules: Rules
) -> Iterator[Suspicion]:
    """What every rule says about disputable cases within the budget, strongest first within a rule.

    Args: as `raised`.
    """
    for reason, found in raised(cases, distances, forecast, rules).items():
        yield from found[: most(reason, rules)]


def most(reason: Reason, rules: Rules) -> int:
    """How many cases a rule may open."""
    return rules.budget if reason == "uncertain" else MOST * rules.budget


def raised(
    cases: pl.DataFrame, distances: Sequence[float | None], forecast: Forecast | None, rules: Rules
) -> dict[Reason, list[Suspicion]]:
    """What every rule says about disputable cases, past the budget too; strongest first within a rule.

    Args:
        cases: as `disputable` gives them.
        distances: per case, as `distances` gives them.
        forecast: per case; None where nothing could be calibrated.
        rules: which rules run.
    """
    contradicted = contradictions(cases)
    chances = forecast.chances() if forecast else None
    rows = list(cases.iter_rows(named=True))
    found: dict[Reason, list[Suspicion]] = {reason: [] for reason in WEIGHTS}
    for place, row in enumerate(rows):
        key = Key(row["image_id"], row["question_id"])
        margin = _margin(row)
        chance = float(chances[place]) if chances is not None else 1 - margin
        entropy = f"entropy {row['entropy']:.2f} nat, " if row["entropy"] is not None else ""
        doubt = f"; {wording.percent(chance)} chance of an error" if chances is not None else "; not calibrated yet"
        if row["ranked"] or chances is not None:
            found["uncertain"].append(Suspicion(key, "uncertain", chance, f"{entropy}margin {margin:.2f}{doubt}"))
        if rules.labels and row["correct_answer"] is not None and row["answer"] != row["correct_answer"]:
            note = f"answered {row['answer']}, the label says {row['correct_answer']}"
            found["label"].append(Suspicion(key, "label", row["probability"] or 0.0, note))
        if key in contradicted:
            score, note = contradicted[key]
            found["contradiction"].append(Suspicion(key, "contradiction", score, note))
        if row["earlier_answer"] is not None and row["earlier_answer"] != row["answer"]:
            note = f"the last run answered {row['earlier_answer']}, this one {row['answer']}"
            found["flip"].append(Suspicion(key, "flip", 1 - margin, note))
        if denied := _denied_by_comparison(row):
            found["comparison"].append(Suspicion(key, "comparison", *denied))
        distance = distances[place]
        if distance is not None and distance > FAR:
            note = f"the accepted patches lie {distance:.2f} image sides from the place the answer names"
            found["elsewhere"].append(Suspicion(key, "elsewhere", min(1.0, distance), note))
    return {reason: sorted(every, key=lambda one: (-one.score, one.key)) for reason, every in found.items()}


def _margin(row: Mapping[str, list[float]]) -> float:
    ranked = row["ranked"]
    return ranked[0] - ranked[1] if ranked and len(ranked) > 1 else 0.0


def contradictions(cases: pl.DataFrame) -> dict[Key, tuple[float, str]]:
    """Detection answers that another answer about the same image contradicts, with how sure both were.

    "No defect" beside a named defect or a place, or "a defect" beside "no defect": only where the other question
    offered to say that there is none.
    """
    names_a_defect = (pl.col("about") == "defect type") | (pl.col("kind") == "region")
    chosen = cases.filter(pl.col("claims").is_not_null() | names_a_defect.fill_null(False))
    by_image: dict[str, list[dict[str, object]]] = {}
    for row in chosen.select(
        "image_id", "question_id", "letters", "texts", "answer", "probability", "claims", "no_defect"
    ).iter_rows(named=True):
        by_image.setdefault(str(row["image_id"]), []).append(row)
    found: dict[Key, tuple[float, str]] = {}
    for image_id, rows in by_image.items():
        for detection in (row for row in rows if row["claims"] is not None):
            claim = claims.of_letter(
                _claims(detection["claims"]), _list(detection["letters"]), str(detection["answer"])
            )
            for other in (row for row in rows if row["claims"] is None):
                denying, text = _list(other["no_defect"]), _text(other)
                if claim not in ("defective", "good") or text is None or not denying:
                    continue
                if (claim == "defective") != (other["answer"] in denying):
                    continue
                score = min(_number(detection["probability"]), _number(other["probability"]))
                key = Key(image_id, str(detection["question_id"]))
                note = f"“{_text(detection)}” beside “{text}”"
                if score > found.get(key, (-1.0, ""))[0]:
                    found[key] = (score, note)
    return found


def _denied_by_comparison(row: Mapping[str, Any]) -> tuple[float, str] | None:
    """How strongly, and in which words, comparing with normal pictures denies a detection answer; None: it doesn't.

    The strength is the share of the normal pieces on the comparison's side of the picture: those that score lower where
    it says defective, those that score at least as high where it says good.
    """
    compared, rank, normals = row["compared_claim"], row["compared_rank"], row["compared_normals"]
    claim = claims.of_letter(_claims(row["claims"]), _list(row["letters"]), str(row["answer"]))
    if {claim, compared} != {"defective", "good"} or rank is None or not normals:
        return None
    strength = (normals - rank if compared == "defective" else rank) / normals
    score, standing = row["compared_score"], suspicion.standing(rank, normals)
    return strength, f"answered “{_text(row)}”, compared with normal pictures it is {compared}: {score:.3f}, {standing}"


def _text(row: Mapping[str, object]) -> str | None:
    letters = _list(row["letters"])
    return _list(row["texts"])[letters.index(str(row["answer"]))] if row["answer"] in letters else None


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _claims(value: object) -> list[OptionClaim] | None:
    return cast(list[OptionClaim], value) if isinstance(value, list) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def distances(cases: pl.DataFrame, inspected: Inspected) -> list[float | None]:
    """Per case, how far the accepted patches lie from the place the answer names, in sides of what the model saw.

    None where the question isn't where the defect is, the answer names no place, or no patch was accepted. What the
    model saw is asked for only where it is needed.
    """
    found: list[float | None] = []
    for row in cases.select(
        "image_id", "kind", "scorer", "letters", "texts", "answer", "patches", "patch_x", "patch_y"
    ).iter_rows(named=True):
        named = _region(row) if row["kind"] == "region" and row["patches"] else None
        window = inspected(row["image_id"]) if named else None
        if named is None or window is None:
            found.append(None)
        else:
            at = window.from_copy(1, 1).inverse.point(row["patch_x"], row["patch_y"])
            found.append(math.dist(named, at))
    return found


def _region(row: Mapping[str, object]) -> tuple[float, float] | None:
    """Where the answer says the defect is, as shares of the image's width and height: by its words, or by its place
    among nine options that stand row by row."""
    letters, texts, answer = _list(row["letters"]), _list(row["texts"]), str(row["answer"])
    number = letters.index(answer) if answer in letters else None
    if number is None or number >= len(texts):
        return None
    named = option_region.of_option(str(row["scorer"]), number, texts[number])
    return None if named is None else option_region.middle(named)


def features(cases: pl.DataFrame, distances: Sequence[float | None], subtasks: Sequence[str]) -> Floats:
    """(n, F) what the chance of an error is told from; all finite, nothing that reads a label.

    Args:
        cases: as `disputable` gives them.
        distances: per case.
        subtasks: those told apart; the same ones for frames whose features are put together.
    """
    contradicted = contradictions(cases)
    own = cases.with_columns(
        far=pl.Series([distance or 0.0 for distance in distances], dtype=pl.Float64),
        contradicted=pl.Series([Key(*key) in contradicted for key in cases.select("image_id", "question_id").rows()]),
    )
    top = pl.col("ranked").list.get(0, null_on_oob=True).fill_null(0.5).clip(1e-4, 1 - 1e-4)
    second = pl.col("ranked").list.get(1, null_on_oob=True).fill_null(0.0)
    columns = [
        (top / (1 - top)).log(),
        top - second,
        1 / pl.col("letters").list.len(),
        pl.col("entropy").fill_null(0.0),
        (pl.col("first_entropy") - pl.col("entropy")).fill_null(0.0),
        (pl.col("first_probability") < pl.col("first_highest")).fill_null(False).cast(pl.Float64),
        (pl.col("earlier_answer").is_not_null() & (pl.col("earlier_answer") != pl.col("answer"))).cast(pl.Float64),
        pl.col("far"),
        pl.col("contradicted").cast(pl.Float64),
        *((pl.col("subtask") == subtask).cast(pl.Float64) for subtask in subtasks),
    ]
    return own.select(expression.alias(str(place)) for place, expression in enumerate(columns)).to_numpy().astype(float)
