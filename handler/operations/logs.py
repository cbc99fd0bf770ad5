"""Log lines: for people, or one JSON document each for whatever collects them."""

from __future__ import annotations

import logging
import logging.config
from typing import Any, Final

from handler.operations.request_id import current

ACCESS: Final = "vibe.access"
"""The logger of requests: at INFO each of them, at WARNING and above those that failed here."""

_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"


class _WithRequestId(logging.Filter):
    """Adds the id of the request during which a line was logged, where there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if found := current.get():
            record.request_id = found
        return True


class _TextFormatter(logging.Formatter):
    """A line for people; the request's id at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        text = super().formatMessage(record)
        found = getattr(record, "request_id", None)
        return f"{text} [{found}]" if found else text


def configure_logs(is_json: bool, is_access_logged: bool) -> None:
    """Send every logger's lines to standard error, uvicorn's and Lambda's too.

    Warnings and errors always; with ``is_access_logged`` a line for each request, and what
    uvicorn says of its start and end. In JSON a traceback is a field, so that it stays one line.
    """
    logging.config.dictConfig(_configuration(is_json, is_access_logged))
    logging.captureWarnings(True)


def _configuration(is_json: bool, is_access_logged: bool) -> dict[str, Any]:
    level = "INFO" if is_access_logged else "WARNING"
    through_root: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"id": {"()": _WithRequestId}},
        "formatters": {"lines": _json_formatter() if is_json else _text_formatter()},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "filters": ["id"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "vibe": {**through_root, "level": level},
            "uvicorn": {**through_root, "level": level},
            "uvicorn.error": {**through_root, "level": level},
            # Ours tells more, and under Lambda too.
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
    }


def _text_formatter() -> dict[str, Any]:
    return {"()": _TextFormatter, "fmt": _TEXT}


def _json_formatter() -> dict[str, Any]:
    from pythonjsonlogger.core import RESERVED_ATTRS  # noqa: PLC0415 - unless lines are text

    return {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["levelname", "name", "message"],
        "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "traceback"},
        # uvicorn's lines come a second time, coloured.
        "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
        "timestamp": "time",
    }
