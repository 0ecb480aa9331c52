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

import torch
from torch import Tensor

from workbench.model import answer as answers
from workbench.model import estimators, injection, prompt, reward
from workbench.model.case import Case, Iteration, PatchChoice, PatchFeature, Picture, Reasoned
from workbench.model.engine import Engine, Prefix, Rows
from workbench.model.injection import Proposal
from workbench.model.method import Method

__all__ = ["Case", "Picture", "Reasoned", "reason"]


@dataclass(frozen=True, slots=True)
class _State:
    """Something that was evaluated: these think tokens behind these patches had these entropies."""

    z: Tensor  # (m, d) float32
    held: tuple[int, ...]  # visual tokens injected before Z, in the order they were accepted
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
    held: tuple[int, ...] = ()
    best: _State | None = None
    tested: set[frozenset[int]] = field(default_factory=set)
    trace: list[_State] = field(default_factory=list)  # the winner of each iteration
    choices: list[PatchChoice] = field(default_factory=list)


def reason(engine: Engine, cases: Sequence[Case], method: Method) -> list[Reasoned]:
    """An answer to each case, in order.

    Args:
        engine: reads and evaluates; both engines give the same answers.
        cases: any mix of questions, pictures and references; what they share is computed once.
        method: the settings.

    Raises:
        BackboneError: a picture doesn't fit the model's context, or the tokenizer has no letters to answer with.
    """
    if not cases:
        return []
    # 1. read what stays: system message, reference, picture, knowledge, question
    prefix = engine.prepare(cases)
    body, started = engine.backbone, time.perf_counter()
    z_0 = body.latent_start(method.think_tokens)  # (m, d)
    questions = [
        _Question(index, f"{case.query.key}/{case.question_id}", start=z_0, z=z_0) for index, case in enumerate(cases)
    ]
    loop = _Loop(engine, prefix, method)
    if method.think_tokens:
        # 2. iteration 0: the start state, without patches, is the first best
        for question, state in zip(questions, loop.evaluate_starts(questions), strict=True):
            question.best = state
            question.trace.append(state)
        # 3. N times: perturb, reward, propose patches, keep the best, step
        for n in range(1, method.iterations + 1):
            loop.iterate(questions, n)
    engine.work.timings.loop += time.perf_counter() - started
    # 4. answer from the best state
    started = time.perf_counter()
    reasoned = _answer(loop, cases, questions)
    engine.work.timings.answer += time.perf_counter() - started
    return reasoned


class _Loop:
    """One iteration after another, for all questions together."""

    def __init__(self, engine: Engine, prefix: Prefix, method: Method):
        self.engine, self.prefix, self.method = engine, prefix, method
        self.scale = engine.backbone.embedding_scale  # s
        self._vocabulary = 0  # |V|, seen with the first logits
        self._zoomed: dict[tuple[str, int], Tensor] = {}

    def evaluate_starts(self, questions: Sequence[_Question]) -> list[_State]:
        """The start state of each question."""
        entropies, _ = self._evaluate([(q, q.start, ()) for q in questions])
        return [_state(q.start, (), h, iteration=0) for q, h in zip(questions, entropies, strict=True)]

    def iterate(self, questions: Sequence[_Question], n: int) -> None:
        """Iteration n of every question."""
        method = self.method
        K = estimators.sample_count(method)
        # 3a. K candidates Z + eps per question, evaluated behind the held patches
        shape = (method.think_tokens, questions[0].z.shape[1])
        noise = [estimators.perturbations(method, q.key, n, shape, self.scale).to(q.z) for q in questions]
        exact = method.estimator == "autograd"
        if exact:
            entropies, attention, slopes = self._evaluate_exactly(questions)
        else:
            rows = [(q, q.z + eps, q.held) for q, drawn in zip(questions, noise, strict=True) for eps in drawn]
            entropies, attention = self._evaluate(rows, attention=True)
        # 3b. R = 1 - mean H; the best of the K candidates
        rewards = reward.reward(entropies).view(len(questions), K)
        leaders = rewards.argmax(1).tolist()
        winners = []
        for i, (q, leader) in enumerate(zip(questions, leaders, strict=True)):
            state = _state(q.z + noise[i][leader], q.held, entropies[i * K + leader], iteration=n)
            winners.append(state)
            if q.best is None or state.reward > q.best.reward:
                q.best = state
        # 3c. the patches its think tokens look at, tested on the same candidate
        tests: list[tuple[int, list[Proposal]]] = []
        for i, q in enumerate(questions):
            looked = attention[i * K + leaders[i]][:, : len(self.prefix.visual_tokens(q.index))]
            if proposed := self._propose(q, looked):
                tests.append((i, proposed))
        for (i, proposed), state in zip(tests, self._test(questions, winners, tests, n), strict=True):
            q = questions[i]
            assert q.best is not None
            accepted = state.reward > q.best.reward
            if accepted:  # the held set grows, and 3d. the best state is the one that was measured
                q.held, q.best, winners[i] = state.held, state, state
            q.choices += [self._choice(q, n, each, accepted) for each in proposed]
        for q, winner in zip(questions, winners, strict=True):
            q.trace.append(winner)
        # 3e. a step along the gradient estimated from the candidates' rewards
        nats = math.log(self._vocabulary)
        normal = 1 - (1 - rewards) / nats  # entropy as a share of log |V|, so that a step means the same across models
        sigma = estimators.deviation(method, n, self.scale)
        for i, q in enumerate(questions):
            slope = slopes[i] if exact else estimators.gradient(method.estimator, noise[i], normal[i].to(q.z), sigma)
            q.z = estimators.step(method, q.z, q.start, slope, self.scale)

    def _propose(self, question: _Question, attention: Tensor) -> list[Proposal]:
        """Patches worth testing: looked at, not held, within the cap, and not tested together before."""
        method = self.method
        if method.injection == "none":
            return []
        room = method.patch_cap - len(question.held)
        proposed = injection.propose(attention, question.held, method.patches_per_latent, room)
        together = frozenset(question.held) | {each.token for each in proposed}
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
        """Each tested question's best candidate, evaluated with the proposed patches beside the held ones."""
        if not tests:
            return []
        rows = []
        for i, proposed in tests:
            held = (*questions[i].held, *(each.token for each in proposed))
            rows.append((questions[i], winners[i].z, held))
        entropies, _ = self._evaluate(rows)
        return [_state(z, held, h, iteration=n) for (_, z, held), h in zip(rows, entropies, strict=True)]

    def _evaluate(
        self, rows: Sequence[tuple[_Question, Tensor, tuple[int, ...]]], *, attention: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Entropies (B, m) at the think tokens of each row and, if asked for, their attention (B, m, n)."""
        with torch.no_grad():
            return self._entropies(rows, attention)

    def _evaluate_exactly(self, questions: Sequence[_Question]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Entropies (B, m) and attention (B, m, n) of Z itself, and dR/dZ (m, d) of each question.

        The reward is normalised by log |V| as in step 3e; rows don't touch each other, so one backward serves all.
        """
        with torch.enable_grad():
            leaves = [q.z.detach().requires_grad_(True) for q in questions]
            rows = [(q, z, q.held) for q, z in zip(questions, leaves, strict=True)]
            entropies, attention = self._entropies(rows, attention=True)
            normal = reward.reward(entropies / math.log(self._vocabulary))
            slopes = torch.autograd.grad(normal.sum(), leaves)
        return entropies.detach(), attention, list(slopes)

    def _entropies(
        self, rows: Sequence[tuple[_Question, Tensor, tuple[int, ...]]], attention: bool
    ) -> tuple[Tensor, Tensor]:
        m = self.method.think_tokens
        embeddings = tuple(self.embeddings(q.index, z, held) for q, z, held in rows)
        at = torch.stack([len(row) - m + torch.arange(m) for row in embeddings])  # Z stands last: [held][Z]
        asked = torch.tensor([q.index for q, _, _ in rows])
        evaluation = self.engine.evaluate(self.prefix, Rows(asked, embeddings, at), self._read, attention=attention)
        seen = evaluation.attention if evaluation.attention is not None else torch.empty(0)
        return evaluation.values.cpu(), seen.cpu()

    def _read(self, logits: Tensor) -> Tensor:
        """Entropies of (B, m, V) logits; notes |V| on the way."""
        self._vocabulary = logits.shape[-1]
        return reward.entropy(logits)

    def embeddings(self, case: int, z: Tensor, held: Sequence[int]) -> Tensor:
        """(L, d): the held patches' true visual features, then the think tokens."""
        patches = [vectors for token in held for vectors in self.injected(case, token)]
        return torch.cat([*(vector[None] for vector in patches), z.to(self.engine.backbone.device)])

    def injected(self, case: int, token: int) -> Tensor:
        """(1, d) the vision tower's row for this patch of the query picture; zoomed, its region encoded anew."""
        visual = self.prefix.visual_tokens(case)
        if self.method.injection != "zoom":
            return visual[token : token + 1].float()
        picture = self.prefix.picture(case)
        if (picture.key, token) not in self._zoomed:
            _, _, box = self.prefix.place(case, token)
            self._zoomed[picture.key, token] = self.engine.backbone.zoom(picture.image, [box])[0].float()
            self.engine.work.vision_calls += 1
            self.engine.work.images += 1
        return self._zoomed[picture.key, token]

    def _choice(self, question: _Question, n: int, proposal: Proposal, accepted: bool) -> PatchChoice:
        row, col, box = self.prefix.place(question.index, proposal.token)
        return PatchChoice(n, row, col, box, proposal.score, accepted)


def _state(z: Tensor, held: tuple[int, ...], entropies: Tensor, iteration: int) -> _State:
    return _State(z, held, tuple(entropies.tolist()), float(reward.reward(entropies)), iteration)


def _answer(loop: _Loop, cases: Sequence[Case], questions: Sequence[_Question]) -> list[Reasoned]:
    """Each question's answer, read behind its best state, with the options' probabilities before and after the loop."""
    engine, prefix, method = loop.engine, loop.prefix, loop.method
    body = engine.backbone
    stub = body.embed(body.tokenize(prompt.stub_part(), {}), []).float()  # (stub tokens, d)
    before = [torch.cat([loop.embeddings(q.index, q.start, ()), stub]) for q in questions]
    after = [
        torch.cat([loop.embeddings(q.index, q.best.z, q.best.held) if q.best else q.start.to(stub), stub])
        for q in questions
    ]
    asked = [q.index for q in questions if cases[q.index].options]
    initial: dict[int, Tensor] = {}
    final: dict[int, Tensor] = {}
    if asked:
        letters = answers.LETTERS[: max(len(cases[index].options) for index in asked)]
        read = answers.read_letters(answers.letter_tokens(body, letters))
        with torch.no_grad():
            states = [before[index] for index in asked] + [after[index] for index in asked]
            at = torch.tensor([[len(state) - 1] for state in states])
            rows = Rows(torch.tensor(asked * 2), tuple(states), at)
            log_p = engine.evaluate(prefix, rows, read).values[:, 0].cpu()
        initial = dict(zip(asked, log_p[: len(asked)], strict=True))
        final = dict(zip(asked, log_p[len(asked) :], strict=True))
    texts = _texts(engine, prefix, cases, after, method)
    reasoned = []
    for q, case in zip(questions, cases, strict=True):
        count = len(case.options)
        chances = answers.probabilities(case.letters, final[q.index][:count]) if count else {}
        text = texts.get(q.index)
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
    return _with_rationales(engine, prefix, reasoned, after, method) if method.rationale else reasoned


def _choose(case: Case, chances: dict[str, float], text: str | None, method: Method) -> str | None:
    """The answer: the likeliest letter, or what the text says; None when that can't be read."""
    if not case.options:
        return text or None
    if method.answer == "generate":
        return answers.parse(text or "", case.options)
    return max(chances, key=lambda letter: chances[letter])


def _texts(
    engine: Engine, prefix: Prefix, cases: Sequence[Case], states: Sequence[Tensor], method: Method
) -> dict[int, str]:
    """What the model writes behind each state: for open questions always, for the others when answering by text."""
    wanted = [i for i, case in enumerate(cases) if not case.options or method.answer == "generate"]
    with torch.no_grad():
        written = answers.generate(engine, prefix, wanted, [states[i] for i in wanted], method.max_new_tokens)
    return {i: engine.backbone.text(tokens).strip() for i, tokens in zip(wanted, written, strict=True)}


def _with_rationales(
    engine: Engine, prefix: Prefix, reasoned: list[Reasoned], states: Sequence[Tensor], method: Method
) -> list[Reasoned]:
    """The same with a reason in words, written behind the best state and its answer."""
    body = engine.backbone
    answered = [i for i, each in enumerate(reasoned) if each.answer is not None]
    behind = []
    for i in answered:
        said = body.tokenize((f" {reasoned[i].answer}", *prompt.rationale_part()), {})
        behind.append(torch.cat([states[i], body.embed(said, []).float()]))
    with torch.no_grad():
        written = answers.generate(engine, prefix, answered, behind, method.max_new_tokens)
    for i, tokens in zip(answered, written, strict=True):
        reasoned[i] = replace(reasoned[i], rationale=body.text(tokens).strip())
    return reasoned


def _features(prefix: Prefix, question: _Question) -> list[PatchFeature]:
    """The vectors of the patches held in the best state."""
    held = question.best.held if question.best else ()
    features = []
    for token in held:
        row, col, _ = prefix.place(question.index, token)
        vector = prefix.visual_tokens(question.index)[token]
        features.append(PatchFeature(row, col, tuple(vector.float().tolist())))
    return features
