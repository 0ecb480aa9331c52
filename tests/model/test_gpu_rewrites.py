"""What is rewritten for a GPU gives the same numbers; seen on the CPU."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLMLP

from tests.model import tiny
from workbench.model.backbone import HubBackbone
from workbench.model.backbone.gpu_rewrites import make_quicker


def test_a_whole_model_sees_and_reads_the_same(body: HubBackbone) -> None:
    model = tiny.model(body)
    changed = copy.deepcopy(model)
    make_quicker(changed)
    norms = [name for name, module in changed.named_modules() if "forward" in vars(module)]
    assert len(norms) >= 2 * body.layers + 1
    ids = body.tokenize(("A scratch on the part.",), {})
    with torch.no_grad():
        embeddings = body.embed(ids, [])[None]
        read, again = (
            each.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
            for each in (model, changed)
        )
    torch.testing.assert_close(again, read, atol=2e-5, rtol=1e-5)
    assert float(read.abs().max()) > 0.1


@pytest.mark.parametrize(("width", "padded"), [(36, 64), (3420, 3456), (48, 48)])
def test_feed_forward_layers_of_odd_width_are_padded_and_give_the_same(width: int, padded: int) -> None:
    torch.manual_seed(0)
    layer = Qwen2_5_VLMLP(Qwen2_5_VLVisionConfig(hidden_size=16, intermediate_size=width), bias=True)
    shown = torch.randn(5, 16)
    with torch.no_grad():
        before = layer(shown)
        make_quicker(nn.Sequential(layer))
        after = layer(shown)
    assert layer.gate_proj.weight.shape == layer.up_proj.weight.shape == (padded, 16)
    assert layer.down_proj.weight.shape == (16, padded)
    assert layer.gate_proj.bias.shape == (padded,)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-5)
