"""The statements over the tables, one module per subject."""
