"""Bringing a saved change of the FAQ live while the bot runs."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread

from watchfiles import awatch

from bot.errors import UserError
from bot.handlers import Handlers
from bot.logs import cause, figures
from bot.waiting import cancel
from faq.reply import Faq

log = logging.getLogger(__name__)

# Editors save in several steps; this long after the last one the change is taken up. Two seconds are promised in all.
_SETTLED_MS = 200
# So often it is looked whether a file was saved that nobody told of, such as one that a link leads to.
_GLANCE_MS = 2000
# What was saved since this was imported, which is before any file is read, may not be what was read.
_BEGAN = time.time()
# Who edits saves again and again; learning the gate of the product's own FAQ takes seconds of a whole core.
_QUIET_SECONDS = 10.0

_NOT_LIVE = "the changed FAQ is not live"
_OLD_GATE = "the safety gate is still that of before the change"

# Loads the FAQ, quickly if it is given the version before.
Load = Callable[[Faq | None], Faq]


async def follow_changes(
    answers: Path,
    load: Load,
    handlers: Handlers,
    count: Callable[[int], None],
    quiet: float = _QUIET_SECONDS,
    since: float = _BEGAN,
) -> None:
    """Load the FAQ anew whenever a YAML file beside it changes; while one is broken, the last good version stays.

    `load` is given the version before, and None once nobody has saved for so many quiet seconds: then it learns all
    anew, which takes longer than anybody wants to wait for a change. `count` is told how many problems the files have.
    What was saved before the watch began but `since` a time, in seconds since 1970, is a change, too.
    """
    folder = answers if answers.is_dir() else answers.parent
    # What reads the files is of this version, whatever is installed by the time they change.
    await asyncio.to_thread(import_module, "faq.loading")

    async def learn_all() -> None:
        await asyncio.sleep(quiet)
        count(await take_up(lambda: load(None), handlers.exchange, _OLD_GATE))

    learning: asyncio.Task[None] | None = None
    try:
        async for changes in awatch(
            folder,
            watch_filter=_is_yaml,
            step=_SETTLED_MS,
            rust_timeout=_GLANCE_MS,
            yield_on_timeout=True,
            recursive=False,
        ):
            saved = await asyncio.to_thread(_last_saved, folder)
            if not changes and saved <= since:
                continue
            since = saved
            if learning:
                await cancel(learning)  # should it have begun, its thread goes on, and what it learns is not taken up
            problems = await take_up(partial(load, handlers.faq), handlers.exchange, _NOT_LIVE)
            count(problems)
            if not problems:
                log.info("the changed FAQ is live")
                learning = asyncio.create_task(learn_all())
    except Exception as error:  # the system may have no watch left to give
        told = cause(error)
        sentence = "changes of the FAQ are not noticed, restart the bot to take them up: %s"
        log.error(sentence, told["error"], extra=figures(**told))
    finally:
        if learning:
            await cancel(learning)


async def take_up(load: Callable[[], Faq], exchange: Callable[[Faq], None], otherwise: str) -> int:
    """Load the FAQ and exchange it; return how many problems keep it from that, told with what is so `otherwise`."""
    try:
        exchange(await _beside(load))
    except UserError as error:
        for problem in str(error).splitlines():
            log.error("%s, mend this first: %s", otherwise, problem)
        return error.problems
    except Exception as error:  # whatever it is, the next change may mend it
        log.error("%s: %s", otherwise, type(error).__name__, extra=figures(**cause(error)))
        return 1
    return 0


async def _beside(load: Callable[[], Faq]) -> Faq:
    """Return what comes of loading in a thread that no stop waits for, as it would for one of asyncio's."""
    loaded: Future[Faq] = Future()
    loaded.set_running_or_notify_cancel()

    def run() -> None:
        try:
            loaded.set_result(load())
        except BaseException as error:
            loaded.set_exception(error)

    Thread(target=run, name="loading", daemon=True).start()
    return await asyncio.wrap_future(loaded)


def _last_saved(folder: Path) -> float:
    """Return when a YAML file of the folder was last saved, or brought there as it was."""
    times = [0.0]
    for file in folder.iterdir():
        if _is_yaml(None, file.name):
            with suppress(OSError):  # just renamed, or a link to nothing
                times.append(file.stat().st_ctime)
    return max(times)


def _is_yaml(_change: object, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
