"""The webhook: having Telegram bring updates, and looking again and again whether it does."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from telegram import WebhookInfo
from telegram.error import BadRequest

from bot.health import Check, Hearing
from bot.intake import ALLOWED_UPDATES, Intake
from bot.logs import cause, figures
from bot.waiting import Waits, cancel

log = logging.getLogger(__name__)

PATH = "/telegram"

# Telegram's own default. All processes behind a balancer share them, and a slow chat holds several; more would only
# keep an event loop from noting what was answered, which is repeated if the process is killed then.
_CONNECTIONS = 40
# The container's health check wants a sign every 90 s.
_LOOK_SECONDS = 30.0
# Asking takes a moment; a call that takes longer hangs.
_PATIENCE_SECONDS = 20.0
# An older failure of Telegram's says nothing of now, which is what readiness is about.
_STILL_FAILING_SECONDS = 300.0


class Webhook:
    """The agreement with Telegram on where it brings updates, renewed when somebody else ended it."""

    def __init__(
        self,
        intake: Intake,
        url: str,
        secret: str,
        hearing: Hearing,
        age_of_last_update: Callable[[], float],
        waits: Waits = Waits(),
        look_every: float = _LOOK_SECONDS,
    ) -> None:
        self._intake = intake
        self._bot = intake.application.bot
        self.url = endpoint(url)
        self._secret = secret
        self._hearing = hearing
        self._age_of_last_update = age_of_last_update
        self._waits = waits
        self._look_every = look_every
        self._is_agreed = False
        self._trouble: str | None = None

    def is_from_telegram(self, secret: str) -> bool:
        """Tell, in the same time whatever it is, whether this is the secret that was agreed on with Telegram."""
        return hmac.compare_digest(secret.encode(), self._secret.encode())

    async def run(self, stop: asyncio.Event) -> None:
        """Have updates brought until `stop` is set. Raise UserError if Telegram does not know the token."""
        keeping = asyncio.create_task(self._keep())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        finally:
            await cancel(keeping, stopping)

    async def _keep(self) -> None:
        """Agree with Telegram, and look for ever whether it keeps to it."""
        await self._intake.start(self._waits)
        waits = iter(self._waits)
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._look()
            except Exception as error:  # whatever it is, Telegram may be up in a minute
                wait = next(waits)
                reason = error.message if isinstance(error, BadRequest) else type(error).__name__
                told = figures(wait=wait, **cause(error))
                log.warning("the webhook can't be set or seen, again in %.1f s: %s", wait, reason, extra=told)
            else:
                waits, wait = iter(self._waits), self._look_every
            await asyncio.sleep(wait)

    async def check(self) -> Check:
        """Tell whether updates arrive, as Telegram saw it when it was last asked."""
        return Check(False, self._trouble) if self._trouble else await self._hearing.check()

    async def _look(self) -> None:
        if not self._is_agreed:
            await self._agree()
        info = await self._bot.get_webhook_info()
        if info.url != self.url:
            log.error("somebody else removed or moved the webhook; it is being set again")
            self._is_agreed = False
        self._trouble = self._trouble_of(info)
        if self._trouble is None:
            self._hearing.heard()

    async def _agree(self) -> None:
        await self._bot.set_webhook(
            self.url,
            secret_token=self._secret,
            allowed_updates=ALLOWED_UPDATES,
            max_connections=_CONNECTIONS,
            drop_pending_updates=False,
        )
        self._is_agreed = True
        log.info("the webhook is set")

    def _trouble_of(self, info: WebhookInfo) -> str | None:
        if info.url != self.url:
            return "Telegram brings updates elsewhere."
        if info.last_error_date is None or not info.pending_update_count:
            return None
        failed = (datetime.now(UTC) - info.last_error_date).total_seconds()
        if failed > _STILL_FAILING_SECONDS or self._age_of_last_update() < failed:
            return None
        return f"Telegram failed to bring updates {failed:.0f} s ago; {info.pending_update_count} wait."


def endpoint(url: str) -> str:
    """Return the address for Telegram, of which WEBHOOK_URL may leave out the last part."""
    return url.rstrip("/").removesuffix(PATH) + PATH


def usual_secret(token: str) -> str:
    """Return the secret for when none is given: not to be guessed, and the same for each process with this token."""
    return hmac.new(token.encode(), b"clinic-faq webhook secret", hashlib.sha256).hexdigest()
