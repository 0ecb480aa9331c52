"""Which entries of an archive count: those of the content that each path was seen with last."""

from __future__ import annotations

NEWEST = """coalesce(tile.content, content) = first_value(coalesce(tile.content, content))
    OVER (PARTITION BY path ORDER BY seen_at DESC, image_id)"""
"""For QUALIFY: one entry of a path, or all tiles of a picture."""
