"""Does each part of the method bring anything? The same questions asked under settings that leave parts out.

    an archive, base settings -> arms (each the base with a few settings changed, or without some of its evidence
    sources) -> one run per arm -> the warehouse

An arm is a run like any other: killed, the same call goes on with it; finished, it is found and not done again. What
is compared with what is said here; the comparing itself is in `analysis/ablation.py`, from stored runs.

Equal forwards: an iteration of a full arm evaluates K = 4 candidates and one set of patches; an arm without injection
gets K = 5 instead. The plain model is one forward and no more, as asking it again gives the same answer; what more
forwards alone bring is what the controls show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from warehouse.queries.experiments import Experiments
from warehouse.records.experiments import Arm, Kind
from workbench.analysis.ablation import COMPARISON
from workbench.archive import scan
from workbench.errors import Unfinished
from workbench.model.method import Method
from workbench.scoring import run as scoring
from workbench.scoring.evidence import KNOWLEDGE, REFERENCE, SETTING_WITHOUT
from workbench.scoring.watch import Watch
from workbench.settings import COMPARE, LIKENESS, SWAPPED, TEXTS, Settings, Support

Changes = Mapping[str, object]  # setting -> value, by flat name
NO_LOOP: Changes = {"think_tokens": 0, "iterations": 0, "injection": "none"}
_BOTH, _OTHERS = f"{TEXTS},{COMPARE}", f"{TEXTS},{SWAPPED}"  # of the setting `evidence`
# One candidate that stays at the start: only patches can raise its reward.
_NO_STEP: Changes = {"estimator": "still", "samples": 1, "sigma": 1e-6}


@dataclass(frozen=True, slots=True)
class Setup:
    """An arm that is to be run."""

    name: str
    changes: Changes  # against the base settings
    family: str
    baseline: str | None = None
    level: float | None = None  # of what the family varies
    without: frozenset[str] = frozenset()  # the base's evidence sources that it leaves out, see `scoring/evidence.py`

    def settings(self, base: Settings) -> Settings:
        """The base as this arm has it."""
        return changed(base, {**self.changes, **dict(SETTING_WITHOUT[source] for source in self.without)})


PROPOSED = "proposals"  # the family whose arms differ in who proposes patches
FULL = "latents + features"
NO_KNOWLEDGE = frozenset({KNOWLEDGE})

MAIN = (
    Setup("plain", NO_LOOP, "main", without=NO_KNOWLEDGE),
    Setup("knowledge", NO_LOOP, "main", "plain"),
    Setup("product's knowledge", {**NO_LOOP, "knowledge": "product"}, "main", "plain"),
    Setup("latents", {"injection": "none", "samples": 5}, "main", "knowledge"),
    Setup("features", _NO_STEP, "main", "knowledge"),
    Setup("zoom", {**_NO_STEP, "injection": "zoom"}, "main", "knowledge"),
    Setup(FULL, {}, "main", "knowledge"),
    Setup("latents + zoom", {"injection": "zoom"}, "main", "knowledge"),
    Setup("latents + zoom, no knowledge", {"injection": "zoom"}, "main", "plain", without=NO_KNOWLEDGE),
)

# The comparison with normal pictures alone and beside every other part; each with its control, which shows what
# comparing says of another picture: what an answer gains by that, it gains by being told anything at all. The reference
# by likeness is a part of its own, and so are patches that the comparison's map proposes beside attention or in its
# stead: the arms of the comparison leave both as they are without it.
_SEEDED: Changes = {"reference_choice": "seed"}
_ALIKE: Changes = {"reference_choice": LIKENESS}
_MAPPED: Changes = {**_NO_STEP, **_SEEDED, "proposals": "comparison"}
_ZOOM: Changes = {"injection": "zoom"}
COMPARED = (
    Setup("no comparison", {**NO_LOOP, **_SEEDED}, COMPARISON, without=NO_KNOWLEDGE),
    Setup("comparison", {**NO_LOOP, **_SEEDED, "evidence": COMPARE}, COMPARISON, "no comparison"),
    Setup("another picture's comparison", {**NO_LOOP, **_SEEDED, "evidence": SWAPPED}, COMPARISON, "no comparison"),
    Setup("reference by likeness", {**NO_LOOP, **_ALIKE}, REFERENCE, "no comparison", without=NO_KNOWLEDGE),
    Setup("comparison, reference by likeness", {**NO_LOOP, **_ALIKE, "evidence": COMPARE}, REFERENCE, "comparison"),
    Setup("all but the comparison", _SEEDED, COMPARISON),
    Setup("all with the comparison", {**_SEEDED, "evidence": _BOTH}, COMPARISON, "all but the comparison"),
    Setup("all with another picture's", {**_SEEDED, "evidence": _OTHERS}, COMPARISON, "all but the comparison"),
    Setup("patches by attention", {**_NO_STEP, **_SEEDED}, PROPOSED, without=NO_KNOWLEDGE),
    Setup("patches by comparison", _MAPPED, PROPOSED, "patches by attention", without=NO_KNOWLEDGE),
    Setup("zoom by attention", {**_NO_STEP, **_SEEDED, **_ZOOM}, PROPOSED, without=NO_KNOWLEDGE),
    Setup("zoom by comparison", {**_MAPPED, **_ZOOM}, PROPOSED, "zoom by attention", without=NO_KNOWLEDGE),
    Setup("all, patches by both", {**_SEEDED, "proposals": "both"}, PROPOSED, "all but the comparison"),
    Setup("all, reference by likeness", _ALIKE, REFERENCE, "all but the comparison"),
    Setup("all with the comparison, by likeness", {**_ALIKE, "evidence": _BOTH}, REFERENCE, "all with the comparison"),
)


def grid(seeds: int = 5) -> tuple[Setup, ...]:
    """The small grid: what else could be chosen, how much the seed matters, and the controls."""
    start, base = "no loop", "seed 0"
    return (
        Setup(start, NO_LOOP, "seed"),
        *(Setup(f"seed {seed}", {"seed": seed}, "seed", start, seed) for seed in range(seeds)),
        *(
            Setup(f"zoom, seed {seed}", {"seed": seed, "injection": "zoom"}, "seed, zoom", start, seed)
            for seed in range(seeds)
        ),
        *(Setup(f"N = {n}", {"iterations": n}, "iterations", base, n) for n in (0, 1, 5, 15)),
        *(Setup(f"K = {k}", {"samples": k}, "samples", base, k) for k in (2, 8, 16)),
        Setup("as published (K = 1)", {"estimator": "published"}, "estimator", base),
        *(Setup(name, {"estimator": name}, "estimator", base) for name in ("loo", "antithetic", "autograd")),
        Setup("no step (eta = 0)", {"estimator": "still"}, "control", base),
        Setup("best of N K random", {"estimator": "random"}, "control", base),
        Setup("shuffled reward", {"estimator": "shuffled"}, "control", base),
        Setup("no knowledge", {}, "knowledge", base, without=NO_KNOWLEDGE),
        Setup("product's knowledge", {"knowledge": "product"}, "knowledge", base),
        Setup("no knowledge, no loop", NO_LOOP, "knowledge", start, without=NO_KNOWLEDGE),
        Setup("product's knowledge, no loop", {**NO_LOOP, "knowledge": "product"}, "knowledge", start),
        Setup("no reference", {}, "evidence", base, without=frozenset({REFERENCE})),
        Setup("no evidence", {}, "evidence", base, without=frozenset(SETTING_WITHOUT)),
    )


def run(
    root: Path,
    base: Settings,
    arms: Sequence[Setup],
    watch: Watch,
    progress: Callable[[Setup, int, int], None] = lambda *_: None,
) -> str:
    """Run the arms over the archive below `root`, keep each as it is finished, and give the experiment's name.

    Args:
        base: settings that all arms share.
        progress: called after each arm with its place and how many there are.

    Raises:
        what `scoring.score` raises; arms finished before stay.
    """
    experiment = name_of("ablation", root, base)
    for place, setup in enumerate(arms):
        outcome = scoring.score(root, setup.settings(base), watch, purpose="ablation", again=False)
        keep("ablation", experiment, root, place, setup, outcome, base.work.data)
        progress(setup, place + 1, len(arms))
    return experiment


def changed(base: Settings, changes: Changes) -> Settings:
    """The base with some settings of the method and of its support changed.

    Raises:
        ValueError: a name is no such setting, or a value is out of its range.
    """
    parts = {}
    for part in (base.method, base.support):
        mine = {field.name for field in fields(part)} & changes.keys()
        parts[type(part)] = replace(part, **{name: changes[name] for name in mine})  # type: ignore[arg-type]
    known = {field.name for part in (Method, Support) for field in fields(part)}
    if unknown := changes.keys() - known:
        raise ValueError(f"{', '.join(sorted(unknown))}: no setting of the method or its support")
    method, support = parts[Method], parts[Support]
    assert isinstance(method, Method)
    assert isinstance(support, Support)
    return replace(base, method=method, support=support)


def keep(
    kind: Kind, experiment: str, root: Path, place: int, setup: Setup, outcome: scoring.Outcome, data: Path
) -> None:
    """Remember what a finished run stands for.

    Raises:
        Unfinished: it isn't finished.
    """
    if outcome.run.state != "finished":
        raise Unfinished(f"{setup.name}: {outcome.run.message or outcome.run.state}")
    identity = scan.identify(root).archive_id
    Experiments(data).keep(
        Arm(experiment, kind, identity, place, setup.name, setup.family, setup.level, setup.baseline,
            outcome.run.run_id, datetime.now(UTC))
    )  # fmt: skip


def name_of(kind: Kind, root: Path, base: Settings, about: str = "") -> str:
    """Sixteen hex digits: the same for the same archive under the same base settings, and what else it is about."""
    machine = {"data", "device", "threads", "engine", "ingest_seconds", "dtype"}
    shared = {name: str(value) for name, value in base.values().items() if name not in machine}
    shared["block_images"] = "8"  # changes no answer; named once, so that experiments keep their names
    stated = json.dumps([kind, scan.identify(root).archive_id, shared, about], sort_keys=True)
    return hashlib.sha256(stated.encode()).hexdigest()[:16]


def choose(arms: Iterable[Setup], names: Sequence[str]) -> tuple[Setup, ...]:
    """The arms of these names or families; all of them when none is named.

    Raises:
        ValueError: there is no such arm.
    """
    arms = tuple(arms)
    known = {arm.name for arm in arms} | {arm.family for arm in arms}
    if unknown := set(names) - known:
        raise ValueError(f"no arm {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return tuple(arm for arm in arms if not names or arm.name in names or arm.family in names)
