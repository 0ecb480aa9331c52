"""The log of nights: one JSON object a line in logs/ of the data folder, rotated by size.

The program's own messages are `key=value`; the keys become fields, so that a log reader can search by schedule, run or
block. Only one process works through nights at a time, so only one writes here.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
from datetime import UTC, datetime
from pathlib import Path

from warehouse import file_permissions

MOST_BYTES, KEPT = 10 * 2**20, 5  # of a file; files besides the present one
_FIELD = re.compile(r"(\w+)=(\S+)")
_OURS = ("warehouse", "workbench", "jobs")


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            **dict(_FIELD.findall(message)),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def to_file(data: Path) -> Path:
    """Log to the data folder from now on, from INFO up; what the terminal shows stays as it was."""
    file = data / "logs" / "nights.jsonl"
    file_permissions.folder(data)
    file.parent.mkdir(exist_ok=True)
    root = logging.getLogger()
    if any(getattr(handler, "baseFilename", None) == str(file.resolve()) for handler in root.handlers):
        return file
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))
    handler = logging.handlers.RotatingFileHandler(
        file.resolve(), maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8", delay=True
    )
    handler.setFormatter(_AsJson())
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.partition(".")[0] in _OURS)
    root.addHandler(handler)
    root.setLevel(min(root.level, logging.INFO))
    return file
