"""Fetching updates: handle, then confirm, so that a crash repeats a question instead of losing it."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.health import SILENT_SECONDS
from bot.intake import ALLOWED_UPDATES, Intake, Json
from bot.logs import cause, figures
from bot.sending import seconds_to_wait
from bot.waiting import Waits, cancel

log = logging.getLogger(__name__)

# Telegram holds the call so long when there is nothing to tell.
_LONG_POLL = timedelta(seconds=30)
# A call that takes so much longer than the long poll hangs (python-telegram-bot #4405, #4523): it is given up.
_GRACE_SECONDS = 10.0
# While a chat is slow, Telegram returns its update again and again: the other chats are looked after this often.
# Asked twice within half a second for the same offset, Telegram returns that one update only (do_get_updates in
# tdlib/telegram-bot-api), and the other chats would wait for the slow one.
GLANCE_SECONDS = 0.6
# https://core.telegram.org/bots/api#getupdates: so many at most, from the first that is not confirmed.
_BATCH = 100
# When a batch is full, others may wait behind what takes longer. It is confirmed all the same, and lost if the process
# ends before it is answered; so not sooner than a slow network may take over a whole batch.
_LATE_SECONDS = 10.0
# What was fetched before a stop is answered within this time, or else by the next start. Docker kills after ten
# seconds, and the answers are still to be confirmed, which Telegram may keep waiting for three.
_LAST_ANSWERS_SECONDS = 5.0
_LAST_CONFIRMATION_SECONDS = 4.0


@dataclass(frozen=True)
class _Fetched:
    """An update's handling, and when it began."""

    handling: asyncio.Task[bool]
    since: float


class Poller:
    """Fetches updates and hands them to the intake.

    An update is confirmed, by the offset of the next fetch, once it and all before it were handled; one that takes long
    is confirmed before, if a whole batch stands behind it and no more could be fetched.
    """

    def __init__(
        self,
        intake: Intake,
        heard: Callable[[], None] = lambda: None,
        waits: Waits = Waits(),
        long_poll: timedelta = _LONG_POLL,
        grace: float = _GRACE_SECONDS,
        glance: float = GLANCE_SECONDS,
        last_answers: float = _LAST_ANSWERS_SECONDS,
        late_after: float = _LATE_SECONDS,
        silent_after: float = SILENT_SECONDS,
    ) -> None:
        self._intake = intake
        self._bot = intake.application.bot
        self._heard = heard
        self._waits = waits
        self._long_poll = long_poll
        self._grace = grace
        self._glance = glance
        self._last_answers = last_answers
        self._late_after = late_after
        self._offset = self._told = 0
        self._in_hand: dict[int, _Fetched] = {}  # what is not confirmed
        self._late: set[asyncio.Task[bool]] = set()  # what was confirmed before it was handled
        self._silent_after = silent_after
        self._last_sign = time.monotonic()  # when Telegram was last heard, or the connection made anew
        self._is_silent = False

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; then answer what was fetched, confirm it, and return.

        Raise UserError if Telegram does not know the token.
        """
        fetching = asyncio.create_task(self._poll())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([fetching, stopping], return_when=asyncio.FIRST_COMPLETED)
            if fetching.done():
                fetching.result()
            await cancel(fetching)
            await self._finish()
        finally:
            await cancel(fetching, stopping, *self._handlings(), *self._late)

    async def _poll(self) -> None:
        await self._intake.start(self._waits)
        waits, self._last_sign = iter(self._waits), time.monotonic()
        while True:
            try:
                updates = await self._fetch(self._long_poll, self._grace)
            except Exception as error:  # whatever it is, a bot that stops fetching is worse
                await asyncio.sleep(await self._recover(error, next(waits)))
                await self._mend_silence()
                continue
            waits, self._last_sign, self._is_silent = iter(self._waits), time.monotonic(), False
            self._heard()
            for update_id, update in updates.items():
                self._take(update_id, update)
            await self._look_after_slow_chats()
            if len(updates) == _BATCH:
                self._let_go_of_late_ones()

    async def _fetch(self, long_poll: timedelta, grace: float) -> dict[int, Json]:
        """Return updates by their ids, as JSON: `get_updates` refuses all for one that the library can't read."""
        timeout = long_poll.total_seconds() + grace
        offset = self._confirmed()
        question = {"offset": offset, "timeout": long_poll, "allowed_updates": ALLOWED_UPDATES}
        async with asyncio.timeout(timeout):
            updates = await self._bot._post("getUpdates", question, read_timeout=timeout)
        self._told = offset
        return {update["update_id"]: update for update in updates}

    async def _recover(self, error: Exception, wait: float) -> float:
        """Do what can be done about a failed fetch, and return how many seconds to wait."""
        match error:
            case RetryAfter():
                wait = seconds_to_wait(error)
                log.warning("429: Telegram asks to wait %.1f s", wait, extra=figures(status=429, wait=wait))
            case Conflict() if "webhook is active" in error.message:
                log.error(
                    "409: a webhook is set, so that polling hears nothing; it is being removed",
                    extra=figures(status=409),
                )
                with suppress(TelegramError):
                    await self._bot.delete_webhook(drop_pending_updates=False)
            case Conflict():
                log.error("409: another bot polls with the same token; stop one of the two", extra=figures(status=409))
            case InvalidToken():
                log.error("401: Telegram does not know the token any more", extra=figures(status=401))
            case _:
                told = figures(wait=wait, **cause(error))
                log.warning("fetching failed, again in %.1f s: %s", wait, type(error).__name__, extra=told)
        return wait

    async def _mend_silence(self) -> None:
        """Connect anew when nothing was heard for so long: whatever ails the connection may be cured by that."""
        if time.monotonic() - self._last_sign < self._silent_after:
            return
        if not self._is_silent:
            sentence = "nothing heard from Telegram for %.0f s: connecting anew, as often as that"
            log.error(sentence, self._silent_after, extra=figures(silence=self._silent_after))
        self._last_sign, self._is_silent = time.monotonic(), True
        request = self._bot._request[0]  # the one that fetches
        with suppress(Exception):  # what does not even close is left behind
            async with asyncio.timeout(self._grace):
                await request.shutdown()
        await request.initialize()

    def _take(self, update_id: int, update: Json) -> None:
        if update_id not in self._in_hand:
            self._offset = update_id + 1
            handling = asyncio.create_task(self._intake.handle(update_id, update))
            self._in_hand[update_id] = _Fetched(handling, time.monotonic())

    def _handlings(self) -> list[asyncio.Task[bool]]:
        return [fetched.handling for fetched in self._in_hand.values()]

    async def _look_after_slow_chats(self) -> None:
        """Wait for what is being handled, but not so long that the other chats notice a slow one."""
        if self._in_hand:
            await asyncio.wait(self._handlings(), timeout=self._glance)

    def _let_go_of_late_ones(self) -> None:
        """Let the next fetch confirm what takes too long, though it is still being handled: other chats may wait."""
        already, long_ago = len(self._late), time.monotonic() - self._late_after
        for update_id, fetched in list(self._in_hand.items()):
            if fetched.since > long_ago:
                break
            del self._in_hand[update_id]
            if not fetched.handling.done():
                self._late.add(fetched.handling)
                fetched.handling.add_done_callback(self._late.discard)
        if late := len(self._late) - already:
            sentence = "confirmed before they are answered, as others wait behind them: %d"
            log.warning(sentence, late, extra=figures(late=late))

    def _confirmed(self) -> int:
        """Return the offset that confirms every update up to the first that is not handled yet."""
        for update_id, fetched in list(self._in_hand.items()):
            if not fetched.handling.done():
                return update_id
            del self._in_hand[update_id]
        return self._offset

    async def _finish(self) -> None:
        """Answer what was fetched, and confirm it."""
        if handlings := [*self._handlings(), *self._late]:
            await asyncio.wait(handlings, timeout=self._last_answers)
        if lost := sum(not handling.done() for handling in self._late):
            log.error("lost at the stop, as they were confirmed before they were answered: %d", lost)
        if self._confirmed() == self._told:
            return
        try:
            await self._fetch(timedelta(0), _LAST_CONFIRMATION_SECONDS)
        except Exception as error:
            told = figures(**cause(error))
            log.warning("the last answers are not confirmed and may be repeated: %s", type(error).__name__, extra=told)
