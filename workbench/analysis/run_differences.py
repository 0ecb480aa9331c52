"""What differs between two runs, by the names that people set: model, archive, question set, knowledge, settings.

Only what can change an answer is compared: the settings that belong to a run's digest (`workbench.settings`), and what
names stood for when the run began, which is stored with the settings as facts. A device or a batch size is no
difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from warehouse.records.scoring import Run
from workbench import settings

_FACTS = {  # of the stored facts those that nothing else names
    "weights": "model weights", "dtype": "dtype", "prompt": "prompt wording", "questions": "question file",
    "encoder": "encoder", "sources": "evidence sources", "tones": "tone range",
    "views": "regions of interest", "settled": "settled kinds of defects",
}  # fmt: skip
_HASHES = ("weights", "questions", "prompt")  # long ones are cut for people
_SHOWN = 40  # characters of a value


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two runs were made with differently."""

    name: str  # as people set it: `model`, `think_tokens`
    old: str  # its value in the baseline; "not stored" where the run doesn't say
    new: str  # its value in the run


def between(old: Run, new: Run, archives: Mapping[str, str] | None = None) -> list[Difference]:
    """What differs, in the order of importance: model, archive, questions, knowledge, then settings by name.

    Args:
        old: the baseline.
        new: the run.
        archives: ids to names.
    """
    names = archives or {}
    compared = [
        ("model", old.model, new.model),
        ("evaluator", old.evaluator, new.evaluator),
        ("archive", names.get(old.archive_id, old.archive_id), names.get(new.archive_id, new.archive_id)),
        ("question set", old.question_set, new.question_set),
        ("knowledge version", old.knowledge_version or "none", new.knowledge_version or "none"),
    ]
    differences = [Difference(name, before, after) for name, before, after in compared if before != after]
    before, after = _stored(old), _stored(new)
    if bool(before) != bool(after):
        return [
            *differences,
            Difference(
                "settings", *("stored" if settings_stored else "not stored" for settings_stored in (before, after))
            ),
        ]
    for name in sorted({*before, *after}, key=lambda name: (name in _FACTS.values(), name)):
        values = before.get(name, "not stored"), after.get(name, "not stored")
        implied = name == "model weights" and old.model != new.model
        unknown = name in _FACTS.values() and not (name in before and name in after)
        if values[0] != values[1] and not (implied or unknown):
            differences.append(Difference(name, *values))
    folders = [json.loads(run.settings).get("references") or "none" for run in (old, new)]
    if old.plan != new.plan and folders[0] != folders[1]:  # a folder's place changes nothing, its pictures do
        differences.append(Difference("references", *folders))
    if old.evaluator_version != new.evaluator_version and not differences:
        differences.append(Difference("evaluator version", old.evaluator_version[:8], new.evaluator_version[:8]))
    return differences


@lru_cache(maxsize=1024)
def from_defaults(settings_json: str) -> tuple[str, ...]:
    """Each setting that changes answers and isn't the default, as name and value: `think tokens 0`; the model left out.

    Args:
        settings_json: as `Run.settings` holds them.
    """
    usual, stored = settings.Settings().values(), json.loads(settings_json)
    names = [name for name in sorted(stored) if name in settings.IN_DIGEST and name in usual and name != "model"]
    changed = [name for name in names if _text(stored[name]) != _text(usual[name])]
    return tuple(f"{name.replace('_', ' ')} {_text(stored[name])}" for name in changed)


def sentence(differences: list[Difference], same_digest: bool, runs: str = "A and B") -> str:
    """What differs by name, or that nothing that is stored does.

    Args:
        differences: as `between` gives them.
        same_digest: the runs' digests are equal.
        runs: both runs' names.
    """
    if differences:
        return f"{runs} differ in {', '.join(difference.name for difference in differences)}."
    if same_digest:
        return f"{runs} were made with the same settings."
    return (
        f"{runs} were made with the same stored settings, but something that changes answers differs: their digests do."
    )


def _stored(run: Run) -> dict[str, str]:
    """The settings that change answers and the facts, as texts."""
    values = json.loads(run.settings)
    facts = values.get("facts") or {}
    differences = {name: value for name, value in values.items() if name in settings.IN_DIGEST}
    differences |= {name: facts[key] for key, name in _FACTS.items() if facts.get(key) is not None}
    hashes = [_FACTS[key] for key in _HASHES]
    return {
        name: _text(value)[: 8 if name in hashes else None] for name, value in differences.items() if value is not None
    }


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
