"""Plotly checks what pages draw unchecked: every figure of every test, as it is drawn.

A process checks each figure once, however often its tests open the page: the checks take several times as long as the
drawing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import plotly.graph_objects as go

from workbench.analysis.charts import theme


@contextmanager
def all_figures() -> Iterator[None]:
    """Meanwhile an unchecked figure must be the one that Plotly makes of the same properties with all its checks."""
    unchecked, known = theme.unchecked, set[bytes]()

    def checked(traces: list[dict[str, object]], layout: Mapping[str, object]) -> go.Figure:
        drawn = unchecked(traces, layout)
        sent = str(drawn.to_json())
        digest = hashlib.sha256(sent.encode()).digest()
        if digest not in known:
            right = str(go.Figure(data=traces, layout=layout).to_json())
            assert _read(sent) == _read(right), "an unchecked figure differs from the checked: see `Draft.figure`"
            known.add(digest)
        return drawn

    theme.unchecked = checked
    try:
        yield
    finally:
        theme.unchecked = unchecked


def _read(sent: str) -> object:
    """What the browser gets, without lists of nothing."""
    found = json.loads(sent)
    return {**found, "layout": {name: value for name, value in found["layout"].items() if value != []}}
