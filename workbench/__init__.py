"""What is computed and decided."""
