"""Measurements: each prints a table and leaves its last result, with date and command, in results/."""
