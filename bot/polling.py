"""Fetching updates: handle, then confirm, so that a crash repeats a question instead of losing it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.ext import Application

from bot.errors import UserError
from bot.sending import seconds_to_wait
from bot.waiting import Waits

log = logging.getLogger(__name__)

ALLOWED_UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY]

# Telegram holds the call so long when there is nothing to tell.
_LONG_POLL = timedelta(seconds=30)
# A call that takes so much longer than the long poll hangs (python-telegram-bot #4405, #4523): it is given up.
_GRACE_SECONDS = 10.0
# While a chat is slow, Telegram returns its update again and again: the other chats are looked after this often.
_GLANCE_SECONDS = 0.5
_SIDE_BY_SIDE = 50
# What was fetched before a stop is answered within this time, or else by the next start.
_LAST_ANSWERS_SECONDS = 20.0


class Poller:
    """Fetches updates and hands them to the application: chats side by side, each chat in order.

    An update is confirmed, by the offset of the next fetch, once it and all before it were handled.
    """

    def __init__(
        self,
        application: Application[Any, Any, Any, Any, Any, Any],
        heard: Callable[[], None] = lambda: None,
        waits: Waits = Waits(),
        long_poll: timedelta = _LONG_POLL,
        grace: float = _GRACE_SECONDS,
    ) -> None:
        self._application = application
        self._heard = heard
        self._waits = waits
        self._long_poll = long_poll
        self._grace = grace
        self._offset = 0
        self._single = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._last_in_chat: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)

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
        finally:
            stopping.cancel()
            fetching.cancel()
            await asyncio.wait([fetching, stopping])
            await self._finish()

    async def _poll(self) -> None:
        await self._start()
        waits = iter(self._waits)
        while True:
            try:
                updates = await self._fetch(timedelta(0) if self._tasks else self._long_poll)
            except Exception as error:  # whatever it is, a bot that stops fetching is worse
                await asyncio.sleep(await self._recover(error, next(waits)))
                continue
            waits = iter(self._waits)
            self._heard()
            for update in updates:
                self._take(update)
            await self._glance()

    async def _start(self) -> None:
        for wait in self._waits:
            try:
                return await self._application.initialize()
            except InvalidToken:
                raise UserError("Telegram does not know this TELEGRAM_BOT_TOKEN. Ask @BotFather for it.") from None
            except TelegramError as error:
                log.warning("Telegram can't be reached yet, again in %.1f s: %s", wait, type(error).__name__)
                await asyncio.sleep(wait)
        raise AssertionError("waits never end")

    async def _fetch(self, long_poll: timedelta) -> tuple[Update, ...]:
        async with asyncio.timeout(long_poll.total_seconds() + self._grace):
            updates: tuple[Update, ...] = await self._application.bot.get_updates(
                offset=self._confirmed(),
                limit=1 if self._single else None,
                timeout=long_poll,
                read_timeout=self._grace,
                allowed_updates=ALLOWED_UPDATES,
            )
            return updates

    async def _recover(self, error: Exception, wait: float) -> float:
        """Do what can be done about a failed fetch, and return how many seconds to wait."""
        match error:
            case RetryAfter():
                wait = seconds_to_wait(error)
            case Conflict() if "webhook" in error.message:
                log.error("409: a webhook is set, so that polling hears nothing; it is being removed")
                with suppress(TelegramError):
                    await self._application.bot.delete_webhook(drop_pending_updates=False)
            case Conflict():
                log.error("409: another bot polls with the same token; stop one of the two")
            case InvalidToken():
                log.error("401: Telegram does not know the token any more")
            case TelegramError() | TimeoutError():
                log.warning("fetching failed, again in %.1f s: %s", wait, type(error).__name__)
            case _:
                self._skip(error)
        return wait

    def _skip(self, error: Exception) -> None:
        """Pass over an update that the library can't read: fetch singly until it stands alone, then go past it."""
        log.error("an update can't be read near id %d: %s", self._offset, type(error).__name__)
        self._offset += self._single
        self._single = not self._single

    def _take(self, update: Update) -> None:
        if update.update_id in self._tasks:
            return
        self._single = False
        self._offset = update.update_id + 1
        chat = update.effective_chat.id if update.effective_chat else 0
        task = asyncio.create_task(self._handle(update, self._last_in_chat.get(chat)))
        self._tasks[update.update_id] = self._last_in_chat[chat] = task

    async def _handle(self, update: Update, before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        async with self._room:
            try:
                await self._application.process_update(update)
            except Exception as error:
                log.error("failed update=%d error=%s", update.update_id, type(error).__name__)

    async def _glance(self) -> None:
        """Wait for what is being handled, but not so long that the other chats notice a slow one."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_GLANCE_SECONDS)

    def _confirmed(self) -> int:
        """Return the offset that confirms every update up to the first that is not handled yet."""
        self._last_in_chat = {chat: task for chat, task in self._last_in_chat.items() if not task.done()}
        for update_id, task in list(self._tasks.items()):
            if not task.done() or task.cancelled():
                return update_id
            del self._tasks[update_id]
        return self._offset

    async def _finish(self) -> None:
        """Answer what was fetched, confirm it, and close the connections."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=_LAST_ANSWERS_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            with suppress(TelegramError, TimeoutError):
                await self._fetch(timedelta(0))
        await self._application.shutdown()
