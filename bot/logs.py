"""One line an event, plain or JSON, with ids and numbers and never a person's words."""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from traceback import walk_tb
from typing import Any, Literal

_OURS = ("bot", "faq")
# https://core.telegram.org/bots/api#authorizing-your-bot
_TOKEN = re.compile(r"\d+:[\w-]{30,}")
# Where a terminal or a log collector begins a new line.
_LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def note(log: logging.Logger, event: str, level: int = logging.INFO, **told: object) -> None:
    """Log an event with its figures: as `name=value` in the line, and as fields of the object in JSON."""
    line = " ".join([event, *(f"{name}={_plain(value)}" for name, value in told.items())])
    log.log(level, "%s", line, extra=figures(**told))


def figures(**told: object) -> dict[str, Any]:
    """Return what `extra=` takes, so that the figures of a sentence become fields of the object in JSON."""
    return {"figures": told}


def cause(error: BaseException | None) -> dict[str, str | None]:
    """Return the type of an error and the file and line it came from; its text may hold a person's words."""
    *_, place = [None, *walk_tb(error.__traceback__ if error else None)]
    at = f"{Path(place[0].f_code.co_filename).name}:{place[1]}" if place else None
    return {"error": type(error).__name__, "at": at}


class PlainFormatter(logging.Formatter):
    """Formats a record for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, logger and message in one line."""
        raised = [f"{name}={_plain(value)}" for name, value in _raised(record).items()]
        return " ".join([self.formatTime(record), record.levelname, record.name, _message(record), *raised])


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, logger, message and figures as JSON."""
        return json.dumps(
            {
                "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": _message(record),
                **{name: _in_json(value) for name, value in _figures(record).items()},
                **_raised(record),
            }
        )


def start_logging(log_format: Literal["plain", "json"]) -> None:
    """Send our own events to standard error, and silence libraries that would log words, addresses or the token."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for ours in _OURS:
        logging.getLogger(ours).setLevel(logging.INFO)
    # python-telegram-bot logs updates it can't parse, word for word; httpx and aiohttp log addresses, which hold the
    # token or a proxy's password; uvicorn logs what failed with all that was in hand.
    for theirs in ("telegram", "httpx", "httpcore", "aiohttp", "uvicorn"):
        logging.getLogger(theirs).setLevel(logging.CRITICAL + 1)


def log_what_nobody_caught() -> None:
    """Log by its type what a thread or a finalizer raises; Python would print it whole, and its words with it."""
    log = logging.getLogger(__name__)
    threading.excepthook = lambda failed: note(log, "a thread failed", logging.ERROR, **cause(failed.exc_value))
    sys.unraisablehook = lambda failed: note(log, "a finalizer failed", logging.ERROR, **cause(failed.exc_value))


def without_token(line: str) -> str:
    """Return the line with everything that looks like a token of Telegram's replaced."""
    return _TOKEN.sub("[token]", line)


def _message(record: logging.LogRecord) -> str:
    return without_token(_LINE_BREAKS.sub(" | ", _sentence(record).strip()))


def _sentence(record: logging.LogRecord) -> str:
    """Return the record's sentence, of a library's only the first line and without what was filled in.

    Libraries put in what they were working on, which may be a person's words: asyncio shows a lost exception whole.
    """
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    if record.name.partition(".")[0] not in _OURS:
        return record.msg.strip().partition("\n")[0]
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # what was to be filled in does not fit: Python would print all of it
        return record.msg


def _raised(record: logging.LogRecord) -> dict[str, str | None]:
    return cause(record.exc_info[1]) if record.exc_info else {}


def _figures(record: logging.LogRecord) -> Mapping[str, object]:
    told: Mapping[str, object] = getattr(record, "figures", {})
    return told


def _plain(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _in_json(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    return (
        value if value is None or isinstance(value, bool | int) else _LINE_BREAKS.sub(" | ", without_token(str(value)))
    )
