"""What calibration and warning come to, in sentences that the Trust page and the report share."""

from __future__ import annotations

from workbench import wording
from workbench.analysis import cluster_robust
from workbench.analysis.calibration import FEWEST, NotEnough, Scores, Warned
from workbench.analysis.intervals import Estimate

HOW = (
    "At most ten bins of about equally many answers, equal confidences in one bin. The calibration error is the root "
    "mean square gap of the bins less the noise of the images in it (Bröcker 2012; Kumar et al. 2019). The area under "
    "risk and coverage is averaged over the orders of equal entropies. The AUROC's interval is clustered by image "
    "(Obuchowski 1997) with the variance of ranks (Newcombe 2006)."
)
_LACKING: dict[NotEnough, str] = {
    "answers": "no labelled answer has one",
    "images": f"it takes {FEWEST} images",
    "effective images": (
        f"its images have so unequal numbers of questions that they say as much as fewer than {cluster_robust.LEAST}"
    ),
    "wrong answers": f"it takes wrong answers in {FEWEST} images",
    "right answers": f"it takes right answers in {FEWEST} images",
}


def lacking(kind: NotEnough) -> str:
    """Why a number is not there, in a few words."""
    return _LACKING[kind]


def error(scores: Scores) -> str:
    """The calibration error against what perfect calibration would show, as one sentence."""
    if scores.error is None:
        return f"Not enough for a calibration error: {lacking(scores.lacking or 'answers')}."
    found, floor = scores.error.estimate, scores.error.floor
    verdict = "beyond" if found.low > 0 else "not beyond"
    return (
        f"The calibration error is {found.value:.3f} (95 % interval {found.low:.3f}–{found.high:.3f}), {verdict} the "
        f"{floor:.3f} that noise alone reaches in as many answers."
    )


def over(scores: Scores) -> str:
    """Whether stated confidence lies above or below accuracy, as one sentence; empty without an interval."""
    if scores.over is None:
        return ""
    found = scores.over
    if found.low <= 0 <= found.high:
        return "Not enough evidence that the model is over- or underconfident on average."
    side = "over" if found.value > 0 else "under"
    ends = sorted(100 * abs(end) for end in (found.low, found.high))
    return (
        f"The model is {side}confident by {100 * abs(found.value):.1f} points on average "
        f"(95 % interval {ends[0]:.1f}–{ends[1]:.1f})."
    )


def warning(warned: Warned) -> tuple[str, str]:
    """Whether entropy warns: the head of the sentence, and its rest."""
    if warned.auroc is None:
        if warned.lacking == "answers":
            return "Nothing to judge:", "it takes labelled answers, right and wrong ones, with an entropy."
        wrong = f"{warned.wrong:,} of {wording.counted(warned.n, 'answer is', 'answers are')} wrong"
        return "Not enough to say whether entropy warns:", f"{lacking(warned.lacking or 'answers')}; {wrong}."
    found = warned.auroc
    ends = f"(95 % interval {wording.percent_interval(found.low, found.high)})"
    if found.low > 0.5:
        rest = f"a wrong answer has the higher entropy in {wording.percent(found.value)} of comparisons {ends}."
        return "Entropy warns:", rest
    if found.high < 0.5:
        rest = f"a wrong answer has the higher entropy in only {wording.percent(found.value)} of comparisons {ends}."
        return "Entropy misleads:", rest
    return "Not enough evidence that entropy warns:", f"{wording.percent(found.value)} where chance gives 50 % {ends}."


def with_interval(estimate: Estimate, sign: str = "") -> str:
    """An estimate with its interval, to three digits.

    Args:
        estimate: what is written.
        sign: "+" writes that of positive numbers too.
    """
    said = f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"
    return said.replace("-", "−")
