"""Log our messages and those of libraries as JSON, one object per line, on standard error."""

import json
import logging
import sys
import time
from typing import Any

from servers.common.settings import hide
from servers.common.text_escape import escaped

_PLAIN = frozenset(vars(logging.makeLogRecord({})))


class JsonFormatter(logging.Formatter):
    """ts (RFC 3339, UTC, milliseconds), level, logger, msg, then the fields given as `extra`, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        entry |= {k: v for k, v in vars(record).items() if k not in _PLAIN and k not in ("message", "color_message")}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return hide(escaped(json.dumps(entry, default=str, ensure_ascii=False)))


def configure(level: str) -> None:
    """Send all logging to standard error as JSON. The libraries log from warning on, unless the level is debug: their info lines
    repeat ours, or carry values."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level="DEBUG" if level == "debug" else "WARNING", force=True)
    logging.getLogger("servers").setLevel(level.upper())
    logging.captureWarnings(True)
