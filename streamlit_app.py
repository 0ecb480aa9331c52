"""The dashboard's entry: `streamlit run streamlit_app.py`, or `workbench serve`."""

import sys

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from workbench.pages import address, parts, shared

st.set_page_config("Workbench", layout="wide", initial_sidebar_state=208)
st.logo(str(parts.ASSETS / "logo.svg"), size="medium")
# One line per page.
PAGES: dict[str, list[StreamlitPage]] = {
    "Night": [
        st.Page(parts.TONIGHT, title="Tonight", url_path="tonight"),
        st.Page(parts.HEALTH, title="Health", url_path="health"),
    ],
    "Score": [
        st.Page(parts.RUNS, title="Runs", url_path="home", default=True),
    ],
    "Analyse": [
        st.Page(parts.ERRORS, title="Errors", url_path="errors"),
        st.Page(parts.GALLERY, title="Gallery", url_path="gallery"),
        st.Page(parts.CASE, title="Case", url_path="case"),
        st.Page(parts.TRACES, title="Traces", url_path="traces"),
        st.Page(parts.COMPARE, title="Compare", url_path="compare"),
        st.Page(parts.ABLATION, title="Ablation", url_path="ablation"),
        st.Page(parts.STRESS, title="Stress", url_path="stress"),
        st.Page(parts.TRUST, title="Trust", url_path="trust"),
        st.Page(parts.MAP, title="Map", url_path="map"),
    ],
    "Review": [
        st.Page(parts.DISPUTES, title="Disputes", url_path="disputes"),
    ],
    "Knowledge": [
        st.Page(parts.KNOWLEDGE, title="Knowledge", url_path="knowledge"),
    ],
}
# The default page's address is the bare one; whoever types its name gets it too.
named = st.Page(parts.RUNS, title="Runs", url_path="runs", visibility="hidden")
page = st.navigation({**PAGES, "": [named]}, expanded=True)
address.settle()
st.html(parts.style())
with st.sidebar:
    st.html(shared.warehouse_state(shared.snapshot()))
try:
    page.run()
finally:
    shared.set_aside(len(sys.modules))
