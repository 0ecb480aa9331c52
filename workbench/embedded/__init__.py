"""The small model that comes with the workbench: the world it is drawn from, its training, its checkpoint."""
