"""What is said of a cause: its sentence, what to check, and the captions of its pictures."""

from __future__ import annotations

import shlex

from workbench import wording
from workbench.analysis import drift
from workbench.analysis.causes import Cause, Effect
from workbench.analysis.picture_changes import Dimension, Kind

CHECKS: dict[Kind, str] = {
    "darker": "the lamp, the exposure and the aperture; dirt on the lens or its cover",
    "brighter": "the exposure and the gain; stray light; the lamp's setting",
    "blurred": "the focus; dirt or mist on the lens; vibration, and the speed of the line at this exposure",
    "sharper": "the focus, and sharpening in the camera's settings",
    "recoloured": "the white balance; the lamp's colour and age; the material",
    "turned": "how the camera is mounted, how the part lies, and the orientation that the camera writes",
    "reframed": "the camera's place, lens, resolution and region of interest; how the part is placed",
    "new product": "its texts, its normal pictures and its threshold: until it has them, its answers are a guess",
    "new camera": "its exposure and framing beside the other cameras'; its threshold",
    "new line": "its cameras' exposure and framing beside the other lines'; their thresholds",
    "changed lot": "the delivery: material, surface, supplier; whether normal pictures show such pieces",
    "unknown": "the pictures below, side by side; what was changed in the model, the texts or the settings",
}
"""What a person looks at first, by the kind of change."""

_CHANGES: dict[Kind, str] = {
    "darker": "its pictures are darker",
    "brighter": "its pictures are brighter",
    "blurred": "its pictures are blurred",
    "sharper": "its pictures are sharper",
    "recoloured": "the colour of its pictures shifted",
    "turned": "its pictures are turned",
    "reframed": "its pictures are framed otherwise",
    "changed lot": "its pictures are unlike those of other lots",
}
_ALL: dict[str, tuple[str, str]] = {  # at one end of a rate: all, none
    "overkill": ("every good picture is called defective", "no good picture is called defective"),
    "escape": ("every defective picture is called good", "no defective picture is called good"),
    "alarm": ("every picture is called defective", "no picture is called defective"),
    "invalid": ("no answer can be read", "every answer can be read"),
}
_SOME = {
    "overkill": "good pictures that are called defective",
    "escape": "defective pictures that are called good",
    "alarm": "pictures that are called defective",
    "invalid": "answers that can't be read",
}


def sentence(cause: Cause) -> str:
    """Such as `Camera A2 changed at 22:04: its pictures are darker (median 142 -> 61) and ...`, without a full stop."""
    said = [_headline(cause), *([f"; {others}"] if (others := _others(cause)) else [])]
    return "".join(said)


def only(cause: Cause) -> str:
    """The option of `workbench schedule run-due --rescore` that means the group's pictures; empty where that is all."""
    return "" if cause.group == "all" else f" --only {shlex.quote(f'{cause.group}={cause.value}')}"


def _headline(cause: Cause) -> str:
    named = group(cause) + ("," if cause.within else "")
    if cause.same:
        also = " and ".join(_name(dimension, value) for dimension, value in cause.same)
        named = f"{named}, tonight the same pictures as {also},"
    at = f" at {cause.began:%H:%M}" if cause.began else "" if cause.same else " tonight"
    answers = _answers(cause.effect)
    if cause.kind in ("new product", "new camera", "new line"):
        judged = f", {answers}" if answers else ""
        return f"{named} is new{at}: {wording.counted(cause.images, 'picture')}{judged}; no night before had it"
    if cause.kind == "unknown":
        why = "nothing measured of its pictures changed" if cause.is_measured else "its pictures were not measured"
        return f"{named} changed: {answers or 'its pictures look different'}; {why}, so the cause is unknown"
    measured = f"{_CHANGES[cause.kind]} ({cause.measure} {cause.before} -> {cause.after})" if cause.measure else ""
    told = " and ".join(filter(None, (measured, answers))) or "its pictures look different"
    return f"{named} {'is new' if cause.kind == 'changed lot' else 'changed'}{at}: {told}"


def group(cause: Cause) -> str:
    """Such as `Camera A2`, `Lot L7 of product gear`, `Everything`."""
    if cause.group == "all":
        return "Everything"
    of = f" of product {cause.product.replace('_', ' ')}" if cause.product else ""
    alone = f", {_name(*cause.within)} alone" if cause.within else ""
    name = _name(cause.group, cause.value) + of + alone
    return name[:1].upper() + name[1:]


def kind(cause: Cause) -> str:
    """Such as `darker: median 142 -> 61`."""
    said = "cause unknown" if cause.kind == "unknown" else cause.kind
    return f"{said}: {cause.measure} {cause.before} -> {cause.after}" if cause.measure else said


def _name(dimension: Dimension, value: str) -> str:
    said = value.replace("_", " ")
    return said if said.lower().startswith(dimension) else f"{dimension} {said}"


def _answers(effect: Effect | None) -> str:
    if effect is None or effect.now is None:
        return ""
    if effect.name not in drift.RATES:
        verb = "rose" if effect.before is None or effect.now > effect.before else "fell"
        return f"{effect.name} {verb} from {effect.before:.2f} to {effect.now:.2f}" if effect.before is not None else ""
    every, none = _ALL[effect.name]
    if effect.now in (0, 1):
        was = "" if effect.before is None else f" ({wording.percent(effect.before, 1)} before)"
        return f"{every if effect.now else none}{was}"
    if effect.before is None:
        return f"{wording.percent(effect.now)} of them called defective"
    verb = "rose" if effect.now > effect.before else "fell"
    rates = f"from {wording.percent(effect.before, 1)} to {wording.percent(effect.now, 1)}"
    return f"{_SOME[effect.name]} {verb} {rates}"


def _others(cause: Cause) -> str:
    """How many signals went with it, but for the one that the sentence tells already."""
    told = cause.effect
    others = [
        signal
        for signal in cause.vanished
        if not (told and signal.name == told.name and (signal.group, signal.value) == (cause.group, cause.value))
    ]
    if not others:
        return ""
    return f"{wording.counted(len(others), 'other signal vanishes', 'other signals vanish')} without it"
