"""Making every call of the Bot API certain, or giving it up for a reason that waiting can't mend."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import BaseRateLimiter

from bot.limits import SendLimit
from bot.logs import cause, figures
from bot.waiting import Waits

log = logging.getLogger(__name__)

# A call that takes longer hangs; the next one may well get through.
_ATTEMPT_SECONDS = 20.0
# Ten minutes outlast a server's restart and most failures of a network; then the patient has long asked again.
_PATIENCE_SECONDS = 600.0
# What trying again can't change: malformed, blocked by the person.
_FINAL = (BadRequest, Forbidden)
# Whether the token is right is asked by this call. A token that is refused later may be Telegram's own trouble, or a
# proxy's that answers 404 while its server starts: no reason to lose an answer.
_GET_ME = "getMe"


class Sender(BaseRateLimiter[None]):
    """Repeats a call until Telegram has taken it; python-telegram-bot asks it for every call but getUpdates.

    What is sent to a chat, or changed there, waits for its turn first; calls that name no chat are no messages.
    A group that became a supergroup is followed to its new id.
    A call that timed out may have been carried out: a patient who reads an answer twice is better off than one who
    reads none.
    """

    def __init__(
        self,
        waits: Waits = Waits(),
        patience: float = _PATIENCE_SECONDS,
        attempt: float = _ATTEMPT_SECONDS,
        limit: SendLimit | None = None,
    ) -> None:
        self._limit = limit or SendLimit()
        self._waits = waits
        self._patience = patience
        self._attempt = attempt

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
        """Return what the call returns, or raise the TelegramError that ended it for good."""
        waits = iter(self._waits)
        waited, has_moved = 0.0, False
        while True:
            if chat_id := data.get("chat_id"):
                await self._limit.turn(chat_id)
            try:
                return await self._once(callback(*args, **kwargs))
            except _FINAL:
                raise
            except ChatMigrated as error:
                if has_moved:
                    raise
                data["chat_id"], has_moved = error.new_chat_id, True
                continue
            except TelegramError as error:
                if waited > self._patience or (isinstance(error, InvalidToken) and endpoint == _GET_ME):
                    raise
                wait = seconds_to_wait(error) if isinstance(error, RetryAfter) else next(waits)
                told = endpoint, wait, type(error).__name__
                log.warning(
                    "%s failed, again in %.1f s: %s", *told, extra=figures(call=endpoint, wait=wait, **cause(error))
                )
            await asyncio.sleep(wait)
            waited += wait

    async def _once(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Make the call; a hang, and JSON that is no answer of Telegram's, are troubles of the network too."""
        try:
            async with asyncio.timeout(self._attempt):
                return await call
        except TimeoutError:
            raise TimedOut from None
        except (KeyError, TypeError, AttributeError) as error:
            raise NetworkError(f"Not an answer of Telegram's: {type(error).__name__}") from None


def seconds_to_wait(error: RetryAfter) -> float:
    """Return how long Telegram asks to wait, whichever of the two types the library gives it in."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else wait
