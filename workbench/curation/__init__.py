"""From verdicts to a published knowledge text: edit, lint, test, gate, publish."""
