"""The drawn world in words: six products, their defects, how these look, what they lead to.

Everything here is plain facts and sentences; `draw` turns the same facts into pixels and `questions` into multiple
choice. Every name ends in a word of its own (no two products, defects, shapes or consequences share it), so that one
token carries it. A consequence cannot be seen in a picture: training draws it anew for every episode, and only a
knowledge text tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DATASET = "Drawn"
TONES = ("dark", "bright")
SIZES = ("small", "large")
REGIONS = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of defect appears."""

    shape: str  # one noun
    adjective: str  # what a knowledge text calls it
    toned: bool  # whether one instance is dark and another bright; otherwise the adjective always holds


@dataclass(frozen=True, slots=True)
class Product:
    """One product: its defects, colours, and what a good one looks like."""

    name: str
    defects: tuple[str, str, str, str]
    colors: Mapping[str, tuple[int, int, int]]
    good: str


LOOKS: Mapping[str, Look] = {
    "scratch": Look("line", "thin", toned=True),
    "stain": Look("blotch", "soft", toned=True),
    "snag": Look("band", "raised", toned=True),
    "dent": Look("dimple", "round", toned=False),
    "crack": Look("fissure", "jagged", toned=False),
    "cut": Look("slit", "straight", toned=False),
    "hole": Look("gap", "open", toned=False),
    "notch": Look("rim", "broken", toned=False),
    "rust": Look("crust", "orange", toned=False),
    "burn": Look("patch", "scorched", toned=False),
    "blockage": Look("opening", "filled", toned=False),
    "omission": Look("socket", "empty", toned=False),
    "tilt": Look("body", "slanted", toned=False),
    "misprint": Look("print", "smeared", toned=False),
}
DEFECTS = tuple(LOOKS)
_UNCOUNTED = ("rust",)

_METALS = {"silver": (186, 189, 194), "brass": (198, 166, 84), "copper": (186, 116, 84)}
PRODUCTS: Mapping[str, Product] = {
    product.name: product
    for product in (
        Product(
            "metal plate",
            ("scratch", "dent", "stain", "blockage"),
            _METALS,
            "is flat and brushed, with four open drill points",
        ),
        Product(
            "woven fabric",
            ("hole", "stain", "snag", "cut"),
            {"blue": (58, 88, 165), "red": (170, 62, 62), "green": (62, 136, 82), "grey": (138, 138, 140)},
            "has an even weave of straight threads",
        ),
        Product(
            "glass bottle",
            ("crack", "notch", "stain", "scratch"),
            {"green": (44, 118, 66), "amber": (150, 92, 34), "blue": (52, 82, 158), "white": (206, 212, 216)},
            "shows a closed smooth mouth of even rings",
        ),
        Product(
            "circuit board",
            ("omission", "scratch", "burn", "tilt"),
            {"green": (28, 106, 58), "blue": (32, 62, 138), "red": (146, 40, 40)},
            "carries each part square on its pads",
        ),
        Product(
            "hex nut",
            ("crack", "scratch", "notch", "rust"),
            {"silver": (172, 176, 181), "brass": (200, 166, 74), "black": (62, 62, 68)},
            "has six clean corners around a threaded bore",
        ),
        Product(
            "drug capsule",
            ("crack", "dent", "misprint", "stain"),
            {"red": (196, 54, 54), "blue": (54, 84, 186), "green": (54, 154, 84), "yellow": (214, 186, 56)},
            "has two glossy halves and a sharp code",
        ),
    )
}
COLORS = tuple(sorted({color for product in PRODUCTS.values() for color in product.colors}))
ENTRIES = tuple((product.name, defect) for product in PRODUCTS.values() for defect in product.defects)

CONSEQUENCES = (
    "corrosion", "leakage", "overheating", "loosening", "jamming", "contamination", "breakage", "noise", "fading",
    "wear", "fraying", "misfit", "vibration", "rejection", "spillage", "shorting", "softening", "swelling", "mixup",
    "delay",
)  # fmt: skip
Facts = Mapping[tuple[str, str], str]  # (product, defect) -> consequence


def draw_facts(rng: np.random.Generator) -> Facts:
    """A consequence for every product and defect, different within a product."""
    facts: dict[tuple[str, str], str] = {}
    for product in PRODUCTS.values():
        chosen = rng.permutation(len(CONSEQUENCES))[: len(product.defects)]
        facts |= {(product.name, d): CONSEQUENCES[i] for d, i in zip(product.defects, chosen, strict=True)}
    return facts


RELEASED_FACTS = draw_facts(np.random.default_rng(2026))

# Wordings of a knowledge text; the first is the released one. All of WORDINGS say the consequence after product, defect
# and look, where a causal reader can already relate it to them. HELD_OUT is never trained on.
WORDINGS = (
    "A {product} with {a_defect} shows {a_look}. It leads to {consequence}.",
    "The {defect} of a {product} appears as {a_look} and causes {consequence}.",
    "On this {product}, {a_look} means {a_defect}, which leads to {consequence}.",
    "When the {product} has {a_defect}, seen as {a_look}, expect {consequence}.",
    "{product}, {defect}: {look}; the effect is {consequence}.",
)
HELD_OUT_WORDINGS = (
    "Inspectors call {a_look} on a {product} {a_defect}; the risk is {consequence}.",
    "If you find {a_look}, the {product} suffers from {a_defect} and may end in {consequence}.",
    "The {product} was returned for {a_defect}, namely {a_look}, followed by {consequence}.",
)
GOOD_WORDINGS = (
    "A good {product} {good}.",
    "A normal {product} {good}.",
    "Without defects the {product} {good}.",
)


def _a(noun: str) -> str:
    if noun in _UNCOUNTED:
        return noun
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def knowledge_text(product: str, entry: str, facts: Facts = RELEASED_FACTS, wording: str | None = None) -> str:
    """The knowledge text of a product's defect, or of `good`."""
    if entry == "good":
        return (wording or GOOD_WORDINGS[0]).format(product=product, good=PRODUCTS[product].good)
    look = f"{LOOKS[entry].adjective} {LOOKS[entry].shape}"
    return (wording or WORDINGS[0]).format(
        product=product,
        defect=entry,
        a_defect=_a(entry),
        look=look,
        a_look=_a(look),
        consequence=facts[product, entry],
    )


def domain_knowledge(facts: Facts = RELEASED_FACTS) -> dict[str, dict[str, str]]:
    """{product: {entry: text}}, the entry `good` first."""
    return {
        name: {entry: knowledge_text(name, entry, facts) for entry in ("good", *product.defects)}
        for name, product in PRODUCTS.items()
    }
