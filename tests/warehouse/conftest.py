"""A warehouse of its own for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse import rows
from warehouse.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Store:
    """A warehouse with one running run."""
    store = Store(data)
    store.open_run(rows.run())
    return store
