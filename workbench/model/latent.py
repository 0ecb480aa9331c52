"""Knowledge-guided dynamic latent reasoning, from top to bottom.

    cases -> prefix (read once) -> think tokens Z, optimised by an entropy reward, with patches of the picture injected
    when they raise it -> the best state -> an answer, and all that happened on the way

An independent implementation of Chen et al., "Reason-IAD: Knowledge-Guided Dynamic Latent Reasoning for Explainable
Industrial Anomaly Detection" (arXiv 2602.09850), whose code and settings aren't public; where the paper is silent its
nearest public relative, DMLR (arXiv 2512.12623), or our own choice decides (`docs/method.md` marks which). Weights stay
frozen; only Z moves, one question at a time, at test time. All questions of a block walk together so that an engine can
evaluate their rows at once; no question's numbers depend on another's.

Knows engines (`engine.py`), not models; nothing of files or storage.

Symbols, as in the paper: Z think tokens, m their number, d hidden size, N iterations, K samples per iteration, R
reward, H entropy in nats, V vocabulary; s the rms of the embedding matrix.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import torch
from torch import Tensor

from workbench.errors import Failure
from workbench.model import answer as answers
from workbench.model import estimators, injection, option_reader, prompt, reward
from workbench.model.backbone import ZOOM_TOKENS, Backbone
from workbench.model.case import Case, Iteration, PatchChoice, PatchFeature, Picture, Reasoned
from workbench.model.engine import Engine, Evaluation, Prefix, Rows
from workbench.model.injection import Proposal
from workbench.model.method import Method
from workbench.model.noise import Noise
from workbench.model.token_parts import Script, compose

__all__ = ["Case", "Picture", "Reasoned", "reason"]

NOT_FINITE = Failure("not finite", "the model's numbers are not finite; try --dtype float32")


@dataclass(frozen=True, slots=True)
class _State:
    """Something that was evaluated: these think tokens behind these patches had these entropies."""

    z: Tensor  # (m, d) float32
    injected: tuple[int, ...]  # visual tokens injected before Z, in the order they were accepted
    entropies: tuple[float, ...]  # (m,) nats
    reward: float  # nats
    iteration: int


@dataclass(slots=True)
class _Question:
    """Where one question stands."""

    index: int  # of its case
    key: str  # identifies question and picture, for the noise
    start: Tensor  # (m, d), Z_0
    z: Tensor  # (m, d), the tokens being optimised
    injected: tuple[int, ...] = ()
    best: _State | None = None
    different: dict[int, float] = field(default_factory=dict)  # what a comparison may still propose: token, score
    tested: set[frozenset[int]] = field(default_factory=set)
    trace: list[_State] = field(default_factory=list)  # the winner of each iteration
    choices: list[PatchChoice] = field(default_factory=list)
    last_improvement: int = 0  # the last iteration whose best reward rose by more than a plateau
    plateau_best: float = -math.inf  # the best reward then
    error: Failure | None = None  # why it can't be answered


def reason(engine: Engine, cases: Sequence[Case], method: Method) -> list[Reasoned]:
    """An answer to each case, in order.

    What concerns one question alone - too long for the context, a picture no processor takes, numbers that aren't
    finite - is that question's failure.

    Args:
        engine: reads and evaluates; both engines give the same answers.
        cases: any mix of questions, pictures and references; what they share is computed once.
        method: the settings.

    Raises:
        BackboneError: the tokenizer has no letters to answer with.
    """
    started = time.perf_counter()
    script = compose(engine.backbone, cases, _most_behind(engine.backbone, cases, method), method.prompt)
    engine.work.timings.vision += time.perf_counter() - started  # resizing is most of it
    reasoned = {index: Reasoned.failure(why) for index, why in script.misfits.items()}
    for batch in engine.batches(script):
        answered = _reason(engine, batch, [cases[index] for index in batch.cases], method)
        reasoned |= zip(batch.cases, answered, strict=True)
    return [reasoned[index] for index in range(len(cases))]


def _reason(engine: Engine, script: Script, cases: Sequence[Case], method: Method) -> list[Reasoned]:
    """An answer to each question of a script that fits the engine's memory."""
    # 1. read what stays: system message, reference, picture, knowledge, question
    prefix = engine.read(script)
    body, started = engine.backbone, time.perf_counter()
    z_0 = body.latent_start(method.think_tokens)  # (m, d)
    offers = injection.offers(cases, prefix.image, method)
    questions = [
        _Question(index, f"{case.query.key}/{case.seed_key}", z_0, z_0, different=offers[index])
        for index, case in enumerate(cases)
    ]
    loop = _Loop(engine, prefix, method, z_0.shape[1])
    if method.think_tokens:
        # 2. iteration 0: the start state, without patches, is the first best
        loop.start(questions)
        # 3. N times: perturb, reward, propose patches, keep the best, step
        for n in range(1, method.iterations + 1):
            if going_on := [q for q in questions if not loop.has_converged(q, n)]:
                with torch.no_grad():
                    loop.iterate(going_on, n)
    engine.work.timings.loop += time.perf_counter() - started
    # 4. answer from the best state
    started = time.perf_counter()
    reasoned = _answer(loop, cases, questions)
    engine.work.timings.answer += time.perf_counter() - started
    return reasoned


def _most_behind(body: Backbone, cases: Sequence[Case], method: Method) -> int:
    """Most tokens that may come to stand behind a question: patches, think tokens, cue, and what the model writes."""
    writes = method.answer == "generate" or method.rationale or not all(case.options for case in cases)
    patches = {"none": 0, "zoom": ZOOM_TOKENS**2}.get(method.injection, 1) * method.patch_cap
    cue = len(body.tokenize(prompt.answer_cue(), {}))
    return method.think_tokens + patches + cue + writes * method.max_new_tokens


class _Loop:
    """One iteration after another, for all questions together."""

    def __init__(self, engine: Engine, prefix: Prefix, method: Method, size: int):
        self.engine, self.prefix, self.method = engine, prefix, method
        self.scale = engine.backbone.embedding_scale  # s
        self._noise = Noise(method, size, self.scale, engine.backbone.device)
        self._injects = method.injection != "none"
        self._vocabulary = 0  # |V|, seen with the first logits
        self._injected: dict[tuple[str, int], Tensor] = {}  # by picture and visual token

    def start(self, questions: Sequence[_Question]) -> None:
        """The start state of each question, evaluated."""
        with torch.no_grad():
            entropies = self._evaluate([(q, q.start, ()) for q in questions]).values.cpu()
        states = _states([q.start for q in questions], [()] * len(questions), entropies, iteration=0)
        for q, state in zip(questions, states, strict=True):
            q.best = state
            q.trace.append(state)
            q.plateau_best = state.reward
            q.error = None if math.isfinite(state.reward) else NOT_FINITE

    def has_converged(self, question: _Question, n: int) -> bool:
        """Nothing more is evaluated for it at iteration n: it is broken, or its reward has stopped rising."""
        patience = self.method.patience
        return question.error is not None or (patience > 0 and n > question.last_improvement + patience)

    def iterate(self, questions: Sequence[_Question], n: int) -> None:
        """Iteration n of every question."""
        method = self.method
        K = estimators.sample_count(method)
        # 3a. K candidates Z + eps per question, evaluated behind the injected patches
        z = torch.stack([q.z for q in questions])  # (Q, m, d)
        keys = [q.key for q in questions]
        noise = self._noise.of(keys, n).to(z)  # (Q, K, m, d)
        candidates = z[:, None] + noise
        exact = method.estimator == "autograd"
        if exact:
            evaluation, slopes = self._evaluate_exactly(questions)
        else:
            rows = [(q, each, q.injected) for q, some in zip(questions, candidates, strict=True) for each in some]
            evaluation = self._evaluate(rows, attention=self._injects)
        self._noise.draw(keys, n + 1)
        entropies = evaluation.values.cpu()  # (Q * K, m)
        # 3b. R = 1 - mean H; the best of the K candidates
        rewards = reward.reward(entropies).view(len(questions), K)
        leaders = [i * K + leader for i, leader in enumerate(rewards.argmax(1).tolist())]
        best = candidates.flatten(0, 1)[leaders]  # (Q, m, d)
        winners = _states(best, [q.injected for q in questions], entropies[leaders], iteration=n)
        for q, state in zip(questions, winners, strict=True):
            if q.best is None or state.reward > q.best.reward:
                q.best = state
        # 3c. the patches its think tokens look at, tested on the same candidate
        tests: list[tuple[int, list[Proposal]]] = []
        if evaluation.attention_of:
            most = method.patches_per_latent + method.patch_cap
            looks = injection.most_looked_at(evaluation.attention_of(leaders), most)
            for i, (q, look) in enumerate(zip(questions, looks, strict=True)):
                if proposed := self._propose(q, look):
                    tests.append((i, proposed))
        del evaluation  # and what its attention was worked out from
        for (i, proposed), state in zip(tests, self._test(questions, winners, tests, n), strict=True):
            q = questions[i]
            assert q.best is not None
            accepted = state.reward > q.best.reward
            if accepted:  # the injected set grows, and 3d. the best state is the one that was measured
                q.injected, q.best, winners[i] = state.injected, state, state
            q.choices += [self._choice(q, n, each, accepted) for each in proposed]
            q.error = q.error or (None if math.isfinite(state.reward) else NOT_FINITE)
        finite = entropies.view(len(questions), -1).isfinite().all(1).tolist()
        for q, winner, sound in zip(questions, winners, finite, strict=True):
            q.trace.append(winner)
            q.error = q.error or (None if sound else NOT_FINITE)
            assert q.best is not None
            if q.best.reward > q.plateau_best + method.plateau:
                q.last_improvement, q.plateau_best = n, q.best.reward
        # 3e. a step along the gradient estimated from the candidates' rewards
        nats = math.log(self._vocabulary)
        normal = 1 - (1 - rewards) / nats  # entropy as a share of log |V|, so that a step means the same across models
        sigma = estimators.deviation(method, n, self.scale)
        slope = slopes if exact else estimators.gradient(method.estimator, noise, normal.to(noise), sigma)  # (Q, m, d)
        moved = estimators.step(method, z, torch.stack([q.start for q in questions]), slope, self.scale)
        for q, after in zip(questions, moved, strict=True):
            q.z = after

    def _propose(self, question: _Question, look: injection.Look) -> list[Proposal]:
        """Patches worth testing: looked at, not injected, within the cap, and not tested together before."""
        room = self.method.patch_cap - len(question.injected)
        proposed = injection.propose_beside(look, question.different, question.injected, self.method, room)
        together = frozenset(question.injected) | {each.token for each in proposed}
        if not proposed or together in question.tested:
            return []
        question.tested.add(together)
        return proposed

    def _test(
        self,
        questions: Sequence[_Question],
        winners: Sequence[_State],
        tests: Sequence[tuple[int, list[Proposal]]],
        n: int,
    ) -> list[_State]:
        """Each tested question's best candidate, evaluated with the proposed patches beside the injected ones."""
        if not tests:
            return []
        rows = []
        for i, proposed in tests:
            injected = (*questions[i].injected, *(each.token for each in proposed))
            rows.append((questions[i], winners[i].z, injected))
        if self.method.injection == "zoom":
            self._zoom([(questions[i].index, [each.token for each in proposed]) for i, proposed in tests])
        entropies = self._evaluate(rows).values.cpu()
        return _states([z for _, z, _ in rows], [injected for _, _, injected in rows], entropies, iteration=n)

    def _evaluate_exactly(self, questions: Sequence[_Question]) -> tuple[Evaluation, Tensor]:
        """Entropies (Q, m) of Z itself, and dR/dZ (Q, m, d).

        The reward is normalised by log |V| as in step 3e; rows don't touch each other, so one backward serves all.
        """
        with torch.enable_grad():
            leaves = [q.z.detach().requires_grad_(True) for q in questions]
            rows = [(q, z, q.injected) for q, z in zip(questions, leaves, strict=True)]
            evaluation = self._evaluate(rows, attention=self._injects)
            normal = reward.reward(evaluation.values / math.log(self._vocabulary))
            slopes = torch.autograd.grad(normal.sum(), leaves)
        return replace(evaluation, values=evaluation.values.detach()), torch.stack(slopes)

    def _evaluate(
        self, rows: Sequence[tuple[_Question, Tensor, tuple[int, ...]]], *, attention: bool = False
    ) -> Evaluation:
        """Entropies (B, m) at the think tokens of each row; a GPU is not waited for."""
        m = self.method.think_tokens
        rows_of = self.rows([(q.index, z, injected) for q, z, injected in rows])
        at = rows_of.at + 1 - m + torch.arange(m)  # Z stands last: [injected][Z]
        return self.engine.evaluate(self.prefix, replace(rows_of, at=at), self._read, attention=attention)

    def _read(self, logits: Tensor) -> Tensor:
        """Entropies of (B, m, V) logits; notes |V| on the way."""
        self._vocabulary = logits.shape[-1]
        return reward.entropy(logits)

    def rows(self, states: Sequence[tuple[int, Tensor, tuple[int, ...]]], *behind: Tensor) -> Rows:
        """[injected patches' true visual features][think tokens][what stands behind], read at the last token.

        Args:
            states: (question, think tokens (m, d), visual tokens injected).
            behind: (L, d) each.
        """
        after = self.method.think_tokens + sum(len(each) for each in behind)
        pieces: list[Tensor] = []
        lengths, constants = [], []
        # A question's candidates hold the same patches and stand beside each other.
        for (question, injected), group in groupby(states, key=lambda state: (state[0], state[2])):
            patches = [self.injected(question, token) for token in injected]
            names = tuple((token, i) for token, some in zip(injected, patches, strict=True) for i in range(len(some)))
            for _, z, _ in group:
                pieces += [*patches, z, *behind]
                lengths.append(len(names) + after)
                constants.append(names)
        embeddings = torch.split(torch.cat(pieces), lengths)  # at once: hundreds of rows are evaluated together
        at = torch.tensor(lengths)[:, None] - 1
        return Rows(torch.tensor([question for question, _, _ in states]), embeddings, at, tuple(constants))

    def injected(self, question: int, token: int) -> Tensor:
        """(1, d) the vision tower's row for this patch of the query picture; zoomed, its region encoded anew."""
        key = self.prefix.picture(question).key, token
        if key not in self._injected and self.method.injection != "zoom":  # zoomed, it was put there when encoded
            self._injected[key] = self.prefix.visual_tokens(question)[token : token + 1].float()
        return self._injected[key]

    def _zoom(self, wanted: Sequence[tuple[int, Sequence[int]]]) -> None:
        """The regions of these patches (question, visual tokens) at full resolution, encoded once for all questions."""
        by_picture: dict[str, dict[int, int]] = {}  # key -> visual token -> a question about the picture
        for question, tokens in wanted:
            key = self.prefix.picture(question).key
            missing = (token for token in tokens if (key, token) not in self._injected)
            by_picture.setdefault(key, {}).update(dict.fromkeys(missing, question))
        for key, places in by_picture.items():
            if not places:
                continue
            picture = self.prefix.picture(next(iter(places.values())))
            boxes = [self.prefix.place(question, token)[2] for token, question in places.items()]
            x, y = picture.scale
            here = [(x * left, y * top, x * right, y * bottom) for left, top, right, bottom in boxes]
            encoded = self.engine.backbone.zoom(picture.image, here)
            self._injected |= {(key, token): each.float() for token, each in zip(places, encoded, strict=True)}
            self.engine.work.vision_calls += 1
            self.engine.work.images += len(boxes)

    def _choice(self, question: _Question, n: int, proposal: Proposal, accepted: bool) -> PatchChoice:
        row, col, box = self.prefix.place(question.index, proposal.token)
        return PatchChoice(n, row, col, box, proposal.score, accepted)


def _states(
    z: Tensor | Sequence[Tensor], injected: Sequence[tuple[int, ...]], entropies: Tensor, iteration: int
) -> list[_State]:
    """What was evaluated, row by row: think tokens (m, d) each, patches, entropies (B, m)."""
    numbers = zip(entropies.tolist(), reward.reward(entropies).tolist(), strict=True)
    return [
        _State(tokens, patches, tuple(h), r, iteration)
        for tokens, patches, (h, r) in zip(z, injected, numbers, strict=True)
    ]


def _answer(loop: _Loop, cases: Sequence[Case], questions: Sequence[_Question]) -> list[Reasoned]:
    """Each question's answer, read behind its best state, with the options' probabilities before and after the loop."""
    engine, prefix, method = loop.engine, loop.prefix, loop.method
    body = engine.backbone
    cue = body.embed(body.tokenize(prompt.answer_cue(), {}), []).float()  # (cue tokens, d)
    before = [(q.index, q.start, ()) for q in questions]
    after = [(q.index, q.best.z, q.best.injected) if q.best else (q.index, q.start, ()) for q in questions]
    asked = [q.index for q in questions if cases[q.index].options and not q.error]
    initial: dict[int, Tensor] = {}
    final: dict[int, Tensor] = {}
    if asked:
        letters = answers.LETTERS[: max(len(cases[index].options) for index in asked)]
        read = answers.read_letters(answers.letter_tokens(body, letters))
        with torch.no_grad():
            states = [before[index] for index in asked] + [after[index] for index in asked]
            log_p = engine.evaluate(prefix, loop.rows(states, cue), read).values[:, 0].cpu()
        initial = dict(zip(asked, log_p[: len(asked)], strict=True))
        final = dict(zip(asked, log_p[len(asked) :], strict=True))
        for index in asked:
            sound = bool(torch.cat([initial[index], final[index]]).isfinite().all())
            questions[index].error = None if sound else NOT_FINITE
    behind = loop.rows(after, cue) if after else None
    texts = _texts(engine, prefix, cases, behind, method)
    reasoned = []
    for q, case in zip(questions, cases, strict=True):
        count = len(case.options)
        text = texts.get(q.index)
        if text is None and q.index in texts:
            q.error = q.error or NOT_FINITE
        if q.error:
            reasoned.append(Reasoned.failure(q.error))
            continue
        chances = answers.probabilities(case.letters, final[q.index][:count]) if count else {}
        chosen = _choose(case, chances, text, method)
        fitted = prefix.script.knowledge[int(prefix.script.image_of_question[q.index])]
        reasoned.append(
            Reasoned(
                status="answered" if chosen is not None else "invalid",
                answer=chosen,
                initial_option_probabilities=(
                    answers.probabilities(case.letters, initial[q.index][:count]) if count else {}
                ),
                option_probabilities=chances,
                iterations=tuple(Iteration(1 - s.reward, s.entropies, s.reward) for s in q.trace),
                best_iteration=q.best.iteration if q.best else None,
                patches=tuple(q.choices),
                accepted_features=tuple(_features(prefix, q)),
                raw_text=text,
                rationale=None,
                knowledge_dropped=fitted.dropped,
                knowledge_cut=fitted.cut,
            )
        )
    return _with_rationales(engine, prefix, reasoned, behind, method) if method.rationale else reasoned


def _choose(case: Case, chances: dict[str, float], text: str | None, method: Method) -> str | None:
    """The answer: the likeliest letter, or what the text says; None when that can't be read."""
    if not case.options:
        return text or None
    if method.answer == "generate":
        return option_reader.read(text or "", case.options)
    return max(chances, key=lambda letter: chances[letter])


def _texts(
    engine: Engine, prefix: Prefix, cases: Sequence[Case], states: Rows | None, method: Method
) -> dict[int, str | None]:
    """What the model writes behind each state: for open questions always, for the others when answering by text.

    None where it writes nothing that can be read: its numbers aren't finite.
    """
    wanted = [i for i, case in enumerate(cases) if not case.options or method.answer == "generate"]
    if not wanted or states is None:
        return {}
    with torch.no_grad():
        written = answers.generate(engine, prefix, states.take(wanted), method.max_new_tokens)
    return {i: _as_text(engine, tokens) for i, tokens in zip(wanted, written, strict=True)}


def _with_rationales(
    engine: Engine, prefix: Prefix, reasoned: list[Reasoned], states: Rows | None, method: Method
) -> list[Reasoned]:
    """The same with a reason in words, written behind the best state and its answer."""
    body = engine.backbone
    answered = [i for i, each in enumerate(reasoned) if each.answer is not None]
    if not answered or states is None:
        return reasoned
    behind = []
    for i in answered:
        said = body.tokenize((f" {reasoned[i].answer}", *prompt.rationale_part()), {})
        behind.append(torch.cat([states.embeddings[i], body.embed(said, []).float()]))
    at = torch.tensor([[len(row) - 1] for row in behind])
    with torch.no_grad():
        rows = replace(states.take(answered), embeddings=tuple(behind), at=at)
        written = answers.generate(engine, prefix, rows, method.max_new_tokens)
    for i, tokens in zip(answered, written, strict=True):
        reasoned[i] = replace(reasoned[i], rationale=_as_text(engine, tokens))
    return reasoned


def _as_text(engine: Engine, tokens: list[int] | None) -> str | None:
    return None if tokens is None else engine.backbone.text(tokens).strip()


def _features(prefix: Prefix, question: _Question) -> list[PatchFeature]:
    """The vectors of the patches injected in the best state."""
    injected = list(question.best.injected) if question.best else []
    vectors = prefix.visual_tokens(question.index)[injected].float().tolist() if injected else []
    places = (prefix.place(question.index, token) for token in injected)
    return [PatchFeature(row, col, tuple(vector)) for (row, col, _), vector in zip(places, vectors, strict=True)]
