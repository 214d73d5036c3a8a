"""The bot on Telegram, from start to a clean stop."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bot.app import build_application, build_bot
from bot.config import Settings, remarks_on_dotenv
from bot.handlers import Handlers
from bot.health import Check, Hearing, heartbeat
from bot.intake import Intake
from bot.ledger import Memory
from bot.limits import ChatLimit, SendLimit
from bot.logs import cause, figures
from bot.metrics import Metrics
from bot.polling import Poller
from bot.reloading import Load, follow_changes
from bot.sending import Sender
from bot.storage import Storage, open_storage
from bot.watchdog import notify, watch
from bot.webhook import Webhook, usual_secret
from faq.reply import Faq

if TYPE_CHECKING:
    from bot.web import Web

log = logging.getLogger(__name__)

# Matching, storage and the event loop share one interpreter. Python lets a thread have it for 5 ms, in which an answer
# that was sent is not yet noted, and is repeated if the process is killed; this is a tenth.
_SWITCH_SECONDS = 0.0005


async def run_bot(settings: Settings, token: str, load: Load) -> None:
    """Answer on Telegram until SIGTERM or SIGINT; a saved change of the FAQ goes live meanwhile."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(_log_by_type)
    sys.setswitchinterval(_SWITCH_SECONDS)
    for remark in remarks_on_dotenv():
        log.warning("%s", remark)
    faq = load(None)  # until then a signal ends the process at once: there is nothing to close yet
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    storage = await open_storage(settings)
    try:
        await _serve(settings, token, load, faq, storage, stop)
    finally:
        await storage.close()
    log.info("stopped")


async def _serve(settings: Settings, token: str, load: Load, faq: Faq, storage: Storage, stop: asyncio.Event) -> None:
    metrics = Metrics(lost=lambda: storage.lost)
    handlers = Handlers(faq, recorder=metrics, storage=storage, limit=ChatLimit(settings.chat_limit))
    hearing = Hearing(heartbeat(token).touch)
    sender = Sender(limit=SendLimit(settings.send_limit))
    bot = build_bot(token, settings.telegram_api_url, sender=sender)
    # Who polls is alone, and needs to ask only once; webhook processes must not answer what another has in hand.
    ledger = storage if settings.webhook_url else Memory(await storage.done_lately(), storage.done)
    intake = Intake(build_application(bot, handlers), metrics, ledger)
    webhook = _webhook(settings, token, intake, hearing, metrics)

    async def content() -> Check:
        # Never false, as nothing is served before an FAQ is loaded; it is there for what it tells.
        return Check(True, f"{len(handlers.faq.entries)} entries; problems in the saved files: {metrics.problems}.")

    async def database() -> Check:
        is_answering = await storage.is_answering()
        told = "answers" if is_answering else "does not answer; patients are answered all the same"
        return Check(is_answering, f"The database {told}. Records lost since the start: {storage.lost}.")

    def count_visit(campaign: str) -> None:
        storage.count_reply("contact", campaign=campaign)

    probes = {"updates": webhook.check if webhook else hearing.check, "storage": database, "faq": content}

    def routes() -> "Web":
        from bot.web import Web

        return Web(lambda: handlers.faq, metrics, probes, intake, webhook, count_visit)

    background = [
        asyncio.create_task(follow_changes(settings.answers, load, handlers, metrics.problems_found)),
        asyncio.create_task(watch(hearing)),
    ]
    try:
        async with _served(settings, routes):
            log.info("started")
            await (webhook.run(stop) if webhook else Poller(intake, hearing.heard).run(stop))
    finally:
        for task in background:
            task.cancel()
        await intake.close()


def _stop(stop: asyncio.Event) -> None:
    notify("STOPPING=1")
    stop.set()


def _webhook(settings: Settings, token: str, intake: Intake, hearing: Hearing, metrics: Metrics) -> Webhook | None:
    if settings.webhook_url is None:
        return None
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else usual_secret(token)
    return Webhook(intake, settings.webhook_url, secret, hearing, metrics.age_of_last_update)


@asynccontextmanager
async def _served(settings: Settings, routes: Callable[[], "Web"]) -> AsyncIterator[None]:
    """Serve the routes, if there is a port for them; a bot that only polls does without what serving takes."""
    if (port := settings.serving_port) is None:
        yield
        return
    from bot.web import listen, serving

    async with serving(routes().app(), listen(settings.host, port)):
        yield


def _log_by_type(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log by its type what nobody caught: asyncio would tell the arguments, perhaps a person's words, too."""
    told = cause(context.get("exception"))
    log.error("nobody caught this: %s", told["error"], extra=figures(**told))
