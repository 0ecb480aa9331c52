"""Do the tests notice? Each fault of a list is planted into a copy of the tree, and one named test must fail for it.

    python -m benchmarks.mutants --output benchmarks/results/mutants.json

The faults are those that no page would show: a wrong sign within a variance, an interval at another level, a unit that
is a little off. Each named test is one of README's test command, and first passes on the untouched copy. A fault's old
text must stand in its file exactly once, so that code that moved is said and no fault is planted into nothing. Exit 1
when a fault goes unnoticed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine

ROOT = Path(__file__).resolve().parents[1]
_COPIED = ("benchmarks", "jobs", "tests", "warehouse", "workbench", "pyproject.toml", "README.md", "Makefile", "docs")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault and the test that must fail for it."""

    name: str
    file: str
    old: str  # stands in the file exactly once
    new: str
    test: str


MUTANTS = (
    Mutant(
        "the sign of the covariance term in the AUROC's variance",
        "workbench/analysis/calibration.py",
        "((of_bad + of_good) ** 2).sum()",
        "((of_bad - of_good) ** 2).sum()",
        "tests/test_references.py::"
        "test_the_auroc_s_standard_error_is_the_jackknife_s_where_an_image_s_answers_go_together",
    ),
    Mutant(
        "the exported bootstrap by question instead of by image",
        "workbench/analysis/compare.py",
        'by image: the published number."""\n    sums = pairs.group_by("image_id", maintain_order=True).agg(',
        'by image: the published number."""\n    sums = pairs.with_row_index("row").group_by("row").agg(',
        "tests/test_references.py::test_the_exported_difference_s_bootstrap_resamples_images",
    ),
    Mutant(
        "the gate's bound elsewhere at 80 %",
        "workbench/review/gate.py",
        "intervals.change(other_gains, 2 * LEVEL - 1)",
        "intervals.change(other_gains, 2 * 0.8 - 1)",
        "tests/test_references.py::test_the_gate_s_bound_elsewhere_is_one_sided_at_95_percent",
    ),
    Mutant(
        "the audit's interval at 80 %",
        "workbench/review/budget.py",
        "def audit(population: int, judged: int, wrong: int, level: float = 0.9)",
        "def audit(population: int, judged: int, wrong: int, level: float = 0.8)",
        "tests/test_references.py::test_the_audit_s_interval_holds_what_neither_tail_of_5_percent_rejects",
    ),
    Mutant(
        "unsure counted as right, in adjudicated metrics",
        "workbench/analysis/adjudicated.py",
        '.when(pl.col("settled_decision") == "unsure")\n        .then(None)',
        '.when(pl.col("settled_decision") == "unsure")\n        .then(pl.col("answer"))',
        "tests/analysis/test_adjudicated.py::"
        "test_what_nobody_can_tell_has_no_answer_and_what_no_option_says_has_no_letter",
    ),
    Mutant(
        "unsure counted as judged, in the audit lane",
        "warehouse/reviews.py",
        "WHERE NOT s.withdrawn AND s.decision <> 'unsure' ORDER BY image_id, question_id",
        "WHERE NOT s.withdrawn ORDER BY image_id, question_id",
        "tests/review/test_blinding.py::test_a_case_that_nobody_could_tell_is_not_judged_in_the_audit_lane",
    ),
    Mutant(
        "s off by 10 %",
        "workbench/model/backbone/hub.py",
        "return float(torch.linalg.vector_norm(torch.stack(norms))) / math.sqrt(matrix.numel())",
        "return 0.9 * float(torch.linalg.vector_norm(torch.stack(norms))) / math.sqrt(matrix.numel())",
        "tests/model/test_sums.py::test_the_unit_of_noise_is_right_for_rows_of_different_size",
    ),
    Mutant(
        "letters read without the token that has a leading space",
        "workbench/model/answer.py",
        'for text in (letter, f" {letter}")',
        "for text in (letter,)",
        "tests/test_references.py::test_a_letter_is_read_alone_and_after_a_space",
    ),
    Mutant(
        "sigma no longer relative to the embeddings",
        "workbench/model/estimators.py",
        "return float(method.sigma * method.sigma_decay**iteration * scale)",
        "return float(method.sigma * method.sigma_decay**iteration)",
        "tests/model/test_estimators.py::test_the_noise_is_sigma_of_the_embeddings_rms",
    ),
)


class Moved(Exception):
    """A fault's old text doesn't stand in its file exactly once."""


def planted(mutant: Mutant, text: str) -> str:
    """The file's text with the fault in it.

    Raises:
        Moved: the old text isn't there exactly once.
    """
    found = text.count(mutant.old)
    if found != 1:
        raise Moved(f"{mutant.name}: its old text stands {found} times in {mutant.file}; see where the code went")
    return text.replace(mutant.old, mutant.new)


def copy(target: Path) -> Path:
    """The tree, as far as the tests need it."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(source, target / name)
    return target


def passes(tree: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Whether the tests pass in this tree, and what pytest said at its end.

    Raises:
        Moved: pytest didn't come to run them, as for a test that isn't there.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode not in (0, 1):
        raise Moved(f"pytest ended with {done.returncode}: {lines[-1]}{done.stderr[-500:]}")
    return done.returncode == 0, lines[-1]


def main() -> int:
    """Plant them all; 1 when one goes unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    output = parser.parse_args().output
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        tree = copy(Path(folder))
        untouched, said = passes(tree, sorted({mutant.test for mutant in MUTANTS}))
        if not untouched:
            raise Moved(f"a named test fails on the untouched copy: {said}")
        for mutant in MUTANTS:
            file = tree / mutant.file
            before = file.read_text(encoding="utf-8")
            file.write_text(planted(mutant, before), encoding="utf-8")
            passed, said = passes(tree, [mutant.test])
            file.write_text(before, encoding="utf-8")
            results.append({**asdict(mutant), "noticed": not passed, "pytest": said})
            sys.stderr.write(f"{'UNNOTICED' if passed else 'noticed  '} {mutant.name}\n")
    unnoticed = [str(each["name"]) for each in results if not each["noticed"]]
    machine.report({"planted": len(results), "unnoticed": unnoticed, "mutants": results}, output)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
