"""`clinic-faq run` as a process of its own, against a Bot API server on loopback, by real HTTP."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bot.markdown import refusal
from bot.offline import Button, Sent
from faq.loading import load
from faq.model import Answers
from tests.bot.test_conversations import says
from tests.conftest import BICYCLES
from tests.telegram_server import TelegramServer, hang, status, until

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def content(shop) -> Answers:
    return load(shop, refusal).answers


@pytest.fixture
async def server():
    async with TelegramServer() as server:
        yield server


class Process:
    """The bot's process, and what it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""

    async def read_log(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            self.log += line.decode()

    async def end(self, by: signal.Signals) -> int:
        self._process.send_signal(by)
        return await asyncio.wait_for(self._process.wait(), 15)


@pytest.fixture
def running(server, shop, cache_home, small_model) -> Callable[..., object]:
    """Run the bot until the end of the block, and end it by a signal."""

    @asynccontextmanager
    async def run(token: str = server.token, by: signal.Signals = signal.SIGTERM, **settings: str):
        environment = os.environ | {
            "TELEGRAM_BOT_TOKEN": token,
            "TELEGRAM_API_URL": server.url,
            "ANSWERS": str(shop),
            "XDG_CACHE_HOME": str(cache_home),
            "PYTHONPATH": str(ROOT),
            "CHAT_LIMIT": "0",  # these patients write at a machine's pace
            "SEND_LIMIT": "0",
            **settings,
        }
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=environment, cwd=shop.parent, stderr=asyncio.subprocess.PIPE
        )
        process = Process(started)
        reading = asyncio.create_task(process.read_log())
        try:
            yield process
        finally:
            if started.returncode is None:
                await process.end(by)
            await reading

    return run


async def next_sent(server: TelegramServer, ask: Callable[[], object]) -> Sent:
    """Do something as a patient; return the next thing that the bot shows."""
    already = len(server.telegram.sent)
    ask()
    await until(lambda: len(server.telegram.sent) > already)
    return server.telegram.sent[already]


def labelled(message: Sent, label: str) -> Button:
    return next(button for button in message.buttons if button.label == label)


async def test_every_command_and_button_is_answered_over_http_and_the_log_tells_no_words_and_no_token(
    server, running, content
):
    async def write(text: str) -> Sent:
        return await next_sent(server, lambda: server.write(text))

    async def press(message: Sent, label: str) -> Sent:
        data = labelled(message, label).data
        return await next_sent(server, lambda: server.press(data or "", message))

    async with running() as process:
        for command, wording in {
            "/start": content.wording.start,
            "/help": content.wording.help,
            "/contact": content.wording.contact,
            "/privacy": content.wording.privacy,
        }.items():
            assert says(await write(command), wording.replace("{days}", "90"))
        assert "flat tire" in (await write("/start flat-tire__flyer-june")).text
        menu = await write("/topics")
        repairs = await press(menu, "Repairs")
        brakes = await press(repairs, "Do you adjust brakes?")
        assert "within a day" in brakes.text
        tire = await write("my unmistakable tire is flat")
        assert "while you wait" in tire.text
        assert "Renting" in (await press(tire, content.wording.buttons.topics)).labels
        assert server.telegram.unanswered_presses() == 0
    assert "replied" in process.log
    assert "stopped" in process.log
    assert "unmistakable" not in process.log
    assert server.token not in process.log


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def test_killed_when_telegram_has_an_answer_and_the_database_not_yet_it_does_not_answer_again(
    server, running, shop
):
    async with running(by=signal.SIGKILL) as process:
        await until(lambda: server.count("getUpdates"))
        busy = sqlite3.connect(shop.parent / "data/clinic-faq.sqlite", isolation_level=None)
        busy.execute("BEGIN IMMEDIATE")
        server.order("getUpdates", hang)  # so that the update is not confirmed to Telegram either
        server.write("my tire is flat")
        await until(lambda: "replied" in process.log)
    busy.close()
    server.forgive()
    assert server.telegram.unconfirmed() == 1
    async with running():
        await next_sent(server, lambda: server.write("my brakes squeal"))
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert [answer.partition("\n")[0] for answer in server.answers()] == [
        "Can you mend a flat tire?",
        "Do you adjust brakes?",
    ]


async def test_a_saved_change_goes_live_within_two_seconds_and_a_broken_one_is_only_told(server, running, shop):
    answers, url = shop / "answers.yaml", f"http://127.0.0.1:{free_port()}"
    async with running(PORT=url.rpartition(":")[2]) as process, ClientSession() as stranger:
        await next_sent(server, lambda: server.write("my brakes squeal"))
        answers.write_text(BICYCLES.replace("adjusted within a day", "adjusted at once"))
        await until(lambda: "the changed FAQ is live" in process.log, seconds=2)
        assert "at once" in (await next_sent(server, lambda: server.write("my brakes squeal"))).text
        answers.write_text(BICYCLES.replace("topic: repairs", "topic: repears"))
        await until(lambda: "mend this first" in process.log)
        assert "at once" in (await next_sent(server, lambda: server.write("my brakes squeal"))).text
        # A bot that polls serves the other routes when there is a port.
        for path, wanted in {"/healthz": 200, "/metrics": 200, "/telegram": 404, "/readyz": 200}.items():
            async with stranger.get(url + path) as response:
                assert (path, response.status) == (path, wanted)
                body = await response.text()
        faq = next(check for check in json.loads(body) if check["name"] == "faq")
        assert (faq["ok"], faq["detail"]) == (True, "5 entries; problems in the saved files: 3.")
    assert "There is no `repears` under `topics:`" in process.log


async def test_a_dotenv_that_is_edited_counts_only_from_the_next_start_on(server, running, shop):
    dotenv = shop.parent / ".env"
    dotenv.write_text(f"ANSWERS={shop}\nCHAT_LIMT=3\n")
    async with running(ANSWERS="") as process:
        await next_sent(server, lambda: server.write("my brakes squeal"))
        dotenv.write_text("ANSWERS=elsewhere\nLOG_FORMAT=half-typ")
        (shop / "answers.yaml").write_text(BICYCLES.replace("adjusted within a day", "adjusted at once"))
        await until(lambda: "the changed FAQ is" in process.log)
        assert "at once" in (await next_sent(server, lambda: server.write("my brakes squeal"))).text
    assert "LOG_FORMAT" not in process.log
    assert process.log.count("CHAT_LIMT is no setting. Did you mean CHAT_LIMIT?") == 1


async def test_a_bot_with_a_webhook_answers_what_is_brought_and_ends_cleanly(server, running):
    url = f"http://127.0.0.1:{free_port()}"
    async with ClientSession() as telegram:

        async def bring(text: str, secret: str) -> int:
            headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
            async with telegram.post(f"{url}/telegram", json=server.write(text), headers=headers) as response:
                return response.status

        async with running(WEBHOOK_URL=url, PORT=url.rpartition(":")[2]) as process:
            await until(lambda: server.count("getWebhookInfo"), seconds=50)
            (agreed,) = (parameters for method, parameters in server.calls if method == "setWebhook")
            assert agreed["url"] == f"{url}/telegram"
            assert await bring("my tire is flat", agreed["secret_token"]) == 200
            assert await bring("helmets?", "wrong") == 401
            async with telegram.get(f"{url}/readyz") as response:
                checks = {check["name"]: check["ok"] for check in await response.json()}
            assert (response.status, checks) == (200, {"updates": True, "storage": True, "faq": True})
            server.order("sendMessage", status(429, retry_after=0.3))
            last = asyncio.create_task(bring("my brakes squeal", agreed["secret_token"]))
            await until(lambda: server.count("sendMessage") == 2)
            assert await process.end(signal.SIGTERM) == 0
            assert await last == 200
    assert [answer.partition("\n")[0] for answer in server.answers()] == [
        "Can you mend a flat tire?",
        "Do you adjust brakes?",
    ]
    assert server.count("getUpdates") == server.count("deleteWebhook") == 0
    assert agreed["secret_token"] not in process.log


async def test_a_wrong_token_is_told_in_a_sentence(running):
    async with running(token="2:wrong") as process:  # noqa: S106  # it opens nothing
        await until(lambda: "TELEGRAM_BOT_TOKEN" in process.log)
    assert process.log.endswith("\nTelegram does not know this TELEGRAM_BOT_TOKEN. Ask @BotFather for it.\n")
