"""Taking updates in, however they arrive: each once, chats side by side, each chat in order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.error import InvalidToken
from telegram.ext import Application

from bot.errors import UserError
from bot.ledger import Claim, Ledger, Memory
from bot.logs import cause, figures, note
from bot.recorder import Recorder
from bot.waiting import Waits, cancel

log = logging.getLogger(__name__)

Json = dict[str, Any]

ALLOWED_UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY]

_SIDE_BY_SIDE = 50
# What Telegram has taken when the process is killed, before the process hears of it, is answered again by the next one,
# and one that died may die again soon: a process begins with one chat at a time, and takes more as it stays alive
# (bench/killed.py). A chat that is slow lets the next one go ahead.
_AT_FIRST = 1
_ONE_MORE_SECONDS = 1.0
_SLOW_SECONDS = 0.1
# A ledger that takes longer must not keep a patient waiting.
_LEDGER_SECONDS = 2.0


class Intake:
    """Hands updates to the application, and asks the ledger that none is handled twice."""

    def __init__(
        self,
        application: Application[Any, Any, Any, Any, Any, Any],
        recorder: Recorder | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.application = application
        self._recorder = recorder or Recorder()
        self._ledger = ledger or Memory()
        self._started = asyncio.Event()
        self._in_hand: dict[int, asyncio.Task[bool]] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._quick = asyncio.Semaphore(_AT_FIRST)
        self._widening: asyncio.Task[None] | None = None

    async def start(self, waits: Waits = Waits()) -> None:
        """Start the application as soon as Telegram can be reached; raise UserError if it does not know the token."""
        for wait in waits:
            try:
                await self.application.initialize()
            except InvalidToken:
                raise UserError("Telegram does not know this TELEGRAM_BOT_TOKEN. Ask @BotFather for it.") from None
            except Exception as error:  # whatever it is, Telegram may be up in a minute
                told = figures(wait=wait, **cause(error))
                log.warning(
                    "Telegram can't be reached yet, again in %.1f s: %s", wait, type(error).__name__, extra=told
                )
            else:
                break
            await asyncio.sleep(wait)
        self._started.set()
        self._widening = asyncio.create_task(self._widen())

    async def close(self) -> None:
        """Leave what is still in hand, and close the application."""
        await cancel(*filter(None, [self._widening]), *self._in_hand.values())
        await self.application.shutdown()
        # The application leaves the bot open when it never came to start, and the bot its connections.
        await self.application.bot.shutdown()
        for request in self.application.bot._request:
            await request.shutdown()

    async def _widen(self) -> None:
        for _ in range(_SIDE_BY_SIDE - _AT_FIRST):
            await asyncio.sleep(_ONE_MORE_SECONDS)
            self._quick.release()

    async def handle(self, update_id: int, content: Json) -> bool:
        """Return True when the update was handled, by this call or another, and False when another process has it.

        Who stops waiting does not stop the handling: a webhook's connection may break long before.
        """
        if (task := self._in_hand.get(update_id)) is None:
            task = self._in_hand[update_id] = asyncio.create_task(self._handle(update_id, content))
            task.add_done_callback(lambda _: self._in_hand.pop(update_id))
        else:
            self._recorder.seen_twice()
        return await asyncio.shield(task)

    async def _handle(self, update_id: int, content: Json) -> bool:
        arrived = time.perf_counter()
        await self._started.wait()
        self._recorder.arrived()
        try:
            update = Update.de_json(content, self.application.bot)
        except Exception as error:  # it will never be readable, and must not keep the others
            self._fail(update_id, error)
            return True
        async with self._turn(update):
            return await self._once(update, arrived)

    @asynccontextmanager
    async def _turn(self, update: Update) -> AsyncIterator[None]:
        """Wait for the turn of the update's chat, which is given in the order in which its updates came."""
        origin = update.effective_chat or update.effective_user
        async with self._turns.setdefault(origin.id if origin else 0, asyncio.Lock()), self._room:
            await self._quick.acquire()
            with ExitStack() as place:
                place.callback(self._quick.release)
                slow = asyncio.get_running_loop().call_later(_SLOW_SECONDS, place.close)
                place.callback(slow.cancel)
                yield

    async def _once(self, update: Update, arrived: float) -> bool:
        claim = await self._claim(update.update_id)
        if claim is not Claim.MINE:
            note(log, "seen already", update=update.update_id)
            self._recorder.seen_twice()
            return claim is Claim.DONE
        try:
            await self.application.process_update(update)
        except Exception as error:
            self._fail(update.update_id, error)
        except asyncio.CancelledError:
            self._ledger.release(update.update_id)
            raise
        self._recorder.handled(time.perf_counter() - arrived)
        self._ledger.done(update.update_id)
        return True

    async def _claim(self, update_id: int) -> Claim:
        """Ask the ledger; when it is slow or gone, a patient who is answered twice is better off than one who isn't."""
        try:
            async with asyncio.timeout(_LEDGER_SECONDS):
                return await self._ledger.claim(update_id)
        except Exception as error:
            self._fail(update_id, error)
            return Claim.MINE

    def _fail(self, update_id: int, error: Exception) -> None:
        note(log, "failed", logging.ERROR, update=update_id, **cause(error))
        self._recorder.failed(type(error).__name__)
