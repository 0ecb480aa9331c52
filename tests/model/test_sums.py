"""Sums over weights and over a vocabulary are right at the size of real models, whatever device adds them up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.model import answer, reward
from workbench.model.backbone.hub import root_mean_square

ROWS, WIDTH = 152_064, 3_584  # the embedding matrix of Qwen2.5-VL-7B


@pytest.mark.slow
def test_the_unit_of_noise_is_right_over_the_embedding_matrix_of_a_7b_model() -> None:
    row = (torch.randn(WIDTH, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()
    matrix = row.expand(ROWS, WIDTH)  # its rows are one row: nothing is copied
    wanted = np.sqrt(np.square(row.double().numpy()).mean())
    assert root_mean_square(matrix) == pytest.approx(float(wanted), rel=1e-9)


def test_the_unit_of_noise_is_right_for_rows_of_different_size() -> None:
    matrix = torch.randn(5_000, 96, generator=torch.Generator().manual_seed(1)) * torch.logspace(-4, 2, 5_000)[:, None]
    wanted = np.sqrt(np.square(matrix.double().numpy()).mean())
    assert root_mean_square(matrix) == pytest.approx(float(wanted), rel=1e-12)
    assert root_mean_square(matrix.bfloat16()) == pytest.approx(float(wanted), rel=1e-3)


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_entropy_and_log_probabilities_are_right_over_a_whole_vocabulary(spread: float, dtype: torch.dtype) -> None:
    logits = (torch.randn(2, 4, ROWS, generator=torch.Generator().manual_seed(2)) * spread).to(dtype)
    exact = torch.log_softmax(logits.double(), -1)
    entropy = -(exact.exp() * exact).sum(-1)
    torch.testing.assert_close(reward.entropy(logits).double(), entropy, rtol=1e-6, atol=0)
    read = answer.read_letters([[7], [9, 11]])(logits.float())
    wanted = torch.stack([exact[..., 7], torch.logsumexp(exact[..., [9, 11]], -1)], -1)
    torch.testing.assert_close(read.double(), wanted, rtol=0, atol=4e-6)
