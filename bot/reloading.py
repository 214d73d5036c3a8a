"""Bringing a saved change of the FAQ live while the bot runs."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from watchfiles import awatch

from bot.errors import UserError
from bot.logs import cause, figures
from faq.reply import Faq

log = logging.getLogger(__name__)

# Editors save in several steps; this long after the last one the change is taken up. Two seconds are promised in all.
_SETTLED_MS = 200


async def follow_changes(
    answers: Path, load: Callable[[], Faq], exchange: Callable[[Faq], None], count: Callable[[int], None]
) -> None:
    """Load the FAQ anew whenever a YAML file beside it changes; while one is broken, the last good version stays.

    `count` is told how many problems the files have after each change.
    """
    folder = answers if answers.is_dir() else answers.parent
    try:
        async for _ in awatch(folder, watch_filter=_is_yaml, step=_SETTLED_MS, recursive=False):
            count(await _take_up(load, exchange))
    except Exception as error:  # the system may have no watch left to give
        told = cause(error)
        sentence = "changes of the FAQ are not noticed, restart the bot to take them up: %s"
        log.error(sentence, told["error"], extra=figures(**told))


async def _take_up(load: Callable[[], Faq], exchange: Callable[[Faq], None]) -> int:
    """Load the FAQ and exchange it; return how many problems keep it from going live."""
    try:
        exchange(await asyncio.to_thread(load))
    except UserError as error:
        for problem in str(error).splitlines():
            log.error("the changed FAQ is not live, mend this first: %s", problem)
        return error.problems
    except Exception as error:  # whatever it is, the next change may mend it
        log.error("the changed FAQ is not live: %s", type(error).__name__, extra=figures(**cause(error)))
        return 1
    log.info("the changed FAQ is live")
    return 0


def _is_yaml(_change: object, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
