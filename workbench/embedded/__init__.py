"""The embedded demo model: a drawn inspection world, and a two-million-parameter Qwen2.5-VL trained on it.

`CHECKPOINT` is a folder that `workbench.model.backbone.load` reads; `encoder()` gives its retrieval encoder.
Importing this package loads neither torch nor the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.embedded.dual_encoder import EmbeddedEncoder

CHECKPOINT = Path(__file__).parent / "checkpoint"


def encoder() -> EmbeddedEncoder:
    """The dual encoder of the embedded checkpoint."""
    from workbench.embedded.dual_encoder import EmbeddedEncoder

    return EmbeddedEncoder(CHECKPOINT)
