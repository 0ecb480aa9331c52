"""Pixel AUROC, AUPRO and AUPIMO: against anomalib's own numbers, scikit-learn, and pictures of known answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.analysis import anomalib_numbers
from workbench.analysis import pixel_metrics

MAPS, MASKS = anomalib_numbers.maps_and_masks()
GOLDEN = json.loads(Path(__file__).with_name("anomalib_numbers.json").read_text())
FLOAT32 = 2e-7  # anomalib adds up in float32 where it isn't AUPIMO


@pytest.mark.parametrize(("low", "high", "thresholds"), anomalib_numbers.AUPIMO)
def test_aupimo_is_anomalib_s(low: float, high: float, thresholds: int) -> None:
    found = pixel_metrics.aupimo(MAPS, MASKS, (low, high), thresholds)
    assert found == pytest.approx(GOLDEN[f"aupimo {low:g} {high:g} {thresholds}"], abs=1e-12)


@pytest.mark.parametrize("limit", anomalib_numbers.LIMITS)
def test_aupro_is_anomalib_s(limit: float) -> None:
    assert pixel_metrics.aupro(MAPS, MASKS, limit) == pytest.approx(GOLDEN[f"aupro {limit:g}"], abs=FLOAT32)


def test_pixel_auroc_is_anomalib_s_and_scikit_learn_s() -> None:
    found = pixel_metrics.auroc(MAPS, MASKS)
    assert found == pytest.approx(GOLDEN["auroc"], abs=FLOAT32)
    assert found == pytest.approx(roc_auc_score(MASKS.ravel(), MAPS.ravel()), abs=1e-12)


def test_a_map_that_is_the_mask_finds_everything_and_one_of_noise_what_chance_finds() -> None:
    noise = np.random.default_rng(0).random(MASKS.shape)
    perfect = pixel_metrics.of(MASKS + 0.01 * noise, MASKS)
    assert (perfect.auroc, perfect.aupro) == pytest.approx((1, 1), abs=1e-12)
    assert pixel_metrics.aupimo(MASKS + 0.01 * noise, MASKS, (1e-3, 1e-1), 2000) == pytest.approx(1, abs=0.01)
    assert pixel_metrics.auroc(noise, MASKS) == pytest.approx(0.5, abs=0.05)
    assert pixel_metrics.aupro(noise, MASKS) == pytest.approx(0.15, abs=0.06)  # half of the limit


def test_without_a_picture_of_either_kind_or_with_too_few_pixels_there_is_no_number() -> None:
    good, defective = ~MASKS.any((1, 2)), MASKS.any((1, 2))
    of_good = pixel_metrics.of(MAPS[good], MASKS[good])
    assert (of_good.auroc, of_good.aupro, of_good.aupimo) == (None, None, None)
    assert pixel_metrics.aupimo(MAPS[defective], MASKS[defective]) is None
    assert pixel_metrics.aupimo(MAPS, MASKS) is None  # 9,216 pixels of good pictures tell no rate of 1 in 100,000
    with pytest.raises(ValueError, match="must have one shape"):
        pixel_metrics.auroc(MAPS, MASKS[:3])
