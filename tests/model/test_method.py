"""Settings outside their range are refused before anything is loaded, with the range."""

from __future__ import annotations

import re
from typing import Any

import pytest

from workbench.model.method import Method

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"iterations": -1}, "iterations is -1; it must be at least 0"),
    ({"think_tokens": -1}, "think_tokens is -1; it must be at least 0"),
    ({"samples": 0}, "samples is 0; it must be at least 1"),
    ({"patches_per_latent": 0}, "patches_per_latent is 0; it must be at least 1"),
    ({"patch_cap": -1}, "patch_cap is -1; it must be at least 0"),
    ({"max_new_tokens": 0}, "max_new_tokens is 0; it must be at least 1"),
    ({"seed": -1}, "seed is -1; it must be at least 0"),
    ({"sigma": 0.0}, "sigma is 0.0; it must be above 0 and at most 1,000,000,000"),
    ({"step": -0.1}, "step is -0.1; it must be above 0 and at most 1,000,000,000"),
    ({"trust_radius": 0}, "trust_radius is 0; it must be above 0 and at most 1,000,000,000"),
    ({"published_step": float("nan")}, "published_step is nan; it must be above 0 and at most 1,000,000,000"),
    ({"sigma_decay": 0}, "sigma_decay is 0; it must lie in (0, 1]"),
    ({"sigma_decay": 1.01}, "sigma_decay is 1.01; it must lie in (0, 1]"),
    ({"estimator": "antithetic", "samples": 3}, "antithetic needs an even number of samples, not 3"),
    ({"estimator": "mean", "samples": 1}, "mean compares samples with each other: samples must be at least 2"),
    ({"estimator": "loo", "samples": 1}, "loo compares samples with each other: samples must be at least 2"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_setting_outside_its_range_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Method(**settings)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    Method(iterations=0, think_tokens=0, patch_cap=0, sigma_decay=1.0, estimator="published", samples=1)
    Method(estimator="autograd", samples=1)
    Method(estimator="antithetic", samples=2)
