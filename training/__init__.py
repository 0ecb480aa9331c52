"""What makes the embedded demo model's checkpoint; not part of the installed package."""
