"""Pure functions from frames to numbers and figures."""
