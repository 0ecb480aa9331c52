"""The Tonight and Health pages."""
