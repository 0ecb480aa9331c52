"""Who makes a change through the dashboard."""

from __future__ import annotations

import streamlit as st

from warehouse.records.audit import Actor
from workbench.login import login


def actor() -> Actor:
    """Who is signed in; without a sign-in, the login that runs the dashboard, which listens on this machine alone."""
    name = st.user.get("email") if st.user.get("is_logged_in") else None
    return Actor(str(name or login()), "dashboard")
