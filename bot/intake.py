"""Taking updates in, however they arrive: each once, chats side by side, each chat in order."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

from telegram import Update
from telegram.error import InvalidToken
from telegram.ext import Application

from bot.errors import UserError
from bot.recorder import Recorder
from bot.waiting import Waits, cancel

log = logging.getLogger(__name__)

Json = dict[str, Any]

ALLOWED_UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY]

_SIDE_BY_SIDE = 50
# Telegram repeats a webhook's update within a minute or so; at 30 updates a second these are more than ten.
_REMEMBERED = 20_000
# A ledger that takes longer must not keep a patient waiting.
_LEDGER_SECONDS = 2.0


class Ledger(Protocol):
    """Remembers which updates were handled, for this process or for all."""

    async def is_handled(self, update_id: int) -> bool:
        """Tell whether an update was handled, or is being handled elsewhere."""

    async def note_handled(self, update_id: int) -> None:
        """Remember that an update was handled."""


class Memory:
    """The updates that this process handled lately."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._handled: OrderedDict[int, None] = OrderedDict()

    async def is_handled(self, update_id: int) -> bool:
        """Tell whether the update was handled lately."""
        return update_id in self._handled

    async def note_handled(self, update_id: int) -> None:
        """Remember the update, and forget the oldest when there are too many."""
        self._handled[update_id] = None
        if len(self._handled) > self._remembered:
            self._handled.popitem(last=False)


class Intake:
    """Hands updates to the application."""

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
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def start(self, waits: Waits = Waits()) -> None:
        """Start the application as soon as Telegram can be reached; raise UserError if it does not know the token."""
        for wait in waits:
            try:
                await self.application.initialize()
            except InvalidToken:
                raise UserError("Telegram does not know this TELEGRAM_BOT_TOKEN. Ask @BotFather for it.") from None
            except Exception as error:  # whatever it is, Telegram may be up in a minute
                log.warning("Telegram can't be reached yet, again in %.1f s: %s", wait, type(error).__name__)
            else:
                break
            await asyncio.sleep(wait)
        self._started.set()

    async def close(self) -> None:
        """Leave what is still in hand, and close the application."""
        await cancel(*self._in_hand.values())
        await self.application.shutdown()
        # The application leaves the bot open when it never came to start, and the bot its connections.
        await self.application.bot.shutdown()
        for request in self.application.bot._request:
            await request.shutdown()

    async def handle(self, update_id: int, content: Json) -> None:
        """Return when the update was handled, by this call or by another one that has it in hand.

        Who stops waiting does not stop the handling: a webhook's connection may break long before.
        """
        if (task := self._in_hand.get(update_id)) is None:
            task = self._in_hand[update_id] = asyncio.create_task(self._handle(update_id, content))
            task.add_done_callback(lambda _: self._in_hand.pop(update_id))
        else:
            self._recorder.seen_twice()
        await asyncio.shield(task)

    async def _handle(self, update_id: int, content: Json) -> None:
        """Handle an update; one that can't be read or handled must not stop the others, nor come again."""
        arrived = time.perf_counter()
        await self._started.wait()
        try:
            update = Update.de_json(content, self.application.bot)
            async with self._turn(update):
                await self._once(update, arrived)
        except Exception as error:
            log.error("failed update=%d error=%s", update_id, type(error).__name__)
            self._recorder.failed(type(error).__name__)

    @asynccontextmanager
    async def _turn(self, update: Update) -> AsyncIterator[None]:
        """Wait for the turn of the update's chat, which is given in the order in which its updates came."""
        origin = update.effective_chat or update.effective_user
        async with self._turns.setdefault(origin.id if origin else 0, asyncio.Lock()), self._room:
            yield

    async def _once(self, update: Update, arrived: float) -> None:
        if await self._is_handled(update.update_id):
            log.info("seen already update=%d", update.update_id)
            self._recorder.seen_twice()
            return
        self._recorder.arrived()
        await self.application.process_update(update)
        self._recorder.handled(time.perf_counter() - arrived)
        await self._note_handled(update.update_id)

    async def _is_handled(self, update_id: int) -> bool:
        """Ask the ledger; when it is slow or gone, a patient who is answered twice is better off than one who isn't."""
        try:
            async with asyncio.timeout(_LEDGER_SECONDS):
                return await self._ledger.is_handled(update_id)
        except Exception as error:
            self._recorder.failed(type(error).__name__)
            log.warning("can't tell whether update=%d is handled already: %s", update_id, type(error).__name__)
            return False

    async def _note_handled(self, update_id: int) -> None:
        try:
            async with asyncio.timeout(_LEDGER_SECONDS):
                await self._ledger.note_handled(update_id)
        except Exception as error:
            self._recorder.failed(type(error).__name__)
            log.warning("can't note that update=%d is handled: %s", update_id, type(error).__name__)
