"""Comparing with normal pictures as what answers: detection, region and product, and of all else that it cannot say.

    a picture's comparison, a question and what its set declares of it -> an option, or why there is none

No language model is met. A detection question is answered by the comparison's claim, through what the question set says
that each option claims; a question where the defect is by the option whose region holds the map's peak; a question what
the object is by the product that the nearest normals are of, where one option alone names it; a question of which kind
the defect is by the nearest cases that people settled (`settled_defects.py`), once there are some. Whatever else is
asked, and a claim that no option makes, is answered by the option that claims "cannot say"; where the set has none
there is no answer, and the text says why. Questions that comparing can answer of no picture are not asked in the first
place (`answerable.py`). No probabilities are told: a score among a few dozen normals is none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import groupby

from warehouse import claims
from warehouse.records.questions import Subtask
from warehouse.records.scoring import Capabilities
from workbench.analysis import option_region, suspicion
from workbench.comparison import regions
from workbench.comparison.comparison import Comparison
from workbench.model.case import Case, Reasoned, Timings
from workbench.model.method import Method
from workbench.scoring.evaluator import Declaration, Evaluator
from workbench.scoring.run_comparer import RunComparer
from workbench.scoring.settled_defects import SettledDefects

NAME = "comparison"
CANNOT_SAY = "cannot say"


class CompareEvaluator(Evaluator):
    """See the module's opening lines."""

    def __init__(
        self, comparer: RunComparer, subtasks: Sequence[Subtask], settled: SettledDefects | None = None
    ) -> None:
        self._comparer, self._settled = comparer, settled
        self._declared: Mapping[str, Subtask] = {each.name: each for each in subtasks}

    def declare(self, method: Method) -> Declaration:  # noqa: ARG002
        """Answers and a sentence of its own; no probabilities, no latents, and no patches that were looked at."""
        carried = Capabilities(probabilities=False, attention=False, latents=False, text=True)
        return Declaration(NAME, self._comparer.version, carried)

    def answer(self, cases: Sequence[Case], method: Method) -> list[Reasoned]:  # noqa: ARG002
        """An answer to each case, in order."""
        return [self._answer(case) for case in cases]

    def timings(self) -> Timings:
        """Seconds that the tower saw pictures, and that they were compared, which is how it answers."""
        seconds = self._comparer.comparer.seconds
        return Timings(vision=seconds.tower, answer=seconds.comparing)

    def _answer(self, case: Case) -> Reasoned:
        found = self._comparer.compare(case.query)
        declared = self._declared.get(case.subtask or "")
        letter, said = None, "comparing with normal pictures does not answer this"
        if case.claims is not None:
            letter, said = _of_claim(case, found.claim), suspicion.standing(found.rank, found.normals)
            said = f"score {found.score:.3f}, {said}" + (f"; {found.why}" if found.why else "")
        elif declared is not None and declared.kind == "region":
            letter = _of_region(case, declared.scorer, found)
            said = f"most different at the {found.quarter}" if letter else "no option names a region"
        elif declared is not None and declared.about == "object" and declared.kind == "choice":
            letter, said = _of_product(case, found), _nearest_product(found)
        elif declared is not None and declared.about == "defect type" and declared.kind == "choice" and self._settled:
            letter, said = _of_kind(case, found, self._settled)
        if letter is None:
            letter = _of_claim(case, CANNOT_SAY)
        status = "answered" if letter else "invalid"
        return Reasoned(status, letter, {}, {}, (), None, (), (), said, None, 0, False)  # type: ignore[arg-type]


def _of_claim(case: Case, claim: str) -> str | None:
    """The letter of the option that makes the claim."""
    claimed = zip(case.letters, case.claims or (), strict=False)
    return next((letter for letter, each in claimed if each == claim), None)


def _of_region(case: Case, scorer: str, found: Comparison) -> str | None:
    """The letter of the option whose region holds the peak, the smallest of several; else the nearest one's."""
    named = {
        letter: region
        for place, (letter, text) in enumerate(case.options)
        if (region := option_region.of_option(scorer, place, text)) is not None
    }
    if len(named) < 2 or not found.map.any():
        return None
    x, y = regions.peak(found.map)

    def order(letter: str) -> tuple[bool, float]:
        x0, y0, x1, y1 = named[letter]
        if x0 <= x < x1 and y0 <= y < y1:
            return False, (x1 - x0) * (y1 - y0)
        across, down = option_region.middle(named[letter])
        return True, (across - x) ** 2 + (down - y) ** 2

    return min(named, key=order)


def _of_product(case: Case, found: Comparison) -> str | None:
    """The letter of the one option that names the product of the nearest normals; None where none or several do."""
    if found.product is None:
        return None
    naming = [letter for letter, text in case.options if names(text, found.product[1])]
    return naming[0] if len(naming) == 1 else None


def _of_kind(case: Case, found: Comparison, settled: SettledDefects) -> tuple[str | None, str]:
    """The letter of the option that names the kind of the nearest settled cases, and what is said of it.

    A picture that is called good is answered by the one option that denies a defect, where there is one.
    """
    if found.claim == "good":
        denying = claims.denying(case.options)
        return denying[0] if len(denying) == 1 else None, "the picture is called good"
    answer = settled.of(found, case.query.content)
    if answer.kind is None:
        return None, answer.reason
    wanted = _words(answer.kind)
    naming = [letter for letter, text in case.options if wanted and _words(text) == wanted]
    return (naming[0], answer.reason) if len(naming) == 1 else (None, f"{answer.reason}, which no option names")


def names(text: str, product: str) -> bool:
    """Whether an option's words name a product: they hold all of its words, or their initials spell it."""
    words, wanted = _words(text), _words(product)
    if not wanted or not words:
        return False
    return set(wanted) <= set(words) or "".join(wanted) in ("".join(words), "".join(each[0] for each in words))


def _words(text: str) -> list[str]:
    """Runs of letters and runs of digits, of whatever script, however they are composed."""
    composed = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    runs = ((sort, "".join(letters)) for sort, letters in groupby(composed, _sort))
    return [run for sort, run in runs if sort != "Z"]


def _sort(letter: str) -> str:
    """L of letters and the marks on them, N of digits, Z of all else."""
    sort = unicodedata.category(letter)[0]
    return "L" if sort == "M" else sort if sort in "LN" else "Z"


def _nearest_product(found: Comparison) -> str:
    product = "nothing" if found.product is None else found.product[1].replace("_", " ")
    return f"the nearest normal pictures show {product}"
