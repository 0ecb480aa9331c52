"""The dashboard: one script per page."""
