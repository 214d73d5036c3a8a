"""A lean Bot API server on loopback: it checks nothing, so that the bot is what takes the time.

tests/telegram_server.py is the strict one.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count, islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import ClientError, ClientSession, TCPConnector, web

Json = dict[str, Any]

TOKEN = "1:loopback"  # noqa: S105  # it opens nothing
BOT: Json = {"id": 1, "is_bot": True, "first_name": "Clinic FAQ", "username": "clinic_faq_bot"}
_MOST_UPDATES = 100
# do_get_updates in tdlib/telegram-bot-api: who asks sooner for the same offset gets one update only.
_SAME_OFFSET_SECONDS = 0.5
# https://core.telegram.org/bots/api#setwebhook
_CONNECTIONS = 40
# Telegram, too, waits a second before it brings an update again, and twice as long each time (WebhookActor.cpp).
_AGAIN_SECONDS = 1.0
_LISTENING_SECONDS = 0.05


class BotApi:
    """Brings one bot its updates, by getUpdates or to its webhook on loopback, and tells of each message it sends."""

    def __init__(self, sent: Callable[[int], None], webhook_port: int = 0) -> None:
        self.refused = 0
        self._sent = sent
        self._webhook_url, self._webhook_port = "", webhook_port
        self._numbers = count(1)
        self._updates: deque[tuple[int, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._last_offset = (0, -_SAME_OFFSET_SECONDS)
        self._posts: list[asyncio.Task[None]] = []
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """What TELEGRAM_API_URL is to be."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._forget_webhook()
        await self._runner.cleanup()

    def write(self, text: str, chat_id: int, chat_type: str = "private") -> int:
        """Let a patient write in a chat; return the number of the message, which is also the update's."""
        number, update = self.update(text, chat_id, chat_type)
        self._updates.append((number, update))
        self._arrived.set()
        return number

    def update(self, text: str, chat_id: int, chat_type: str = "private") -> tuple[int, bytes]:
        """Return the update that a message makes, and its number."""
        number = next(self._numbers)
        message = {
            "message_id": number,
            "date": int(time.time()),
            "chat": {"id": chat_id, "type": chat_type, "first_name": "Pat", "title": "Pat"},
            "from": {"id": abs(chat_id), "first_name": "Pat", "is_bot": False},
            "text": text,
        }
        return number, json.dumps({"update_id": number, "message": message}).encode()

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        method, parameters = request.path.rpartition("/")[2], await _parameters(request)
        match method:
            case "getUpdates":
                return _answer(b"[%s]" % b",".join(await self._get_updates(parameters)))
            case "sendMessage":
                return _answer(self._send_message(parameters))
            case "getMe":
                return _answer(_encoded(BOT))
            case "setWebhook" | "deleteWebhook":
                self._set_webhook(parameters)
            case "getWebhookInfo":
                return _answer(_encoded(self._webhook_info()))
        return _answer(b"true")

    def _send_message(self, parameters: Mapping[str, str]) -> bytes:
        chat_id = int(parameters["chat_id"])
        chat = {"id": chat_id, "type": "private", "first_name": "Pat"}
        message = {"message_id": next(self._numbers), "date": int(time.time()), "chat": chat, "from": BOT}
        message["text"] = parameters["text"]
        if "reply_markup" in parameters:
            message["reply_markup"] = json.loads(parameters["reply_markup"])
        self._sent(chat_id)
        return _encoded(message)

    async def _get_updates(self, parameters: Mapping[str, str]) -> list[bytes]:
        offset, until = int(parameters.get("offset", 0)), time.monotonic() + float(parameters.get("timeout", 0))
        limit = self._limit(offset)
        while self._updates and self._updates[0][0] < offset:
            self._updates.popleft()
        while not self._updates and (left := until - time.monotonic()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        return [update for _, update in islice(self._updates, limit)]

    def _limit(self, offset: int) -> int:
        now, (last_offset, last_time) = time.monotonic(), self._last_offset
        self._last_offset = (offset, now)
        return 1 if offset == last_offset and now < last_time + _SAME_OFFSET_SECONDS else _MOST_UPDATES

    def _set_webhook(self, parameters: Mapping[str, str]) -> None:
        self._forget_webhook()
        self._webhook_url = parameters.get("url", "")
        if self._webhook_url:
            secret = {"X-Telegram-Bot-Api-Secret-Token": parameters.get("secret_token", "")}
            connections = int(parameters.get("max_connections", _CONNECTIONS))
            # Whatever the address outside, and whoever ends TLS there: the bot listens here (bot/web.py).
            address = f"http://127.0.0.1:{self._webhook_port}/telegram"
            self._posts.append(asyncio.create_task(self._post_all(address, secret, connections)))

    def _webhook_info(self) -> Json:
        waiting = len(self._updates)
        return {"url": self._webhook_url, "has_custom_certificate": False, "pending_update_count": waiting}

    def _forget_webhook(self) -> None:
        for task in self._posts:
            task.cancel()
        self._posts.clear()

    async def _post_all(self, url: str, headers: Mapping[str, str], connections: int) -> None:
        """Post updates side by side until cancelled."""
        async with ClientSession(connector=TCPConnector(limit=connections), headers=headers) as session:
            await asyncio.gather(*(self._post(session, url) for _ in range(connections)))

    async def _post(self, session: ClientSession, url: str) -> None:
        """Post one update after the other, each until it is taken."""
        while True:
            while not self._updates:
                self._arrived.clear()
                await self._arrived.wait()
            number, update = self._updates.popleft()
            try:
                await self._bring(session, url, update)
            except asyncio.CancelledError:  # the webhook is set anew: the update is still to be brought
                self._updates.appendleft((number, update))
                raise

    async def _bring(self, session: ClientSession, url: str, update: bytes) -> None:
        again = _AGAIN_SECONDS
        while True:
            try:
                async with session.post(url, data=update, headers={"Content-Type": "application/json"}) as response:
                    if response.ok:
                        return
            except ClientError:  # it does not listen yet
                await asyncio.sleep(_LISTENING_SECONDS)
            else:
                self.refused += 1
                await asyncio.sleep(again)
                again *= 2


async def _parameters(request: web.BaseRequest) -> Mapping[str, str]:
    """Return the parameters as a form holds them, from a form or JSON."""
    if request.content_type == "application/json":
        fields = json.loads(await request.read())
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    if request.content_type == "multipart/form-data":
        return {name: str(value) for name, value in (await request.post()).items()}
    return dict(parse_qsl((await request.read()).decode()))


def _encoded(result: Json) -> bytes:
    return json.dumps(result).encode()


def _answer(result: bytes) -> web.Response:
    return web.Response(body=b'{"ok":true,"result":%s}' % result, content_type="application/json")
