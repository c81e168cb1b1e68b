"""Log lines: one for each event, as JSON or as logrus writes text, without secrets.

Argo CD and the Image Updater log in these two forms, with `time`, `level` and `msg`; here
`logger` says which part of Retag speaks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from cmp.errors import printable

TRACE = 5
# The Image Updater's (registry-scanner/pkg/log), in any case of letters as there.
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
FORMATS = ("json", "text")

_LONGEST = 4000  # characters of one value; collectors cut lines of more than 16 KB in two
_FRAMES = 10
# No word of a sentence is so long.
_HEADER = re.compile(r"(?i)\b(basic|bearer)\s+[a-z0-9._~+/=-]{8,}")
_QUERY = re.compile(r"(?i)\b((?:access_|refresh_)?token|password|secret)=[^\s&\"']+")
_PLAIN = re.compile(r"[A-Za-z0-9._/@^+-]*")  # what logrus leaves without quotes
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# They tell each request, with its URL; asyncio tells which selector it has.
_TALKATIVE = ("asyncio", "httpcore", "httpcore2", "httpx", "httpx2")


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Let all loggers of this process write to *stream*, stderr by default, from *level* on.

    *level* is one of `LEVELS`, *form* one of `FORMATS`. Whatever cannot be written is lost.
    """
    logging.raiseExceptions = False
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level.lower()])
    for name in _TALKATIVE:
        quiet = root.level > TRACE
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.NOTSET)


def clean(value: object) -> str:
    """*value* on one line of bounded length, without user info, tokens or passwords."""
    text = printable(str(value)[: 2 * _LONGEST])  # of which some is left out
    text = _QUERY.sub(r"\1=…", _HEADER.sub(r"\1 …", text))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


class _Lines(logging.Formatter):
    """What a line says, as pairs."""

    def pairs(self, record: logging.LogRecord) -> dict[str, Any]:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        pairs: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": "warn" if record.levelno == logging.WARNING else record.levelname.lower(),
            "logger": record.name,
            "msg": clean(record.getMessage()),
        }
        for name in sorted(vars(record).keys() - _USUAL - pairs.keys()):
            pairs[name] = _value(getattr(record, name))
        if record.exc_info and record.exc_info[0] is not None:
            pairs["exception"] = _exception(record.exc_info[0], record.exc_info[2])
        return pairs


class JsonLines(_Lines):
    """A JSON object for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return json.dumps(self.pairs(record), ensure_ascii=False)


class TextLines(_Lines):
    """`time="…" level=info msg="…" name=value`, as logrus writes it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return " ".join(f"{name}={_quoted(value)}" for name, value in self.pairs(record).items())


def _value(value: object) -> Any:
    """*value* as JSON has it."""
    return value if isinstance(value, bool | int | float) or value is None else clean(value)


def _quoted(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _exception(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Its kind and where it was raised; its text may hold data of strangers."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    return f"{kind.__name__} at {' > '.join(places)}"
