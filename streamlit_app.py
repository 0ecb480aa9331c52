"""The dashboard's entry: `streamlit run streamlit_app.py`, or `workbench serve`."""
