"""One line an event, plain or JSON, with ids and numbers and never a person's words."""

import json
import logging
import re
import sys
from typing import Literal

# https://core.telegram.org/bots/api#authorizing-your-bot
_TOKEN = re.compile(r"\d+:[\w-]{30,}")


class PlainFormatter(logging.Formatter):
    """Formats a record for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, logger and message."""
        return _without_token(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, logger and message as JSON."""
        return json.dumps(
            {
                "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": _without_token(record.getMessage()),
            }
        )


def start_logging(log_format: Literal["plain", "json"]) -> None:
    """Send our own events to standard error, and silence libraries that would log words, addresses or the token."""
    handler = logging.StreamHandler(sys.stderr)
    plain = PlainFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else plain)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for ours in ("bot", "faq"):
        logging.getLogger(ours).setLevel(logging.INFO)
    # python-telegram-bot logs updates it can't parse, word for word; httpx and aiohttp log addresses, which hold the
    # token or a proxy's password; uvicorn logs what failed with all that was in hand.
    for theirs in ("telegram", "httpx", "httpcore", "aiohttp", "uvicorn"):
        logging.getLogger(theirs).setLevel(logging.CRITICAL + 1)


def _without_token(line: str) -> str:
    return _TOKEN.sub("[token]", line)
