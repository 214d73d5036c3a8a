"""Making every call of the Bot API certain, or giving it up for a reason that waiting can't mend."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.ext import BaseRateLimiter

from bot.waiting import Waits

log = logging.getLogger(__name__)

# A call that takes longer hangs; the next one may well get through.
_ATTEMPT_SECONDS = 20
# Ten minutes outlast a server's restart and most failures of a network; then the patient has long asked again.
_PATIENCE_SECONDS = 600
# What trying again can't change: malformed, blocked by the person, a group that moved, a token that is wrong.
_FINAL = (BadRequest, Forbidden, ChatMigrated, InvalidToken)


class Sender(BaseRateLimiter[None]):
    """Repeats a call until Telegram has taken it; python-telegram-bot asks it for every call but getUpdates.

    A call that timed out may have been carried out: a patient who reads an answer twice is better off than one who
    reads none.
    """

    def __init__(self, waits: Waits = Waits(), patience: float = _PATIENCE_SECONDS) -> None:
        self._waits = waits
        self._patience = patience

    async def initialize(self) -> None:
        """Do nothing: there is nothing to set up."""

    async def shutdown(self) -> None:
        """Do nothing: there is nothing to tear down."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,
    ) -> Any:
        """Return what the call returns, or raise what ended it for good."""
        waited = 0.0
        for wait in self._waits:
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    return await callback(*args, **kwargs)
            except _FINAL:
                raise
            except (TelegramError, TimeoutError) as error:
                if waited > self._patience:
                    raise
                pause = seconds_to_wait(error) if isinstance(error, RetryAfter) else wait
                log.warning("%s failed, again in %.1f s: %s", endpoint, pause, type(error).__name__)
            await asyncio.sleep(pause)
            waited += pause
        raise AssertionError("waits never end")


def seconds_to_wait(error: RetryAfter) -> float:
    """Return how long Telegram asks to wait, whichever of the two types the library gives it in."""
    wait = error.retry_after
    return wait if isinstance(wait, int) else wait.total_seconds()
