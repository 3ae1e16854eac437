"""What the parts of a server say while they run: lines for people, or JSON, one object a line.

Every part logs by the standard library's loggers. A message of ours carries an event: a name that stays the same when
its sentence changes, and fields with what the sentence says. docs/logs.md lists them.
"""

import datetime as dt
import json
import logging
import re
import sys
import threading
import traceback
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

log = logging.getLogger(__name__)

OTHER: Final = "other"
"""Event of what a library says."""
_PARAMETERS: Final = re.compile(r"\?[\w%.~+-]+=\S*")
KNOWN_FIELDS: Final = frozenset({"time", "level", "event", "part", "message", "error", "trace"})
"""Fields that every event may have; none of an event's own is called so."""


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class LogSettings(BaseModel):
    """`[log]`: what is said while a part runs, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: LogFormat = Field(default=LogFormat.TEXT, description="text for people, json for machines")
    level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None, description="the least that is told; absent: warning as text, info as JSON"
    )

    @property
    def least(self) -> int:
        """The level as the standard library counts."""
        default = "info" if self.format is LogFormat.JSON else "warning"
        return logging.getLevelNamesMapping()[(self.level or default).upper()]


class Tell(Protocol):
    """Tells whoever started a part what happens: by the name and fields of an event, or by a sentence."""

    def __call__(self, name: str, sentence: str, /, level: int = logging.INFO, **fields: object) -> None:
        """Tell it."""


def event(name: str, **fields: object) -> dict[str, Any]:
    """What a message is about, to be given to a logger as `extra`.

    Args:
        name: of the event, as docs/logs.md has it.
        fields: what the message says, for machines: no content of calls, no keys, no addresses with parameters.
    """
    return {"event": name, "fields": fields}


def start_logs(settings: LogSettings) -> None:
    """Say everything on standard error from now on, of this process and all that it uses."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.format))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # of libraries, the faults alone
    logging.getLogger("thinkmeter").setLevel(settings.least)
    if settings.format is LogFormat.JSON:
        sys.excepthook = _tell_crash
        threading.excepthook = _tell_thread_crash


def formatter(form: LogFormat) -> logging.Formatter:
    """What makes a line of a message."""
    return JsonLines() if form is LogFormat.JSON else TextLines("%(asctime)s %(levelname)s %(message)s")


def speaks_json() -> bool:
    """Whether this process says everything as JSON."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


class _Lines(logging.Formatter):
    """What both forms have in common."""

    def told(self, record: logging.LogRecord) -> str:
        """The message; of what a library says, addresses without their parameters."""
        message = record.getMessage()
        return message if hasattr(record, "event") else _PARAMETERS.sub("?...", message)


class TextLines(_Lines):
    """A message as a person reads it, and below it where an error came from."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # the standard library's name
        """The line, without its end."""
        record.message = self.told(record)
        return super().formatMessage(record)

    def formatException(self, told: Any) -> str:  # the standard library's name
        """Places and kind of an error. What it says stands nowhere: it may quote what somebody sent."""
        kind, _, trace = told
        return "\n".join([*_places(trace), getattr(kind, "__name__", "")])


class JsonLines(_Lines):
    """A message as one line of JSON: `time`, `level`, `event`, `part`, `message`, and the fields of its event."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        told: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", OTHER),
            "part": record.name.removeprefix("thinkmeter."),
            "message": self.told(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
            told["trace"] = _places(record.exc_info[2])
        return json.dumps(told, default=str, ensure_ascii=False)


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _tell_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("ended by a fault of its own", exc_info=(kind, error, trace), extra=event("process.crashed"))


def _tell_thread_crash(crash: threading.ExceptHookArgs) -> None:
    thread = crash.thread.name if crash.thread else ""
    if crash.exc_value is not None:
        told = (crash.exc_type, crash.exc_value, crash.exc_traceback)
        log.critical("a thread ended by a fault", exc_info=told, extra=event("thread.crashed", thread=thread))
