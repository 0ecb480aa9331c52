"""From a state to an answer: the options' letters compared, or text generated, which `option_reader.read` reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbench.errors import BackboneError
from workbench.model.backbone import Backbone
from workbench.model.engine import Engine, Prefix, Rows

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOTHING = -1  # instead of a token, where the model's numbers aren't finite


def letter_tokens(backbone: Backbone, letters: Sequence[str]) -> list[list[int]]:
    """For each letter the tokens that mean it: written alone and after a space, where each is one token.

    Raises:
        BackboneError: the tokenizer splits a letter.
    """
    found = []
    for letter in letters:
        ids = {token for text in (letter, f" {letter}") if (token := backbone.token_id(text)) is not None}
        if not ids:
            raise BackboneError(f"{backbone.name} has no token for the letter {letter}: answer with generate instead")
        found.append(sorted(ids))
    return found


def read_letters(tokens: Sequence[Sequence[int]]) -> Callable[[Tensor], Tensor]:
    """A reader of logits: (..., V) to (..., letters) log-probabilities over the whole vocabulary."""

    def read(logits: Tensor) -> Tensor:
        letters = torch.stack([torch.logsumexp(logits[..., list(ids)], -1) for ids in tokens], -1)
        return letters - torch.logsumexp(logits, -1, keepdim=True)

    return read


def probabilities(letters: Sequence[str], log_p: Tensor) -> dict[str, float]:
    """Probability of each option given that one of them is the answer.

    Args:
        letters: of the options.
        log_p: (letters,) log-probabilities.
    """
    shares = torch.softmax(log_p.double(), -1).tolist()
    return dict(zip(letters, shares, strict=True))


def generate(engine: Engine, prefix: Prefix, states: Rows, limit: int) -> list[list[int] | None]:
    """The likeliest continuation of each state, token by token, up to an end token or `limit`.

    Args:
        engine: evaluates; it reads each token once, as all before the last one are named constant.
        prefix: of the cases.
        states: all that stands before the text, read at the last token; one row per question.
        limit: most new tokens.

    Returns:
        The new tokens of each state, without the end token; None where the logits aren't finite.
    """
    ends = engine.backbone.end_ids()
    run = -1 - next(_runs)  # tells these constants from those of other texts behind the same question
    written: list[list[int] | None] = [[] for _ in states.embeddings]
    rows = list(states.embeddings)
    open_rows = list(range(len(rows)))
    for _ in range(limit):
        if not open_rows:
            break
        names = []
        for index in open_rows:
            injected = states.constants[index] if states.constants else ()
            names.append((*injected, *((run, place) for place in range(len(injected), len(rows[index]) - 1))))
        at = torch.tensor([[len(rows[index]) - 1] for index in open_rows])
        asked = states.question[open_rows]
        going_on = Rows(asked, tuple(rows[index] for index in open_rows), at, tuple(names))
        following = engine.evaluate(prefix, going_on, _likeliest).values[:, 0].tolist()
        for index, token in zip(list(open_rows), following, strict=True):
            text = written[index]
            if token in ends or token == NOTHING or text is None:
                open_rows.remove(index)
                written[index] = None if token == NOTHING else text
                continue
            text.append(token)
            embedded = engine.backbone.embed(torch.tensor([token]), [])
            rows[index] = torch.cat([rows[index], embedded.to(rows[index])])
    return written


_runs = itertools.count()


def _likeliest(logits: Tensor) -> Tensor:
    """(..., V) -> (...) the likeliest token; NOTHING where the logits aren't finite."""
    return torch.where(logits.isfinite().all(-1), logits.argmax(-1), NOTHING)
