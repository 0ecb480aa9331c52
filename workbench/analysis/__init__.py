"""Pure functions from frames to numbers and figures; no storage, no screen."""
