"""What is wrong with a knowledge text before anybody tests it: text and its siblings in, findings out.

Descriptions are untrusted: people paste them from anywhere, and whatever stands in one stands in a prompt. A finding
that `blocks` keeps a text from being tested or published; the others are advice. Rules of thumb, each of which says
what it saw; none claims to understand the text.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from warehouse.records.scoring import Description

Rule = Literal["too long", "no defect cue", "contradicts a sibling", "names a file", "instructs the model", "markup"]
BLOCKING: frozenset[Rule] = frozenset({"instructs the model", "markup"})

LONGEST = 1200  # characters; three such texts are about 900 tokens of every prompt
ALIKE = 0.9  # share of equal words from which two texts are near duplicates

_FILE = re.compile(
    r"(?:[\w.-]*[\\/])+[\w.-]+\.\w{2,4}\b|\b[\w-]+\.(?:png|jpe?g|bmp|tiff?|webp|json|csv|txt|md|py|exe)\b", re.I
)
_INSTRUCTS = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:above|previous|prior|earlier|instructions?|prompt|question)\b"
    r"|\b(?:you|assistant|model)\s+(?:must|should|shall|will|have to|are)\s+(?:always\s+|now\s+|only\s+)?"
    r"(?:answer|reply|respond|say|output|choose|pick|select|print|an?\b)"
    r"|\b(?:always|only|just|please)\s+(?:answer|reply|respond|output|choose|pick|select|print)\b"
    r"|\b(?:the\s+)?(?:correct|right)\s+(?:answer|option|choice)\s+is\b"
    r"|\b(?:answer|reply|respond|choose|pick|select)\s+(?:with\s+)?(?:option\s+|letter\s+)?[\"'(]?[A-E]\b(?![\w'])"
    r"|^\s*(?:system|user|assistant|question|answer)\s*:"
    r"|\bsystem\s+prompt\b",
    re.I | re.M | re.S,
)
_MARKUP = re.compile(r"<\s*[/|!?a-z][^<>]{0,200}>|<\||\|>|\bjavascript:|&#?\w+;|!?\[[^\]]*\]\([^)]*\)|```", re.I)
_CUES = re.compile(
    r"\b(?:scratch|dent|crack|stain|hole|cut|tear|torn|burn|rust|chip|break|broken|bent|bend|missing|miss|deform|discolou?r"
    r"|contaminat|spot|mark|line|blotch|groove|gap|edge|surface|colou?r|shape|irregular|uneven|dark|bright|thin|deep"
    r"|rough|smear|blur|misalign|tilt|slant|twist|fold|wrinkle|bubble|foreign|defect|damage|flaw|anomal|abnormal)",
    re.I,
)
_CALM = re.compile(
    r"\b(?:good|normal|even|clean|smooth|without|no|free|intact|regular|uniform|consistent|open)\b", re.I
)
_NOT = re.compile(r"\b(?:not|never|no|without|isn't|aren't|doesn't|don't|cannot|can't)\b", re.I)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at."""

    rule: Rule
    message: str  # in words, with what was seen

    @property
    def blocks(self) -> bool:
        """Whether the text may be neither tested nor published."""
        return self.rule in BLOCKING


@dataclass(frozen=True, slots=True)
class Pair:
    """Two descriptions that say nearly the same."""

    first: Description
    second: Description
    alike: float  # share of equal words, 0..1


def lint(text: str, entry: str, siblings: Iterable[Description] = ()) -> list[Finding]:
    """What is wrong with a text, worst first.

    Args:
        entry: the defect it describes, or `good`.
        siblings: the published texts of the product's other entries.
    """
    found: list[Finding] = []
    if seen := _MARKUP.search(text):
        found.append(
            Finding("markup", f"“{_short(seen[0])}” is markup or one of a model's own marks: write plain words")
        )
    if seen := _INSTRUCTS.search(text):
        found.append(
            Finding("instructs the model", f"“{_short(seen[0])}” speaks to the model: say what is seen instead")
        )
    if seen := _FILE.search(text):
        found.append(Finding("names a file", f"“{_short(seen[0])}” looks like a file: no image can show a name"))
    if len(text) > LONGEST:
        found.append(Finding("too long", f"{len(text):,} characters; beyond {LONGEST:,} other texts lose their place"))
    words = entry.replace("_", " ").casefold()
    cues = _CALM if words == "good" else _CUES
    if not cues.search(text) and words not in text.casefold():
        what = "what a good piece looks like" if words == "good" else "how the defect looks"
        found.append(Finding("no defect cue", f"nothing says {what}"))
    found += [
        Finding("contradicts a sibling", f"“{_short(mine)}” against “{_short(theirs)}” of {sibling.entry}")
        for sibling in siblings
        for mine, theirs in _opposed(text, sibling.text)
    ]
    return found


def near_duplicates(descriptions: Sequence[Description], least: float = ALIKE) -> list[Pair]:
    """Pairs of texts of which at least that share of words is equal and in the same order, most alike first.

    Texts with no three words in a row in common are never compared, so many thousands stay affordable.
    """
    words = [tuple(re.findall(r"\w+", each.text.casefold())) for each in descriptions]
    holders: dict[tuple[str, ...], list[int]] = {}
    for place, its in enumerate(words):
        for run in {its[at : at + 3] for at in range(max(1, len(its) - 2))}:
            holders.setdefault(run, []).append(place)
    shared: dict[tuple[int, int], int] = {}
    for places in holders.values():
        for at, one in enumerate(places if len(places) <= 50 else ()):  # what fifty texts share tells none apart
            for other in places[at + 1 :]:
                shared[one, other] = shared.get((one, other), 0) + 1
    same: dict[tuple[str, ...], list[int]] = {}
    for place, its in enumerate(words):
        same.setdefault(its, []).append(place)
    pairs = [  # a text with its next copy: all pairs of many copies would say no more
        Pair(descriptions[one], descriptions[other], 1.0)
        for places in same.values()
        for one, other in itertools.pairwise(places)
    ]
    for (one, other), runs in shared.items():
        shorter = max(1, min(len(words[one]), len(words[other])) - 2)
        # Each changed word breaks up to three runs.
        if words[one] == words[other] or runs / shorter < 1 - 3 * (1 - least):
            continue
        alike = difflib.SequenceMatcher(None, words[one], words[other], autojunk=False).ratio()
        if alike >= least:
            pairs.append(Pair(descriptions[one], descriptions[other], alike))
    return sorted(pairs, key=lambda pair: (-pair.alike, pair.first.description_id, pair.second.description_id))


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order."""
    return [piece.strip() for piece in _SENTENCE.split(text) if piece.strip()]


def _opposed(text: str, other: str) -> list[tuple[str, str]]:
    """Sentences that use the same words, of which only one says no."""
    return [
        (mine, theirs)
        for mine in sentences(text)
        for theirs in sentences(other)
        if bool(_NOT.search(mine)) != bool(_NOT.search(theirs)) and _overlap(mine, theirs) >= 0.8
    ]


def _overlap(one: str, other: str) -> float:
    mine, theirs = (
        {word for word in re.findall(r"\w+", _NOT.sub(" ", text.casefold())) if len(word) > 2} for text in (one, other)
    )
    return len(mine & theirs) / max(1, len(mine | theirs))


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 60 else plain[:59] + "…"
