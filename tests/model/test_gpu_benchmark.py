"""The GPU benchmark runs where only torch, transformers and the like are installed; here at toy shapes on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What the project uses elsewhere. A name that is None in sys.modules can't be imported.
ABSENT = (
    "duckdb",
    "lancedb",
    "pyarrow",
    "polars",
    "pydantic",
    "pydantic_settings",
    "streamlit",
    "plotly",
    "cv2",
    "psutil",
    "hypothesis",
    "torchvision",
    "warehouse.database",
    "warehouse.store",
    "warehouse.spool",
    "jobs",
    "workbench.settings",
    "workbench.embedded",
    "workbench.scoring",
    "workbench.analysis",
)
RUN = (
    f"import sys, runpy; sys.modules.update(dict.fromkeys({ABSENT!r})); "
    "runpy.run_module('benchmarks.gpu', run_name='__main__')"
)


@pytest.mark.slow
def test_the_gpu_benchmark_needs_the_model_room_alone_and_says_all_it_promises() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, "--toy", "--suffix"], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["shapes"] == "toy"
    assert result["attention"] == "flash for CPUs"
    ways = ["plain", "plain, shared", "ours, K = 4", "ours, K = 2", "ours, exact gradient", "naive"]
    assert [row["way"] for row in result["by_size"]] == ways
    assert all(row["ms_per_question"] > 0 for row in result["by_size"])
    assert [shot["distinct_references"] for shot in result["one_shot"]] == [4, 1]
    assert all(shot["images_per_second"] > 0 for shot in result["one_shot"])
    # it measures the method and no approximation of it
    agreed = result["agreement"]
    assert agreed["same_answer_as_naive"]
    assert agreed["reward_from_naive"] < 1e-4
    assert agreed["option_probability_from_naive"] < 1e-4
    assert agreed["plain_probability_from_the_library"] < 1e-5
    assert "cut_short" not in result
    assert [each["pictures"] for each in result["suffix"]] == [2]
    for suffix in result["suffix"]:
        assert suffix["eager_ms"] > 0
        assert suffix["compiled_apart"] < 1e-5
        assert suffix["graph_failed"] == "RuntimeError: graphs are CUDA's"
