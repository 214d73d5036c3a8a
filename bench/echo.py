"""The bots that ours is compared with: they send back what is written, and are started by bench.serving.

`python -m bench.echo URL` is python-telegram-bot as it comes, with `--webhook PORT` behind a webhook as in its example
customwebhookbot; `--by-hand` is aiohttp and nothing else, which tells how fast the Bot API server is.
"""

import asyncio
import logging
from typing import Annotated, Any

import typer
import uvicorn
from aiohttp import ClientSession, TCPConnector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters

from bench.bot_api import TOKEN

_SECRET = "loopback"  # noqa: S105  # it opens nothing
_CONNECTIONS = 50

App = Application[Any, Any, Any, Any, Any, Any]


async def _echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    if update.effective_message and update.effective_message.text:
        await update.effective_message.reply_text(update.effective_message.text)


def _application(url: str) -> App:
    application = Application.builder().token(TOKEN).base_url(f"{url}/bot").build()
    application.add_handler(MessageHandler(filters.TEXT, _echo))
    return application


async def _serve(application: App, port: int) -> None:
    """Serve the webhook; an update is put into the application's queue, as in python-telegram-bot's example."""

    async def receive(request: Request) -> Response:
        await application.update_queue.put(Update.de_json(await request.json(), application.bot))
        return Response()

    routes = [Route("/telegram", receive, methods=["POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level=logging.ERROR))
    async with application:
        await application.start()
        await application.bot.set_webhook(f"http://127.0.0.1:{port}/telegram", secret_token=_SECRET)
        await server.serve()
        await application.stop()


async def _echo_by_hand(url: str) -> None:
    async with ClientSession(f"{url}/bot{TOKEN}/", connector=TCPConnector(limit=_CONNECTIONS + 1)) as session:

        async def send(message: dict[str, Any]) -> None:
            parameters = {"chat_id": message["chat"]["id"], "text": message["text"]}
            async with session.post("sendMessage", data=parameters) as response:
                await response.read()

        offset = 0
        while True:
            async with session.post("getUpdates", data={"offset": offset, "timeout": 10}) as response:
                updates = (await response.json())["result"]
            await asyncio.gather(*(send(update["message"]) for update in updates))
            offset = updates[-1]["update_id"] + 1 if updates else offset


def main(
    url: str,
    webhook: Annotated[int, typer.Option(help="Serve a webhook on this port.")] = 0,
    by_hand: Annotated[bool, typer.Option(help="Go without python-telegram-bot.")] = False,
) -> None:
    """Echo until stopped."""
    if by_hand:
        asyncio.run(_echo_by_hand(url))
    elif webhook:
        asyncio.run(_serve(_application(url), webhook))
    else:
        _application(url).run_polling()


if __name__ == "__main__":
    typer.run(main)
