"""What a reviewer sees and what comes back: a dispute becomes a task, an annotation becomes a verdict. Pure functions.

The labelling config is versioned by its own text: tasks of another version live in another project, so a change never
breaks a case that is out already. Neither the label nor the reason of the dispute is shown, nor the archive's mask
where it says what is asked (`blinding.py`): all would answer for the reviewer. A case that was drawn at random shows
neither the model's answer nor its patches either: it has a config, and so a project, of its own. All text from outside
travels in the task's data, where Label Studio shows it as text, never in the config.

Label Studio accepts any result over its API, so nothing that comes back is believed: it must name this config's
controls, this dispute's options and a box within the image, or it goes to quarantine with the reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse import bounded
from warehouse.records.reviews import Decision, DefectBox, Explanation
from warehouse.records.scoring import Option
from workbench.archive.view import Window
from workbench.errors import Malformed
from workbench.review.boxes import PercentBox, to_percent, to_pixels

CONFIG = """<View>
  <Header value="$title" size="4"/>
  <View style="display: flex; gap: 16px; width: 100%">
    <View style="flex: 1 1 0; min-width: 0; width: 50%">
      <Header value="Query: draw defects here" size="5"/>
      <Image name="query" value="$query" zoom="true" zoomControl="true" rotateControl="false" crosshair="false"/>
    </View>
    <View style="flex: 1 1 0; min-width: 0; width: 50%">
      <Header value="Normal reference" size="5"/>
      <Image name="reference" value="$reference" zoom="true" zoomControl="true" rotateControl="false"/>
    </View>
  </View>
  <RectangleLabels name="boxes" toName="query" canRotate="false" strokeWidth="2">
    <Label value="Defect" background="#C2410C"/>
    <Label value="Patch" background="#0B7A75"/>
  </RectangleLabels>
  <PolygonLabels name="outline" toName="query" strokeWidth="2">
    <Label value="Mask" background="#2563B0"/>
  </PolygonLabels>
  <Text name="asked" value="$asked"/>
  <Header value="Is the model's answer correct?" size="5"/>
  <Choices name="verdict" toName="query" choice="single" required="true" showInline="true"
           requiredMessage="Say whether the answer is correct, wrong, or that you are unsure">
    <Choice value="Correct" hotkey="1"/>
    <Choice value="Wrong" hotkey="2"/>
    <Choice value="Unsure" hotkey="3"/>
  </Choices>
  <View visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="Wrong">
    <Header value="Which option is right?" size="5"/>
    <Choices name="right_option" toName="query" choice="single-radio" value="$choices" required="true"
             requiredMessage="Name the right option, or that none is"/>
  </View>
  <Text name="knowledge" value="$knowledge"/>
  <Header value="These descriptions: for the right answer they ..." size="5"/>
  <Choices name="explanation" toName="query" choice="single" showInline="true">
    <Choice value="Supports"/>
    <Choice value="Irrelevant"/>
    <Choice value="Misleads"/>
  </Choices>
  <TextArea name="better" toName="query" rows="3" maxSubmissions="1" editable="true" showSubmitButton="false"
            placeholder="A better description of this defect, or of what is normal here"/>
  <TextArea name="comment" toName="query" rows="2" maxSubmissions="1" editable="true" showSubmitButton="false"
            placeholder="Comment"/>
</View>"""

_VERDICT = CONFIG[CONFIG.index('  <Header value="Is the model') : CONFIG.index('  <Text name="knowledge"')]
DRAWN_CONFIG = CONFIG.replace(
    _VERDICT,
    """  <Header value="Which option is right?" size="5"/>
  <Choices name="right_option" toName="query" choice="single-radio" value="$choices" required="true"
           requiredMessage="Name the right option, that none is, or that you can't tell"/>
""",
)
"""For cases that were drawn at random: it asks what is right and tells nothing of what the model answered."""
VERSION = "v1-" + hashlib.sha256(CONFIG.encode()).hexdigest()[:8]
DRAWN_VERSION = "drawn-v1-" + hashlib.sha256(DRAWN_CONFIG.encode()).hexdigest()[:8]
CONFIGS = {VERSION: CONFIG, DRAWN_VERSION: DRAWN_CONFIG}
MODEL = "workbench"  # whom Label Studio names as the author of the pre-annotations
BLIND = "blind"  # in a task's data: it shows no mask, as the question asks for what a mask tells
NONE_IS_RIGHT = "None of these is right"
CANNOT_TELL = "I can't tell"
LONGEST = 20_000  # characters of a reviewer's text
_LONGEST_SECONDS = 366 * 86_400  # on a task

_KINDS = {
    "verdict": "choices",
    "right_option": "choices",
    "explanation": "choices",
    "better": "textarea",
    "comment": "textarea",
    "boxes": "rectanglelabels",
    "outline": "polygonlabels",
}


@dataclass(frozen=True, slots=True)
class CaseForReview:
    """Everything a reviewer is shown."""

    task_key: str
    dispute_id: str
    title: str
    question: str
    options: tuple[Option, ...]
    answer: str | None
    probability: float | None  # of the answer, 0..1
    entropy: float | None  # nats
    descriptions: tuple[tuple[str, str], ...]  # name and text of what was retrieved, best first
    query: str  # URL
    reference: str
    window: Window  # what the query shows of the upright image
    patches: tuple[DefectBox, ...]  # accepted, in pixels
    outlines: tuple[tuple[tuple[float, float], ...], ...]  # of the mask, in percent; none on a blind task
    blind: bool = False  # the mask would answer the question
    marked: bool = False  # the archive has a mask of it; is told to nobody
    answer_hidden: bool = False  # drawn at random, for an estimate: the model's answer is not shown


def task(case: CaseForReview) -> dict[str, object]:
    """The case as Label Studio imports it."""
    lines = [case.question, *(f"   {option.letter}  {option.text}" for option in case.options)]
    if not case.answer_hidden:
        said = f"The model's answer: {_option(case.options, case.answer)}"
        sure = [f"probability {case.probability:.2f}"] if case.probability is not None else []
        sure += [f"entropy {case.entropy:.2f} nat"] if case.entropy is not None else []
        lines.append(said + (f" ({', '.join(sure)})" if sure else ""))
    knowledge = [f"{rank}  {name}: {text}" for rank, (name, text) in enumerate(case.descriptions, 1)]
    data: dict[str, object] = {
        "key": case.task_key,
        "config": DRAWN_VERSION if case.answer_hidden else VERSION,
        "title": case.title,
        "query": case.query,
        "reference": case.reference,
        "asked": "\n".join(lines),
        "choices": [{"value": choice} for choice in _choices(case.options, case.answer_hidden)],
        "knowledge": "\n".join(knowledge) or "No description was retrieved.",
    }
    if case.blind:
        data[BLIND] = True
    prediction: dict[str, object] = {"model_version": MODEL, "result": _regions(case)}
    if case.probability is not None and not case.answer_hidden:
        prediction["score"] = case.probability
    return {"data": data, "predictions": [prediction]}


def _option(options: Sequence[Option], letter: str | None) -> str:
    return next((f"{one.letter} {one.text}" for one in options if one.letter == letter), letter or "nothing")


def _choices(options: Sequence[Option], answer_hidden: bool = False) -> list[str]:
    named = [*(f"{option.letter}: {option.text}" for option in options), NONE_IS_RIGHT]
    return [*named, CANNOT_TELL] if answer_hidden else named


def _regions(case: CaseForReview) -> list[dict[str, object]]:
    """Patches and mask, fixed in place: they show what the model looked at and what is marked, not what is asked."""
    width, height = case.window.size
    common = {
        "to_name": "query",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "readonly": True,
    }
    found: list[dict[str, object]] = []
    for number, patch in enumerate(() if case.answer_hidden else case.patches, 1):
        value = {**asdict(to_percent(patch, case.window)), "rectanglelabels": ["Patch"]}
        found.append(
            {"id": f"patch{number}", "from_name": "boxes", "type": "rectanglelabels", "value": value, **common}
        )
    for number, outline in enumerate(() if case.blind else case.outlines, 1):
        points = {"points": [list(point) for point in outline], "closed": True, "polygonlabels": ["Mask"]}
        found.append(
            {"id": f"mask{number}", "from_name": "outline", "type": "polygonlabels", "value": points, **common}
        )
    return found


# -- what comes back ---------------------------------------------------------------------------------------------------


class _Value(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=False)

    choices: list[str] | None = None
    text: list[str] | str | None = None
    rectanglelabels: list[str] | None = None
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    rotation: float = 0.0


class _Region(BaseModel):
    model_config = ConfigDict(extra="ignore")

    from_name: str
    to_name: str
    type: str
    value: _Value


class Annotation(BaseModel):
    """An annotation as the server tells it; only what is used of it."""

    model_config = ConfigDict(extra="ignore")

    id: int
    result: list[dict[str, object]] = []
    completed_by: int | dict[str, object] | None = None
    was_cancelled: bool = False
    updated_at: datetime
    lead_time: float | None = None

    @property
    def seconds(self) -> float | None:
        """The reviewer's time on the task; None where what was told is no time."""
        try:
            return None if self.lead_time is None else bounded.number(self.lead_time, 0, _LONGEST_SECONDS)
        except ValueError:
            return None

    @property
    def author(self) -> int | None:
        """The server's number of who gave it."""
        told = self.completed_by.get("id") if isinstance(self.completed_by, dict) else self.completed_by
        return told if isinstance(told, int) else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an annotation says, checked."""

    decision: Decision
    right_answer: str | None
    boxes: tuple[DefectBox, ...]
    explanation: Explanation | None
    better_description: str | None
    comment: str | None


_DECISIONS: Mapping[str, Decision] = {"Correct": "correct", "Wrong": "wrong", "Unsure": "unsure"}
_EXPLANATIONS: Mapping[str, Explanation] = {"Supports": "supports", "Irrelevant": "irrelevant", "Misleads": "misleads"}


def judgement(
    result: Sequence[Mapping[str, object]],
    options: Sequence[Option],
    answer: str | None,
    window: Window,
    config: str = VERSION,
) -> Judgement:
    """What an annotation's result says about a dispute.

    Args:
        result: as the server tells it.
        options: of the disputed question.
        answer: the disputed one.
        window: what the query showed of the upright image.
        config: the version that the task was shown with.

    Raises:
        Malformed: it can't be a verdict on this dispute; the message says why.
    """
    said: dict[str, str] = {}
    drawn: list[DefectBox] = []
    for item in result:
        region = _region(item)
        if region.from_name == "boxes":
            if region.value.rectanglelabels == ["Defect"]:
                value = region.value
                drawn.append(to_pixels(PercentBox(value.x, value.y, value.width, value.height, value.rotation), window))
        elif region.from_name != "outline":
            text = _single(region)
            if text and said.setdefault(region.from_name, text) != text:
                raise Malformed(f"{region.from_name} is said twice, differently")
    decision, right = _opinion(said, options, answer, config)
    explanation = said.get("explanation")
    if explanation is not None and explanation not in _EXPLANATIONS:
        raise Malformed(f"the explanation is {explanation!r}; it is one of {', '.join(_EXPLANATIONS)}")
    return Judgement(
        decision,
        right,
        tuple(drawn),
        _EXPLANATIONS[explanation] if explanation else None,
        said.get("better"),
        said.get("comment"),
    )


def _region(item: Mapping[str, object]) -> _Region:
    try:
        region = _Region.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"a region isn't of Label Studio's form: {place}: {first['msg']}") from None
    if _KINDS.get(region.from_name) != region.type:
        raise Malformed(f"control {region.from_name!r} of type {region.type!r} isn't in any config of ours")
    if region.to_name != "query":
        raise Malformed(f"{region.from_name} is said of {region.to_name!r}; only the query is judged")
    return region


def _single(region: _Region) -> str | None:
    value = region.value.choices if region.type == "choices" else region.value.text
    texts = [value] if isinstance(value, str) else value or []
    if region.type == "choices" and len(texts) != 1:
        raise Malformed(f"{region.from_name} has {len(texts)} choices; it takes one")
    text = bounded.UNPRINTABLE.sub("", "\n".join(texts)).strip()
    if len(text) > LONGEST:
        raise Malformed(f"{region.from_name} has {len(text):,} characters; {LONGEST:,} are taken")
    return text or None


def _opinion(
    said: Mapping[str, str], options: Sequence[Option], answer: str | None, config: str
) -> tuple[Decision, str | None]:
    """What the controls say about the answer, and the letter of the right option."""
    chosen = said.get("right_option")
    if config == DRAWN_VERSION:
        if chosen == CANNOT_TELL:
            return "unsure", None
        letters = {f"{option.letter}: {option.text}": option.letter for option in options}
        if chosen is None or chosen not in {*letters, NONE_IS_RIGHT}:
            raise Malformed(f"the right option {(chosen or '')[:80]!r} isn't one of this question's")
        right = letters.get(chosen)
        return ("correct" if right == answer else "wrong"), right
    decision = _DECISIONS.get(said.get("verdict", ""))
    if decision is None:
        raise Malformed(f"the verdict is {said.get('verdict')!r}; it is one of {', '.join(_DECISIONS)}")
    return decision, _right(decision, chosen, options, answer)


def _right(decision: Decision, chosen: str | None, options: Sequence[Option], answer: str | None) -> str | None:
    """The letter of the right option. A choice left over from before the verdict was changed doesn't count."""
    if decision == "correct":
        return answer
    if decision == "unsure" or not options:
        return None
    others = [option.letter for option in options if option.letter != answer]
    if chosen is None:
        if len(others) == 1:
            return others[0]
        raise Malformed("the verdict is Wrong, but no right option is named")
    if chosen == NONE_IS_RIGHT:
        return None
    letter = dict(zip(_choices(options), (option.letter for option in options), strict=False)).get(chosen)
    if letter is None:
        raise Malformed(f"the right option {chosen[:80]!r} isn't one of this question's")
    if letter == answer:
        raise Malformed("the verdict is Wrong, but the disputed answer is named as right")
    return letter


def payload(result: Sequence[Mapping[str, object]]) -> str:
    """An annotation's result as the quarantine keeps it."""
    text = json.dumps(list(result), ensure_ascii=False, default=str)[: 10 * LONGEST]
    return text.encode("utf-8", "backslashreplace").decode()


TokenKind = Literal["legacy", "personal"]


def token_kind(token: str) -> TokenKind:
    """A personal access token is a JSON web token, three parts with dots; a legacy one is forty hex digits."""
    return "personal" if token.count(".") == 2 else "legacy"
