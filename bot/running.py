"""The bot on Telegram, from start to a clean stop."""

import asyncio
import logging
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.app import build_application, build_bot
from bot.config import Settings
from bot.handlers import Handlers
from bot.limits import ChatLimit, SendLimit
from bot.logs import cause, figures
from bot.polling import Poller
from bot.reloading import follow_changes
from bot.sending import Sender
from faq.reply import Faq

log = logging.getLogger(__name__)

# Telegram's long poll returns at least every half a minute; three in vain are no accident.
_DEAF_AFTER_SECONDS = 90


async def run_bot(settings: Settings, token: str, load: Callable[[], Faq]) -> None:
    """Answer on Telegram until SIGTERM or SIGINT; a saved change of the FAQ goes live meanwhile."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(_log_by_type)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    handlers = Handlers(load(), ChatLimit(settings.chat_limit))
    sender = Sender(limit=SendLimit(settings.send_limit))
    bot = build_bot(token, settings.telegram_api_url, sender=sender)
    poller = Poller(build_application(bot, handlers), heard=heartbeat(token).touch)
    following = asyncio.create_task(follow_changes(settings.answers, load, handlers.exchange))
    log.info("started")
    try:
        await poller.run(stop)
    finally:
        following.cancel()
    log.info("stopped")


def _log_by_type(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log by its type what nobody caught: asyncio would log it whole, perhaps with a person's words or the token."""
    told = cause(context.get("exception"))
    log.error("%s: %s", context["message"], told["error"], extra=figures(**told))


def is_hearing(token: str) -> bool:
    """Tell whether the bot with this token has lately been answered by getUpdates, on this machine."""
    try:
        return time.time() - heartbeat(token).stat().st_mtime < _DEAF_AFTER_SECONDS
    except OSError:
        return False


def heartbeat(token: str) -> Path:
    """Return the file that is touched whenever Telegram answers getUpdates; its name holds the bot's public id only."""
    return Path(tempfile.gettempdir()) / f"clinic-faq-{token.partition(':')[0]}.heartbeat"
