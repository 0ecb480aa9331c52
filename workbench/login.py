"""The login of whoever runs this process: an actor at the command line, and on a dashboard without sign-in."""

from __future__ import annotations

import getpass
import os


def login() -> str:
    """The login name; the user's number where the system has no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
