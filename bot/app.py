"""Putting python-telegram-bot's application together: which handler gets which update."""

from datetime import timedelta
from typing import Any

from telegram import Message
from telegram.ext import (
    Application,
    BaseRateLimiter,
    CallbackQueryHandler,
    CommandHandler,
    ExtBot,
    MessageHandler,
    filters,
)
from telegram.request import BaseRequest

from bot.config import TELEGRAM
from bot.handlers import Handlers

# Sending needs as many connections as chats are handled side by side, or it fails for want of one.
_CONNECTIONS = 64
# Somebody who mends a question that fast still waits for its answer; later edits are housekeeping.
_EDITED_WITHIN = timedelta(minutes=2)

App = Application[Any, Any, Any, Any, Any, Any]


def build_bot(
    token: str,
    api_url: str = TELEGRAM,
    request: BaseRequest | None = None,
    sender: BaseRateLimiter[Any] | None = None,
) -> ExtBot[Any]:
    """Return the bot that speaks to the Bot API server at `api_url`, or through `request` instead of the network."""
    return ExtBot(
        token,
        base_url=f"{api_url.rstrip('/')}/bot",
        request=request or _over_http(_CONNECTIONS),
        get_updates_request=request or _over_http(connections=1),
        rate_limiter=sender,
    )


def _over_http(connections: int) -> BaseRequest:
    from bot.transport import AiohttpRequest  # the conversation in a terminal starts sooner without aiohttp

    return AiohttpRequest(connections)


class _Awaited(filters.MessageFilter):
    """Lets through what somebody waits for: new messages, and old ones that were edited in a short while."""

    def filter(self, message: Message) -> bool:
        """Tell whether the message is no late edit."""
        return message.edit_date is None or message.edit_date - message.date <= _EDITED_WITHIN


def build_application(bot: ExtBot[Any], handlers: Handlers) -> App:
    """Return the application in which each update meets the first handler that fits."""
    application = Application.builder().bot(bot).updater(None).build()
    messages = filters.UpdateType.MESSAGES & _Awaited()
    application.add_handlers(
        [
            CallbackQueryHandler(handlers.button),
            CommandHandler("start", handlers.start, messages),
            CommandHandler("topics", handlers.topics, messages),
            CommandHandler("contact", handlers.contact, messages),
            CommandHandler("privacy", handlers.privacy, messages),
            CommandHandler("forget", handlers.forget, messages),
            CommandHandler("help", handlers.help, messages),
            # A command that is none of ours; in a group it may be another bot's.
            MessageHandler(messages & filters.COMMAND & filters.ChatType.PRIVATE, handlers.other_command),
            MessageHandler(messages & filters.TEXT & ~filters.COMMAND, handlers.question),
            MessageHandler(messages & filters.CAPTION & filters.UpdateType.EDITED_MESSAGE, handlers.edited_caption),
            # No other edits: a place that is shared live is edited at every step.
            MessageHandler(filters.UpdateType.MESSAGE & ~filters.TEXT & ~filters.StatusUpdate.ALL, handlers.not_text),
        ]
    )
    application.add_error_handler(handlers.error)
    return application
