"""A Bot API server on loopback, as strict as the offline Telegram that it serves, with faults to order.

async with TelegramServer() as server:
    server.order("sendMessage", status(502), times=3)
    server.write("how big are the needles?", chat_id=5)
    ...  # a bot with TELEGRAM_API_URL=server.url and TELEGRAM_BOT_TOKEN=server.token, here or in another process
    await until(lambda: server.answers(chat_id=5))
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.offline import Json, Sent, Telegram

TOKEN = "1:loopback"  # noqa: S105  # it opens nothing

Answer = Callable[[], Awaitable[web.Response]]
Fault = Callable[[web.Request, Answer], Awaitable[web.Response]]

# do_get_updates in tdlib/telegram-bot-api: who asks sooner for the same offset gets one update only.
SAME_OFFSET_SECONDS = 0.5


def status(code: int, retry_after: float | None = None, description: str = "Told to fail") -> Fault:
    """Return the fault of being refused with this status, and with 429 the seconds to wait."""

    async def refuse(request: web.Request, answer: Answer) -> web.Response:
        parameters = {"parameters": {"retry_after": retry_after}} if retry_after else {}
        body = {"ok": False, "error_code": code, "description": description, **parameters}
        return web.json_response(body, status=code)

    return refuse


def says(body: object, code: int = 200) -> Fault:
    """Return the fault of another body, with a status that may not fit it, as from some proxy."""

    async def reply(request: web.Request, answer: Answer) -> web.Response:
        return web.json_response(body, status=code)

    return reply


async def bad_gateway(request: web.Request, answer: Answer) -> web.Response:
    """Refuse as a proxy whose server is away: with HTML."""
    return web.Response(status=502, text="<html>502 Bad Gateway</html>", content_type="text/html")


async def hang(request: web.Request, answer: Answer) -> web.Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def reset(request: web.Request, answer: Answer) -> web.Response:
    """Break the connection before anything is done."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def lost(request: web.Request, answer: Answer) -> web.Response:
    """Do what is asked, but break the connection before telling so."""
    await answer()
    return await reset(request, answer)


async def half_json(request: web.Request, answer: Answer) -> web.Response:
    """Do what is asked, but tell only half of it."""
    body = (await answer()).body
    assert isinstance(body, bytes)
    return web.Response(body=body[: len(body) // 2], content_type="application/json")


class TelegramServer:
    """Serves an offline Telegram by HTTP; it can be stopped and started again, and forgets nothing meanwhile."""

    def __init__(self, token: str = TOKEN, same_offset: float = SAME_OFFSET_SECONDS) -> None:
        self.telegram = Telegram()
        self.token = token
        self.calls: list[tuple[str, dict[str, str]]] = []
        self._same_offset = same_offset
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._last_offset = ("", -same_offset)
        self._polls = 0
        self._arrived = asyncio.Event()
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """What TELEGRAM_API_URL is to be."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> "TelegramServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve, on the same port as before."""
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be gone: break every connection and refuse new ones."""
        assert self._runner
        await self._runner.cleanup()

    def order(self, method: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of a method fail so; what was ordered before comes first."""
        self._faults[method].extend([fault] * times)

    def forgive(self) -> None:
        """Forget the faults that are still to come."""
        self._faults.clear()

    def write(self, text: str, chat_id: int = 7) -> Json:
        """Let a patient write in a private chat."""
        chat = {"id": chat_id, "type": "private", "first_name": "Pat"}
        return self.deliver(self.telegram.message(chat=chat, text=text))

    def press(self, data: str, message: Sent) -> Json:
        """Let a patient press a button."""
        return self.deliver(self.telegram.press(data, message))

    def deliver(self, update: Json) -> Json:
        """Wake a bot that waits for an update of the offline Telegram."""
        self._arrived.set()
        return update

    def answers(self, chat_id: int | None = None) -> list[str]:
        """Return the texts that the bot sent, to one chat or to all, in order."""
        return [sent.text for sent in self.telegram.sent if chat_id in (None, sent.chat_id)]

    def count(self, method: str) -> int:
        """Return how many calls of a method came, failed ones too."""
        return sum(called == method for called, _ in self.calls)

    async def _serve(self, request: web.Request) -> web.Response:
        method, parameters = request.match_info["method"], await _parameters(request)
        self.calls.append((method, parameters))

        async def answer() -> web.Response:
            code, body = await self._answer(request.match_info["token"], method, parameters)
            return web.json_response(body, status=code)

        faults = self._faults[method]
        return await faults.popleft()(request, answer) if faults else await answer()

    async def _answer(self, token: str, method: str, parameters: dict[str, str]) -> tuple[int, Json]:
        if token != self.token:
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        if method == "getUpdates":
            return await self._get_updates(parameters)
        return self.telegram.call(method, parameters)

    async def _get_updates(self, parameters: dict[str, str]) -> tuple[int, Json]:
        """Hold the call until there is an update, or until its time is over, or until another poller comes."""
        self._polls += 1
        mine, until = self._polls, time.monotonic() + float(parameters.get("timeout", 0))
        self._arrived.set()
        limited = self._limited(parameters)
        while True:
            code, body = self.telegram.call("getUpdates", limited)
            if code != 200 or body["result"] or time.monotonic() >= until:
                return code, body
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), until - time.monotonic())
            except TimeoutError:
                continue
            if mine != self._polls:
                description = "Conflict: terminated by other getUpdates request; make sure that only one bot instance"
                return 409, {"ok": False, "error_code": 409, "description": f"{description} is running"}

    def _limited(self, parameters: dict[str, str]) -> dict[str, str]:
        offset, now = parameters.get("offset", ""), time.monotonic()
        (last_offset, last_time), self._last_offset = self._last_offset, (offset, now)
        return (
            {**parameters, "limit": "1"}
            if offset == last_offset and now < last_time + self._same_offset
            else parameters
        )


async def _parameters(request: web.Request) -> dict[str, str]:
    """Return the parameters as a form holds them, from a form, the address or JSON."""
    if request.content_type == "application/json":
        fields = await request.json()
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    form = await request.post()
    return {name: str(value) for name, value in (*request.query.items(), *form.items())}


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so; fail when it takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
