"""HTTP over aiohttp: forms, files, time-outs, the pool and the proxy, as python-telegram-bot expects them."""

import asyncio
import io
import json
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from telegram import InputFile
from telegram.error import NetworkError, TimedOut
from telegram.request import RequestData
from telegram.request._requestparameter import RequestParameter

from bot.transport import AiohttpRequest, Limits

SECRET = "1:never-to-be-seen"  # noqa: S105  # it opens nothing


class Listener:
    """A server that keeps what it is sent, and answers when its door is open."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.fields: list[dict[str, object]] = []
        self.door = asyncio.Event()
        self.door.set()

    @asynccontextmanager
    async def listening(self):
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        yield self
        await runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bot{SECRET}/send"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        form = await request.post()
        self.fields.append({name: _content(value) for name, value in form.items()})
        if request.path.endswith("moved"):
            raise web.HTTPFound("https://elsewhere.example/")
        if request.path.endswith("trickle"):
            return await self._trickle(request)
        await self.door.wait()
        return web.Response(status=418, body=b"tea")

    async def _trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.005)


def _content(value: object) -> object:
    return (value.filename, value.content_type, value.file.read()) if isinstance(value, web.FileField) else value


@pytest.fixture
async def listener(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    async with Listener().listening() as listener:
        yield listener


@pytest.fixture
async def request_():
    async with AiohttpRequest(connections=1) as request:
        yield request


def data(**fields: object) -> RequestData:
    return RequestData([RequestParameter.from_input(name, value) for name, value in fields.items()])


async def test_status_and_body_come_back_whatever_they_are(listener, request_):
    assert await request_.do_request(listener.url, "GET") == (418, b"tea")
    assert listener.requests[0].method == "GET"
    assert listener.requests[0].headers["User-Agent"].startswith("python-telegram-bot")


async def test_parameters_arrive_as_a_form(listener, request_):
    await request_.do_request(listener.url, "POST", data(chat_id=7, text="ü & =\n", markup={"a": [1]}, off=None))
    assert listener.fields == [{"chat_id": "7", "text": "ü & =\n", "markup": '{"a": [1]}'}]
    assert listener.requests[0].content_type == "application/x-www-form-urlencoded"


def test_of_what_was_sent_words_and_buttons_are_not_looked_at_again():
    sent = b'{"ok": true, "result": {"message_id": 1, "date": 2, "text": "hi", "reply_markup": {}}}'
    assert AiohttpRequest.parse_json_payload(sent) == {"ok": True, "result": {"message_id": 1, "date": 2}}


@pytest.mark.parametrize("payload", [b'{"ok": true, "result": [{"update_id": 1}]}', b'{"ok": true, "result": true}'])
def test_every_other_answer_is_taken_as_it_is(payload):
    assert AiohttpRequest.parse_json_payload(payload) == json.loads(payload)


@pytest.mark.parametrize("content", [b"\0\xff", io.BytesIO(b"\0\xff")])
async def test_files_arrive_beside_the_parameters(listener, request_, content):
    photo = InputFile(content, filename="needle.png", attach=True, read_file_handle=False)
    await request_.do_request(listener.url, "POST", data(chat_id=7, photo=photo))
    (fields,) = listener.fields
    assert fields.pop("chat_id") == "7"
    assert fields.pop("photo").startswith("attach://")
    assert list(fields.values()) == [("needle.png", "image/png", b"\0\xff")]


async def test_a_redirection_is_an_answer_and_is_not_followed(listener, request_):
    status, _ = await request_.do_request(f"{listener.url}/moved", "POST", data(chat_id=7))
    assert status == 302
    assert len(listener.requests) == 1


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(read=0.02), Limits(read=5, pool=0, connect=0, write=0.02)])
async def test_an_answer_that_does_not_come_is_timed_out(listener, limits):
    listener.door.clear()
    async with AiohttpRequest(connections=1, limits=limits) as request:
        assert request.read_timeout == limits.read
        with pytest.raises(TimedOut):
            await request.do_request(listener.url, "POST", read_timeout=0.02)


async def test_an_answer_that_trickles_for_ever_is_timed_out(listener):
    async with AiohttpRequest(1, Limits(pool=0.02, connect=0.02, write=0.02, read=0.02)) as request:
        with pytest.raises(TimedOut):
            await request.do_request(f"{listener.url}/trickle", "GET")


async def test_who_waits_in_vain_for_a_connection_is_timed_out(listener, request_):
    listener.door.clear()
    first = asyncio.create_task(request_.do_request(listener.url, "GET"))
    while not listener.requests:
        await asyncio.sleep(0)
    with pytest.raises(TimedOut):
        await request_.do_request(listener.url, "GET", pool_timeout=0.01, connect_timeout=0.01)
    listener.door.set()
    assert await first == (418, b"tea")
    assert len(listener.requests) == 1


async def test_a_call_may_be_given_all_the_time_there_is(listener, request_):
    never = dict.fromkeys(("read_timeout", "write_timeout", "connect_timeout", "pool_timeout"))
    assert await request_.do_request(listener.url, "POST", **never) == (418, b"tea")


async def test_the_pool_holds_no_more_connections_than_it_may(listener):
    listener.door.clear()
    async with AiohttpRequest(connections=2) as request:
        calls = [asyncio.create_task(request.do_request(listener.url, "GET")) for _ in range(6)]
        while len(listener.requests) < 2:
            await asyncio.sleep(0)
        listener.door.set()
        await asyncio.gather(*calls)
    assert len({each.transport for each in listener.requests}) <= 2


# --- errors ----------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_not_there_is_a_network_error_without_the_address(request_):
    with pytest.raises(NetworkError) as told:
        await request_.do_request(f"http://127.0.0.1:9/bot{SECRET}/send", "POST")
    assert str(told.value) == "aiohttp.ClientConnectorError"
    assert told.value.__suppress_context__


async def test_an_address_that_is_none_is_a_network_error_without_the_address(request_):
    with pytest.raises(NetworkError) as told:
        await request_.do_request(f"nowhere/bot{SECRET}/send", "POST")
    assert SECRET not in str(told.value)


async def test_a_request_that_was_shut_down_works_again_after_it_is_initialized(listener):
    request = AiohttpRequest(connections=1)
    with pytest.raises(RuntimeError):
        await request.do_request(listener.url, "GET")
    for _ in range(2):
        await request.initialize()
        await request.initialize()
        assert await request.do_request(listener.url, "GET") == (418, b"tea")
        await request.shutdown()
        await request.shutdown()


# --- the environment -------------------------------------------------------------------------------------------------


async def test_the_proxy_of_the_environment_is_used(listener, request_, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.port}")
    assert await request_.do_request("http://telegram.example/bot1:x/getMe", "GET") == (418, b"tea")
    assert listener.requests[0].host == "telegram.example"


async def test_a_host_that_needs_no_proxy_is_spoken_to_directly(listener, request_, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert await request_.do_request(listener.url, "GET") == (418, b"tea")


async def test_nothing_is_logged_that_holds_the_token(listener, request_, caplog):
    caplog.set_level(logging.DEBUG)
    await request_.do_request(listener.url, "POST", data(chat_id=7))
    assert SECRET not in caplog.text
