"""systemd units and a crontab line that call `workbench schedule run-due` every few minutes.

One timer serves all schedules of a data folder: `run-due` itself knows what is due, catches up once and never overlaps,
so the timer needs no calendar of its own and daylight saving can't confuse it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

SERVICE, TIMER = "workbench-nights.service", "workbench-nights.timer"
EVERY_MINUTES = 5


def units(command: Sequence[str], folder: Path, data: Path) -> dict[str, str]:
    """The unit files by name.

    Args:
        command: how to start the workbench, absolute.
        folder: where it is started: workbench.toml lies there, and archives may be named relative to it.
        data: the data folder.
    """
    start = " ".join(map(_quoted, [*command, "schedule", "run-due", "--data", str(data)]))
    service = f"""[Unit]
Description=Score what is due in {_escaped(str(data))}

[Service]
Type=oneshot
WorkingDirectory={_escaped(str(folder))}
ExecStart={start}
# Another call is at work, or a night has a failure to look at: neither is a reason to give up.
SuccessExitStatus=1 75
# A block ends, then the process; what is not stored by then is done again.
KillSignal=SIGTERM
TimeoutStopSec=10min
Nice=10
"""
    timer = f"""[Unit]
Description=Every {EVERY_MINUTES} minutes: {_escaped(str(data))}

[Timer]
OnCalendar=*:0/{EVERY_MINUTES}
Persistent=true
AccuracySec=30s

[Install]
WantedBy=timers.target
"""
    return {SERVICE: service, TIMER: timer}


def crontab(command: Sequence[str], folder: Path, data: Path) -> str:
    """The line for `crontab -e`."""
    start = shlex.join([*command, "schedule", "run-due", "--data", str(data)])
    return f"*/{EVERY_MINUTES} * * * * cd {shlex.quote(str(folder))} && {start}".replace("%", r"\%")


def _quoted(word: str) -> str:
    return f'"{_escaped(word)}"' if any(letter in word for letter in " \t'\"\\") else _escaped(word)


def _escaped(text: str) -> str:
    """Percent signs are systemd's specifiers, dollar signs its variables."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
