"""Disputed cases and people's verdicts: rules, budget, disputes, agreement."""
