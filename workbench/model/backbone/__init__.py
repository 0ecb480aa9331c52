"""Vision-language models behind one small interface: pictures to features, text to tokens, embeddings to hidden states.

The engines need from a model only what `Backbone` lists (`protocol.py`); everything a family silently requires is met
in its own file - `qwen25.py`, `qwen3.py`, `internvl.py`, over what they share in `hub.py` - and nowhere else.
`loading.py` finds and checks a checkpoint. Weights are frozen, no code of a checkpoint is run and only safetensors are
read. Knows nothing of the loop. docs/backbones.md says how to add a family.
"""

from workbench.model.backbone.hub import HubBackbone, register_attention
from workbench.model.backbone.loading import FAMILIES, load, weights_revision
from workbench.model.backbone.protocol import (
    ZOOM_TOKENS,
    Backbone,
    Box,
    Device,
    DType,
    ImageFeatures,
    ImageInput,
    Pictures,
    Tile,
)

__all__ = [
    "FAMILIES",
    "ZOOM_TOKENS",
    "Backbone",
    "Box",
    "DType",
    "Device",
    "HubBackbone",
    "ImageFeatures",
    "ImageInput",
    "Pictures",
    "Tile",
    "load",
    "register_attention",
    "weights_revision",
]
