"""Bringing a saved change of the FAQ live while the bot runs."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from watchfiles import awatch

from bot.errors import UserError
from bot.handlers import Handlers
from bot.logs import cause, figures
from bot.waiting import cancel
from faq.reply import Faq

log = logging.getLogger(__name__)

# Editors save in several steps; this long after the last one the change is taken up. Two seconds are promised in all.
_SETTLED_MS = 200
# Who edits saves again and again; learning the gate of the product's own FAQ takes seconds of a whole core.
_QUIET_SECONDS = 10.0

# Loads the FAQ, quickly if it is given the version before.
Load = Callable[[Faq | None], Faq]


async def follow_changes(answers: Path, load: Load, handlers: Handlers, count: Callable[[int], None]) -> None:
    """Load the FAQ anew whenever a YAML file beside it changes; while one is broken, the last good version stays.

    `load` is given the version before; `count` is told how many problems the files have after each change.
    """
    folder = answers if answers.is_dir() else answers.parent
    # What reads the files is of this version, whatever is installed by the time they change.
    await asyncio.to_thread(import_module, "faq.loading")
    learning: asyncio.Task[None] | None = None
    try:
        async for _ in awatch(folder, watch_filter=_is_yaml, step=_SETTLED_MS, recursive=False):
            if learning:
                await cancel(learning)  # should it have begun, its thread goes on, and what it learns is not taken up
            count(await _take_up(partial(load, handlers.faq), handlers.exchange))
            learning = asyncio.create_task(_learn_all(load, handlers.exchange, count))
    except Exception as error:  # the system may have no watch left to give
        told = cause(error)
        sentence = "changes of the FAQ are not noticed, restart the bot to take them up: %s"
        log.error(sentence, told["error"], extra=figures(**told))
    finally:
        if learning:
            await cancel(learning)


async def _learn_all(
    load: Load, exchange: Callable[[Faq], None], count: Callable[[int], None], quiet: float = _QUIET_SECONDS
) -> None:
    """Learn what takes longer than anybody wants to wait for a change, once nobody saves any more."""
    await asyncio.sleep(quiet)
    try:
        exchange(await asyncio.to_thread(load, None))
    except UserError:
        return  # the problems were told when they were saved
    except Exception as error:  # whatever it is, the next change may mend it
        sentence = "the safety gate is still that of before the change: %s"
        log.error(sentence, type(error).__name__, extra=figures(**cause(error)))
    else:
        count(0)


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
