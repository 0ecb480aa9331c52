"""Figures from numbers, with Plotly; nothing here knows Streamlit or storage."""
