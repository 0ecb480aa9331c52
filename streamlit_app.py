"""The dashboard's entry: `streamlit run streamlit_app.py`, or `workbench serve`."""

import sys

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from workbench.pages.ui import address, components, reads

st.set_page_config("Workbench", layout="wide", initial_sidebar_state=208)
st.logo(str(components.ASSETS / "logo.svg"), size="medium")
# One line per page.
PAGES: dict[str, list[StreamlitPage]] = {
    "Night": [
        st.Page(components.TONIGHT, title="Tonight", url_path="tonight"),
        st.Page(components.HEALTH, title="Health", url_path="health"),
    ],
    "Score": [
        st.Page(components.RUNS, title="Runs", url_path="newest", default=True),
    ],
    "Analyse": [
        st.Page(components.ERRORS, title="Errors", url_path="errors"),
        st.Page(components.GALLERY, title="Gallery", url_path="gallery"),
        st.Page(components.CASE, title="Case", url_path="case"),
        st.Page(components.TRACES, title="Traces", url_path="traces"),
        st.Page(components.COMPARE, title="Compare", url_path="compare"),
        st.Page(components.ABLATION, title="Ablation", url_path="ablation"),
        st.Page(components.STRESS, title="Stress", url_path="stress"),
        st.Page(components.TRUST, title="Trust", url_path="trust"),
        st.Page(components.MAP, title="Map", url_path="map"),
    ],
    "Review": [
        st.Page(components.DISPUTES, title="Disputes", url_path="disputes"),
    ],
    "Knowledge": [
        st.Page(components.KNOWLEDGE, title="Knowledge", url_path="knowledge"),
    ],
    "Help": [
        st.Page(components.GLOSSARY, title="Glossary", url_path="glossary"),
    ],
}
# The default page's address is the bare one; whoever types its name gets it too.
named = [st.Page(components.RUNS, title="Runs", url_path=name, visibility="hidden") for name in ("runs", "home")]
page = st.navigation({**PAGES, "": named}, expanded=True)
address.settle()
components.html(components.style())
with st.sidebar:
    components.html(reads.warehouse_state(reads.snapshot()))
try:
    page.run()
finally:
    reads.set_aside(len(sys.modules))
