"""What can go wrong between the warehouse and the reviewers, as few classes.

ReviewError
├── DeskUnreachable   Label Studio is down, too slow or failing; everything can be tried again, nothing is lost
│   └── BrokenAnswer  it answers, but fails over this one question: something in what was asked for may be malformed
├── DeskRefused       Label Studio said no: the token, a deleted project, a setting; somebody has to act
└── Malformed         an annotation that can't be read as a verdict; it goes to quarantine
"""

from __future__ import annotations

from warehouse.errors import WarehouseError
from workbench.inspection.errors import InspectionError


class ReviewError(Exception):
    """Root of this room's errors."""

    exit_code = 1


class DeskUnreachable(ReviewError):
    """Label Studio is down, too slow or failing."""


class BrokenAnswer(DeskUnreachable):
    """Label Studio fails over this one question, or its answer can't be read."""


class DeskRefused(ReviewError):
    """Label Studio said no; the message says what to do."""


class Malformed(ReviewError):
    """An annotation that can't be read as a verdict."""


# What a change may end with where somebody can be told in words: a busy warehouse and a full disk among them.
REFUSALS = (ReviewError, InspectionError, WarehouseError, OSError)
