"""The Disputes page."""
