"""Training episodes: drawn images, knowledge and questions, laid out as the product's own prompt.

An episode is one image with several questions. Its prefix (product part, image part) is laid out once; every question
is a block that sees the prefix and itself, exactly as the segmented engine computes it. The texts come from
`workbench.model.prompt`, so training and use cannot drift apart. Besides tokens and positions an episode says, for
chosen rows, where attention should go (`Hop`); that is what teaches look-ups within minutes instead of days.

Consequences are drawn anew for each episode: only a knowledge text tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from training import mixture
from training.data import CELLS, CROPS, HIT, ImageSet
from training.mixture import Mix
from workbench.embedded import drawn_world, questions
from workbench.embedded.questions import SUBTASKS, Choice, Facets
from workbench.model import prompt

Encode = Callable[[str], list[int]]

IMAGE = CELLS**2  # tokens of an image
REFERENCE, QUERY, CROP = 0, IMAGE, 2 * IMAGE  # where a token's vector lies in an episode's table of visual tokens
CROP_TOKENS = 4

# Name of a hop -> (layer, heads) that take it. A row is told which earlier rows these heads should attend to.
HOPS: dict[str, tuple[int, tuple[int, ...]]] = {
    "previous": (0, (2,)),  # last word of a phrase -> the word before
    "second": (0, (3,)),  # ... -> the word before that
    "name": (1, (0,)),  # consequence in a text -> the text's defect
    "product": (1, (1,)),  # consequence in a text -> the text's product
    "letter": (1, (2,)),  # last word of an option -> its letter
    "look": (2, (1,)),  # texts, options, latents -> the defect
    "fit": (2, (2, 3)),  # what is true of the image -> the defect (or the object), what isn't -> the first token
    "match": (3, (0,)),  # consequence in an option -> the same word in a text
    "answer": (4, (0,)),  # latents, answer -> the right option
}
HOP_NAMES = tuple(HOPS)


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a row's attention should go."""

    kind: int  # index into HOP_NAMES
    row: int
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The row an answer is read from, and the right answer."""

    row: int
    subtask: int
    options: int
    right: int


@dataclass(frozen=True, slots=True)
class Option:
    """The last word of an option, and what a probe should find there."""

    row: int
    true: int
    names: tuple[int, int, int]  # region, size, adjective that the option names; -1 none
    facts: tuple[int, int, int]  # the image's own, where the option names one


@dataclass(slots=True)
class Episode:
    """One image's prefix and question blocks, as rows."""

    image: int
    reference: int
    knowledge: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)  # 0 prefix, 1.. question
    sources: list[int] = field(default_factory=list)  # -1 text, else index into the table of visual tokens
    floors: list[int] = field(default_factory=list)  # first row this row may see
    hops: list[Hop] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    texts: list[tuple[int, int]] = field(default_factory=list)  # row of a text's consequence, 1 if it is true here
    latents: list[tuple[int, int, int]] = field(
        default_factory=list
    )  # row, right option, 1 if there is a defect to find
    words: list[tuple[int, int]] = field(default_factory=list)  # row, next token
    hits: tuple[int, ...] = ()  # rows of the query's defective cells
    query_row: int = 0  # first row of the query's visual tokens
    at: int = 0  # next position

    def text(self, ids: Sequence[int], block: int) -> int:
        """Append text; gives the row of its first token."""
        start = len(self.ids)
        for token in ids:
            self._row(token, (self.at, self.at, self.at), block, -1)
            self.at += 1
        return start

    def picture(self, pad: int, source: int) -> int:
        """Append an image at rows and columns; gives the row of its first token."""
        start = len(self.ids)
        for cell in range(IMAGE):
            row, column = divmod(cell, CELLS)
            self._row(pad, (self.at, self.at + row, self.at + column), 0, source + cell)
        self.at += CELLS
        return start

    def vectors(self, pad: int, sources: Sequence[int], block: int) -> None:
        """Append visual tokens at consecutive text positions, as injected patches are."""
        for source in sources:
            self._row(pad, (self.at, self.at, self.at), block, source)
            self.at += 1

    def hop(self, name: str, row: int, targets: Sequence[int]) -> None:
        """Tell a row where to look; nothing to see is nothing told."""
        if targets:
            self.hops.append(Hop(HOP_NAMES.index(name), row, tuple(targets)))

    def _row(self, token: int, position: tuple[int, int, int], block: int, source: int) -> None:
        self.ids.append(token)
        self.positions.append(position)
        self.blocks.append(block)
        self.sources.append(source)
        self.floors.append(0)


class Builder:
    """Lays out episodes about the images of one set."""

    def __init__(self, data: ImageSet, encode: Encode) -> None:
        self.data = data
        self._cache: dict[str, list[int]] = {}
        self._encode = encode
        self.pad, self.latent = self.ids("<|image_pad|>")[0], self.ids("<|latent|>")[0]
        self.letters = [self.ids(letter)[0] for letter in questions.LETTERS]
        self._good = {
            product: np.array([i for i, f in enumerate(data.facets) if f.product == product and f.defect is None])
            for product in drawn_world.PRODUCTS
        }

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, encoded on its own as a part's strings are."""
        if text not in self._cache:
            if len(self._cache) > 50_000:
                self._cache.clear()
            self._cache[text] = self._encode(text)
        return self._cache[text]

    def episode(
        self, rng: np.random.Generator, image: int, mix: Mix, text_keys: Sequence[tuple[str, str]] | None = None
    ) -> Episode:
        """The image's prefix and its questions; `text_keys` are the texts' (product, entry), else drawn."""
        facets = self.data.facets[image]
        good = self._good[facets.product]
        episode = Episode(image, int(good[rng.integers(len(good))]))
        for piece in prompt.product_part(mix.reference):
            self._piece(episode, piece)
        facts = drawn_world.RELEASED_FACTS if mix.released else drawn_world.draw_facts(rng)
        if text_keys is None:
            text_keys = mixture.entries(rng, facets, mix.mode or mixture.draw_mode(rng))
        texts = [
            drawn_world.knowledge_text(product, entry, facts, mixture.wording(rng, entry, mix))
            for product, entry in text_keys
        ]
        episode.knowledge = texts
        for piece in prompt.image_part(texts):
            start = self._piece(episode, piece)
            if piece is prompt.Slot.QUERY:
                episode.query_row = start + 1
                if facets.defect is not None:
                    hit = np.nonzero(self.data.cells[image] > HIT)[0]
                    episode.hits = tuple(int(start + 1 + cell) for cell in hit)
            elif isinstance(piece, str) and piece.startswith("- "):
                self._mark_text(episode, start, text_keys[len(episode.texts)], facts, facets)
        told = (facets.product, facets.defect) in text_keys
        consequence_rows: dict[str, list[int]] = {}
        for entry, (row, _) in zip(text_keys, episode.texts, strict=True):
            if row >= 0:
                consequence_rows.setdefault(facts[entry], []).append(row)
        fork = episode.at
        episode.choices = self._choices(rng, facets, facts, mix)
        for block, choice in enumerate(episode.choices, start=1):
            episode.at = fork
            self._question(rng, episode, block, choice, facets, mix, told, consequence_rows)
        if mix.words:
            episode.at = fork
            self._open_question(episode, max(episode.blocks) + 1, facets, mix)
        episode.texts = [text for text in episode.texts if text[0] >= 0]
        return episode

    def _piece(self, episode: Episode, piece: str | prompt.Slot) -> int:
        if isinstance(piece, str):
            return episode.text(self.ids(piece), 0)
        start = episode.text(self.ids("<|vision_start|>"), 0)
        episode.picture(self.pad, REFERENCE if piece is prompt.Slot.REFERENCE else QUERY)
        episode.text(self.ids("<|vision_end|>"), 0)
        return start

    def _mark_text(
        self, episode: Episode, start: int, entry: tuple[str, str], facts: drawn_world.Facts, facets: Facets
    ) -> None:
        """Hops of a knowledge text: its consequence collects defect and product, then looks whether they fit."""
        product, defect = entry
        if defect == "good":
            episode.texts.append((-1, 0))
            return
        tokens = episode.ids[start:]
        row, name, of = (start + self._last(tokens, word) for word in (facts[entry], defect, product.split()[-1]))
        true = entry == (facets.product, facets.defect)
        episode.texts.append((row, int(true)))
        episode.hop("name", row, [name])
        episode.hop("product", row, [of])
        if of < name:
            episode.hop("product", name, [of])
        episode.hop("look", row, episode.hits)
        episode.hop("fit", row, episode.hits if true else [0])

    def _last(self, tokens: list[int], word: str) -> int:
        """Where a word of the world stands in a text; it is one token with its blank before it."""
        token = self.ids(f" {word}")[0]
        return len(tokens) - 1 - tokens[::-1].index(token)

    def _choices(self, rng: np.random.Generator, facets: Facets, facts: drawn_world.Facts, mix: Mix) -> list[Choice]:
        if mix.protocol:
            return mixture.protocol(rng, facets)
        subtasks = mix.subtasks or mixture.draw_subtasks(rng, facets)
        asked = [questions.ask(rng, subtask, facets, facts, mix.held_out_wordings) for subtask in subtasks]
        return [choice for choice in asked if choice is not None]

    def _question(
        self,
        rng: np.random.Generator,
        episode: Episode,
        block: int,
        choice: Choice,
        facets: Facets,
        mix: Mix,
        told: bool,
        consequence_rows: dict[str, list[int]],
    ) -> None:
        """One question: its options, injected patches, latents, cue; and what each of their rows should do."""
        stop = "." if mix.protocol or mix.released or rng.random() < 0.5 else ""
        lettered = [(letter, text + stop) for letter, text in zip(questions.LETTERS, choice.options, strict=False)]
        part = prompt.question_part(choice.question, lettered)
        about_defect = choice.subtask not in ("Object Classification", "Object Analysis")
        everywhere = tuple(range(episode.query_row, episode.query_row + IMAGE))
        right_row = think = 0
        for index, piece in enumerate(part):
            assert isinstance(piece, str)
            ids = self.ids(piece)
            start = episode.text(ids, block)
            think = len(episode.ids) - 1
            option = index - 1
            if not 0 <= option < len(choice.options):
                continue
            row, true = start + len(ids) - 2, option == choice.right
            if true:
                right_row = row
            names = mixture.named(choice.options[option])
            facts = tuple(own if name >= 0 else -1 for name, own in zip(names, mixture.classes_of(facets), strict=True))
            episode.options.append(Option(row, int(true), names, facts))  # type: ignore[arg-type]
            episode.hop("letter", row, [start])
            if row > start + 2:
                episode.hop("previous", row, [row - 1])
            if row > start + 3:
                episode.hop("second", row, [row - 2])
            if choice.subtask == "Defect Analysis":
                episode.hop("match", row, consequence_rows.get(choice.options[option], []))
                continue
            seen = (episode.hits or everywhere) if about_defect else everywhere
            episode.hop("fit", row, seen if true else [0])
            if about_defect:
                episode.hop("look", row, episode.hits)
        if rng.random() < mix.injected_share:
            episode.vectors(self.pad, self._held(rng, episode), block)
        knowable = choice.subtask != "Defect Analysis" or told
        supervised = rng.permutation(mix.latents)[:2]  # all are alike: two are enough, and cheaper
        for latent in range(mix.latents):
            row = episode.text([self.latent], block)
            if latent in supervised:
                episode.hop("look", row, episode.hits)
                if knowable:
                    episode.hop("answer", row, [right_row])
                episode.latents.append((row, choice.right, int(bool(episode.hits))))
        cue = [self.ids(piece) for piece in prompt.answer_cue() if isinstance(piece, str)]
        start = episode.text([token for piece in cue for token in piece], block)
        answer_row = len(episode.ids) - 1
        if mix.latents and rng.random() < mix.bottleneck:
            episode.floors[start:] = [think] * (len(episode.ids) - start)
        elif knowable:
            episode.hop("answer", answer_row, [right_row])
        subtask = SUBTASKS.index(choice.subtask)
        episode.answers.append(Answer(answer_row, subtask, len(choice.options), choice.right))
        if mix.words and block == 1:
            reason = [self.letters[choice.right], *self.ids(".\n"), *self.ids("Reason:")]
            episode.text(reason, block)
            self._say(episode, mixture.sentence(facets, about_defect), block)

    def _held(self, rng: np.random.Generator, episode: Episode) -> list[int]:
        """Visual tokens to hold: the defect's cells or any, or a zoom crop's tokens."""
        draw = rng.random()
        if draw < 0.2:
            crop = 0 if rng.random() < 0.7 else int(rng.integers(CROPS))
            return [CROP + CROP_TOKENS * crop + token for token in range(CROP_TOKENS)]
        shares = self.data.cells[episode.image]
        count = int(rng.integers(1, 5))
        likely = (
            np.argsort(-(shares + 1e-3 * rng.random(IMAGE)))[:count] if draw < 0.75 else rng.permutation(IMAGE)[:count]
        )
        return [QUERY + int(cell) for cell in likely]

    def _open_question(self, episode: Episode, block: int, facets: Facets, mix: Mix) -> None:
        """A question to be answered in a sentence."""
        pieces = prompt.question_part(mixture.OPEN_QUESTION, ())
        for piece in pieces:
            assert isinstance(piece, str)
            episode.text(self.ids(piece), block)
        for _ in range(mix.latents):
            episode.text([self.latent], block)
        for piece in prompt.answer_cue():
            assert isinstance(piece, str)
            episode.text(self.ids(piece), block)
        self._say(episode, mixture.sentence(facets, True), block)

    def _say(self, episode: Episode, said: str, block: int) -> None:
        """Append words and ask for each of them from the row before."""
        ids = [*self.ids(said), *self.ids("<|im_end|>")]
        first = len(episode.ids) - 1
        episode.text(ids[:-1], block)
        episode.words += [(first + index, token) for index, token in enumerate(ids)]
