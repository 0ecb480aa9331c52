"""The method's settings: plain frozen dataclasses with METHOD defaults, checked when made.

Every field here changes answers and so belongs to a run's digest (`workbench/settings.py` says which others do).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# The last three are controls: what a step must beat to be worth its name.
Estimator = Literal["published", "mean", "loo", "antithetic", "autograd", "still", "random", "shuffled"]
Answer = Literal["letters", "generate"]
Injection = Literal["features", "zoom", "none"]
Proposals = Literal["attention", "comparison", "both"]
Prompt = Literal["segments", "mmad"]

MOST = 1_000_000_000  # of anything that is counted or measured: more is a slip of the pen
LARGEST_SEED = 2**63 - 1


def check_bounds(settings: object, **bounds: tuple[float, float]) -> None:
    """Refuse a number outside its bounds, and what is no number: NaN lies within no bounds.

    Args:
        bounds: the smallest and the largest value of a field; None, where the field may be None, is let pass.

    Raises:
        ValueError: it names the field, its value and the bound.
    """
    for name, (low, high) in bounds.items():
        value = getattr(settings, name)
        if value is None or low <= value <= high:
            continue
        bound = f"at most {high:,}" if value > high else f"at least {low:,}"
        raise ValueError(f"{name} is {value}; it must be {bound}")


@dataclass(frozen=True, slots=True)
class Method:
    """How one question is reasoned about in latent space.

    Raises:
        ValueError: a value is outside its range, with the range in the message.
    """

    iterations: int = 10  # N; 0 answers from the start state
    think_tokens: int = 4  # m; 0 is the plain model
    samples: int = 4  # K perturbations per iteration
    sigma: float = 0.1  # noise, in units of s, the rms of the embedding matrix
    sigma_decay: float = 0.95  # per iteration
    estimator: Estimator = "mean"
    step: float = 0.05  # rms length of one update per token, in units of s; all estimators but `published`
    trust_radius: float = 0.5  # largest rms distance of Z from its start, in units of s
    published_step: float = 1e-3  # eta of the `published` estimator, in units of s squared
    injection: Injection = "features"  # `zoom` re-encodes the proposed patches' region from the original pixels
    proposals: Proposals | None = (
        None  # of patches: by attention; by a comparison with normal pictures; None: attention
    )
    patches_per_latent: int = 2  # p, of each think token, and of the comparison
    patch_cap: int = 16  # most patches injected at once
    patience: int = 0  # a question stops after so many iterations without a gain; 0 goes on to N, as published
    plateau: float = 0.01  # a smaller rise of the best reward is no gain, in nats
    prompt: Prompt = "segments"  # the order of its parts: for speed, or as MMAD published it
    region_picture: bool | None = None  # shown once more by itself is what a comparison marks; None: it isn't
    answer: Answer = "letters"
    rationale: bool = False
    max_new_tokens: int = 128  # of `generate` and of the rationale
    seed: int = 0

    @property
    def proposes_by_comparison(self) -> bool:
        """Whether patches are proposed where a comparison with normal pictures finds the picture different."""
        return self.proposals in ("comparison", "both") and self.injection != "none" and self.iterations > 0

    def __post_init__(self) -> None:
        floors = {
            "iterations": 0,
            "think_tokens": 0,
            "samples": 1,
            "patches_per_latent": 1,
            "patch_cap": 0,
            "patience": 0,
            "max_new_tokens": 1,
            "seed": 0,
        }
        check_bounds(
            self, **{name: (floor, LARGEST_SEED if name == "seed" else MOST) for name, floor in floors.items()}
        )
        check_bounds(self, plateau=(0, MOST))
        for name in ("sigma", "step", "trust_radius", "published_step"):
            if not 0 < getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0 and at most {MOST:,}")
        if not 0 < self.sigma_decay <= 1:
            raise ValueError(f"sigma_decay is {self.sigma_decay}; it must lie in (0, 1]")
        if self.estimator == "antithetic" and self.samples % 2:
            raise ValueError(f"antithetic needs an even number of samples, not {self.samples}")
        if self.estimator in ("mean", "loo", "shuffled") and self.samples < 2:
            raise ValueError(f"{self.estimator} compares samples with each other: samples must be at least 2")
