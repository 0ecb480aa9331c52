"""MMAD's subtasks, as its built-in question set declares them."""

from __future__ import annotations

from workbench.question_sets import MMAD, built_in

DECLARED = built_in(MMAD).subtasks
SUBTASKS = built_in(MMAD).names
