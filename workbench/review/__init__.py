"""People: disputes, Label Studio, verdicts, and the curation of knowledge."""
