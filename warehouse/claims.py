"""What the options of a detection question claim: that there is a defect, that there is none, or that nobody can tell.

    answer keys and labels of a question's images, else the words of its options -> a claim for every option

The set that a question belongs to declares what its options claim (`workbench/question_sets.py`); the questions of a
file come without a declaration, and this is the one rule for them. Facts, nights, disputes, settlements, contradictions
and explanations read the claims that are stored with a prediction and never an answer's text. They are worked out where
questions are made, over all images that are asked the same; rows that come without (`declare`) are read by their own
label and words alone.

- A defective image whose key is X: X claims the defect. A good one whose key is X: X claims that there is none, and of
  two options the other claims the defect. The majority of the question's images decides, for labels and keys err.
- Else words, see `claim_words.py`. Else "unknown", which is said where runs are summed up and is never guessed.
- Where plain words ("OK", "NOK") and the images disagree, at least three images nearly all of which say the same are
  believed; fewer are one wrong label away from turning every answer round, and nothing is claimed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING

from warehouse import claim_words
from warehouse.records.scoring import OptionClaim, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

ENOUGH = 3  # images that may overrule plain words
LETTERS = tuple(ascii_uppercase)  # stand for the options where nobody knows them: images that agree tell alone
DISSENT = 0.1  # the share of them that may say otherwise


class Questions:
    """Detection questions with what their images' answer keys and labels say about the options.

    A question is its text and its options, in whatever order; options are told apart by their texts.
    """

    def __init__(self) -> None:
        self._votes: dict[tuple[str, frozenset[str]], dict[str, Counter[OptionClaim]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._known: dict[tuple[str, tuple[str, ...]], tuple[OptionClaim, ...]] = {}

    def add(self, question: str, options: Sequence[str], key: str | None, label: str | None, images: int = 1) -> None:
        """Images that are asked this.

        Args:
            question: its text.
            options: their texts.
            key: the right option's text; None where nobody knows.
            label: the images', good or defective; None where nobody knows.
            images: how many there are.
        """
        if key is None or key not in options or label not in ("good", "defective"):
            return
        self._known.clear()
        votes = self._votes[question, frozenset(options)]
        mine: OptionClaim = "good" if label == "good" else "defective"
        votes[key][mine] += images
        if len(set(options)) == 2:
            (other,) = set(options) - {key}
            votes[other]["defective" if mine == "good" else "good"] += images

    def claims(self, question: str, options: Sequence[str]) -> tuple[OptionClaim, ...]:
        """What each option claims, in their order."""
        asked = (question, tuple(options))
        if asked not in self._known:
            self._known[asked] = self._worked_out(*asked)
        return self._known[asked]

    def _worked_out(self, question: str, options: tuple[str, ...]) -> tuple[OptionClaim, ...]:
        votes = self._votes.get((question, frozenset(options)), {})
        if options == LETTERS:
            return tuple(
                _majority(votes[one]) if one in votes and _overrules(votes[one]) else "unknown" for one in options
            )
        words = {option: claim_words.read(option, question) for option in options}
        shown = {option: _majority(votes.get(option, Counter())) for option in options}
        found: dict[str, OptionClaim] = {}
        disagree = False
        for option, reading in words.items():
            if reading.claim == "cannot say":
                found[option] = "cannot say"
            elif shown[option] == "unknown":
                found[option] = reading.claim
            else:
                found[option] = shown[option]
                differs = reading.plain and reading.claim != shown[option]
                disagree = disagree or (differs and not _overrules(votes[option]))
        if disagree:
            return tuple("cannot say" if found[option] == "cannot say" else "unknown" for option in options)
        return tuple(found[option] for option in options)


def _majority(votes: Counter[OptionClaim]) -> OptionClaim:
    if votes["defective"] == votes["good"]:
        return "unknown"
    return "defective" if votes["defective"] > votes["good"] else "good"


def _overrules(votes: Counter[OptionClaim]) -> bool:
    most, few = max(votes.values()), votes.total() - max(votes.values())
    return most >= ENOUGH and few <= DISSENT * votes.total()


def of(prediction: Prediction) -> OptionClaim:
    """What a prediction's answer claims; "unknown" too where it wasn't asked whether there is a defect."""
    return of_letter(prediction.claims, [option.letter for option in prediction.options], prediction.answer)


def of_letter(claims: Sequence[OptionClaim] | None, letters: Sequence[str], letter: str | None) -> OptionClaim:
    """What choosing this letter claims."""
    if claims is None or letter not in letters or len(claims) < len(letters):
        return "unknown"
    return claims[letters.index(letter)]


def declare(predictions: pa.Table, detecting: Collection[tuple[str, str]]) -> pa.Table:
    """The predictions with claims for detection questions that came without, each by its own label and words, and with
    the options of other questions that deny a defect.

    Args:
        predictions: the table's columns, see `records.Prediction`.
        detecting: the subtasks that detect, each with its run.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    of_run = pc.binary_join_element_wise(predictions["run_id"], predictions["subtask"], "\n")
    wanted = pa.array(["\n".join(each) for each in detecting], pa.string())
    missing = pc.and_(pc.is_in(of_run, wanted), pc.is_null(predictions["claims"]))
    rows = pc.indices_nonzero(missing).to_pylist()
    if not rows:
        return _with_denials(predictions)
    claims: list[Sequence[str] | None] = predictions["claims"].to_pylist()
    some = predictions.take(rows).select(["question", "options", "correct_answer", "label"]).to_pylist()
    for row, one in zip(rows, some, strict=True):
        options = {option["letter"]: option["text"] for option in one["options"]}
        alone = Questions()
        alone.add(one["question"], list(options.values()), options.get(one["correct_answer"]), one["label"])
        claims[row] = alone.claims(one["question"], list(options.values()))
    place = predictions.schema.get_field_index("claims")
    field = predictions.schema.field(place)
    return _with_denials(predictions.set_column(place, field, pa.array(claims, field.type)))


def _with_denials(predictions: pa.Table) -> pa.Table:
    """The predictions with the options that deny a defect where an older version's part came without them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.and_(pc.is_null(predictions["claims"]), pc.is_null(predictions["no_defect"]))
    if not pc.any(missing).as_py():
        return predictions
    letters: list[Sequence[str] | None] = predictions["no_defect"].to_pylist()
    rows = pc.indices_nonzero(missing).to_pylist()
    for row, options in zip(rows, predictions["options"].take(rows).to_pylist(), strict=True):
        letters[row] = denying((option["letter"], option["text"]) for option in options)
    place = predictions.schema.get_field_index("no_defect")
    field = predictions.schema.field(place)
    return predictions.set_column(place, field, pa.array(letters, field.type))


def denying(options: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of a question that isn't a detection question, the letters of the options that say that there is no defect.

    Args:
        options: letter and text. Their words decide: a question file declares nothing.
    """
    return tuple(letter for letter, text in options if claim_words.denies(text))


def unclear(claims: Iterable[OptionClaim] | None) -> bool:
    """Whether of an option nothing says what it claims."""
    return "unknown" in (claims or ())
