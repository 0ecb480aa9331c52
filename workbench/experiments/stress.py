"""Stress tests: the same questions about the same images, mildly to strongly disturbed.

    an archive -> a disturbed copy per condition and strength -> a run of the full method and of the plain model on each

Every arm is a run over a copy that lies in the data folder; stopped or killed, the same call goes on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image, ImageFilter

from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.truth import Truth
from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench.analysis import ablation_text, review_coverage
from workbench.analysis import stress as analysis
from workbench.analysis.stress import UNDISTURBED
from workbench.archive import scan
from workbench.archive.run_views import RunViews
from workbench.experiments import ablation, archive_copies, explanations
from workbench.experiments.ablation import NO_LOOP, Setup
from workbench.experiments.study_results import read_study
from workbench.scoring import prepare_run
from workbench.scoring import run as scoring
from workbench.scoring.watch import Watch
from workbench.settings import Settings

STRENGTHS = (0.25, 0.5, 1.0)  # mild, clear, strong
METHODS: Mapping[str, ablation.Changes] = {"full": {}, "plain": {**NO_LOOP, "knowledge": "none"}}
_Disturb = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def lighting(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Darker by up to half, and brighter on one side than on the other by up to half."""
    pixels = np.asarray(image, np.float32)
    high, wide = pixels.shape[:2]
    turn = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, wide)[None] * np.cos(turn) + np.linspace(-1, 1, high)[:, None] * np.sin(turn)
    gain = (1 - 0.5 * strength) * (1 + 0.5 * strength * across)
    return _image(pixels * gain[..., None])


def blur(image: Image.Image, strength: float, _rng: np.random.Generator) -> Image.Image:
    """Out of focus: a deviation of up to 1.2 % of the longer side."""
    return image.filter(ImageFilter.GaussianBlur(0.012 * strength * max(image.size)))


def noise(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Sensor noise of up to 40 grey levels."""
    pixels = np.asarray(image, np.float32)
    return _image(pixels + rng.normal(0, 40 * strength, pixels.shape))


def color(image: Image.Image, strength: float, _rng: np.random.Generator) -> Image.Image:
    """Warm light: up to 30 % more red, 40 % less blue."""
    return _image(np.asarray(image, np.float32) * (1 + 0.3 * strength, 1.0, 1 - 0.4 * strength))


def jpeg(image: Image.Image, strength: float, _rng: np.random.Generator) -> Image.Image:
    """Compressed, down to quality 8."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=round(95 - 87 * strength))
    return Image.open(file).convert("RGB")


def rotation(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Turned by up to 12 degrees either way, corners filled with the image's median colour."""
    median = np.median(np.asarray(image).reshape(-1, 3), 0).astype(int)
    return image.rotate(_degrees(strength, rng), Image.Resampling.BICUBIC, fillcolor=tuple(median.tolist()))


def _degrees(strength: float, rng: np.random.Generator) -> float:
    return float(12 * strength * rng.choice((-1, 1)))


CONDITIONS: Mapping[str, _Disturb] = {
    "lighting": lighting,
    "blur": blur,
    "noise": noise,
    "color": color,
    "jpeg": jpeg,
    "rotation": rotation,
}


def disturbed(entry: Entry, image: Image.Image, condition: str, strength: float) -> Image.Image:
    """The image under a condition; the disturbance follows from the image's content, so strengths differ in degree.

    Args:
        strength: 0..1.
    """
    return CONDITIONS[condition](image, strength, archive_copies.randomness(entry, condition))


def run(
    root: Path,
    base: Settings,
    conditions: Sequence[str],
    images: int | None,
    watch: Watch,
    progress: Callable[[Setup, int, int], None] = lambda *_: None,
) -> str:
    """Run both methods over the undisturbed images and over every disturbed copy; the experiment's name.

    Args:
        images: of the labelled ones, a mixture; None takes all.

    Raises:
        what `scoring.score` raises; arms finished before stay.
    """
    experiment = ablation.name_of("stress", root, base, str(images) + " images")
    found = archive_copies.scan(root, Store(base.work.data), base.work.layouts)
    entries, views = archive_copies.sample(found.entries, images), prepare_run.views_of(found, base)
    home = base.work.data / "stress" / experiment
    setups = [(UNDISTURBED, 0.0)] + [(condition, strength) for condition in conditions for strength in STRENGTHS]
    place = 0
    for condition, strength in setups:
        disturbed_copy = home / f"{condition}-{strength:g}"
        copy(found, disturbed_copy, entries, condition, strength, views)
        for method, changes in METHODS.items():
            baseline = analysis.arm_name(UNDISTURBED, 0, method) if place >= len(METHODS) else None
            setup = Setup(analysis.arm_name(condition, strength, method), changes, condition, baseline, strength)
            outcome = scoring.score(
                disturbed_copy, ablation.changed(base, changes), watch, purpose="stress", again=False
            )
            ablation.keep("stress", experiment, root, place, setup, outcome, base.work.data)
            place += 1
            progress(setup, place, len(setups) * len(METHODS))
    return experiment


def copy(
    original: scan.Scan,
    target: Path,
    entries: Sequence[Entry],
    condition: str,
    strength: float,
    views: RunViews = archive_copies.WHOLE_PICTURES,
) -> None:
    """Write the copy; a mask turns with its image."""

    def same(_entry: Entry, image: Image.Image) -> Image.Image:
        return image

    def change(entry: Entry, image: Image.Image) -> Image.Image:
        return disturbed(entry, image, condition, strength)

    def turn(entry: Entry, mask: Image.Image) -> Image.Image:
        degrees = _degrees(strength, archive_copies.randomness(entry, condition))  # as the image was
        return mask.rotate(degrees, Image.Resampling.NEAREST)

    moves = condition == "rotation"
    archive_copies.make(
        original, target, entries, same if condition == UNDISTURBED else change, turn if moves else None, views
    )


def _image(pixels: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def report(data: Path, experiment: str) -> str:
    """The stress test's table as Markdown, accepted patches against masks included."""
    study = read_study(data, "stress", experiment)
    pointed = {arm.run_id: explanations.summary(explanations.pointing(data, arm.run_id)) for arm in study.arms}
    return _said(study.demo) + analysis.markdown(analysis.table(study, pointed))


def by(root: Path, base: Settings, column: str, watch: Watch, truth: Truth = "archive") -> str:
    """Figures of both methods for each of the archive's lines or cameras, as Markdown.

    Raises:
        what `scoring.score` raises; what is scored stays.
    """
    parts: list[str] = []
    every: list[pl.DataFrame] = []
    demo = False
    for method, changes in METHODS.items():
        run = scoring.score(root, ablation.changed(base, changes), watch, purpose="stress", again=False).run
        demo |= run.demo
        every.append(Rollups(base.work.data).facts(Selection(run.run_id, truth=truth)))
        parts.append(f"{method}:\n\n{analysis.markdown_by(analysis.by(every[-1], column), column)}")
    if truth == "reviewed":
        parts.append(review_coverage.sentence(review_coverage.of_facts(pl.concat(every))))
    return _said(demo) + "\n".join(parts)


def _said(demo: bool) -> str:
    return f"*{ablation_text.DEMO}*\n\n" if demo else ""
