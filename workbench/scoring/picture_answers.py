"""What a run says of one picture: its answers with their probabilities, in one sentence and in a table."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.queries.comparisons import Comparisons
from warehouse.queries.facts import Outcome
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.truth import Truth
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import PredictionStatus, Tile
from warehouse.store import Store
from workbench.analysis import alarms, subtasks, suspicion
from workbench.scoring.compare_evaluator import CANNOT_SAY
from workbench.settings import COMPARE


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question."""

    subtask: str
    status: PredictionStatus
    answer: str | None  # the option's words, or the text of an open answer; None where there is none
    probability: float | None  # of that option, 0..1
    error: str | None  # why it failed


@dataclass(frozen=True, slots=True)
class PictureAnswers:
    """All answers about one picture."""

    image_path: str
    product: str
    line: str | None
    camera: str | None
    label: str | None
    outcome: Outcome | None  # of the detection answer; None where no question asks whether there is a defect
    claim: str | None  # what that answer says: defective, good, cannot say, unreadable; None where nothing tells
    defect_probability: float | None
    region: str | None  # where the defect is said to be
    answers: tuple[Answer, ...]  # in the order of the question set
    tile: Tile | None = None  # of a picture in tiles the one that is spoken of: the likeliest defect
    comparison: StoredComparison | None = None  # with normal pictures; None: the run compares nothing

    @property
    def sentence(self) -> str:
        """Such as `plate.png is called defective, probability of a defect 0.93, at the top left; it has no label.`"""
        name = self.image_path
        if self.tile is not None:
            name += f", tile x {self.tile.x0:,} to {self.tile.x1:,}, y {self.tile.y0:,} to {self.tile.y1:,},"
        if all(each.status == "failed" for each in self.answers):
            return f"{name} could not be scored: {self.answers[0].error}"
        if self.claim is None or self.claim == "unreadable":
            said = "could not be read" if self.claim else "does not tell whether there is a defect"
            return f"{name}: the answer {said}."
        claim = "not judged: the answer is that it cannot say" if self.claim == "cannot say" else f"called {self.claim}"
        likely = self.defect_probability
        sure = "" if likely is None else f", probability of a defect {alarms.probability(likely)}"
        where = f", region: {self.region.rstrip('.').lower()}" if self.region and self.claim == "defective" else ""
        right = "it has no label" if self.label is None else f"its label is {self.label}"
        missed = {"escape": ", so this is an escape", "overkill": ", so this is overkill"}.get(self.outcome or "", "")
        return f"{name} is {claim}{sure}{where}; {right}{missed}."

    @property
    def compared(self) -> str | None:
        """Such as `Its score is 0.412, above all 24 normal pieces (threshold 0.377); it comes from the top left.`"""
        found = self.comparison
        if found is None:
            return None
        bar = "" if found.threshold is None else f" (threshold {found.threshold:.3f})"
        why = "" if found.why is None else f"; it cannot say more: {found.why}"
        where = suspicion.place(found.area, found.marked)
        source = f"; it comes from the picture's region {where}" if where else ""
        return f"Its score is {found.score:.3f}, {suspicion.standing(found.rank, found.normals)}{bar}{source}{why}."


def of_run(store: Store, run_id: str, truth: Truth = "archive") -> PictureAnswers | None:
    """What a run over one picture says of it; None where it has no answer."""
    run = store.run(run_id)
    if run is None:
        return None
    facts = Rollups(store.data).facts(Selection(run_id, truth=truth), _NAMES)
    if facts.is_empty():
        return None
    likeliest = facts.sort("defect_probability", descending=True, nulls_last=True, maintain_order=True)["image_id"][0]
    rows = subtasks.in_order(facts.filter(image_id=likeliest), run.subtasks).to_dicts()
    answered, entry = store.predictions(run_id).filter(image_id=likeliest), store.entry(likeliest)
    texts = {row["question_id"]: row["answer"] for row in answered.iter_rows(named=True)}
    answers = tuple(
        Answer(
            row["subtask"],
            row["status"],
            row["answer_text"] or (texts[row["question_id"]] if row["status"] == "answered" else None),
            row["confidence"],
            row["error"],
        )
        for row in rows
    )
    first, asks = rows[0], next((row for row in rows if row["detection"]), {})
    locating = subtasks.locating(run.subtasks)
    region = next((each.answer for each in answers if each.subtask in locating and each.answer), None)
    return PictureAnswers(
        image_path=first["image_path"],
        product=first["product"],
        line=first["line"],
        camera=first["camera"],
        label=first["label"],
        outcome=asks.get("outcome"),
        claim=CANNOT_SAY if run.model == COMPARE and asks.get("claim") == "unreadable" else asks.get("claim"),
        defect_probability=asks.get("defect_probability"),
        region=region,
        answers=answers,
        tile=entry.tile if entry else None,
        comparison=Comparisons(store.data).of_picture(run_id, likeliest),
    )


_NAMES = (
    "image_id", "image_path", "product", "line", "camera", "label", "question_id", "subtask", "status", "error",
    "answer_text", "confidence", "outcome", "claim", "detection", "defect_probability",
)  # fmt: skip
