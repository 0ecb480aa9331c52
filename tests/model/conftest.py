"""The tiny models, loaded once, and both engines on each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.model import tiny
from workbench.model import backbone
from workbench.model.backbone import HubBackbone
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine

torch.set_num_threads(1)

AnyEngine = SegmentedEngine | NaiveEngine
ENGINES: dict[str, Callable[[HubBackbone], AnyEngine]] = {"segments": SegmentedEngine, "naive": NaiveEngine}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint folder per family."""
    return {family: tiny.save(tmp_path_factory.mktemp(family), family) for family in tiny.FAMILIES}


@pytest.fixture(scope="session")
def bodies(folders: dict[str, Path]) -> dict[str, HubBackbone]:
    """A loaded model per family, in float32."""
    return {family: backbone.load(folder) for family, folder in folders.items()}


@pytest.fixture(params=tiny.FAMILIES)
def body(request: pytest.FixtureRequest, bodies: dict[str, HubBackbone]) -> HubBackbone:
    """The tiny model of each family in turn."""
    return bodies[request.param]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, body: HubBackbone) -> AnyEngine:
    """Each engine in turn, fresh, on each family."""
    return ENGINES[request.param](body)
