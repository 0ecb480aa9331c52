"""The shape of everything stored: one frozen class per table, one module per subject."""
