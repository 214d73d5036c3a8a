"""Putting python-telegram-bot's application together: which handler gets which update."""

from typing import Any

from telegram.ext import (
    Application,
    BaseRateLimiter,
    CallbackQueryHandler,
    CommandHandler,
    ExtBot,
    MessageHandler,
    filters,
)
from telegram.request import BaseRequest, HTTPXRequest

from bot.handlers import Handlers

TELEGRAM = "https://api.telegram.org"
# Sending needs as many connections as chats are handled side by side, or it fails for want of one.
_CONNECTIONS = 64

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
        request=request or HTTPXRequest(connection_pool_size=_CONNECTIONS),
        get_updates_request=request or HTTPXRequest(connection_pool_size=1),
        rate_limiter=sender,
    )


def build_application(bot: ExtBot[Any], handlers: Handlers) -> App:
    """Return the application in which each update meets the first handler that fits."""
    application = Application.builder().bot(bot).updater(None).build()
    messages = filters.UpdateType.MESSAGES
    application.add_handlers(
        [
            CallbackQueryHandler(handlers.button),
            CommandHandler("start", handlers.start),
            CommandHandler("topics", handlers.topics),
            CommandHandler("contact", handlers.contact),
            CommandHandler("privacy", handlers.privacy),
            CommandHandler("help", handlers.help),
            # A command that is none of ours; in a group it may be another bot's.
            MessageHandler(messages & filters.COMMAND & filters.ChatType.PRIVATE, handlers.help),
            MessageHandler(messages & filters.TEXT & ~filters.COMMAND, handlers.question),
            MessageHandler(messages & ~filters.TEXT & ~filters.StatusUpdate.ALL, handlers.not_text),
        ]
    )
    application.add_error_handler(handlers.error)
    return application
