"""Plotly checks what pages draw unchecked: every figure of every test, as it is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import plotly.graph_objects as go

from workbench.analysis.charts import theme


@contextmanager
def all_figures() -> Iterator[None]:
    """Meanwhile an unchecked figure must be the one that Plotly makes of the same properties with all its checks."""
    unchecked = theme.unchecked

    def checked(traces: list[dict[str, object]], layout: Mapping[str, object]) -> go.Figure:
        drawn, right = unchecked(traces, layout), go.Figure(data=traces, layout=layout)
        assert _sent(drawn) == _sent(right), "an unchecked figure differs from the checked: see `Draft.figure`"
        return drawn

    theme.unchecked = checked
    try:
        yield
    finally:
        theme.unchecked = unchecked


def _sent(figure: go.Figure) -> object:
    """What the browser gets, without lists of nothing."""
    found = json.loads(str(figure.to_json()))
    return {**found, "layout": {name: value for name, value in found["layout"].items() if value != []}}
