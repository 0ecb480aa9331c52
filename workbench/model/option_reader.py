"""The reader of options from text: the only one of generated texts, of others' answer files, and of answer keys.

A letter counts however it is dressed: `B`, `b)`, `(B) No.`, `**B**`, `Answer: B`, `<answer>B</answer>`, a LaTeX box; so
does an option's whole text. Nothing is guessed: where two options are named, or a letter nobody offered, or none, the
answer can't be read. An article is no letter: "A scratch is visible" doesn't mean option A.

The surest sign decides, and within one kind of sign all have to agree:
1. the whole text is a letter or an option's text, after "Answer:" and its like too;
2. a letter that is said to be the answer: "the answer is B", "option B", "I would say B";
3. a line that is nothing but a letter;
4. a line that begins with a letter as lists have it: "B. No.", "(B) because ...";
5. the only letter named, at either end of the text or before "because" and its like; behind a noun or a verb that
   rules out, as in "Vitamin B" or "all but B", it names no option.

MMAD's own rule guesses; it is kept in `mmad.py` for the official scorer alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from string import ascii_uppercase

Options = Sequence[tuple[str, str]]
ANY: tuple[tuple[str, str], ...] = tuple((letter, "") for letter in ascii_uppercase)
"""Every letter, for a question whose options nobody knows."""

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_HALF_THOUGHT = re.compile(r"^.*</think>|<think>.*$", re.DOTALL | re.IGNORECASE)  # begun by the prompt; cut by a limit
_TAGGED = re.compile(r"<(answer|option)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_COMMAND = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_MARKUP = re.compile(r"[*`$#]|\\[()\[\]]")
_ENDS = " \t\r\n.,:;!?\"'“”‘’„»«()[]{}<>_|-–—。"
_ALONE = re.compile(rf"[{re.escape(_ENDS)}]*([A-Za-z])[{re.escape(_ENDS)}]*")

_OPENED = r"[\s:=(\[{<\"'“‘„_–—-]*"  # what may stand between a sign and its letter; no full stop, which ends a sentence
_FREE = r"(?![\w'’+-])"  # the letter isn't the beginning of a word
_NOUN = r"(?:answers?|options?|choices?|letter|antwort|lösung|réponse|respuesta|risposta|答案|选项|选择)"
_VERB = r"(?:choose|pick|select|say|go\s+with|选)"
_IS = r"(?:\s+(?:is|was|are|be|would\s+be|must\s+be|should\s+be|ist|est|es|è)\b|是|为)?"
_CUE = re.compile(
    rf"(?<!\w)(?:{_NOUN}{_IS}|{_VERB})(?![A-Za-z]){_OPENED}(?:(?:option|choice|letter)\b{_OPENED})?([A-Za-z]){_FREE}",
    re.IGNORECASE,
)
_SAID = re.compile(
    rf"(?:(?:so|thus|hence|therefore|the|my|final|correct|right|best)\W+)*{_NOUN}{_IS}\s*[:=]?\s*", re.IGNORECASE
)
_LISTED = re.compile(r"[(\[{<\"'“_]*([A-Za-z])(?:\s*[.:)\]}>]+|\s+[–—-](?=\s))(?!\w)", re.MULTILINE)
_INLINE = re.compile(r"(?<![\w'’-])\(?([A-Z])[.:)](?=\s|$)")
_NAMED = re.compile(rf"(?<![\w'’+-])([A-Z]){_FREE}")
_JOINED = re.compile(
    r"\W*(?:\s(?:or|and|nor|vs|versus|oder|und|ou|et|o|y)\b|[/,&+或和])\W*(?:(?:maybe|perhaps|possibly|even|also|option)\s+)*"
    r"\W*([A-Za-z])(?![\w'’-])",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|neither|nor|except|than|unlike|excludes?|wrong|incorrect)|n['’]t)\s+(?:\w+[\s:]+){0,2}\W*$",
    re.I,
)
_REFUTED = re.compile(r"\W*\s(?:is|was|seems|looks)(?:n['’]t|\s+(?:not|wrong|incorrect|false))\b", re.IGNORECASE)
_LEADS = re.compile(  # what a letter at a text's end stands behind when it is meant as the answer
    r"(?:^|[^\w\s'’]|\b(?:is|was|be|it['’]s|that['’]s|think|guess|believe|say|with|for|to|on|definitely|certainly|clearly|"
    r"obviously|surely|probably|likely|maybe|perhaps|possibly|so|thus|hence|therefore|then|just|simply|ist|wohl|est|es|è))"
    r"[\s:=(\[{<\"'“‘„_–—-]*$",
    re.IGNORECASE,
)
_REASON = re.compile(r"\W*\s(?:because|since|as|is|for|due)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\S\r\n]+(?!(?:or|and|nor|vs|versus|because|since|as|is|for|due)\b)\w{2,}", re.IGNORECASE)


def read(text: str, options: Options) -> str | None:
    """The letter of the option that a text means; None where it can't be read.

    Args:
        text: whatever was written for an answer.
        options: (letter, text) of each that was offered, in order; `ANY` where only letters are known.
    """
    return _read(text, tuple(options))


def lettered(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Options from their texts, lettered A, B, C, ...; `ANY` of none."""
    return tuple(zip(ascii_uppercase, texts, strict=False)) or ANY


def in_order(offered: Mapping[str, str]) -> tuple[str, ...] | None:
    """Options' texts by their letters, A first, in whatever order they stand; None unless these are A, B, C, ..."""
    texts = {key.strip(_ENDS).upper(): text for key, text in offered.items()}
    if len(texts) < len(offered) or sorted(texts) != list(ascii_uppercase[: len(texts)]):
        return None
    return tuple(texts[letter] for letter in sorted(texts))


@lru_cache(maxsize=20_000)  # a benchmark's answers are few different texts about few different options
def _read(text: str, options: tuple[tuple[str, str], ...]) -> str | None:
    said = _undressed(text)
    whole = _whole(said, options)
    if whole is not None:
        return whole
    offered = {letter for letter, _ in options}
    for signs in (_cued, _alone_in_a_line, _listed, _mentioned):
        found = signs(said, options)
        if found:
            (letter,) = found if len(found) == 1 else (None,)
            return letter if letter in offered else None
    return None


def _whole(said: str, options: Options) -> str | None:
    """The option of a text that is a letter or an option's text and no more."""
    rests = [said, said[match.end() :] if (match := _SAID.match(said)) else said]
    for rest in dict.fromkeys(rests):
        alone = _ALONE.fullmatch(rest)
        if alone and alone[1].upper() in {letter for letter, _ in options}:
            return alone[1].upper()
        alike = [letter for letter, text in options if text and plain(text) == plain(rest)]
        if len(alike) == 1:
            return alike[0]
    return None


def _cued(said: str, options: Options) -> set[str]:
    """Letters said to be the answer."""
    found: set[str] = set()
    for match in _CUE.finditer(said):
        letter, rest = match[1], said[match.end() :]
        if letter.islower() and not re.match(r"\s*([.):\]}>\"'”]+(\s|$)|$)", rest):
            continue  # "answer a question", "choose i.e."
        if letter in "AI" and _WORD.match(rest) and not _owns(letter, rest, options):
            continue  # "the answer is A scratch", "I would say I see none"
        if _denied(said, match.start(), match.end()):
            continue  # "do not choose A", "option A is wrong"
        found |= {letter.upper(), *_with_it(letter.upper(), rest, options)}
    return found


def _alone_in_a_line(said: str, _: Options) -> set[str]:
    """Letters that have a line to themselves, where the text has several."""
    lines = [line for line in said.splitlines() if line.strip()]
    return {match[1].upper() for line in lines if (match := _ALONE.fullmatch(line))} if len(lines) > 1 else set()


def _listed(said: str, options: Options) -> set[str]:
    """Letters that a line begins with, as lists have them, and those of the same list in one line."""
    found: set[str] = set()
    for line in said.splitlines():
        match = _LISTED.match(line.strip())
        if match:
            rest = line.strip()[match.end() :]
            inline = {other for other in _INLINE.findall(rest) if other != "I"}
            found |= {match[1].upper(), *inline, *_with_it(match[1].upper(), rest, options)}
    first = re.match(r"([A-Z])\s", said)
    if not found and first and _owns(first[1], said[1:], options):  # "B No."
        return {first[1]}
    return found


def _mentioned(said: str, options: Options) -> set[str]:
    """The letters named; none where the only one isn't where an answer would be, or is denied."""
    named = [match for match in _NAMED.finditer(said) if match[1] != "I" and not _article(match, said)]
    letters = {each for match in named for each in (match[1], *_with_it(match[1], said[match.end() :], options))}
    if len(letters) != 1:
        return letters
    first, last = said.strip(_ENDS)[:1], said.strip(_ENDS)[-1:]
    at_an_end = any(
        (match.start() == said.find(first) and not said[: match.start()].strip(_ENDS))
        or (match[1] == last and not said[match.end() :].strip(_ENDS) and _LEADS.search(said[: match.start()]))
        or _REASON.match(said[match.end() :])
        for match in named
    )
    return letters if at_an_end and not any(_denied(said, *match.span()) for match in named) else set()


def _denied(said: str, start: int, end: int) -> bool:
    """Whether what stands around a letter says that it isn't the answer."""
    return bool(_DENIED.search(said[:start]) or _REFUTED.match(said[end:]))


def _with_it(letter: str, rest: str, options: Options) -> set[str]:
    """Further options named right behind a letter: "A or B", "B: Yes." where B is "No."."""
    more: set[str] = set()
    if joined := _JOINED.match(rest):
        more |= {joined[1].upper(), *_with_it(joined[1].upper(), rest[joined.end() :], options)}
    line = plain(rest.split("\n", 1)[0])
    meant = {other for other, text in options if text and plain(text) == line}
    return more | (set() if letter in meant else meant)


def _owns(letter: str, rest: str, options: Options) -> bool:
    """Whether the letter's own text follows it."""
    text = dict(options).get(letter)
    return bool(text) and plain(rest.split("\n", 1)[0]) == plain(text or "")


def _article(match: re.Match[str], said: str) -> bool:
    return match[1] == "A" and _WORD.match(said[match.end() :]) is not None


def _undressed(text: str) -> str:
    """The text without markup, and of what has an answer's tag or box only that."""
    said = _HALF_THOUGHT.sub(" ", _THOUGHT.sub(" ", unicodedata.normalize("NFKC", text)))
    if tagged := _TAGGED.findall(said):
        said = tagged[-1][1]
    if boxed := _BOXED.findall(said):
        said = boxed[-1]
    return _MARKUP.sub("", _COMMAND.sub(r"\1", said)).strip()


def plain(text: str) -> str:
    """A text as texts are compared: no markup, no marks at its ends, single blanks, small letters."""
    return " ".join(_MARKUP.sub("", unicodedata.normalize("NFKC", text)).split()).strip(_ENDS).casefold()
